"""How telemetry lies in the DuckDB file: what arrives, what is sorted, and how one becomes the other.

``hot_0`` and ``hot_1`` take rows in arrival order, one at a time; a full one is sorted into
``sealed`` while the other takes over. ``minutes`` adds up the sealed rows that stand densely,
``newest`` spares a look through everything when the file is opened.
"""

# ruff: noqa: S608  only numbers and the names of our own tables stand in the SQL

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from twin.errors import StoreError

__all__ = ["HOT", "MINUTE_US", "SCHEMA_VERSION", "drop_before", "floor_sql", "prepare", "seal"]

SCHEMA_VERSION = 2
HOT = ("hot_0", "hot_1")
MINUTE_US = 60_000_000
_HOUR_US = 3_600_000_000
_DENSE = 30
"""Numbers a minute, on average over an hour, from which on the minutes are worth their room."""
_ROWS_A_STEP = 2_000_000
_COLUMNS = """(
    signal_id INTEGER NOT NULL,
    measured_us BIGINT NOT NULL,
    available_us BIGINT NOT NULL,
    value DOUBLE,
    text VARCHAR,
    quality TINYINT NOT NULL
)"""
# The delay instead of the instant: it is small, so it takes a third of the room.
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS signals (signal_id INTEGER NOT NULL, name VARCHAR NOT NULL);
CREATE TABLE hot_0 {_COLUMNS};
CREATE TABLE hot_1 {_COLUMNS};
CREATE TABLE newest {_COLUMNS};
CREATE TABLE sealed (
    signal_id INTEGER NOT NULL,
    measured_us BIGINT NOT NULL,
    lag_us BIGINT NOT NULL,
    value DOUBLE,
    text VARCHAR,
    quality TINYINT NOT NULL,
    in_minutes BOOLEAN NOT NULL
);
CREATE TABLE minutes (
    signal_id INTEGER NOT NULL,
    minute_us BIGINT NOT NULL,
    numbers BIGINT NOT NULL,
    total DOUBLE NOT NULL,
    low DOUBLE NOT NULL,
    high DOUBLE NOT NULL,
    last DOUBLE NOT NULL,
    last_us BIGINT NOT NULL,
    available_us BIGINT NOT NULL
);
CREATE OR REPLACE VIEW telemetry AS
    SELECT name AS signal, value, text, make_timestamp(measured_us) AS measured_at,
           make_timestamp(available_us) AS available_at, quality
    FROM (
        SELECT signal_id, measured_us, available_us, value, text, quality FROM hot_0
        UNION ALL
        SELECT signal_id, measured_us, available_us, value, text, quality FROM hot_1
        UNION ALL
        SELECT signal_id, measured_us, measured_us + lag_us, value, text, quality FROM sealed
    ) JOIN signals USING (signal_id);
"""


def floor_sql(column: str, span_us: int) -> str:
    """SQL for the start of the span that a time lies in, before 1970 too."""
    return f"({column} - (({column} % {span_us}) + {span_us}) % {span_us})"


def prepare(cursor: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Make what is missing; bring a file of schema 1 into this layout.

    Raises:
        StoreError: A newer linetwin wrote the file.
    """
    cursor.execute("BEGIN")
    cursor.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")
    version = _one(cursor, "SELECT coalesce(max(version), 0) FROM schema_version")
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{path}: schema {version} was written by a newer linetwin, this one knows "
            f"{SCHEMA_VERSION}; upgrade linetwin"
        )
    if version < SCHEMA_VERSION:
        cursor.execute(_SCHEMA)
        cursor.execute("DELETE FROM schema_version")
        cursor.execute("INSERT INTO schema_version VALUES (?)", [SCHEMA_VERSION])
    if version == 1:
        _take_over_schema_1(cursor)
    cursor.execute("COMMIT")


def _take_over_schema_1(cursor: duckdb.DuckDBPyConnection) -> None:
    rows = _one(cursor, "SELECT coalesce(max(rowid) + 1, 0) FROM samples")
    for first in range(0, rows, _ROWS_A_STEP):
        window = f"rowid >= {first} AND rowid < {first + _ROWS_A_STEP}"
        _sort_in(cursor, f"(FROM samples WHERE {window})")
    cursor.execute(
        "INSERT INTO newest SELECT samples.* FROM samples JOIN (SELECT signal_id, "
        "max(measured_us) AS measured_us FROM samples GROUP BY signal_id) "
        "USING (signal_id, measured_us)"
    )
    cursor.execute("DROP TABLE samples")


