"""A real influxd on loopback: 2.x as it is, 1.x behind a door that speaks the v2 write call.

Debian ships InfluxDB 1.6.7, which reads InfluxQL but has no ``/api/v2/write`` yet. The door
turns that call into ``/write`` and passes ``/query`` through. It asks for a token, as 2.x does.
``TEST_INFLUXD`` names another influxd than the one on PATH.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

from tests.contract.influx_door import Reply, Request, running_door

INFLUXD = os.environ.get("TEST_INFLUXD") or shutil.which("influxd")
ORG = "linetwin-test"
_TOKEN = "test-token"

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


class InfluxServer:
    """One server with its folder; it can be killed and started again."""

    url: str
    """Where the v2 calls are answered."""
    token: str
    """May read and write the bucket made last, and nothing else."""

    def __init__(self, folder: Path) -> None:
        assert INFLUXD is not None
        self._folder = folder
        self._port = _free_port()
        said = subprocess.run([INFLUXD, "version"], capture_output=True, text=True, check=True)
        self.version = said.stdout.split()[1].lstrip("v")
        self.is_v2 = self.version.startswith("2.")
        self.url, self.token = f"http://127.0.0.1:{self._port}", _TOKEN
        self._org_id = ""
        self._buckets: dict[str, str] = {}
        self._command = self._v2_command() if self.is_v2 else self._v1_command()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start influxd and wait until it answers."""
        clean = {name: value for name, value in os.environ.items() if "INFLUX" not in name}
        with (self._folder / "influxd.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self._folder,
                env=clean,
            )
        deadline = time.monotonic() + 60
        while True:
            assert self._process.poll() is None, "influxd ended; see influxd.log"
            try:
                self._call("GET", "/health" if self.is_v2 else "/ping")
                break
            except OSError:
                assert time.monotonic() < deadline, "influxd does not answer"
            time.sleep(0.02)
        if self.is_v2 and not self._org_id:
            self._set_up()

    def kill(self) -> None:
        """End influxd as a power cut of its process would: SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(20)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """influxd takes connections, by its kernel, and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End influxd."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(20)

    def make_bucket(self, name: str, retention_s: int = 0) -> None:
        """An empty bucket; one of that name is lost."""
        if not self.is_v2:
            keep = f" WITH DURATION {retention_s}s" if retention_s else ""
            self.drop_bucket(name)
            self.ask(name, f'CREATE DATABASE "{name}"{keep}')
            return
        self.drop_bucket(name)
        rules = [{"type": "expire", "everySeconds": retention_s}] if retention_s else []
        made = {"orgID": self._org_id, "name": name, "retentionRules": rules}
        self._buckets[name] = self._v2("POST", "/api/v2/buckets", made)["id"]
        self.token = self.grant(name, "read", "write")

    def drop_bucket(self, name: str) -> None:
        """Take a bucket away, if it is there."""
        if not self.is_v2:
            self.ask(name, f'DROP DATABASE "{name}"')
        elif name in self._buckets:
            self._v2("DELETE", f"/api/v2/buckets/{self._buckets.pop(name)}")

    def grant(self, bucket: str, *actions: str) -> str:
        """A token of 2.x for one bucket."""
        resource = {"type": "buckets", "id": self._buckets[bucket]}
        may = [{"action": action, "resource": resource} for action in actions]
        granted = {"orgID": self._org_id, "permissions": may}
        return str(self._v2("POST", "/api/v2/authorizations", granted)["token"])

    def write(self, bucket: str, line: str) -> None:
        """A line of another writer; its time is in microseconds."""
        at = f"/api/v2/write?org={ORG}&bucket={bucket}&precision=us"
        path = at if self.is_v2 else f"/write?db={bucket}&precision=u"
        self._call("POST", path, line.encode())

    def ask(self, bucket: str, query: str) -> list[dict[str, Any]]:
        """The series that InfluxQL answers, with the standard library alone."""
        asked = urlencode({"db": bucket, "q": query, "epoch": "u"})
        answer = json.loads(self._call("POST", f"/query?{asked}"))
        assert "error" not in str(answer), answer
        return [one for result in answer["results"] for one in result.get("series", [])]

    def door(self, request: Request) -> Reply:
        """Answer a v2 call to a 1.x server."""
        if request.headers.get("Authorization") != f"Token {_TOKEN}":
            return Reply(401, json.dumps({"message": "unauthorized access"}).encode())
        if request.route == "/api/v2/write":
            v2 = parse_qs(request.query)
            v1 = {"db": v2["bucket"][0], "precision": v2["precision"][0].replace("us", "u")}
            return request.passed_to(f"http://127.0.0.1:{self._port}/write?{urlencode(v1)}")
        return request.passed_to(f"http://127.0.0.1:{self._port}{request.path}")

    def _set_up(self) -> None:
        first = {
            "username": "admin",
            "password": "not-a-secret",
            "org": ORG,
            "bucket": "first",
            "token": _TOKEN,
        }
        self._org_id = self._v2("POST", "/api/v2/setup", first)["org"]["id"]

    def _v2(self, method: str, path: str, body: object = None) -> Any:
        answer = self._call(method, path, json.dumps(body).encode() if body else None)
        return json.loads(answer) if answer else None

    def _call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}{path}",
            body,
            {"Authorization": f"Token {_TOKEN}", "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310
            return bytes(response.read())

    def _v1_command(self) -> list[str]:
        config = self._folder / "influxd.conf"
        ports = {"http_port": self._port, "rpc_port": _free_port()}
        config.write_text(_CONFIG.format(folder=self._folder, **ports))
        return [str(INFLUXD), "-config", str(config)]

    def _v2_command(self) -> list[str]:
        given = {
            "http-bind-address": f"127.0.0.1:{self._port}",
            "bolt-path": self._folder / "influxd.bolt",
            "sqlite-path": self._folder / "influxd.sqlite",
            "engine-path": self._folder / "engine",
            "log-level": "error",
        }
        off = ["--reporting-disabled", "--ui-disabled", "--metrics-disabled", "--no-tasks"]
        return [str(INFLUXD), *(f"--{name}={value}" for name, value in given.items()), *off]


@contextmanager
def running_influx(folder: Path) -> Iterator[InfluxServer]:
    """Start influxd, and the door where it needs one; end both."""
    server = InfluxServer(folder)
    server.start()
    try:
        if server.is_v2:
            yield server
        else:
            with running_door(server.door) as server.url:
                yield server
    finally:
        server.stop()


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])
