"""The promise of a telemetry store, and the readable store that keeps it in memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import numpy as np

from twin.plant.signals import SignalId
from twin.telemetry.downsample import Downsampled, downsample
from twin.telemetry.samples import Quality, SampleBatch, to_us

__all__ = ["Historian", "MemoryHistorian"]


class Historian(Protocol):
    """Append-only telemetry. Contract: tests/contract/test_historian*.py."""

    def append(self, batch: SampleBatch) -> int:
        """Store samples; return how many were new.

        The first arrival of a (signal, measured_at) wins, so a redelivered batch
        changes nothing: at-least-once upstream, effectively once here.

        Raises:
            StoreError: Nothing of this batch was stored.
        """
        ...

    def read(
        self,
        signals: Sequence[SignalId] | None,
        start: datetime,
        end: datetime,
        *,
        as_of: datetime | None = None,
        worst: Quality = Quality.BAD,
    ) -> SampleBatch:
        """Samples with ``start <= measured_at < end`` that were available at ``as_of``.

        Args:
            signals: Which; None for all. Unknown names give no rows.
            start: First instant, aware.
            end: First instant that is left out, aware.
            as_of: Leaves out what became available later; None leaves out nothing.
            worst: Leaves out rows of a worse quality.

        Returns:
            Rows by signal name, then measured_at.

        Raises:
            StoreError: The store cannot be read.
        """
        ...

    def latest(
        self, signals: Sequence[SignalId] | None = None, *, as_of: datetime | None = None
    ) -> SampleBatch:
        """The sample with the greatest measured_at of each signal, by signal name.

        Raises:
            StoreError: The store cannot be read.
        """
        ...

    def downsample(
        self,
        signals: Sequence[SignalId] | None,
        start: datetime,
        end: datetime,
        *,
        bucket_s: float,
        as_of: datetime | None = None,
    ) -> Downsampled:
        """What buckets of one length hold of a window: numbers of quality GOOD and UNCERTAIN.

        Buckets are aligned to 1970; one without numbers has no row. Of the first and the last
        bucket only the part counts that lies in the window.

        Args:
            signals: Which; None for all. Unknown names give no rows.
            start: First instant, aware.
            end: First instant that is left out, aware.
            bucket_s: Length of a bucket. [s]
            as_of: Leaves out what became available later; None leaves out nothing.

        Raises:
            DataError: The bucket is shorter than a microsecond.
            StoreError: The store cannot be read.
        """
        ...

    def forget(self, before: datetime) -> int:
        """Drop samples measured before an instant; return how many were dropped.

        The newest sample of a signal stays, however old: ``latest`` answers as before. A dropped
        sample that arrives once more is stored once more.

        Raises:
            StoreError: Not all of them were dropped; the same call may be tried again.
        """
        ...

    def tend(self, now: datetime) -> None:
        """Let the store keep itself in order; no answer changes, except by its own retention.

        The process that appends calls it about every minute, from the thread that appends. It
        takes well under a second and may be killed at any instant; a store without upkeep does
        nothing.

        Args:
            now: Aware.

        Raises:
            StoreError: Not everything was done; no row was lost, the next call tries again.
        """
        ...

    def count(self) -> int:
        """Number of samples stored.

        Raises:
            StoreError: The store cannot be read.
        """
        ...

    def close(self) -> None:
        """Give back files and connections; a second call does nothing."""
        ...


class MemoryHistorian:
    """The reference store: the promise in the fewest lines, for tests and small questions."""

    def __init__(self) -> None:
        self._batches: list[SampleBatch] = []
        self._seen: set[tuple[SignalId, int]] = set()
        self._writing = threading.Lock()

    def append(self, batch: SampleBatch) -> int:
        new = np.zeros(len(batch), np.bool_)
        with self._writing:
            for i in range(len(batch)):
                key = (batch.signals[batch.code[i]], int(batch.measured_us[i]))
                new[i] = key not in self._seen
                self._seen.add(key)
            self._batches.append(batch.take(new))
        return int(new.sum())

    def read(
        self,
        signals: Sequence[SignalId] | None,
        start: datetime,
        end: datetime,
        *,
        as_of: datetime | None = None,
        worst: Quality = Quality.BAD,
    ) -> SampleBatch:
        batch = self._available(signals, as_of)
        inside = (batch.measured_us >= to_us(start)) & (batch.measured_us < to_us(end))
        return batch.take(inside & (batch.quality <= worst))

    def latest(
        self, signals: Sequence[SignalId] | None = None, *, as_of: datetime | None = None
    ) -> SampleBatch:
        batch = self._available(signals, as_of)
        last = np.append(batch.code[1:] != batch.code[:-1], True) if len(batch) else batch.code > 0
        return batch.take(last)

    def downsample(
        self,
        signals: Sequence[SignalId] | None,
        start: datetime,
        end: datetime,
        *,
        bucket_s: float,
        as_of: datetime | None = None,
    ) -> Downsampled:
        return downsample(self.read(signals, start, end, as_of=as_of), bucket_s)

    def forget(self, before: datetime) -> int:
        with self._writing:
            batch, newest = self._available(None, None), self.latest()
            newest_us = np.zeros(len(batch.signals), np.int64)
            newest_us[newest.code] = newest.measured_us
            old = batch.measured_us < to_us(before)
            old &= batch.measured_us < newest_us[batch.code]
            kept = batch.take(~old)
            self._seen = {(s.signal, to_us(s.measured_at)) for s in kept.samples()}
            self._batches = [kept]
        return int(old.sum())

    def tend(self, now: datetime) -> None:
        """Nothing to do."""

    def count(self) -> int:
        return len(self._seen)

    def close(self) -> None:
        return None

    def _available(self, signals: Sequence[SignalId] | None, as_of: datetime | None) -> SampleBatch:
        """All rows in the promised order, with ``signals`` sorted by name."""
        batch = SampleBatch.concat(tuple(self._batches))
        wanted = np.array([signals is None or s in signals for s in batch.signals], np.bool_)
        rows = wanted[batch.code] if len(batch) else batch.code > 0
        if as_of is not None:
            rows = rows & (batch.available_us <= to_us(as_of))
        batch = batch.take(rows)
        rank = np.argsort(np.argsort(np.array(batch.signals, dtype=np.str_)))
        order = np.lexsort((batch.measured_us, rank[batch.code])) if len(batch) else batch.code
        return batch.take(order)
