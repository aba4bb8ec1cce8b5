"""InfluxQL: the texts of the questions, and batches out of the answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectors.store.influx_lines import FIRST_US, LAST_US, signal_of, tag_of
from twin.plant.signals import SignalId
from twin.telemetry.downsample import Downsampled
from twin.telemetry.samples import SampleBatch, from_us

__all__ = [
    "COLUMNS",
    "batch_of",
    "buckets_of",
    "signal_in",
    "where",
    "windows",
]

COLUMNS = "value, text, infinite, quality, available_us"
_WINDOWS = 32
_GAP_US = 60_000_000


def where(signals: Sequence[SignalId] | None, start_us: int, end_us: int) -> str:
    """The condition ``start <= time < end``, and the signal one of those."""
    start, end = (from_us(min(max(us, FIRST_US), LAST_US)) for us in (start_us, end_us))
    window = f"time >= '{_instant(start)}' AND time < '{_instant(end)}'"
    if signals is None:
        return window
    names = " OR ".join(f"signal = '{tag_of(name)}'" for name in signals) or "signal = ' '"
    return f"{window} AND ({names})"


def signal_in(series: dict[str, Any]) -> SignalId:
    """The signal that a series of an answer is about."""
    return signal_of(series["tags"]["signal"])


def batch_of(name: SignalId, points: list[list[Any]]) -> SampleBatch:
    """Rows of one signal out of an answer about ``COLUMNS``."""
    # Without quality or available_us: another process is writing it at this moment.
    rows = [row for row in points if row[4] is not None and row[5] is not None]
    if not rows:
        return SampleBatch.empty()
    time, value, text, infinite, quality, available = zip(*rows, strict=True)
    number = np.array(value, np.float64)  # None becomes NaN
    sign = np.array(infinite, np.float64)
    number = np.where(np.isnan(sign), number, np.copysign(np.inf, sign))
    column = np.empty(len(rows), np.object_)
    column[:] = text
    return SampleBatch(
        signals=(name,),
        code=np.zeros(len(rows), np.int32),
        value=number,
        text=column,
        measured_us=np.array(time, np.int64),
        available_us=np.array(available, np.int64),
        quality=np.array(quality, np.int8),
    )


def buckets_of(parts: Iterable[tuple[SignalId, list[list[Any]]]]) -> Downsampled:
    """Rows of time, count, mean, minimum, maximum and last, in the promised order."""
    by_name: dict[SignalId, list[list[Any]]] = {}
    for name, rows in parts:
        by_name.setdefault(name, []).extend(row for row in rows if row[1])
    names = sorted(by_name)
    rows = [row for name in names for row in by_name[name]]
    column = list(zip(*(row[:6] for row in rows), strict=True)) or [()] * 6
    sizes = [len(by_name[name]) for name in names]
    mean, low, high, last = (np.array(c, np.float64) for c in column[2:])
    return Downsampled(
        signals=tuple(names),
        code=np.repeat(np.arange(len(names), dtype=np.int32), sizes),
        bucket_us=np.array(column[0], np.int64),
        count=np.array(column[1], np.int64),
        mean=mean,
        minimum=low,
        maximum=high,
        last=last,
    )


def windows(measured_us: NDArray[np.int64]) -> list[NDArray[np.intp]]:
    """The rows by times that lie near each other, in a few windows.

    One row of another year must not make a look-up read all the years between.
    """
    order = np.argsort(measured_us, kind="stable")
    gaps = np.diff(measured_us[order])
    widest = np.sort(np.argsort(gaps, kind="stable")[-(_WINDOWS - 1) :])
    return np.split(order, widest[gaps[widest] > _GAP_US] + 1)


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
