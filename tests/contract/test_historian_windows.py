"""What every historian promises about windows, quality, buckets, retention and repeats."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tests.contract.test_historian import (
    DAY,
    NOON,
    NOON_US,
    PRODUCT,
    SAMPLE,
    SECOND,
    SPEED,
    STRANGE,
    TEXTS,
    at,
    latest,
    read_all,
    store,
)
from twin.errors import DataError, StoreError
from twin.plant.signals import SignalId
from twin.telemetry import Downsampled, Historian, Quality, Sample, SampleBatch

HOUR = timedelta(hours=1)
Row = tuple[str, float, int, float, float, float, float]


def rows_of(got: Downsampled) -> list[Row]:
    """(signal, bucket start in seconds after noon, count, mean, minimum, maximum, last)."""
    return [
        (got.signals[c], (b - NOON_US) / 1e6, n, mean, low, high, last)
        for c, b, n, mean, low, high, last in zip(
            got.code.tolist(),
            got.bucket_us.tolist(),
            got.count.tolist(),
            got.mean.tolist(),
            got.minimum.tolist(),
            got.maximum.tolist(),
            got.last.tolist(),
            strict=True,
        )
    ]


def minutes(historian: Historian, as_of: datetime | None = None) -> list[Row]:
    got = historian.downsample(None, NOON - DAY, NOON + DAY, bucket_s=60.0, as_of=as_of)
    return rows_of(got)


def test_hc31_the_last_value_of_many_signals_is_the_last_measured_of_each(
    historian: Historian,
) -> None:
    names = [SignalId(f"works/smt/line1/unit/s{i:03}") for i in range(200)]
    store(historian, *(at(i % 7, float(i), name) for i, name in enumerate(names)))
    newest = [at(100 + i, -float(i), name) for i, name in enumerate(names)]
    gap = replace(at(500, None, names[3]), quality=Quality.BAD)
    newest[3], newest[4] = gap, at(500, "off", names[4])
    store(historian, *newest)
    store(historian, *(at(50, 99.0, name) for name in names))
    assert latest(historian) == newest
    assert list(historian.latest(names[5:7]).samples()) == newest[5:7]


def test_hc32_a_raw_range_over_hours_comes_back_whole(historian: Historian) -> None:
    samples = [at(600.0 * i, float(i)) for i in range(40)]
    store(historian, *samples[30:])
    store(historian, *samples[:30])
    got = historian.read([SPEED], NOON + HOUR, NOON + 5 * HOUR)
    assert list(got.samples()) == samples[6:30]


def test_hc33_rows_of_a_worse_quality_are_left_out(historian: Historian) -> None:
    good = at(1, 1.0)
    unsure = replace(at(2, 2.0), quality=Quality.UNCERTAIN)
    text = replace(at(2, "A", PRODUCT), quality=Quality.UNCERTAIN)
    bad = replace(at(3, 3.0), quality=Quality.BAD)
    gap = replace(at(4, None), quality=Quality.BAD)
    store(historian, good, unsure, text, bad, gap)

    def read(worst: Quality) -> list[Sample]:
        return list(historian.read(None, NOON, NOON + DAY, worst=worst).samples())

    assert read(Quality.GOOD) == [good]
    assert read(Quality.UNCERTAIN) == [text, good, unsure]
    assert read(Quality.BAD) == read_all(historian) == [text, good, unsure, bad, gap]


def test_hc34_a_bucket_has_count_mean_extremes_and_the_last_measured(historian: Historian) -> None:
    store(historian, at(59.5, 4.0), at(5, 8.0), at(30, -3.0), at(60, 7.0), at(200, 1.5))
    assert minutes(historian) == [
        (SPEED, 0.0, 3, 3.0, -3.0, 8.0, 4.0),
        (SPEED, 60.0, 1, 7.0, 7.0, 7.0, 7.0),
        (SPEED, 180.0, 1, 1.5, 1.5, 1.5, 1.5),
    ]


def test_hc35_buckets_are_aligned_to_1970_and_cut_by_the_window(historian: Historian) -> None:
    store(historian, *(at(i, float(i)) for i in range(30)))
    got = historian.downsample([SPEED], NOON + 3 * SECOND, NOON + 15 * SECOND, bucket_s=10.0)
    assert rows_of(got) == [
        (SPEED, 0.0, 7, 6.0, 3.0, 9.0, 9.0),
        (SPEED, 10.0, 5, 12.0, 10.0, 14.0, 14.0),
    ]
    old = datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)
    store(historian, replace(SAMPLE, measured_at=old, available_at=old))
    before = historian.downsample(None, old - DAY, old + SECOND, bucket_s=60.0)
    assert before.bucket_us.tolist() == [-60_000_000]


def test_hc36_texts_gaps_and_bad_numbers_are_not_in_a_bucket(historian: Historian) -> None:
    bad = replace(at(3, 1e9), quality=Quality.BAD)
    gap = replace(at(4, None), quality=Quality.BAD)
    unsure = replace(at(2, 3.0), quality=Quality.UNCERTAIN)
    store(historian, at(1, 1.0), unsure, bad, gap, at(5, "off"), at(6, "A", PRODUCT))
    assert minutes(historian) == [(SPEED, 0.0, 2, 2.0, 1.0, 3.0, 3.0)]


def test_hc37_a_bucket_knows_only_what_was_available(historian: Historian) -> None:
    late = replace(at(10, 9.0), available_at=NOON + HOUR)
    store(historian, at(1, 1.0), at(2, 3.0), late)
    assert minutes(historian, NOON + SECOND) == [(SPEED, 0.0, 1, 1.0, 1.0, 1.0, 1.0)]
    assert minutes(historian, NOON + HOUR - SECOND) == [(SPEED, 0.0, 2, 2.0, 1.0, 3.0, 3.0)]
    assert minutes(historian, NOON + HOUR) == [(SPEED, 0.0, 3, 13.0 / 3.0, 1.0, 9.0, 9.0)]
    assert minutes(historian) == minutes(historian, NOON + HOUR)


def test_hc38_buckets_come_by_signal_name_then_time(historian: Historian) -> None:
    names = [SignalId(name) for name in sorted(STRANGE)]
    store(historian, *(at(90.0 * i, 1.0, name) for name in reversed(names) for i in (1, 0)))
    assert [row[:2] for row in minutes(historian)] == [(n, t) for n in names for t in (0.0, 60.0)]
    asked = [names[2], SignalId("nobody/knows/me"), names[1], names[2]]
    got = rows_of(historian.downsample(asked, NOON, NOON + SECOND, bucket_s=1.0))
    assert [row[0] for row in got] == names[1:3]
    assert len(historian.downsample([], NOON, NOON + DAY, bucket_s=1.0)) == 0


@pytest.mark.parametrize("bucket_s", [0.0, -60.0, 1e-7, np.nan, np.inf])
def test_hc39_a_bucket_without_length_is_refused(historian: Historian, bucket_s: float) -> None:
    with pytest.raises(DataError, match="bucket"):
        historian.downsample(None, NOON, NOON + DAY, bucket_s=bucket_s)


def test_hc40_what_is_older_than_its_keep_goes_but_never_the_newest(historian: Historian) -> None:
    samples = [at(i, float(i)) for i in range(10)]
    alone = at(2, "A", PRODUCT)
    store(historian, *samples, alone)
    assert historian.forget(NOON - DAY) == 0
    assert historian.forget(NOON + 5 * SECOND) == 5
    assert read_all(historian) == [alone, *samples[5:]]
    assert historian.count() == 6
    assert historian.forget(NOON + DAY) == 4
    assert historian.forget(NOON + DAY) == 0
    assert read_all(historian) == latest(historian) == [alone, samples[9]]
    assert minutes(historian) == [(SPEED, 0.0, 1, 9.0, 9.0, 9.0, 9.0)]


def test_hc41_after_retention_the_store_goes_on(opened: Callable[[], Historian]) -> None:
    first = opened()
    store(first, *(at(i, float(i)) for i in range(4)))
    assert first.forget(NOON + DAY) == 3
    assert store(first, at(3, 99.0), at(4, 4.0)) == 1
    first.close()
    second = opened()
    assert read_all(second) == [at(3, 3.0), at(4, 4.0)]
    assert store(second, at(3, 99.0), at(5, 5.0)) == 1
    assert latest(second) == [at(5, 5.0)]


def test_hc42_a_rewrite_with_other_content_changes_nothing(historian: Historian) -> None:
    gap = replace(at(3, None), quality=Quality.BAD)
    samples = [*(at(i, text, PRODUCT) for i, text in enumerate(TEXTS)), at(2, 2.0), gap]
    store(historian, *samples)
    store(historian, at(100, 1.0), at(100, "Z", PRODUCT))
    before = read_all(historian)
    for value in (7.0, "other", None):
        again = [replace(s, value=value, quality=Quality.UNCERTAIN) for s in samples]
        assert store(historian, *reversed(again)) == 0
    assert read_all(historian) == before


def test_hc43_buckets_and_last_values_during_writes_are_of_whole_batches(
    historian: Historian,
) -> None:
    counts: list[int] = []
    faults: list[object] = []
    done = threading.Event()
    names = tuple(SignalId(f"s{i}") for i in range(20))

    def one_round(number: int) -> SampleBatch:
        return SampleBatch.of([at(number, float(number), name) for name in names])

    def look() -> None:
        try:
            while not done.is_set():
                got = historian.downsample(None, NOON, NOON + DAY, bucket_s=3600.0)
                counts.append(int(got.count.sum()))
                if len(set(historian.latest().value.tolist())) > 1:
                    faults.append("the last values are of two batches")
        except Exception as e:  # noqa: BLE001  a thread's error is the test's
            faults.append(e)

    reader = threading.Thread(target=look)
    reader.start()
    try:
        stored = [historian.append(one_round(i)) for i in range(40)]
    finally:
        done.set()
        reader.join()
    assert stored == [20] * 40
    assert faults == []
    assert counts == sorted(counts)
    assert [n for n in counts if n % 20] == []


def test_hc44_a_batch_whose_taking_was_not_noted_may_come_again(
    opened: Callable[[], Historian],
) -> None:
    samples = [at(i, float(i)) for i in range(50)]
    texts = [at(i, text, PRODUCT) for i, text in enumerate(TEXTS)]
    first = opened()
    store(first, *samples[:20], *samples[30:40])
    assert store(first, *samples[10:], *texts) == 20 + len(texts)
    first.close()  # the spool's cursor was not moved: it sends the last batch again
    second = opened()
    assert store(second, *samples[10:], *texts) == 0
    assert read_all(second) == [*texts, *samples]
    assert second.count() == 50 + len(texts)


def test_hc45_a_closed_store_answers_no_window(opened: Callable[[], Historian]) -> None:
    historian = opened()
    store(historian, at(1, 1.0))
    historian.close()
    for ask in (
        lambda: historian.read(None, NOON, NOON + DAY),
        lambda: historian.downsample(None, NOON, NOON + DAY, bucket_s=60.0),
        lambda: historian.forget(NOON),
    ):
        with pytest.raises(StoreError, match="closed"):
            ask()


def test_hc46_tending_changes_no_answer(historian: Historian) -> None:
    samples = [at(i, text, PRODUCT) for i, text in enumerate(TEXTS)]
    samples += [at(90.0 * i, float(i)) for i in range(30)]
    store(historian, *samples)
    buckets = minutes(historian)
    for hours in range(4):
        historian.tend(NOON + hours * HOUR)
        assert read_all(historian) == samples
        assert minutes(historian) == buckets
        assert store(historian, *samples) == 0
    assert latest(historian) == [samples[len(TEXTS) - 1], samples[-1]]
