"""Between a source and the store: bounded, and handed on by size or age."""

from __future__ import annotations

import asyncio
import contextlib

from connectors.field.delivery import Delivery

__all__ = ["Batcher"]


class Batcher:
    """Collects deliveries until there are enough, or the first has waited long enough.

    ``put`` waits while it is full, so a slow store slows its source down and memory stays bounded.
    """

    def __init__(self, *, size: int = 5_000, age_s: float = 0.2, room: int = 20_000) -> None:
        """An empty batcher.

        Args:
            size: Samples from which a batch is handed on at once.
            age_s: How long the first sample of a batch waits for others. [s]
            room: Samples from which ``put`` waits for a ``take``; a delivery is never split.
        """
        self._size = size
        self._age_s = age_s
        self._room = room
        self._deliveries: list[Delivery] = []
        self._waiting = 0
        self._closed = False
        self._some = asyncio.Event()
        self._enough = asyncio.Event()
        self._free = asyncio.Event()
        self._free.set()

    @property
    def waiting(self) -> int:
        """Samples that wait to be taken."""
        return self._waiting

    async def put(self, delivery: Delivery) -> None:
        """Add a delivery; returns when there is room for another.

        The delivery is in before the wait: a source that is cut off while it waits loses nothing.
        """
        self._deliveries.append(delivery)
        self._waiting += len(delivery)
        self._some.set()
        if delivery.hurry or self._waiting >= self._size:
            self._enough.set()
        if self._waiting >= self._room:
            self._free.clear()
        await self._free.wait()

    async def take(self) -> list[Delivery]:
        """The deliveries of the next batch; none when it is closed and empty."""
        await self._some.wait()
        if not (self._closed or self._enough.is_set()):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._age_s):
                    await self._enough.wait()
        taken, self._deliveries = self._deliveries, []
        self._waiting = 0
        self._enough.clear()
        self._free.set()
        if not self._closed:
            self._some.clear()
        return taken

    def close(self) -> None:
        """Nothing more comes; ``take`` no longer waits."""
        self._closed = True
        self._some.set()
        self._enough.set()
