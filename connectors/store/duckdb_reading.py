"""Questions to the DuckDB file; the answers come as numpy columns."""

# ruff: noqa: S608  only numbers and the names of our own tables stand in the SQL

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
import numpy as np
from numpy.typing import NDArray

from connectors.store.duckdb_columns import Columns
from connectors.store.duckdb_layout import HOT, MINUTE_US, floor_sql
from twin.plant.signals import SignalId
from twin.telemetry.samples import Quality, to_us

__all__ = ["Window", "buckets", "count", "newest_hot", "newest_of", "rows", "stored", "window_of"]

_HOUR_US = 3_600_000_000
_LOOK_BACK_US = (5 * MINUTE_US, _HOUR_US, 24 * _HOUR_US, 720 * _HOUR_US, 1 << 62)
_FEW = 64
_FOREVER_US = np.iinfo(np.int64).max
_NEVER_US = np.iinfo(np.int64).min
_ROW = "signal_id, measured_us, {available}, value, text, quality"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which rows: ``start_us <= measured_us < end_us``, of these signals, known by an instant."""

    ids: Sequence[int] | None
    """Numbers of the signals; None for all."""
    start_us: int
    end_us: int
    as_of_us: int | None = None
    worst: int = Quality.BAD

    def where(self, available: str) -> str:
        """The condition in SQL; ``available`` is how the table says when a row was available."""
        parts = [f"measured_us >= {self.start_us}", f"measured_us < {self.end_us}"]
        if self.ids is not None:
            some = ", ".join(map(str, self.ids)) or "NULL"
            # Zone maps answer a short list; a long one is faster as a join.
            parts.append(
                f"signal_id IN ({some})"
                if len(self.ids) <= _FEW
                else f"signal_id IN (SELECT unnest([{some}]))"
            )
        if self.as_of_us is not None:
            parts.append(f"{available} <= {self.as_of_us}")
        if self.worst < Quality.BAD:
            parts.append(f"quality <= {self.worst}")
        return " AND ".join(parts)


def window_of(
    known: dict[SignalId, int],
    signals: Sequence[SignalId] | None,
    start: datetime,
    end: datetime,
    as_of: datetime | None,
    worst: Quality,
) -> Window:
    """The window that a reader asks for; ``known`` are the numbers of the signals it names."""
    return Window(
        ids=None if signals is None else sorted(known.values()),
        start_us=to_us(start),
        end_us=to_us(end),
        as_of_us=None if as_of is None else to_us(as_of),
        worst=int(worst),
    )


def rows(cursor: duckdb.DuckDBPyConnection, window: Window) -> tuple[Columns, Columns | None]:
    """The rows of a window without their texts, in no order, and the texts, where there are any.

    Both are of one instant.
    """
    cursor.execute("BEGIN")
    everything = _everything(window)
    found = cursor.execute(
        "SELECT signal_id, measured_us, available_us, value, quality, text IS NOT NULL AS has_text "
        f"FROM ({everything})"
    ).fetchnumpy()
    texts = None
    if np.asarray(found["has_text"]).any():
        texts = cursor.execute(
            f"SELECT signal_id, measured_us, text FROM ({everything}) WHERE text IS NOT NULL"
        ).fetchnumpy()
    cursor.execute("COMMIT")
    return found, texts


def buckets(cursor: duckdb.DuckDBPyConnection, window: Window, span_us: int) -> Columns:
    """Count, mean, extremes and last number of each signal and bucket, by signal and bucket."""
    inner = _whole_minutes(window) if span_us % MINUTE_US == 0 else None
    cursor.execute("BEGIN")
    if inner and window.as_of_us is not None and _known_later(cursor, inner, window.as_of_us):
        inner = None
    parts = _rolled_up(window, inner, span_us) if inner else [_raw(_everything(window), span_us)]
    found: Columns = cursor.execute(
        "SELECT signal_id, bucket_us, sum(numbers)::BIGINT AS numbers, "
        "sum(total) / sum(numbers) AS mean, min(low) AS low, max(high) AS high, "
        f"arg_max(last, last_us) AS last FROM ({' UNION ALL '.join(parts)}) "
        "GROUP BY signal_id, bucket_us"
    ).fetchnumpy()
    cursor.execute("COMMIT")
    return found


def newest_of(
    cursor: duckdb.DuckDBPyConnection, ids: Sequence[int], as_of_us: int
) -> Iterator[Columns]:
    """The newest rows that were available at an instant; looks back further step by step."""
    left = set(ids)
    cursor.execute("BEGIN")
    for back_us in _LOOK_BACK_US:
        if not left:
            break
        window = Window(
            ids=sorted(left),
            start_us=max(as_of_us - back_us, _NEVER_US),
            end_us=_FOREVER_US,
            as_of_us=as_of_us,
        )
        found = cursor.execute(_newest(_known_then(window))).fetchnumpy()
        left -= set(np.asarray(found["signal_id"]).tolist())
        yield found
    cursor.execute("COMMIT")


def newest_hot(cursor: duckdb.DuckDBPyConnection) -> Columns:
    """The newest row of each signal, out of the hot part and what was noted at the last sealing."""
    tables = " UNION ALL ".join(
        f"SELECT {_ROW.format(available='available_us')} FROM {table}" for table in (*HOT, "newest")
    )
    found: Columns = cursor.execute(_newest(tables)).fetchnumpy()
    return found


def count(cursor: duckdb.DuckDBPyConnection) -> int:
    """Rows stored."""
    return sum(
        int((cursor.execute(f"SELECT count(*) FROM {table}").fetchone() or [0])[0])
        for table in (*HOT, "sealed")
    )


def stored(
    cursor: duckdb.DuckDBPyConnection, ids: NDArray[np.int32], measured_us: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which rows are stored. Shape (n,)"""
    found = np.zeros(len(ids), np.bool_)
    hour = measured_us // _HOUR_US
    cursor.execute("BEGIN")
    for one in np.unique(
        hour
    ).tolist():  # a window for each: a row six hours late opens none of six
        row = np.flatnonzero(hour == one)
        at = measured_us[row]
        asked = {"row": row, "signal_id": ids[row], "measured_us": at}
        first, last = int(at.min()), int(at.max())
        tables = " UNION ALL ".join(
            f"SELECT signal_id, measured_us FROM {table} "
            f"WHERE measured_us >= {first} AND measured_us <= {last}"
            for table in (*HOT, "sealed")
        )
        cursor.register("asked", asked)
        hits = cursor.execute(
            f"SELECT row FROM asked SEMI JOIN ({tables}) USING (signal_id, measured_us)"
        ).fetchnumpy()["row"]
        cursor.unregister("asked")
        found[hits] = True
    cursor.execute("COMMIT")
    return found


