"""Data messages of Sparkplug B straight to columns, as long as they look like earlier ones.

An edge node repeats itself: behind the same tag, length and alias stands a metric of the same
layout, only time and value differ. So the first metric is read field by field (the *slow* way of
``sparkplug.decode_payload``), and its layout is kept as a mask and a template: a later message
is compared with both as one big number, and what differs is gathered for all messages of a batch
at once. Whatever does not match to the last bit goes the slow way; both give equal rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectors.field.delivery import Readings
from connectors.field.protobuf import Span, as_bytes, as_int, spans
from connectors.field.sparkplug import DataType, decode_metric

__all__ = ["Columns", "Layouts", "Shape", "Table", "quality_of"]

GOOD, UNCERTAIN, BAD = 0, 1, 2
_DOUBLE, _FLOAT, _BOOL, _NULL, _UNSIGNED, _LONG = 0, 1, 2, 3, 4, 5
_SIGNED = {DataType.INT8: 8, DataType.INT16: 16, DataType.INT32: 32}
"""Kinds of their own: the number of bits."""
_UNSIGNED_TYPES = frozenset(
    {DataType.UINT8, DataType.UINT16, DataType.UINT32, DataType.UINT64, DataType.DATETIME,
     DataType.BOOLEAN}
)  # fmt: skip
_SHORT_LENGTH, _LONGEST_TIME = 0x80, 7
_MOST_SHAPES, _MOST_LAYOUTS = 64, 20_000
_PATIENCE = 16
"""Misses in a row after which only every 16th message is learned from."""
_LAST_BYTES = bytes(16)
_VARINT_MASK = np.array(
    [int.from_bytes(b"\x7f" * min(n, 8), "little") for n in range(11)], np.uint64
)

Resolve = Callable[[str | None, int | None], tuple[int, int | None] | None]
"""Name and alias of a metric to its index (-1 when nobody wants it) and the datatype of its
birth; None when it is not known."""


def quality_of(code: int | None) -> int:
    """The quality of a sample of a ``Quality`` property; codes below 256 are those of OPC DA.

    Example:
        >>> [quality_of(code) for code in (None, 192, 0, 500, 64)]
        [0, 0, 2, 1, 1]
    """
    if code is None or 192 <= code < 256:
        return GOOD
    return BAD if code < 64 else UNCERTAIN


class Table:
    """Where index, time and value stand in a metric: one row for each layout that was met."""

    def __init__(self) -> None:
        self._rows: dict[tuple[int, ...], int] = {}
        self._array: NDArray[np.int32] = np.zeros((0, 7), np.int32)

    def row(self, layout: tuple[int, ...]) -> int:
        """Number of (index, time at, its bytes, value at, its bytes, kind, quality)."""
        return self._rows.setdefault(layout, len(self._rows))

    def take(self, rows: NDArray[np.int32]) -> NDArray[np.int32]:
        """These rows, one column each."""
        if len(self._array) < len(self._rows):
            self._array = np.array(list(self._rows), np.int32)
        return np.ascontiguousarray(self._array[rows].T)


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """A whole message: what is the same, and where the rest stands."""

    mask: int
    template: int
    rows: NDArray[np.int32]
    """Of the table, one for each wanted metric."""
    starts: NDArray[np.int64]
    """Where that metric begins."""
    time_bytes: int
    """Of the message's own timestamp, behind the first tag."""
    seq_at: int

    def seq(self, data: bytes) -> int:
        """Sequence number of a message of this shape."""
        low = data[self.seq_at]
        return low if low < 0x80 else low & 0x7F | data[self.seq_at + 1] << 7

    def time_ms(self, data: bytes) -> int:
        """The message's own timestamp."""
        return sum((data[1 + i] & 0x7F) << (7 * i) for i in range(self.time_bytes))


