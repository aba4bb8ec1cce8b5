"""The composition root: stores, sources, chain and desk put together, started and stopped."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
from collections.abc import Mapping
from concurrent.futures import Executor
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

from connectors.field.clock import WallClock
from connectors.runtime.board import Board, Step
from connectors.runtime.desk import Desk
from connectors.runtime.events import EventHub
from connectors.runtime.line import LineView
from connectors.runtime.ownership import data_directory
from connectors.runtime.pool import Workers
from connectors.runtime.records import alerts_by_id, last_calibration
from connectors.runtime.whatif import WhatIfJobs
from connectors.settings import Settings
from twin.errors import NotReadyError, SourceError, StoreError
from twin.plant import Plant
from twin.telemetry import from_us

if TYPE_CHECKING:
    from connectors.pipeline import Ingest, SourceStatus
    from connectors.runtime.chain import Pace
    from connectors.store.ledger import Ledger
    from twin.telemetry import Historian

__all__ = ["Companion", "Runtime", "open_stores"]

logger = logging.getLogger(__name__)

_LINE_EVERY_S = 0.5


class Companion(Protocol):
    """What the demo adds around the product: a plant to practise on."""

    async def prepare(self, pool: Executor) -> None:
        """Before the stores are opened."""
        ...

    async def source_urls(self) -> Mapping[str, str]:
        """Where the sources are, once they listen."""
        ...

    async def subscribed(self) -> None:
        """Every source is subscribed."""
        ...

    async def end(self) -> None:
        """The product has stopped listening."""
        ...


class Runtime:
    """One running product. ``desk`` answers from the beginning; ``run`` fills it with life."""

    def __init__(
        self,
        settings: Settings,
        plant: Plant,
        *,
        pace: Pace | None = None,
        speed: float = 1.0,
        companion: Companion | None = None,
        patience_s: float | None = None,
        seed: int = 0,
    ) -> None:
        """Put the parts together; nothing is opened yet.

        Args:
            settings: Where things are.
            plant: As its file says it.
            pace: How often the steps run; None for the usual.
            speed: Plant seconds in a second, for the page.
            companion: A practice plant around the product.
            patience_s: How long every source may take to be subscribed for the first time;
                None waits for ever. A source that is lost later is always waited for. [s]
            seed: Names the simulated futures.
        """
        self._settings = settings
        self._plant = plant
        self._pace = pace
        self._companion = companion
        self._patience_s = patience_s
        self._seed = seed
        self._historian: Historian | None = None
        self._ledger: Ledger | None = None
        self._ingest: Ingest | None = None
        self._quick = Workers(1)
        self._pool = Workers(settings.workers)
        self._line = LineView(plant)
        self._wall = WallClock()
        self.hub = EventHub()
        self.board = Board()
        self.whatif = WhatIfJobs(self.hub, executor=lambda: self._pool, now=self.now)
        self.desk = Desk(
            plant,
            board=self.board,
            line=self._line,
            hub=self.hub,
            whatif=self.whatif,
            now=self.now,
            sources=self.sources,
            historian=self._open_historian,
            ledger=self._open_ledger,
            speed=speed,
            version=version("linetwin"),
        )
        self.board.told = self._tell_health

    def now(self) -> datetime:
        """Plant time, by the clock that the settings name."""
        if self._settings.clock == "wall":
            return self._wall.now()
        newest = self._line.measured_us
        if newest == 0:
            raise NotReadyError("plant time is not known before the first sample; ask again soon")
        return from_us(newest)

    def sources(self) -> list[dict[str, Any]]:
        """How every source is doing."""
        return [] if self._ingest is None else [_source(s) for s in self._ingest.status()]

    async def run(self, stopping: asyncio.Event) -> None:
        """Open the stores, listen to the sources and keep the chain going until ``stopping``.

        Raises:
            StoreError: The data directory or a server cannot be used.
            SourceError: A source was not subscribed in time, or the practice plant did not come up.
        """
        self.hub.open()
        try:
            await _unless(stopping, self._start())
            if self._ingest is None or stopping.is_set():
                return
            await self._live(stopping)
        finally:
            await self._close()

    async def _start(self) -> None:
        self.board.step("history", Step(state="running"))
        if self._companion is not None:
            await self._companion.prepare(self._quick)
        self._historian, self._ledger = await asyncio.to_thread(open_stores, self._settings)
        await asyncio.to_thread(self._restore)
        urls = dict(self._settings.source_urls)
        if self._companion is not None:
            urls |= await self._companion.source_urls()
        self._ingest = self._make_ingest(urls)

    def _restore(self) -> None:
        """What the stores already know: newest samples, last calibration, alerts."""
        historian, ledger = self._open_historian(), self._open_ledger()
        self._line.observe(historian.latest())
        self.board.calibrated = last_calibration(ledger, self._plant)
        self.board.alerts = alerts_by_id(ledger)
        done = self.now() if self._settings.clock == "wall" or self._line.measured_us else None
        detail = f"{historian.count()} samples stored"
        self.board.step("history", Step(state="done", at=done, detail=detail))
        calibrated = self.board.calibrated
        if calibrated is not None:
            detail = f"calibration {calibrated.version} from the ledger"
            self.board.step("calibration", Step(state="done", at=calibrated.as_of, detail=detail))

    def _make_ingest(self, urls: Mapping[str, str]) -> Ingest:
        from connectors.field.source import Surroundings
        from connectors.field.sources import live_sources
        from connectors.pipeline.ingest import Ingest

        settings = self._settings
        around = Surroundings(folder=settings.plant.parent, data=settings.data)
        found = {name: source.url for name, source in self._plant.sources.items()} | dict(urls)
        urls = {name: self._with_user(url) for name, url in found.items()}
        return Ingest(
            self._plant,
            {"telemetry": self._open_historian()},
            live_sources(self._plant, urls, around),
            clock=_Arrival(self),
            folder=settings.data,
            on_batch=self._line.observe,
            check_clocks=settings.clock == "wall",
        )

    def _with_user(self, url: str) -> str:
        """The URL of a broker with the user and password of the settings."""
        user = self._settings.mqtt_user
        try:
            parts = urlsplit(url)
        except ValueError:
            return url  # whoever connects refuses it, and says why
        if user is None or not parts.scheme.startswith("mqtt") or "@" in parts.netloc:
            return url
        file = self._settings.mqtt_password_file
        password = f":{quote(_secret(file), safe='')}" if file else ""
        return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}{password}@{parts.netloc}"))

    async def _live(self, stopping: asyncio.Event) -> None:
        assert self._ingest is not None  # noqa: S101  set by _start
        listening = asyncio.create_task(self._ingest.run())
        tasks = [
            asyncio.create_task(self._tell_line()),
            asyncio.create_task(self._keep_chain()),
            asyncio.create_task(self._announce()),
        ]
        try:
            await _unless(
                stopping, asyncio.wait((listening, *tasks), return_when="FIRST_EXCEPTION")
            )
            for task in (listening, *tasks):
                if task.done() and task.exception() is not None:
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._ingest.stop()
            await listening

    async def _announce(self) -> None:
        assert self._ingest is not None  # noqa: S101
        try:
            async with asyncio.timeout(self._patience_s):
                await self._ingest.subscribed()
        except TimeoutError:
            late = [s for s in self._ingest.status() if not s.subscribed]
            said = [s.error or f'source "{s.name}": not every signal is found yet' for s in late]
            raise SourceError("\n".join(said)) from None
        if self._companion is not None:
            await self._companion.subscribed()

    async def _keep_chain(self) -> None:
        from connectors.runtime.chain import Chain, Pace

        while self._settings.clock == "telemetry" and self._line.measured_us == 0:
            await asyncio.sleep(0.1)
        chain = Chain(
            self._plant,
            board=self.board,
            desk=self.desk,
            hub=self.hub,
            historian=self._open_historian(),
            ledger=self._open_ledger(),
            quick=self._quick,
            pool=self._pool,
            now=self.now,
            pace=self._pace or Pace(),
            seed=self._seed,
        )
        await chain.run()

    async def _tell_line(self) -> None:
        told = 0
        while True:
            newest = self._line.measured_us
            if newest > told:
                told = newest
                self.hub.publish("line", self.desk.line())
            await asyncio.sleep(_LINE_EVERY_S)

    def _tell_health(self) -> None:
        self.hub.publish("health", self.desk.health())

    async def _close(self) -> None:
        self.hub.close()
        self.whatif.close()
        for pool in (self._quick, self._pool):
            pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        try:
            if self._companion is not None:
                await self._companion.end()
        finally:
            if self._historian is not None:
                await asyncio.to_thread(self._historian.close)
            if self._ledger is not None:
                await asyncio.to_thread(self._ledger.close)

    def _open_historian(self) -> Historian:
        if self._historian is None:
            raise NotReadyError("the telemetry store is being opened; ask again soon")
        return self._historian

    def _open_ledger(self) -> Ledger:
        if self._ledger is None:
            raise NotReadyError("the ledger is being opened; ask again soon")
        return self._ledger


class _Arrival:
    """The clock of arriving samples: on the telemetry clock, the first of all are on time."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def now(self) -> datetime:
        try:
            return self._runtime.now()
        except NotReadyError:
            return from_us(0)


