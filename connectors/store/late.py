"""A store that is opened when it is first needed: while it is away it keeps nobody from starting."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime

from twin.errors import StoreError
from twin.plant.signals import SignalId
from twin.telemetry.downsample import Downsampled
from twin.telemetry.historian import Historian
from twin.telemetry.samples import Quality, SampleBatch

__all__ = ["LateHistorian"]


class LateHistorian:
    """Keeps the promise of ``twin.telemetry.Historian`` through the store that it opens.

    Every call opens the store until that has worked once; what goes wrong is the call's StoreError.

    Example:
        >>> from twin.telemetry import MemoryHistorian
        >>> LateHistorian(MemoryHistorian).count()
        0
    """

    def __init__(self, opening: Callable[[], Historian]) -> None:
        """Open nothing yet.

        Args:
            opening: Opens the store, or raises StoreError.
        """
        self._opening = opening
        self._one_opens = threading.Lock()
        self._store: Historian | None = None
        self._closed = threading.Event()

    def append(self, batch: SampleBatch) -> int:
        """See ``Historian.append``.

        Raises:
            StoreError: The store is away, or nothing of this batch was stored.
        """
        return self._opened().append(batch)

    def read(
        self,
        signals: Sequence[SignalId] | None,
        start: datetime,
        end: datetime,
        *,
        as_of: datetime | None = None,
        worst: Quality = Quality.BAD,
    ) -> SampleBatch:
        """See ``Historian.read``.

        Raises:
            StoreError: The store is away, or cannot be read.
        """
        return self._opened().read(signals, start, end, as_of=as_of, worst=worst)

    def latest(
        self, signals: Sequence[SignalId] | None = None, *, as_of: datetime | None = None
    ) -> SampleBatch:
        """See ``Historian.latest``.

        Raises:
            StoreError: The store is away, or cannot be read.
        """
        return self._opened().latest(signals, as_of=as_of)

    def downsample(
        self,
        signals: Sequence[SignalId] | None,
        start: datetime,
        end: datetime,
        *,
        bucket_s: float,
        as_of: datetime | None = None,
    ) -> Downsampled:
        """See ``Historian.downsample``.

        Raises:
            DataError: The bucket is shorter than a microsecond.
            StoreError: The store is away, or cannot be read.
        """
        return self._opened().downsample(signals, start, end, bucket_s=bucket_s, as_of=as_of)

    def forget(self, before: datetime) -> int:
        """See ``Historian.forget``.

        Raises:
            StoreError: The store is away, or not all was dropped.
        """
        return self._opened().forget(before)

    def tend(self, now: datetime) -> None:
        """See ``Historian.tend``.

        Raises:
            StoreError: The store is away, or not everything was done.
        """
        self._opened().tend(now)

    def count(self) -> int:
        """See ``Historian.count``.

        Raises:
            StoreError: The store is away, or cannot be read.
        """
        return self._opened().count()

    def close(self) -> None:
        """Give back what was opened; does not wait for a server that is just being asked."""
        self._closed.set()
        if self._store is not None:
            self._store.close()

    def _opened(self) -> Historian:
        with self._one_opens:
            if self._store is None and not self._closed.is_set():
                self._store = self._opening()
                if self._closed.is_set():
                    self._store.close()
        if self._store is None:
            raise StoreError("the historian is closed")
        return self._store
