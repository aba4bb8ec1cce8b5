"""Lives of wearing parts from telemetry: one streaming state for training and for service.

A life of a failure mode runs from a repair to the next failure of that mode. Its clock is the
time that the unit produced (or calendar time, where the mode says so), and along that clock the
condition signals are kept as bins, so a life of weeks is a few hundred numbers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from maintenance.features.timeline import FaultRun, Timeline, fault_runs, timeline
from twin.plant import Plant, SignalRole
from twin.telemetry import SampleBatch, from_us, to_us
from twin.telemetry.states import SignalIndex

__all__ = [
    "BIN_H",
    "Life",
    "LifeMemory",
    "ModeKey",
    "Service",
    "UnitMemory",
    "advance",
    "begin",
    "condition_signals",
]

BIN_H = 0.25
"""Width of a bin on the clock of a life. [h]"""

_US_PER_H = 3_600_000_000
_PLANNED_SLACK_US = 3_600_000_000

ModeKey = tuple[str, str]
"""(work unit, failure mode)."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Planned work that made a failure mode fresh: it ends a life without a failure."""

    work_unit: str
    failure_mode: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Life:
    """One part from fresh to failed, or as far as it has come."""

    work_unit: str
    failure_mode: str
    started_us: int
    fresh: bool
    """False for the life that was already running when the telemetry began."""
    age_h: float = 0.0
    """Reading of the clock of this life. [h]"""
    ended_us: int | None = None
    failed: bool = False
    """True where it ended in a failure; False where planned work ended it, or it still runs."""
    sums: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    """Sum of the good samples, by condition signal and bin. Shape (signals, bins)"""
    counts: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    """Number of good samples. Shape (signals, bins)"""
    entered_us: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """When the clock entered each bin. Shape (bins,)"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnitMemory:
    """What is known of one work unit up to an instant."""

    until_us: int
    tail: SampleBatch
    """Last row of each status signal: what was true at ``until_us``."""
    working_h: float
    """Calendar working time seen. [h]"""
    production_h: Floats
    """Production time by hour of working time. [h], shape (hours,)"""
    lives: Mapping[str, Life]
    """By failure mode: the running life, or the failed one while its repair lasts."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LifeMemory:
    """What is known of every work unit: the state that telemetry moves forward."""

    units: Mapping[str, UnitMemory]

    @property
    def until(self) -> datetime:
        """How far it has come."""
        return from_us(min(u.until_us for u in self.units.values()))

    def running(self) -> Iterator[Life]:
        """The present life of every failure mode, by unit and mode of the plant file."""
        for memory in self.units.values():
            yield from memory.lives.values()

    def repaired(self) -> dict[ModeKey, datetime]:
        """When each failure mode was last made fresh, where that was seen."""
        return {
            (life.work_unit, life.failure_mode): from_us(life.started_us)
            for life in self.running()
            if life.fresh and life.ended_us is None
        }


def condition_signals(plant: Plant, unit: str, mode: str) -> tuple[str, ...]:
    """Names of the signals that show the wear of a failure mode; () where it is no wear mode."""
    work_unit = plant.work_units[unit]
    if not work_unit.failure_modes[mode].wear:
        return ()
    return tuple(
        name
        for name, signal in work_unit.signals.items()
        if signal.role is SignalRole.CONDITION and mode in signal.failure_modes
    )


def begin(plant: Plant, start: datetime) -> LifeMemory:
    """The state before any telemetry: every part runs, its age unknown and counted from here."""
    at = to_us(start)
    return LifeMemory(
        units={
            unit: UnitMemory(
                until_us=at,
                tail=SampleBatch.empty(),
                working_h=0.0,
                production_h=np.zeros(0),
                lives={
                    mode: _new_life(plant, unit, mode, at, fresh=False)
                    for mode in plant.work_units[unit].failure_modes
                },
            )
            for unit in plant.work_units
        }
    )


def advance(
    plant: Plant,
    memory: LifeMemory,
    batch: SampleBatch,
    *,
    until: datetime,
    services: Sequence[Service] = (),
) -> tuple[LifeMemory, tuple[Life, ...]]:
    """Move the state forward over telemetry.

    Rows measured up to where the state stands are passed over, so windows may overlap; one long
    step and many short ones end in the same state.

    Args:
        plant: Names the signals, states, modes and calendars.
        memory: The state so far.
        batch: Telemetry in any order, without two rows of one signal and instant.
        until: Where the state shall stand; earlier than it stands already changes nothing.
        services: Planned work in that time.

    Returns:
        The new state, and the lives that ended on the way, in the order of the plant file.
    """
    units: dict[str, UnitMemory] = {}
    ended: list[Life] = []
    index = SignalIndex(batch)
    for unit, known in memory.units.items():
        if to_us(until) <= known.until_us:
            units[unit] = known
            continue
        own = tuple(s for s in services if s.work_unit == unit)
        units[unit], unit_ended = _advance_unit(plant, unit, known, index, to_us(until), own)
        ended += unit_ended
    return LifeMemory(units=units), tuple(ended)


def _new_life(plant: Plant, unit: str, mode: str, at_us: int, *, fresh: bool) -> Life:
    signals = len(condition_signals(plant, unit, mode))
    return Life(
        work_unit=unit,
        failure_mode=mode,
        started_us=at_us,
        fresh=fresh,
        sums=np.zeros((signals, 0)),
        counts=np.zeros((signals, 0)),
    )


