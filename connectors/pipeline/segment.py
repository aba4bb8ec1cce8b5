"""Records in a segment of the spool: how they are written, found, and found again after damage."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from twin.errors import DataError

__all__ = [
    "Header",
    "Record",
    "Segment",
    "Window",
    "encode_records",
    "last_whole",
    "payload_of",
    "walk",
]

_FIELDS = struct.Struct("<4sIQI")
"""Magic, bytes of the payload, number, CRC-32 of the payload; then the CRC-32 of these and the place."""
_PLACE = struct.Struct("<QQ")
_CRC = struct.Struct("<I")
_MAGIC = b"LTR1"
HEADER_BYTES = _FIELDS.size + _CRC.size
LONGEST_BYTES = 1 << 30
NO_LAST = (1 << 63) - 1
_CHUNK_BYTES = 1 << 20
_BLOCK_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Record:
    """One payload and its number in the spool."""

    seq: int
    payload: bytes


@dataclass(slots=True)
class Segment:
    """One file of records; it is named by the number of its first."""

    first: int
    path: Path
    end: int
    """Bytes that are durable."""
    last: int
    """Number of its last durable record; ``first - 1`` when there is none."""


@dataclass(frozen=True, slots=True)
class Header:
    """Where a record lies and how to know that it is whole."""

    seq: int
    offset: int
    """Of the header, in the file."""
    length: int
    """Bytes of the payload."""
    crc: int

    @property
    def end(self) -> int:
        """Where the next record begins."""
        return self.offset + HEADER_BYTES + self.length


class Window:
    """Reads a file in large pieces, at most up to ``end``; what the disk cannot give is zeros."""

    def __init__(self, fd: int, end: int) -> None:
        self.fd = fd
        self.end = end
        self._base = 0
        self._held = b""

    def get(self, offset: int, size: int) -> bytes:
        """Bytes at a place; fewer where the file is shorter."""
        start = offset - self._base
        if start < 0 or start + size > len(self._held):
            wanted = min(max(size, _CHUNK_BYTES), self.end - offset)
            self._held = _read(self.fd, wanted, offset)
            self._base, start = offset, 0
        return self._held[start : start + size]


def encode_records(payloads: Sequence[bytes], segment_first: int, seq: int, offset: int) -> bytes:
    """Records one behind the other, as they are written at ``offset`` of a segment.

    The header's checksum includes its place, so that a copy of a record elsewhere (inside a
    payload, or from a block that the disk put in the wrong place) is never taken for one.

    Args:
        payloads: At least one.
        segment_first: The number that names the segment.
        seq: Number of the first of them.
        offset: Where in the file they will lie.

    Raises:
        DataError: A payload is larger than 1 GiB.
    """
    pieces: list[bytes] = []
    for number, payload in enumerate(payloads, seq):
        if len(payload) > LONGEST_BYTES:
            raise DataError(f"a record of {len(payload)} bytes; at most {LONGEST_BYTES} fit")
        fields = _FIELDS.pack(_MAGIC, len(payload), number, zlib.crc32(payload))
        pieces += (fields, _CRC.pack(_place_crc(fields, segment_first, offset)), payload)
        offset += HEADER_BYTES + len(payload)
    return b"".join(pieces)


def walk(window: Window, segment: Segment, offset: int, expected: int) -> Iterator[Header]:
    """The readable headers from ``offset`` on, in order; after a damaged one, the next that is whole.

    Args:
        window: Of the segment's file.
        segment: Which one; records behind its ``last`` are none of it.
        offset: Where to begin.
        expected: No record before this number is taken.
    """
    while offset < segment.end and expected <= segment.last:
        header = _header(window, segment, offset, expected)
        if header is None:
            header = _next_header(window, segment, offset + 1, expected)
            if header is None:
                return
        yield header
        offset, expected = header.end, header.seq + 1


def payload_of(window: Window, header: Header) -> bytes | None:
    """The payload; None when it is not what was written."""
    payload = window.get(header.offset + HEADER_BYTES, header.length)
    return payload if zlib.crc32(payload) == header.crc else None


def last_whole(path: Path, first: int) -> Segment:
    """The segment up to its last whole record; what follows was never finished.

    Raises:
        OSError: The file cannot be read.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        whole = Segment(first, path, os.fstat(fd).st_size, NO_LAST)
        window = Window(fd, whole.end)
        end, last = 0, first - 1
        for header in walk(window, whole, 0, first):
            if payload_of(window, header) is not None:
                end, last = header.end, header.seq
    finally:
        os.close(fd)
    return Segment(first, path, end, last)


def _place_crc(fields: bytes, segment_first: int, offset: int) -> int:
    return zlib.crc32(_PLACE.pack(segment_first, offset), zlib.crc32(fields))


def _header(window: Window, segment: Segment, offset: int, expected: int) -> Header | None:
    data = window.get(offset, HEADER_BYTES)
    if len(data) < HEADER_BYTES or data[:4] != _MAGIC:
        return None
    fields = data[: _FIELDS.size]
    if _CRC.unpack_from(data, _FIELDS.size)[0] != _place_crc(fields, segment.first, offset):
        return None
    _, length, seq, crc = _FIELDS.unpack(fields)
    header = Header(seq, offset, length, crc)
    return header if expected <= seq <= segment.last else None


def _next_header(window: Window, segment: Segment, offset: int, expected: int) -> Header | None:
    while offset < segment.end:
        chunk = window.get(offset, min(_CHUNK_BYTES, segment.end - offset))
        at = chunk.find(_MAGIC)
        while at >= 0:
            header = _header(window, segment, offset + at, expected)
            if header is not None:
                return header
            at = chunk.find(_MAGIC, at + 1)
        if len(chunk) < len(_MAGIC):
            return None
        offset += len(chunk) - len(_MAGIC) + 1
    return None


def _read(fd: int, size: int, offset: int) -> bytes:
    try:
        return os.pread(fd, max(size, 0), offset)
    except OSError:
        return b"".join(
            _read_block(fd, min(_BLOCK_BYTES, size - at), offset + at)
            for at in range(0, size, _BLOCK_BYTES)
        )


def _read_block(fd: int, size: int, offset: int) -> bytes:
    try:
        return os.pread(fd, size, offset)
    except OSError:
        return bytes(size)
