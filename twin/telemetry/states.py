"""What a work unit was doing and when: state intervals and failure events out of raw samples."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from twin.plant.model import Plant
from twin.plant.signals import Signal, SignalId, SignalRole, StateMap, WorkUnitState
from twin.telemetry.samples import Quality, SampleBatch, to_us

__all__ = [
    "FailureEvent",
    "FaultSpell",
    "SignalIndex",
    "StateIntervals",
    "failure_events",
    "fault_spells",
    "role_signal",
    "state_intervals",
]

_STATES: tuple[WorkUnitState, ...] = tuple(WorkUnitState)
_CODE = {state: i for i, state in enumerate(_STATES)}


class SignalIndex:
    """A batch split by signal once, so that each question after that is a slice.

    A batch as ``Historian.read`` gives it (by signal, then time) is not copied; any other
    order is sorted first.
    """

    def __init__(self, batch: SampleBatch) -> None:
        cuts = np.flatnonzero(np.diff(batch.code)) + 1
        if len(cuts) + 1 > len(np.unique(batch.code)) > 0:
            batch = batch.take(np.argsort(batch.code, kind="stable"))
            cuts = np.flatnonzero(np.diff(batch.code)) + 1
        edges = np.concatenate(([0], cuts, [len(batch)]))
        self._batch = batch
        self._rows = {
            batch.signals[batch.code[a]]: slice(int(a), int(b))
            for a, b in itertools.pairwise(edges)
            if b > a
        }

    @classmethod
    def over(cls, batch: SampleBatch | SignalIndex) -> SignalIndex:
        """This index, or the index over this batch."""
        return batch if isinstance(batch, SignalIndex) else cls(batch)

    @property
    def batch(self) -> SampleBatch:
        """Everything, grouped by signal."""
        return self._batch

    def of(self, signal: SignalId | None) -> SampleBatch:
        """Rows of one signal by rising measured_at; empty for an absent signal or None."""
        rows = self._rows.get(signal) if signal is not None else None
        if rows is None:
            return SampleBatch.empty()
        whole = self._batch
        part = SampleBatch(
            signals=whole.signals,
            code=whole.code[rows],
            value=whole.value[rows],
            text=whole.text[rows],
            measured_us=whole.measured_us[rows],
            available_us=whole.available_us[rows],
            quality=whole.quality[rows],
        )
        if np.any(np.diff(part.measured_us) < 0):
            part = part.take(np.argsort(part.measured_us, kind="stable"))
        return part


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StateIntervals:
    """What one unit was doing: intervals that touch, in order, neighbours always differ."""

    start_us: NDArray[np.int64]
    """Microseconds since 1970, UTC. Shape (n,)"""
    end_us: NDArray[np.int64]
    """Microseconds since 1970, UTC. Shape (n,)"""
    state: NDArray[np.object_]
    """`WorkUnitState`. Shape (n,)"""

    def __len__(self) -> int:
        return len(self.start_us)

    def is_in(self, *states: WorkUnitState) -> NDArray[np.bool_]:
        """True where the interval is of one of these states. Shape (n,)"""
        found = np.zeros(len(self), np.bool_)
        for state in states:
            found |= self.state == state
        return found

    def seconds_in(self, *states: WorkUnitState) -> float:
        """Time spent in these states. [s]"""
        inside = self.is_in(*states)
        return float((self.end_us - self.start_us)[inside].sum()) / 1e6

    def elapsed_us(self, at_us: NDArray[np.int64], *states: WorkUnitState) -> NDArray[np.int64]:
        """Time spent in these states from the first interval up to each instant.

        Args:
            at_us: Instants. [us since 1970], shape (m,)
            states: Which states count.

        Returns:
            Whole microseconds, exact. Shape (m,)
        """
        if not len(self):
            return np.zeros(len(at_us), np.int64)
        counted = self.is_in(*states)
        lengths = np.where(counted, self.end_us - self.start_us, 0)
        before = np.concatenate(([0], np.cumsum(lengths)))
        here = np.clip(np.searchsorted(self.start_us, at_us, side="right") - 1, 0, len(self) - 1)
        inside = np.clip(at_us - self.start_us[here], 0, lengths[here])
        return np.asarray(before[here] + inside, np.int64)


FaultSpell = tuple[str, int, int | None]
"""Failure mode, from when, until when (None: it still stands). [us since 1970]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureEvent:
    """One stop for one failure mode, from the failure until the unit can go on."""

    failure_mode: str
    failed_us: int
    """Microseconds since 1970, UTC."""
    mended_us: int | None
    """Microseconds since 1970, UTC; None while it still lasts."""
    wait_s: float
    """Working time spent waiting for the crew. [s]"""
    repair_s: float
    """Time under repair. [s]"""


