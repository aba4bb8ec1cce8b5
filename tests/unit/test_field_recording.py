"""Facts of writing and reading recordings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from connectors.field.recording import read_recording, write_recording
from twin.errors import DataError, NotFoundError, StoreError
from twin.plant import SignalId
from twin.telemetry import Quality, Sample, SampleBatch

A, B = SignalId("s/a/l/u/power"), SignalId("s/a/l/u/order")
AT = datetime(2026, 3, 2, 5, 0, 0, 250, tzinfo=UTC)
LATER = datetime(2026, 3, 2, 5, 0, 1, tzinfo=UTC)
ROWS = """
    ('s/a/l/u/power', 1.5, NULL, {at}, {later}, 0),
    ('s/a/l/u/order', NULL, 'JO-1', {at}, {at}, 0),
    ('s/a/l/u/power', NULL, NULL, {later}, {later}, 2)
"""
SAMPLES = [
    Sample(signal=A, value=1.5, measured_at=AT, available_at=LATER),
    Sample(signal=B, value="JO-1", measured_at=AT, available_at=AT),
    Sample(signal=A, value=None, measured_at=LATER, available_at=LATER, quality=Quality.BAD),
]


def _write(path: Path, query: str) -> Path:
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    return path


@pytest.mark.parametrize(
    ("at", "later"),
    [
        ("TIMESTAMPTZ '2026-03-02 06:00:00.00025+01'", "TIMESTAMPTZ '2026-03-02 06:00:01+01'"),
        ("TIMESTAMP '2026-03-02 05:00:00.00025'", "TIMESTAMP '2026-03-02 05:00:01'"),
        ("1772427600000250", "1772427601000000"),
    ],
)
@pytest.mark.parametrize("rows", [1, 2, 100])
def test_recording_is_read_in_its_order(tmp_path: Path, at: str, later: str, rows: int) -> None:
    names = "signal, value, text, measured_at, available_at, quality"
    query = f"FROM (VALUES {ROWS.format(at=at, later=later)}) AS recording({names})"
    path = _write(tmp_path / "it's one.parquet".replace("'", ""), query)
    batches = list(read_recording(path, rows=rows))
    assert max(map(len, batches)) <= rows
    assert list(SampleBatch.concat(batches).samples()) == SAMPLES


def test_missing_or_foreign_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nothing"):
        list(read_recording(tmp_path / "nothing.parquet"))
    text = tmp_path / "text.parquet"
    text.write_text("hello")
    with pytest.raises(DataError, match="not a recording"):
        list(read_recording(text))
    foreign = _write(tmp_path / "foreign.parquet", "SELECT 1 AS signal, 2 AS value")
    with pytest.raises(DataError, match="measured_at"):
        list(read_recording(foreign))


@pytest.mark.parametrize("name", ["it's.parquet", "one.csv", "one.csv.gz"])
def test_what_is_written_is_read_back_in_its_order(tmp_path: Path, name: str) -> None:
    odd = Sample(
        signal=SignalId("s/a/l/u/note"), value='a "b", c\nd', measured_at=LATER, available_at=LATER
    )
    batches = [SampleBatch.of(SAMPLES), SampleBatch.empty(), SampleBatch.of([odd])]
    assert write_recording(tmp_path / name, batches) == 4
    assert [p.name for p in tmp_path.iterdir()] == [name]
    read = SampleBatch.concat(list(read_recording(tmp_path / name)))
    assert list(read.samples()) == [*SAMPLES, odd]


def test_columns_that_a_foreign_table_lacks_are_filled_in(tmp_path: Path) -> None:
    table = tmp_path / "export.csv"
    table.write_text(
        "measured_at,signal,value\n"
        "2026-03-02T06:00:00.00025+01:00,s/a/l/u/power,1.5\n"
        "2026-03-02T05:00:01Z,s/a/l/u/power,\n"
    )
    read = SampleBatch.concat(list(read_recording(table)))
    assert [(s.value, s.measured_at, s.available_at, s.quality) for s in read.samples()] == [
        (1.5, AT, AT, Quality.GOOD),
        (None, LATER, LATER, Quality.BAD),
    ]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("a,b\n1,2\n", "no column signal"),
        ("signal,value,measured_at\nx,1,noon\n", "measured_at is"),
    ],
)
def test_a_table_that_is_no_recording_says_what_is_wrong(
    tmp_path: Path, content: str, found: str
) -> None:
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(DataError, match=found):
        list(read_recording(tmp_path / "t.csv"))


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ("NULL, 1.0, 5, 5, 0", "row 2 has no signal"),
        ("'b', 1.0, NULL, 5, 0", "row 2 has no measured_at"),
        (f"'b', 1.0, {2**62}, 5, 0", "row 2 has no measured_at between the years 1 and 9999"),
        (f"'b', 1.0, 5, {-(2**62)}, 0", "row 2 has no available_at between the years 1 and 9999"),
        ("'b', 1.0, 5, 5, 7", "row 2 has no quality of 0, 1, 2"),
        ("NULL, 1.0, 5, 5, -1", "row 2 has no signal; row 2 has no quality"),
    ],
)
def test_a_row_that_would_be_another_one_is_refused(tmp_path: Path, row: str, found: str) -> None:
    names = "signal, value, measured_at, available_at, quality"
    query = f"FROM (VALUES ('a', 1.0, 5::BIGINT, 5::BIGINT, 0), ({row})) AS recording({names})"
    with pytest.raises(DataError, match=found):
        list(read_recording(_write(tmp_path / "odd.parquet", query)))


def test_what_a_row_lacks_is_filled_in_and_no_value_is_bad(tmp_path: Path) -> None:
    names = "signal, value, text, measured_at, available_at, quality"
    query = f"""FROM (VALUES ('a', 'nan'::DOUBLE, NULL, 5, NULL, 0), ('b', 1.0, NULL, 6, 7, NULL),
        ('c', NULL, 17, 8, 8, 1)) AS recording({names})"""
    (batch,) = read_recording(_write(tmp_path / "odd.parquet", query))
    assert [(s.value, s.quality) for s in batch.samples()] == [
        (None, Quality.BAD),
        (1.0, Quality.GOOD),
        ("17", Quality.UNCERTAIN),
    ]
    assert batch.available_us.tolist() == [5, 7, 8]


@pytest.mark.parametrize("name", ["r.parquet", "r.csv", "r.csv.gz"])
def test_a_recording_of_nothing_is_read_back_as_nothing(tmp_path: Path, name: str) -> None:
    write_recording(tmp_path / name, [])
    assert list(read_recording(tmp_path / name)) == []


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\.parquet, \.csv or \.csv\.gz"):
        write_recording(tmp_path / "x.json", [])
    with pytest.raises(StoreError, match="cannot be written"):
        write_recording(tmp_path / "no" / "x.csv", [])

    def broken() -> Iterator[SampleBatch]:
        yield SampleBatch.of(SAMPLES)
        raise StoreError("the store went away")

    with pytest.raises(StoreError, match="went away"):
        write_recording(tmp_path / "half.parquet", broken())
    assert list(tmp_path.iterdir()) == []
