"""Facts of the way from sources to the store, with a source that says what the test tells it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.field.source import LiveSource, Readings, Sink
from connectors.pipeline import Ingest, SignalMap
from tests.field_lab import FixedClock
from twin.errors import SourceError, StoreError
from twin.plant import Plant, SourceKind, load_plant
from twin.telemetry import MemoryHistorian, SampleBatch, to_us

NOW = datetime(2026, 3, 16, 12, tzinfo=UTC)
NOW_US = to_us(NOW)
TIMEOUT_S = 5.0


@pytest.fixture(scope="module")
def plant() -> Plant:
    return load_plant("simulators/practice/plant.toml")


class Slept:
    """Takes no time, and remembers how long it was asked to wait."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    async def __call__(self, pause_s: float) -> None:
        self.pauses.append(pause_s)
        await asyncio.sleep(0)


class Told(LiveSource):
    """Hands over these readings in one connection, then waits for the stop."""

    def __init__(self, plant: Plant, name: str, *readings: Readings) -> None:
        addresses = SignalMap.of(plant, name).addresses
        super().__init__(name, SourceKind.OPCUA, "opc.tcp://here", addresses, Slept())
        self.readings = readings
        self.acknowledged: list[int] = []

    async def _session(self, sink: Sink) -> None:
        self._all_well()
        for i, readings in enumerate(self.readings):
            await sink(readings, lambda i=i: self.acknowledged.append(i))
        await self._stopping.wait()


class Unreachable(LiveSource):
    """Never connects."""

    async def _session(self, sink: Sink) -> None:
        raise SourceError("nobody answers")


class Store(MemoryHistorian):
    """Refuses so many appends first."""

    def __init__(self, refusals: float = 0) -> None:
        super().__init__()
        self.refusals = refusals

    def append(self, batch: SampleBatch) -> int:
        if self.refusals:
            self.refusals -= 1
            raise StoreError("the disk is full")
        return super().append(batch)


def _readings(start: int, count: int, measured_us: int | None = NOW_US) -> Readings:
    readings = Readings()
    for i in range(start, start + count):
        readings.add(0, float(i), None if measured_us is None else measured_us - i, 0)
    return readings


def _ingest(
    plant: Plant, store: Store, *sources: LiveSource, **rest: Any
) -> tuple[Ingest, asyncio.Event, Slept]:
    stored, slept = asyncio.Event(), Slept()
    ingest = Ingest(
        plant,
        store,
        sources,
        FixedClock(NOW),
        lambda _: stored.set(),
        batch_age_s=0.0,
        sleep=slept,
        **rest,
    )
    return ingest, stored, slept


def _run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def in_time() -> None:
        await asyncio.wait_for(story(), TIMEOUT_S)

    asyncio.run(in_time())


def test_readings_are_acknowledged_only_when_they_are_stored(plant: Plant) -> None:
    async def story() -> None:
        store = Store(refusals=3)
        source = Told(plant, "machines", _readings(0, 4), _readings(4, 6))
        ingest, stored, slept = _ingest(plant, store, source)
        seen: list[tuple[int, list[int]]] = []
        accept = store.append

        def append(batch: SampleBatch) -> int:
            seen.append((len(batch), list(source.acknowledged)))
            return accept(batch)

        store.append = append  # type: ignore[method-assign]
        running = asyncio.create_task(ingest.run())
        await stored.wait()
        await ingest.stop()
        await running
        assert seen[0][1] == []
        assert source.acknowledged == [0, 1]
        assert store.count() == 10
        assert slept.pauses == [0.1, 0.2, 0.4]
        (status,) = ingest.status()
        counts = (status.received, status.stored, status.duplicates, status.waiting)
        assert counts == (10, 10, 0, 0)
        assert (status.error, status.last_at) == (None, NOW)

    _run(story)


def test_repeated_readings_count_as_duplicates(plant: Plant) -> None:
    async def story() -> None:
        source = Told(plant, "machines", _readings(0, 4), _readings(2, 4))
        ingest, stored, _ = _ingest(plant, Store(), source)
        running = asyncio.create_task(ingest.run())
        await stored.wait()
        await ingest.stop()
        await running
        (status,) = ingest.status()
        assert (status.received, status.stored, status.duplicates) == (8, 6, 2)

    _run(story)


