"""How engine code is compiled: exact arithmetic, no lock held, kept on disk under the hash of all its sources.

Numba looks only at the file of a function to see whether what it kept is out of date, not at the files of
the functions that it calls. So everything is kept in a folder named after all of them.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba import config, njit

__all__ = ["folder", "jit", "jit_inline", "jit_with_scratch"]


@cache
def folder() -> Path:
    """Where compiled code is kept: a folder of the user, or below ``NUMBA_CACHE_DIR``."""
    here = Path(__file__).resolve().parent
    digest = hashlib.blake2b(digest_size=8)
    for text in (numba.__version__, np.__version__, sys.version, platform.machine()):
        digest.update(text.encode())
    for file in sorted([*here.glob("*.py"), *here.parent.glob("*.py")]):
        digest.update(file.read_bytes())
    if given := os.environ.get("NUMBA_CACHE_DIR"):
        base = Path(given)
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home()))
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return base / "linetwin" / f"engine-{digest.hexdigest()}"


def _compiled(function: Any, **options: Any) -> Any:
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder())
    try:
        return njit(error_model="numpy", fastmath=False, cache=True, nogil=True, **options)(
            function
        )
    finally:
        config.CACHE_DIR = before


# Without reference counting: what makes no array must not count them, which costs more than it does.


def jit(function: Any) -> Any:
    """Compile at the first call. The function makes no array."""
    return _compiled(function, _nrt=False)


def jit_inline(function: Any) -> Any:
    """Compile into every place that calls it. The function makes no array."""
    return _compiled(function, _nrt=False, forceinline=True)


def jit_with_scratch(function: Any) -> Any:
    """Compile at the first call; the function may make arrays for itself."""
    return _compiled(function)
