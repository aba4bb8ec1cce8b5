"""What every live source promises: a session that breaks is begun again, and says why."""

from __future__ import annotations

import asyncio

from connectors.field.delivery import Delivery, Sink
from connectors.field.source import LiveSource, Surroundings, Wanted
from twin.plant import Source


class Brittle(LiveSource):
    """Breaks in its first session in a way that nobody foresaw, and is well in the second."""

    sessions = 0

    async def _session(self, sink: Sink) -> None:
        self.sessions += 1
        if self.sessions == 1:
            raise ZeroDivisionError("nobody foresaw this")
        self._connected = True
        self._all_well()
        await self._stopping.wait()


def test_a_source_that_breaks_says_so_and_is_started_again() -> None:
    said: list[str | None] = []

    async def story() -> int:
        async def pause(_: float) -> None:
            said.append(source.health().error)

        async def sink(delivery: Delivery) -> None:
            raise AssertionError("nothing was sent")

        entry = Source(kind="opcua", url="opc.tcp://127.0.0.1:1", address="{signal}")
        source = Brittle("m", entry, entry.url, [Wanted(address="a")], Surroundings(sleep=pause))
        running = asyncio.create_task(source.run(sink))
        async with asyncio.timeout(10):
            await source.subscribed.wait()
        said.append(source.health().error)
        source.stop()
        await running
        return source.sessions

    assert asyncio.run(story()) == 2
    first = 'source "m": ZeroDivisionError: nobody foresaw this; it is started again'
    assert said[:2] == [first, None]