def role_signal(plant: Plant, work_unit: str, role: SignalRole) -> tuple[SignalId, Signal] | None:
    """The first signal of a unit with this role, or None.

    Raises:
        NotFoundError: No such unit.
    """
    for name, signal in plant.unit(work_unit).signals.items():
        if signal.role is role:
            return plant.signal_id(work_unit, name), signal
    return None


def state_intervals(
    plant: Plant,
    unit: str,
    batch: SampleBatch | SignalIndex,
    start: datetime,
    end: datetime,
) -> StateIntervals:
    """What a unit was doing between two instants, by the state map that the plant file names.

    A state lasts until the next sample. It is UNKNOWN before the first sample, after a sample of
    quality BAD, and where the state map has no such number. A DELAY is refined by the reason
    signal's value at the same instant. Rows before ``start`` tell the state at ``start``.

    Args:
        plant: Declares the unit, its signals and its state map.
        unit: Name of the work unit.
        batch: Samples, or an index over them.
        start: First instant, aware.
        end: Last instant, aware.

    Returns:
        Intervals that cover ``start`` to ``end`` without a gap; none when start is not before end.

    Raises:
        NotFoundError: No such unit.

    Source:
        PackML state numbers: OPC 30050; the map itself is the plant file's.
    """
    index = SignalIndex.over(batch)
    first, last = to_us(start), to_us(end)
    if first >= last:
        nothing = np.zeros(0, np.int64)
        return StateIntervals(start_us=nothing, end_us=nothing, state=np.zeros(0, np.object_))
    times, codes = _changes(plant, unit, index)
    at = np.searchsorted(times, first, side="right") - 1
    begins = codes[at] if at >= 0 else _CODE[WorkUnitState.UNKNOWN]
    inside = (times > first) & (times < last)
    times = np.concatenate(([first], times[inside]))
    codes = np.concatenate(([begins], codes[inside]))
    keep = np.concatenate(([True], codes[1:] != codes[:-1]))
    times, codes = times[keep], codes[keep]
    names = np.array(_STATES, np.object_)
    return StateIntervals(
        start_us=times, end_us=np.concatenate((times[1:], [last])), state=names[codes]
    )


def failure_events(
    plant: Plant,
    unit: str,
    batch: SampleBatch | SignalIndex,
    start: datetime,
    end: datetime,
) -> tuple[FailureEvent, ...]:
    """Stops by failure mode that began between two instants, in order.

    The fault signal says which mode and for how long; without one, each stop (DOWN, then REPAIR)
    belongs to the unit's only failure mode. Stops of modes that the plant file does not know are
    left out, and so is a stop that was under way when the samples begin: its start is not known.

    Raises:
        NotFoundError: No such unit.
    """
    index = SignalIndex.over(batch)
    modes = plant.unit(unit).failure_modes
    states = state_intervals(plant, unit, index, start, end)
    fault = role_signal(plant, unit, SignalRole.FAULT)
    if fault is not None:
        rows = index.of(fault[0])
        rows = rows.take((rows.measured_us < to_us(end)) & (rows.quality != Quality.BAD))
        spells = [s for s in fault_spells(rows) if s[1] > rows.measured_us[0]]
    else:
        spells = _stop_spells(states, next(iter(modes)) if len(modes) == 1 else "", to_us(end))
    found = [s for s in spells if s[0] in modes and s[1] > to_us(start)]
    if not found:
        return ()
    edges = np.array([(a, to_us(end) if b is None else b) for _, a, b in found], np.int64)
    waits = np.diff(states.elapsed_us(edges.ravel(), WorkUnitState.DOWN).reshape(-1, 2)) / 1e6
    works = np.diff(states.elapsed_us(edges.ravel(), WorkUnitState.REPAIR).reshape(-1, 2)) / 1e6
    return tuple(
        FailureEvent(
            failure_mode=mode, failed_us=a, mended_us=b, wait_s=float(w), repair_s=float(r)
        )
        for (mode, a, b), w, r in zip(found, waits[:, 0], works[:, 0], strict=True)
    )


