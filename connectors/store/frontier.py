"""The newest stored sample of each signal, in memory: it keeps live work off the disk.

Live telemetry is nearly always newer than everything stored of its signal, so it cannot be a
repeat and needs no look-up; and the newest sample is what a live page asks for. Both answers
come from one row per signal. Only what is older is looked up in the store.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from twin.plant.signals import SignalId
from twin.telemetry.downsample import Downsampled, downsample
from twin.telemetry.samples import Quality, SampleBatch, to_us

__all__ = ["Frontier", "FrontierHistorian", "in_order", "unseen"]

_NEVER = np.iinfo(np.int64).min
_LARGEST = 1 << 62


class Frontier:
    """The sample with the greatest measured_at of each signal.

    One thread advances it at a time; any thread may ask it.
    """

    def __init__(self, newest: SampleBatch) -> None:
        """Start from what a store holds: at most one row of each signal."""
        self._asking = threading.Lock()
        self._place = {name: i for i, name in enumerate(_names(newest))}
        self._newest = replace(
            newest.take(np.arange(len(newest))),  # own columns: they are written in place
            signals=tuple(self._place),
            code=np.arange(len(newest), dtype=np.int32),
        )
        self._cached: tuple[tuple[SignalId, ...], int, NDArray[np.int32]] | None = None

    def is_beyond(self, batch: SampleBatch) -> NDArray[np.bool_]:
        """Which rows were measured after everything stored of their signal. Shape (n,)"""
        places = self._places(batch.signals)
        reach = np.append(self._newest.measured_us, _NEVER)[places]  # -1 is the appended one
        return np.asarray(batch.measured_us > reach[batch.code], np.bool_)

    def advance(self, stored: SampleBatch) -> None:
        """Take note of rows that the store has just taken."""
        if not len(stored):
            return
        self._make_room(stored)
        place = self._places(stored.signals)[stored.code]
        newest = self._newest
        at, last = stored.measured_us, np.full(len(newest), -1, np.intp)
        last[place] = np.arange(len(stored))  # the last assignment to a place stays
        if (at > at[last[place]]).any():
            row = np.argsort(at, kind="stable")
            last[place[row]] = row
        to = np.flatnonzero(last >= 0)
        to = to[at[last[to]] >= newest.measured_us[to]]
        of = last[to]
        with self._asking:
            for name in ("value", "text", "measured_us", "available_us", "quality"):
                getattr(newest, name)[to] = getattr(stored, name)[of]

    def latest(
        self, signals: Sequence[SignalId] | None, as_of: datetime | None
    ) -> tuple[SampleBatch, tuple[SignalId, ...]]:
        """The newest rows that were available, and the signals whose newest row was not yet."""
        with self._asking:
            newest = self._newest
            if signals is None:
                newest = newest.take(np.arange(len(newest)))
            else:
                asked = [self._place[s] for s in dict.fromkeys(signals) if s in self._place]
                newest = newest.take(np.array(asked, np.intp))
        if as_of is None:
            return newest, ()
        late = newest.available_us > to_us(as_of)
        names = newest.signals
        return newest.take(~late), tuple(names[c] for c in newest.code[late].tolist())

    def _places(self, names: tuple[SignalId, ...]) -> NDArray[np.int32]:
        """Where each name stands in the newest rows; -1 where nothing of it is stored."""
        known, cached = len(self._place), self._cached
        if cached is None or cached[0] is not names or cached[1] != known:
            places = np.array([self._place.get(name, -1) for name in names], np.int32)
            cached = self._cached = (names, known, places)  # sources repeat their names
        return cached[2]

    def _make_room(self, stored: SampleBatch) -> None:
        places = self._places(stored.signals)
        if (places >= 0).all():
            return
        unknown = np.flatnonzero((places < 0) & _used(stored))
        names = list(dict.fromkeys(stored.signals[i] for i in unknown.tolist()))
        if not names:
            return
        count, newest = len(names), self._newest
        grown = SampleBatch(
            signals=(*newest.signals, *names),
            code=np.arange(len(newest) + count, dtype=np.int32),
            value=np.append(newest.value, np.full(count, np.nan)),
            text=np.append(newest.text, np.full(count, None, np.object_)),
            measured_us=np.append(newest.measured_us, np.full(count, _NEVER)),
            available_us=np.append(newest.available_us, np.full(count, _NEVER)),
            quality=np.append(newest.quality, np.zeros(count, np.int8)),
        )
        with self._asking:
            self._newest = grown
            self._place = self._place | {n: len(newest) + i for i, n in enumerate(names)}


def unseen(
    batch: SampleBatch, frontier: Frontier, is_stored: Callable[[SampleBatch], NDArray[np.bool_]]
) -> SampleBatch:
    """The rows that are neither stored nor a repeat of an earlier row of the batch.

    Args:
        batch: As it arrived.
        frontier: Of the store.
        is_stored: Looks rows up in the store; asked only about rows behind the frontier.
    """
    batch = _first_of_each(batch)
    new = frontier.is_beyond(batch)
    behind = np.flatnonzero(~new)
    if len(behind):
        new[behind] = ~is_stored(batch.take(behind))
    return batch if new.all() else batch.take(new)


def in_order(batch: SampleBatch) -> SampleBatch:
    """The rows by signal name, then measured_at."""
    if not len(batch):
        return batch
    rank = np.empty(len(batch.signals), np.int32)
    rank[sorted(range(len(batch.signals)), key=batch.signals.__getitem__)] = np.arange(len(rank))
    place, at = rank[batch.code], batch.measured_us
    same, later = place[1:] == place[:-1], at[1:] >= at[:-1]
    if ((place[1:] > place[:-1]) | (same & later)).all():
        return batch
    return batch.take(np.lexsort((at, place)))


def _first_of_each(batch: SampleBatch) -> SampleBatch:
    if len(set(batch.signals)) < len(batch.signals):
        batch = SampleBatch.concat([batch])  # one code for each name
    if not _may_repeat(batch):
        return batch
    order = np.lexsort((batch.measured_us, batch.code))  # stable: repeats stay in arrival order
    code, at = batch.code[order], batch.measured_us[order]
    repeated = order[1:][(code[1:] == code[:-1]) & (at[1:] == at[:-1])]
    if not len(repeated):
        return batch
    first = np.ones(len(batch), np.bool_)
    first[repeated] = False
    return batch.take(first)


def _may_repeat(batch: SampleBatch) -> bool:
    """False where a cheap look is enough to know that no row repeats another."""
    at = batch.measured_us
    if (at[1:] > at[:-1]).all():
        return False
    first, many = int(at.min()), len(batch.signals)
    if (int(at.max()) - first) * many >= _LARGEST:
        return True
    key = np.sort((at - first) * many + batch.code)  # many times faster than by two columns
    return bool((key[1:] == key[:-1]).any())


def _used(batch: SampleBatch) -> NDArray[np.bool_]:
    used = np.zeros(len(batch.signals), np.bool_)
    used[batch.code] = True
    return used


def _names(batch: SampleBatch) -> list[SignalId]:
    return [batch.signals[c] for c in batch.code.tolist()]


class FrontierHistorian(ABC):
    """``append`` and ``latest`` of ``twin.telemetry.Historian`` over a store with a frontier.

    A store says how rows are written, looked up and read. ``_open_frontier`` comes last in its
    constructor.
    """

    _writing: threading.Lock
    """Held by the one thread that writes."""
    _frontier: Frontier
    _certain: bool
    """False from when a write begins until it is known what of it is stored."""

    def append(self, batch: SampleBatch) -> int:
        """Store samples; return how many were new.

        Raises:
            StoreError: The rows are not all stored; the same batch may be tried again.
        """
        if not len(batch):
            return 0
        with self._writing, self._errors(f"{len(batch)} samples not stored"):
            if not self._certain:
                self._frontier = self._load_frontier()
            self._certain = False  # until here again: after an error the store knows better
            new = unseen(batch, self._frontier, self._is_stored)
            if len(new):
                self._write(new)
                self._frontier.advance(new)
            self._certain = True
            return len(new)

    def latest(
        self, signals: Sequence[SignalId] | None = None, *, as_of: datetime | None = None
    ) -> SampleBatch:
        """The newest sample of each signal; see ``twin.telemetry.Historian.latest``.

        Raises:
            StoreError: The store cannot be read.
        """
        with self._errors("cannot be read"):
            newest, late = self._frontier.latest(signals, as_of)
            if late and as_of is not None:
                newest = SampleBatch.concat([newest, self._newest_by(late, to_us(as_of))])
            return in_order(newest)

    def downsample(
        self,
        signals: Sequence[SignalId] | None,
        start: datetime,
        end: datetime,
        *,
        bucket_s: float,
        as_of: datetime | None = None,
    ) -> Downsampled:
        """What buckets of one length hold; see ``twin.telemetry.Historian.downsample``.

        Raises:
            DataError: The bucket is shorter than a microsecond.
            StoreError: The store cannot be read.
        """
        rows = self.read(signals, start, end, as_of=as_of, worst=Quality.UNCERTAIN)
        return downsample(rows, bucket_s)

    def tend(self, now: datetime) -> None:
        """Nothing to do, unless a store says otherwise; see ``twin.telemetry.Historian.tend``.

        Raises:
            StoreError: The store is closed.
        """
        with self._errors("not tended"):
            return

    @abstractmethod
    def read(
        self,
        signals: Sequence[SignalId] | None,
        start: datetime,
        end: datetime,
        *,
        as_of: datetime | None = None,
        worst: Quality = Quality.BAD,
    ) -> SampleBatch:
        """Rows of a window; see ``twin.telemetry.Historian.read``."""

    def _open_frontier(self) -> None:
        with self._errors("cannot be opened"):
            self._frontier = self._load_frontier()
            self._certain = True

    @abstractmethod
    def _errors(self, what: str) -> AbstractContextManager[None]:
        """Turns the library's errors inside the block into StoreError."""

    @abstractmethod
    def _load_frontier(self) -> Frontier:
        """The frontier as the store holds it."""

    @abstractmethod
    def _is_stored(self, batch: SampleBatch) -> NDArray[np.bool_]:
        """Which rows the store has already. Shape (n,)"""

    @abstractmethod
    def _write(self, batch: SampleBatch) -> None:
        """Store rows that are new."""

    @abstractmethod
    def _newest_by(self, signals: Sequence[SignalId], as_of_us: int) -> SampleBatch:
        """The newest row of each signal that was available at an instant."""
