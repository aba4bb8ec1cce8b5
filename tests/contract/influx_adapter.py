"""A real influxd 1.x on loopback, behind a door that speaks the v2 write call.

Debian ships InfluxDB 1.6.7, which reads InfluxQL but has no ``/api/v2/write`` yet. The door
turns that call into ``/write`` and passes ``/query`` through. It asks for a token, as 2.x does.
"""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

TOKEN = "test-token"
INFLUXD = shutil.which("influxd")

_CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc_port}"
[meta]
  dir = "{folder}/meta"
  logging-enabled = false
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  query-log-enabled = false
[monitor]
  store-enabled = false
[subscriber]
  enabled = false
[continuous_queries]
  enabled = false
[http]
  bind-address = "127.0.0.1:{http_port}"
  log-enabled = false
"""


@dataclass(frozen=True, slots=True)
class InfluxServer:
    """Where the v2 door and the 1.x server behind it listen, on loopback."""

    url: str
    port: int

    def make_bucket(self, name: str) -> None:
        """An empty bucket; one of that name is lost."""
        for statement in (f'DROP DATABASE "{name}"', f'CREATE DATABASE "{name}"'):
            assert _ask(self.port, "POST", f"/query?{urlencode({'q': statement})}")[0] == 200


@contextmanager
def running_influx(folder: Path) -> Iterator[InfluxServer]:
    """Start influxd and the door; end both."""
    assert INFLUXD is not None
    http_port, rpc_port = _free_port(), _free_port()
    config = folder / "influxd.conf"
    config.write_text(_CONFIG.format(folder=folder, http_port=http_port, rpc_port=rpc_port))
    with (folder / "influxd.log").open("wb") as log:
        process = subprocess.Popen(
            [INFLUXD, "-config", str(config)], stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
    try:
        _wait_until_it_answers(http_port, process)
        with _door(http_port) as url:
            yield InfluxServer(url, http_port)
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def _door(port: int) -> Iterator[str]:
    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Authorization") != f"Token {TOKEN}":
                self._send(401, json.dumps({"message": "unauthorized access"}).encode())
                return
            path = urlsplit(self.path)
            if path.path == "/api/v2/write":
                self._send(*_ask(port, "POST", _v1_write(parse_qs(path.query)), body))
            elif path.path == "/query":
                kind = {"Content-Type": self.headers.get("Content-Type", "")}
                self._send(*_ask(port, "POST", self.path, body, kind))
            else:
                self._send(404, b"{}")

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _v1_write(v2: dict[str, list[str]]) -> str:
    precision = {"us": "u"}.get(v2["precision"][0], v2["precision"][0])
    return "/write?" + urlencode({"db": v2["bucket"][0], "precision": precision})


def _ask(
    port: int, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _wait_until_it_answers(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while True:
        assert process.poll() is None, "influxd ended; see influxd.log"
        try:
            if _ask(port, "GET", "/ping")[0] == 204:
                return
        except OSError:
            assert time.monotonic() < deadline, "influxd does not answer"
        time.sleep(0.05)
