"""Facts of the way from sources to the stores, with sources that say what the test tells them."""

from __future__ import annotations

import asyncio

import pytest

from connectors.field.delivery import Delivery, Sink
from connectors.field.source import LiveSource, Surroundings, Wanted, wanted
from connectors.pipeline import SignalMap, normalise
from connectors.pipeline.frames import encode_samples
from connectors.pipeline.spool import Spool
from tests.pipeline_lab import (
    NOW,
    NOW_US,
    Bench,
    Run,
    Slept,
    Store,
    Told,
    Unreachable,
    bench,
    readings,
    run_story,
)
from twin.errors import SourceError, StoreError
from twin.plant import Source
from twin.telemetry import SampleBatch

__all__ = ["bench"]


def test_a_source_is_told_when_its_readings_are_on_disk_and_not_when_they_are_stored(
    bench: Bench,
) -> None:
    store = Store(refusals=3)
    source = bench.told(readings(0, 4), readings(4, 6))
    run = bench.run(store, source)
    told_at_first_refusal: list[list[int]] = []
    accept = store.append

    def append(batch: SampleBatch) -> int:
        told_at_first_refusal.append(list(source.acknowledged))
        return accept(batch)

    store.append = append  # type: ignore[method-assign]
    run_story(run.stored(10))
    assert 0 in told_at_first_refusal[0]  # the store has refused, the disk has it
    assert source.acknowledged == [0, 1]
    assert store.count() == 10
    assert run.slept.pauses[:3] == [0.1, 0.2, 0.4]
    (status,) = run.ingest.status()
    counts = (status.received, status.durable, status.stored, status.duplicates, status.waiting)
    assert counts == (10, 10, 10, 0, 0)
    assert (status.error, status.last_at) == (None, NOW)


def test_what_a_store_did_not_take_before_the_stop_it_has_after_the_next_start(
    bench: Bench,
) -> None:
    store = Store(refusals=float("inf"))
    source = bench.told(readings(0, 7))
    first = bench.run(store, source)

    async def story() -> None:
        running = asyncio.create_task(first.ingest.run())
        while not (source.acknowledged and first.slept.pauses):
            await asyncio.sleep(0.001)
        (status,) = first.ingest.status()
        assert status.error == "the store does not take samples: the disk is full"
        assert (status.received, status.stored, status.waiting) == (7, 0, 7)
        await first.ingest.stop(timeout_s=0.05)
        await running

    run_story(story())
    assert store.count() == 0
    store.refusals = 0
    silent = bench.told()
    second = bench.run(store, silent)
    assert second.ingest.status()[0].waiting == 7
    run_story(second.stored(7))
    assert store.count() == 7
    assert second.ingest.status()[0].waiting == 0
    assert silent.known[0] == NOW_US  # the source learned from the spool what is durable


