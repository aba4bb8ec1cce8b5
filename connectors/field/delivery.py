"""What a source hands to the pipeline: readings in columns, and what it could not give."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["NO_TIME", "Delivery", "Gap", "Later", "Letter", "Readings", "ReadingsBuilder", "Sink"]

NO_TIME = int(np.iinfo(np.int64).min)
"""``measured_us`` of a reading whose device does not say when."""


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """What a source heard, in columns of one length, before units and signal ids.

    A number stands in ``value`` with ``text`` None; a text stands in ``text`` with ``value``
    NaN; a missing value has neither.
    """

    index: NDArray[np.int32]
    """Which of the source's addresses."""
    value: NDArray[np.float64]
    """As sent; NaN when it is a text or missing."""
    text: NDArray[np.object_] | None
    """None when no row is a text."""
    measured_us: NDArray[np.int64]
    """Microseconds since 1970, UTC; NO_TIME when the device does not say."""
    quality: NDArray[np.int8]
    """A code of ``twin.telemetry.Quality``."""

    def __len__(self) -> int:
        return len(self.index)

    @classmethod
    def concat(cls, parts: Sequence[Readings]) -> Readings:
        """One out of several, in their order."""
        if len(parts) == 1:
            return parts[0]
        text: NDArray[np.object_] | None = None
        if any(part.text is not None for part in parts):
            text = np.concatenate(
                [np.full(len(p), None, np.object_) if p.text is None else p.text for p in parts]
            )
        return cls(
            np.concatenate([p.index for p in parts]) if parts else np.zeros(0, np.int32),
            np.concatenate([p.value for p in parts]) if parts else np.zeros(0, np.float64),
            text,
            np.concatenate([p.measured_us for p in parts]) if parts else np.zeros(0, np.int64),
            np.concatenate([p.quality for p in parts]) if parts else np.zeros(0, np.int8),
        )


class Later(Protocol):
    """Readings that are made in one go when all of them are there."""

    def __len__(self) -> int: ...

    def build(self) -> Readings: ...


class ReadingsBuilder:
    """Readings from single values, for protocols that say one at a time."""

    __slots__ = ("_index", "_later", "_measured_us", "_quality", "_texts", "_value")

    def __init__(self) -> None:
        self._index: list[int] = []
        self._value: list[float] = []
        self._texts: dict[int, str] = {}
        self._measured_us: list[int] = []
        self._quality: list[int] = []
        self._later: list[Later] = []

    def __len__(self) -> int:
        return len(self._index) + sum(map(len, self._later))

    def add(
        self, index: int, value: float | str | None, measured_us: int | None, quality: int
    ) -> None:
        """One more row; a time that no clock shows counts as none."""
        if type(value) is str:
            self._texts[len(self._index)] = value
            value = None
        self._index.append(index)
        self._value.append(np.nan if value is None else value)  # type: ignore[arg-type]
        in_range = measured_us is not None and -(2**63) < measured_us < 2**63
        self._measured_us.append(measured_us if in_range else NO_TIME)  # type: ignore[arg-type]
        self._quality.append(quality)

    def add_later(self, part: Later) -> None:
        """Whatever ``part`` holds when ``build`` is called stands behind the single rows."""
        self._later.append(part)

    def build(self) -> Readings:
        """The rows so far."""
        if self._later:
            return Readings.concat([self._rows(), *(part.build() for part in self._later)])
        return self._rows()

    def _rows(self) -> Readings:
        text: NDArray[np.object_] | None = None
        if self._texts:
            text = np.full(len(self._index), None, np.object_)
            text[list(self._texts)] = list(self._texts.values())
        return Readings(
            np.array(self._index, np.int32),
            np.array(self._value, np.float64),
            text,
            np.array(self._measured_us, np.int64),
            np.array(self._quality, np.int8),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message, or a value of one, that could not be understood; kept for people to look at."""

    address: str
    """Topic or NodeId that it came from."""
    payload: bytes
    """As it came."""
    reason: str
    """In one line."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gap:
    """Values of a source that were lost and cannot be had any more: a fact like a value."""

    index: NDArray[np.int32] | None
    """Which of the source's addresses; None for all of them."""
    start_us: NDArray[np.int64] | int
    """First instant that is not known, for each address or for all; microseconds since 1970."""
    end_us: NDArray[np.int64] | int
    """First instant that is known again."""
    reason: str
    """In one line."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Delivery:
    """What came together, and whom to tell when it cannot be lost any more."""

    readings: Readings
    letters: Sequence[Letter] = ()
    gaps: Sequence[Gap] = ()
    durable: Callable[[], None] | None = field(default=None)
    """Called once, on the event loop, when everything of this is on disk."""
    hurry: bool = False
    """The source can get no more before that."""

    def __len__(self) -> int:
        return len(self.readings)


Sink = Callable[[Delivery], Awaitable[None]]
"""Takes a delivery; returns when there is room for another, so a full pipeline holds its source."""