class Layouts:
    """The layouts of one topic between two births."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._shapes: dict[int, Shape] = {}
        self._metrics: dict[bytes, tuple[int, bytes, bytes, int] | int] = {}
        self._misses = 0

    def match(self, data: bytes) -> Shape | None:
        """The shape of a message, or None when it is to be read the slow way."""
        shape = self._shapes.get(len(data))
        if shape is None or int.from_bytes(data, "little") & shape.mask != shape.template:
            shape = self._walk(data)
            if shape is None:
                self._misses += 1
                return None
            if len(self._shapes) >= _MOST_SHAPES:
                self._shapes.clear()
            self._shapes[len(data)] = shape
        self._misses = 0
        return shape

    def _walk(self, data: bytes) -> Shape | None:
        head = _head(data)
        if head is None:
            return None
        masks, templates = [head[0]], [head[1]]
        rows: list[int] = []
        starts: list[int] = []
        at = time_end = len(head[0])
        get = self._metrics.get
        while True:
            found = get(data[at : at + 5])
            if type(found) is int:
                found = get(data[at : at + found])
            if type(found) is not tuple:
                break
            size, mask, template, row = found
            masks.append(mask)
            templates.append(template)
            if row >= 0:
                rows.append(row)
                starts.append(at)
            at += size
        left = len(data) - at
        if data[at : at + 1] != b"\x18" or left not in (2, 3):
            return None
        masks.append(b"\xff\x80\x80"[:left])
        templates.append(b"\x18\x00" if left == 2 else b"\x18\x80\x00")
        whole = int.from_bytes(b"".join(masks), "little")
        template_of_all = int.from_bytes(b"".join(templates), "little")
        if int.from_bytes(data, "little") & whole != template_of_all:
            return None
        return Shape(
            whole,
            template_of_all,
            np.array(rows, np.int32),
            np.array(starts, np.int64),
            time_end - 1,
            at + 1,
        )

    def learn(self, data: bytes, resolve: Resolve) -> None:
        """Keep the layouts of the metrics of a message that was read the slow way."""
        if self._misses > _PATIENCE and self._misses % _PATIENCE:
            return
        if len(self._metrics) > _MOST_LAYOUTS:
            self._metrics.clear()
        for span in spans(data):
            if span.field == 2 and isinstance(span.content, bytes):
                metric = data[span.start - 2 : span.stop]
                # A length of two bytes has no layout; what has one already need not be read again.
                if metric[:1] == b"\x12" and not self._knows(metric):
                    self._learn(metric, span.content, resolve)

    def _knows(self, metric: bytes) -> bool:
        found = self._metrics.get(metric[:5])
        if type(found) is int:
            found = self._metrics.get(metric[:found])
        if type(found) is not tuple:
            return False
        mask, template = (int.from_bytes(part, "little") for part in found[1:3])
        return int.from_bytes(metric, "little") & mask == template

    def _learn(self, metric: bytes, body: bytes, resolve: Resolve) -> None:
        found = {span.field: span for span in spans(body)}
        first = min(found.values(), key=lambda span: span.start, default=None)
        if first is None or first.field > 2 or metric[2] not in (0x0A, 0x10):
            return
        name = as_bytes(found[1].content).decode() if 1 in found else None
        known = resolve(name, as_int(found[2].content) if 2 in found else None)
        key = metric[: 2 + first.stop]
        entry = None if known is None else self._entry(metric, body, found, len(key), *known)
        if entry is None:
            return
        if len(key) > 5:
            if not isinstance(self._metrics.get(key[:5], 0), int):
                return
            self._metrics[key[:5]] = len(key)
        else:
            key = metric[:5]
        self._metrics[key] = entry

    def _entry(
        self,
        metric: bytes,
        body: bytes,
        found: dict[int, Span],
        fixed: int,
        index: int,
        datatype: int | None,
    ) -> tuple[int, bytes, bytes, int] | None:
        size = len(metric)
        if index < 0:
            mask = b"\xff" * fixed + bytes(size - fixed)  # nobody looks into it
            return size, mask, metric[:fixed] + bytes(size - fixed), -1
        layout = _layout(body, found, datatype)
        if layout is None:
            return None
        time_at, time_bytes, value_at, value_bytes, kind, quality = layout
        masked = bytearray(b"\xff" * size)
        if time_bytes:
            masked[2 + time_at : 2 + time_at + time_bytes] = b"\x80" * time_bytes
        if kind != _NULL:
            free = b"\x00" if kind in (_DOUBLE, _FLOAT) else b"\x80"
            masked[2 + value_at : 2 + value_at + value_bytes] = free * value_bytes
            if 10 in found and value_bytes == 5:  # the fifth has only four bits of the number
                masked[2 + value_at + 4] = 0xF0
        template = bytes(a & b for a, b in zip(masked, metric, strict=True))
        row = (index, 2 + time_at if time_bytes else -1, time_bytes, 2 + value_at, value_bytes)
        return size, bytes(masked), template, self._table.row((*row, kind, quality))


def _head(data: bytes) -> tuple[bytes, bytes] | None:
    """Mask and template of the message's timestamp, which comes first."""
    if data[:1] != b"\x08":
        return None
    for size in range(1, _LONGEST_TIME + 1):
        if data[size : size + 1] < b"\x80":
            return b"\xff" + b"\x80" * size, b"\x08" + b"\x80" * (size - 1) + b"\x00"
    return None


