"""Random streams: every uniform is a pure function of seed, replication, entity, purpose and index."""

from __future__ import annotations

from abc import ABC, abstractmethod
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.engine.arithmetic import float_of

__all__ = ["BLOCK", "ByIndex", "Stream", "mix64", "stream_key", "uniform", "uniforms", "unit"]

BLOCK = 256
"""Uniforms made at a time; it changes speed only, never a value."""

RECENT = 8
"""Blocks kept: the indices of a part's repeated visits lie far from those of its first."""

_MASK = (1 << 64) - 1
_ALTERNATING = 0xAAAA_AAAA_AAAA_AAAA
_BY = (np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(12))
_TIMES = (np.uint64(0xBF58_476D_1CE4_E5B9), np.uint64(0x94D0_49BB_1331_11EB))
_ONE = np.uint64(0x3FF0_0000_0000_0000)


def stream_key(seed: int, replication: int, entity: str, purpose: str) -> tuple[int, int]:
    """Start and increment of the stream of a name: two numbers of 64 bits, the second odd.

    They are the halves, little endian, of the BLAKE2b-128 digest of the name's parts joined by
    U+001F. An increment whose bits change too seldom is mended as SplittableRandom does.

    Source:
        Steele, Lea & Flood (2014), Fast splittable pseudorandom number generators, OOPSLA.
    """
    name = f"{seed}\x1f{replication}\x1f{entity}\x1f{purpose}".encode()
    digest = blake2b(name, digest_size=16).digest()
    gamma = int.from_bytes(digest[8:], "little") | 1
    if (gamma ^ (gamma >> 1)).bit_count() < 24:
        gamma ^= _ALTERNATING
    return int.from_bytes(digest[:8], "little"), gamma


def mix64(z: Any) -> Any:
    """Sixty-four bits mixed so that every bit hangs on every other: Stafford's variant 13."""
    z = (z ^ (z >> _BY[0])) * _TIMES[0]
    z = (z ^ (z >> _BY[1])) * _TIMES[1]
    return z ^ (z >> _BY[2])


def unit(z: Any) -> Any:
    """The uniform in [0, 1) of a stream at ``z = start + index * gamma``: 52 bits of its mix."""
    return float_of((mix64(z) >> _BY[3]) | _ONE) - 1.0


def uniforms(start: int, gamma: int, first: int, n: int) -> NDArray[np.float64]:
    """Uniforms ``first`` to ``first + n`` of the stream of a key, in [0, 1). Shape (n,)

    Example:
        >>> key = stream_key(7, 0, "press", "cycle")
        >>> bool(uniforms(*key, 2, 3)[0] == uniforms(*key, 0, 3)[2])
        True
    """
    base = np.uint64((start + first * gamma) & _MASK)
    u: NDArray[np.float64] = unit(np.arange(n, dtype=np.uint64) * np.uint64(gamma) + base)
    return u


class ByIndex(ABC):
    """Numbers that are asked for one by one and made a block at a time."""

    __slots__ = ("_block", "_first", "_recent")

    def __init__(self) -> None:
        self._first = 0
        self._block: list[float] = []
        self._recent: dict[int, list[float]] = {}

    def at(self, index: int) -> float:
        """Number ``index``, from 0."""
        k = index - self._first
        if 0 <= k < len(self._block):
            return self._block[k]
        return self._turn_to(index)

    def _turn_to(self, index: int) -> float:
        first = index - index % BLOCK
        block = self._recent.pop(first, None) or self._made(first)
        self._recent[first] = block  # youngest last
        if len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]
        self._first, self._block = first, block
        return block[index - first]

    @abstractmethod
    def _made(self, first: int) -> list[float]:
        """The ``BLOCK`` numbers from this one on."""


class Stream(ByIndex):
    """The uniforms of one (seed, replication, entity, purpose), by index.

    Draw ``i`` is the double of ``mix64(start + i * gamma)``, in [0, 1): whatever was drawn
    before, elsewhere or not at all.

    Example:
        >>> stream = Stream(7, 0, "press", "cycle")
        >>> later, first = stream.at(5000), stream.at(0)
        >>> first == uniform(7, 0, "press", "cycle", 0) and later == stream.at(5000)
        True
    """

    __slots__ = ("gamma", "start")

    def __init__(self, seed: int, replication: int, entity: str, purpose: str) -> None:
        super().__init__()
        self.start, self.gamma = stream_key(seed, replication, entity, purpose)

    def _made(self, first: int) -> list[float]:
        block: list[float] = uniforms(self.start, self.gamma, first, BLOCK).tolist()
        return block


def uniform(seed: int, replication: int, entity: str, purpose: str, index: int) -> float:
    """One uniform in [0, 1); a stream of its own is quicker when many are needed."""
    return float(uniforms(*stream_key(seed, replication, entity, purpose), index, 1)[0])
