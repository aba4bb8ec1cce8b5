"""Random streams: every uniform is a pure function of seed, replication, entity, purpose and index."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

__all__ = ["BLOCK", "Stream", "uniform"]

BLOCK = 256
"""Uniforms made at a time; it changes speed only, never a value."""


class Stream:
    """The uniforms of one (seed, replication, entity, purpose), by index.

    Draw ``i`` is the ``i``-th double of the Philox 4x64-10 generator whose 128-bit key is the
    BLAKE2b digest of the name: in [0, 1), whatever was drawn before, elsewhere or not at all.

    Example:
        >>> stream = Stream(7, 0, "press", "cycle")
        >>> later, first = stream.at(5000), stream.at(0)
        >>> first == uniform(7, 0, "press", "cycle", 0) and later == stream.at(5000)
        True
    """

    __slots__ = ("_block", "_first", "_key")

    def __init__(self, seed: int, replication: int, entity: str, purpose: str) -> None:
        name = f"{seed}\x1f{replication}\x1f{entity}\x1f{purpose}".encode()
        self._key = int.from_bytes(blake2b(name, digest_size=16).digest(), "little")
        self._first = 0
        self._block: list[float] = []

    def at(self, index: int) -> float:
        """Uniform number ``index`` (from 0) in [0, 1)."""
        k = index - self._first
        if 0 <= k < len(self._block):
            return self._block[k]
        self._first = index - index % BLOCK
        # Philox gives four words per counter step, and the first step is counter + 1.
        bits = np.random.Philox(key=self._key, counter=self._first // 4)
        self._block = np.random.Generator(bits).random(BLOCK).tolist()
        return self._block[index - self._first]


def uniform(seed: int, replication: int, entity: str, purpose: str, index: int) -> float:
    """One uniform in [0, 1); a stream of its own is quicker when many are needed."""
    return Stream(seed, replication, entity, purpose).at(index)