def _layout(
    body: bytes, found: dict[int, Span], datatype: int | None
) -> tuple[int, int, int, int, int, int] | None:
    """Time at, its bytes, value at, its bytes, kind, quality; None for what goes the slow way."""
    if len(found) != sum(1 for _ in spans(body)):
        return None  # a field that stands twice
    metric = decode_metric(body)
    values = [span for field, span in found.items() if field >= 10]
    time = found.get(3)
    if metric.strange or len(values) > 1 or (time and time.stop - time.start > _LONGEST_TIME):
        return None
    at = (time.start, time.stop - time.start) if time else (0, 0)
    quality = quality_of(metric.quality)
    if metric.value is None:
        return *at, 0, 0, _NULL, BAD
    (value,) = values
    datatype = datatype if metric.datatype is None else metric.datatype
    kind = _kind(value, datatype)
    if kind is None:
        return None
    return *at, value.start, value.stop - value.start, kind, quality


def _kind(value: Span, datatype: int | None) -> int | None:
    if (value.field, value.wire) == (13, 1):
        return _DOUBLE
    if (value.field, value.wire) == (12, 5):
        return _FLOAT
    if (value.field, value.wire) == (14, 0):
        return _BOOL
    if value.field not in (10, 11) or value.wire != 0 or value.stop - value.start > 10:
        return None
    if value.field == 10 and as_int(value.content) >> 32:
        return None
    if datatype == DataType.INT64:
        return _LONG
    return _SIGNED.get(datatype, _UNSIGNED if datatype in _UNSIGNED_TYPES else None)  # type: ignore[call-overload, no-any-return]


