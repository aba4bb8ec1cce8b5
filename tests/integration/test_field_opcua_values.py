"""Facts of what the OPC UA source makes of values: structures, arrays, deadbands, times, letters."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.structures104 import new_struct, new_struct_field

from connectors.field.source import Wanted
from tests.field_lab import run, within
from tests.opcua_lab import URI, End, Press, listening, source_of


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "asyncua")


def at(node: str, **more: Any) -> Wanted:
    return Wanted(address=f"nsu={URI};s={node}", **more)


def values(end: End, index: int) -> list[float | str | None]:
    return [value for i, _, value in end.rows if i == index]


def test_arrays_give_their_places_and_a_text_signal_all_of_it() -> None:
    async def story() -> None:
        press, end = Press(nodes=1, initial=[0.0]), End()
        await press.start()
        signals = [at("v0#[0]"), at("v0#[2]"), at("v0", text=True), at("v0#[9]")]
        source = source_of(press.url, signals)
        async with listening(source, end):
            await within(source.subscribed.wait())
            (subscription,) = press.subscriptions.values()
            assert len(subscription.monitored_item_srv._monitored_items) == 1
            await press.write(0, ua.Variant([1.5, 2.5, 3.5], ua.VariantType.Double))
            await end.until(lambda: len(end.rows) == 4)
        assert [values(end, i) for i in range(4)] == [[1.5], [3.5], ["[1.5, 2.5, 3.5]"], [None]]
        (letter,) = end.letters
        assert letter.reason == "an array of 3 has no [9]"
        assert letter.payload == b"[1.5, 2.5, 3.5]"
        assert source.health().rejected == 1
        await press.stop()

    run(story)


def test_structures_give_their_fields_by_name_whatever_lies_in_them() -> None:
    async def story() -> None:
        press, end = Press(nodes=0), End()
        await press.start()
        step, _ = await new_struct(
            press.server,
            press.index,
            "Step",
            [
                new_struct_field("force", ua.VariantType.Double),
                new_struct_field("name", ua.VariantType.String),
            ],
        )
        await new_struct(
            press.server,
            press.index,
            "Recipe",
            [
                new_struct_field("number", ua.VariantType.Int32),
                new_struct_field("steps", step, array=True),
            ],
        )
        types = await press.server.load_data_type_definitions()
        value = types["Recipe"](7, [types["Step"](1.25, "dip"), types["Step"](2.5, "hold")])
        press.initial = types["Recipe"](0, [])
        await press.add(0)
        # The server runs in this process; the client is to learn the types from it.
        for type_id in [
            k for k, t in ua.extension_objects_by_typeid.items() if t in types.values()
        ]:
            delattr(ua, ua.extension_objects_by_typeid.pop(type_id).__name__)
        signals = [at("v0#number"), at("v0#steps[1].force"), at("v0#steps[0].name", text=True)]
        source = source_of(press.url, [*signals, at("v0", text=True), at("v0#colour")])
        async with listening(source, end):
            await within(source.subscribed.wait())
            await press.write(0, ua.Variant(value, ua.VariantType.ExtensionObject))
            await end.until(lambda: len(end.rows) == 5)
        assert [values(end, i) for i in range(3)] == [[7.0], [2.5], ["dip"]]
        whole = '{"number": 7, "steps": [{"force": 1.25, "name": "dip"}, {"force": 2.5, "name": "hold"}]}'
        assert values(end, 3) == [whole]
        assert values(end, 4) == [None]
        assert end.letters[0].reason == 'no field "colour" in a Recipe'
        await press.stop()

    run(story)


def test_array_for_a_number_is_a_letter_and_a_sample_without_value() -> None:
    async def story() -> None:
        press, end = Press(nodes=2, initial=[0]), End()
        await press.start()
        source = source_of(press.url, press.signals)
        async with listening(source, end):
            await within(source.subscribed.wait())
            await press.write(0, ua.Variant([1, 2], ua.VariantType.Int64))
            await end.until(lambda: len(end.rows) == 1)
            await press.write(1, ua.Variant([3], ua.VariantType.Int64))
            await end.until(lambda: len(end.rows) == 2)
        assert [(i, v) for i, _, v in end.rows] == [(0, None), (1, None)]
        assert [x.payload for x in end.letters] == [b"[1, 2]", b"[3]"]
        assert {x.reason for x in end.letters} == {"an array where a number or text is wanted"}
        await press.stop()

    run(story)


def test_absolute_deadband_is_kept_by_the_server() -> None:
    async def story() -> None:
        press, end = Press(nodes=2), End()
        await press.start()
        source = source_of(press.url, [at("v0", deadband=1.0), at("v1")])
        await press.write(0, 9.9)
        async with listening(source, end):
            await within(source.subscribed.wait())
            for value in (10.0, 10.4, 10.9, 12.0, 12.5, 13.5):
                await press.write(0, value)
                await press.write(1, value)
            await end.until(lambda: len(values(end, 1)) == 6)
        # asyncua compares with the value before, whether that was sent or not.
        assert values(end, 0) == [9.9, 12.0]
        await press.stop()

    run(story)


def test_server_time_stands_in_where_there_is_no_source_time() -> None:
    async def story() -> None:
        press, end = Press(nodes=1), End()
        await press.start()
        source = source_of(press.url, press.signals)
        noon = datetime(2026, 3, 16, 12, tzinfo=UTC)
        async with listening(source, end):
            await within(source.subscribed.wait())
            data = ua.DataValue(ua.Variant(1.0), SourceTimestamp=None, ServerTimestamp=noon)
            await press.server.write_attribute_value(press.node(0), data)
            await end.until(lambda: len(end.rows) == 1)
        ((_, time_us, _),) = end.rows
        assert time_us == 1_773_662_400_000_000
        await press.stop()

    run(story)


def test_credentials_that_the_server_refuses_are_one_clear_line() -> None:
    async def story() -> None:
        press, end = Press(nodes=1), End()
        await press.start()
        press.server.iserver.user_manager = Nobody()
        source = source_of(press.url, press.signals)
        async with listening(source, end):
            await end.until(lambda: source.health().error is not None)
        assert "the server refuses an anonymous session" in str(source.health().error)
        await press.stop()

    run(story)


class Nobody:
    """A user manager that lets nobody in."""

    def get_user(self, *_: object, **__: object) -> None:
        return None
