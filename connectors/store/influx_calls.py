"""The two calls to an InfluxDB server, and what its refusals mean for the rows."""

from __future__ import annotations

import json
import re
import threading
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from influxdb_client.service.write_service import WriteService

from twin.errors import RefusedError, StoreError

__all__ = ["InfluxCalls"]

_LINES_A_WRITE = 10_000
_GZIP = 31
"""zlib's number for: with the header and trailer of gzip."""
_REPAIRABLE = re.compile(r"max-series|max-values|pending deletion|unable to read data")
"""Refusals with a data error's status that the server's operator can end."""
_REMEDIES = {
    401: "give a token that this server knows",
    403: "give a token that may read and write the bucket",
    404: "make the bucket, or correct its name, the organisation or the address",
}


class InfluxCalls:
    """Writes lines and asks InfluxQL, one exchange at a time.

    Raises StoreError for what may pass or can be repaired, so that the rows must wait, and
    RefusedError for rows that the server will never take.
    """

    def __init__(self, url: str, *, org: str, bucket: str, token: str, timeout_s: float) -> None:
        self._url, self._org, self._bucket = url.rstrip("/"), org, bucket
        self._timeout = urllib3.Timeout(total=timeout_s)
        self._exchange = threading.Lock()
        milliseconds = int(timeout_s * 1000)
        self._client: Any = InfluxDBClient(self._url, token, org=org, timeout=milliseconds)
        service: Any = WriteService  # has no annotations
        self._write_service: Any = service(self._client.api_client)

    def close(self) -> None:
        """Give back the connections."""
        self._client.close()

    def write(self, lines: Sequence[str]) -> None:
        """Write lines, several thousand a request, each answered before the next one is sent.

        Raises:
            RefusedError: The server will never take a line of these; some may be stored.
            StoreError: Not all are stored; the same lines may be tried again.
        """
        # A read during a write would see points with some of their fields.
        with self._exchange:
            for first in range(0, len(lines), _LINES_A_WRITE):
                self._write_one(lines[first : first + _LINES_A_WRITE])

    def query(self, query: str) -> list[dict[str, Any]]:
        """The series that statements of InfluxQL answer; times are in microseconds.

        Raises:
            StoreError: The server cannot be reached, or refuses.
        """
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
            raise _waiting(response.status, _message(response.data), response.headers)
        answer = json.loads(response.data)
        for result in [answer, *answer.get("results", [])]:
            if "error" in result:
                remedy = f"; {_REMEDIES[404]}" if "not found" in result["error"] else ""
                raise StoreError(f"{result['error']}{remedy}")
        return [one for result in answer.get("results", []) for one in result.get("series", [])]

    def _write_one(self, lines: Sequence[str]) -> None:
        # Level 1: a third of the bytes' time on the wire costs a tenth of the time of level 9.
        body = zlib.compress("\n".join(lines).encode(), 1, _GZIP)
        try:
            self._write_service.post_write(
                self._org,
                self._bucket,
                body,
                precision=WritePrecision.US,
                content_encoding="gzip",
            )
        except ApiException as e:
            if e.status == 413 and len(lines) > 1:
                self._write_one(lines[: len(lines) // 2])
                self._write_one(lines[len(lines) // 2 :])
                return
            raise _refusal(e) from e


def _refusal(e: ApiException) -> StoreError:
    said = _message(e.body) if e.body else _in_one_line(str(e.reason))
    by_influxdb = e.status == 413 or _answer(e.body or "")  # a proxy's 400 says nothing of rows
    if e.status in (400, 413, 422) and by_influxdb and not _REPAIRABLE.search(said):
        return RefusedError(f"HTTP {e.status} {said}")
    return _waiting(e.status, said, e.headers or {})


def _waiting(status: int, said: str, headers: Mapping[str, str]) -> StoreError:
    remedy = f"; {_REMEDIES[status]}" if status in _REMEDIES else ""
    error = StoreError(f"HTTP {status} {said}{remedy}")
    wait = headers.get("Retry-After", "")
    error.retry_after_s = float(wait) if wait.isdecimal() else None
    return error


def _message(body: bytes | str) -> str:
    """The server's own words out of its answer, in one line."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    return _in_one_line(_answer(text) or text)


def _answer(text: str) -> str:
    """What InfluxDB says is wrong; empty where it is not InfluxDB that speaks."""
    try:
        answer = json.loads(text)
        return str(answer.get("message") or answer.get("error") or "")
    except (ValueError, AttributeError):
        return ""


def _in_one_line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 300 else f"{text[:140]} ... {text[-140:]}"
