"""Facts of reading a recording."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from connectors.field.replay import read_recording
from twin.errors import DataError, NotFoundError
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