def test_a_backlog_is_stored_without_a_pause_between_its_parts(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.pipeline.drain.READ_BYTES", 1)  # a record at a time
    signal_map = SignalMap.of(bench.plant, "machines")
    spool = Spool(bench.folder / "spool", quota_bytes=1 << 20)
    spool.move("memory", 0)
    for i in range(5):
        batch = normalise(signal_map, readings(i, 1), NOW_US)
        spool.append([encode_samples("machines", batch)])
    spool.close()
    store = Store()
    run = bench.run(store, batch_age_s=3600.0)
    run_story(run.until(lambda: store.count() == 5))
    assert len(run.batches) == 5


def test_a_start_while_the_store_is_away_knows_what_is_durable_and_loses_nothing(
    bench: Bench,
) -> None:
    store = Store()
    first = bench.run(store, bench.told(readings(0, 3)))
    run_story(first.stored(3))

    def away(*_: object, **__: object) -> SampleBatch:
        raise StoreError("nobody answers")

    there, store.latest = store.latest, away  # type: ignore[method-assign]
    store.refusals = 5
    source = bench.told(readings(-4, 2))
    second = bench.run(store, source)
    assert source.reached_us[0] == NOW_US
    run_story(second.stored(2))
    store.latest = there  # type: ignore[method-assign]
    assert store.count() == 5
    assert store.latest().measured_us.tolist() == [NOW_US + 4]


def test_a_batch_that_comes_again_after_a_crash_is_stored_once(bench: Bench) -> None:
    store = Store()
    run = bench.run(store, bench.told(readings(0, 5)))
    run.ingest.spool.move = lambda *_: None  # type: ignore[method-assign]  # killed before the cursor moved
    run_story(run.stored(5))
    again = bench.run(store, bench.told())
    run_story(again.stored(5))
    assert store.count() == 5
    (status,) = again.ingest.status()
    assert (status.stored, status.duplicates, status.waiting) == (0, 5, 0)


def test_each_store_goes_at_its_own_pace_and_has_everything(bench: Bench) -> None:
    ready, slow = Store(), Store(refusals=8)
    source = bench.told(readings(0, 3), readings(3, 3))
    run = Run(bench.plant, bench.folder, {"ready": ready, "slow": slow}, source)
    run_story(run.until(lambda: slow.count() == 6))
    assert ready.count() == slow.count() == 6
    assert [(s.name, s.behind, s.error) for s in run.ingest.stores()] == [
        ("ready", 0, None),
        ("slow", 0, None),
    ]


def test_repeated_readings_count_as_duplicates(bench: Bench) -> None:
    source = bench.told(readings(0, 4), readings(2, 4))
    run = bench.run(Store(), source)
    run_story(run.stored(8))
    (status,) = run.ingest.status()
    assert (status.received, status.stored, status.duplicates) == (8, 6, 2)


def test_source_that_cannot_connect_leaves_the_others_alone(bench: Bench) -> None:
    good = bench.told(readings(0, 5))
    gone = Source(kind="mqtt-json", url="mqtt://gone", address="{signal}")  # type: ignore[arg-type]
    signals = [Wanted(address=f"{i}") for i in range(len(wanted(bench.plant, "sensors")))]
    bad = Unreachable("sensors", gone, gone.url, signals, Surroundings(sleep=Slept()))
    run = bench.run(Store(), bad, good)
    run_story(run.stored(5))
    sensors, machines = run.ingest.status()
    assert (sensors.connected, sensors.subscribed) == (False, False)
    assert sensors.error == "nobody answers"
    assert (machines.stored, machines.error) == (5, None)


def test_a_full_spool_holds_the_sources_back_until_a_store_takes_again(bench: Bench) -> None:
    store = Store(refusals=float("inf"))
    source = bench.told(*(readings(i * 6000, 6000) for i in range(20)))
    ingest = bench.run(store, source, quota_bytes=200_000).ingest

    async def story() -> None:
        running = asyncio.create_task(ingest.run())
        while ingest.error is None:
            await asyncio.sleep(0.001)
        held_at = len(source.acknowledged)
        assert "the spool is full" in str(ingest.status()[0].error)
        assert held_at < 20
        store.refusals = 0
        while len(source.acknowledged) < 20:
            await asyncio.sleep(0.001)
        await ingest.stop(timeout_s=5.0)
        await running

    run_story(story())
    assert store.count() == 120_000


def test_reload_touches_only_the_sources_that_changed(bench: Bench) -> None:
    same, changed = bench.told(readings(0, 2)), bench.told(name="sensors")
    run = bench.run(Store(), same, changed)
    other = bench.plant.sources["sensors"].model_copy(update={"url": "mqtt://127.0.0.1:1"})
    new_plant = bench.plant.model_copy(
        update={"sources": {**bench.plant.sources, "sensors": other}}
    )
    fresh = Told(new_plant, "sensors", readings(0, 3))

    async def story() -> None:
        running = asyncio.create_task(run.ingest.run())
        while len(same.acknowledged) < 1:
            await asyncio.sleep(0.001)
        touched = await run.ingest.reload(new_plant, [Told(new_plant, "machines"), fresh])
        assert touched == ["sensors"]
        while len(fresh.acknowledged) < 1:
            await asyncio.sleep(0.001)
        await run.ingest.stop()
        await running

    run_story(story())
    assert (same.sessions, changed.sessions, fresh.sessions) == (1, 1, 1)
    assert [(s.name, s.stored) for s in run.ingest.status()] == [("machines", 2), ("sensors", 3)]


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
        entry = Source(kind="opcua", url="opc.tcp://here", address="{signal}")  # type: ignore[arg-type]
        source = Shaky("x", entry, entry.url, (), Surroundings(sleep=slept))

        async def sink(_: Delivery) -> None:
            raise AssertionError

        await source.run(sink)
        assert slept.pauses[:9] == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 0.5, 1.0]

    run_story(story())
