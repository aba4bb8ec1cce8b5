"""Recordings: telemetry in a Parquet or CSV file, written and read back in batches."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from twin.errors import DataError, NotFoundError, StoreError
from twin.plant import SignalId
from twin.telemetry import SampleBatch, to_us

__all__ = ["check_name", "read_recording", "write_recording", "write_stored"]

_COLUMNS = ("signal", "value", "text", "measured_at", "available_at", "quality")
_NEEDED = ("signal", "value", "measured_at")
_FIRST_US = to_us(datetime.min.replace(tzinfo=UTC))
_LAST_US = to_us(datetime.max.replace(tzinfo=UTC))
"""A calendar knows no other times."""
_TABLE = """
CREATE TABLE recorded (
    signal VARCHAR, value DOUBLE, text VARCHAR, measured_us BIGINT, available_us BIGINT, quality TINYINT
)
"""
_INSERT = """
INSERT INTO recorded
SELECT names.name, if(isnan(value), NULL, value), text, measured_us, available_us, quality
FROM incoming JOIN names USING (code) ORDER BY row
"""
_INSTANT = "strftime(make_timestamp({0}), '%Y-%m-%dT%H:%M:%S.%fZ')"
_FORMATS = {
    ".parquet": ("make_timestamp({0})", "FORMAT parquet, COMPRESSION zstd"),
    ".csv": (_INSTANT, "FORMAT csv, HEADER"),
    ".gz": (_INSTANT, "FORMAT csv, HEADER, COMPRESSION gzip"),
}


def check_name(path: Path) -> None:
    """The name of a file says how it is to be written.

    Raises:
        DataError: It does not.
    """
    _format(path)


def write_recording(path: Path, batches: Iterable[SampleBatch]) -> int:
    """Write samples into a file, in their order; it is there whole or not at all.

    Args:
        path: ``.parquet``, ``.csv`` or ``.csv.gz``.
        batches: Times become UTC timestamps, without zone in Parquet, with ``Z`` in CSV.

    Returns:
        How many samples it holds.

    Raises:
        DataError: The name of the file says no format.
        StoreError: It cannot be written.
    """
    instant, options = _format(path)
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            fresh = Path(folder) / path.name
            with duckdb.connect(Path(folder) / "recorded.duckdb") as connection:
                connection.execute(_TABLE)
                rows = sum(_insert(connection, batch) for batch in batches)
                connection.execute(
                    f"COPY (SELECT signal, value, text, {instant.format('measured_us')} AS measured_at, "  # noqa: S608
                    f"{instant.format('available_us')} AS available_at, quality FROM recorded) "
                    f"TO '{_quoted(fresh)}' ({options})"
                )
            fresh.replace(path)
    except (OSError, duckdb.Error) as e:
        raise StoreError(f"{path} cannot be written: {str(e).splitlines()[0]}") from e
    return rows


def write_stored(path: Path, database: Path) -> int:
    """Write the samples of a DuckDB historian that nobody has open, by time; see ``write_recording``.

    Raises:
        DataError: The name of the file says no format.
        StoreError: It cannot be written, or the historian cannot be read.
    """
    instant, options = _format(path)
    columns = f"{instant.format('epoch_us(measured_at)')} AS measured_at, {instant.format('epoch_us(available_at)')} AS available_at"
    fresh = path.with_name(f".{path.name}.new")
    try:
        with duckdb.connect(database, read_only=True) as connection:
            done = connection.execute(
                f"COPY (SELECT signal, value, text, {columns}, quality FROM telemetry "  # noqa: S608
                f"ORDER BY telemetry.measured_at, signal) TO '{_quoted(fresh)}' ({options})"
            ).fetchone()
        fresh.replace(path)
    except (OSError, duckdb.Error) as e:
        raise StoreError(f"{path} cannot be written: {str(e).splitlines()[0]}") from e
    finally:
        fresh.unlink(missing_ok=True)
    return int(done[0]) if done else 0


def read_recording(path: Path | str, rows: int = 250_000) -> Iterator[SampleBatch]:
    """The samples of a recording, in the order of the file.

    Args:
        path: Parquet or CSV with the columns ``signal`` (text), ``value`` (number) and
            ``measured_at`` (timestamps in UTC or with their offset, or integer microseconds since
            1970), and where they are known ``text``, ``available_at`` (else as measured) and
            ``quality`` (0 good, 1 uncertain, 2 bad; else 0). A row without a value is bad.
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
            with _as_parquet(connection, path) as parquet:
                yield from _batches(connection, parquet, rows)
        except (duckdb.Error, DataError) as e:
            raise DataError(f"{path} is not a recording: {str(e).splitlines()[0]}") from e


def _batches(connection: duckdb.DuckDBPyConnection, path: Path, rows: int) -> Iterator[SampleBatch]:
    query = _prepare(connection, path)
    if query is None:
        return
    listed = connection.execute("SELECT unnest(enum_range(NULL::signal_name))").fetchall()
    names = tuple(SignalId(name) for (name,) in listed)
    start = 0
    while True:
        columns = connection.execute(query, [str(path), start, start + rows]).fetchnumpy()
        if not len(columns["code"]):
            return
        yield _batch(names, columns)
        start += rows


