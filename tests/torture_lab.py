"""What the torture tests share: peers as processes, a wire that breaks, and the ingest under test."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import random
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.field_lab import free_port
from tests.torture_score import Score, read_lines, read_store, read_truth, score
from tests.torture_wire import Proxy

ROOT = Path(__file__).parents[1]
PEERS = ROOT / "tests" / "peers"
FULL = os.environ.get("LINETWIN_TORTURE") == "full"
"""The long versions of the rounds, as the issue has them."""
WAIT_S = 30.0
QUICK_STATUS = ("--set", "connectors.runtime.report.STATUS_EVERY_S=0.1")

needs_mosquitto = pytest.mark.skipif(
    not (shutil.which("mosquitto") or Path("/usr/sbin/mosquitto").exists()),
    reason="mosquitto is not installed (Debian package mosquitto)",
)


def _needs_npm(package: str, name: str) -> pytest.MarkDecorator:
    there = shutil.which("node") and (PEERS / "node_modules" / package).exists()
    return pytest.mark.skipif(
        not there, reason=f"{name} is not installed (npm ci --prefix tests/peers --ignore-scripts)"
    )


needs_node_opcua = _needs_npm("node-opcua-server", "node-opcua")
needs_tahu = _needs_npm("sparkplug-client", "sparkplug-client (Eclipse Tahu)")


class Child:
    """A process that answers on stdout what it is told on stdin; its other words go to a file."""

    def __init__(self, name: str, command: Sequence[object], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
            )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def hear(self, word: str) -> dict[str, Any]:
        """The next line that begins with this word."""
        until = time.monotonic() + WAIT_S
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"{self.name} does not say {word}; {self.tail()}") from None
            said, _, more = line.strip().partition(" ")
            if said == word:
                return dict(json.loads(more or "{}"))
            if not line or said == "failed":
                raise AssertionError(f"{self.name}: {line or 'it ended'}; {self.tail()}")

    def send(self, words: str) -> None:
        """A line on its stdin."""
        assert self.process.stdin is not None
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()

    def tell(self, words: str) -> int:
        """Do this; returns how many values it has written so far."""
        self.send(words)
        return int(self.hear("ok")["written"])

    def written(self) -> int:
        return self.tell("count")

    def kill(self) -> None:
        """As by ``kill -9``."""
        self.process.kill()
        self.process.wait()

    def terminate(self, within_s: float = 20.0) -> int:
        """Ask it to end; its exit code."""
        self.process.terminate()
        return self.process.wait(within_s)

    def tail(self, lines: int = 5) -> str:
        return " | ".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def peak_mb(self) -> float:
        """The most memory it has used so far. [MB]"""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024


class Ingesting(Child):
    """``linetwin ingest``, and what it says of itself in the file that `linetwin status` reads."""

    def __init__(self, command: Sequence[object], folder: Path, data: Path) -> None:
        super().__init__("ingest", command, folder)
        self._file = data / "status.json"

    def document(self) -> dict[str, Any]:
        """What it wrote since it was started; empty while there is nothing."""
        assert self.process.poll() is None, f"ingest ended: {self.tail()}"
        try:
            found = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return {}
        return dict(found) if found["pid"] == self.process.pid else {}

    def status(self) -> dict[str, dict[str, Any]]:
        """Of each source."""
        return {source["name"]: source for source in self.document().get("sources", ())}

    def subscribed(self) -> None:
        """Wait until every source has subscribed everything."""
        until(
            lambda: self.status() and all(s["subscribed"] for s in self.status().values()),
            lambda: f"ingest has subscribed: {self.status()}",
        )

    def settle(self, quiet_s: float = 1.5) -> None:
        """Wait until nothing more comes, and everything that came is stored."""
        before: dict[str, Any] = {}
        since = time.monotonic()
        until_s = since + WAIT_S
        while time.monotonic() - since < quiet_s:
            now = self.document()
            at = now.pop("at", None)
            assert time.monotonic() < until_s, f"ingest does not settle: {at} {now}"
            idle = at and all(s["subscribed"] and not s["waiting"] for s in now["sources"])
            if now != before or not idle or any(s["behind"] for s in now["stores"]):
                before, since = now, time.monotonic()
            time.sleep(0.1)


@dataclass(frozen=True)
class Unit:
    """One source of the rig: its unit has the source's name and the signals ``v0`` ..."""

    name: str
    kind: str
    url: str
    addresses: tuple[str, ...]
    options: str = ""
    """More lines of its ``[sources.NAME]``."""

    def toml(self) -> str:
        signals = "\n".join(
            f'v{i} = {{ source = "{self.name}", role = "process", address = "{address}" }}'
            for i, address in enumerate(self.addresses)
        )
        return f"""
[sources.{self.name}]
kind = "{self.kind}"
url = "{self.url}"
address = "{{unit}}/{{signal}}"
{self.options}

[work_units.{self.name}]
name = "{self.name}"
role = "rig"
calendar = "always"
cycle_time.default = {{ law = "constant", value_s = 10 }}

[work_units.{self.name}.signals]
{signals}
"""

    def signals(self) -> dict[str, str]:
        """Address, as in the truth, -> signal id."""
        return {
            address.rpartition(";s=")[2]: f"T/torture/rig/{self.name}/v{i}"
            for i, address in enumerate(self.addresses)
        }


