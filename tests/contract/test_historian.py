"""What every historian promises, as numbered cases; each store runs all of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from twin.errors import DataError, StoreError
from twin.plant.signals import SignalId
from twin.telemetry import Historian, Quality, Sample, SampleBatch

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOON_US = 1_772_452_800_000_000
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
SPEED = SignalId("works/smt/line1/printer/speed")
PRODUCT = SignalId("works/smt/line1/printer/product")
SAMPLE = Sample(signal=SPEED, value=1.5, measured_at=NOON, available_at=NOON + SECOND)


def at(seconds: float, value: float | str | None = 0.0, signal: SignalId = SPEED) -> Sample:
    """A sample so long after noon, available at once."""
    when = NOON + timedelta(seconds=seconds)
    return Sample(signal=signal, value=value, measured_at=when, available_at=when)


def store(historian: Historian, *samples: Sample) -> int:
    return historian.append(SampleBatch.of(samples))


def read_all(historian: Historian, as_of: datetime | None = None) -> list[Sample]:
    return list(historian.read(None, NOON - DAY, NOON + DAY, as_of=as_of).samples())


def latest(historian: Historian, as_of: datetime | None = None) -> list[Sample]:
    return list(historian.latest(as_of=as_of).samples())


def test_hc01_a_sample_comes_back_as_it_was_stored(historian: Historian) -> None:
    assert store(historian, SAMPLE) == 1
    assert read_all(historian) == [SAMPLE]
    assert latest(historian) == [SAMPLE]
    assert historian.count() == 1


def test_hc02_an_empty_store_answers_with_nothing(historian: Historian) -> None:
    assert historian.append(SampleBatch.empty()) == 0
    assert historian.count() == 0
    assert read_all(historian) == []
    assert latest(historian) == []


def test_hc03_late_sample_is_invisible_before_it_arrived(historian: Historian) -> None:
    late = replace(SAMPLE, available_at=NOON + timedelta(seconds=90))
    store(historian, late)
    assert read_all(historian, as_of=NOON + timedelta(seconds=89, microseconds=999_999)) == []
    assert read_all(historian, as_of=NOON + timedelta(seconds=90)) == [late]


def test_hc04_a_redelivered_batch_changes_nothing(historian: Historian) -> None:
    samples = [at(i, float(i)) for i in range(20)]
    assert store(historian, *samples) == 20
    assert store(historian, *samples) == 0
    assert store(historian, *samples[5:], at(20, 20.0)) == 1
    assert read_all(historian) == [*samples, at(20, 20.0)]
    assert historian.count() == 21


def test_hc05_the_first_arrival_wins_across_batches(historian: Historian) -> None:
    store(historian, at(1, 1.0), at(2, 2.0))
    second = replace(at(1, 99.0), available_at=NOON, quality=Quality.UNCERTAIN)
    assert store(historian, second) == 0
    assert read_all(historian) == [at(1, 1.0), at(2, 2.0)]


def test_hc06_the_first_arrival_wins_inside_a_batch(historian: Historian) -> None:
    assert store(historian, at(1, 1.0), at(2, 2.0), at(1, 99.0), at(2, 98.0)) == 2
    assert read_all(historian) == [at(1, 1.0), at(2, 2.0)]


def test_hc07_the_first_arrival_wins_at_the_newest_sample(historian: Historian) -> None:
    store(historian, at(1, 1.0))
    assert store(historian, at(1, 99.0), at(2, 2.0)) == 1
    assert read_all(historian) == [at(1, 1.0), at(2, 2.0)]
    assert latest(historian) == [at(2, 2.0)]


def test_hc08_an_older_sample_that_arrives_later_is_stored(historian: Historian) -> None:
    store(historian, at(10, 10.0), at(10, "A", PRODUCT))
    assert store(historian, at(5, 5.0), at(10, 99.0), at(15, 15.0)) == 2
    assert read_all(historian) == [at(10, "A", PRODUCT), at(5, 5.0), at(10, 10.0), at(15, 15.0)]


def test_hc09_rows_come_by_signal_name_then_time(historian: Historian) -> None:
    names = [SignalId(name) for name in ("b", "a/z", "ä", "B", "a")]
    store(historian, *(at(-i, float(i), name) for i, name in enumerate(names)))
    store(historian, *(at(-9 + i, 0.0, name) for i, name in enumerate(names)))
    got = [(s.signal, s.measured_at) for s in read_all(historian)]
    assert [name for name, _ in got] == ["B", "B", "a", "a", "a/z", "a/z", "b", "b", "ä", "ä"]
    assert all(a[1] < b[1] for a, b in zip(got[::2], got[1::2], strict=True))
    assert [s.signal for s in latest(historian)] == ["B", "a", "a/z", "b", "ä"]


def test_hc10_start_is_inside_and_end_is_outside(historian: Historian) -> None:
    tick = timedelta(microseconds=1)
    edges = [NOON - tick, NOON, NOON + SECOND - tick, NOON + SECOND]
    store(historian, *(replace(SAMPLE, measured_at=when) for when in edges))
    inside = historian.read([SPEED], NOON, NOON + SECOND).samples()
    assert [s.measured_at for s in inside] == edges[1:3]


def test_hc11_only_the_signals_asked_for_come_back(historian: Historian) -> None:
    store(historian, at(1, 1.0), at(1, "A", PRODUCT))
    wanted = [PRODUCT, SignalId("nobody/knows/me"), PRODUCT]
    assert list(historian.read(wanted, NOON, NOON + DAY).samples()) == [at(1, "A", PRODUCT)]
    assert list(historian.latest(wanted).samples()) == [at(1, "A", PRODUCT)]


def test_hc12_an_unknown_signal_and_no_signal_give_no_rows(historian: Historian) -> None:
    store(historian, at(1, 1.0))
    for nothing in ([SignalId("nobody/knows/me")], []):
        assert len(historian.read(nothing, NOON, NOON + DAY)) == 0
        assert len(historian.latest(nothing)) == 0
        assert len(historian.latest(nothing, as_of=NOON)) == 0


def test_hc13_the_latest_sample_is_the_last_measured_not_the_last_arrived(
    historian: Historian,
) -> None:
    store(historian, at(10, 10.0), at(5, "A", PRODUCT))
    store(historian, at(9, 9.0))
    assert latest(historian) == [at(5, "A", PRODUCT), at(10, 10.0)]


def test_hc14_the_latest_sample_at_an_instant_was_available_then(historian: Historian) -> None:
    late = replace(at(10, 10.0), available_at=NOON + timedelta(seconds=60))
    store(historian, at(1, 1.0), at(5, 5.0), late, at(3, "A", PRODUCT), at(8, "B", PRODUCT))
    assert latest(historian, as_of=NOON) == []
    assert latest(historian, as_of=NOON + 3 * SECOND) == [at(3, "A", PRODUCT), at(1, 1.0)]
    assert latest(historian, as_of=NOON + 59 * SECOND) == [at(8, "B", PRODUCT), at(5, 5.0)]
    assert latest(historian, as_of=NOON + 60 * SECOND) == [at(8, "B", PRODUCT), late]


TEXTS = [
    "FG-DRV24",
    "",
    " ",
    'say "a=b, c"',
    "it's",
    "back\\slash\\",
    "größer 20 µm 温度 😀",
    "two\nlines",
]


def test_hc15_texts_come_back_letter_for_letter(historian: Historian) -> None:
    samples = [at(i, text, PRODUCT) for i, text in enumerate(TEXTS)]
    store(historian, *samples)
    assert read_all(historian) == samples


def test_hc16_one_signal_may_change_between_number_text_and_nothing(historian: Historian) -> None:
    gap = replace(at(3, None), quality=Quality.BAD)
    samples = [at(1, 1.0), at(2, "off"), gap, at(4, 4.0), at(5, "")]
    store(historian, *samples)
    assert read_all(historian) == samples


def test_hc17_a_missing_value_is_a_row(historian: Historian) -> None:
    gap = replace(SAMPLE, value=None, quality=Quality.BAD)
    assert store(historian, gap) == 1
    assert store(historian, SAMPLE) == 0
    assert read_all(historian) == latest(historian) == [gap]
    assert historian.count() == 1


def test_hc18_quality_comes_back(historian: Historian) -> None:
    samples = [replace(at(i, 1.0), quality=quality) for i, quality in enumerate(Quality)]
    store(historian, *samples)
    assert [s.quality for s in read_all(historian)] == list(Quality)


NUMBERS = [0.1, 0.0, 1e-300, 1.7976931348623157e308, 5e-324, 2.0**53 + 2, 1 / 3, np.inf, -np.inf]


def test_hc19_numbers_come_back_to_the_last_bit(historian: Historian) -> None:
    store(historian, *(at(i, number) for i, number in enumerate(NUMBERS)))
    got = historian.read(None, NOON, NOON + DAY).value
    assert got.tobytes() == np.array(NUMBERS).tobytes()


STRANGE = [
    "with space", "with,comma", "with=equals", 'with "double" quotes', "with 'single' quotes",
    "back\\slash", "ends with backslash\\", "\\,\\ ", "100 %", "%41", "a%2Cb", "größe/温度", "new\nline",
    "tab\tand\u00a0blank", "semi;colon", "$field", "/regex.*/", "-- comment", "1=1' OR 'a'='a", "time", "signal",
]  # fmt: skip


def test_hc20_strange_signal_names_stay_apart(historian: Historian) -> None:
    samples = [at(i, float(i), SignalId(name)) for i, name in enumerate(sorted(STRANGE))]
    assert store(historian, *samples) == len(STRANGE)
    assert store(historian, *samples) == 0
    assert read_all(historian) == latest(historian) == samples
    for sample in samples:
        assert list(historian.read([sample.signal], NOON, NOON + DAY).samples()) == [sample]


def test_hc21_times_keep_their_microsecond(historian: Historian) -> None:
    ticks = [NOON + timedelta(microseconds=us) for us in (0, 1, 2, 999_999)]
    samples = [replace(SAMPLE, measured_at=t, available_at=t + ticks[1].resolution) for t in ticks]
    assert store(historian, *samples) == 4
    assert read_all(historian) == samples


def test_hc22_times_before_1970_are_times(historian: Historian) -> None:
    old = [datetime(1931, 5, 6, 7, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC)]
    samples = [replace(SAMPLE, measured_at=when, available_at=when) for when in old]
    store(historian, *samples, SAMPLE)
    assert store(historian, *samples) == 0
    everything = historian.read(None, datetime.min.replace(tzinfo=UTC), NOON + DAY)
    assert list(everything.samples()) == [*samples, SAMPLE]
    assert latest(historian, as_of=NOON) == samples[1:]


def test_hc23_a_time_without_zone_is_refused(historian: Historian) -> None:
    with pytest.raises(DataError, match="no time zone"):
        historian.read(None, datetime(2026, 3, 2), NOON)  # noqa: DTZ001


def _columns(first: int, rows: int, signals: int = 50) -> SampleBatch:
    row = np.arange(first, first + rows)
    return SampleBatch(
        signals=tuple(SignalId(f"works/smt/line1/unit/signal{i:02}") for i in range(signals)),
        code=(row % signals).astype(np.int32),
        value=row.astype(np.float64),
        text=np.full(rows, None, np.object_),
        measured_us=NOON_US + row * 1000,
        available_us=NOON_US + row * 1000,
        quality=np.zeros(rows, np.int8),
    )


def test_hc24_large_batches_come_back_whole(historian: Historian) -> None:
    assert historian.append(_columns(0, 30_000, signals=2)) == 30_000
    assert historian.append(_columns(20_000, 20_000, signals=2)) == 10_000
    batch = historian.read(None, NOON, NOON + DAY)
    assert len(batch) == historian.count() == 40_000
    assert sorted(batch.value.tolist()) == list(range(40_000))


def test_hc25_a_name_listed_twice_in_a_batch_is_one_signal(historian: Historian) -> None:
    batch = replace(SampleBatch.of([at(1, 1.0), at(1, 2.0, PRODUCT)]), signals=(SPEED, SPEED))
    assert historian.append(batch) == 1
    assert read_all(historian) == [at(1, 1.0)]


def test_hc26_a_name_without_rows_is_not_a_signal(historian: Historian) -> None:
    batch = SampleBatch.of([at(1, 1.0), at(1, "A", PRODUCT)]).take(np.array([True, False]))
    assert historian.append(batch) == 1
    assert latest(historian) == [at(1, 1.0)]


def test_hc27_reads_during_writes_see_ever_more_of_the_truth(historian: Historian) -> None:
    seen: list[int] = []
    faults: list[object] = []
    done = threading.Event()

    def look() -> None:
        try:
            while not done.is_set():
                batch = historian.read(None, NOON, NOON + DAY)
                seen.append(len(batch))
                historian.latest()
                if not np.array_equal(batch.value * 1000, batch.measured_us - NOON_US):
                    faults.append("a row with the value of another")
        except Exception as e:  # noqa: BLE001  a thread's error is the test's
            faults.append(e)

    reader = threading.Thread(target=look)
    reader.start()
    try:
        stored = [historian.append(_columns(i * 500, 500)) for i in range(12)]
    finally:
        done.set()
        reader.join()
    assert stored == [500] * 12
    assert faults == []
    assert seen == sorted(seen)


def test_hc28_writers_at_once_lose_and_repeat_nothing(historian: Historian) -> None:
    stored: list[int] = []

    def write(worker: int) -> None:
        for i in range(6):
            stored.append(historian.append(_columns((i + worker) * 200, 400)))

    workers = [threading.Thread(target=write, args=(worker,)) for worker in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sum(stored) == historian.count() == 9 * 200


def test_hc29_reopening_keeps_everything(opened: Callable[[], Historian]) -> None:
    samples = [at(1, 1.0), at(2, None), at(3, 3.0), at(2, "A", PRODUCT), at(4, "", PRODUCT)]
    first = opened()
    store(first, *samples)
    first.close()
    second = opened()
    assert store(second, *samples, at(2, 99.0)) == 0
    assert store(second, at(2.5, 2.5)) == 1
    by_name = [samples[3], samples[4], samples[0], samples[1], at(2.5, 2.5), samples[2]]
    assert read_all(second) == by_name
    assert latest(second) == [at(4, "", PRODUCT), at(3, 3.0)]
    assert second.count() == 6


def test_hc30_a_closed_store_says_so_and_may_be_closed_again(
    opened: Callable[[], Historian],
) -> None:
    historian = opened()
    historian.close()
    historian.close()
    for ask in (historian.count, historian.latest, lambda: store(historian, SAMPLE)):
        with pytest.raises(StoreError, match="closed"):
            ask()
