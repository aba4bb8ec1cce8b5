"""Samples and column batches: one value with its two times, and many of them at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.errors import DataError, LookAheadError
from twin.plant.signals import SignalId

__all__ = ["Quality", "Sample", "SampleBatch", "from_us", "refuse_look_ahead", "to_us"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Quality(IntEnum):
    """How far a value can be trusted."""

    GOOD = 0
    UNCERTAIN = 1
    BAD = 2


def to_us(instant: datetime) -> int:
    """Microseconds since 1970 of an aware instant.

    Raises:
        DataError: The instant has no time zone.

    Example:
        >>> to_us(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
        1000000
    """
    if instant.tzinfo is None:
        raise DataError(f"{instant.isoformat()} has no time zone")
    delta = instant - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def from_us(us: int) -> datetime:
    """The UTC instant so many microseconds after 1970.

    Example:
        >>> from_us(1_000_000).isoformat()
        '1970-01-01T00:00:01+00:00'
    """
    seconds, micro = divmod(int(us), 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=micro)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One value of one signal at one instant.

    A missing value is a Sample with ``value=None`` and ``Quality.BAD``, never an
    absent row: a gap that was seen and a gap that was not seen are different facts.
    """

    signal: SignalId
    value: float | str | None
    """In the unit that the plant file declares for the signal."""
    measured_at: datetime
    """When the device took the value. UTC."""
    available_at: datetime
    """When this system could first have used it. UTC. Forecasts never read past it."""
    quality: Quality = Quality.GOOD


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SampleBatch:
    """Samples in columns; all arrays have one length.

    A number stands in ``value`` with ``text`` None; a text stands in ``text`` with ``value``
    NaN; a missing value has neither.
    """

    signals: tuple[SignalId, ...]
    """Names that ``code`` points into."""
    code: NDArray[np.int32]
    value: NDArray[np.float64]
    text: NDArray[np.object_]
    measured_us: NDArray[np.int64]
    """Microseconds since 1970, UTC."""
    available_us: NDArray[np.int64]
    """Microseconds since 1970, UTC."""
    quality: NDArray[np.int8]

    def __post_init__(self) -> None:
        columns = (self.value, self.text, self.measured_us, self.available_us, self.quality)
        if any(len(column) != len(self.code) for column in columns):
            raise DataError("the columns of a batch must have one length")

    def __len__(self) -> int:
        return len(self.code)

    @classmethod
    def empty(cls) -> SampleBatch:
        """A batch of nothing."""
        return cls.of(())

    @classmethod
    def of(cls, samples: Iterable[Sample]) -> SampleBatch:
        """Columns from single samples, in their order."""
        rows = list(samples)
        names = tuple(dict.fromkeys(s.signal for s in rows))
        index = {name: i for i, name in enumerate(names)}
        numbers = [s.value if isinstance(s.value, int | float) else np.nan for s in rows]
        return cls(
            signals=names,
            code=np.array([index[s.signal] for s in rows], np.int32),
            value=np.array(numbers, np.float64),
            text=_texts([s.value if isinstance(s.value, str) else None for s in rows]),
            measured_us=np.array([to_us(s.measured_at) for s in rows], np.int64),
            available_us=np.array([to_us(s.available_at) for s in rows], np.int64),
            quality=np.array([s.quality for s in rows], np.int8),
        )

    @classmethod
    def concat(cls, batches: Sequence[SampleBatch]) -> SampleBatch:
        """One batch out of several, in their order."""
        names = tuple(dict.fromkeys(name for batch in batches for name in batch.signals))
        index = {name: i for i, name in enumerate(names)}
        if not batches:
            return cls.empty()
        maps = [np.array([index[n] for n in b.signals], np.int32) for b in batches]
        return cls(
            signals=names,
            code=np.concatenate(
                [m[b.code] if len(b) else b.code for m, b in zip(maps, batches, strict=True)]
            ),
            value=np.concatenate([b.value for b in batches]),
            text=np.concatenate([b.text for b in batches]),
            measured_us=np.concatenate([b.measured_us for b in batches]),
            available_us=np.concatenate([b.available_us for b in batches]),
            quality=np.concatenate([b.quality for b in batches]),
        )

    def take(self, rows: NDArray[Any]) -> SampleBatch:
        """The rows of an index or boolean mask."""
        return replace(
            self,
            code=self.code[rows],
            value=self.value[rows],
            text=self.text[rows],
            measured_us=self.measured_us[rows],
            available_us=self.available_us[rows],
            quality=self.quality[rows],
        )

    def of_signal(self, signal: SignalId) -> SampleBatch:
        """The rows of one signal, in their order; empty when it is not there."""
        if signal not in self.signals:
            return SampleBatch.empty()
        return self.take(self.code == self.signals.index(signal))

    def samples(self) -> Iterator[Sample]:
        """Single samples, for edges and tests; never on a hot path."""
        for i in range(len(self)):
            number = float(self.value[i])
            text = self.text[i]
            yield Sample(
                signal=self.signals[self.code[i]],
                value=text if text is not None else None if np.isnan(number) else number,
                measured_at=from_us(int(self.measured_us[i])),
                available_at=from_us(int(self.available_us[i])),
                quality=Quality(int(self.quality[i])),
            )


def refuse_look_ahead(batch: SampleBatch, as_of: datetime) -> None:
    """Refuse a batch that holds what was not yet known.

    Raises:
        LookAheadError: A sample became available after ``as_of``.
    """
    late = int((batch.available_us > to_us(as_of)).sum())
    if late:
        newest = from_us(int(batch.available_us.max()))
        raise LookAheadError(
            f"{late} samples became available after {as_of.isoformat()}, the last at "
            f"{newest.isoformat()}; read the history with as_of={as_of.isoformat()}"
        )


def _texts(values: Sequence[str | None]) -> NDArray[np.object_]:
    column = np.empty(len(values), np.object_)
    column[:] = values
    return column
