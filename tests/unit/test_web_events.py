"""The event stream: wire format, heartbeat, resume, and that nothing is left running."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.web.events import encode, event_stream, resume_point
from twin.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    id: int
    name: str
    data: dict[str, Any]


async def told(*events: Told) -> AsyncIterator[Told]:
    for event in events:
        yield event


async def chunks(stream: AsyncIterator[bytes]) -> list[bytes]:
    return [chunk async for chunk in stream]


def test_an_event_carries_id_name_and_one_line_of_json() -> None:
    event = Told(id=7, name="line", data={"unit": "µm\nand more"})
    assert encode(event) == 'id: 7\nevent: line\ndata: {"unit":"µm\\nand more"}\n\n'.encode()


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_no_text_can_break_out_of_its_event(data: dict[str, Any]) -> None:
    try:
        wire = encode(Told(id=1, name="line", data=data))
    except UnicodeEncodeError:  # a lone surrogate is no text that a document can hold
        return
    # The standard ends lines at CR, LF and CRLF only.
    lines = wire.decode().replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert lines[:2] == ["id: 1", "event: line"]
    assert lines[3:] == ["", ""]
    assert json.loads(lines[2].removeprefix("data: ")) == data


def test_a_number_that_json_cannot_say_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        encode(Told(id=1, name="line", data={"x": float("nan")}))


def test_the_stream_ends_when_the_product_stops() -> None:
    first, second = Told(id=1, name="line", data={}), Told(id=2, name="health", data={})
    body = asyncio.run(chunks(event_stream(told(first, second))))
    assert body[0].startswith(b"retry: ")
    assert body[1:] == [encode(first), encode(second)]


def test_a_quiet_stream_beats_and_loses_nothing() -> None:
    late = Told(id=3, name="alerts", data={})

    async def scene() -> list[bytes]:
        quiet = asyncio.Event()

        async def source() -> AsyncIterator[Told]:
            await quiet.wait()
            yield late

        heard = []
        async for chunk in event_stream(source(), heartbeat_s=0.001):
            heard.append(chunk)
            if heard.count(b": still here\n\n") == 2:
                quiet.set()
        return heard

    heard = asyncio.run(scene())
    assert heard.count(b": still here\n\n") >= 2
    assert heard[-1] == encode(late)


def test_a_listener_that_leaves_is_forgotten() -> None:
    async def scene() -> bool:
        closed = False

        async def source() -> AsyncIterator[Told]:
            nonlocal closed
            try:
                yield Told(id=1, name="line", data={})
                await asyncio.Event().wait()
            finally:
                closed = True

        stream = event_stream(source())
        await anext(stream)
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return closed

    assert asyncio.run(scene())


def test_last_event_id_is_where_to_go_on() -> None:
    assert resume_point("1774000000000") == 1774000000000
    assert resume_point(None) is None


@pytest.mark.parametrize("text", ["x", "-1", "1.5", "9" * 30, "٣"])
def test_a_strange_last_event_id_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="Last-Event-ID"):
        resume_point(text)