def _advance_unit(
    plant: Plant,
    unit: str,
    known: UnitMemory,
    index: SignalIndex,
    until_us: int,
    services: Sequence[Service],
) -> tuple[UnitMemory, list[Life]]:
    line = timeline(plant, unit, known.tail, index, known.until_us, until_us)
    runs = fault_runs(line)
    lives: dict[str, Life] = {}
    ended: list[Life] = []
    for mode, definition in plant.work_units[unit].failure_modes.items():
        planned = [to_us(s.at) for s in services if s.failure_mode == mode]
        outages = _outages(runs, mode, planned, known.until_us, until_us)
        spans = line.production if definition.clock == "operating" else line.whole
        rows = [line.condition(plant, unit, name) for name in condition_signals(plant, unit, mode)]
        life = known.lives[mode]
        at = known.until_us
        for down_us, up_us, failure in outages:
            if life.ended_us is None and down_us is None:
                continue
            if life.ended_us is None and down_us is not None:
                life = _grown(life, spans, rows, at, down_us)
                life = replace(life, ended_us=down_us, failed=failure)
                ended.append(life)
            if up_us is not None:
                life, at = _new_life(plant, unit, mode, up_us, fresh=True), up_us
        lives[mode] = life if life.ended_us is not None else _grown(life, spans, rows, at, until_us)
    working_h, production_h = _utilisation(plant, unit, known, line)
    moved = UnitMemory(
        until_us=until_us,
        tail=line.tail,
        working_h=working_h,
        production_h=production_h,
        lives=lives,
    )
    return moved, ended


def _outages(
    runs: Sequence[FaultRun],
    mode: str,
    planned_us: Sequence[int],
    after_us: int,
    until_us: int,
) -> list[tuple[int | None, int | None, bool]]:
    """(down, up, it was a failure) of one mode; planned work that no fault shows counts too."""
    found: list[tuple[int | None, int | None, bool]] = []
    shown: set[int] = set()
    for name, down_us, up_us in runs:
        if name != mode:
            continue
        first = (after_us if down_us is None else down_us) - _PLANNED_SLACK_US
        last = (until_us if up_us is None else up_us) + _PLANNED_SLACK_US
        near = {at for at in planned_us if first <= at <= last}
        shown |= near
        found.append((down_us, up_us, not near))
    found += [(at, at, False) for at in planned_us if at not in shown and after_us < at <= until_us]
    return sorted(found, key=lambda outage: outage[0] or after_us)


def _grown(
    life: Life,
    spans: NDArray[np.int64],
    rows: Sequence[tuple[NDArray[np.int64], Floats]],
    start_us: int,
    end_us: int,
) -> Life:
    """The life after its clock ran over the part of the spans within (start, end]."""
    begins = np.clip(spans[:, 0], start_us, end_us)
    ends = np.clip(spans[:, 1], start_us, end_us)
    keep = ends > begins
    begins, ends = begins[keep], ends[keep]
    if not len(begins):
        return life
    grown_h = np.concatenate(([0.0], np.cumsum((ends - begins) / _US_PER_H)))
    age_h = life.age_h + float(grown_h[-1])
    n = int(np.ceil(age_h / BIN_H - 1e-9))
    old = len(life.entered_us)
    sums, counts = (np.pad(a, ((0, 0), (0, max(0, n - old)))) for a in (life.sums, life.counts))
    for s, (measured_us, value) in enumerate(rows):
        span = np.searchsorted(begins, measured_us, side="left") - 1
        inside = (span >= 0) & (measured_us <= ends[np.maximum(span, 0)])
        span, at_us, y = span[inside], measured_us[inside], value[inside]
        clock_h = life.age_h + grown_h[span] + (at_us - begins[span]) / _US_PER_H
        bins = np.minimum((clock_h / BIN_H).astype(np.int64), n - 1)
        sums[s] += np.bincount(bins, weights=y, minlength=sums.shape[1])
        counts[s] += np.bincount(bins, minlength=sums.shape[1])
    edges_h = np.arange(old, n) * BIN_H - life.age_h
    span = np.clip(np.searchsorted(grown_h, edges_h, side="right") - 1, 0, len(begins) - 1)
    entered = begins[span] + np.round((edges_h - grown_h[span]) * _US_PER_H).astype(np.int64)
    return replace(
        life,
        age_h=age_h,
        sums=sums,
        counts=counts,
        entered_us=np.concatenate((life.entered_us, entered)),
    )


def _utilisation(
    plant: Plant, unit: str, known: UnitMemory, line: Timeline
) -> tuple[float, Floats]:
    """Working time and production time by hour of working time, after this stretch."""
    shifts = [
        (to_us(a), to_us(b))
        for a, b in plant.calendars[plant.work_units[unit].calendar].intervals(
            from_us(line.start_us), from_us(line.end_us), plant.timezone
        )
    ]
    points = np.array([line.start_us, *itertools.chain(*shifts), line.end_us], np.float64)
    steps = np.array([0.0, *itertools.chain(*((0.0, (b - a) / _US_PER_H) for a, b in shifts)), 0.0])
    clock = known.working_h + np.cumsum(steps)
    total = float(clock[-1])
    hours = max(len(known.production_h), int(np.ceil(total)), 1)
    made = np.pad(known.production_h, (0, hours - len(known.production_h)))
    edges = np.arange(int(known.working_h) + 1, int(np.ceil(total)))
    at_edges = np.interp(edges, clock, points) if len(shifts) else np.zeros(0)
    cuts = np.concatenate(([line.start_us], at_edges, [line.end_us]))
    produced = line.production_h(cuts)
    first = min(int(known.working_h), hours - 1)
    made[first : first + len(produced)] += produced
    return total, made
