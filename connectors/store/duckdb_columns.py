"""Batches to the columns that DuckDB reads, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.plant.signals import SignalId
from twin.telemetry.downsample import Downsampled
from twin.telemetry.samples import SampleBatch

__all__ = [
    "Columns",
    "codes_of",
    "has_text",
    "texts_in_order",
    "texts_of",
    "to_batch",
    "to_columns",
    "to_downsampled",
]

Columns = dict[str, Any]
"""What a query gives: numpy arrays, masked where there is NULL."""


def to_columns(batch: SampleBatch, ids: NDArray[np.int32]) -> dict[str, NDArray[Any]]:
    return {
        "signal_id": ids,
        "measured_us": np.ascontiguousarray(batch.measured_us, np.int64),
        "available_us": np.ascontiguousarray(batch.available_us, np.int64),
        "value": np.ascontiguousarray(batch.value, np.float64),
        "text": batch.text,
        "quality": np.ascontiguousarray(batch.quality, np.int8),
    }


def has_text(batch: SampleBatch) -> NDArray[np.bool_]:
    """Which rows are texts; only where there is no number there may be one."""
    is_text = np.zeros(len(batch), np.bool_)
    empty = np.flatnonzero(np.isnan(batch.value))
    is_text[empty] = [text is not None for text in batch.text[empty].tolist()]
    return is_text


def codes_of(known: dict[SignalId, int]) -> NDArray[np.int32]:
    code = np.zeros(max(known.values(), default=0) + 1, np.int32)
    code[list(known.values())] = np.arange(len(known))
    return code


def to_batch(known: dict[SignalId, int], rows: Columns, text: NDArray[np.object_]) -> SampleBatch:
    return SampleBatch(
        signals=tuple(known),
        code=codes_of(known)[np.asarray(rows["signal_id"], np.int32)],
        value=np.asarray(np.ma.filled(rows["value"], np.nan), np.float64),
        text=text,
        measured_us=np.asarray(rows["measured_us"], np.int64),
        available_us=np.asarray(rows["available_us"], np.int64),
        quality=np.asarray(rows["quality"], np.int8),
    )


def texts_of(column: Any) -> NDArray[np.object_]:
    text = np.ma.getdata(column).astype(np.object_)
    text[np.ma.getmaskarray(column)] = None
    return text


def texts_in_order(known: dict[SignalId, int], texts: Columns) -> NDArray[np.object_]:
    """The texts by signal name, then measured_at."""
    code = codes_of(known)[np.asarray(texts["signal_id"], np.int32)]
    order = np.lexsort((np.asarray(texts["measured_us"]), code))
    return np.asarray(texts_of(texts["text"])[order], np.object_)


def to_downsampled(known: dict[SignalId, int], found: Columns) -> Downsampled:
    """Buckets by signal name, then time."""
    code = codes_of(known)[np.asarray(found["signal_id"], np.int32)]
    order = np.lexsort((np.ma.getdata(found["bucket_us"]), code))
    bucket_us, count, mean, low, high, last = (
        np.ma.getdata(found[name])[order]
        for name in ("bucket_us", "numbers", "mean", "low", "high", "last")
    )
    return Downsampled(
        signals=tuple(known),
        code=code[order],
        bucket_us=bucket_us,
        count=count,
        mean=mean,
        minimum=low,
        maximum=high,
        last=last,
    )
