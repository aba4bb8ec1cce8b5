"""What cannot be stored as it was sent: letters, gaps, damage, times that nobody can believe."""

from __future__ import annotations

import asyncio
import shutil

import numpy as np
import pytest

from connectors.field.delivery import Delivery, Gap, Letter, Readings, ReadingsBuilder
from connectors.pipeline import SignalMap
from tests.pipeline_lab import (
    NOW,
    NOW_US,
    TICK,
    Bench,
    Run,
    Store,
    Told,
    bench,
    everything,
    index_of,
    readings,
    run_story,
)
from twin.telemetry import Quality

__all__ = ["bench"]


def test_a_row_that_the_store_refuses_for_ever_is_a_dead_letter_and_the_rest_is_stored(
    bench: Bench,
) -> None:
    store = Store(never=13.0)
    run = bench.run(store, bench.told(readings(0, 50)))
    run_story(run.stored(50))
    assert store.count() == 49
    (status,) = run.ingest.status()
    assert (status.stored, status.refused, status.waiting) == (49, 1, 0)
    (letter,) = bench.journal("deadletter")
    assert letter["source"] == "machines"
    assert letter["reason"] == "13.0 is not for me"
    assert letter["address"] == SignalMap.of(bench.plant, "machines").signals[0]


def test_a_message_that_is_not_understood_is_told_when_its_letter_is_on_disk(bench: Bench) -> None:
    letter = Letter(address="a/topic", payload=b"\xff\x00", reason="not JSON")
    delivery = Delivery(readings=Readings.concat([]), letters=[letter])
    source = bench.told(delivery, name="sensors")
    run = bench.run(Store(), source)
    run_story(run.until(lambda: source.acknowledged == [0]))
    (row,) = bench.journal("deadletter")
    assert (row["source"], row["address"], row["reason"], row["payload"], row["size"]) == (
        "sensors",
        "a/topic",
        "not JSON",
        "/wA=",
        2,
    )


def test_letters_are_kept_although_somebody_deleted_the_spool(bench: Bench) -> None:
    letter = Letter(address="a/topic", payload=b"?", reason="not JSON")
    for _ in range(2):
        source = bench.told(
            Delivery(readings=Readings.concat([]), letters=[letter]), name="sensors"
        )
        run = bench.run(Store(), source)
        run_story(run.until(lambda told=source.acknowledged: told == [0]))
        shutil.rmtree(bench.folder / "spool")
    assert len(bench.journal("deadletter")) == 2


def test_a_text_where_a_number_belongs_is_a_bad_sample_and_a_dead_letter(bench: Bench) -> None:
    odd = ReadingsBuilder()
    odd.add(index_of(bench.plant, "machines", "reflow", "peak_temperature"), "hot", NOW_US, 0)
    store = Store()
    run = bench.run(store, bench.told(odd.build()))
    run_story(run.stored(1))
    (sample,) = store.latest().samples()
    assert (sample.value, sample.quality) == (None, Quality.BAD)
    (row,) = bench.journal("deadletter")
    assert row["reason"] == "a text where the plant file says number"


def test_a_gap_is_a_sample_without_value_where_it_begins_and_a_row_of_the_journal(
    bench: Bench,
) -> None:
    gap = Gap(
        index=np.array([0, 1], np.int32),
        start_us=np.array([NOW_US - 90, NOW_US + 10], np.int64),
        end_us=np.array([NOW_US - 80, NOW_US + 10], np.int64),  # the second lost nothing
        reason="the server restarted",
    )
    store = Store()
    source = bench.told(Delivery(readings=readings(0, 1), gaps=[gap]))
    run = bench.run(store, source)
    run_story(run.stored(2))
    first = SignalMap.of(bench.plant, "machines").signals[0]
    kept = [(s.value, (s.measured_at - NOW) // TICK, s.quality) for s in everything(store)]
    assert kept == [(None, -90, Quality.BAD), (0.0, 0, Quality.GOOD)]
    (row,) = bench.journal("gaps")
    assert (row["source"], row["reason"]) == ("machines", "the server restarted")
    assert row["signals"] == [[first, NOW_US - 90, NOW_US - 80]]
    (status,) = run.ingest.status()
    assert (status.gaps, status.waiting) == (1, 0)


def test_damage_to_the_spool_leaves_a_gap_behind_the_newest_sample(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store()
    run = bench.run(store, bench.told(readings(0, 1)))
    run_story(run.stored(1))
    for lost in (5, 1):  # two records that no store has; the first of them is damaged
        store.refusals = float("inf")
        later = bench.told(readings(0, 1, NOW_US + 1000 * lost))
        pending = bench.run(store, later)

        async def story(pending: Run = pending, later: Told = later) -> None:
            running = asyncio.create_task(pending.ingest.run())
            while not later.acknowledged:
                await asyncio.sleep(0.001)
            await pending.ingest.stop(timeout_s=0.05)
            await running

        run_story(story())
    (segment,) = (bench.folder / "spool").glob("*.seg")
    data = bytearray(segment.read_bytes())
    data[_middle(data)] ^= 0x10
    segment.write_bytes(data)
    store.refusals = 0
    after = bench.run(store, bench.told())
    run_story(after.stored(2))
    kept = [(s.value, (s.measured_at - NOW) // TICK, s.quality) for s in everything(store)]
    assert kept == [
        (0.0, 0, Quality.GOOD),
        (None, 1, Quality.BAD),
        (0.0, 1000, Quality.GOOD),
    ]
    (row,) = bench.journal("gaps")
    assert "damaged" in row["reason"]
    assert "a record is wrong" in caplog.text  # and in which file


def _middle(data: bytearray) -> int:
    """A byte of the payload of the second of three records of one size."""
    return len(data) // 2


def test_untimed_readings_were_measured_when_they_came_one_after_the_other(bench: Bench) -> None:
    store, two_signals = Store(), ReadingsBuilder()
    for value in range(4):
        two_signals.add(value % 2, float(value), None, 0)
    source = bench.told(readings(0, 3, None), two_signals.build())
    run = bench.run(store, source)
    run_story(run.stored(7))
    first, second = (SignalMap.of(bench.plant, "machines").signals[i] for i in (0, 1))
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
def test_time_that_cannot_be_is_no_time(bench: Bench, no_time_us: int) -> None:
    store, odd = Store(), ReadingsBuilder()
    odd.add(0, 1.0, no_time_us, 0)
    run = bench.run(store, bench.told(odd.build()))
    run_story(run.stored(1))
    assert [s.measured_at for s in store.latest().samples()] == [NOW]
    assert run.ingest.status()[0].last_at == NOW


def test_a_clock_that_is_off_is_said_once_and_its_samples_are_marked(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store()
    ahead = [readings(i, 1, NOW_US + 3_600_000_000) for i in range(3)]
    source = bench.told(*ahead, readings(9, 1, NOW_US))
    ingest = bench.run(store, source, check_clocks=True).ingest

    async def story() -> None:
        running = asyncio.create_task(ingest.run())
        while store.count() < 4:
            await asyncio.sleep(0.001)
        assert ingest.status()[0].clock_skew_s == pytest.approx(3600, abs=1e-4)
        await ingest.stop()
        await running

    run_story(story())
    marked = sorted(s.quality for s in everything(store))
    assert marked == [Quality.GOOD] + 3 * [Quality.UNCERTAIN]
    said = [r.message for r in caplog.records if "clock" in r.message]
    assert len(said) == 1
    assert "3600 s ahead" in said[0]
