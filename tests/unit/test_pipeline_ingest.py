"""Facts of the way from sources to the stores, with sources that say what the test tells them."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from connectors.field.delivery import Delivery, Gap, Letter, Readings, ReadingsBuilder, Sink
from connectors.field.source import LiveSource, Surroundings, Wanted, wanted
from connectors.pipeline import Ingest, SignalMap, normalise
from connectors.pipeline.frames import encode_samples
from connectors.pipeline.spool import Spool
from tests.field_lab import FixedClock
from twin.errors import RefusedError, SourceError, StoreError
from twin.plant import Plant, Source, load_plant
from twin.telemetry import MemoryHistorian, Quality, SampleBatch, from_us, to_us

NOW = datetime(2026, 3, 16, 12, tzinfo=UTC)
NOW_US = to_us(NOW)
TIMEOUT_S = 10.0
TICK = timedelta(microseconds=1)


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
    """An ingest that runs until everything that its sources say is in the first store."""

    def __init__(
        self,
        plant: Plant,
        folder: Path,
        stores: dict[str, Store],
        *sources: LiveSource,
        batch_age_s: float = 0.0,
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
            linger_s=0.0,
            batch_age_s=batch_age_s,
            sleep=self.slept,
        )

    async def until(self, done: Callable[[], bool]) -> None:
        running = asyncio.create_task(self.ingest.run())
        while not done():
            await asyncio.sleep(0.001)
        await self.ingest.stop()
        await running

    async def stored(self, samples: int) -> None:
        await self.until(lambda: sum(map(len, self.batches)) >= samples)


def _readings(start: int, count: int, measured_us: int | None = NOW_US) -> Readings:
    readings = ReadingsBuilder()
    for i in range(start, start + count):
        readings.add(0, float(i), None if measured_us is None else measured_us - i, 0)
    return readings.build()


def _run(story: Coroutine[Any, Any, None]) -> None:
    async def in_time() -> None:
        await asyncio.wait_for(story, TIMEOUT_S)

    asyncio.run(in_time())


def test_a_source_is_told_when_its_readings_are_on_disk_and_not_when_they_are_stored(
    plant: Plant, tmp_path: Path
) -> None:
    store = Store(refusals=3)
    source = Told(plant, "machines", _readings(0, 4), _readings(4, 6))
    run = Run(plant, tmp_path, {"memory": store}, source)
    told_at_first_refusal: list[list[int]] = []
    accept = store.append

    def append(batch: SampleBatch) -> int:
        told_at_first_refusal.append(list(source.acknowledged))
        return accept(batch)

    store.append = append  # type: ignore[method-assign]
    _run(run.stored(10))
    assert 0 in told_at_first_refusal[0]  # the store has refused, the disk has it
    assert source.acknowledged == [0, 1]
    assert store.count() == 10
    assert run.slept.pauses[:3] == [0.1, 0.2, 0.4]
    (status,) = run.ingest.status()
    counts = (status.received, status.durable, status.stored, status.duplicates, status.waiting)
    assert counts == (10, 10, 10, 0, 0)
    assert (status.error, status.last_at) == (None, NOW)


def test_what_a_store_did_not_take_before_the_stop_it_has_after_the_next_start(
    plant: Plant, tmp_path: Path
) -> None:
    store = Store(refusals=float("inf"))
    source = Told(plant, "machines", _readings(0, 7))
    first = Run(plant, tmp_path, {"memory": store}, source)

    async def story() -> None:
        running = asyncio.create_task(first.ingest.run())
        while not (source.acknowledged and first.slept.pauses):
            await asyncio.sleep(0.001)
        (status,) = first.ingest.status()
        assert status.error == "the store does not take samples: the disk is full"
        assert (status.received, status.stored, status.waiting) == (7, 0, 7)
        await first.ingest.stop(timeout_s=0.05)
        await running

    _run(story())
    assert store.count() == 0
    store.refusals = 0
    silent = Told(plant, "machines")
    second = Run(plant, tmp_path, {"memory": store}, silent)
    assert second.ingest.status()[0].waiting == 7
    _run(second.stored(7))
    assert store.count() == 7
    assert second.ingest.status()[0].waiting == 0
    assert silent.known[0] == NOW_US  # the source learned from the spool what is durable


def test_a_backlog_is_stored_without_a_pause_between_its_parts(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.pipeline.drain.READ_BYTES", 1)  # a record at a time
    signal_map = SignalMap.of(plant, "machines")
    spool = Spool(tmp_path / "spool", quota_bytes=1 << 20)
    spool.move("memory", 0)
    for i in range(5):
        batch = normalise(signal_map, _readings(i, 1), NOW_US)
        spool.append([encode_samples("machines", batch)])
    spool.close()
    store = Store()
    run = Run(plant, tmp_path, {"memory": store}, batch_age_s=3600.0)
    _run(run.until(lambda: store.count() == 5))
    assert len(run.batches) == 5


def test_a_start_while_the_store_is_away_knows_what_is_durable_and_loses_nothing(
    plant: Plant, tmp_path: Path
) -> None:
    store = Store()
    first = Run(plant, tmp_path, {"memory": store}, Told(plant, "machines", _readings(0, 3)))
    _run(first.stored(3))

    def away(*_: object, **__: object) -> SampleBatch:
        raise StoreError("nobody answers")

    there, store.latest = store.latest, away  # type: ignore[method-assign]
    store.refusals = 5
    source = Told(plant, "machines", _readings(-4, 2))
    second = Run(plant, tmp_path, {"memory": store}, source)
    assert source.reached_us[0] == NOW_US
    _run(second.stored(2))
    store.latest = there  # type: ignore[method-assign]
    assert store.count() == 5
    assert store.latest().measured_us.tolist() == [NOW_US + 4]


def test_a_batch_that_comes_again_after_a_crash_is_stored_once(
    plant: Plant, tmp_path: Path
) -> None:
    store = Store()
    run = Run(plant, tmp_path, {"memory": store}, Told(plant, "machines", _readings(0, 5)))
    run.ingest.spool.move = lambda *_: None  # type: ignore[method-assign]  # killed before the cursor moved
    _run(run.stored(5))
    again = Run(plant, tmp_path, {"memory": store}, Told(plant, "machines"))
    _run(again.stored(5))
    assert store.count() == 5
    (status,) = again.ingest.status()
    assert (status.stored, status.duplicates, status.waiting) == (0, 5, 0)


def test_each_store_goes_at_its_own_pace_and_has_everything(plant: Plant, tmp_path: Path) -> None:
    ready, slow = Store(), Store(refusals=8)
    source = Told(plant, "machines", _readings(0, 3), _readings(3, 3))
    run = Run(plant, tmp_path, {"ready": ready, "slow": slow}, source)
    _run(run.until(lambda: slow.count() == 6))
    assert ready.count() == slow.count() == 6
    assert [(s.name, s.behind, s.error) for s in run.ingest.stores()] == [
        ("ready", 0, None),
        ("slow", 0, None),
    ]


def test_a_row_that_the_store_refuses_for_ever_is_a_dead_letter_and_the_rest_is_stored(
    plant: Plant, tmp_path: Path
) -> None:
    store = Store(never=13.0)
    run = Run(plant, tmp_path, {"memory": store}, Told(plant, "machines", _readings(0, 50)))
    _run(run.stored(50))
    assert store.count() == 49
    (status,) = run.ingest.status()
    assert (status.stored, status.refused, status.waiting) == (49, 1, 0)
    (letter,) = _journal(run, tmp_path, "deadletter")
    assert letter["source"] == "machines"
    assert letter["reason"] == "13.0 is not for me"
    assert letter["address"] == SignalMap.of(plant, "machines").signals[0]


def test_a_message_that_is_not_understood_is_told_when_its_letter_is_on_disk(
    plant: Plant, tmp_path: Path
) -> None:
    letter = Letter(address="a/topic", payload=b"\xff\x00", reason="not JSON")
    delivery = Delivery(readings=Readings.concat([]), letters=[letter])
    source = Told(plant, "sensors", delivery)
    run = Run(plant, tmp_path, {"memory": Store()}, source)
    _run(run.until(lambda: source.acknowledged == [0]))
    (row,) = _journal(run, tmp_path, "deadletter")
    assert (row["source"], row["address"], row["reason"], row["payload"], row["size"]) == (
        "sensors",
        "a/topic",
        "not JSON",
        "/wA=",
        2,
    )


def test_letters_are_kept_although_somebody_deleted_the_spool(plant: Plant, tmp_path: Path) -> None:
    letter = Letter(address="a/topic", payload=b"?", reason="not JSON")
    for _ in range(2):
        source = Told(plant, "sensors", Delivery(readings=Readings.concat([]), letters=[letter]))
        run = Run(plant, tmp_path, {"memory": Store()}, source)
        _run(run.until(lambda told=source.acknowledged: told == [0]))
        shutil.rmtree(tmp_path / "spool")
    assert len(_journal(run, tmp_path, "deadletter")) == 2


def test_a_text_where_a_number_belongs_is_a_bad_sample_and_a_dead_letter(
    plant: Plant, tmp_path: Path
) -> None:
    odd = ReadingsBuilder()
    odd.add(_index(plant, "machines", "reflow", "peak_temperature"), "hot", NOW_US, 0)
    store = Store()
    run = Run(plant, tmp_path, {"memory": store}, Told(plant, "machines", odd.build()))
    _run(run.stored(1))
    (sample,) = store.latest().samples()
    assert (sample.value, sample.quality) == (None, Quality.BAD)
    (row,) = _journal(run, tmp_path, "deadletter")
    assert row["reason"] == "a text where the plant file says number"


def test_a_gap_is_a_sample_without_value_where_it_begins_and_a_row_of_the_journal(
    plant: Plant, tmp_path: Path
) -> None:
    gap = Gap(
        index=np.array([0, 1], np.int32),
        start_us=np.array([NOW_US - 90, NOW_US + 10], np.int64),
        end_us=np.array([NOW_US - 80, NOW_US + 10], np.int64),  # the second lost nothing
        reason="the server restarted",
    )
    store = Store()
    source = Told(plant, "machines", Delivery(readings=_readings(0, 1), gaps=[gap]))
    run = Run(plant, tmp_path, {"memory": store}, source)
    _run(run.stored(2))
    first = SignalMap.of(plant, "machines").signals[0]
    kept = [(s.value, (s.measured_at - NOW) // TICK, s.quality) for s in _all(store)]
    assert kept == [(None, -90, Quality.BAD), (0.0, 0, Quality.GOOD)]
    (row,) = _journal(run, tmp_path, "gaps")
    assert (row["source"], row["reason"]) == ("machines", "the server restarted")
    assert row["signals"] == [[first, NOW_US - 90, NOW_US - 80]]
    (status,) = run.ingest.status()
    assert (status.gaps, status.waiting) == (1, 0)


def test_damage_to_the_spool_leaves_a_gap_behind_the_newest_sample(
    plant: Plant, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store()
    run = Run(plant, tmp_path, {"memory": store}, Told(plant, "machines", _readings(0, 1)))
    _run(run.stored(1))
    for lost in (5, 1):  # two records that no store has; the first of them is damaged
        store.refusals = float("inf")
        later = Told(plant, "machines", _readings(0, 1, NOW_US + 1000 * lost))
        pending = Run(plant, tmp_path, {"memory": store}, later)

        async def story(pending: Run = pending, later: Told = later) -> None:
            running = asyncio.create_task(pending.ingest.run())
            while not later.acknowledged:
                await asyncio.sleep(0.001)
            await pending.ingest.stop(timeout_s=0.05)
            await running

        _run(story())
    (segment,) = (tmp_path / "spool").glob("*.seg")
    data = bytearray(segment.read_bytes())
    data[_middle(data)] ^= 0x10
    segment.write_bytes(data)
    store.refusals = 0
    after = Run(plant, tmp_path, {"memory": store}, Told(plant, "machines"))
    _run(after.stored(2))
    kept = [(s.value, (s.measured_at - NOW) // TICK, s.quality) for s in _all(store)]
    assert kept == [
        (0.0, 0, Quality.GOOD),
        (None, 1, Quality.BAD),
        (0.0, 1000, Quality.GOOD),
    ]
    (row,) = _journal(after, tmp_path, "gaps")
    assert "damaged" in row["reason"]
    assert "a record is wrong" in caplog.text  # and in which file


def _middle(data: bytearray) -> int:
    """A byte of the payload of the second of three records of one size."""
    return len(data) // 2


def test_repeated_readings_count_as_duplicates(plant: Plant, tmp_path: Path) -> None:
    source = Told(plant, "machines", _readings(0, 4), _readings(2, 4))
    run = Run(plant, tmp_path, {"memory": Store()}, source)
    _run(run.stored(8))
    (status,) = run.ingest.status()
    assert (status.received, status.stored, status.duplicates) == (8, 6, 2)


def test_untimed_readings_were_measured_when_they_came_one_after_the_other(
    plant: Plant, tmp_path: Path
) -> None:
    store, two_signals = Store(), ReadingsBuilder()
    for value in range(4):
        two_signals.add(value % 2, float(value), None, 0)
    source = Told(plant, "machines", _readings(0, 3, None), two_signals.build())
    run = Run(plant, tmp_path, {"memory": store}, source)
    _run(run.stored(7))
    first, second = (SignalMap.of(plant, "machines").signals[i] for i in (0, 1))
    kept = [
        [
            (s.value, (s.measured_at - NOW) // TICK)
            for s in store.read([name], NOW, NOW + 9 * TICK).samples()
        ]
        for name in (first, second)
    ]
    assert kept == [
        [(0.0, 0), (1.0, 1), (2.0, 2), (0.0, 3), (2.0, 4)],
        [(1.0, 0), (3.0, 1)],
    ]


@pytest.mark.parametrize("no_time_us", [-11_644_473_600_000_000, -1, 2**64 * 1000, 9 * 10**18])
def test_time_that_cannot_be_is_no_time(plant: Plant, tmp_path: Path, no_time_us: int) -> None:
    store, odd = Store(), ReadingsBuilder()
    odd.add(0, 1.0, no_time_us, 0)
    run = Run(plant, tmp_path, {"memory": store}, Told(plant, "machines", odd.build()))
    _run(run.stored(1))
    assert [s.measured_at for s in store.latest().samples()] == [NOW]
    assert run.ingest.status()[0].last_at == NOW


def test_source_that_cannot_connect_leaves_the_others_alone(plant: Plant, tmp_path: Path) -> None:
    good = Told(plant, "machines", _readings(0, 5))
    gone = Source(kind="mqtt-json", url="mqtt://gone", address="{signal}")  # type: ignore[arg-type]
    signals = [Wanted(address=f"{i}") for i in range(len(wanted(plant, "sensors")))]
    bad = Unreachable("sensors", gone, gone.url, signals, Surroundings(sleep=Slept()))
    run = Run(plant, tmp_path, {"memory": Store()}, bad, good)
    _run(run.stored(5))
    sensors, machines = run.ingest.status()
    assert (sensors.connected, sensors.subscribed) == (False, False)
    assert sensors.error == "nobody answers"
    assert (machines.stored, machines.error) == (5, None)


def test_a_full_spool_holds_the_sources_back_until_a_store_takes_again(
    plant: Plant, tmp_path: Path
) -> None:
    store = Store(refusals=float("inf"))
    source = Told(plant, "machines", *(_readings(i * 6000, 6000) for i in range(20)))
    slept = Slept()
    ingest = Ingest(
        plant,
        {"memory": store},
        [source],
        FixedClock(NOW),
        tmp_path,
        linger_s=0.0,
        batch_age_s=0.0,
        quota_bytes=200_000,
        sleep=slept,
    )

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

    _run(story())
    assert store.count() == 120_000


def test_reload_touches_only_the_sources_that_changed(plant: Plant, tmp_path: Path) -> None:
    same, changed = Told(plant, "machines", _readings(0, 2)), Told(plant, "sensors")
    run = Run(plant, tmp_path, {"memory": Store()}, same, changed)
    other = plant.sources["sensors"].model_copy(update={"url": "mqtt://127.0.0.1:1"})
    new_plant = plant.model_copy(update={"sources": {**plant.sources, "sensors": other}})
    fresh = Told(new_plant, "sensors", _readings(0, 3))

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

    _run(story())
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

    _run(story())


def _index(plant: Plant, source: str, unit: str, signal: str) -> int:
    return SignalMap.of(plant, source).signals.index(plant.signal_id(unit, signal))


def _all(store: MemoryHistorian) -> list[Any]:
    return list(store.read(None, from_us(0), NOW + timedelta(days=1)).samples())


def _journal(run: Run, folder: Path, name: str) -> list[dict[str, Any]]:
    from connectors.pipeline.journal import journal_rows

    return list(journal_rows(folder / name))


def test_a_clock_that_is_off_is_said_once_and_its_samples_are_marked(
    plant: Plant, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store()
    ahead = [_readings(i, 1, NOW_US + 3_600_000_000) for i in range(3)]
    source = Told(plant, "machines", *ahead, _readings(9, 1, NOW_US))
    ingest = Ingest(
        plant,
        {"memory": store},
        [source],
        FixedClock(NOW),
        tmp_path,
        linger_s=0.0,
        batch_age_s=0.0,
        check_clocks=True,
        sleep=Slept(),
    )

    async def story() -> None:
        running = asyncio.create_task(ingest.run())
        while store.count() < 4:
            await asyncio.sleep(0.001)
        assert ingest.status()[0].clock_skew_s == pytest.approx(3600, abs=1e-4)
        await ingest.stop()
        await running

    _run(story())
    marked = sorted(s.quality for s in _all(store))
    assert marked == [Quality.GOOD] + 3 * [Quality.UNCERTAIN]
    said = [r.message for r in caplog.records if "clock" in r.message]
    assert len(said) == 1
    assert "3600 s ahead" in said[0]
