"""Samples by equal spans of time: how many, how much, how low and how high."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.errors import DataError
from twin.plant.signals import SignalId
from twin.telemetry.samples import Quality, SampleBatch

__all__ = ["Downsampled", "downsample", "span_us"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Downsampled:
    """One row for each signal and bucket that holds numbers; all arrays have one length.

    Rows come by signal name, then bucket.
    """

    signals: tuple[SignalId, ...]
    """Names that ``code`` points into."""
    code: NDArray[np.int32]
    bucket_us: NDArray[np.int64]
    """Start of the bucket; a whole number of buckets from 1970. Microseconds, UTC."""
    count: NDArray[np.int64]
    """Numbers in the bucket."""
    mean: NDArray[np.float64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    last: NDArray[np.float64]
    """The number measured last."""

    def __len__(self) -> int:
        return len(self.code)


def span_us(bucket_s: float) -> int:
    """The length of a bucket in whole microseconds.

    Raises:
        DataError: It is shorter than a microsecond, or not a number.

    Example:
        >>> span_us(0.25)
        250000
    """
    if not 1e-6 <= bucket_s <= 1e12:
        raise DataError(f"a bucket of {bucket_s} s: use 0.000001 s or more")
    return round(bucket_s * 1_000_000)


def downsample(batch: SampleBatch, bucket_s: float) -> Downsampled:
    """What buckets of one length hold of a batch: its numbers of quality GOOD and UNCERTAIN.

    Args:
        batch: By signal name, then measured_at, as ``Historian.read`` gives it.
        bucket_s: Length of a bucket. [s]

    Raises:
        DataError: The bucket is shorter than a microsecond.

    Example:
        >>> from twin.telemetry.samples import Sample, from_us
        >>> rows = [
        ...     Sample(signal=SignalId("a"), value=v, measured_at=from_us(t), available_at=from_us(t))
        ...     for t, v in [(0, 1.0), (30_000_000, 3.0), (60_000_000, 7.0)]
        ... ]
        >>> by_minute = downsample(SampleBatch.of(rows), 60.0)
        >>> by_minute.mean.tolist(), by_minute.count.tolist()
        ([2.0, 7.0], [2, 1])
    """
    span = span_us(bucket_s)
    rows = batch.take((batch.quality <= Quality.UNCERTAIN) & ~np.isnan(batch.value))
    bucket = rows.measured_us // span * span  # floor, before 1970 too
    begins = np.ones(len(rows), np.bool_)
    begins[1:] = (rows.code[1:] != rows.code[:-1]) | (bucket[1:] != bucket[:-1])
    first = np.flatnonzero(begins)
    count = np.diff(np.append(first, len(rows)))
    total, low, high = (
        (f.reduceat(rows.value, first) if len(first) else np.zeros(0))
        for f in (np.add, np.minimum, np.maximum)
    )
    return Downsampled(
        signals=rows.signals,
        code=rows.code[first],
        bucket_us=bucket[first],
        count=count.astype(np.int64),
        mean=total / count,
        minimum=low,
        maximum=high,
        last=rows.value[first + count - 1],
    )
