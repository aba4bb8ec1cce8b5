"""A journal of facts for people and scripts: rows of JSON, each durable, each once, the oldest rotated out."""

from __future__ import annotations

import json
import logging
import re
import threading
import zlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectors.durable import DurableFile, Mark, own_folder
from twin.errors import DataError, StoreError

__all__ = ["Journal", "journal_rows"]

_SUFFIX = ".jsonl"
_LEAST_FILES = 8
"""A full journal is made of so many files, so that little is rotated out at a time."""
_CRC = "crc32"
_END = b'""}'
_TAIL_BYTES = len(b'"00000000"}\n')
_LATEST = 100
_ID = re.compile(r"(\d+):(\d+)", re.ASCII)
_Order = tuple[int, int]

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _File:
    number: int
    path: Path
    size: int


class Journal:
    """Rows in files of a folder; ids are ``"<record>:<place in it>"`` and only grow.

    Example:
        >>> import tempfile
        >>> journal = Journal(Path(tempfile.mkdtemp()))
        >>> journal.append([{"id": "7:0", "reason": "no JSON"}, {"id": "7:1", "reason": "NaN"}])
        2
        >>> journal.append([{"id": "7:1", "reason": "NaN"}])
        0
        >>> [row["reason"] for row in journal.rows(after="7:0")]
        ['NaN']
        >>> journal.close()
    """

    def __init__(self, folder: Path, *, quota_bytes: int = 256 << 20) -> None:
        """Open or make a journal; an unfinished row at its end is cut off.

        Args:
            folder: Of the journal alone.
            quota_bytes: When there is more, the oldest file goes.

        Raises:
            StoreError: The folder cannot be used, or another process uses it.
        """
        self._folder = folder
        self._quota_bytes = quota_bytes
        self._writing = threading.Lock()
        self._files: list[_File] = []
        self._active: DurableFile | None = None
        self._last: _Order = (-1, -1)
        self._count = 0
        self._latest: deque[dict[str, Any]] = deque(maxlen=_LATEST)
        self._closed = False
        self._lock = own_folder(folder, "journal")
        try:
            self._open()
        except OSError as e:
            self._lock.close()
            raise StoreError(f"journal {folder} cannot be opened: {e.strerror}") from e

    @property
    def last_id(self) -> str | None:
        """Of the last row; None when there was none."""
        return None if self._last[0] < 0 else f"{self._last[0]}:{self._last[1]}"

    @property
    def count(self) -> int:
        """Rows that are held."""
        return self._count

    @property
    def latest(self) -> list[dict[str, Any]]:
        """The newest rows, at most 100, oldest first; without reading the disk."""
        with self._writing:
            return list(self._latest)

    @property
    def bytes_held(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self._files)

    @property
    def rotated_out(self) -> int:
        """Rows that were deleted to keep the quota, since the journal was made."""
        return self._rotated[0]

    def append(self, rows: Sequence[Mapping[str, Any]]) -> int:
        """Write the rows whose id is newer than the last; all durable when it returns.

        Args:
            rows: Each with an ``id``, in the order of the ids.

        Returns:
            How many were new.

        Raises:
            StoreError: None of them was written; call it again with the same.
            DataError: An id is not ``"<number>:<number>"``, or JSON cannot say a row.
        """
        with self._writing:
            if self._closed:
                raise StoreError(f"journal {self._folder} is closed")
            fresh, last = self._fresh(rows)
            lines = [line for _, line in fresh]
            if lines:
                try:
                    self._write(b"".join(lines))
                except OSError as e:
                    raise StoreError(f"journal {self._folder} not written: {e.strerror}") from e
                self._last = last
                self._count += len(fresh)
                self._latest.extend(row for row, _ in fresh)
                self._rotate()
            return len(lines)

    def rows(self, after: str | None = None) -> Iterator[dict[str, Any]]:
        """The rows that are held, oldest first; see ``journal_rows``."""
        return journal_rows(self._folder, after)

    def close(self) -> None:
        """Let go of the folder."""
        with self._writing:
            if not self._closed:
                self._closed = True
                self._finish_file()
                self._mark.close()
                self._lock.close()

    def _open(self) -> None:
        self._mark = Mark(self._folder / "rotated")
        self._rotated = self._mark.value or (0, 0)
        for number, path in _numbered(self._folder):
            if number <= self._rotated[1]:
                path.unlink()
            else:
                self._files.append(_File(number, path, path.stat().st_size))
        for file in self._files:
            self._count += file.path.read_bytes().count(b"\n")
        for file in reversed(self._files):
            rows = list(_rows_of(file.path))
            if rows:
                self._last = max(_order(row["id"]) for row in rows)
                self._latest.extend(rows)
                break
        if self._files:
            newest = self._files[-1]
            newest.size = newest.path.read_bytes().rfind(b"\n") + 1
            self._active = DurableFile(newest.path, newest.size)

    def _fresh(
        self, rows: Sequence[Mapping[str, Any]]
    ) -> tuple[list[tuple[dict[str, Any], bytes]], _Order]:
        fresh: list[tuple[dict[str, Any], bytes]] = []
        last = self._last
        for row in rows:
            order = _order(row.get("id"))
            if order > last:
                try:
                    fresh.append((dict(row), _line(row)))
                except (TypeError, ValueError) as e:
                    raise DataError(f"row {row['id']} cannot be written as JSON: {e}") from e
                last = order
        return fresh, last

    def _write(self, data: bytes) -> None:
        if self._active is not None and (
            self._active.changed_from_outside()
            or self._active.end >= self._quota_bytes // _LEAST_FILES
        ):
            self._finish_file()
        active = self._active or self._begin_file()
        try:
            active.append(data)
        finally:
            if not active.trusted:
                self._finish_file()
        self._files[-1].size = active.end

    def _begin_file(self) -> DurableFile:
        number = max(self._rotated[1], self._files[-1].number if self._files else 0) + 1
        path = self._folder / f"{number:06}{_SUFFIX}"
        self._active = DurableFile(path)
        self._files.append(_File(number, path, 0))
        return self._active

    def _finish_file(self) -> None:
        active, self._active = self._active, None
        if active is not None:
            active.close()

    def _rotate(self) -> None:
        while self.bytes_held > self._quota_bytes and len(self._files) > 1:
            oldest = self._files[0]
            try:
                rows = oldest.path.read_bytes().count(b"\n") if oldest.path.exists() else 0
                rotated = (self._rotated[0] + rows, oldest.number)
                self._mark.save(rotated, sync=True)
                self._rotated = rotated
                self._count -= rows
                oldest.path.unlink(missing_ok=True)
            except OSError as e:  # the rows are written; the next append tries again
                logger.warning("%s cannot be rotated out: %s", oldest.path, e.strerror)
                return
            del self._files[0]


