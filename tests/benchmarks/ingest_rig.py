"""Where the ingest benchmark runs: a folder, a broker, a plant file, and processes that answer."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NAMESPACE = "urn:linetwin:torture"
WAIT_S = 120.0

_PLANT = """
schema_version = 1
site = "T"
area = "bench"
line = "rig"
name = "Bench"
timezone = "UTC"
currency = "EUR"
products = {}
calendars.always.weekly = ["Mon-Sun 00:00-24:00"]
"""


class Process:
    """Answers on stdout what it is told on stdin."""

    def __init__(self, name: str, command: Sequence[object], folder: Path) -> None:
        self.name = name
        self._log = folder / f"{name}.log"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, words: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(words + "\n")
        self._process.stdin.flush()

    def hear(self, word: str) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said, _, more = line.strip().partition(" ")
            if said == word:
                return dict(json.loads(more or "{}"))
        tail = " | ".join(self._log.read_text(errors="replace").splitlines()[-5:])
        raise RuntimeError(f"{self.name} ended before it said {word}: {tail}")

    def end(self) -> None:
        """Ask it to end by itself."""
        with contextlib.suppress(OSError, RuntimeError):
            self.tell("exit")
        self.stop()

    def stop(self) -> None:
        if self._process.poll() is None:
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def kill(self) -> None:
        self._process.kill()


class Unit:
    """A source of the plant file, and its signals ``v0`` ..."""

    def __init__(self, name: str, kind: str, url: str, addresses: Sequence[str], more: str) -> None:
        self.name, self.kind, self.url, self.more = name, kind, url, more
        self.addresses = addresses

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
{self.more}

[work_units.{self.name}]
name = "{self.name}"
role = "rig"
calendar = "always"
cycle_time.default = {{ law = "constant", value_s = 10 }}

[work_units.{self.name}.signals]
{signals}
"""


class Rig:
    """Everything that was started here ends with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._processes: list[Process] = []
        self._runs = 0

    def __enter__(self) -> Rig:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.stop()

    def broker(self) -> int:
        """Mosquitto, which drops nothing; returns its port."""
        port = free_port()
        conf = self.folder / "mosquitto.conf"
        conf.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 1000000\n"
            "set_tcp_nodelay true\nlog_dest none\n"
        )
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self._processes.append(Process("mosquitto", [program, "-c", conf], self.folder))
        until = time.monotonic() + WAIT_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return port
            assert time.monotonic() < until, "mosquitto does not listen"
            time.sleep(0.05)

    def peer(self, kind: str, port: int, signals: int, *more: object) -> Process:
        """A writer; see ``ingest_peers``."""
        name = f"{kind}-{port}"
        return self._child(name, "ingest_peers", kind, "--port", port, "--signals", signals, *more)

    def other(self, kind: str, *words: object) -> Process:
        """A process that ingest is compared with."""
        return self._child(kind, "ingest_child", kind, *words)

    def ingest(self, *units: Unit, watch: bool = False, trusted: Path | None = None) -> Ingest:
        """The product with an empty data folder, but for the certificate of a server."""
        self._runs += 1
        folder = self.folder / f"run{self._runs}"
        folder.mkdir()
        plant = write_plant(folder, *units)
        if trusted is not None:
            into = folder / "data" / "pki" / "trusted"
            into.mkdir(parents=True)
            shutil.copy(trusted, into / "server any-host.der")
        words = [plant, folder / "data", *(["--watch"] if watch else [])]
        child = self._child(f"ingest{self._runs}", "ingest_child", "ingest", *words)
        return Ingest(child, folder / "data" / "telemetry.duckdb")

    def _child(self, name: str, module: str, *words: object) -> Process:
        command = [sys.executable, "-m", f"tests.benchmarks.{module}", *words]
        process = Process(name, command, self.folder)
        self._processes.append(process)
        process.hear("ready")
        return process


class Ingest:
    """The process under measurement, and its store."""

    def __init__(self, process: Process, file: Path) -> None:
        self.process, self.file = process, file


def measure(process: Process, values: int, *writers: tuple[Process, str]) -> dict[str, Any]:
    """Have the writers write so many values, and the process say what they cost it."""
    process.tell(f"expect {values}")
    process.hear("listening")
    for writer, words in writers:
        writer.tell(words)
    found = process.hear("measured")
    for writer, _ in writers:
        writer.hear("done")
    return found


def write_plant(folder: Path, *units: Unit) -> Path:
    """The plant file of these units; a line needs one even without."""
    units = units or (Unit("spb", "sparkplug", "mqtt://127.0.0.1:1", ["torture/edge:m0"], ""),)
    zones = "".join(
        f'{b.name}_in = {{ upstream = "{a.name}", downstream = "{b.name}", capacity = 1 }}\n'
        for a, b in itertools.pairwise(units)
    )
    file = folder / "plant.toml"
    file.write_text(_PLANT + "".join(unit.toml() for unit in units) + "[storage_zones]\n" + zones)
    return file


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
