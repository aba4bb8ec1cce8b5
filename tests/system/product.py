"""linetwin as a user meets it: programs with arguments, output, signals and exit codes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
import psutil

__all__ = [
    "PRACTICE",
    "ROOT",
    "Product",
    "environment",
    "linetwin",
    "practice_plant",
    "until",
    "with_history",
]

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
PRACTICE = ROOT / "simulators" / "practice" / "plant.toml"
LINETWIN = (sys.executable, "-m", "connectors")
STOP_S = 5.0
"""What the product promises: after a signal, everything has ended within this time."""
_MARK = "LINETEST_MARK"
_STEPS = ("history", "calibration", "forecast", "schedule", "demand")


def environment(**more: str) -> dict[str, str]:
    """This process's, without settings of linetwin, and importable from anywhere."""
    mine = {k: v for k, v in os.environ.items() if not k.startswith("LINETWIN_")}
    return {**mine, "PYTHONPATH": str(ROOT), **more}


def linetwin(
    *arguments: str | Path, timeout_s: float = 60.0, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    options.setdefault("env", environment())
    return subprocess.run(
        [*LINETWIN, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
        **options,
    )


def until(found: Callable[[], T], what: str, timeout_s: float, every_s: float = 0.1) -> T:
    """The first true answer; fails when there is none in time."""
    deadline = time.monotonic() + timeout_s
    while not (answer := found()):
        assert time.monotonic() < deadline, f"no {what} within {timeout_s:g} s"
        time.sleep(every_s)
    return answer


class Product:
    """A running ``linetwin demo`` or ``linetwin serve``, or a command that starts one.

    Everything that it starts is known by a mark in its environment, also what outlives its parent.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str | Path,
        command: Sequence[str] = LINETWIN,
        **options: Any,
    ) -> None:
        """Start it.

        Args:
            folder: Its errors are written into a file here.
            *arguments: Of the command.
            command: The program.
            **options: Of ``Popen``; ``env`` is laid over this process's environment.
        """
        self.folder = folder
        self._mark = uuid.uuid4().hex
        self._errors = folder / f"stderr-{self._mark}.txt"
        self._documents: dict[str, Any] = {}
        given: Mapping[str, str] = options.pop("env", {})
        with self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [*command, *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # a process group of its own, as in a terminal
                env={**environment(**given), _MARK: self._mark},
                **options,
            )
        self._began = time.monotonic()
        self.url = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End what is still there."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()
        self.process.wait(10)
        if self.process.stdout is not None:
            self.process.stdout.close()

    @property
    def errors(self) -> str:
        """What it said on standard error."""
        return self._errors.read_text(encoding="utf-8")

    def processes(self) -> list[psutil.Process]:
        """Itself and everything that it started, directly or not, and that runs."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                if process.environ().get(_MARK) == self._mark:
                    found.append(process)
        return found

    def listening(self) -> str:
        """Its URL, once it says it; read from the one JSON line."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with contextlib.suppress(json.JSONDecodeError):
                event = json.loads(line)
                assert event["event"] == "listening"
                self.url = event["url"]
                return self.url
        raise AssertionError(f"ended with {self.process.wait()}: {self.errors}")

    def first_page_s(self) -> float:
        """Seconds from its start to its first page."""
        self.listening()
        answer = httpx.get(self.url, timeout=30)
        assert answer.status_code == 200
        assert "<html" in answer.text
        return time.monotonic() - self._began

    def ask(self, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON document of GET, or of POST with a body."""
        url = f"{self.url}{path.lstrip('/')}"
        answer = (
            httpx.get(url, timeout=60) if body is None else httpx.post(url, json=body, timeout=60)
        )
        return answer.status_code, answer.json()

    def begins(self, path: str, kind: str) -> None:
        """A document of another kind than JSON begins to arrive; a stream need not end."""
        with httpx.stream("GET", f"{self.url}{path.lstrip('/')}", timeout=60) as answer:
            assert answer.status_code == 200, path
            assert answer.headers["content-type"].startswith(kind)
            assert next(answer.iter_bytes())

    def get(self, path: str) -> Any:
        """A document of ``/api/v1``."""
        status, document = self.ask(f"/api/v1{path}")
        assert status == 200, document
        return document

    def post(self, path: str, body: Any) -> Any:
        """The answer of ``/api/v1`` to a request that changes something."""
        status, document = self.ask(f"/api/v1{path}", body)
        assert status in {200, 202}, document
        return document

    def step(self, name: str) -> str:
        """State of a step of the chain."""
        return str(self.get("/health")["steps"][name]["state"])

    def wait_for_chain(self, timeout_s: float = 240.0) -> None:
        """Until every link has been computed once."""
        done: set[str] = set()

        def complete() -> bool:
            assert self.process.poll() is None, self.errors
            steps = self.get("/health")["steps"]
            done.update(name for name, step in steps.items() if step["state"] == "done")
            return done.issuperset(_STEPS)

        until(complete, f"complete chain ({', '.join(_STEPS)})", timeout_s, 0.2)

    def signalled(self, number: signal.Signals) -> float:
        """Send SIGTERM to the process, as a supervisor, or another to its group, as a terminal does.

        Returns:
            Seconds until it and everything that it had started were gone.
        """
        mine = self.processes()
        assert self.process.pid in {p.pid for p in mine}
        began = time.monotonic()
        if number == signal.SIGTERM:
            self.process.send_signal(number)
        else:
            os.killpg(self.process.pid, number)
        try:
            self.process.wait(STOP_S)
            until(lambda: not any(map(_runs, mine)), "end of all it had started", STOP_S, 0.02)
        except (subprocess.TimeoutExpired, AssertionError):
            left = [(p.pid, " ".join(p.cmdline())) for p in self.processes()]
            raise AssertionError(f"still there after {STOP_S} s: {left}") from None
        took_s = time.monotonic() - began
        assert [p.cmdline() for p in self.processes()] == []
        return took_s

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """End it with a signal, and hold it to its promises: in time, all of it, without complaint."""
        took_s = self.signalled(number)
        assert self.process.returncode == 0, self.errors
        assert "Traceback" not in self.errors, self.errors
        assert took_s < STOP_S
        return took_s


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def with_history(data: Path, history: Path) -> Path:
    """A data directory as a demo finds it at its second start."""
    shutil.copytree(history, data / history.name)
    return data


@contextlib.contextmanager
def practice_plant(
    folder: Path, history: Path, *more: str, embedded: bool = True
) -> Iterator[Mapping[str, Any]]:
    """The live practice plant on its own, with what it says when it is ready."""
    command = [sys.executable, "-m", "simulators", "run", "--no-hold", *more]
    command += ["--history-cache", str(history / "state"), "--sent", str(folder / "sent.csv")]
    command += ["--embedded-broker"] if embedded else []
    with Product(folder, command=command) as plant:
        assert plant.process.stdout is not None
        said = plant.process.stdout.readline()
        assert said, plant.errors
        yield json.loads(said)
        plant.stop()
