"""Compile the fast engines once for this machine, and say whether that has been done.

``python -m twin.engine`` compiles now, in about a minute; what it makes is kept in a folder of the user.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
import time
from functools import cache
from importlib.metadata import version
from pathlib import Path

__all__ = ["compile_engines", "folder", "forget", "is_warm"]

_DONE = "complete"
_KEPT_S = 30 * 86_400.0


@cache
def folder() -> Path:
    """Where compiled code is kept: a folder of the user, or below ``NUMBA_CACHE_DIR``.

    Its name says of which sources, for which versions, on which processor: numba looks only at the
    file of a function to see whether what it kept is out of date, not at what that calls.
    """
    here = Path(__file__).resolve().parent
    digest = hashlib.blake2b(digest_size=8)
    for text in (version("numba"), version("numpy"), sys.version, platform.machine(), _processor()):
        digest.update(text.encode())
    for file in sorted([*here.glob("*.py"), *here.glob("compiled/*.py")]):
        digest.update(file.read_bytes())
    if given := os.environ.get("NUMBA_CACHE_DIR"):
        base = Path(given)
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home()))
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return base / "linetwin" / f"engine-{digest.hexdigest()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return "".join(sorted({line for line in lines if line.startswith(("model name", "flags"))}))


def is_warm() -> bool:
    """True if the fast engines are compiled for this machine: they start in less than a second."""
    return (folder() / _DONE).exists()


def forget() -> None:
    """Throw away what was compiled, so that it is compiled again: it cannot be read."""
    shutil.rmtree(folder(), ignore_errors=True)


def compile_engines() -> Path:
    """Compile the fast engines, unless it has been done; about a minute on one core.

    Returns:
        The folder in which they are kept.

    Raises:
        OSError: The folder cannot be written.
    """
    if not is_warm():
        from twin.engine.compiled import rehearse

        folder().mkdir(parents=True, exist_ok=True)
        rehearse()
        (folder() / _DONE).touch()
        _drop_old_ones()
    return folder()


def _drop_old_ones() -> None:
    """What older versions compiled, a month ago or more."""
    for other in folder().parent.glob("engine-*"):
        done = other / _DONE
        if other != folder() and done.exists() and time.time() - done.stat().st_mtime > _KEPT_S:
            shutil.rmtree(other, ignore_errors=True)
