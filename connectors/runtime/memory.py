"""Memory that was freed goes back to the system: the allocator of Linux keeps it, and a process that runs for months grows."""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Callable

__all__ = ["keep_giving_back", "memory_returner"]

EVERY_S = 60.0


def memory_returner() -> Callable[[], object] | None:
    """What gives free memory back; None where the C library has no such call."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
    trim.argtypes, trim.restype = (ctypes.c_size_t,), ctypes.c_int
    return lambda: trim(0)


async def keep_giving_back() -> None:
    """Every minute, on a thread of its own, for ever."""
    give_back = memory_returner()
    while give_back is not None:
        await asyncio.sleep(EVERY_S)
        await asyncio.to_thread(give_back)
