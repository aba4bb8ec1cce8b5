"""One owner of a data directory at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from twin.errors import StoreError

__all__ = ["data_directory", "owned", "owner"]


def data_directory(data: Path) -> None:
    """Make sure that the directory is there and can be written to.

    Raises:
        StoreError: It cannot.
    """
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise StoreError(f"data directory {data}: {e.strerror}; name another with --data") from e
    if not os.access(data, os.W_OK | os.X_OK):
        raise StoreError(f"data directory {data} cannot be written to; name another with --data")


@contextlib.contextmanager
def owned(data: Path) -> Iterator[None]:
    """Own a directory while the block runs; the system gives it back however the process ends.

    Raises:
        StoreError: It cannot be used, or another process owns it.
    """
    data_directory(data)
    file = data / "owner.lock"
    try:
        lock = file.open("a+")
    except OSError as e:
        raise StoreError(f"{file}: {e.strerror}; name another directory with --data") from e
    with lock:
        if not _taken(lock):
            lock.seek(0)
            raise StoreError(
                f"data directory {data} is used by another linetwin (process {lock.read().strip()}); "
                "stop it, or name another with --data"
            )
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def owner(data: Path) -> int | None:
    """The process that owns a directory now; None when nobody does."""
    try:
        with (data / "owner.lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                said = lock.read().strip()
                return int(said) if said.isdigit() else None
    except OSError:
        pass
    return None


def _taken(lock: TextIO) -> bool:
    """Somebody who asks for the owner holds the lock for an instant: that is not owning."""
    for pause_s in (0.05, 0.2, None):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if pause_s is not None:
                time.sleep(pause_s)
        else:
            return True
    return False