def test_readings_without_a_time_were_measured_when_they_came(plant: Plant) -> None:
    async def story() -> None:
        store = Store()
        ingest, stored, _ = _ingest(plant, store, Told(plant, "machines", _readings(0, 1, None)))
        running = asyncio.create_task(ingest.run())
        await stored.wait()
        await ingest.stop()
        await running
        (sample,) = store.read(None, NOW, NOW + timedelta(seconds=1)).samples()
        assert sample.measured_at == sample.available_at == NOW

    _run(story)


def test_untimed_readings_of_one_signal_that_come_together_are_all_kept(plant: Plant) -> None:
    async def story() -> None:
        store, two_signals = Store(), Readings()
        for value in range(4):
            two_signals.add(value % 2, float(value), None, 0)
        source = Told(plant, "machines", _readings(0, 3, None), two_signals)
        ingest, stored, _ = _ingest(plant, store, source)
        running = asyncio.create_task(ingest.run())
        await stored.wait()
        await ingest.stop()
        await running
        tick = timedelta(microseconds=1)
        first, second = (SignalMap.of(plant, "machines").signals[i] for i in (0, 1))
        kept = [
            [
                (s.value, (s.measured_at - NOW) // tick)
                for s in store.read([name], NOW, NOW + 9 * tick).samples()
            ]
            for name in (first, second)
        ]
        assert kept == [
            [(0.0, 0), (1.0, 1), (2.0, 2), (0.0, 3), (2.0, 4)],
            [(1.0, 0), (3.0, 1)],
        ]

    _run(story)


@pytest.mark.parametrize("no_time_us", [-11_644_473_600_000_000, -1, 2**64 * 1000, 9 * 10**18])
def test_time_that_cannot_be_is_no_time(plant: Plant, no_time_us: int) -> None:
    async def story() -> None:
        store, odd = Store(), Readings()
        odd.add(0, 1.0, no_time_us, 0)
        ingest, stored, _ = _ingest(plant, store, Told(plant, "machines", odd))
        running = asyncio.create_task(ingest.run())
        await stored.wait()
        await ingest.stop()
        await running
        assert [s.measured_at for s in store.latest().samples()] == [NOW]
        assert ingest.status()[0].last_at == NOW

    _run(story)


def test_source_that_cannot_connect_leaves_the_others_alone(plant: Plant) -> None:
    async def story() -> None:
        good = Told(plant, "machines", _readings(0, 5))
        bad = Unreachable("sensors", SourceKind.MQTT_JSON, "mqtt://gone", (), Slept())
        ingest, stored, _ = _ingest(plant, Store(), bad, good)
        running = asyncio.create_task(ingest.run())
        await stored.wait()
        await ingest.stop()
        await running
        sensors, machines = ingest.status()
        assert (sensors.connected, sensors.subscribed, sensors.error) == (
            False,
            False,
            "nobody answers",
        )
        assert (machines.stored, machines.error) == (5, None)

    _run(story)


def test_store_that_never_takes_them_is_an_error_with_their_number(plant: Plant) -> None:
    async def story() -> None:
        store = Store(refusals=float("inf"))
        source = Told(plant, "machines", _readings(0, 7))
        ingest, _, slept = _ingest(plant, store, source)
        running = asyncio.create_task(ingest.run())
        while not slept.pauses:
            await asyncio.sleep(0)
        assert ingest.status()[0].error == "the store does not take samples: the disk is full"
        await ingest.stop(timeout_s=0.01)
        with pytest.raises(StoreError, match="7 samples"):
            await running
        assert source.acknowledged == []

    _run(story)


def test_pauses_between_attempts_grow_to_a_limit_and_start_again_after_success() -> None:
    class Shaky(LiveSource):
        attempts = 0

        async def _session(self, sink: Sink) -> None:
            self.attempts += 1
            if self.attempts == 8:
                self._all_well()
            if self.attempts == 10:
                self.stop()
            raise SourceError("lost")

    async def story() -> None:
        slept = Slept()
        source = Shaky("x", SourceKind.OPCUA, "opc.tcp://here", (), slept)

        async def sink(readings: Readings, *_: object) -> None:
            raise AssertionError

        await source.run(sink)
        assert slept.pauses[:9] == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 0.5, 1.0]

    _run(story)
