"""The DuckDB file in two parts: sorting, adding up and dropping change no answer, and survive a kill."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.store.duckdb_historian import DuckdbHistorian
from tests.unit.test_store_duckdb import ROOT, files_no_larger_than
from twin.errors import StoreError
from twin.plant.signals import SignalId
from twin.telemetry import (
    Downsampled,
    MemoryHistorian,
    Quality,
    Sample,
    SampleBatch,
    downsample,
    from_us,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOON_US = 1_772_452_800_000_000
HOUR = timedelta(hours=1)
LONG_AGO, FAR_AHEAD = datetime(1900, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
NAMES = tuple(SignalId(f"works/line/unit/s{i}") for i in range(3))


def seconds(first: int, count: int, late_us: int = 0) -> SampleBatch:
    """Each signal once a second; every 50th row is a text, every 60th BAD."""
    row = np.arange(first * 3, (first + count) * 3)
    at = NOON_US + row // 3 * 1_000_000 + row % 3
    text = np.full(len(row), None, np.object_)
    text[row % 50 == 7] = "stop"
    return SampleBatch(
        signals=NAMES,
        code=(row % 3).astype(np.int32),
        value=np.where(row % 50 == 7, np.nan, np.round(np.sin(row) * 50, 2)),
        text=text,
        measured_us=at - late_us,
        available_us=at + 20_000,
        quality=np.where(row % 60 == 0, 2, 0).astype(np.int8),
    )


@contextmanager
def opened(
    path: Path, *, keep: timedelta | None = None, hot_rows: int = 1000
) -> Iterator[DuckdbHistorian]:
    store = DuckdbHistorian(path, keep=keep, hot_rows=hot_rows)
    try:
        yield store
    finally:
        store.close()


def tables(path: Path) -> dict[str, int]:
    """Rows of each table, read with the library itself."""
    names = ("hot_0", "hot_1", "sealed", "minutes", "newest", "telemetry")
    with duckdb.connect(path, read_only=True) as file:
        return {n: int(file.execute(f"FROM {n} SELECT count(*)").fetchall()[0][0]) for n in names}


def same(a: Downsampled, b: Downsampled) -> bool:
    return (
        [a.signals[c] for c in a.code] == [b.signals[c] for c in b.code]
        and np.array_equal(a.bucket_us, b.bucket_us)
        and np.array_equal(a.count, b.count)
        and np.allclose(a.mean, b.mean, rtol=1e-12)
        and np.array_equal(a.minimum, b.minimum)
        and np.array_equal(a.maximum, b.maximum)
        and np.array_equal(a.last, b.last)
    )


def test_what_is_sorted_is_as_readable_as_what_has_just_come(tmp_path: Path) -> None:
    path, reference = tmp_path / "t.duckdb", MemoryHistorian()
    with opened(path) as store:
        for first in range(0, 2000, 250):
            for batch in (seconds(first, 250), seconds(first, 20, late_us=3_600_500_000)):
                assert store.append(batch) == reference.append(batch) == len(batch)
            store.tend(NOON)
        assert store.count() == reference.count()
        everything = store.read(None, LONG_AGO, FAR_AHEAD)
        expected = reference.read(None, LONG_AGO, FAR_AHEAD)
        assert list(everything.samples()) == list(expected.samples())
        for batch in (seconds(300, 50), seconds(0, 20, late_us=3_600_500_000)):
            assert store.append(batch) == 0
    rows = tables(path)
    assert rows["sealed"] >= 5000
    assert 100 < rows["minutes"] < 200  # 2000 s of 3 signals, cut by each sorting
    assert rows["telemetry"] == reference.count()


def test_the_hot_part_is_sorted_after_an_hour_however_small(tmp_path: Path) -> None:
    path = tmp_path / "t.duckdb"
    with opened(path) as store:
        store.append(seconds(0, 20))
        store.tend(NOON)
        store.tend(NOON + HOUR - timedelta(seconds=1))
        store.append(seconds(20, 20))
    assert tables(path)["sealed"] == 0
    with opened(path) as store:
        store.tend(NOON)
        store.tend(NOON + HOUR)
        store.tend(NOON + HOUR)
        store.append(seconds(40, 10))
    rows = tables(path)
    assert rows["hot_0"] + rows["hot_1"] == 30
    assert (rows["sealed"], rows["minutes"], rows["newest"], rows["telemetry"]) == (120, 3, 3, 150)


def test_an_import_that_nobody_tends_is_sorted_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "t.duckdb"
    with opened(path) as store:
        for first in range(0, 4000, 400):
            store.append(seconds(first, 400))
    rows = tables(path)
    assert rows["sealed"] >= 9000
    assert rows["telemetry"] == 12_000


@pytest.mark.parametrize("bucket_s", [60.0, 300.0, 3600.0, 45.0, 0.5])
def test_buckets_are_those_of_the_raw_rows(tmp_path: Path, bucket_s: float) -> None:
    with opened(tmp_path / "t.duckdb") as store:
        for first in range(0, 3000, 300):
            store.append(seconds(first, 300))
            store.append(seconds(first, 7, late_us=1_800_250_000))
            store.tend(NOON)
        for start_s, end_s in ((0, 3000), (61, 2955), (30, 50), (119, 121), (-4000, 9000)):
            start, end = NOON + timedelta(seconds=start_s), NOON + timedelta(seconds=end_s)
            for as_of in (None, NOON + timedelta(seconds=1700), FAR_AHEAD):
                for asked in (None, NAMES[1:2]):
                    got = store.downsample(asked, start, end, bucket_s=bucket_s, as_of=as_of)
                    raw = downsample(store.read(asked, start, end, as_of=as_of), bucket_s)
                    assert same(got, raw)


def test_retention_drops_sorted_rows_and_their_minutes(tmp_path: Path) -> None:
    path = tmp_path / "t.duckdb"
    with opened(path) as store:
        alone = Sample(signal=SignalId("z"), value=5.0, measured_at=NOON, available_at=NOON)
        store.append(SampleBatch.of([alone]))
        for first in range(0, 9000, 300):
            store.append(seconds(first, 300))
        assert store.forget(NOON + timedelta(seconds=5431)) == 5431 * 3
        assert store.count() == (9000 - 5431) * 3 + 1
        assert list(store.latest([SignalId("z")]).samples()) == [alone]
        got = store.downsample(NAMES, LONG_AGO, FAR_AHEAD, bucket_s=60.0)
        assert same(got, downsample(store.read(NAMES, LONG_AGO, FAR_AHEAD), 60.0))
        assert got.count[0] < 30 < got.count[1]  # the minute of the cut is added up again
        assert store.forget(FAR_AHEAD) == (9000 - 5431) * 3 - 3
        assert store.append(seconds(8999, 2)) == 3
    assert tables(path)["minutes"] <= 4


def test_what_is_older_than_its_keep_is_dropped_hour_by_hour(tmp_path: Path) -> None:
    with opened(tmp_path / "t.duckdb", keep=2 * HOUR) as store:
        store.append(seconds(0, 6 * 3600))
        for minutes, hours in [(0, 6), (179, 6), (180, 5), (239, 5), (240, 4)]:
            store.tend(NOON + timedelta(minutes=minutes))
            assert store.count() == hours * 3600 * 3


def test_a_clock_that_jumps_ahead_does_not_empty_the_store(tmp_path: Path) -> None:
    with opened(tmp_path / "t.duckdb", keep=2 * HOUR) as store:
        store.append(seconds(0, 6 * 3600))
        store.tend(NOON + timedelta(days=4000))  # ours
        assert store.count() == 3 * 3600 * 3  # two hours before the newest, in whole hours
        store.append(seconds(10**8, 1).take(np.array([0])))  # one device's
        store.tend(NOON + timedelta(days=4000))
        assert store.count() == 3 * 3600 * 3 + 1


def test_a_disk_too_full_to_sort_costs_no_row_and_is_said_once_tended(tmp_path: Path) -> None:
    path = tmp_path / "t.duckdb"
    with opened(path, hot_rows=300_000) as store:
        store.append(seconds(0, 99_000))
    with opened(path, hot_rows=300_000) as store:
        with files_no_larger_than(path.stat().st_size):  # the log has room, the file has none
            assert store.append(seconds(99_000, 2000)) == 6000
            with pytest.raises(StoreError, match="not sorted"):
                store.tend(NOON)
            assert store.count() == 303_000
        store.tend(NOON)
        assert store.append(seconds(99_000, 2001)) == 3
    rows = tables(path)
    assert (rows["sealed"], rows["telemetry"]) == (303_000, 303_003)


@pytest.mark.parametrize("room", [0, 1_048_576, 1_310_720, 1_572_864, 2_097_152])
def test_at_whatever_point_the_disk_is_full_it_goes_on_when_there_is_room(
    tmp_path: Path, room: int
) -> None:
    path = tmp_path / "t.duckdb"
    with opened(path, hot_rows=300_000) as store:
        store.append(seconds(0, 99_000))
    batches = [seconds(first, 2000) for first in (99_000, 101_000, 103_000)]
    with opened(path, hot_rows=300_000) as store:
        with files_no_larger_than(path.stat().st_size + room):
            for batch in batches:
                with suppress(StoreError):
                    store.append(batch)
                with suppress(StoreError):
                    store.tend(NOON)
        for batch in batches:
            store.append(batch)
        store.tend(NOON)
        assert store.count() == 315_000
        assert store.append(seconds(0, 300)) == store.append(seconds(104_990, 10)) == 0


def _make_schema_1(path: Path, batch: SampleBatch) -> None:
    with duckdb.connect(path) as file:
        file.execute("CREATE TABLE schema_version (version INTEGER NOT NULL)")
        file.execute("INSERT INTO schema_version VALUES (1)")
        file.execute("CREATE TABLE signals (signal_id INTEGER NOT NULL, name VARCHAR NOT NULL)")
        file.executemany("INSERT INTO signals VALUES (?, ?)", list(enumerate(batch.signals)))
        file.execute(
            "CREATE TABLE samples (signal_id INTEGER NOT NULL, measured_us BIGINT NOT NULL, "
            "available_us BIGINT NOT NULL, value DOUBLE, text VARCHAR, quality TINYINT NOT NULL)"
        )
        file.execute(
            "CREATE VIEW telemetry AS SELECT name AS signal, value, text, "
            "make_timestamp(measured_us) AS measured_at, make_timestamp(available_us) AS "
            "available_at, quality FROM samples JOIN signals USING (signal_id)"
        )
        rows = {
            "i": batch.code, "m": batch.measured_us, "a": batch.available_us,
            "v": batch.value, "t": batch.text, "q": batch.quality,
        }  # fmt: skip
        file.register("old", rows)
        file.execute("INSERT INTO samples SELECT i, m, a, if(isnan(v), NULL, v), t, q FROM old")


def test_a_file_of_schema_1_is_taken_over(tmp_path: Path) -> None:
    path, old = tmp_path / "t.duckdb", seconds(0, 500)
    _make_schema_1(path, old)
    reference = MemoryHistorian()
    reference.append(old)
    with opened(path) as store:
        assert store.append(old) == 0
        assert list(store.latest().samples()) == list(reference.latest().samples())
        got = store.read(None, LONG_AGO, FAR_AHEAD)
        expected = reference.read(None, LONG_AGO, FAR_AHEAD)
        assert list(got.samples()) == list(expected.samples())
        assert store.append(seconds(499, 2)) == 3
    with opened(path) as store:
        assert store.count() == 1503
    with duckdb.connect(path, read_only=True) as file:
        assert ("samples",) not in file.execute("SHOW TABLES").fetchall()
        assert file.execute("SELECT count(*), max(version) FROM schema_version").fetchall() == [
            (1, 2)
        ]


@pytest.mark.slow
def test_reads_while_rows_are_sorted_see_every_row_once(tmp_path: Path) -> None:
    faults: list[object] = []
    done = threading.Event()

    def look(store: DuckdbHistorian) -> None:
        seen = 0
        try:
            while not done.is_set():
                batch = store.read(NAMES[:1], LONG_AGO, FAR_AHEAD)
                once = len(set(batch.measured_us.tolist()))
                if once != len(batch) or once % 50 or once < seen:
                    faults.append((once, len(batch), seen))
                seen = once
                got = store.downsample(NAMES[:1], NOON, FAR_AHEAD, bucket_s=60.0)
                if int(got.count.sum()) < np.isfinite(batch.value[batch.quality < 2]).sum():
                    faults.append((int(got.count.sum()), seen))
        except Exception as e:  # noqa: BLE001  a thread's error is the test's
            faults.append(e)

    def keep_tidy(store: DuckdbHistorian) -> None:
        try:
            while not done.is_set():
                store.tend(NOON)
        except Exception as e:  # noqa: BLE001  a thread's error is the test's
            faults.append(e)

    with opened(tmp_path / "t.duckdb", hot_rows=400) as store:
        threads = [threading.Thread(target=f, args=(store,)) for f in (look, look, keep_tidy)]
        for thread in threads:
            thread.start()
        try:
            for first in range(0, 4000, 50):
                assert store.append(seconds(first, 50)) == 150
        finally:
            done.set()
            for thread in threads:
                thread.join()
        assert faults == []
        assert store.count() == 12_000


ROWS = st.builds(
    Sample,
    signal=st.sampled_from(NAMES),
    value=st.one_of(st.none(), st.sampled_from(["", "x"]), st.integers(-9, 9).map(float)),
    measured_at=st.integers(-9, 60).map(lambda i: from_us(i * 20_000_000)),
    available_at=st.integers(-9, 60).map(lambda i: from_us(i * 20_000_000)),
    quality=st.sampled_from(Quality),
)
STEPS = st.one_of(
    st.lists(ROWS, max_size=15),
    st.sampled_from(["tend", "reopen"]),
    st.integers(-9, 60).map(lambda i: from_us(i * 20_000_000)),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(STEPS, max_size=10), st.integers(-9, 60), st.sampled_from(Quality))
def test_whatever_happens_it_answers_as_the_reference_store_does(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[list[Sample] | str | datetime],
    known: int,
    worst: Quality,
) -> None:
    path, reference = tmp_path_factory.mktemp("any") / "t.duckdb", MemoryHistorian()
    store = DuckdbHistorian(path, hot_rows=5)
    try:
        for step in steps:
            if isinstance(step, list):
                batch = SampleBatch.of(step)
                assert store.append(batch) == reference.append(batch)
            elif isinstance(step, datetime):
                assert store.forget(step) == reference.forget(step)
            elif step == "tend":
                store.tend(NOON)
            else:
                store.close()
                store = DuckdbHistorian(path, hot_rows=5)
        for as_of in (None, from_us(known * 20_000_000)):
            ask = {"as_of": as_of}
            got = store.read(None, LONG_AGO, FAR_AHEAD, worst=worst, **ask)
            expected = reference.read(None, LONG_AGO, FAR_AHEAD, worst=worst, **ask)
            assert list(got.samples()) == list(expected.samples())
            newest = reference.latest(**ask).samples()
            assert list(store.latest(**ask).samples()) == list(newest)
            window = (None, from_us(-70_000_000), from_us(770_000_000))
            assert same(
                store.downsample(*window, bucket_s=120.0, **ask),
                reference.downsample(*window, bucket_s=120.0, **ask),
            )
    finally:
        store.close()


def test_a_closed_store_is_not_tended(tmp_path: Path) -> None:
    with opened(tmp_path / "t.duckdb") as store:
        pass
    with pytest.raises(StoreError, match="closed"):
        store.tend(NOON)


_WRITER = """
import sys
from datetime import timedelta
from tests.unit.test_store_duckdb_layout import NOON, seconds
from connectors.store.duckdb_historian import DuckdbHistorian
store = DuckdbHistorian(sys.argv[1], hot_rows=1500)
first = int(sys.argv[2])
for i in range(first, first + 10**6):
    store.append(seconds(i * 100, 100))
    store.append(seconds(i * 100, 5, late_us=7_200_500_000))
    print(i, flush=True)
    store.tend(NOON)