@contextmanager
def _as_parquet(connection: duckdb.DuckDBPyConnection, path: Path) -> Iterator[Path]:
    """The file, or what is in the CSV file: Parquet knows its types and where a row is."""
    if path.suffix not in (".csv", ".gz"):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="linetwin-") as folder:
        parquet = Path(folder) / "recording.parquet"
        found = connection.execute(
            "SELECT columns FROM sniff_csv(?, sample_size = 100_000)", [str(path)]
        ).fetchone()
        names = [column["name"] for column in found[0]] if found else []
        types = {"signal": "VARCHAR", "value": "DOUBLE", "text": "VARCHAR", "quality": "TINYINT"}
        given = ", ".join(f"'{n}': '{kind}'" for n, kind in types.items() if n in names)
        connection.execute(
            f"COPY (SELECT * FROM read_csv('{_quoted(path)}', header = true, types = {{{given}}})) "  # noqa: S608
            f"TO '{_quoted(parquet)}' (FORMAT parquet)"
        )
        yield parquet


def _insert(connection: duckdb.DuckDBPyConnection, batch: SampleBatch) -> int:
    if not len(batch):
        return 0
    connection.register(
        "names",
        {
            "code": np.arange(len(batch.signals)),
            "name": np.array(batch.signals, np.object_),
        },
    )
    connection.register(
        "incoming",
        {
            "row": np.arange(len(batch)),
            "code": batch.code,
            "value": batch.value,
            "text": batch.text,
            "measured_us": batch.measured_us,
            "available_us": batch.available_us,
            "quality": batch.quality,
        },
    )
    connection.execute(_INSERT)
    return len(batch)


def _prepare(connection: duckdb.DuckDBPyConnection, path: Path) -> str | None:
    """Declare the signal names as an ENUM.

    Returns:
        The query of rows from ? to ? of the file ?; None where there are none.
    """
    described = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
    types = {name: kind for name, kind, *_ in described}
    if absent := [name for name in _NEEDED if name not in types]:
        raise DataError(f"it has no column {', '.join(absent)}")
    if not connection.execute("FROM read_parquet(?) LIMIT 1", [str(path)]).fetchall():
        return None
    measured = _as_us("measured_at", types)
    available = measured
    if "available_at" in types:
        available = f"coalesce({_as_us('available_at', types)}, {measured})"
    _refuse(connection, path, measured, available, "quality" in types)
    names = f"SELECT DISTINCT signal FROM read_parquet('{_quoted(path)}') ORDER BY signal"  # noqa: S608 - no parameters in DDL
    connection.execute(f"CREATE TYPE signal_name AS ENUM ({names})")
    value = "if(isnan(value::DOUBLE), NULL, value::DOUBLE)"
    text = "text::VARCHAR" if "text" in types else "NULL::VARCHAR"
    quality = "coalesce(quality, 0)" if "quality" in types else "0"
    return f"""
        SELECT enum_code(signal::signal_name)::INTEGER AS code, {value} AS value,
            {text} AS text, {measured}::BIGINT AS measured_us, {available}::BIGINT AS available_us,
            if({value} IS NULL AND {text} IS NULL, 2, {quality})::TINYINT AS quality
        FROM read_parquet(?, file_row_number = true)
        WHERE file_row_number >= ? AND file_row_number < ?
        """  # noqa: S608 - the names are our own


def _refuse(
    connection: duckdb.DuckDBPyConnection, path: Path, measured: str, available: str, rated: bool
) -> None:
    """What would be read as something else, or not be read back from a store.

    Raises:
        DataError: There is such a row.
    """
    years = "between the years 1 and 9999"
    wrong = {
        "signal": "signal IS NULL",
        f"measured_at {years}": f"coalesce({measured} NOT BETWEEN {_FIRST_US} AND {_LAST_US}, true)",
        f"available_at {years}": f"{available} NOT BETWEEN {_FIRST_US} AND {_LAST_US}",
        "quality of 0, 1, 2": "quality NOT BETWEEN 0 AND 2" if rated else "false",
    }
    first = ", ".join(f"min(file_row_number) FILTER ({condition})" for condition in wrong.values())
    query = f"SELECT {first} FROM read_parquet(?, file_row_number = true)"  # noqa: S608
    rows = connection.execute(query, [str(path)]).fetchone() or ()
    faults = [
        f"row {row + 1} has no {what}"
        for what, row in zip(wrong, rows, strict=True)
        if row is not None
    ]
    if faults:
        raise DataError("; ".join(faults))


def _as_us(name: str, types: dict[str, str]) -> str:
    kind = types[name]
    if kind.startswith("TIMESTAMP"):
        return f"epoch_us({name})"
    if "INT" in kind:
        return name
    raise DataError(f"{name} is {kind}; use timestamps, or whole microseconds since 1970")


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


def _format(path: Path) -> tuple[str, str]:
    if path.suffix == ".gz" and path.suffixes[-2:-1] != [".csv"]:
        raise DataError(f"{path.name}: name it .parquet, .csv or .csv.gz")
    try:
        return _FORMATS[path.suffix]
    except KeyError:
        raise DataError(f"{path.name}: name it .parquet, .csv or .csv.gz") from None


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
