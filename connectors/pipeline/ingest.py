"""Sources -> batches -> historian: nothing is acknowledged before it is stored."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from connectors.field.clock import Clock
from connectors.field.delivery import NO_TIME, Delivery, Readings
from connectors.field.source import LiveSource
from connectors.pipeline.batcher import Batcher
from connectors.pipeline.normalise import SignalMap, normalise
from twin.errors import StoreError
from twin.plant import Plant
from twin.telemetry import Historian, SampleBatch, from_us, to_us

__all__ = ["Ingest", "SourceStatus"]

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
EARLIEST_US, LATEST_US = 0, 7_258_118_400_000_000
"""Times of the years 1970 to 2199; a device that says another has no clock."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """One source, from the wire to the store."""

    name: str
    kind: str
    connected: bool
    subscribed: bool
    """Every wanted signal is subscribed."""
    received: int
    """Samples taken over from the source."""
    stored: int
    """Samples that were new to the store."""
    duplicates: int
    """Samples that the store already had."""
    rejected: int
    """Messages and values that could not be understood."""
    waiting: int
    """Samples received that are neither stored nor duplicates yet."""
    last_at: datetime | None
    """The latest measured_at that was stored."""
    error: str | None
    """What is wrong now, with its remedy."""


class _Lane:
    """The way of one source to the store."""

    def __init__(self, source: LiveSource, signal_map: SignalMap, batcher: Batcher) -> None:
        self.source = source
        self.signal_map = signal_map
        self.batcher = batcher
        self.received = self.stored = self.duplicates = 0
        self.last_us: int | None = None
        self.store_error: str | None = None

    def stamp(self, readings: Readings, now_us: int) -> None:
        """Readings without a time were measured now, those of one signal one after the other."""
        at, reached_us = readings.measured_us, self.source.reached_us
        at[(at < EARLIEST_US) | (at >= LATEST_US)] = NO_TIME
        for row in np.flatnonzero(at == NO_TIME).tolist():
            index = readings.index[row]
            at[row] = reached_us[index] = max(now_us, int(reached_us[index]) + 1)
        np.maximum.at(reached_us, readings.index, at)

    def status(self) -> SourceStatus:
        health = self.source.health()
        return SourceStatus(
            name=self.source.name,
            kind=self.source.kind.value,
            connected=health.connected,
            subscribed=self.source.subscribed.is_set(),
            received=self.received,
            stored=self.stored,
            duplicates=self.duplicates,
            rejected=health.rejected,
            waiting=self.received - self.stored - self.duplicates,
            last_at=None if self.last_us is None else from_us(self.last_us),
            error=self.store_error or health.error,
        )


class Ingest:
    """Runs the sources of a plant into a historian until it is stopped.

    Each source has its own bounded batcher, so a slow source holds up no other. One thread
    writes. A batch that the store does not take is offered again, later and later, and its
    source is held back meanwhile. (A disk spool would stand between batcher and store.)
    """

    def __init__(
        self,
        plant: Plant,
        historian: Historian,
        sources: Iterable[LiveSource],
        clock: Clock,
        on_batch: Callable[[SampleBatch], None] | None = None,
        *,
        batch_age_s: float = 0.2,
        sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            plant: What the signals mean.
            historian: Where samples go.
            sources: From ``live_sources`` of the same plant.
            clock: Plant time, for ``available_at``.
            on_batch: Called on the event loop with each batch, once it is stored.
            batch_age_s: How long a sample may wait for others. [s]
            sleep: Waits between attempts to store.

        Raises:
            UnitError: A signal is sent in a unit of another dimension.
        """
        self._historian = historian
        self._clock = clock
        self._on_batch = on_batch
        self._sleep = sleep
        self._lanes = [
            _Lane(source, SignalMap.of(plant, source.name), Batcher(age_s=batch_age_s))
            for source in sources
        ]
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="historian-writer")
        self._tasks: list[asyncio.Task[None]] = []

    def status(self) -> tuple[SourceStatus, ...]:
        """Every source, in the order they were given."""
        return tuple(lane.status() for lane in self._lanes)

    async def subscribed(self) -> None:
        """Wait until every source has subscribed every signal it wants."""
        await asyncio.gather(*(lane.source.subscribed.wait() for lane in self._lanes))

    async def run(self) -> None:
        """Listen and store until ``stop``; returns when everything received is stored.

        Raises:
            StoreError: ``stop`` gave up on samples that the store would not take.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for lane in self._lanes:
                    self._tasks.append(group.create_task(self._store_all(lane)))
                    self._tasks.append(group.create_task(self._listen(lane)))
        finally:
            self._writer.shutdown(wait=False)
        if left := sum(lane.status().waiting for lane in self._lanes):
            raise StoreError(f"{left} samples were not stored before the stop")

    async def stop(self, timeout_s: float = 3.0) -> None:
        """Stop the sources, store what they handed over, and let ``run`` return.

        Args:
            timeout_s: When the store does not take the rest within this time it is given up;
                MQTT brokers send it again. [s]
        """
        for lane in self._lanes:
            lane.source.stop()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=timeout_s)
            for task in late:
                task.cancel()

    async def _listen(self, lane: _Lane) -> None:
        async def sink(delivery: Delivery) -> None:
            lane.received += len(delivery)
            lane.stamp(delivery.readings, to_us(self._clock.now()))
            await lane.batcher.put(delivery)

        try:
            await lane.source.run(sink)
        finally:
            lane.batcher.close()

    async def _store_all(self, lane: _Lane) -> None:
        while deliveries := await lane.batcher.take():
            await self._store(lane, deliveries)

    async def _store(self, lane: _Lane, deliveries: list[Delivery]) -> None:
        readings = Readings.concat([delivery.readings for delivery in deliveries])
        loop = asyncio.get_running_loop()
        pause_s = FIRST_PAUSE_S
        while True:
            batch = normalise(lane.signal_map, readings, to_us(self._clock.now()))
            try:
                new = await loop.run_in_executor(self._writer, self._historian.append, batch)
                break
            except StoreError as e:
                if lane.store_error is None:
                    logger.warning('source "%s" waits for the store: %s', lane.source.name, e)
                lane.store_error = f"the store does not take samples: {e}"
                await self._sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        lane.store_error = None
        lane.stored += new
        lane.duplicates += len(batch) - new
        if len(batch):
            last_us = int(batch.measured_us.max())
            lane.last_us = last_us if lane.last_us is None else max(lane.last_us, last_us)
        for delivery in deliveries:
            if delivery.durable is not None:
                delivery.durable()
        if self._on_batch is not None:
            try:
                self._on_batch(batch)
            except Exception:  # the batch is stored; who looks on must not stop the next one
                logger.exception("a listener broke on a batch")
