"""DataValues from their bytes to columns, without an object per value.

OPC 10000-6, 5.2.2.17 says how they lie. DataValues that have the same fields and the same type of
value have the same length, so a run of them is read as one strided array, and a mixture with one
array for each shape. What is neither number nor text goes through asyncua's decoder, row by row.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from asyncua import ua as _ua
from asyncua.common.utils import Buffer
from asyncua.ua import ua_binary
from numpy.typing import NDArray

from connectors.field.opcua.changes import Changes, place, texts, to_us

__all__ = ["OddError", "read_values"]

ua: Any = _ua
"""asyncua names its types by ``import *``, which strict typing does not follow."""

LOOK_AHEAD = 16
"""So many rows of one shape make a run that is worth reading at once."""
_NUMBERS = dict(enumerate(("?", "i1", "u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f4"), 1))
_NUMBERS[11] = "<f8"
_STRING, _LOCALIZED_TEXT, _STRUCTURE = 12, 21, 22
_i4 = struct.Struct("<i").unpack_from


class OddError(Exception):
    """The bytes are not as the fast way expects them."""


@dataclass(frozen=True, slots=True, eq=False)
class _Shape:
    """Where the fields of a DataValue lie, by its mask of fields and the type of its value."""

    size: int
    """Of the DataValue; 0 when that depends on the value. [byte]"""
    number: np.dtype[Any] | None
    """How a number lies behind mask and type."""
    kind: int
    """Type of the value, with the bits for array and dimensions."""
    tail: int
    """Where the fields behind the value begin, when the size is fixed."""
    tail_size: int
    status: int
    """Place of the field behind ``tail``; -1 when there is none."""
    source: int
    server: int


class _Shapes(dict[bytes, _Shape]):
    def __missing__(self, key: bytes) -> _Shape:
        mask, kind = key[0], key[-1] if key[0] & 1 else 0
        if mask > 0x3F or len(key) < 1 + (mask & 1):
            raise OddError
        places, end = [], 0
        for bit, size in ((2, 4), (4, 8), (16, 2), (8, 8), (32, 2)):
            places.append(end if mask & bit else -1)
            end += size if mask & bit else 0
        number = np.dtype(_NUMBERS[kind]) if kind in _NUMBERS else None
        head = 1 + (mask & 1) + (0 if number is None else number.itemsize)
        fixed = kind == 0 or number is not None
        self[key] = shape = _Shape(
            head + end if fixed else 0,
            number,
            kind,
            head,
            end,
            places[0],
            places[1],
            places[3],
        )
        return shape


_SHAPES = _Shapes()


def read_values(
    data: bytes, start: int, count: int, *, handles: bool = True
) -> tuple[Changes, int]:
    """So many DataValues, each behind the client handle of its item if ``handles``.

    Returns:
        The columns, and where in ``data`` the last one ended.

    Raises:
        OddError, struct.error, IndexError: It is not understood; asyncua's decoder may do better.
    """
    if not 0 <= count <= len(data):
        raise OddError
    rows = _Rows(data, count, 4 if handles else 0)
    end = rows.scan(start)
    if end > len(data):
        raise OddError
    return rows.columns(), end


class _Rows:
    """The way over the rows: where each begins, which have one shape, and what is no number."""

    def __init__(self, data: bytes, count: int, head: int) -> None:
        self._data, self._count, self._head = data, count, head
        self._into = Changes.empty(count)
        self._source = np.zeros(count, np.int64)
        self._server = np.zeros(count, np.int64)
        self._runs: list[tuple[_Shape, int, int, int]] = []
        """Shape, first row, number of rows, place of the first."""
        self._mixed: dict[_Shape, tuple[list[int], list[int], list[int]]] = {}
        """By shape: rows, places, places of their tails (only where the size is not fixed)."""
        self._text: dict[int, str] = {}
        self._other: list[tuple[int, Any]] = []

    def scan(self, at: int) -> int:
        data, count, head, mixed = self._data, self._count, self._head, self._mixed
        row, look_again, last = 0, 0, None
        while row < count:
            key = data[at + head : at + head + 2]
            shape = _SHAPES[key]
            if shape is last and row >= look_again and shape.size:
                run = self._run_length(at, key, shape, count - row)
                if run:
                    self._runs.append((shape, row, run, at))
                    row += run
                    at += run * (head + shape.size)
                    continue
                look_again = row + LOOK_AHEAD
            last = shape
            if shape not in mixed:
                mixed[shape] = ([], [], [])
            rows, places, tails = mixed[shape]
            rows.append(row)
            places.append(at)
            if shape.size:
                at += head + shape.size
            else:
                tail = self._variable(row, at + head + 1, shape)
                tails.append(tail)
                at = tail + shape.tail_size
            row += 1
        return at

    def _run_length(self, at: int, key: bytes, shape: _Shape, left: int) -> int:
        """How many rows from here on have this shape; 0 when they are few."""
        stride = self._head + shape.size
        field = at + self._head
        wanted = key if key[0] & 1 else key[:1]
        run = left
        for ahead in (LOOK_AHEAD, left):
            end = field + stride * min(ahead, left)
            for i, byte in enumerate(wanted):
                column = self._data[field + i : end : stride]
                run = min(run, len(column) - len(column.lstrip(bytes((byte,)))))
            if run < LOOK_AHEAD:
                return 0
            run = left if ahead < left else run
        return run

    def _variable(self, row: int, at: int, shape: _Shape) -> int:
        """Take a value whose length it says itself; returns where it ended."""
        data = self._data
        if shape.kind == _STRING:
            text, end = _string(data, at + 1)
            if text is not None:
                self._text[row] = text
            return end
        if shape.kind == _LOCALIZED_TEXT and data[at + 1] <= 3:
            text, end = None, at + 2
            if data[at + 1] & 1:
                _, end = _string(data, end)
            if data[at + 1] & 2:
                text, end = _string(data, end)
            if text is not None:
                self._text[row] = text
            return end
        value, end = _any_value(data, at)
        if place(row, value, self._text, self._other) is not None:
            raise OddError
        return end

    def columns(self) -> Changes:
        for shape, row, run, at in self._runs:
            self._take_run(shape, slice(row, row + run), run, at)
        for shape, (rows, places, tails) in self._mixed.items():
            self._take_mixed(shape, np.array(rows), np.array(places), np.array(tails, np.int64))
        got = self._into
        return Changes(
            got.handle,
            got.value,
            texts(self._text, self._count),
            got.status,
            to_us(self._source),
            to_us(self._server),
            tuple(self._other),
        )

    def _take_run(self, shape: _Shape, rows: slice, run: int, at: int) -> None:
        def column(kind: str | np.dtype[Any], offset: int) -> NDArray[Any]:
            stride = self._head + shape.size
            return np.ndarray((run,), kind, self._data, at + offset, (stride,))

        if self._head:
            self._into.handle[rows] = column("<u4", 0)
        if shape.number is not None:
            self._into.value[rows] = column(shape.number, self._head + 2)
        tail = self._head + shape.tail
        for offset, kind, into in self._tail(shape):
            into[rows] = column(kind, tail + offset)

    def _take_mixed(
        self,
        shape: _Shape,
        rows: NDArray[np.int64],
        places: NDArray[np.int64],
        tails: NDArray[np.int64],
    ) -> None:
        data = self._data

        def column(kind: str | np.dtype[Any], at: NDArray[np.int64]) -> NDArray[Any]:
            every_byte = (max(len(data) - np.dtype(kind).itemsize + 1, 0),)
            return np.ndarray(every_byte, kind, data, 0, (1,))[at]

        if self._head:
            self._into.handle[rows] = column("<u4", places)
        if shape.number is not None:
            self._into.value[rows] = column(shape.number, places + (self._head + 2))
        if shape.size:
            tails = places + (self._head + shape.tail)
        for offset, kind, into in self._tail(shape):
            into[rows] = column(kind, tails + offset)

    def _tail(self, shape: _Shape) -> list[tuple[int, str, NDArray[Any]]]:
        fields = (
            (shape.status, "<u4", self._into.status),
            (shape.source, "<i8", self._source),
            (shape.server, "<i8", self._server),
        )
        return [field for field in fields if field[0] >= 0]


def _string(data: bytes, at: int) -> tuple[str | None, int]:
    (length,) = _i4(data, at)
    if length < 0:
        if length != -1:
            raise OddError
        return None, at + 4
    end = at + 4 + length
    return data[at + 4 : end].decode("utf-8", "surrogateescape"), end


def _any_value(data: bytes, at: int) -> tuple[Any, int]:
    buffer = Buffer(data, at)
    try:
        value = ua_binary.variant_from_binary(buffer).Value
    except Exception:
        if data[at] != _STRUCTURE:
            raise
        # One structure that does not fit its type must not hold up the values beside it.
        buffer = Buffer(data, at + 1)
        type_id = ua_binary.nodeid_from_binary(buffer)
        has_body, length = struct.unpack("<Bi", buffer.read(5))
        if has_body != 1 or length < 0:
            raise OddError from None
        value = ua.ExtensionObject(TypeId=type_id, Body=buffer.read(length))
    return value, int(buffer.cur_pos)
