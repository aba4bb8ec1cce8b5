"""What every live source promises, and how it stays connected."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

from twin.errors import SourceError
from twin.plant import Plant, SignalId, SourceKind

__all__ = [
    "LiveSource",
    "Readings",
    "Sink",
    "SourceHealth",
    "public_url",
    "source_signals",
]

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 15.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Readings:
    """What a source heard, in columns of one length, before units and signal ids."""

    index: list[int] = field(default_factory=list)
    """Which of the source's addresses."""
    value: list[float | int | str | None] = field(default_factory=list)
    """As sent; None when there is no value."""
    measured_us: list[int | None] = field(default_factory=list)
    """Microseconds since 1970, UTC; None when the device does not say."""
    quality: list[int] = field(default_factory=list)
    """A code of ``twin.telemetry.Quality``."""

    def __len__(self) -> int:
        return len(self.index)

    def add(
        self, index: int, value: float | str | None, measured_us: int | None, quality: int
    ) -> None:
        """One more row."""
        self.index.append(index)
        self.value.append(value)
        self.measured_us.append(measured_us)
        self.quality.append(quality)


class Sink(Protocol):
    """Where a source puts what it heard."""

    async def __call__(
        self,
        readings: Readings,
        stored: Callable[[], None] | None = None,
        hurry: bool = False,
    ) -> None:
        """Take the readings; waits while there is no room.

        Args:
            readings: The caller leaves them alone from now on.
            stored: Called once, when every reading is in the store.
            hurry: The source can get no more before these are stored.
        """
        ...


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
        kind: SourceKind,
        url: str,
        addresses: Sequence[str],
        sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
    ) -> None:
        self.name = name
        self.kind = kind
        self.url = url
        self.addresses = tuple(addresses)
        self.subscribed = asyncio.Event()
        """Set while every wanted address is subscribed."""
        self._stopping = asyncio.Event()
        self._sleep = sleep
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
