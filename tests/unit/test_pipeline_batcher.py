"""Facts of what stands between a source and the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from connectors.field.delivery import Delivery, ReadingsBuilder
from connectors.pipeline.batcher import Batcher

NEVER_S = 3600.0


def _chunk(count: int) -> Delivery:
    readings = ReadingsBuilder()
    for i in range(count):
        readings.add(0, float(i), i, 0)
    return Delivery(readings=readings.build())


def _run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def in_time() -> None:
        await asyncio.wait_for(story(), 5.0)

    asyncio.run(in_time())


def test_batch_is_handed_on_when_it_is_large_enough() -> None:
    async def story() -> None:
        batcher = Batcher(size=10, age_s=NEVER_S)
        taking = asyncio.create_task(batcher.take())
        for _ in range(3):
            await batcher.put(_chunk(3))
        await asyncio.sleep(0)
        assert not taking.done()
        await batcher.put(_chunk(1))
        assert [len(c.readings) for c in await taking] == [3, 3, 3, 1]
        assert batcher.waiting == 0

    _run(story)


def test_batch_is_handed_on_when_it_is_old_enough() -> None:
    async def story() -> None:
        batcher = Batcher(size=10, age_s=0.0)
        await batcher.put(_chunk(1))
        assert len(await batcher.take()) == 1

    _run(story)


def test_batch_is_handed_on_when_its_source_is_in_a_hurry() -> None:
    async def story() -> None:
        batcher = Batcher(size=10, age_s=NEVER_S)
        await batcher.put(replace(_chunk(1), hurry=True))
        assert len(await batcher.take()) == 1

    _run(story)


def test_full_batcher_holds_its_source_until_a_batch_is_taken() -> None:
    async def story() -> None:
        batcher = Batcher(size=5, age_s=NEVER_S, room=10)
        await batcher.put(_chunk(9))
        waiting = asyncio.create_task(batcher.put(_chunk(1)))
        await asyncio.sleep(0)
        assert not waiting.done()
        assert [len(c.readings) for c in await batcher.take()] == [9, 1]
        await waiting
        assert batcher.waiting == 0

    _run(story)


def test_chunk_of_a_source_that_is_cut_off_while_it_waits_is_not_lost() -> None:
    async def story() -> None:
        batcher = Batcher(size=5, age_s=NEVER_S, room=10)
        first = asyncio.create_task(batcher.put(_chunk(12)))
        second = asyncio.create_task(batcher.put(_chunk(3)))
        await asyncio.sleep(0)
        for putting in (first, second):
            putting.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        assert [len(c.readings) for c in await batcher.take()] == [12, 3]

    _run(story)


def test_closed_batcher_gives_the_rest_and_then_nothing() -> None:
    async def story() -> None:
        batcher = Batcher(size=10, age_s=NEVER_S)
        await batcher.put(_chunk(2))
        batcher.close()
        assert len(await batcher.take()) == 1
        assert await batcher.take() == []

    _run(story)
