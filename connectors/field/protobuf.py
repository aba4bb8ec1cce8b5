"""The protobuf wire format, as far as Sparkplug needs it: fields in, fields out.

Source:
    Protocol Buffers documentation, "Encoding".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from twin.errors import DataError

__all__ = ["Span", "as_bytes", "as_int", "fields", "put_bytes", "put_int", "spans"]

MOST_FIELDS = 200_000
"""Of one message; more are poison, for nobody else would be heard meanwhile."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def put_int(out: bytearray, field: int, value: int) -> None:
    """Append an unsigned number.

    Raises:
        DataError: Below 0, or more than 64 bits.
    """
    _put_varint(out, field << 3)
    if not 0 <= value < 1 << 64:
        raise DataError(f"{value} is not an unsigned number of 64 bits")
    _put_varint(out, value)


def _put_varint(out: bytearray, value: int) -> None:
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def put_bytes(out: bytearray, field: int, data: bytes | bytearray) -> None:
    """Append bytes, a text or a message inside the message."""
    out.append(field << 3 | _BYTES)
    _put_varint(out, len(data))
    out += data


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and content of each field: an int for a varint, bytes for everything else.

    Raises:
        DataError: Cut short, not protobuf, or of more than MOST_FIELDS fields.

    Example:
        >>> list(fields(bytes.fromhex("18 07 22 01 61")))
        [(3, 7), (4, b'a')]
    """
    at, end = 0, len(data)
    for _ in range(MOST_FIELDS):
        if at >= end:
            return
        key, at = _varint(data, at)
        field, wire = key >> 3, key & 7
        if wire == _VARINT and field:
            number, at = _varint(data, at)
            yield field, number
            continue
        if wire == _BYTES:
            size, at = _varint(data, at)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise DataError(f"not a protobuf message: wire type {wire}")
        if at + size > end or field == 0:
            raise DataError("not a protobuf message: cut short")
        yield field, data[at : at + size]
        at += size
    if at < end:
        raise DataError(f"more than {MOST_FIELDS} fields in one message")


class Span(NamedTuple):
    """Where a field stands in its message."""

    field: int
    wire: int
    """0 varint, 1 eight bytes, 2 counted bytes, 5 four bytes."""
    start: int
    """First byte of the content, behind tag and length."""
    stop: int
    content: int | bytes


def spans(data: bytes) -> Iterator[Span]:
    """As ``fields``, with the place of each.

    Raises:
        DataError: Cut short, or not protobuf.

    Example:
        >>> [(s.field, s.wire, s.start, s.stop) for s in spans(bytes.fromhex("18 07 22 01 61"))]
        [(3, 0, 1, 2), (4, 2, 4, 5)]
    """
    at, end = 0, len(data)
    while at < end:
        key, start = _varint(data, at)
        if key & 7 == _VARINT and key >> 3:
            number, at = _varint(data, start)
            yield Span(key >> 3, _VARINT, start, at, number)
            continue
        # One field is read by the same code as everywhere; only its length is of interest here.
        if key & 7 == _BYTES:
            size, start = _varint(data, start)
        else:
            size = 8 if key & 7 == _FIXED64 else 4
        ((field, content),) = fields(data[at : start + size])
        yield Span(field, key & 7, start, start + size, content)
        at = start + size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data):
            raise DataError("not a protobuf message: cut short")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
        if shift > 63:
            raise DataError("not a protobuf message: a number of more than 64 bits")


def as_int(found: int | bytes) -> int:
    """The field as a number.

    Raises:
        DataError: It is bytes.
    """
    if isinstance(found, int):
        return found
    raise DataError("not a protobuf message: bytes where a number belongs")


def as_bytes(found: int | bytes) -> bytes:
    """The field as bytes.

    Raises:
        DataError: It is a number.
    """
    if isinstance(found, bytes):
        return found
    raise DataError("not a protobuf message: a number where bytes belong")