def journal_rows(folder: Path, after: str | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a journal, oldest first, also while another process writes it.

    Lines that are damaged are left out and logged.

    Args:
        folder: Of the journal; one that is not there has no rows.
        after: Only rows with a newer id.

    Raises:
        DataError: ``after`` is no id.
        StoreError: A file cannot be read.
    """
    least = (-1, -1) if after is None else _order(after)
    for _, path in _numbered(folder):
        try:
            for row in _rows_of(path):
                if _order(row["id"]) > least:
                    yield row
        except FileNotFoundError:  # rotated out since the folder was listed
            continue
        except OSError as e:
            raise StoreError(f"{path} cannot be read: {e.strerror}") from e


def _rows_of(path: Path) -> Iterator[dict[str, Any]]:
    damaged = 0
    with path.open("rb") as lines:
        for line in lines:
            row = _row(line)
            if row is not None:
                yield row
            elif line.endswith(b"\n"):  # else it is being written, or never was to its end
                damaged += 1
    if damaged:
        logger.warning("%s: %d rows are damaged and left out", path, damaged)


def _line(row: Mapping[str, Any]) -> bytes:
    """JSON whose last key is the checksum of what stands before it.

    Without it a flipped bit could make an id larger, and newer rows would pass for known ones.
    """
    body = json.dumps({**row, _CRC: ""}, separators=(",", ":")).encode()[: -len(_END)]
    return body + b'"%08x"}\n' % zlib.crc32(body)


def _row(line: bytes) -> dict[str, Any] | None:
    body, crc = line[:-_TAIL_BYTES], line[-_TAIL_BYTES:]
    if crc != b'"%08x"}\n' % zlib.crc32(body):
        return None
    row: dict[str, Any] = json.loads(line)
    del row[_CRC]
    return row


def _order(row_id: object) -> _Order:
    match = _ID.fullmatch(str(row_id))
    if match is None:
        raise DataError(f'"{row_id}" is no id of a journal; one looks like 12:0')
    return int(match[1]), int(match[2])


def _numbered(folder: Path) -> list[tuple[int, Path]]:
    paths = [path for path in folder.glob("*" + _SUFFIX) if path.stem.isdecimal()]
    return sorted((int(path.stem), path) for path in paths)
