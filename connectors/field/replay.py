"""Recordings: telemetry in a Parquet file, read back in batches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from twin.errors import DataError, NotFoundError
from twin.plant import SignalId
from twin.telemetry import SampleBatch

__all__ = ["read_recording"]

_COLUMNS = ("signal", "value", "text", "measured_at", "available_at", "quality")


def read_recording(path: Path | str, rows: int = 250_000) -> Iterator[SampleBatch]:
    """The samples of a recording, in the order of the file.

    Args:
        path: Parquet with the columns ``signal`` (text), ``value`` (number), ``text``,
            ``measured_at`` and ``available_at`` (timestamps in UTC, or integer microseconds
            since 1970), ``quality`` (0 good, 1 uncertain, 2 bad).
        rows: Most rows in a batch.

    Raises:
        NotFoundError: There is no such file.
        DataError: The file is not such a recording.
    """
    path = Path(path)
    if not path.is_file():
        raise NotFoundError(f"no recording at {path}")
    with duckdb.connect(":memory:") as connection:
        try:
            query = _prepare(connection, path)
            names = tuple(
                SignalId(name)
                for (name,) in connection.execute(
                    "SELECT unnest(enum_range(NULL::signal_name))"
                ).fetchall()
            )
            start = 0
            while True:
                columns = connection.execute(query, [str(path), start, start + rows]).fetchnumpy()
                if not len(columns["code"]):
                    return
                yield _batch(names, columns)
                start += rows
        except duckdb.Error as e:
            raise DataError(f"{path} is not a recording: {str(e).splitlines()[0]}") from e


def _prepare(connection: duckdb.DuckDBPyConnection, path: Path) -> str:
    """Declare the signal names as an ENUM; returns the query of rows from ? to ? of the file ?."""
    described = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
    types = {name: kind for name, kind, *_ in described}
    if absent := [name for name in _COLUMNS if name not in types]:
        raise DataError(f"{path} is not a recording: it has no column {', '.join(absent)}")
    quoted = str(path).replace("'", "''")
    names = f"SELECT DISTINCT signal FROM read_parquet('{quoted}') ORDER BY signal"  # noqa: S608 - no parameters in DDL
    connection.execute(f"CREATE TYPE signal_name AS ENUM ({names})")
    measured, available = (_as_us(name, types[name]) for name in ("measured_at", "available_at"))
    return f"""
        SELECT enum_code(signal::signal_name)::INTEGER AS code, value::DOUBLE AS value,
            text, {measured}::BIGINT AS measured_us, {available}::BIGINT AS available_us,
            quality::TINYINT AS quality
        FROM read_parquet(?, file_row_number = true)
        WHERE file_row_number >= ? AND file_row_number < ?
        """  # noqa: S608 - the names are our own


def _as_us(name: str, kind: str) -> str:
    return f"epoch_us({name})" if kind.startswith("TIMESTAMP") else name


def _batch(names: tuple[SignalId, ...], columns: dict[str, Any]) -> SampleBatch:
    return SampleBatch(
        signals=names,
        code=_plain(columns["code"], np.int32, -1),
        value=_plain(columns["value"], np.float64, np.nan),
        text=_plain(columns["text"], np.object_, None),
        measured_us=_plain(columns["measured_us"], np.int64, 0),
        available_us=_plain(columns["available_us"], np.int64, 0),
        quality=_plain(columns["quality"], np.int8, 2),
    )


def _plain(column: Any, dtype: type[Any], missing: object) -> NDArray[Any]:
    """A column without mask; DuckDB masks NULL."""
    mask = np.ma.getmaskarray(column)
    plain = np.asarray(np.ma.getdata(column)).astype(dtype)
    if mask.any():
        plain[mask] = missing
    return plain
