"""Changed values in columns, and how they are made from asyncua's objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from asyncua import ua as _ua
from numpy.typing import NDArray

from connectors.field.delivery import NO_TIME

__all__ = ["Changes", "from_objects", "place", "texts", "to_us"]

ua: Any = _ua
"""asyncua names its types by ``import *``, which strict typing does not follow."""

FILETIME_OF_1970 = 116_444_736_000_000_000
LAST_FILETIME = 2_650_467_743_990_000_000
"""9999-12-31T23:59:59Z: from here on it means no time."""


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """Changed values in columns of one length, in the order of the message."""

    handle: NDArray[np.uint32]
    """Client handle of the monitored item; 0 for values of a history."""
    value: NDArray[np.float64]
    """The number, Boolean as 0 or 1; NaN where there is none."""
    text: NDArray[np.object_] | None
    """The text, the text of a LocalizedText, a DateTime in ISO 8601; None when no row has one."""
    status: NDArray[np.uint32]
    """StatusCode; 0 is Good."""
    source_us: NDArray[np.int64]
    """Microseconds since 1970, UTC; NO_TIME when the server does not say."""
    server_us: NDArray[np.int64]
    """Microseconds since 1970, UTC; NO_TIME when the server does not say."""
    other: tuple[tuple[int, Any], ...] = ()
    """Row and value of what is neither number nor text: arrays, structures, identifiers."""

    def __len__(self) -> int:
        return len(self.handle)

    @classmethod
    def empty(cls, count: int = 0) -> Changes:
        """So many rows that say nothing yet."""
        return cls(
            np.zeros(count, np.uint32),
            np.full(count, np.nan),
            None,
            np.zeros(count, np.uint32),
            np.full(count, NO_TIME, np.int64),
            np.full(count, NO_TIME, np.int64),
        )

    @classmethod
    def concat(cls, parts: Sequence[Changes]) -> Changes:
        """One out of several, in their order."""
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return cls.empty()
        text: NDArray[np.object_] | None = None
        if any(part.text is not None for part in parts):
            text = np.concatenate(
                [np.full(len(p), None, np.object_) if p.text is None else p.text for p in parts]
            )
        before = np.cumsum([0, *map(len, parts)]).tolist()
        return cls(
            np.concatenate([p.handle for p in parts]),
            np.concatenate([p.value for p in parts]),
            text,
            np.concatenate([p.status for p in parts]),
            np.concatenate([p.source_us for p in parts]),
            np.concatenate([p.server_us for p in parts]),
            tuple((b + i, v) for b, p in zip(before, parts, strict=False) for i, v in p.other),
        )


def to_us(filetime: NDArray[np.int64]) -> NDArray[np.int64]:
    """Microseconds since 1970 of OPC UA times; NO_TIME for its "no time", 0 and the last one.

    Example:
        >>> to_us(np.array([FILETIME_OF_1970 + 25])).tolist()
        [2]
    """
    found: NDArray[np.int64] = filetime // 10 - FILETIME_OF_1970 // 10
    found[(filetime <= 0) | (filetime >= LAST_FILETIME)] = NO_TIME
    return found


def from_objects(values: Sequence[Any], handles: Sequence[int] | None = None) -> Changes:
    """The same columns from asyncua's DataValue objects."""
    found = Changes.empty(len(values))
    text: dict[int, str] = {}
    other: list[tuple[int, Any]] = []
    for row, data in enumerate(values):
        value = None if data.Value is None else data.Value.Value
        number = place(row, value, text, other)
        if number is not None:
            found.value[row] = number
        found.status[row] = 0 if data.StatusCode is None else data.StatusCode.value
        found.source_us[row] = _stamp_us(data.SourceTimestamp)
        # asyncua takes the two fields in the wrong order, so this one is not the server's time.
        mixed_up = data.SourcePicoseconds is not None
        found.server_us[row] = NO_TIME if mixed_up else _stamp_us(data.ServerTimestamp)
    if handles is not None:
        found.handle[:] = handles
    return Changes(
        found.handle,
        found.value,
        texts(text, len(values)),
        found.status,
        found.source_us,
        found.server_us,
        tuple(other),
    )


def place(row: int, value: Any, text: dict[int, str], other: list[tuple[int, Any]]) -> float | None:
    """Put a value that is no number where it belongs; returns one that is."""
    if isinstance(value, bool | int | float):
        return float(value)
    if isinstance(value, ua.LocalizedText):
        value = value.Text
    elif isinstance(value, datetime):
        value = value.isoformat()
    if isinstance(value, str):
        text[row] = value
    elif value is not None:
        other.append((row, value))
    return None


def texts(text: dict[int, str], count: int) -> NDArray[np.object_] | None:
    """The column with these texts by row; None when there are none."""
    if not text:
        return None
    found = np.full(count, None, np.object_)
    found[list(text)] = list(text.values())
    return found


def _stamp_us(stamp: datetime | None) -> int:
    if stamp is None:
        return NO_TIME
    filetime = ua.datetime_to_win_epoch(stamp)
    return int(to_us(np.array([filetime], np.int64))[0])
