"""The embedded historian: one DuckDB file, owned by one process."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from connectors.store.frontier import Frontier, FrontierHistorian, in_order
from twin.errors import StoreError
from twin.plant.signals import SignalId
from twin.telemetry.samples import Quality, SampleBatch, to_us

__all__ = ["DuckdbHistorian"]

_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS signals (signal_id INTEGER NOT NULL, name VARCHAR NOT NULL);
CREATE TABLE IF NOT EXISTS samples (
    signal_id INTEGER NOT NULL,
    measured_us BIGINT NOT NULL,
    available_us BIGINT NOT NULL,
    value DOUBLE,
    text VARCHAR,
    quality TINYINT NOT NULL
);
CREATE VIEW IF NOT EXISTS telemetry AS
    SELECT name AS signal, value, text, make_timestamp(measured_us) AS measured_at,
           make_timestamp(available_us) AS available_at, quality
    FROM samples JOIN signals USING (signal_id);
"""
# A NaN is stored as NULL, so that a person's own avg(value) is a number.
_INSERT_NUMBERS = """
INSERT INTO samples
SELECT signal_id, measured_us, available_us, if(isnan(value), NULL, value), NULL, quality
FROM incoming
"""
_INSERT_TEXTS = """
INSERT INTO samples
SELECT signal_id, measured_us, available_us, if(isnan(value), NULL, value), text, quality
FROM incoming
"""
_STORED = """
SELECT row FROM asked
SEMI JOIN (SELECT signal_id, measured_us FROM samples WHERE measured_us BETWEEN ? AND ?)
USING (signal_id, measured_us)
"""
_ROWS = """
SELECT signal_id, measured_us, available_us, value, quality, text IS NOT NULL AS has_text
FROM samples
WHERE signal_id IN (SELECT unnest($ids))
  AND measured_us >= $start AND measured_us < $end AND available_us <= $as_of AND quality <= $worst
"""
_TEXTS = """
SELECT text
FROM samples
WHERE text IS NOT NULL AND signal_id IN (SELECT unnest($ids))
  AND measured_us >= $start AND measured_us < $end AND available_us <= $as_of AND quality <= $worst
ORDER BY list_position($ids, signal_id), measured_us
"""
_FORGET = """
DELETE FROM samples
USING (SELECT signal_id, max(measured_us) AS newest_us FROM samples GROUP BY signal_id) AS newest
WHERE samples.signal_id = newest.signal_id
  AND samples.measured_us < least(newest.newest_us, ?)
"""
_LATEST = """
SELECT signal_id, measured_us, available_us, value, quality, text
FROM samples JOIN (
    SELECT signal_id, max(measured_us) AS measured_us
    FROM samples
    WHERE signal_id IN (SELECT unnest(?)) AND available_us <= ?
    GROUP BY signal_id
) USING (signal_id, measured_us)
"""
_FOREVER_US = np.iinfo(np.int64).max

_owned: set[Path] = set()
"""Files open in this process: DuckDB would hand a second opener the same database."""
_owned_lock = threading.Lock()


