"""How engine code is compiled: exact arithmetic, no lock held, kept on disk in the folder of ``warm``."""

from __future__ import annotations

from typing import Any

from numba import config, njit

from twin.engine.warm import folder

__all__ = ["jit", "jit_inline", "jit_text", "jit_with_scratch"]


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


def jit_text(function: Any) -> Any:
    """Put the text of the function in place of its calls, so that it costs no compilation of its own."""
    return njit(inline="always")(function)