def fault_spells(rows: SampleBatch) -> list[FaultSpell]:
    """How long each fault stood, in order, out of the rows of a fault signal by rising time.

    A BAD row says nothing; the fault of the row before it goes on. A spell that begins with the
    first row may have begun before it.
    """
    good = rows.quality != Quality.BAD
    texts = np.array([t or "" for t in rows.text[good]], np.object_)
    times = rows.measured_us[good]
    changes = [i for i in range(len(texts)) if i == 0 or texts[i] != texts[i - 1]]
    ends: list[int | None] = [int(times[i]) for i in changes[1:]]
    spells = zip(changes, [*ends, None], strict=False)
    return [(texts[i], int(times[i]), end) for i, end in spells if texts[i]]


def _stop_spells(states: StateIntervals, mode: str, end_us: int) -> list[FaultSpell]:
    spells: list[FaultSpell] = []
    stopped = states.is_in(WorkUnitState.DOWN, WorkUnitState.REPAIR)
    for i in np.flatnonzero(stopped):
        a, b = int(states.start_us[i]), int(states.end_us[i])
        until = None if b >= end_us else b
        if i and stopped[i - 1] and spells:
            spells[-1] = (*spells[-1][:2], until)
        elif i:
            spells.append((mode, a, until))
    return spells


def _changes(
    plant: Plant, unit: str, index: SignalIndex
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Instants at which the state may change, and the code of the state from then on."""
    state = role_signal(plant, unit, SignalRole.STATE)
    name = plant.unit(unit).state_map
    if state is None or name is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    state_map = plant.state_maps[name]
    rows = index.of(state[0])
    times, codes = rows.measured_us, _codes(rows, state[1], state_map.states)
    reason = role_signal(plant, unit, SignalRole.REASON)
    if reason is None or not len(times) or not state_map.reasons:
        return times, codes
    return _refined(times, codes, index.of(reason[0]), reason[1], state_map)


def _refined(
    times: NDArray[np.int64],
    codes: NDArray[np.int64],
    reasons: SampleBatch,
    signal: Signal,
    state_map: StateMap,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if not len(reasons):
        return times, codes
    why = _codes(reasons, signal, state_map.reasons)
    both = np.unique(np.concatenate((times, reasons.measured_us)))
    both = both[both >= times[0]]
    code = codes[np.searchsorted(times, both, side="right") - 1]
    at = np.searchsorted(reasons.measured_us, both, side="right") - 1
    known = (at >= 0) & (why[at] != _CODE[WorkUnitState.UNKNOWN])
    delayed = code == _CODE[WorkUnitState.DELAY]
    return both, np.where(delayed & known, why[at], code)


def _codes(rows: SampleBatch, signal: Signal, names: dict[str, WorkUnitState]) -> NDArray[np.int64]:
    """The state's code of each row; UNKNOWN where the row is BAD or its value is not in the map."""
    unknown = _CODE[WorkUnitState.UNKNOWN]
    codes = np.full(len(rows), unknown, np.int64)
    good = rows.quality != Quality.BAD
    for key, state in names.items():
        if signal.text:
            codes[good & (rows.text == key)] = _CODE[state]
        elif key.lstrip("-").isdigit():
            codes[good & (rows.value == int(key))] = _CODE[state]
    return codes
