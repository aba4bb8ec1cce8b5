"""Seeded random streams, one per purpose, whose whole state is a position."""

from __future__ import annotations

from collections.abc import Callable
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

__all__ = ["Stream", "Streams", "generator"]

_BLOCK = 512
_Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]


def generator(seed: int, purpose: str, block: int = 0) -> np.random.Generator:
    """The generator of one purpose; no purpose can shift what another draws."""
    key = np.random.SeedSequence(seed, spawn_key=(crc32(purpose.encode()), block))
    return np.random.Generator(np.random.PCG64(key))


class Stream:
    """Endless variates of one purpose, drawn in blocks that depend on seed, purpose and block only."""

    __slots__ = ("_at", "_block", "_draw", "_purpose", "_seed", "_values")

    def __init__(self, seed: int, purpose: str, draw: _Draw) -> None:
        self._seed, self._purpose, self._draw = seed, purpose, draw
        self.position = 0

    def next(self) -> float:
        """The next variate."""
        if self._at == _BLOCK:
            self.position = (self._block + 1) * _BLOCK
        value = self._values[self._at]
        self._at += 1
        return value

    @property
    def position(self) -> int:
        """How many variates were taken; setting it continues from there."""
        return self._block * _BLOCK + self._at

    @position.setter
    def position(self, at: int) -> None:
        self._block, self._at = divmod(at, _BLOCK)
        rng = generator(self._seed, self._purpose, self._block)
        self._values: list[float] = self._draw(rng, _BLOCK).tolist()


class Streams:
    """Every stream of a plant, by name, so that all positions can be kept and put back."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._streams: dict[str, Stream] = {}

    def uniform(self, purpose: str) -> Stream:
        """Variates on [0, 1)."""
        return self._add(purpose, lambda rng, n: rng.random(n))

    def normal(self, purpose: str) -> Stream:
        """Standard normal variates."""
        return self._add(purpose, lambda rng, n: rng.standard_normal(n))

    def relative(self, purpose: str, family: str, cv: float) -> Stream:
        """Positive variates of mean 1 and coefficient of variation ``cv``: gamma or lognormal."""
        if family == "gamma":
            return self._add(purpose, lambda rng, n: rng.gamma(cv**-2, cv**2, n))
        variance = float(np.log1p(cv**2))
        return self._add(
            purpose, lambda rng, n: rng.lognormal(-variance / 2, float(np.sqrt(variance)), n)
        )

    def positions(self) -> dict[str, int]:
        """Position of every stream."""
        return {name: stream.position for name, stream in self._streams.items()}

    def restore(self, positions: dict[str, int]) -> None:
        """Continue every stream from where it stood."""
        for name, at in positions.items():
            self._streams[name].position = at

    def _add(self, purpose: str, draw: _Draw) -> Stream:
        stream = self._streams[purpose] = Stream(self.seed, purpose, draw)
        return stream