"""


@pytest.mark.slow
def test_ten_kills_while_it_appends_and_sorts_lose_and_repeat_nothing(tmp_path: Path) -> None:
    path, told = tmp_path / "t.duckdb", 0
    chance = random.Random(3)
    for _ in range(10):
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(path), str(told)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(chance.randrange(5, 40))]
        time.sleep(chance.random() * 0.05)  # the kill comes at any point of the work
        process.kill()
        rest, _ = process.communicate(timeout=60)
        lines += [line for line in rest.split("\n") if line.strip()]
        assert len(lines) >= 5, "the writer was alive and got on"
        told += len(lines)
        with duckdb.connect(path) as file:
            found = file.execute(
                "SELECT count(*), count(DISTINCT (signal, measured_at)) FROM telemetry"
            ).fetchall()[0]
        assert found[0] == found[1]
        assert told * 315 <= found[0] <= (told + 1) * 315
        with opened(path) as store:
            for i in (told, 0, told - 1):  # the batch nobody was told of, and two that were
                for batch in (seconds(i * 100, 100), seconds(i * 100, 5, late_us=7_200_500_000)):
                    new = store.append(batch)
                    assert i == told or new == 0
            told += 1
            assert store.count() == told * 315
            newest = store.latest().measured_us
            assert newest.tolist() == seconds(told * 100 - 1, 1).measured_us.tolist()
            got = store.downsample(None, LONG_AGO, FAR_AHEAD, bucket_s=60.0)
            assert same(got, downsample(store.read(None, LONG_AGO, FAR_AHEAD), 60.0))
    late = [seconds(i * 100, 5, late_us=7_200_500_000) for i in range(told)]
    sent = SampleBatch.concat([seconds(0, told * 100), *late])
    with opened(path) as store:
        got = store.read(None, LONG_AGO, FAR_AHEAD)
    assert sorted(got.measured_us.tolist()) == sorted(sent.measured_us.tolist())
