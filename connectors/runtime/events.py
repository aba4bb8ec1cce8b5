"""What changed, told to every listener: a short memory, coalescing, resume by id."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["Event", "EventHub"]

_KEPT = 500
_COALESCED = frozenset({"line"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One document that changed."""

    id: int
    name: str
    data: Mapping[str, Any]
    key: str = ""
    """Tells apart several documents of one name, such as jobs."""


class EventHub:
    """Publishes from any thread, serves listeners on one event loop.

    Ids go on rising over a restart: they start at the computer's milliseconds.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next_id = time.time_ns() // 1_000_000
        self._kept: deque[Event] = deque(maxlen=_KEPT)
        self._newest: dict[tuple[str, str], Event] = {}
        self._changed: set[asyncio.Event] = set()
        self._closed = False

    def open(self) -> None:
        """Bind to the running event loop; what is published before is kept for listeners."""
        self._loop = asyncio.get_running_loop()

    def publish(
        self, name: str, data: Mapping[str, Any], *, key: str = "", over: bool = False
    ) -> None:
        """Tell every listener.

        Args:
            name: Kind of document.
            data: The document, JSON-able.
            key: Which of several documents of that kind.
            over: No further event of this key will come: new listeners need not hear it.
        """
        if self._loop is None or self._on_loop():
            self._publish(name, data, key, over)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._publish, name, data, key, over)

    def close(self) -> None:
        """End every listener's stream; call on the loop."""
        self._closed = True
        self._wake()

    async def subscribe(self, after_id: int | None) -> AsyncIterator[Event]:
        """Events for one listener: what it missed, then what happens, until `close`."""
        changed = asyncio.Event()
        self._changed.add(changed)
        try:
            seen = -1 if after_id is None else after_id
            while not self._closed:
                changed.clear()
                told, newest = self._after(seen), self._next_id - 1
                for event in told:
                    yield event
                seen = newest
                if seen == self._next_id - 1 and not self._closed:
                    await changed.wait()
        finally:
            self._changed.discard(changed)

    def _after(self, seen: int) -> list[Event]:
        """What came after an id; the newest of every document where that is not remembered."""
        first = self._kept[0].id if self._kept else self._next_id
        if not first <= seen + 1 <= self._next_id:
            return sorted(self._newest.values(), key=lambda event: event.id)
        told = []
        for event in self._kept:
            newest = self._newest.get((event.name, event.key))
            if event.id <= seen:
                continue
            if event.name not in _COALESCED:
                told.append(event)
            elif newest is not None and newest.id == event.id:
                told.append(newest)
        return told

    def _publish(self, name: str, data: Mapping[str, Any], key: str, over: bool) -> None:
        event = Event(id=self._next_id, name=name, data=data, key=key)
        self._next_id += 1
        # Of what is coalesced only the newest is ever told: the memory keeps its place, not its data.
        self._kept.append(replace(event, data={}) if name in _COALESCED else event)
        if over:
            self._newest.pop((name, key), None)
        else:
            self._newest[name, key] = event
        self._wake()

    def _wake(self) -> None:
        for changed in self._changed:
            changed.set()

    def _on_loop(self) -> bool:
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False
