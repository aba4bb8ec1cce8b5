"""What is inside one machine: the part, the work left, the wear of its parts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from simulators.physics.hidden import ModeTruth, UnitTruth
from simulators.physics.streams import Stream, Streams

__all__ = ["IDLE", "REPAIR", "RUN", "SETUP", "WAIT", "Machine", "Mode", "Part"]

IDLE, SETUP, RUN, WAIT, REPAIR = range(5)
"""What a machine is at: nothing, a setup, a part, waiting for the crew, under repair."""


@dataclass(slots=True)
class Part:
    """One part on the line."""

    order: str
    product: str
    defects: list[str]
    """Units that made a defect on it, nobody knows."""

    def as_list(self) -> list[Any]:
        return [self.order, self.product, self.defects]


class Mode:
    """One failure mode of a machine in its present life."""

    __slots__ = ("initial", "left_s", "life_s", "lives", "name", "operated_s", "repairs", "truth")

    def __init__(self, name: str, truth: ModeTruth, streams: Streams, unit: str) -> None:
        self.name, self.truth = name, truth
        self.lives: Stream = streams.uniform(f"{unit}/{name}/life")
        self.repairs: Stream = streams.uniform(f"{unit}/{name}/repair")
        self.renew()
        self.initial = truth.initial_wear
        self.left_s = self.life_s * (1.0 - self.initial)

    def renew(self) -> None:
        """Begin a new life, fresh."""
        self.life_s = self.truth.life.quantile(self.lives.next())
        self.left_s = self.life_s
        self.initial = 0.0
        self.operated_s = 0.0

    def wear(self, elapsed_s: float = 0.0) -> float:
        """Wear, 0 fresh to 1 failed; 0 for modes that do not wear."""
        if not self.truth.wear:
            return 0.0
        return min(1.0, max(0.0, 1.0 - (self.left_s - elapsed_s) / self.life_s))

    def hasten(self, left_s: float) -> None:
        """Let the present wear reach 1 after so much more operating time. [s]"""
        share = 1.0 - self.wear()
        self.left_s = left_s
        self.life_s = left_s / share if share > 0.0 else left_s


@dataclass(slots=True)
class Machine:
    """The changing state of one work unit."""

    name: str
    truth: UnitTruth
    inputs: list[int]
    """Storage zones that feed it."""
    output: int | None
    """Storage zone that it feeds; None at the end of the line."""
    modes: list[Mode]
    work: dict[str, Stream]
    """Relative durations by product."""
    setup_noise: Stream
    chance: Stream
    on: bool = False
    activity: int = IDLE
    part: Part | None = None
    held: bool = False
    """The part is finished and cannot leave."""
    rejected: bool = False
    work_s: float = 0.0
    """Work left on the part. [s]"""
    segment_s: float = 0.0
    """Length of the run that is going on, until the part ends or the machine fails. [s]"""
    paused_s: float = math.inf
    """What was left of it when the shift ended. [s]"""
    duration_s: float = 0.0
    """Drawn duration of the part. [s]"""
    mean_s: float = 0.0
    """Mean of the law that it was drawn from. [s]"""
    failing: int = -1
    """Index of the mode that stopped it."""
    order: str = ""
    product: str = ""
    good: int = 0
    bad: int = 0
    operated_s: float = 0.0
    shown: list[Any] = field(default_factory=list)
    """Last values of the signals that are sent on change."""
    shown_us: list[int] = field(default_factory=list)

    def wear_factor(self) -> float:
        """Factor on the cycle time by wear."""
        factor = 1.0
        for mode in self.modes:
            if mode.truth.slowing:
                factor += mode.truth.slowing * mode.wear() ** 2
        return factor

    def failure_left_s(self) -> float:
        """Operating time until the next failure. [s]"""
        return min((mode.left_s for mode in self.modes), default=math.inf)

    def state(self) -> dict[str, Any]:
        """Everything that changes, as plain values."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        plain["part"] = self.part.as_list() if self.part else None
        plain["modes"] = [[m.left_s, m.life_s, m.initial, m.operated_s] for m in self.modes]
        return plain

    def restore(self, plain: dict[str, Any]) -> None:
        """Put back what ``state`` gave."""
        for name in _PLAIN:
            setattr(self, name, plain[name])
        self.part = Part(*plain["part"]) if plain["part"] else None
        for mode, saved in zip(self.modes, plain["modes"], strict=True):
            mode.left_s, mode.life_s, mode.initial, mode.operated_s = saved


_PLAIN = (
    "on", "activity", "held", "rejected", "work_s", "segment_s", "paused_s", "duration_s", "mean_s",
    "failing", "order", "product", "good", "bad", "operated_s", "shown", "shown_us",
)  # fmt: skip
