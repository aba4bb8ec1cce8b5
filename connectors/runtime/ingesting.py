"""Ingest alone, without twin and page: ``linetwin ingest``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.field.clock import WallClock
from connectors.runtime.memory import keep_giving_back
from connectors.runtime.ownership import data_directory
from connectors.runtime.report import StatusFile, TelemetryCollector, telemetry_document
from connectors.runtime.telemetry import (
    make_ingest,
    make_sources,
    newest_us,
    open_copies,
    open_main_historian_late,
)
from connectors.settings import Settings
from twin.errors import LinetwinError, SourceError, StoreError
from twin.plant import Plant, load_plant
from twin.telemetry import from_us

if TYPE_CHECKING:
    from connectors.field.clock import Clock
    from connectors.pipeline import Ingest
    from twin.telemetry import SampleBatch

__all__ = ["ingest_until"]

LOOK_EVERY_S = 1.0
"""How often the plant file is looked at. [s]"""

logger = logging.getLogger(__name__)


class _NewestSample:
    """The clock of a practice plant or a replay: it is as late as the newest sample."""

    def __init__(self, newest_us: int) -> None:
        self._us = newest_us

    def observe(self, batch: SampleBatch) -> None:
        if len(batch):
            self._us = max(self._us, int(batch.measured_us.max()))

    def now(self) -> datetime:
        return from_us(self._us)


async def ingest_until(stopping: asyncio.Event, settings: Settings, plant: Plant) -> None:
    """Store what the sources of a plant say until ``stopping``.

    A changed plant file is taken over while it runs; only the sources that changed begin anew.

    Args:
        stopping: Ends it.
        settings: Where things are.
        plant: As its file says it now.

    Raises:
        StoreError: The data directory cannot be used.
        SourceError: The port of the metrics is taken.
    """
    data_directory(settings.data)
    historian = await asyncio.to_thread(open_main_historian_late, settings)
    with contextlib.ExitStack() as open_things:
        open_things.callback(historian.close)
        copies = await asyncio.to_thread(open_copies, settings)
        for copy in copies.values():
            open_things.callback(copy.close)
        try:
            newest = await asyncio.to_thread(newest_us, historian)
        except StoreError:  # it is away: ingest says so, and waits
            newest = 0
        follows = _NewestSample(newest)
        on_wall = settings.clock == "wall"
        clock: Clock = WallClock() if on_wall else follows
        ingest = make_ingest(
            settings, plant, historian, copies, clock, None if on_wall else follows.observe
        )
        open_things.enter_context(_metrics(settings, ingest))
        await _run(stopping, settings, ingest)


async def _run(stopping: asyncio.Event, settings: Settings, ingest: Ingest) -> None:
    status, document = StatusFile(settings.data), partial(telemetry_document, ingest)
    listening = asyncio.create_task(ingest.run())
    stop = asyncio.create_task(stopping.wait())
    around = [
        asyncio.create_task(status.keep(document, WallClock().now)),
        asyncio.create_task(_follow_file(settings, ingest)),
        asyncio.create_task(keep_giving_back()),
    ]
    try:
        await asyncio.wait((listening, stop), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (stop, *around):
            task.cancel()
        await asyncio.gather(stop, *around, return_exceptions=True)
        await ingest.stop()
        status.write(document(), WallClock().now())
        await listening


async def _follow_file(settings: Settings, ingest: Ingest) -> None:
    known = _changed_at(settings.plant)
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        found = _changed_at(settings.plant)
        if found in (known, None):
            continue
        known = found
        try:
            plant = await asyncio.to_thread(load_plant, settings.plant)
            touched = await ingest.reload(plant, make_sources(settings, plant, {}))
        except LinetwinError as e:
            logger.warning("the plant file has changed and is not taken over: %s", e)
        except Exception:  # the next change may be one that can be taken over
            logger.exception("the plant file has changed and is not taken over")
        else:
            names = ", ".join(touched) or "no source"
            logger.warning("the plant file has changed: %s begun anew", names)


def _changed_at(file: Path) -> int | None:
    try:
        return file.stat().st_mtime_ns
    except OSError:  # an editor is replacing it
        return None


@contextlib.contextmanager
def _metrics(settings: Settings, ingest: Ingest) -> Iterator[None]:
    """GET /metrics on its own port, where the settings name one."""
    if settings.metrics_port is None:
        yield
        return
    from prometheus_client import CollectorRegistry, start_http_server

    registry = CollectorRegistry()
    registry.register(TelemetryCollector(partial(telemetry_document, ingest)))
    try:
        server, thread = start_http_server(settings.metrics_port, settings.host, registry)
    except OSError as e:
        raise SourceError(
            f"cannot listen on {settings.host}:{settings.metrics_port} for metrics: {e.strerror}; "
            "choose another port with --metrics-port"
        ) from e
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
