"""The promise of a telemetry store, and the readable store that keeps it in memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import numpy as np

from twin.plant.signals import SignalId
from twin.telemetry.samples import SampleBatch, to_us

__all__ = ["Historian", "MemoryHistorian"]


class Historian(Protocol):
    """Append-only telemetry. Contract: tests/contract/test_historian.py."""

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
    ) -> SampleBatch:
        """Samples with ``start <= measured_at < end`` that were available at ``as_of``.

        Args:
            signals: Which; None for all. Unknown names give no rows.
            start: First instant, aware.
            end: First instant that is left out, aware.
            as_of: Leaves out what became available later; None leaves out nothing.

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
    ) -> SampleBatch:
        batch = self._available(signals, as_of)
        inside = (batch.measured_us >= to_us(start)) & (batch.measured_us < to_us(end))
        return batch.take(inside)

    def latest(
        self, signals: Sequence[SignalId] | None = None, *, as_of: datetime | None = None
    ) -> SampleBatch:
        batch = self._available(signals, as_of)
        last = np.append(batch.code[1:] != batch.code[:-1], True) if len(batch) else batch.code > 0
        return batch.take(last)

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
