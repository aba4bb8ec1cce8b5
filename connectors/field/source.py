"""What every live source promises, and how it stays connected."""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import numpy as np
from numpy.typing import NDArray

from connectors.field.delivery import NO_TIME, Sink
from twin.errors import SourceError
from twin.plant import Plant, SignalId, Source

__all__ = [
    "LiveSource",
    "SourceHealth",
    "Surroundings",
    "Wanted",
    "public_url",
    "source_signals",
    "wanted",
]

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 15.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceHealth:
    """How a source is doing."""

    connected: bool
    rejected: int
    """Messages and values that could not be understood."""
    error: str | None
    """What is wrong now, with its remedy; None when nothing is."""


def source_signals(plant: Plant, source: str) -> tuple[tuple[SignalId, str], ...]:
    """The signals of a source with their addresses; the place in this list is the index of a reading."""
    return tuple(
        (signal_id, plant.address(unit, name))
        for signal_id, (unit, name, signal) in plant.signals().items()
        if signal.source == source
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One address of a source, and how its signal is to be sent."""

    address: str
    text: bool = False
    """The signal is a text."""
    deadband: float | None = None
    """Absolute, in the sent unit."""
    deadband_percent: float | None = None
    """Percent of the server's EURange."""
    sampling_interval_ms: float | None = None
    """In place of the source's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where sources find files, and how they wait."""

    folder: Path = Path()
    """Of the plant file; files that it names are found from here."""
    data: Path | None = None
    """Of the product; None for a source that keeps nothing of its own."""
    client_prefix: str = "linetwin"
    """Begins the client id at MQTT brokers; give each running instance its own."""
    sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep
    """Waits between attempts."""
    wall_s: Callable[[], float] = time.time
    """Seconds since 1970, for the time stamps of what is published."""


def wanted(plant: Plant, source: str) -> tuple[Wanted, ...]:
    """What is wanted of a source, in the order of ``source_signals``."""
    return tuple(
        Wanted(
            address=plant.address(unit, name),
            text=signal.text,
            deadband=signal.deadband,
            deadband_percent=signal.deadband_percent,
            sampling_interval_ms=signal.sampling_interval_ms,
        )
        for unit, name, signal in plant.signals().values()
        if signal.source == source
    )


def public_url(url: str) -> str:
    """The URL without user and password, for messages.

    Example:
        >>> public_url("mqtt://user:secret@broker:1883")
        'mqtt://broker:1883'
    """
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


class LiveSource(ABC):
    """A server or broker that is listened to until ``stop``, through every loss of connection.

    A protocol implements ``_session``: connect, set ``subscribed``, hand readings to the sink,
    return when ``_stopping`` is set, raise SourceError when the connection cannot be made or is
    lost.
    """

    def __init__(
        self,
        name: str,
        entry: Source,
        url: str,
        signals: Sequence[Wanted],
        around: Surroundings | None = None,
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            name: As in the plant file.
            entry: What the plant file says of it.
            url: Where it is; in place of the entry's.
            signals: What is wanted, each address once; ``index`` of a reading points in here.
            around: Where it finds files and how it waits; None for the usual.
        """
        self.name = name
        self.kind = entry.kind
        self.entry = entry
        self.url = url
        self.signals = tuple(signals)
        self.addresses = tuple(signal.address for signal in signals)
        self.around = around or Surroundings()
        self.subscribed = asyncio.Event()
        """Set while every wanted address is subscribed."""
        self.reached_us: NDArray[np.int64] = np.full(len(self.addresses), NO_TIME, np.int64)
        """Newest measured_us of each address that is durable or on its way there; the pipeline
        fills it before ``run`` and keeps it, a source reads it to know what it missed."""
        self._stopping = asyncio.Event()
        self._sleep = self.around.sleep
        self._rejected = 0
        self._connected = False
        self._error: str | None = None

    def health(self) -> SourceHealth:
        """How it is doing now."""
        return SourceHealth(connected=self._connected, rejected=self._rejected, error=self._error)

    async def run(self, sink: Sink) -> None:
        """Listen until ``stop``; a lost connection is made again, later and later."""
        pause_s = FIRST_PAUSE_S
        while not self._stopping.is_set():
            try:
                await self._session(sink)
            except SourceError as e:
                self._fails(str(e))
            except Exception as e:  # one source that breaks must not stop the others
                logger.exception('source "%s" broke', self.name)
                self._fails(f'source "{self.name}": {type(e).__name__}: {e}; it is started again')
            if self.subscribed.is_set():
                pause_s = FIRST_PAUSE_S
            self._connected = False
            self.subscribed.clear()
            await self._first_of(self._sleep(pause_s))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def stop(self) -> None:
        """Ask ``run`` to hand over what it has and to return."""
        self._stopping.set()

    @abstractmethod
    async def _session(self, sink: Sink) -> None: ...

    def _all_well(self) -> None:
        """Every wanted address is subscribed."""
        if self._error is not None:
            logger.warning('source "%s" is back', self.name)
        self._error = None
        self.subscribed.set()

    def _fails(self, error: str) -> None:
        if error != self._error:
            logger.warning(error)
        self._error = error

    def _unreachable(self, found: object, remedy: str) -> SourceError:
        return SourceError(
            f'source "{self.name}" at {public_url(self.url)}: {found}; {remedy}, or correct '
            f"url in [sources.{self.name}] of the plant file"
        )

    async def _first_of(self, *waits: Coroutine[Any, Any, Any]) -> None:
        """Wait until one of them, or ``stop``, has happened."""
        tasks: list[asyncio.Task[Any]] = [asyncio.ensure_future(w) for w in waits]
        tasks.append(asyncio.ensure_future(self._stopping.wait()))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancel(tasks)


async def _cancel(tasks: Sequence[Awaitable[Any]]) -> None:
    for task in tasks:
        if isinstance(task, asyncio.Task):
            task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