class Columns:
    """Messages of known shape, until they are made readings all at once."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._payloads: list[bytes] = []
        self._shapes: list[Shape] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, shape: Shape, payload: bytes) -> None:
        """One more message."""
        self._payloads.append(payload)
        self._shapes.append(shape)
        self._count += len(shape.rows)

    def build(self) -> Readings:
        """The rows of all messages, in their order."""
        if not self._count:
            return Readings.concat([])
        shapes = self._shapes
        sizes = np.fromiter(map(len, self._payloads), np.int64, len(shapes))
        counts = np.fromiter((len(s.rows) for s in shapes), np.int64, len(shapes))
        bases = np.repeat(np.cumsum(sizes) - sizes, counts)
        starts = np.concatenate([s.starts for s in shapes]) + bases
        layout = self._table.take(np.concatenate([s.rows for s in shapes]))
        index, time_at, time_bytes, value_at, value_bytes, kind, quality = layout
        data = b"".join([*self._payloads, _LAST_BYTES])
        # Eight bytes from every place: a field of any position is one gather away.
        words = np.ndarray((len(data) - 7,), np.dtype("<u8"), data, strides=(1,))
        own = time_at >= 0
        if own.all():
            time_ms = _varints(words[starts + time_at], time_bytes)
        else:
            sent = np.fromiter((s.time_bytes for s in shapes), np.int32, len(shapes))
            places = np.where(own, starts + time_at, bases + 1)
            time_ms = _varints(words[places], np.where(own, time_bytes, np.repeat(sent, counts)))
        return Readings(
            index,
            _values(words, starts + value_at, value_bytes, kind),
            None,
            time_ms.view(np.int64) * 1000,
            quality.astype(np.int8),
        )


def _values(
    words: NDArray[np.uint64],
    at: NDArray[np.int64],
    size: NDArray[np.int32],
    kind: NDArray[np.int32],
) -> NDArray[np.float64]:
    raw = words[at]
    value = raw.view(np.float64)
    if not kind.any():
        return value
    value = value.copy()
    whole = np.flatnonzero((kind >= _UNSIGNED) | (kind == _BOOL))
    if len(whole):
        value[whole] = _whole(words, raw[whole], at[whole], size[whole], kind[whole])
    rows = np.flatnonzero(kind == _FLOAT)
    if len(rows):
        value[rows] = (raw[rows] & np.uint64(0xFFFFFFFF)).astype(np.uint32).view(np.float32)
    value[kind == _NULL] = np.nan
    return value


def _whole(
    words: NDArray[np.uint64],
    raw: NDArray[np.uint64],
    at: NDArray[np.int64],
    size: NDArray[np.int32],
    kind: NDArray[np.int32],
) -> NDArray[np.float64]:
    bits = _varints(raw, size)
    rows = np.flatnonzero(size > 8)
    if len(rows):
        more = words[at[rows] + 8]
        bits[rows] |= (more & np.uint64(0x7F)) << np.uint64(56)
        tenth = (more >> np.uint64(8) & np.uint64(1)) * (size[rows] > 9)
        bits[rows] |= tenth.astype(np.uint64) << np.uint64(63)
    value = bits.astype(np.float64)
    for width in (8, 16, 32):
        rows = np.flatnonzero(kind == width)
        if len(rows):
            value[rows] = _narrow(bits[rows], width)
    rows = np.flatnonzero(kind == _LONG)
    value[rows] = bits[rows].view(np.int64)
    value[kind == _BOOL] = bits[kind == _BOOL] != 0
    return value


def _narrow(bits: NDArray[np.uint64], width: int) -> NDArray[np.int64]:
    """As ``sparkplug.typed``: negative in the own width, in 32 bits or in 64."""
    signed = bits.view(np.int64).copy()
    small = bits >> np.uint64(32) == 0
    signed[small] = signed[small].astype(np.uint32).view(np.int32)
    own = bits >> np.uint64(width) == 0
    low = signed[own] & ((1 << width) - 1)
    signed[own] = np.where(low >> (width - 1), low - (1 << width), low)
    return signed


def _varints(words: NDArray[np.uint64], size: NDArray[np.int32]) -> NDArray[np.uint64]:
    """Groups of seven bits, at most eight of them, pushed together."""
    x = words & _VARINT_MASK[size]
    x = (x & np.uint64(0x007F007F007F007F)) | ((x & np.uint64(0x7F007F007F007F00)) >> np.uint64(1))
    x = (x & np.uint64(0x00003FFF00003FFF)) | ((x & np.uint64(0x3FFF00003FFF0000)) >> np.uint64(2))
    low = x & np.uint64(0x000000000FFFFFFF)
    return np.asarray(low | ((x & np.uint64(0x0FFFFFFF00000000)) >> np.uint64(4)), np.uint64)
