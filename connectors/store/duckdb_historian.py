"""The embedded historian: one DuckDB file, owned by one process."""

# ruff: noqa: S608  only numbers and the names of our own tables stand in the SQL

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from connectors.store import duckdb_reading as reading
from connectors.store.duckdb_appending import Appender
from connectors.store.duckdb_columns import (
    texts_in_order,
    texts_of,
    to_batch,
    to_columns,
    to_downsampled,
)
from connectors.store.duckdb_layout import HOT, drop_before, prepare, seal
from connectors.store.frontier import Frontier, FrontierHistorian, in_order
from twin.errors import StoreError
from twin.plant.signals import SignalId
from twin.telemetry.downsample import Downsampled, span_us
from twin.telemetry.samples import Quality, SampleBatch, from_us, to_us

__all__ = ["DuckdbHistorian"]

_MEMORY = "128MB"
_LOG_SIZE = "256MB"
"""What DuckDB may keep in its log: room for the hot part, which is so never written twice."""
_REST = timedelta(hours=1)
"""Age at which the hot part is sorted however small."""

_owned: set[Path] = set()
"""Files open in this process: DuckDB would hand a second opener the same database."""
_owned_lock = threading.Lock()


class DuckdbHistorian(FrontierHistorian):
    """Telemetry in one DuckDB file; keeps the promise of ``twin.telemetry.Historian``.

    One process owns the file, and opens it once; its threads may append and read at the same
    time, and a read sees whole batches only. A batch is one transaction: what ``append``
    returned for survives a killed process. The owner calls ``tend`` about every minute.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     store = DuckdbHistorian(Path(folder) / "telemetry.duckdb")
        ...     stored = store.append(SampleBatch.empty())
        ...     store.close()
        >>> stored
        0
    """

    _root: duckdb.DuckDBPyConnection
    _appender: Appender

    def __init__(
        self, path: Path | str, *, keep: timedelta | None = None, hot_rows: int = 1_000_000
    ) -> None:
        """Open the file; make it, and its folder, where there is none.

        Args:
            path: Of the file.
            keep: How long samples stay, by measured_at, before ``tend`` drops them, an hour at
                a time, counted from the newest samples when the clock is ahead of them; None for
                ever.
            hot_rows: How many rows in arrival order are worth sorting; the ``append`` that
                reaches them does it, in about half a second for a million.

        Raises:
            StoreError: Somebody else has it open, it cannot be written, it is damaged, or a
                newer linetwin wrote it.
        """
        self._path, self._keep, self._full = Path(path), keep, hot_rows
        self._writing = threading.Lock()
        self._opening = threading.Lock()
        self._tending = threading.Lock()
        """Taken before ``_writing``: one sealing or dropping at a time, while rows arrive."""
        self._ids: dict[SignalId, int] = {}
        self._numbers: tuple[tuple[SignalId, ...], NDArray[np.int32]] | None = None
        self._active = 0
        self._hot_rows = [0, 0]
        self._hot_since: datetime | None = None
        self._dropped: datetime | None = None
        self._closed = self._broken = False
        with _owned_lock, self._errors("cannot be opened"):
            self._key = self._path.resolve()
            if self._key in _owned:
                raise StoreError(f"{self._path}: already open in this process")
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._connect()
            _owned.add(self._key)
        try:
            with self._errors("cannot be opened"), self._cursor() as cursor:
                prepare(cursor, self._path)
            self._open_frontier()
            self._active = int(not self._hot_rows[0])
        except BaseException:
            self.close()
            raise

    def append(self, batch: SampleBatch) -> int:
        """Store samples; return how many were new.

        Raises:
            StoreError: Nothing of the batch was stored; it may be tried again.
        """
        stored = super().append(batch)
        if self._hot_rows[self._active] >= self._full and self._tending.acquire(blocking=False):
            try:
                self._seal()
            except StoreError:
                pass  # the batch is stored; the next tend says what is wrong
            finally:
                self._tending.release()
        return stored

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
        window = reading.window_of(known, signals, start, end, as_of, worst)
        with self._errors("cannot be read"), self._cursor() as cursor:
            rows, texts = reading.rows(cursor, window)
        known = known if signals is not None else self._known(None)  # some may be new
        nothing = np.full(len(rows["signal_id"]), None, np.object_)
        if texts is None:
            return in_order(to_batch(known, rows, nothing))
        batch = in_order(to_batch(known, rows, np.asarray(rows["has_text"], np.object_)))
        text = nothing
        text[batch.text.astype(np.bool_)] = texts_in_order(known, texts)
        return replace(batch, text=text)

    def downsample(
        self,
        signals: Sequence[SignalId] | None,
        start: datetime,
        end: datetime,
        *,
        bucket_s: float,
        as_of: datetime | None = None,
    ) -> Downsampled:
        """What buckets of one length hold; see ``twin.telemetry.Historian.downsample``.

        Raises:
            DataError: The bucket is shorter than a microsecond.
            StoreError: The file cannot be read.
        """
        span = span_us(bucket_s)
        known = self._known(signals)
        window = reading.window_of(known, signals, start, end, as_of, Quality.UNCERTAIN)
        with self._errors("cannot be read"), self._cursor() as cursor:
            found = reading.buckets(cursor, window, span)
        known = known if signals is not None else self._known(None)  # some may be new
        return to_downsampled(known, found)

    def forget(self, before: datetime) -> int:
        """Drop samples measured before an instant, but never the newest of a signal.

        Raises:
            StoreError: Nothing was dropped.
        """
        with self._tending, self._errors("nothing was dropped"):
            return self._forget(to_us(before))

    def tend(self, now: datetime) -> None:
        """Keep the file in order: sort what has arrived, drop what is older than its keep.

        Call it about every minute. It takes well under a second, more only when much is dropped
        at once; other threads append and read meanwhile. It may be killed at any instant.

        Args:
            now: Aware.

        Raises:
            StoreError: Not everything was done; the rows are as they were, the next call tries
                again.
        """
        with self._tending:
            with self._errors("not tended"):
                self._drop_old(now)
            if self._hot_since is None and any(self._hot_rows):
                self._hot_since = now
            rested = self._hot_since is not None and now - self._hot_since >= _REST
            if rested or self._hot_rows[1 - self._active]:
                self._seal()

    def count(self) -> int:
        """Number of samples stored.

        Raises:
            StoreError: The file cannot be read.
        """
        with self._errors("cannot be read"), self._cursor() as cursor:
            return reading.count(cursor)

    def close(self) -> None:
        """Write everything into the one file and give it back; a second call does nothing."""
        with self._tending, self._writing:
            if self._closed:
                return
            self._closed = True
            self._appender.close()
            self._root.close()
            with _owned_lock:
                _owned.discard(self._key)

    def _seal(self) -> None:
        """Sort one half of the hot part; the other half takes what arrives meanwhile."""
        with self._errors("not sorted"), self._cursor() as cursor:
            with self._writing:
                newest = self._newest_columns()
                if not self._hot_rows[1 - self._active]:  # else an earlier try did not end
                    self._active = 1 - self._active
                    self._hot_since = None
            seal(cursor, HOT[1 - self._active], newest)
            self._hot_rows[1 - self._active] = 0
            self._checkpoint(cursor)

    def _drop_old(self, now: datetime) -> None:
        if self._keep is None:
            return
        newest = self._frontier.latest(None, None)[0].measured_us
        if not len(newest):
            return
        # A clock that jumps ahead, ours or one device's, must not empty the store.
        now = min(now, from_us(int(np.median(newest))))
        before = (now - self._keep).replace(minute=0, second=0, microsecond=0)
        if self._dropped is None or self._dropped < before:
            self._forget(to_us(before))
            self._dropped = before

    def _forget(self, before_us: int) -> int:
        with self._cursor() as cursor:
            with self._writing:
                newest = self._newest_columns()
            dropped = drop_before(cursor, before_us, newest)
            if dropped:
                self._checkpoint(cursor)
        return dropped

    def _newest_columns(self) -> dict[str, NDArray[Any]]:
        """The newest stored row of each signal; only while nobody writes."""
        if not self._certain:
            self._frontier, self._certain = self._load_frontier(), True
        newest, _ = self._frontier.latest(None, None)
        return to_columns(newest, np.array([self._ids[name] for name in newest.signals], np.int32))

    def _checkpoint(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Empty the log into the file and give back room that dropped rows took."""
        with self._writing:
            try:
                cursor.execute("CHECKPOINT")
            except duckdb.TransactionException:
                return  # somebody reads; the log is emptied another time

    def _load_frontier(self) -> Frontier:
        with self._cursor() as cursor:
            rows = cursor.execute("SELECT name, signal_id FROM signals").fetchall()
            newest = reading.newest_hot(cursor)
            for i, table in enumerate(HOT):
                found = cursor.execute(f"SELECT count(*) FROM {table}").fetchone()
                self._hot_rows[i] = found[0] if found else 0
        self._ids, self._numbers = {SignalId(name): number for name, number in rows}, None
        return Frontier(to_batch(self._ids, newest, texts_of(newest["text"])))

    def _newest_by(self, signals: Sequence[SignalId], as_of_us: int) -> SampleBatch:
        known = self._known(signals)
        with self._cursor() as cursor:
            found = list(reading.newest_of(cursor, list(known.values()), as_of_us))
        return SampleBatch.concat([to_batch(known, rows, texts_of(rows["text"])) for rows in found])

    def _is_stored(self, batch: SampleBatch) -> NDArray[np.bool_]:
        ids = self._numbers_of(batch.signals)[batch.code]
        with self._cursor() as cursor:
            return reading.stored(cursor, ids, batch.measured_us)

    def _write(self, batch: SampleBatch) -> None:
        numbers = self._numbers_of(batch.signals)
        added: list[SignalId] = []
        if (numbers < 0).any():
            used = [batch.signals[code] for code in np.unique(batch.code).tolist()]
            added = [name for name in used if name not in self._ids]
        ids = self._ids
        if added:
            ids = ids | {name: len(ids) + i for i, name in enumerate(added)}
            numbers = np.array([ids.get(name, -1) for name in batch.signals], np.int32)
        self._ids = ids  # first: whoever reads the rows finds the names
        new = [(ids[name], name) for name in added]
        self._appender.insert(HOT[self._active], batch, numbers, new)
        self._hot_rows[self._active] += len(batch)

    def _numbers_of(self, names: tuple[SignalId, ...]) -> NDArray[np.int32]:
        """The number of each name; -1 where nothing of it is stored."""
        if self._numbers is None or self._numbers[0] is not names or (self._numbers[1] < 0).any():
            numbers = np.array([self._ids.get(name, -1) for name in names], np.int32)
            self._numbers = (names, numbers)  # sources repeat their names
        return self._numbers[1]

    def _known(self, signals: Sequence[SignalId] | None) -> dict[SignalId, int]:
        """The numbers of these signals, by name."""
        ids = self._ids
        names = ids if signals is None else ids.keys() & signals
        return {name: ids[name] for name in sorted(names)}

    def _connect(self) -> None:
        limits: dict[str, Any] = {"memory_limit": _MEMORY, "checkpoint_threshold": _LOG_SIZE}
        self._root = duckdb.connect(self._path, config=limits)
        self._appender = Appender(self._root)

    def _reopen(self) -> None:
        """DuckDB gives up a file whose log it could not empty, as on a full disk; begin again."""
        with self._opening:
            if self._broken:
                self._appender.close()
                self._root.close()
                self._connect()
                self._broken = False

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
            if self._broken:
                self._reopen()
            yield
        except (duckdb.Error, OSError) as e:
            self._broken |= isinstance(e, duckdb.FatalException)
            line = str(e).splitlines()[0] if str(e) else type(e).__name__
            if "Could not set lock" in line:
                what, line = "in use by another process", line.partition("Conflicting ")[2]
            raise StoreError(f"{self._path}: {what}: {line}") from e
