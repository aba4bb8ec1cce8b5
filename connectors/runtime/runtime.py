"""The composition root: stores, sources, chain and desk put together, started and stopped."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import Executor
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from connectors.field.clock import WallClock
from connectors.runtime.board import Board, Step
from connectors.runtime.compiling import compile_beside
from connectors.runtime.desk import Desk
from connectors.runtime.events import EventHub
from connectors.runtime.jobs import Jobs
from connectors.runtime.line import LineView
from connectors.runtime.memory import keep_giving_back
from connectors.runtime.ownership import data_directory
from connectors.runtime.pool import Workers
from connectors.runtime.records import alerts_by_id, last_calibration
from connectors.runtime.report import StatusFile, source_document, telemetry_document
from connectors.runtime.telemetry import make_ingest, open_copies, open_main_historian
from connectors.settings import Settings
from twin.errors import NotReadyError, SourceError, StoreError
from twin.plant import Plant
from twin.scenarios import RunCache
from twin.telemetry import from_us

if TYPE_CHECKING:
    from connectors.pipeline import Ingest
    from connectors.runtime.chain import Pace
    from connectors.store.ledger import Ledger
    from twin.telemetry import Historian

__all__ = ["Companion", "Runtime", "open_stores"]

logger = logging.getLogger(__name__)

_LINE_EVERY_S = 0.5
_IDLE_S = 1.0


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
            patience_s: How long the first source may take to be subscribed; None waits for
                ever. Others, and a source that is lost later, are always waited for. [s]
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
        self._copies: dict[str, Historian] = {}
        self._quick = Workers(1)
        self._pool = Workers(settings.workers)
        self._line = LineView(plant)
        self._wall = WallClock()
        self.hub = EventHub()
        self.board = Board()
        self.jobs = Jobs(
            self.hub,
            executor=lambda: self._pool,
            now=self.now,
            cache=RunCache(settings.data / "runs"),
        )
        self.desk = Desk(
            plant,
            board=self.board,
            line=self._line,
            hub=self.hub,
            jobs=self.jobs,
            now=self.now,
            sources=self.sources,
            telemetry=self.telemetry,
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
        return [] if self._ingest is None else [source_document(s) for s in self._ingest.status()]

    def telemetry(self) -> dict[str, Any]:
        """Sources, stores, spool, and what was lost.

        Raises:
            NotReadyError: The stores are being opened.
        """
        if self._ingest is None:
            raise NotReadyError("the telemetry store is being opened; ask again soon")
        return telemetry_document(self._ingest)

    async def run(self, stopping: asyncio.Event) -> None:
        """Open the stores, listen to the sources and keep the chain going until ``stopping``.

        Raises:
            StoreError: The data directory or a server cannot be used.
            SourceError: No source was subscribed in time, or the practice plant did not come up.
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
        urls = {} if self._companion is None else await self._companion.source_urls()
        self._copies = await asyncio.to_thread(open_copies, self._settings)
        self._ingest = make_ingest(
            self._settings,
            self._plant,
            self._open_historian(),
            self._copies,
            _Arrival(self),
            self._line.observe,
            urls,
        )

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

    async def _live(self, stopping: asyncio.Event) -> None:
        assert self._ingest is not None  # noqa: S101  set by _start
        listening = asyncio.create_task(self._ingest.run())
        status = StatusFile(self._settings.data)
        tasks = [
            asyncio.create_task(self._tell_line()),
            asyncio.create_task(self._keep_chain()),
            asyncio.create_task(self._announce()),
            asyncio.create_task(status.keep(self.telemetry, self._wall.now)),
            asyncio.create_task(keep_giving_back()),
            asyncio.create_task(self._compile_engines()),
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
            found = self._ingest.status()
            if any(s.subscribed for s in found):
                return  # the ones that are late have said why, and are tried again
            said = [s.error or f'source "{s.name}": not every signal is found yet' for s in found]
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

    async def _compile_engines(self) -> None:
        """Once the first plan is there, so that no question waits for a compiler."""
        while self.board.plan is None:
            await asyncio.sleep(_IDLE_S)
        await compile_beside()

    def _tell_health(self) -> None:
        self.hub.publish("health", self.desk.health())

    async def _close(self) -> None:
        self.hub.close()
        self.jobs.close()
        for pool in (self._quick, self._pool):
            pool.end()
        try:
            if self._companion is not None:
                await self._companion.end()
        finally:
            if self._historian is not None:
                await asyncio.to_thread(self._historian.close)
            for copy in self._copies.values():
                await asyncio.to_thread(copy.close)
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

    data_directory(settings.data)
    historian = open_main_historian(settings)
    try:
        return historian, Ledger(settings.ledger_url or ledger_url(settings.data))
    except StoreError:
        historian.close()
        raise


def ledger_url(data: Path) -> str:
    """The default ledger of a data directory."""
    return f"sqlite:///{data / 'ledger.sqlite'}"


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