class DuckdbHistorian(FrontierHistorian):
    """Telemetry in one DuckDB file; keeps the promise of ``twin.telemetry.Historian``.

    One process owns the file, and opens it once; its threads may append and read at the same
    time, and a read sees whole batches only. A batch is one transaction: what ``append``
    returned for survives a killed process.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     store = DuckdbHistorian(Path(folder) / "telemetry.duckdb")
        ...     stored = store.append(SampleBatch.empty())
        ...     store.close()
        >>> stored
        0
    """

    def __init__(self, path: Path | str) -> None:
        """Open the file; make it, and its folder, where there is none.

        Raises:
            StoreError: Somebody else has it open, it cannot be written, it is damaged, or a
                newer linetwin wrote it.
        """
        self._path = Path(path)
        self._writing = threading.Lock()
        self._ids: dict[SignalId, int] = {}
        self._closed = False
        with _owned_lock, self._errors("cannot be opened"):
            self._key = self._path.resolve()
            if self._key in _owned:
                raise StoreError(f"{self._path}: already open in this process")
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._root = duckdb.connect(self._path)
            _owned.add(self._key)
        try:
            with self._errors("cannot be opened"):
                self._prepare()
            self._open_frontier()
        except BaseException:
            self.close()
            raise

    def read(
        self,
        signals: Sequence[SignalId] | None,
        start: datetime,
        end: datetime,
        *,
        as_of: datetime | None = None,
        worst: Quality = Quality.BAD,
    ) -> SampleBatch:
        """Samples with ``start <= measured_at < end``; see ``twin.telemetry.Historian.read``.

        Raises:
            StoreError: The file cannot be read.
        """
        known = self._known(signals)
        window = {
            "ids": list(known.values()),
            "start": to_us(start),
            "end": to_us(end),
            "as_of": _FOREVER_US if as_of is None else to_us(as_of),
            "worst": int(worst),
        }
        with self._errors("cannot be read"), self._cursor() as cursor:
            cursor.execute("BEGIN")  # both queries see the same rows
            rows = cursor.execute(_ROWS, window).fetchnumpy()
            texts = cursor.execute(_TEXTS, window).fetchnumpy()["text"]
            cursor.execute("COMMIT")
        batch = in_order(_batch(known, rows, np.asarray(rows["has_text"], np.object_)))
        text = np.full(len(batch), None, np.object_)
        text[batch.text.astype(np.bool_)] = texts
        return replace(batch, text=text)

    def forget(self, before: datetime) -> int:
        """Drop samples measured before an instant, but never the newest of a signal.

        Raises:
            StoreError: Nothing was dropped.
        """
        with self._writing, self._errors("nothing was dropped"), self._cursor() as cursor:
            return _one_int(cursor, _FORGET, [to_us(before)])

    def count(self) -> int:
        """Number of samples stored.

        Raises:
            StoreError: The file cannot be read.
        """
        with self._errors("cannot be read"), self._cursor() as cursor:
            return _one_int(cursor, "SELECT count(*) FROM samples")

    def close(self) -> None:
        """Write everything into the one file and give it back; a second call does nothing."""
        with self._writing:
            if self._closed:
                return
            self._closed = True
            self._root.close()
            with _owned_lock:
                _owned.discard(self._key)

    def _prepare(self) -> None:
        with self._cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(_SCHEMA)
            version = _one_int(cursor, "SELECT coalesce(max(version), 0) FROM schema_version")
            if version > _SCHEMA_VERSION:
                raise StoreError(
                    f"{self._path}: schema {version} was written by a newer linetwin, this one "
                    f"knows {_SCHEMA_VERSION}; upgrade linetwin"
                )
            if version == 0:
                cursor.execute("INSERT INTO schema_version VALUES (?)", [_SCHEMA_VERSION])
            cursor.execute("COMMIT")

    def _load_frontier(self) -> Frontier:
        with self._cursor() as cursor:
            rows = cursor.execute("SELECT name, signal_id FROM signals").fetchall()
        self._ids = {SignalId(name): number for name, number in rows}
        return Frontier(self._latest(self._ids, _FOREVER_US))

    def _newest_by(self, signals: Sequence[SignalId], as_of_us: int) -> SampleBatch:
        return self._latest(self._known(signals), as_of_us)

    def _latest(self, known: dict[SignalId, int], as_of_us: int) -> SampleBatch:
        with self._cursor() as cursor:
            rows = cursor.execute(_LATEST, [list(known.values()), as_of_us]).fetchnumpy()
        column: Any = rows["text"]
        text = np.ma.getdata(column).astype(np.object_)
        text[np.ma.getmaskarray(column)] = None
        return _batch(known, rows, text)

    def _is_stored(self, batch: SampleBatch) -> NDArray[np.bool_]:
        ids = np.array([self._ids.get(name, -1) for name in batch.signals], np.int32)
        asked = {
            "row": np.arange(len(batch)),
            "signal_id": ids[batch.code],
            "measured_us": batch.measured_us,
        }
        window = [int(batch.measured_us.min()), int(batch.measured_us.max())]
        with self._cursor() as cursor:
            cursor.register("asked", asked)
            rows = cursor.execute(_STORED, window).fetchnumpy()["row"]
        stored = np.zeros(len(batch), np.bool_)
        stored[rows] = True
        return stored

    def _write(self, batch: SampleBatch) -> None:
        used = [batch.signals[code] for code in np.unique(batch.code)]
        added = [name for name in used if name not in self._ids]
        ids = self._ids | {name: len(self._ids) + i for i, name in enumerate(added)}
        column = np.array([ids.get(name, -1) for name in batch.signals], np.int32)
        has_text = np.array([text is not None for text in batch.text.tolist()], np.bool_)
        with self._cursor() as cursor:
            cursor.execute("BEGIN")
            if added:
                pairs = [[ids[name], name] for name in added]
                cursor.executemany("INSERT INTO signals VALUES (?, ?)", pairs)
            for statement, rows in ((_INSERT_NUMBERS, ~has_text), (_INSERT_TEXTS, has_text)):
                if rows.any():
                    cursor.register("incoming", _columns(batch.take(rows), column))
                    cursor.execute(statement)
                    cursor.unregister("incoming")
            cursor.execute("COMMIT")
        self._ids = ids

    def _known(self, signals: Sequence[SignalId] | None) -> dict[SignalId, int]:
        """The numbers of these signals, by name."""
        ids = self._ids
        names = ids if signals is None else ids.keys() & signals
        return {name: ids[name] for name in sorted(names)}

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of its own for this call; what it did not commit is undone."""
        cursor = self._root.cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        if self._closed:
            raise StoreError(f"{self._path}: {what}: the historian is closed")
        try:
            yield
        except (duckdb.Error, OSError) as e:
            line = str(e).splitlines()[0] if str(e) else type(e).__name__
            if "Could not set lock" in line:
                what, line = "in use by another process", line.partition("Conflicting ")[2]
            raise StoreError(f"{self._path}: {what}: {line}") from e


def _columns(batch: SampleBatch, ids: NDArray[np.int32]) -> dict[str, NDArray[Any]]:
    return {
        "signal_id": ids[batch.code],
        "measured_us": np.ascontiguousarray(batch.measured_us, np.int64),
        "available_us": np.ascontiguousarray(batch.available_us, np.int64),
        "value": np.ascontiguousarray(batch.value, np.float64),
        "text": batch.text,
        "quality": np.ascontiguousarray(batch.quality, np.int8),
    }


def _batch(
    known: dict[SignalId, int], rows: dict[str, Any], text: NDArray[np.object_]
) -> SampleBatch:
    code = np.zeros(max(known.values(), default=0) + 1, np.int32)
    code[list(known.values())] = np.arange(len(known))
    return SampleBatch(
        signals=tuple(known),
        code=code[np.asarray(rows["signal_id"], np.int32)],
        value=np.asarray(np.ma.filled(rows["value"], np.nan), np.float64),
        text=text,
        measured_us=np.asarray(rows["measured_us"], np.int64),
        available_us=np.asarray(rows["available_us"], np.int64),
        quality=np.asarray(rows["quality"], np.int8),
    )


def _one_int(cursor: duckdb.DuckDBPyConnection, query: str, given: Sequence[int] = ()) -> int:
    row = cursor.execute(query, given).fetchone()
    return int(row[0]) if row else 0