def open_stores(settings: Settings) -> tuple[Historian, Ledger]:
    """The historian and the ledger that the settings name.

    Raises:
        StoreError: One of them cannot be opened.
    """
    from connectors.store.ledger import Ledger
    from connectors.store.open import open_historian

    data_directory(settings.data)
    if settings.historian_url:
        parts = urlsplit(settings.historian_url)
        query = parse_qs(parts.query)
        historian = open_historian(
            urlunsplit(parts._replace(query="")),
            org=query.get("org", ["linetwin"])[0],
            bucket=query.get("bucket", ["telemetry"])[0],
            token=_secret(settings.historian_token_file) if settings.historian_token_file else "",
        )
    else:
        historian = open_historian(settings.data / "telemetry.duckdb")
    try:
        return historian, Ledger(settings.ledger_url or ledger_url(settings.data))
    except StoreError:
        historian.close()
        raise


def ledger_url(data: Path) -> str:
    """The default ledger of a data directory."""
    return f"sqlite:///{data / 'ledger.sqlite'}"


def _secret(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as e:
        raise StoreError(f"secret file {file}: {e.strerror}; check its path and its owner") from e


def _source(health: SourceStatus) -> dict[str, Any]:
    last = health.last_at
    return {
        **{
            key: getattr(health, key)
            for key in ("name", "connected", "received", "stored", "duplicates", "error")
        },
        "kind": health.kind,
        "last_at": last.astimezone(UTC).isoformat() if last else None,
    }


async def _unless(stopping: asyncio.Event, work: Any) -> None:
    """Do the work, or leave it when it is time to stop; its exception is raised."""
    task, stop = asyncio.ensure_future(work), asyncio.ensure_future(stopping.wait())
    await asyncio.wait((task, stop), return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if task.done():
        task.result()
    else:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