def seal(cursor: duckdb.DuckDBPyConnection, hot: str, newest: dict[str, Any]) -> None:
    """Sort the rows of a hot table into the sealed ones and leave it empty, in one transaction.

    Args:
        cursor: Of the open file.
        hot: One of ``HOT``; nobody appends to it meanwhile.
        newest: Columns of the newest stored row of each signal.
    """
    cursor.execute("BEGIN")
    _sort_in(cursor, hot)
    cursor.execute("DELETE FROM newest")
    cursor.register("front", newest)
    cursor.execute(
        "INSERT INTO newest SELECT signal_id, measured_us, available_us, "
        "if(isnan(value), NULL, value), text, quality FROM front"
    )
    cursor.unregister("front")
    cursor.execute(f"DROP TABLE {hot}")  # unlike DELETE it costs nothing for each row
    cursor.execute(f"CREATE TABLE {hot} {_COLUMNS}")
    cursor.execute("COMMIT")


def drop_before(cursor: duckdb.DuckDBPyConnection, before_us: int, newest: dict[str, Any]) -> int:
    """Drop rows measured before an instant, except the newest of a signal; in one transaction.

    Args:
        cursor: Of the open file.
        before_us: Microseconds since 1970.
        newest: Columns of the newest stored row of each signal.

    Returns:
        How many were dropped.
    """
    cursor.execute("BEGIN")
    cursor.register("front", {name: newest[name] for name in ("signal_id", "measured_us")})
    cursor.execute(
        "CREATE OR REPLACE TEMP TABLE kept AS SELECT signal_id, measured_us FROM front "
        f"WHERE measured_us < {before_us}"
    )
    cursor.unregister("front")
    dropped = sum(
        _one(
            cursor,
            f"DELETE FROM {table} WHERE measured_us < {before_us} "
            "AND (signal_id, measured_us) NOT IN (SELECT (signal_id, measured_us) FROM kept)",
        )
        for table in (*HOT, "sealed")
    )
    if dropped:
        until = before_us // MINUTE_US * MINUTE_US + MINUTE_US
        cursor.execute(f"DELETE FROM minutes WHERE minute_us < {until}")
        left = f"(FROM sealed WHERE in_minutes AND measured_us < {until})"
        cursor.execute(f"INSERT INTO minutes {_by_minute(left, 'measured_us + lag_us')}")
    cursor.execute("DROP TABLE kept")
    cursor.execute("COMMIT")
    return dropped


def _sort_in(cursor: duckdb.DuckDBPyConnection, rows: str) -> None:
    """Copy rows into ``sealed``, by hour, signal and time, and the dense ones into ``minutes``."""
    hour = floor_sql("measured_us", _HOUR_US)
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE run AS {_by_minute(rows, 'available_us')};"
        "CREATE OR REPLACE TEMP TABLE dense AS "
        f"SELECT signal_id, {floor_sql('minute_us', _HOUR_US)} AS hour_us FROM run "
        f"GROUP BY ALL HAVING sum(numbers) >= {_DENSE} * count(*);"
        "INSERT INTO minutes SELECT run.* FROM run JOIN dense ON run.signal_id = dense.signal_id "
        f"AND {floor_sql('minute_us', _HOUR_US)} = hour_us ORDER BY hour_us, run.signal_id, minute_us;"
        "INSERT INTO sealed SELECT r.signal_id, measured_us, available_us - measured_us, value, "
        "text, quality, dense.signal_id IS NOT NULL "
        f"FROM (SELECT *, {hour} AS hour_us FROM {rows}) AS r LEFT JOIN dense "
        "ON r.signal_id = dense.signal_id AND r.hour_us = dense.hour_us "
        # By hour, then signal, in one number: that sorts faster than two.
        f"ORDER BY r.hour_us // {_HOUR_US} * 4294967296 + r.signal_id, measured_us;"
        "DROP TABLE run; DROP TABLE dense"
    )


def _by_minute(rows: str, available: str) -> str:
    minute = floor_sql("measured_us", MINUTE_US)
    return (
        f"SELECT signal_id, {minute} AS minute_us, count(*) AS numbers, sum(value) AS total, "
        "min(value) AS low, max(value) AS high, arg_max(value, measured_us) AS last, "
        f"max(measured_us) AS last_us, max({available}) AS available_us "
        f"FROM {rows} WHERE value IS NOT NULL AND quality <= 1 GROUP BY ALL"
    )


def _one(cursor: duckdb.DuckDBPyConnection, query: str) -> int:
    row = cursor.execute(query).fetchone()
    return int(row[0]) if row else 0
