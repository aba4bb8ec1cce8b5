"""The historian on an InfluxDB server: writes through the v2 API, reads through InfluxQL.

Both calls are answered by 1.8, 2.x and 3.x. The client's batching mode is never used: it
drops points without a word when its queue is full.
"""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import numpy as np
import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from numpy.typing import NDArray

from connectors.store.frontier import Frontier, FrontierHistorian, in_order
from twin.errors import StoreError
from twin.plant.signals import SignalId
from twin.telemetry.samples import SampleBatch, from_us, to_us

__all__ = ["InfluxHistorian"]

_LINES_A_WRITE = 10_000
_ROWS_A_SERIES = 10_000
_FIRST_US, _LAST_US = -9_223_372_036_854_775, 9_223_372_036_854_775
"""InfluxDB keeps int64 nanoseconds: the years 1677 to 2262."""
_COLUMNS = "value, text, infinite, quality, available_us"
_UNSAFE = re.compile(r"[%\\\s,=\"'\x00-\x1f\x7f]")


class InfluxHistorian(FrontierHistorian):
    """Telemetry in one bucket; keeps the promise of ``twin.telemetry.Historian``.

    InfluxDB overwrites a point that has the same time, so the first arrival wins only because
    every row that is not newer than its signal is looked up before the write. That holds while
    ONE process writes the bucket. A batch is not a transaction there: after a StoreError some
    of its rows may be stored; the same batch again completes it.

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
        self._name = f"{_without_login(url)} [{bucket}]"
        self._url, self._org, self._bucket = url.rstrip("/"), org, bucket
        self._timeout = urllib3.Timeout(total=timeout_s)
        self._writing = threading.Lock()
        self._exchange = threading.Lock()
        milliseconds = int(timeout_s * 1000)
        self._client: Any = InfluxDBClient(self._url, token, org=org, timeout=milliseconds)
        self._write_api: Any = self._client.write_api(write_options=SYNCHRONOUS)
        self._closed = False
        try:
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
    ) -> SampleBatch:
        """Samples with ``start <= measured_at < end``; see ``twin.telemetry.Historian.read``.

        Raises:
            StoreError: The server cannot be reached, or refuses.
        """
        where = "" if as_of is None else f" AND available_us <= {to_us(as_of)}"
        with self._errors("cannot be read"):
            pages = self._pages(_COLUMNS, signals, to_us(start), to_us(end), where)
            return in_order(SampleBatch.concat([_batch(name, rows) for name, rows in pages]))

    def count(self) -> int:
        """Number of samples stored.

        Raises:
            StoreError: The server cannot be reached, or refuses.
        """
        within = _where(None, _FIRST_US, _LAST_US)
        with self._errors("cannot be read"):
            series = self._query(f"SELECT count(quality) FROM sample WHERE {within}")  # noqa: S608
        return sum(int(row[1]) for one in series for row in one["values"])

    def close(self) -> None:
        """Give back the connections; a second call does nothing."""
        with self._writing:
            if not self._closed:
                self._closed = True
                self._client.close()

    def _load_frontier(self) -> Frontier:
        return Frontier(self._newest(None, ""))

    def _newest_by(self, signals: Sequence[SignalId], as_of_us: int) -> SampleBatch:
        return self._newest(signals, f" AND available_us <= {as_of_us}")

    def _newest(self, signals: Sequence[SignalId] | None, where: str) -> SampleBatch:
        within = _where(signals, _FIRST_US, _LAST_US) + where
        series = self._query(
            f"SELECT {_COLUMNS} FROM sample WHERE {within} "  # noqa: S608
            "GROUP BY signal ORDER BY time DESC LIMIT 1"
        )
        return SampleBatch.concat([_batch(_signal(one), one["values"]) for one in series])

    def _is_stored(self, batch: SampleBatch) -> NDArray[np.bool_]:
        stored = np.zeros(len(batch), np.bool_)
        code_of = {batch.signals[code]: code for code in np.unique(batch.code).tolist()}
        first, last = int(batch.measured_us.min()), int(batch.measured_us.max())
        for name, rows in self._pages("quality", list(code_of), first, last + 1, ""):
            at = np.array([row[0] for row in rows], np.int64)
            stored |= (batch.code == code_of[name]) & np.isin(batch.measured_us, at)
        return stored

    def _write(self, batch: SampleBatch) -> None:
        lines = _lines(batch)
        bodies = [
            "\n".join(lines[i : i + _LINES_A_WRITE]).encode()
            for i in range(0, len(lines), _LINES_A_WRITE)
        ]
        # A read during a write would see points with some of their fields.
        with self._exchange:
            for body in bodies:
                self._write_api.write(
                    self._bucket, self._org, body, write_precision=WritePrecision.US
                )

    def _pages(
        self,
        columns: str,
        signals: Sequence[SignalId] | None,
        start_us: int,
        end_us: int,
        where: str,
    ) -> Iterator[tuple[SignalId, list[list[Any]]]]:
        """Rows of each series in pieces, so that no answer grows without bound."""
        if signals is not None and not signals:
            return
        within = _where(signals, start_us, end_us) + where
        series = self._query(
            f"SELECT {columns} FROM sample WHERE {within} "  # noqa: S608
            f"GROUP BY signal LIMIT {_ROWS_A_SERIES}"
        )
        for one in series:
            name, rows = _signal(one), one["values"]
            yield name, rows
            if len(rows) == _ROWS_A_SERIES:
                yield from self._pages(columns, [name], int(rows[-1][0]) + 1, end_us, where)

    def _query(self, query: str) -> list[dict[str, Any]]:
        database, _, policy = self._bucket.partition("/")
        fields = {"db": database, "q": query, "epoch": "u"} | ({"rp": policy} if policy else {})
        api = self._client.api_client
        with self._exchange:
            response = api.rest_client.pool_manager.request(
                "POST",
                f"{self._url}/query",
                fields=fields,
                encode_multipart=False,
                headers={"Accept": "application/json", **api.default_headers},
                timeout=self._timeout,
            )
        if response.status != 200:
            raise StoreError(f"HTTP {response.status} {_message(response.data)}")
        answer = json.loads(response.data)
        for result in [answer, *answer.get("results", [])]:
            if "error" in result:
                raise StoreError(str(result["error"]))
        return [one for result in answer.get("results", []) for one in result.get("series", [])]

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        if self._closed:
            raise StoreError(f"{self._name}: {what}: the historian is closed")
        try:
            yield
        except ApiException as e:
            line = f"HTTP {e.status} {_message(e.body)}"
            raise StoreError(f"{self._name}: {what}: {line}") from e
        except (urllib3.exceptions.HTTPError, OSError, ValueError, StoreError) as e:
            line = str(e).splitlines()[0] if str(e) else type(e).__name__
            raise StoreError(f"{self._name}: {what}: {line}") from e


def _without_login(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _lines(batch: SampleBatch) -> list[str]:
    """Line protocol; the time is in microseconds."""
    heads = [f"sample,signal={_tag(name)} " for name in batch.signals]
    rows = zip(
        batch.code.tolist(),
        batch.value.tolist(),
        batch.text.tolist(),
        batch.quality.tolist(),
        batch.available_us.tolist(),
        batch.measured_us.tolist(),
        strict=True,
    )
    return [
        f"{heads[code]}{_fields(value, text)}quality={quality}i,available_us={available}i {measured}"
        for code, value, text, quality, available, measured in rows
    ]


def _fields(value: float, text: str | None) -> str:
    number = ""
    if math.isfinite(value):
        number = f"value={value!r},"
    elif not math.isnan(value):
        number = f"infinite={1 if value > 0 else -1}i,"  # InfluxDB has no infinite float
    if text is None:
        return number
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'{number}text="{escaped}",'


def _batch(name: SignalId, points: list[list[Any]]) -> SampleBatch:
    # Without quality or available_us: another process is writing it at this moment.
    rows = [row for row in points if row[4] is not None and row[5] is not None]
    if not rows:
        return SampleBatch.empty()
    time, value, text, infinite, quality, available = zip(*rows, strict=True)
    number = np.array(value, np.float64)  # None becomes NaN
    sign = np.array(infinite, np.float64)
    number = np.where(np.isnan(sign), number, np.copysign(np.inf, sign))
    column = np.empty(len(rows), np.object_)
    column[:] = text
    return SampleBatch(
        signals=(name,),
        code=np.zeros(len(rows), np.int32),
        value=number,
        text=column,
        measured_us=np.array(time, np.int64),
        available_us=np.array(available, np.int64),
        quality=np.array(quality, np.int8),
    )


def _where(signals: Sequence[SignalId] | None, start_us: int, end_us: int) -> str:
    start, end = (from_us(min(max(us, _FIRST_US), _LAST_US)) for us in (start_us, end_us))
    window = f"time >= '{_instant(start)}' AND time < '{_instant(end)}'"
    if signals is None:
        return window
    names = " OR ".join(f"signal = '{_tag(name)}'" for name in signals) or "signal = ' '"
    return f"{window} AND ({names})"


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _tag(name: str) -> str:
    return _UNSAFE.sub(lambda found: "".join(f"%{b:02X}" for b in found[0].encode()), name)


def _signal(series: dict[str, Any]) -> SignalId:
    return SignalId(unquote(series["tags"]["signal"]))


def _message(body: bytes | str | None) -> str:
    """The server's own words out of its answer, in one line."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body or ""
    try:
        answer = json.loads(text)
        text = str(answer.get("message") or answer.get("error") or text)
    except (ValueError, AttributeError):
        pass
    return " ".join(text.split())[:300]
