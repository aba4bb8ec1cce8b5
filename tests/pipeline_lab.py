"""What the tests of the way to the stores share: sources that say what they are told, stores that refuse."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from connectors.field.delivery import Delivery, Readings, ReadingsBuilder, Sink
from connectors.field.source import LiveSource, Surroundings, wanted
from connectors.pipeline import Ingest, SignalMap
from connectors.pipeline.journal import journal_rows
from tests.engine_lab import practice
from tests.field_lab import FixedClock
from twin.errors import RefusedError, SourceError, StoreError
from twin.plant import Plant
from twin.telemetry import MemoryHistorian, SampleBatch, from_us, to_us

NOW = datetime(2026, 3, 16, 12, tzinfo=UTC)
NOW_US = to_us(NOW)
TIMEOUT_S = 10.0
TICK = timedelta(microseconds=1)


class Slept:
    """Takes no time, and remembers how long it was asked to wait."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    async def __call__(self, pause_s: float) -> None:
        self.pauses.append(pause_s)
        await asyncio.sleep(0)


class Told(LiveSource):
    """Hands over these deliveries in one connection, then waits for the stop."""

    def __init__(self, plant: Plant, name: str, *parts: Readings | Delivery) -> None:
        entry = plant.sources[name]
        super().__init__(name, entry, entry.url, wanted(plant, name), Surroundings(sleep=Slept()))
        self.deliveries = [p if isinstance(p, Delivery) else Delivery(readings=p) for p in parts]
        self.acknowledged: list[int] = []
        self.known: list[int] = []
        self.sessions = 0

    async def _session(self, sink: Sink) -> None:
        self.sessions += 1
        self.known = self.reached_us.tolist()
        self._all_well()
        for i, delivery in enumerate(self.deliveries):
            told = Delivery(
                readings=delivery.readings,
                letters=delivery.letters,
                gaps=delivery.gaps,
                durable=lambda i=i: self.acknowledged.append(i),
                hurry=True,
            )
            await sink(told)
        await self._stopping.wait()


class Unreachable(LiveSource):
    """Never connects."""

    async def _session(self, sink: Sink) -> None:
        raise SourceError("nobody answers")


class Store(MemoryHistorian):
    """Refuses so many appends first, and some values for ever."""

    def __init__(self, refusals: float = 0, never: float | None = None) -> None:
        super().__init__()
        self.refusals = refusals
        self.never = never

    def append(self, batch: SampleBatch) -> int:
        if self.refusals:
            self.refusals -= 1
            raise StoreError("the disk is full")
        if self.never is not None and (batch.value == self.never).any():
            raise RefusedError(f"{self.never} is not for me")
        return super().append(batch)


class Run:
    """An ingest that takes no time, and what came of it."""

    def __init__(
        self,
        plant: Plant,
        folder: Path,
        stores: dict[str, Store],
        *sources: LiveSource,
        **options: Any,
    ) -> None:
        self.slept = Slept()
        self.batches: list[SampleBatch] = []
        self.ingest = Ingest(
            plant,
            stores,
            sources,
            FixedClock(NOW),
            folder,
            self.batches.append,
            **{"linger_s": 0.0, "batch_age_s": 0.0, "sleep": self.slept, **options},
        )

    async def until(self, done: Callable[[], bool]) -> None:
        running = asyncio.create_task(self.ingest.run())
        while not done():
            await asyncio.sleep(0.001)
        await self.ingest.stop()
        await running

    async def stored(self, samples: int) -> None:
        await self.until(lambda: sum(map(len, self.batches)) >= samples)


@dataclass(frozen=True)
class Bench:
    """The practice plant and a folder; ingests are made of them, one after the other."""

    plant: Plant
    folder: Path

    def told(self, *parts: Readings | Delivery, name: str = "machines") -> Told:
        return Told(self.plant, name, *parts)

    def run(self, store: Store, *sources: LiveSource, **options: Any) -> Run:
        return Run(self.plant, self.folder, {"memory": store}, *sources, **options)

    def journal(self, name: str) -> list[dict[str, Any]]:
        return list(journal_rows(self.folder / name))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(_practice(), tmp_path)


@cache
def _practice() -> Plant:
    return practice()


def readings(start: int, count: int, measured_us: int | None = NOW_US) -> Readings:
    readings = ReadingsBuilder()
    for i in range(start, start + count):
        readings.add(0, float(i), None if measured_us is None else measured_us - i, 0)
    return readings.build()


def run_story(story: Coroutine[Any, Any, None]) -> None:
    async def in_time() -> None:
        await asyncio.wait_for(story, TIMEOUT_S)

    asyncio.run(in_time())


def index_of(plant: Plant, source: str, unit: str, signal: str) -> int:
    return SignalMap.of(plant, source).signals.index(plant.signal_id(unit, signal))


def everything(store: MemoryHistorian) -> list[Any]:
    return list(store.read(None, from_us(0), NOW + timedelta(days=1)).samples())
