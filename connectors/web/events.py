"""Server-sent events: the wire format, the heartbeat and where to resume."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from connectors.web.service import Event
from twin.errors import DataError

__all__ = ["HEARTBEAT_S", "encode", "event_stream", "resume_point"]

HEARTBEAT_S = 10.0
_RECONNECT_MS = 2000


def encode(event: Event) -> bytes:
    """One event on the wire: id, name and its data as one line of JSON.

    Raises:
        ValueError: The data holds something that JSON cannot say, as NaN.
    """
    data = json.dumps(event.data, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return f"id: {event.id}\nevent: {event.name}\ndata: {data}\n\n".encode()


def resume_point(last_event_id: str | None) -> int | None:
    """The id to go on after, from what a browser sends when it reconnects.

    Raises:
        DataError: It is no id of ours.

    Example:
        >>> resume_point("17"), resume_point(None), resume_point("")
        (17, None, None)
    """
    if not last_event_id:
        return None
    if not (last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 20):
        raise DataError(f'Last-Event-ID "{last_event_id[:40]}" is not the id of an event')
    return int(last_event_id)


async def event_stream(
    events: AsyncIterator[Event], *, heartbeat_s: float = HEARTBEAT_S
) -> AsyncIterator[bytes]:
    """The body of the response: events as they come, a comment when it was quiet for `heartbeat_s`.

    The heartbeat lets both sides and every proxy between them notice a dead connection.
    """
    yield f"retry: {_RECONNECT_MS}\n\n".encode()
    waiting = asyncio.ensure_future(_next(events))
    try:
        while True:
            done, _ = await asyncio.wait({waiting}, timeout=heartbeat_s)
            if not done:
                yield b": still here\n\n"
                continue
            event = waiting.result()
            if event is None:
                return
            yield encode(event)
            waiting = asyncio.ensure_future(_next(events))
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()


async def _next(events: AsyncIterator[Event]) -> Event | None:
    return await anext(events, None)
