"""Facts of a source's way to the disk when something on it goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from connectors.field.delivery import Delivery, Gap, Letter, Readings, ReadingsBuilder, Sink
from connectors.field.source import LiveSource, Surroundings, wanted
from connectors.pipeline import Ingest
from connectors.pipeline.spool import Spool
from tests.field_lab import FixedClock
from twin.plant import Plant, load_plant
from twin.telemetry import MemoryHistorian, to_us

NOW = datetime(2026, 3, 16, 12, tzinfo=UTC)
NOW_US = to_us(NOW)
TIMEOUT_S = 10.0


@pytest.fixture(scope="module")
def plant() -> Plant:
    return load_plant("simulators/practice/plant.toml")


class Says(LiveSource):
    """Hands over these deliveries as fast as they are taken, then waits for the stop."""

    def __init__(self, plant: Plant, name: str, *deliveries: Delivery) -> None:
        entry = plant.sources[name]
        around = Surroundings(sleep=lambda _: asyncio.sleep(0))
        super().__init__(name, entry, entry.url, wanted(plant, name), around)
        self.deliveries = deliveries
        self.taken = 0
        self.known: list[int] = []

    async def _session(self, sink: Sink) -> None:
        self.known = self.reached_us.tolist()
        self._all_well()
        for delivery in self.deliveries:
            await sink(delivery)
            self.taken += 1
        await self._stopping.wait()


def _ingest(plant: Plant, folder: Path, store: MemoryHistorian, *sources: LiveSource) -> Ingest:
    return Ingest(
        plant,
        {"memory": store},
        sources,
        FixedClock(NOW),
        folder,
        linger_s=0.0,
        batch_age_s=0.0,
        sleep=lambda _: asyncio.sleep(0),
    )


def _readings(*values: float) -> Readings:
    readings = ReadingsBuilder()
    for i, value in enumerate(values):
        readings.add(0, value, NOW_US + i, 0)
    return readings.build()


def _run(story: Coroutine[Any, Any, None]) -> None:
    async def in_time() -> None:
        async with asyncio.timeout(TIMEOUT_S):
            await story

    asyncio.run(in_time())


async def _until(ingest: Ingest, done: Any) -> None:
    running = asyncio.create_task(ingest.run())
    while not (done() or running.done()):
        await asyncio.sleep(0.001)
    await ingest.stop()
    await running


def test_a_source_that_breaks_when_it_is_told_stops_no_other(plant: Plant, tmp_path: Path) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    told: list[str] = []
    broken = Says(plant, "machines", Delivery(readings=_readings(1.0), durable=full))
    well = Says(
        plant, "sensors", Delivery(readings=_readings(2.0), durable=lambda: told.append("well"))
    )
    store = MemoryHistorian()
    _run(_until(_ingest(plant, tmp_path, store, broken, well), lambda: store.count() == 2))
    assert told == ["well"]


def test_what_a_source_hands_over_when_its_time_to_stop_is_over_is_on_disk(
    plant: Plant, tmp_path: Path
) -> None:
    class Stuck(Says):
        async def _session(self, sink: Sink) -> None:
            self._all_well()
            try:
                await asyncio.Event().wait()
            finally:
                await sink(Delivery(readings=_readings(7.0)))

    store, source = MemoryHistorian(), Stuck(plant, "machines")
    ingest = _ingest(plant, tmp_path, store, source)

    async def story() -> None:
        running = asyncio.create_task(ingest.run())
        await source.subscribed.wait()
        await ingest.stop(0.1)
        await running

    _run(story())
    assert store.count() == 1


def test_a_source_that_is_left_out_for_a_while_begins_where_it_ended(
    plant: Plant, tmp_path: Path
) -> None:
    first = Says(plant, "machines", Delivery(readings=_readings(1.0, 2.0)))
    again = Says(plant, "machines")
    store = MemoryHistorian()
    ingest = _ingest(plant, tmp_path, store, first)

    async def story() -> None:
        running = asyncio.create_task(ingest.run())
        while store.count() < 2:
            await asyncio.sleep(0.001)
        await ingest.reload(plant, [])
        await ingest.reload(plant, [again])
        await again.subscribed.wait()
        await ingest.stop()
        await running

    _run(story())
    assert again.known[0] == NOW_US + 1


def test_large_messages_that_wait_hold_their_source_back(plant: Plant, tmp_path: Path) -> None:
    letter = Letter(address="a/b", payload=b"x" * 60_000, reason="no JSON")
    nothing = ReadingsBuilder().build()
    many = [Delivery(readings=nothing, letters=(letter,)) for _ in range(3000)]
    texts = ReadingsBuilder()
    texts.add(0, "x" * 50_000, NOW_US, 0)
    wordy = [Delivery(readings=texts.build()) for _ in range(3000)]
    letters, says = Says(plant, "machines", *many), Says(plant, "sensors", *wordy)
    ingest = _ingest(plant, tmp_path, MemoryHistorian(), letters, says)

    async def story() -> None:  # no ``run``: nothing is committed
        lanes = [asyncio.create_task(lane.listen()) for lane in ingest._lanes]
        for _ in range(100):
            await asyncio.sleep(0)
        for task in lanes:
            task.cancel()
        await asyncio.gather(*lanes, return_exceptions=True)

    _run(story())
    ingest.close()
    assert 10 < letters.taken < 1000
    assert 10 < says.taken < 1000


@pytest.mark.parametrize(("start_us", "end_us"), [(1, 2**62), (2**62, 2**62 + 1)])
def test_a_gap_at_a_time_that_cannot_be_is_recorded_all_the_same(
    plant: Plant, tmp_path: Path, start_us: int, end_us: int
) -> None:
    told: list[int] = []
    gap = Gap(index=np.zeros(1, np.int32), start_us=start_us, end_us=end_us, reason="lost")
    nothing = ReadingsBuilder().build()
    source = Says(
        plant,
        "machines",
        Delivery(readings=nothing, gaps=(gap,), durable=lambda: told.append(1)),
    )
    ingest = _ingest(plant, tmp_path, MemoryHistorian(), source)
    _run(_until(ingest, lambda: told or source.health().error))
    assert (told, source.health().error) == ([1], None)
    assert [row["reason"] for row in ingest.journals["gap"].latest] == ["lost"]


def test_a_record_that_is_not_understood_does_not_keep_ingest_from_starting(
    plant: Plant, tmp_path: Path
) -> None:
    spool = Spool(tmp_path / "spool")
    spool.cursor("memory")
    spool.append([b"\xff of another version"])
    spool.close()
    store = MemoryHistorian()
    source = Says(plant, "machines", Delivery(readings=_readings(1.0)))
    _run(_until(_ingest(plant, tmp_path, store, source), lambda: store.count() == 1))
