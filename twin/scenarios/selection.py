"""What a selection of the best gives: the winner, what was seen of each, and when it was given up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from twin.scenarios.pairs import plain
from twin.scenarios.scenario import Scenario

__all__ = ["Alternative", "Direction", "Elimination", "Selection"]

Direction = Literal["higher", "lower"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Elimination:
    """A scenario that was given up: it is not the best, or not by as much as matters."""

    name: str
    by: str
    """The scenario that is better by too much."""
    replications: int
    """Of each, when it was seen."""
    difference: float
    """Its mean minus that of ``by``, over these replications; in the KPI's unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """What was seen of one scenario."""

    scenario: Scenario
    replications: int
    mean: float
    low: float
    high: float
    """Ends of the interval of the mean, at the probability of the selection, on its own replications."""
    state: Literal["selected", "eliminated", "in contention"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The best of the scenarios by one KPI, and how it was found."""

    kpi: str
    unit: str
    better: Direction
    best: str
    """Name of the scenario that is selected, or, without a guarantee, leads."""
    guaranteed: bool
    """False: ``max_replications`` were used up while several scenarios were left."""
    probability: float
    delta: float
    """Smallest difference that matters, in the KPI's unit."""
    engine: str
    reason: str
    """Why this engine ran; where several did, on which runs."""
    seed: int
    horizon_s: float
    warm_up_s: float
    replications: int
    """Of all scenarios together."""
    alternatives: tuple[Alternative, ...]
    """In the order in which they were given."""
    history: tuple[Elimination, ...]
    """In the order in which they were given up."""

    @property
    def verdict(self) -> str:
        """The answer in words, with what it promises."""
        unit = "" if self.unit == "1" else f" {self.unit}"
        margin = f"{self.delta:.4g}{unit}"
        if self.guaranteed:
            return (
                f"{self.best} is selected: where it pays to choose, that is where the best is ahead of every "
                f"other one by {margin} or more, the best is found with probability {self.probability:g}"
            )
        left = [a.scenario.name for a in self.alternatives if a.state != "eliminated"]
        return (
            f"{self.best} leads, but nothing is guaranteed: the replications were used up with "
            f"{', '.join(left)} still in contention; allow more of them, or a difference larger than {margin}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; NaN is None."""
        return {
            "kpi": self.kpi,
            "unit": self.unit,
            "better": self.better,
            "best": self.best,
            "guaranteed": self.guaranteed,
            "probability": self.probability,
            "delta": self.delta,
            "verdict": self.verdict,
            "engine": self.engine,
            "engine_reason": self.reason,
            "seed": self.seed,
            "horizon_h": self.horizon_s / 3600.0,
            "warm_up_s": self.warm_up_s,
            "replications": self.replications,
            "alternatives": [
                {
                    **one.scenario.as_dict(),
                    "state": one.state,
                    "replications": one.replications,
                    "mean": plain(one.mean),
                    "low": plain(one.low),
                    "high": plain(one.high),
                }
                for one in self.alternatives
            ],
            "history": [
                {
                    "name": one.name,
                    "by": one.by,
                    "replications": one.replications,
                    "difference": one.difference,
                }
                for one in self.history
            ],
        }
