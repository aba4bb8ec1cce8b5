"""Parts finished by a work unit: when, of which product and order, and how long each took."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.plant.model import Plant
from twin.plant.signals import SignalRole, WorkUnitState
from twin.telemetry.samples import Quality, SampleBatch, from_us, to_us
from twin.telemetry.states import SignalIndex, role_signal, state_intervals

__all__ = ["PartRecords", "part_records", "text_at"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PartRecords:
    """Finished parts of one unit in the order of their completion; all columns have one length."""

    finished_us: NDArray[np.int64]
    """Microseconds since 1970, UTC."""
    product: NDArray[np.object_]
    """Product name; None where the unit had not said it."""
    order: NDArray[np.object_]
    """Order number; None where the unit had not said it."""
    production_s: NDArray[np.float64]
    """Time in PRODUCTION since the completion before: the cycle time. NaN where telemetry cannot
    tell: the first completion, several at once, a counter that was reset, an unknown state. [s]"""
    good: NDArray[np.bool_]
    """False where the part was taken out of the line here."""

    def __len__(self) -> int:
        return len(self.finished_us)

    def take(self, rows: NDArray[Any]) -> PartRecords:
        """The rows of an index or boolean mask."""
        return PartRecords(
            finished_us=self.finished_us[rows],
            product=self.product[rows],
            order=self.order[rows],
            production_s=self.production_s[rows],
            good=self.good[rows],
        )


def part_records(
    plant: Plant,
    unit: str,
    batch: SampleBatch | SignalIndex,
    start: datetime,
    end: datetime,
) -> PartRecords:
    """Parts that a unit finished with ``start <= finished < end``.

    A part is an increment of the good or the reject counter. The first sample of a counter is its
    base; a counter that falls was reset and starts again at 0. The product is the one reported
    before the instant of completion: at that instant the next part may already have begun.

    Args:
        plant: Declares the unit and its signals.
        unit: Name of the work unit.
        batch: Samples, or an index over them. Rows before ``start`` complete the first part.
        start: First instant, aware.
        end: First instant that is left out, aware.

    Returns:
        One row per part; a counter that jumps by k gives k rows without a cycle time.

    Raises:
        NotFoundError: No such unit.
    """
    index = SignalIndex.over(batch)
    times, good, alone = _completions(plant, unit, index, to_us(end))
    production_s = _cycle_times(plant, unit, index, times, alone)
    records = PartRecords(
        finished_us=times,
        product=_reported_before(plant, unit, index, SignalRole.PRODUCT, times),
        order=_reported_before(plant, unit, index, SignalRole.ORDER, times),
        production_s=production_s,
        good=good,
    )
    return records.take(times >= to_us(start))


def text_at(rows: SampleBatch, at_us: NDArray[np.int64], *, before: bool) -> NDArray[np.object_]:
    """The text that was valid at each instant, or just ``before`` it; None where none was."""
    usable = (rows.quality != Quality.BAD) & (rows.text != None)  # noqa: E711 element by element
    times, texts = rows.measured_us[usable], rows.text[usable]
    found = np.full(len(at_us), None, np.object_)
    at = np.searchsorted(times, at_us, side="left" if before else "right") - 1
    found[at >= 0] = texts[at[at >= 0]]
    found[found == ""] = None
    return found


def _completions(
    plant: Plant, unit: str, index: SignalIndex, end_us: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Instant of each completion, whether good, and whether it stands alone after an unbroken count."""
    times, goods, alone = [], [], []
    for role in (SignalRole.GOOD_COUNT, SignalRole.REJECT_COUNT):
        signal = role_signal(plant, unit, role)
        rows = index.of(signal[0] if signal else None)
        usable = (rows.quality != Quality.BAD) & np.isfinite(rows.value)
        usable &= rows.measured_us < end_us
        at, value = rows.measured_us[usable], np.rint(rows.value[usable]).astype(np.int64)
        step = np.diff(value)
        reset = step < 0
        parts = np.where(reset, value[1:], step)
        after_reset = (
            np.concatenate(([False], reset[:-1] & (parts[:-1] == 0))) if len(step) else reset
        )
        times.append(np.repeat(at[1:], parts))
        goods.append(np.full(int(parts.sum()), role is SignalRole.GOOD_COUNT))
        alone.append(np.repeat((parts == 1) & ~reset & ~after_reset, parts))
    all_times = np.concatenate(times)
    order = np.argsort(all_times, kind="stable")
    return all_times[order], np.concatenate(goods)[order], np.concatenate(alone)[order]


def _cycle_times(
    plant: Plant,
    unit: str,
    index: SignalIndex,
    times: NDArray[np.int64],
    alone: NDArray[np.bool_],
) -> NDArray[np.float64]:
    cycle_s = np.full(len(times), np.nan)
    if len(times) < 2:
        return cycle_s
    first, last = from_us(int(times[0])), from_us(int(times[-1]) + 1)
    states = state_intervals(plant, unit, index, first, last)
    took = np.diff(states.elapsed_us(times, WorkUnitState.PRODUCTION)) / 1e6
    unseen = np.diff(states.elapsed_us(times, WorkUnitState.UNKNOWN))
    known = alone[1:] & (unseen == 0) & (took > 0.0)
    cycle_s[1:][known] = took[known]
    return cycle_s


def _reported_before(
    plant: Plant, unit: str, index: SignalIndex, role: SignalRole, at_us: NDArray[np.int64]
) -> NDArray[np.object_]:
    signal = role_signal(plant, unit, role)
    return text_at(index.of(signal[0] if signal else None), at_us, before=True)
