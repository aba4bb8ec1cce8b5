"""What the tests of the way from the field to the historian share: a clock, a store, an ingest."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from connectors.field.source import LiveSource
from connectors.pipeline import Ingest
from twin.errors import StoreError
from twin.plant import Plant, SignalId
from twin.telemetry import MemoryHistorian, SampleBatch

START = datetime(2026, 3, 16, 5, 30, tzinfo=UTC)
TIMEOUT_S = 20.0

Fact = tuple[SignalId, datetime, float | str | None]


@dataclass(frozen=True)
class FixedClock:
    """It is always the same instant."""

    at: datetime

    def now(self) -> datetime:
        return self.at


class Store(MemoryHistorian):
    """Refuses so many appends first; tells when there are enough samples."""

    def __init__(self, refusals: int = 0) -> None:
        super().__init__()
        self.refusals = refusals
        self.grew = asyncio.Event()

    def append(self, batch: SampleBatch) -> int:
        if self.refusals:
            self.refusals -= 1
            raise StoreError("the disk is full")
        return super().append(batch)

    def facts(self) -> list[Fact]:
        batch = self.read(None, START - timedelta(days=1), START + timedelta(days=1))
        return [(s.signal, s.measured_at, s.value) for s in batch.samples()]

    async def reaches(self, count: int) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            while self.count() < count:
                self.grew.clear()
                await self.grew.wait()


class Pauses:
    """Short pauses, and the news that one began: a source pauses when it has failed."""

    def __init__(self) -> None:
        self.began = asyncio.Event()

    async def __call__(self, _: float) -> None:
        self.began.set()
        await asyncio.sleep(0.02)

    async def next(self) -> None:
        self.began.clear()
        await asyncio.wait_for(self.began.wait(), TIMEOUT_S)


@contextlib.asynccontextmanager
async def ingesting(plant: Plant, source: LiveSource, store: Store) -> AsyncIterator[Ingest]:
    """From this source to this store, an hour after `START`."""
    folder = tempfile.TemporaryDirectory()
    ingest = Ingest(
        plant,
        {"memory": store},
        [source],
        FixedClock(START + timedelta(hours=1)),
        Path(folder.name),
        on_batch=lambda _: store.grew.set(),
        batch_age_s=0.01,
        sleep=Pauses(),
    )
    running = asyncio.create_task(ingest.run())
    try:
        yield ingest
    finally:
        await ingest.stop()
        await running
        folder.cleanup()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


async def within(wait: Coroutine[Any, Any, Any]) -> Any:
    return await asyncio.wait_for(wait, TIMEOUT_S)
