"""One work unit over one stretch of time: when it produced, which fault stood, what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.plant import Plant, SignalRole, WorkUnitState
from twin.telemetry import Quality, SampleBatch, from_us
from twin.telemetry.states import (
    FaultSpell,
    SignalIndex,
    fault_spells,
    role_signal,
    state_intervals,
)

__all__ = ["FaultRun", "Timeline", "fault_runs", "timeline"]

_US_PER_H = 3_600_000_000
_STATUS = (SignalRole.STATE, SignalRole.REASON, SignalRole.FAULT)

FaultRun = tuple[str, int | None, int | None]
"""Failure mode; when the unit was first down with it in this stretch (None: it was not, as when a
repair waits for the next shift); when it was mended (None: not yet). [us]"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Timeline:
    """What one unit did in ``(start, end]``."""

    start_us: int
    end_us: int
    production: NDArray[np.int64]
    """Spans of production. [us], shape (n, 2)"""
    down: NDArray[np.int64]
    """Spans in which the unit was down or under repair. [us], shape (n, 2)"""
    faults: Sequence[FaultSpell]
    """How long each fault stood."""
    index: SignalIndex
    tail: SampleBatch
    """Last row of each status signal up to the end."""

    @property
    def whole(self) -> NDArray[np.int64]:
        """The stretch as one span: the clock of modes that age in calendar time."""
        return np.array([[self.start_us, self.end_us]], np.int64)

    def condition(
        self, plant: Plant, unit: str, signal: str
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Instants [us] and values of the good samples of one signal in this stretch."""
        rows = self.index.of(plant.signal_id(unit, signal))
        good = (rows.measured_us > self.start_us) & (rows.measured_us <= self.end_us)
        good &= (rows.quality == Quality.GOOD) & np.isfinite(rows.value)
        return rows.measured_us[good], rows.value[good]

    def production_h(self, cuts_us: NDArray[np.float64]) -> NDArray[np.float64]:
        """Production time between successive instants. [h], shape (cuts - 1,)"""
        if not len(self.production):
            return np.zeros(len(cuts_us) - 1)
        ends = np.cumsum(self.production[:, 1] - self.production[:, 0]).astype(np.float64)
        points = self.production.reshape(-1).astype(np.float64)
        made = np.stack((np.concatenate(([0.0], ends[:-1])), ends), axis=1).reshape(-1)
        return np.asarray(np.diff(np.interp(cuts_us, points, made)) / _US_PER_H, np.float64)


def timeline(
    plant: Plant, unit: str, tail: SampleBatch, index: SignalIndex, start_us: int, end_us: int
) -> Timeline:
    """Read one unit over ``(start, end]``; ``tail`` says what was true before."""
    told = _told(plant, unit, tail, index, end_us)
    production, down = _spans(plant, unit, told, start_us, end_us)
    signal = role_signal(plant, unit, SignalRole.FAULT)
    return Timeline(
        start_us=start_us,
        end_us=end_us,
        production=production,
        down=down,
        faults=fault_spells(SignalIndex(told).of(signal[0] if signal else None)),
        index=index,
        tail=_last_rows(told),
    )


def fault_runs(line: Timeline) -> list[FaultRun]:
    """Outages by failure mode, in order."""
    runs: list[FaultRun] = []
    for mode, since, off in line.faults:
        last = line.end_us if off is None else off
        overlap = (line.down[:, 0] < last) & (line.down[:, 1] > since)
        first = int(line.down[np.argmax(overlap), 0]) if overlap.any() else None
        runs.append((mode, None if first is None else max(first, since), off))
    return runs


def _told(
    plant: Plant, unit: str, tail: SampleBatch, index: SignalIndex, end_us: int
) -> SampleBatch:
    """Status rows up to the end: the tail, then what was measured after it."""
    found = [tail]
    for name, signal in plant.work_units[unit].signals.items():
        if signal.role not in _STATUS:
            continue
        identity = plant.signal_id(unit, name)
        known = tail.of_signal(identity).measured_us
        rows = index.of(identity)
        wanted = rows.measured_us <= end_us
        if len(known):
            wanted &= rows.measured_us > known[-1]
        if signal.role is SignalRole.FAULT:
            wanted &= rows.quality != Quality.BAD
        found.append(rows.take(wanted))
    return SampleBatch.concat(found)


def _last_rows(told: SampleBatch) -> SampleBatch:
    index = SignalIndex(told)
    last = (index.of(signal) for signal in told.signals)
    return SampleBatch.concat([_alone(rows.take(np.array([-1]))) for rows in last if len(rows)])


def _alone(rows: SampleBatch) -> SampleBatch:
    """The same rows, naming no other signal."""
    return SampleBatch.of(rows.samples())


def _spans(
    plant: Plant, unit: str, told: SampleBatch, start_us: int, end_us: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    found = state_intervals(plant, unit, told, from_us(start_us), from_us(end_us))
    spans = np.stack((found.start_us, found.end_us), axis=1).astype(np.int64).reshape(-1, 2)
    down = found.is_in(WorkUnitState.DOWN, WorkUnitState.REPAIR)
    return spans[found.is_in(WorkUnitState.PRODUCTION)], spans[down]
