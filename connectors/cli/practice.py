"""The practice plant around the product: its history prepared once, its process started and ended."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import Executor
from datetime import timedelta
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from connectors.runtime.ownership import data_directory
from connectors.runtime.runtime import ledger_url
from twin.errors import SourceError, StoreError
from twin.plant import load_plant
from twin.telemetry import from_us

__all__ = ["PRACTICE_PLANT", "PracticePlant"]

PRACTICE_PLANT = Path(str(files("simulators"))) / "practice" / "plant.toml"
"""The shipped example. The product starts the practice plant as a program and imports none of it."""

_COME_UP_S = 120.0
_HOLD_S = 15.0
_END_S = 3.0
_OURS = ("telemetry.duckdb", "ledger.sqlite")


class PracticePlant:
    """A practice plant in a process of its own; ``async with`` starts and ends it.

    Its story is the same at every start: the live phase begins where two weeks of history end.
    """

    def __init__(self, data: Path, *, seed: int, speed: float, faults: tuple[str, ...]) -> None:
        self._data = data
        self._seed = seed
        self._speed = speed
        self._faults = faults
        self._process: asyncio.subprocess.Process | None = None
        self._ready: asyncio.Future[dict[str, Any]] | None = None
        self._held: asyncio.Event = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self.started = asyncio.Event()
        """Set when its clock runs."""

    @property
    def truth(self) -> Path:
        """What it really did, written when it ends."""
        return self._data / "truth.json"

    @property
    def sent(self) -> Path:
        """Every sample that it sent after the start."""
        return self._data / "sent.csv"

    @property
    def history_truth(self) -> Path:
        """What it really did during the two weeks before."""
        return self._prepared / "truth.json"

    @property
    def run_data(self) -> Path:
        """Data directory of the product for this run."""
        return self._data / "run"

    @property
    def prepared(self) -> bool:
        """True when its history is there from an earlier start."""
        return self._prepared.exists()

    @property
    def _prepared(self) -> Path:
        return self._data / f"history-{_key(self._seed)}"

    async def prepare(self, pool: Executor) -> None:
        """Make the history unless it is there, lay a fresh copy of it, and start the plant.

        Raises:
            SourceError: The practice plant could not write its history.
            StoreError: The history could not be stored, or something else is in its place.
        """
        data_directory(self._data)
        if not self.prepared:
            await self._prepare(pool)
        await asyncio.to_thread(self._lay_copy)
        await self._start()

    async def source_urls(self) -> Mapping[str, str]:
        """Where its sources listen.

        Raises:
            SourceError: It ended, or did not come up in time.
        """
        assert self._ready is not None  # noqa: S101  set by prepare
        try:
            async with asyncio.timeout(_COME_UP_S):
                ready = await asyncio.shield(self._ready)
        except TimeoutError:
            raise SourceError(f"the practice plant did not come up in {_COME_UP_S:g} s") from None
        return {
            "machines": ready["opcua_url"],
            "sensors": ready["mqtt_url"],
            "meters": ready["mqtt_url"],
        }

    async def subscribed(self) -> None:
        """Let its clock run: from now on it has listeners for everything it sends."""
        await self._tell(f"start {self._speed:g}")
        self.started.set()

    async def hold(self) -> None:
        """Stop its clock, and wait until everything it sent was taken over."""
        await self._tell("hold")
        try:
            async with asyncio.timeout(_HOLD_S):
                await self._held.wait()
        except TimeoutError:
            raise SourceError("the practice plant did not stop its clock") from None

    async def _tell(self, command: str) -> None:
        if self._process is None or self._process.stdin is None:
            raise SourceError("the practice plant is not running")
        self._process.stdin.write(f"{command}\n".encode())
        try:
            await self._process.stdin.drain()
        except OSError as e:
            raise SourceError("the practice plant has ended") from e

    async def end(self) -> None:
        """Close its input, so that it writes its truth and ends; kill it when it does not."""
        if self._process is None:
            return
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            async with asyncio.timeout(_END_S):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        if self._reading is not None:
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _prepare(self, pool: Executor) -> None:
        """Two weeks of history, stored and calibrated, in a folder that appears when it is whole."""
        made = self._prepared.with_name(f"{self._prepared.name}.part")
        shutil.rmtree(made, ignore_errors=True)
        (made / "data").mkdir(parents=True)
        recording = made / "recording.parquet"
        writing = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "simulators", "history", "--plant", str(PRACTICE_PLANT)),
            *("--seed", str(self._seed), "--out", str(recording)),
            *("--truth", str(made / "truth.json"), "--history-cache", str(made / "state")),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            _, said = await writing.communicate()
        except asyncio.CancelledError:
            writing.kill()
            await writing.wait()
            raise
        if writing.returncode != 0:
            reason = said.decode(errors="replace").strip()[-500:]
            raise SourceError(f"the practice plant wrote no history: {reason}")
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(pool, _store, recording, made / "data")
        recording.unlink()
        made.rename(self._prepared)

    async def _start(self) -> None:
        self._ready = asyncio.get_running_loop().create_future()
        command = [
            *(sys.executable, "-m", "simulators", "run"),
            *("--plant", str(PRACTICE_PLANT), "--seed", str(self._seed)),
            *("--speed", f"{self._speed:g}", "--embedded-broker"),
            *("--history-cache", str(self._prepared / "state"), "--truth", str(self.truth)),
            *("--sent", str(self.sent)),
        ]
        for fault in self._faults:
            command += ["--fault", fault]
        self._process = await asyncio.create_subprocess_exec(
            *command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process is not None  # noqa: S101
        assert self._process.stdout is not None  # noqa: S101
        assert self._ready is not None  # noqa: S101
        async for line in self._process.stdout:
            with contextlib.suppress(json.JSONDecodeError):
                event = json.loads(line)
                if event.get("event") == "ready" and not self._ready.done():
                    self._ready.set_result(event)
                elif event.get("event") == "held":
                    self._held.set()
        if not self._ready.done():
            code = await self._process.wait()
            self._ready.set_exception(
                SourceError(f"the practice plant ended with exit code {code} before it was ready")
            )

    def _lay_copy(self) -> None:
        there = [file.name for file in self.run_data.glob("*")]
        if there and not any(name.startswith(_OURS) for name in there):
            raise StoreError(
                f"{self.run_data} is no demo's data and would be replaced; name another directory "
                "with --data"
            )
        shutil.rmtree(self.run_data, ignore_errors=True)
        shutil.copytree(self._prepared / "data", self.run_data)


def _store(recording: Path, data: Path) -> None:
    from connectors.field.recording import read_recording
    from connectors.jobs import calibrate_step
    from connectors.runtime.records import record_calibration
    from connectors.store.ledger import Ledger
    from connectors.store.open import open_historian

    plant = load_plant(PRACTICE_PLANT)
    historian = open_historian(data / "telemetry.duckdb")
    try:
        for batch in read_recording(recording):
            historian.append(batch)
        newest = historian.latest()
        as_of = max(from_us(int(newest.available_us.max())), from_us(int(newest.measured_us.max())))
        start = as_of - timedelta(days=14)
        batch = historian.read(None, start, as_of + timedelta(microseconds=1), as_of=as_of)
    finally:
        historian.close()
    calibrated = calibrate_step(plant, batch, as_of, start)
    ledger = Ledger(ledger_url(data))
    try:
        record_calibration(ledger, calibrated, why=f"fitted to {len(batch)} samples of 14 days")
    finally:
        ledger.close()


def _key(seed: int) -> str:
    """Names a history: it is made again when the plant, the seed or the product changes."""
    digest = hashlib.sha256(f"{version('linetwin')} {seed}".encode())
    for file in sorted(PRACTICE_PLANT.parent.glob("*")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
