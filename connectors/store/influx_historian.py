"""The historian on an InfluxDB server: writes through the v2 API, reads through InfluxQL.

Both calls are answered by 1.8, 2.x and 3.x. The client's batching mode is never used: it
drops points without a word when its queue is full.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import numpy as np
import urllib3
from numpy.typing import NDArray

from connectors.store.frontier import Frontier, FrontierHistorian, in_order
from connectors.store.influx_calls import InfluxCalls
from connectors.store.influx_lines import FIRST_US, LAST_US, Lines, signal_of, why_unfit
from connectors.store.influx_query import (
    COLUMNS,
    batch_of,
    buckets_of,
    signal_in,
    where,
    windows,
)
from twin.errors import RefusedError, StoreError
from twin.plant.signals import SignalId
from twin.telemetry.downsample import Downsampled, downsample, span_us
from twin.telemetry.samples import Quality, SampleBatch, to_us

__all__ = ["InfluxHistorian"]

_ROWS_A_SERIES = 10_000
_ROWS_AN_ANSWER = 200_000
_NAMES_A_STATEMENT = 200
_SIGNAL_DAYS, _DAY_US = 20, 86_400_000_000


class InfluxHistorian(FrontierHistorian):
    """Telemetry in one bucket; keeps the promise of ``twin.telemetry.Historian``.

    InfluxDB overwrites a point that has the same time, so the first arrival wins only because
    every row that is not newer than its signal is looked up before the write. That holds while
    ONE process writes the bucket. A batch is not a transaction there: after a StoreError some
    of its rows may be stored; the same batch, or a part of it, again completes it.

    A sample is a point of the measurement ``sample`` with the tag ``signal`` and the fields
    value, text, infinite, quality, available_us. Characters of a signal's name that line
    protocol or InfluxQL treat as special are percent-encoded in the tag.
    """

    def __init__(
        self, url: str, *, org: str, bucket: str, token: str = "", timeout_s: float = 30.0
    ) -> None:
        """Connect, and read the newest sample of each signal.

        Args:
            url: Such as ``http://127.0.0.1:8086``.
            org: Organisation; any name where the server knows none.
            bucket: Must exist, and keep points for ever; ``database/policy`` before 2.x.
            token: API token; before 2.x ``user:password``.
            timeout_s: Longest wait for one answer. [s]

        Raises:
            StoreError: The server cannot be reached, or refuses.
        """
        self._name, self._timeout_s = f"{_without_login(url)} [{bucket}]", timeout_s
        self._writing = threading.Lock()
        self._lines = Lines()
        self._calls = InfluxCalls(url, org=org, bucket=bucket, token=token, timeout_s=timeout_s)
        self._doubtful: set[SignalId] | None = None
        self._closed = False
        try:
            self._open_frontier()
        except BaseException:
            self.close()
            raise

    def append(self, batch: SampleBatch) -> int:
        """Store samples; return how many were new.

        Raises:
            RefusedError: The server will never take a row of these; some may be stored.
            StoreError: The rows are not all stored; the same batch may be tried again.
        """
        unfit = why_unfit(batch)
        if unfit:  # known without the server, so that the drain finds the row in no time
            raise RefusedError(f"{self._name}: {len(batch)} samples not stored: {unfit}")
        return super().append(batch)

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
            StoreError: The server cannot be reached, or refuses.
        """
        only = _known_by(as_of)
        if worst < Quality.BAD:
            only += f" AND quality <= {int(worst)}"
        with self._errors("cannot be read"):
            pages = self._pages(COLUMNS, signals, to_us(start), to_us(end), only)
            return in_order(SampleBatch.concat([batch_of(name, rows) for name, rows in pages]))

    def downsample(
        self,
        signals: Sequence[SignalId] | None,
        start: datetime,
        end: datetime,
        *,
        bucket_s: float,
        as_of: datetime | None = None,
    ) -> Downsampled:
        """What buckets hold, made by the server; see ``twin.telemetry.Historian.downsample``.

        Raises:
            DataError: The bucket is shorter than a microsecond.
            StoreError: The server cannot be reached, or refuses.
        """
        span = span_us(bucket_s)
        columns = "count(value), mean(value), min(value), max(value), last(value), count(infinite)"
        only = f"{_known_by(as_of)} AND quality <= {int(Quality.UNCERTAIN)}"
        with self._errors("cannot be read"):
            pages = list(self._pages(columns, signals, to_us(start), to_us(end), only, span))
        if any(row[6] for _, rows in pages for row in rows):  # the server has no infinite number
            rows = self.read(signals, start, end, as_of=as_of, worst=Quality.UNCERTAIN)
            return downsample(rows, bucket_s)
        return buckets_of(pages)

    def forget(self, before: datetime) -> int:
        """Drop samples measured before an instant, but never the newest of a signal.

        Raises:
            StoreError: Not all of them were dropped; the same call may be tried again.
        """
        before_us = to_us(before)
        with self._writing, self._errors("not all that is old was dropped"):
            newest = self._newest(None, "")
            names = [newest.signals[code] for code in newest.code.tolist()]
            reach = dict(zip(names, newest.measured_us.tolist(), strict=True))
            old = self._counts(before_us)
            for name in [name for name in old if reach[name] < before_us]:
                old[name] -= 1
                self._drop([name], reach[name])
            rest = [name for name in old if reach[name] >= before_us]
            for first in range(0, len(rest), _NAMES_A_STATEMENT):
                self._drop(rest[first : first + _NAMES_A_STATEMENT], before_us)
        return sum(old.values())

    def count(self) -> int:
        """Number of samples stored.

        Raises:
            StoreError: The server cannot be reached, or refuses.
        """
        with self._errors("cannot be read"):
            return sum(self._counts(LAST_US).values())

    def close(self) -> None:
        """Give back the connections; a second call does nothing."""
        with self._writing:
            if not self._closed:
                self._closed = True
                self._calls.close()

    def _load_frontier(self) -> Frontier:
        names = self._doubtful
        if names is None or len(names) > _NAMES_A_STATEMENT:
            return Frontier(self._newest(None, ""))
        held, _ = self._frontier.latest(None, None)
        others = held.take(np.array([held.signals[c] not in names for c in held.code], np.bool_))
        return Frontier(SampleBatch.concat([others, self._newest(sorted(names), "")]))

    def _newest_by(self, signals: Sequence[SignalId], as_of_us: int) -> SampleBatch:
        return self._newest(signals, f" AND available_us <= {as_of_us}")

    def _newest(self, signals: Sequence[SignalId] | None, only: str) -> SampleBatch:
        within = where(signals, FIRST_US, LAST_US) + only
        series = self._calls.query(
            f"SELECT {COLUMNS} FROM sample WHERE {within} "  # noqa: S608
            "GROUP BY signal ORDER BY time DESC LIMIT 1"
        )
        return SampleBatch.concat([batch_of(signal_in(one), one["values"]) for one in series])

    def _counts(self, before_us: int) -> dict[SignalId, int]:
        within = where(None, FIRST_US, before_us)
        query = f"SELECT count(quality) FROM sample WHERE {within} GROUP BY signal"  # noqa: S608
        return {signal_in(one): int(one["values"][0][1]) for one in self._calls.query(query)}

    def _drop(self, signals: Sequence[SignalId], before_us: int) -> None:
        self._calls.query(f"DELETE FROM sample WHERE {where(signals, FIRST_US, before_us)}")  # noqa: S608

    def _is_stored(self, batch: SampleBatch) -> NDArray[np.bool_]:
        found: set[tuple[SignalId, int]] = set()
        for window in windows(batch.measured_us):
            rows = batch.take(window)
            names = [rows.signals[code] for code in np.unique(rows.code).tolist()]
            first, last = int(rows.measured_us.min()), int(rows.measured_us.max())
            for name, points in self._pages("quality", names, first, last + 1, ""):
                found.update((name, int(point[0])) for point in points)
        pairs = zip(batch.code.tolist(), batch.measured_us.tolist(), strict=True)
        return np.array([(batch.signals[code], at) in found for code, at in pairs], np.bool_)

    def _write(self, batch: SampleBatch) -> None:
        self._doubtful = None
        try:
            self._calls.write(self._lines.of(batch))
        except RefusedError:
            self._doubtful = {batch.signals[code] for code in np.unique(batch.code).tolist()}
            raise

    def _pages(
        self,
        columns: str,
        signals: Sequence[SignalId] | None,
        start_us: int,
        end_us: int,
        only: str,
        span: int = 0,
    ) -> Iterator[tuple[SignalId, list[list[Any]]]]:
        """Rows of each series in pieces, so that no answer grows without bound.

        Writes go on between the pieces. ``span`` is the length of a bucket, 0 for rows. [us]
        """
        names = self._all_names() if signals is None else list(dict.fromkeys(signals))
        at_once = _NAMES_A_STATEMENT
        if span:  # a bucket is the work of five rows, and however many it holds are looked at
            at_once = max(1, min(20, _SIGNAL_DAYS * _DAY_US // max(1, end_us - start_us)))
        for first in range(0, len(names), at_once):
            group = names[first : first + at_once]
            limit = min(_ROWS_A_SERIES, _ROWS_AN_ANSWER // len(group))
            buckets = f", time({span}u) fill(none)" if span else ""
            series = self._calls.query(
                f"SELECT {columns} FROM sample "  # noqa: S608
                f"WHERE {where(group, start_us, end_us)}{only} "
                f"GROUP BY signal{buckets} LIMIT {limit}"
            )
            for one in series:
                name, rows = signal_in(one), one["values"]
                yield name, rows
                if len(rows) == limit:
                    after_us = int(rows[-1][0]) + max(1, span)
                    yield from self._pages(columns, [name], after_us, end_us, only, span)

    def _all_names(self) -> list[SignalId]:
        series = self._calls.query("SHOW TAG VALUES FROM sample WITH KEY = signal")
        return [signal_of(tag) for one in series for _, tag in one["values"]]

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        if self._closed:
            raise StoreError(f"{self._name}: {what}: the historian is closed")
        try:
            yield
        except StoreError as e:
            error = type(e)(f"{self._name}: {what}: {e}")
            error.retry_after_s = e.retry_after_s
            raise error from e
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as e:
            raise StoreError(f"{self._name}: {what}: {self._in_words(e)}") from e

    def _in_words(self, error: Exception) -> str:
        late = isinstance(error, urllib3.exceptions.TimeoutError | TimeoutError)
        if late and not isinstance(error, urllib3.exceptions.NewConnectionError):
            return f"no answer within {self._timeout_s:g} s"
        words = " ".join(str(error).split()).rpartition("): ")[2] or type(error).__name__
        if isinstance(error, urllib3.exceptions.NewConnectionError):
            words = re.sub(r"\[Errno -?\d+\] ", "", words) + "; start it, or correct its URL"
        return words


def _known_by(as_of: datetime | None) -> str:
    return "" if as_of is None else f" AND available_us <= {to_us(as_of)}"


def _without_login(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
