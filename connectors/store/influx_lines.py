"""Line protocol: the rows of a batch as InfluxDB takes them, and a signal's name in a tag."""

from __future__ import annotations

import math
import re
from urllib.parse import unquote

import numpy as np

from twin.plant.signals import SignalId
from twin.telemetry.samples import SampleBatch

__all__ = ["FIRST_US", "LAST_US", "Lines", "signal_of", "tag_of", "why_unfit"]

FIRST_US, LAST_US = -9_223_372_036_854_775, 9_223_372_036_854_775
"""InfluxDB keeps int64 nanoseconds: the years 1677 to 2262."""
_LONGEST_TEXT = 1_048_576
"""Bytes of UTF-8."""

_UNSAFE = re.compile(r"[%\\\s,=\"'\x00-\x1f\x7f]")


class Lines:
    """Builds lines; remembers how the lines of each signal begin."""

    def __init__(self) -> None:
        self._heads: dict[SignalId, str] = {}

    def of(self, batch: SampleBatch) -> list[str]:
        """One line for each row, in their order; the time is in microseconds.

        Example:
            >>> from twin.telemetry.samples import Sample, from_us
            >>> at = from_us(1_000_000)
            >>> row = Sample(signal=SignalId("a b"), value=1.5, measured_at=at, available_at=at)
            >>> Lines().of(SampleBatch.of([row]))
            ['sample,signal=a%20b value=1.5,quality=0i,available_us=1000000i 1000000']
        """
        known = self._heads
        for name in batch.signals:
            if name not in known:
                known[name] = f"sample,signal={tag_of(name)} "
        heads = [known[name] for name in batch.signals]
        lines = [
            f"{heads[code]}value={value!r},quality={quality}i,available_us={available}i {measured}"
            for code, value, quality, available, measured in zip(
                batch.code.tolist(),
                batch.value.tolist(),
                batch.quality.tolist(),
                batch.available_us.tolist(),
                batch.measured_us.tolist(),
                strict=True,
            )
        ]
        odd = ~np.isfinite(batch.value) | (batch.text != None)  # noqa: E711  row by row
        for row in np.flatnonzero(odd).tolist():
            fields = _fields(float(batch.value[row]), batch.text[row])
            tail = f"quality={batch.quality[row]}i,available_us={batch.available_us[row]}i"
            lines[row] = f"{heads[batch.code[row]]}{fields}{tail} {batch.measured_us[row]}"
        return lines


def why_unfit(batch: SampleBatch) -> str:
    """Why a row of a batch can never be stored; empty where nothing is known against it."""
    if not len(batch):
        return ""
    if batch.measured_us.min() < FIRST_US or batch.measured_us.max() >= LAST_US:
        return "a time outside 1677 to 2262"
    used = {batch.signals[code] for code in np.unique(batch.code).tolist()}
    try:
        for text in [*used, *filter(None, batch.text.tolist())]:
            if len(text.encode()) > _LONGEST_TEXT:
                return "a text of more than 1 MB"
    except UnicodeEncodeError:
        return "a text that is not Unicode"
    return ""


def tag_of(name: str) -> str:
    """A name as a tag: what line protocol or InfluxQL treat as special is percent-encoded."""
    return _UNSAFE.sub(lambda found: "".join(f"%{b:02X}" for b in found[0].encode()), name)


def signal_of(tag: str) -> SignalId:
    """The name that a tag stands for.

    Example:
        >>> signal_of(tag_of("100 %, or more"))
        '100 %, or more'
    """
    return SignalId(unquote(tag))


def _fields(value: float, text: str | None) -> str:
    number = ""
    if math.isfinite(value):
        number = f"value={value!r},"
    elif not math.isnan(value):
        number = f"infinite={1 if value > 0 else -1}i,"  # InfluxDB has no infinite float
    if text is None:
        return number
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'{number}text="{escaped}",'
