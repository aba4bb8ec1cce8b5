"""The disk spool between sources and stores: what was appended is there until every store has it."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, unquote

from connectors.durable import DurableFile, Mark, own_folder, sync_folder
from connectors.pipeline.reader import Damage, Place, Reader
from connectors.pipeline.segment import Record, Segment, encode_records, last_whole
from twin.errors import DataError, StoreError

__all__ = ["Damage", "Record", "Spool"]

_SUFFIX, _CURSOR = ".seg", ".cursor"
_PLACES_KEPT = 64
_LEAST_SEGMENTS = 8
"""A full spool is made of so many segments at least, so that room comes back in pieces."""


class Spool:
    """Records on disk, numbered from 1; one writer, and consumers that each have a cursor.

    ``append`` returns when its records would survive a power cut. Any thread may read meanwhile.
    A segment is deleted when every consumer has passed it. See docs/explanation/spool.md.

    Example:
        >>> import tempfile
        >>> spool = Spool(Path(tempfile.mkdtemp()))
        >>> spool.cursor("store"), spool.append([b"one", b"two"])
        (0, 2)
        >>> [record.payload for record in spool.read(after=1)]
        [b'two']
        >>> spool.move("store", 2)
        >>> spool.waiting("store")
        0
        >>> spool.close()
    """

    def __init__(
        self,
        folder: Path,
        *,
        segment_bytes: int = 32 << 20,
        quota_bytes: int = 4 << 30,
        on_damage: Callable[[Damage], None] | None = None,
    ) -> None:
        """Open or make a spool; an unfinished record at its end is cut off.

        Args:
            folder: Of the spool alone.
            segment_bytes: A segment is full from here on; at most an eighth of the quota.
            quota_bytes: ``full`` from here on.
            on_damage: Called by ``read``, in its thread, once for each run of lost records.

        Raises:
            StoreError: The folder cannot be used, or another process uses it.
        """
        self._folder = folder
        self._segment_bytes = min(segment_bytes, quota_bytes // _LEAST_SEGMENTS)
        self._quota_bytes = quota_bytes
        self._on_damage = on_damage
        self._writing = threading.Lock()
        self._state = threading.RLock()
        self._segments: list[Segment] = []
        self._active: DurableFile | None = None
        self._cursors: dict[str, Mark] = {}
        self._places: dict[int, Place] = {}
        self._reported: set[int] = set()
        self._closed = False
        self._lock = own_folder(folder, "spool")
        try:
            self._open()
        except OSError as e:
            self._lock.close()
            raise StoreError(f"spool {folder} cannot be opened: {e.strerror}") from e

    @property
    def last_seq(self) -> int:
        """Number of the last record; 0 when there was none."""
        return self._last

    @property
    def bytes_held(self) -> int:
        """Bytes of all segments."""
        with self._state:
            return sum(segment.end for segment in self._segments)

    @property
    def consumers(self) -> tuple[str, ...]:
        """Names of those that have a cursor."""
        with self._state:
            return tuple(sorted(self._cursors))

    def full(self) -> bool:
        """The quota is reached: hold the sources back until the consumers have moved on."""
        return self.bytes_held >= self._quota_bytes

    def append(self, payloads: Sequence[bytes]) -> int:
        """Store records; all of them are durable when it returns. One sync each call: collect.

        Returns:
            Number of the last record.

        Raises:
            StoreError: Nothing of this call was stored; it may be called again with the same.
            DataError: A payload is larger than 1 GiB.
        """
        if not payloads:
            return self._last
        with self._writing:
            if self._closed:
                raise StoreError(f"spool {self._folder} is closed")
            try:
                self._append(payloads)
            except OSError as e:
                raise StoreError(
                    f"spool {self._folder}: {len(payloads)} records not stored: {e.strerror}"
                ) from e
            return self._last

    def read(self, after: int, most_bytes: int = 8 << 20) -> list[Record]:
        """The records behind one, in order; what cannot be read is reported and left out.

        Args:
            after: Number of a record; 0 for the first that is held.
            most_bytes: At least one record is given, and others while they fit.

        Raises:
            StoreError: The folder cannot be read now.
        """
        try:
            records, losses = self._read(after, most_bytes)
        except OSError as e:
            raise StoreError(f"spool {self._folder} cannot be read: {e.strerror}") from e
        for loss in losses:
            with self._state:
                known = loss.before_seq in self._reported
                self._reported.add(loss.before_seq)
            if not known and self._on_damage is not None:
                self._on_damage(loss)
        return records

    def cursor(self, consumer: str) -> int:
        """The last record that a consumer has done.

        A consumer that is new begins before the oldest record that is held: 0 in a new spool.

        Raises:
            StoreError: A new cursor could not be written.
        """
        with self._state:
            if consumer not in self._cursors:
                self._register(consumer)
            value = self._cursors[consumer].value
            return self._floor - 1 if value is None else max(value[0], self._floor - 1)

    def move(self, consumer: str, seq: int) -> None:
        """A consumer has done all records up to this one; a cursor never goes back.

        Survives the end of the process; after a power cut the cursor may stand further back.

        Raises:
            StoreError: It was not written down; call it again.
            DataError: There is no such record yet.
        """
        if seq > self._last:
            raise DataError(f'"{consumer}" cannot have done record {seq}: the last is {self._last}')
        with self._state:
            if seq > self.cursor(consumer):
                try:
                    self._cursors[consumer].save((seq, 0))
                    self._delete_passed()
                except OSError as e:
                    raise StoreError(f"spool {self._folder}: cursor: {e.strerror}") from e

    def drop_consumer(self, consumer: str) -> None:
        """Forget a consumer; what only it had not done yet is deleted.

        Raises:
            StoreError: It could not be forgotten.
        """
        with self._state:
            mark = self._cursors.get(consumer)
            if mark is None:
                return
            try:
                mark.path.unlink(missing_ok=True)
                sync_folder(self._folder)
                mark.close()
                del self._cursors[consumer]
                self._delete_passed()
            except OSError as e:
                raise StoreError(f"spool {self._folder}: cursor: {e.strerror}") from e

    def waiting(self, consumer: str) -> int:
        """Records that a consumer has not done yet."""
        return self._last - self.cursor(consumer)

    def close(self) -> None:
        """Let go of the folder; everything that was appended stays."""
        with self._writing, self._state:
            if self._closed:
                return
            self._closed = True
            self._finish_segment()
            for mark in (*self._cursors.values(), self._extent):
                mark.close()
            self._lock.close()

    def _open(self) -> None:
        named = sorted(
            (int(path.stem), path)
            for path in self._folder.glob("*" + _SUFFIX)
            if path.stem.isdecimal()
        )
        self._extent = Mark(self._folder / "extent", (named[0][0] if named else 1, 0))
        self._floor, head = self._extent.value or (named[0][0] if named else 1, 0)
        for path in self._folder.glob("*" + _CURSOR):
            self._cursors[unquote(path.stem)] = Mark(path)
        for (first, path), (following, _) in itertools.pairwise(named):
            self._segments.append(Segment(first, path, path.stat().st_size, following - 1))
        if named:
            self._segments.append(last_whole(named[-1][1], named[-1][0]))
        done = [mark.value[0] for mark in self._cursors.values() if mark.value is not None]
        held = self._segments[-1].last if self._segments else 0
        self._last = max(held, head, self._floor - 1, *done)
        if self._segments:
            self._go_on(self._segments[-1])
        self._delete_passed()

    def _go_on(self, segment: Segment) -> None:
        """The last segment is cut behind its last whole record, and grows on from there."""
        file = DurableFile(segment.path, segment.end)
        if segment.end < self._segment_bytes:
            self._active = file
        else:
            file.close()

    def _append(self, payloads: Sequence[bytes]) -> None:
        if self._active is not None and self._active.changed_from_outside():
            self._finish_segment()
        if self._active is None:
            self._begin_segment()
        active, segment = self._active, self._segments[-1]
        assert active is not None  # noqa: S101  (_begin_segment made it)
        try:
            active.append(encode_records(payloads, segment.first, self._last + 1, active.end))
        finally:
            if not active.trusted:
                self._finish_segment()
        with self._state:
            segment.end = active.end
            segment.last = self._last = self._last + len(payloads)
            with contextlib.suppress(OSError):  # only tells a lost record from an unfinished one
                self._extent.save((self._floor, self._last))
        if active.end >= self._segment_bytes:
            self._finish_segment()

    def _begin_segment(self) -> None:
        first = self._last + 1
        path = self._folder / f"{first:020}{_SUFFIX}"
        file = DurableFile(path)
        with self._state:
            # A file of that name can only be one in which nothing became durable.
            self._segments = [s for s in self._segments if s.first != first]
            self._segments.append(Segment(first, path, 0, first - 1))
            self._active = file

    def _finish_segment(self) -> None:
        active, self._active = self._active, None
        if active is not None:
            active.close()

    def _register(self, consumer: str) -> None:
        path = self._folder / (quote(consumer, safe="") + _CURSOR)
        try:
            self._cursors[consumer] = Mark(path, (self._floor - 1, 0))
        except OSError as e:
            raise StoreError(f'cursor of "{consumer}" in {self._folder}: {e.strerror}') from e

    def _delete_passed(self) -> None:
        """Delete the segments that every consumer has passed, never the one that grows."""
        with self._state:
            passed = min(map(self.cursor, self._cursors), default=self._floor - 1)
            growing = None if self._active is None else self._active.path
            gone = [s for s in self._segments if s.last <= passed and s.path != growing]
            if not gone:
                return
            floor = max(self._floor, gone[-1].last + 1)
            self._extent.save((floor, self._last), sync=True)
            self._floor = floor
            for segment in gone:
                segment.path.unlink(missing_ok=True)
            self._segments = [s for s in self._segments if s not in gone]

    def _read(self, after: int, most_bytes: int) -> tuple[list[Record], list[Damage]]:
        with self._state:
            last = self._last
            place = self._places.get(after, Place(0, 0, after + 1))
            if place.expected < self._floor:
                place = Place(0, 0, self._floor)
            segments = [replace(s) for s in self._segments if s.last >= place.expected]
        reader = Reader(place, most_bytes)
        if all(map(reader.take, segments)) and reader.expected <= last:
            name = segments[-1].path.name if segments else self._folder.name
            reader.lose(last + 1, "the file is missing, or shorter than it was", name)
        with self._state:
            if reader.place != place:
                self._places[reader.records[-1].seq if reader.records else after] = reader.place
            while len(self._places) > _PLACES_KEPT:
                del self._places[next(iter(self._places))]
            # What every consumer passed in the meantime was deleted, not lost.
            return reader.records, [d for d in reader.losses if d.before_seq > self._floor]
