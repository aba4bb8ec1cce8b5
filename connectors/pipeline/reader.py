"""Records behind a place in the spool, over damage and from one segment into the next."""

from __future__ import annotations

import os
from dataclasses import dataclass

from connectors.pipeline.segment import Record, Segment, Window, payload_of, walk

__all__ = ["Damage", "Place", "Reader"]


@dataclass(frozen=True, slots=True)
class Damage:
    """Records that were in the spool and cannot be read back: those between the two numbers."""

    after_seq: int
    before_seq: int
    reason: str
    segment: str
    """Name of the file."""

    def __str__(self) -> str:
        lost = self.before_seq - self.after_seq - 1
        return f"{lost} records behind {self.after_seq} are lost in {self.segment}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where reading goes on."""

    segment_first: int
    """Names the segment; 0 when it must be looked for."""
    offset: int
    expected: int
    """Number of the record that comes next."""


class Reader:
    """Collects records from one segment after the other."""

    def __init__(self, place: Place, most_bytes: int) -> None:
        self.place = place
        self.expected = place.expected
        self.records: list[Record] = []
        self.losses: list[Damage] = []
        self._room = most_bytes

    def take(self, segment: Segment) -> bool:
        """Read on in the next segment; False when there is no more room.

        Raises:
            OSError: The file is there and cannot be opened.
        """
        name = segment.path.name
        if segment.first > self.expected:
            self.lose(segment.first, "the end of the file before it is missing", name)
        try:
            fd = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            self.lose(segment.last + 1, "the file is missing", name)
            return True
        try:
            done = self._take(Window(fd, segment.end), segment)
        finally:
            os.close(fd)
        if done and self.expected <= segment.last:
            self.lose(segment.last + 1, "no readable record up to the end of the file", name)
        return done

    def lose(self, before: int, reason: str, name: str) -> None:
        """The records from the expected one up to this one cannot be read."""
        self.losses.append(Damage(self.expected - 1, before, reason, name))
        self.expected = before
        self.place = Place(0, 0, before)

    def _take(self, window: Window, segment: Segment) -> bool:
        known = self.place.segment_first == segment.first
        start = self.place if known else Place(segment.first, 0, segment.first)
        for header in walk(window, segment, start.offset, start.expected):
            if header.seq < self.expected:
                continue
            if header.seq > self.expected:
                self.lose(header.seq, "no readable record header", segment.path.name)
            if self.records and header.length > self._room:
                self.place = Place(segment.first, header.offset, header.seq)
                return False
            payload = payload_of(window, header)
            if payload is None:
                self.lose(header.seq + 1, "the checksum of a record is wrong", segment.path.name)
            else:
                self.records.append(Record(header.seq, payload))
                self._room -= header.length
                self.expected = header.seq + 1
            self.place = Place(segment.first, header.end, self.expected)
        return True
