"""Results kept on disk under the hash of everything that they depend on."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

import twin
from twin.engine import RunResult
from twin.errors import DataError
from twin.plant import Plant
from twin.scenarios.arguments import BLOCK, RunArguments
from twin.scenarios.stored import first_replications, from_bytes, to_bytes

__all__ = ["RunCache", "code_version"]

logger = logging.getLogger(__name__)

_CODE = ("errors.py", "units.py", "plant", "engine", "scenarios/stored.py")
"""Of the folder ``twin``: what decides the bits of a result, and how they are written."""
_DEFAULTS: dict[str, Any] = {
    "jobs": None,
    "seed": 0,
    "state": None,
    "forecasts": (),
    "maintenance": (),
    "warm_up_s": 0.0,
    "mix": None,
    "limited_supply": False,
}
"""As in ``simulate``. ``engine`` is left out: every engine gives the same bits."""
_DAMAGED = (ValueError, KeyError, TypeError, EOFError, OSError, zipfile.BadZipFile, zlib.error)
"""What `from_bytes` may raise."""


class RunCache:
    """Runs by the hash of their inputs, one file for each block of replications.

    The key is the BLAKE2b hash of the plant, of all arguments of the run but ``engine``, and of
    the program text of ``twin.plant`` and ``twin.engine``: other code never sees old results. A
    file is written whole or not at all; a damaged one counts as absent. When the files hold
    more than ``limit_bytes``, those that were not used for longest are deleted. Several
    processes may share the folder.
    """

    def __init__(self, folder: Path, *, limit_bytes: int = 1_000_000_000) -> None:
        """Use a folder for results.

        Args:
            folder: Made when the first result is kept. Only files that a cache wrote are deleted.
            limit_bytes: Disk space for the results.

        Raises:
            DataError: ``limit_bytes`` is negative.
        """
        if limit_bytes < 0:
            raise DataError("limit_bytes must be at least 0")
        self.folder = folder
        self.limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._bytes: int | None = None
        self._said = False

    def key(self, plant: Plant, run: RunArguments) -> str:
        """The name under which results of this plant and these arguments are kept.

        Raises:
            DataError: An argument is of a kind that cannot be written down.
        """
        given = {name: run.get(name, default) for name, default in _DEFAULTS.items()}
        given |= {
            "start": run["start"],
            "horizon_s": float(run["horizon_s"]),
            "warm_up_s": float(run.get("warm_up_s", 0.0)),
        }
        text = json.dumps(_canonical(given), ensure_ascii=False, separators=(",", ":"))
        digest = hashlib.blake2b(digest_size=20)
        for part in (code_version(), plant.model_dump_json(), text):
            digest.update(part.encode())
            digest.update(b"\x1f")
        return digest.hexdigest()

    def get(self, key: str, first: int, count: int) -> RunResult | None:
        """Replications ``first`` to ``first + count - 1``, if they were kept; also as the beginning of a whole block."""
        for size in dict.fromkeys((count, max(count, BLOCK))):
            path = self._path(key, first, size)
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                continue
            except OSError as e:
                self._say("%s cannot be read: %s", self.folder, e)
                continue
            try:
                result = from_bytes(data)
            except _DAMAGED as e:
                logger.warning("%s is damaged and is made again: %s", path, e)
                continue
            with suppress(OSError):  # of a folder that can only be read, nothing is deleted
                os.utime(path)
            return result if size == count else first_replications(result, count)
        return None

    def put(self, key: str, result: RunResult) -> None:
        """Keep a result. A disk that takes nothing more costs the next run its time, not this one its answer."""
        data = to_bytes(result)
        try:
            self._write(self._path(key, result.first_replication, result.replications), data)
            with self._lock:
                self._bytes = self._used() if self._bytes is None else self._bytes + len(data)
                if self._bytes > self.limit_bytes:
                    self._trim()
        except OSError as e:
            self._say("%s keeps no results: %s", self.folder, e)
        else:
            self._said = False

    def _say(self, what: str, place: Path, why: OSError) -> None:
        """Once, and not for each of ten thousand results, until one is kept again."""
        if not self._said:
            logger.warning(what, place, why.strerror or why)
        self._said = True

    def _path(self, key: str, first: int, count: int) -> Path:
        return self.folder / f"{key}-{first}-{count}.npz"

    def _write(self, path: Path, data: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.folder, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
            Path(name).replace(path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise

    def _files(self) -> Iterator[tuple[int, int, Path]]:
        """(time of last use, bytes, file)"""
        for pattern in ("*-*-*.npz", "*.part"):
            for path in self.folder.glob(pattern):
                with suppress(FileNotFoundError):
                    found = path.stat()
                    yield found.st_mtime_ns, found.st_size, path

    def _used(self) -> int:
        return sum(size for _, size, _ in self._files())

    def _trim(self) -> None:
        """Down to nine tenths of the limit, so that not every result that follows has to look again."""
        files = sorted(self._files())
        self._bytes = sum(size for _, size, _ in files)
        for _, size, path in files:
            if self._bytes <= 0.9 * self.limit_bytes:
                return
            path.unlink(missing_ok=True)
            self._bytes -= size


@lru_cache(maxsize=1)
def code_version() -> str:
    """Hash of the program text that decides the bits of a result.

    Example:
        >>> len(code_version())
        40
    """
    root = Path(twin.__file__).parent
    digest = hashlib.blake2b(digest_size=20)
    for part in _CODE:
        place = root / part
        for path in sorted(place.rglob("*.py")) if place.is_dir() else (place,):
            digest.update(path.relative_to(root).as_posix().encode() + b"\x1f")
            digest.update(path.read_bytes() + b"\x1f")
    return digest.hexdigest()


def _canonical(value: Any) -> Any:
    """Plain values for JSON, with the kind of a record and the order of its entries."""
    if isinstance(value, Enum):
        return _canonical(value.value)
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, datetime):
        return {"instant": value.isoformat()}
    if isinstance(value, BaseModel):
        return [type(value).__name__, value.model_dump_json()]
    if is_dataclass(value) and not isinstance(value, type):
        content = [[f.name, _canonical(getattr(value, f.name))] for f in fields(value)]
        return [type(value).__name__, content]
    if isinstance(value, Mapping):
        return {"map": [[_canonical(k), _canonical(v)] for k, v in value.items()]}
    if isinstance(value, Sequence):
        return [_canonical(one) for one in value]
    raise DataError(f"a {type(value).__name__} among the arguments of a run cannot be hashed")