def opcua_unit(name: str, port: int, count: int, options: str = "") -> Unit:
    """Nodes ``v0`` ... of either OPC UA server, unsecured."""
    nodes = tuple(f"nsu=urn:linetwin:torture;s=v{i}" for i in range(count))
    options = f'opcua.security = "none"\n{options}'
    return Unit(name, "opcua", f"opc.tcp://127.0.0.1:{port}/torture", nodes, options)


def json_unit(url: str, count: int, options: str = "", name: str = "mqt") -> Unit:
    """Topics of the JSON writer."""
    topics = tuple(f"torture/{name}/v{i}" for i in range(count))
    return Unit(name, "mqtt-json", url, topics, options)


def sparkplug_unit(url: str, devices: int = 2, metrics: int = 5, options: str = "") -> Unit:
    """Metrics of the Tahu edge node."""
    named = tuple(f"torture/edge/d{d}:m{m}" for d in range(devices) for m in range(metrics))
    return Unit("spb", "sparkplug", url, named, options)


PLANT = """
schema_version = 1
site = "T"
area = "torture"
line = "rig"
name = "Torture rig"
timezone = "UTC"
currency = "EUR"
products = {}
calendars.always.weekly = ["Mon-Sun 00:00-24:00"]
"""


class Rig:
    """A folder with plant file, data, logs and truths; everything started here ends with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.random = random.Random(20260316)
        self._children: list[Child] = []
        self._proxies: list[Proxy] = []
        self.units: list[Unit] = []

    def child(self, name: str, *command: object) -> Child:
        child = Child(name, command, self.folder)
        self._children.append(child)
        return child

    def truth_file(self, unit: str) -> Path:
        return self.folder / f"{unit}.truth"

    def json_writer(self, port: int, **options: object) -> Child:
        """QoS 1 to a broker, under ``torture/UNIT/v0`` ..."""
        return self._writer("json", str(options.pop("unit", "mqt")), port, options)

    def asyncua_server(self, port: int, **options: object) -> Child:
        return self._writer("opcua", str(options.pop("unit", "asy")), port, options)

    def _writer(self, kind: str, unit: str, port: int, options: dict[str, object]) -> Child:
        command = [sys.executable, ROOT / "tests" / "torture_writers.py", kind, "--port", port]
        command += ["--unit", unit, "--truth", self.truth_file(unit), *_flags(options)]
        child = self.child(f"{kind}-{unit}", *command)
        child.hear("ready")
        return child

    def node_opcua_server(self, port: int, unit: str = "nod", **options: object) -> Child:
        command = ["node", PEERS / "opcua_server.js", "--port", port]
        command += ["--truth", self.truth_file(unit), *_flags(options)]
        child = self.child(f"node-opcua-{unit}", *command)
        child.hear("ready")
        return child

    def tahu_edge(self, port: int, unit: str = "spb", **options: object) -> Child:
        command = ["node", PEERS / "sparkplug_edge.js", "--broker", f"mqtt://127.0.0.1:{port}"]
        command += ["--truth", self.truth_file(unit), *_flags(options)]
        child = self.child(f"tahu-{unit}", *command)
        child.hear("ready")
        return child

    def proxy(self, target_port: int) -> Proxy:
        proxy = Proxy(target_port)
        self._proxies.append(proxy)
        return proxy

    def plant(self, *units: Unit) -> Path:
        """Write the plant file of these units."""
        self.units = list(units)
        path = self.folder / "plant.toml"
        pairs = itertools.pairwise(units)
        zones = [
            f'{b.name}_in = {{ upstream = "{a.name}", downstream = "{b.name}", capacity = 1 }}\n'
            for a, b in pairs
        ]
        path.write_text(
            PLANT + "".join([unit.toml() for unit in units] + ["[storage_zones]\n", *zones])
        )
        return path

    def ingest(self, *options: object) -> Ingesting:
        """The product under test, on this plant file and data folder."""
        command = [sys.executable, ROOT / "tests" / "torture_child.py"]
        command += [self.folder / "plant.toml", self.data, *QUICK_STATUS, *options]
        child = Ingesting(command, self.folder, self.data)
        self._children.append(child)
        return child

    def scores(self) -> dict[str, Score]:
        """What was written against what is stored, by unit; nothing may have the store open."""
        rows = read_store(self.data / "telemetry.duckdb")
        found = {}
        for unit in self.units:
            ids = unit.signals()
            truth = read_truth(self.truth_file(unit.name), ids)
            mine = {signal: rows.get(signal, []) for signal in ids.values()}
            found[unit.name] = score(truth, mine)
        sys.stderr.write("".join(f"{name}: {s.say()}\n" for name, s in found.items()))
        return found

    def facts(self, folder: str) -> list[dict[str, Any]]:
        """The rows of a journal of the product."""
        return read_lines(self.data / folder, "*.jsonl")

    def end(self) -> None:
        for child in self._children:
            if child.process.poll() is None:
                child.kill()
            for pipe in (child.process.stdin, child.process.stdout):
                with contextlib.suppress(OSError, ValueError):
                    if pipe is not None:
                        pipe.close()
        for proxy in self._proxies:
            proxy.close()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """An empty rig."""
    made = Rig(tmp_path)
    yield made
    made.end()


def _flags(options: dict[str, object]) -> list[object]:
    flags: list[object] = []
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        flags += [flag] if value is True else [flag, value]
    return flags


class Broker:
    """Mosquitto that saves by itself: once a second, or, slower, after every change."""

    def __init__(self, rig: Rig, *, on_changes: bool = False) -> None:
        self.port = free_port()
        self._rig = rig
        self._conf = rig.folder / "mosquitto.conf"
        self._kept = kept = rig.folder / "mosquitto"
        kept.mkdir()
        lines = [f"listener {self.port} 127.0.0.1", "allow_anonymous true", "user root"]
        lines += ["persistence true", f"persistence_location {kept}/", "autosave_interval 1"]
        lines += [f"autosave_on_changes {str(on_changes).lower()}", "max_queued_messages 0"]
        self._conf.write_text("\n".join([*lines, "log_dest stderr", ""]))
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self.child = self._rig.child("mosquitto", program, "-c", self._conf)
        until(lambda: _listens(self.port), lambda: "mosquitto listens")

    def kill(self) -> None:
        self.child.kill()

    def forget(self) -> None:
        """Lose the file with sessions and messages."""
        for file in self._kept.iterdir():
            file.unlink()


def until(fact: Callable[[], object], what: Callable[[], str]) -> None:
    """Wait for a process of another program; there is nobody who could tell."""
    end = time.monotonic() + WAIT_S
    while not fact():
        assert time.monotonic() < end, f"not within {WAIT_S} s: {what()}"
        time.sleep(0.05)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
