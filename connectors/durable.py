"""Files that survive: whole appends or nothing, small marks that are never torn, one owner of a folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from twin.errors import StoreError

__all__ = ["DurableFile", "Mark", "own_folder", "sync_folder"]

_sync_data: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)
_MARK = struct.Struct("<4sxxxxQQQ")
_MARK_MAGIC = b"LTM1"
_CRC = struct.Struct("<I")
_SLOT_BYTES = 4096
"""Each copy of a mark in a block of its own: no write touches both."""


class DurableFile:
    """A file that grows by whole appends: each is on disk when it returns, or nothing of it remains."""

    def __init__(self, path: Path, end: int | None = None) -> None:
        """Begin a new file, or go on behind the first ``end`` bytes of one; the rest is cut off.

        Raises:
            OSError: The file cannot be opened, or its entry not be made durable.
        """
        self.path = path
        self.end = end or 0
        self.trusted = True
        """False once its end cannot be relied on: begin another file."""
        new = end is None
        flags = os.O_WRONLY | os.O_CLOEXEC | (os.O_CREAT | os.O_TRUNC if new else 0)
        self._fd = os.open(path, flags, 0o640)
        try:
            if os.fstat(self._fd).st_size > self.end:
                os.ftruncate(self._fd, self.end)
            os.fsync(self._fd)
            if new:
                sync_folder(path.parent)
        except OSError:
            os.close(self._fd)
            raise

    def append(self, data: bytes) -> None:
        """Write and sync.

        Raises:
            OSError: Nothing of ``data`` counts; ``trusted`` says whether the file may be used again.
        """
        try:
            self._write(data)
        except OSError:
            self._take_back()
            raise
        try:
            _sync_data(self._fd)
        except OSError:
            # Linux forgets pages that it failed to write: a second sync would say that all is well.
            self._take_back()
            self.trusted = False
            raise
        self.end += len(data)

    def changed_from_outside(self) -> bool:
        """Somebody deleted the file, or made it shorter or longer."""
        seen = os.fstat(self._fd)
        return seen.st_nlink == 0 or seen.st_size != self.end

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write(self, data: bytes) -> None:
        rest, offset = memoryview(data), self.end
        while rest:
            written = os.pwrite(self._fd, rest, offset)
            rest = rest[written:]
            offset += written

    def _take_back(self) -> None:
        try:
            os.ftruncate(self._fd, self.end)
        except OSError:
            self.trusted = False


class Mark:
    """Two whole numbers in a small file, written in place: it needs no room on a full disk.

    Two copies with a checksum take turns, so that a torn or damaged one leaves the one before.
    """

    def __init__(self, path: Path, first: tuple[int, int] = (0, 0)) -> None:
        """Open the mark, or make it with ``first``.

        Raises:
            OSError: It cannot be opened or made.
        """
        self.path = path
        self.value: tuple[int, int] | None = first
        """What was saved last; None when neither copy could be read."""
        self._serial = 0
        new = not path.exists()
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            if new:
                for _ in range(2):
                    self.save(first, sync=True)
                sync_folder(path.parent)
            else:
                self._load()
        except OSError:
            os.close(self._fd)
            raise

    def save(self, value: tuple[int, int], *, sync: bool = False) -> None:
        """Write the older copy anew.

        Args:
            value: Two numbers, >= 0.
            sync: Return when it would survive a power cut; else it survives the end of the process.

        Raises:
            OSError: It was not written; the newer copy is as it was.
        """
        serial = self._serial + 1
        body = _MARK.pack(_MARK_MAGIC, serial, *value)
        os.pwrite(self._fd, body + _CRC.pack(zlib.crc32(body)), serial % 2 * _SLOT_BYTES)
        if sync:
            os.fsync(self._fd)
        self._serial, self.value = serial, value

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _load(self) -> None:
        self.value = None
        for slot in range(2):
            copy = os.pread(self._fd, _MARK.size + _CRC.size, slot * _SLOT_BYTES)
            body, crc = copy[: _MARK.size], copy[_MARK.size :]
            if len(crc) == _CRC.size and _CRC.unpack(crc)[0] == zlib.crc32(body):
                magic, serial, a, b = _MARK.unpack(body)
                if magic == _MARK_MAGIC and serial > self._serial:
                    self._serial, self.value = serial, (a, b)


def own_folder(folder: Path, what: str) -> TextIO:
    """Make the folder and lock it until the file that is returned is closed or the process ends.

    Raises:
        StoreError: It cannot be used, or somebody uses it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / f"{what}.lock").open("a+")
    except OSError as e:
        raise StoreError(f"{what} {folder}: {e.strerror}; free it or name another folder") from e
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        owner = lock.read().strip()
        lock.close()
        raise StoreError(
            f"{what} {folder} is used by another linetwin (process {owner}); stop it first"
        ) from None
    with contextlib.suppress(OSError):  # who owns it is only said for people
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
    return lock


def sync_folder(folder: Path) -> None:
    """Make new and deleted entries durable.

    Raises:
        OSError: They may not be.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