def _everything(window: Window) -> str:
    hot = window.where("available_us")
    parts = [f"SELECT {_ROW.format(available='available_us')} FROM {t} WHERE {hot}" for t in HOT]
    return " UNION ALL ".join([*parts, _sealed(window.where("measured_us + lag_us"))])


def _known_then(window: Window) -> str:
    """As ``_everything``; what was measured after ``as_of`` is read only where clocks ran ahead."""
    hot = window.where("available_us")
    sealed = window.where("measured_us + lag_us")
    parts = [f"SELECT {_ROW.format(available='available_us')} FROM {t} WHERE {hot}" for t in HOT]
    then = f"measured_us <= {window.as_of_us}"
    ahead = f"measured_us > {window.as_of_us} AND lag_us < 0"
    sealed_parts = [_sealed(f"{sealed} AND {more}") for more in (then, ahead)]
    return " UNION ALL ".join([*parts, *sealed_parts])


def _sealed(where: str) -> str:
    row = _ROW.format(available="measured_us + lag_us AS available_us")
    return f"SELECT {row} FROM sealed WHERE {where}"


def _newest(tables: str) -> str:
    return (
        f"WITH here AS MATERIALIZED ({tables}) SELECT DISTINCT here.* FROM here JOIN "
        "(SELECT signal_id, max(measured_us) AS measured_us FROM here GROUP BY signal_id) "
        "USING (signal_id, measured_us)"
    )


def _whole_minutes(window: Window) -> Window | None:
    start = -(-window.start_us // MINUTE_US) * MINUTE_US
    end = window.end_us // MINUTE_US * MINUTE_US
    if start >= end:
        return None
    return Window(ids=window.ids, start_us=start, end_us=end)


def _minutes(inner: Window) -> str:
    where = inner.where("available_us").replace("measured_us", "minute_us")
    return f"FROM minutes WHERE {where}"


def _known_later(cursor: duckdb.DuckDBPyConnection, inner: Window, as_of_us: int) -> bool:
    row = cursor.execute(f"SELECT max(available_us) {_minutes(inner)}").fetchone()
    return row is not None and row[0] is not None and int(row[0]) > as_of_us


def _rolled_up(window: Window, inner: Window, span_us: int) -> list[str]:
    hot, sealed = window.where("available_us"), window.where("measured_us + lag_us")
    row = _ROW.format(available="available_us")
    parts = [f"SELECT {row} FROM {table} WHERE {hot}" for table in HOT]
    parts.append(_sealed(f"{sealed} AND NOT in_minutes"))
    if window.start_us < inner.start_us:
        parts.append(_sealed(f"{sealed} AND in_minutes AND measured_us < {inner.start_us}"))
    if window.end_us > inner.end_us:
        parts.append(_sealed(f"{sealed} AND in_minutes AND measured_us >= {inner.end_us}"))
    rolled = (
        f"SELECT signal_id, {floor_sql('minute_us', span_us)} AS bucket_us, numbers, total, low, "
        f"high, last, last_us {_minutes(inner)}"
    )
    return [_raw(" UNION ALL ".join(parts), span_us), rolled]


def _raw(rows: str, span_us: int) -> str:
    return (
        f"SELECT signal_id, {floor_sql('measured_us', span_us)} AS bucket_us, count(*) AS numbers, "
        "sum(value) AS total, min(value) AS low, max(value) AS high, "
        "arg_max(value, measured_us) AS last, max(measured_us) AS last_us "
        f"FROM ({rows}) WHERE value IS NOT NULL AND quality <= 1 GROUP BY ALL"
    )
