"""The event hub: what a listener hears, what it hears again, and what it need not hear."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from connectors.runtime import events
from connectors.runtime.events import Event, EventHub


def on_a_loop(scene: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(scene)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(scene(*args, **kwargs))

    return run


async def heard(stream: AsyncIterator[Event], n: int) -> list[tuple[str, dict[str, object]]]:
    """The next n events of a stream, which must be there already."""
    async with asyncio.timeout(2.0):
        return [(e.name, dict(e.data)) for e in [await anext(stream) for _ in range(n)]]


async def everything(hub: EventHub, after_id: int | None) -> list[Event]:
    """What a listener hears until the hub closes, which it does once all of it was told."""
    found = []

    async def listen() -> None:
        async for event in hub.subscribe(after_id):
            found.append(event)

    listener = asyncio.create_task(listen())
    for _ in range(5):
        await asyncio.sleep(0)
    hub.close()
    async with asyncio.timeout(2.0):
        await listener
    return found


def hub_of(*names: str) -> EventHub:
    hub = EventHub()
    for i, name in enumerate(names):
        hub.publish(name, {"i": i})
    return hub


@on_a_loop
async def test_ids_rise_by_one() -> None:
    told = await everything(hub_of("health", "alerts", "proposals"), None)
    assert [e.id - told[0].id for e in told] == [0, 1, 2]


@on_a_loop
async def test_a_new_listener_hears_the_newest_of_every_document() -> None:
    told = await everything(hub_of("health", "alerts", "health"), None)
    assert [(e.name, e.data["i"]) for e in told] == [("alerts", 1), ("health", 2)]


@on_a_loop
async def test_a_listener_that_comes_back_hears_what_it_missed_and_no_more() -> None:
    hub = hub_of("health")
    stream = hub.subscribe(None)
    last = await anext(stream)
    hub.publish("health", {"i": 1})
    hub.publish("health", {"i": 2})
    told = await everything(hub, last.id)
    assert [(e.id - last.id, e.data["i"]) for e in told] == [(1, 1), (2, 2)]


@on_a_loop
async def test_of_missed_lines_only_the_newest_is_told() -> None:
    hub = hub_of("health")
    last = await anext(hub.subscribe(None))
    for i in range(5):
        hub.publish("line", {"i": i})
    hub.publish("alerts", {"i": 9})
    told = await everything(hub, last.id)
    assert [(e.name, e.data["i"]) for e in told] == [("line", 4), ("alerts", 9)]


@on_a_loop
async def test_an_id_of_an_earlier_run_begins_anew() -> None:
    told = await everything(hub_of("health"), 17)
    assert [e.name for e in told] == ["health"]


@on_a_loop
async def test_an_id_that_was_never_given_begins_anew() -> None:
    told = await everything(hub_of("health"), 10**18)
    assert [e.name for e in told] == ["health"]


@on_a_loop
async def test_two_jobs_are_two_documents_and_one_that_is_over_is_not_told_to_the_new() -> None:
    hub = EventHub()
    hub.publish("job", {"job": 1}, key="1")
    hub.publish("job", {"job": 2}, key="2")
    hub.publish("job", {"job": 1, "over": True}, key="1", over=True)
    told = await everything(hub, None)
    assert [e.data for e in told] == [{"job": 2}]


@on_a_loop
async def test_what_happens_while_the_first_documents_are_sent_is_told_too() -> None:
    hub = hub_of("health", "alerts")
    stream = hub.subscribe(None)
    await heard(stream, 1)
    hub.publish("proposals", {"i": 2})  # the listener is still busy with the first document
    assert await heard(stream, 2) == [("alerts", {"i": 1}), ("proposals", {"i": 2})]


@on_a_loop
async def test_a_listener_that_fell_behind_the_memory_hears_the_newest_of_every_document(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "_KEPT", 3)
    hub = hub_of("health")
    stream = hub.subscribe(None)
    await heard(stream, 1)
    hub.publish("alerts", {"i": 1})
    for i in range(2, 7):
        hub.publish("line", {"i": i})
    names = [name for name, _ in await heard(stream, 3)]
    assert names == ["health", "alerts", "line"]


@on_a_loop
async def test_closing_ends_every_stream() -> None:
    hub = hub_of()

    async def listen() -> list[Event]:
        return [event async for event in hub.subscribe(None)]

    listeners = [asyncio.create_task(listen()) for _ in range(3)]
    await asyncio.sleep(0)
    hub.close()
    async with asyncio.timeout(2.0):
        assert await asyncio.gather(*listeners) == [[], [], []]


@on_a_loop
async def test_a_worker_thread_may_publish() -> None:
    hub = EventHub()
    hub.open()
    stream = hub.subscribe(None)
    waiting = asyncio.create_task(anext(stream))
    await asyncio.sleep(0)
    thread = threading.Thread(target=hub.publish, args=("health", {"i": 1}))
    thread.start()
    async with asyncio.timeout(2.0):
        event = await waiting
    thread.join()
    assert (event.name, event.data) == ("health", {"i": 1})
