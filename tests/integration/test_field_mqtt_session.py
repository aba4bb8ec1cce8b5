"""Facts of sessions at a broker: who shares one, what is kept, what is known to be lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from connectors.field.delivery import Gap
from connectors.field.mqtt.link import ROOM
from connectors.field.source import LiveSource
from tests.field_lab import START, TIMEOUT_S, Pauses, run, within
from tests.mqtt_lab import (
    WITHOUT_MOSQUITTO,
    Device,
    Kept,
    Mosquitto,
    kill_all,
    source_of,
    vibrations,
    with_options,
)
from twin.plant import JsonOptions, Plant, load_plant
from twin.telemetry import to_us

pytestmark = WITHOUT_MOSQUITTO

NOW_S = 1_800_000_000.0
UNLIMITED = ("allow_anonymous true", "max_inflight_messages 0", "max_queued_messages 0")


@pytest.fixture(autouse=True)
def _leaves_no_process() -> Iterator[None]:
    yield
    kill_all()


@pytest.fixture
def plant() -> Plant:
    return load_plant("simulators/practice/plant.toml")


@contextlib.asynccontextmanager
async def listening(source: LiveSource, kept: Kept) -> AsyncIterator[None]:
    running = asyncio.create_task(source.run(kept))
    try:
        await within(source.subscribed.wait())
        yield
    finally:
        source.stop()
        await asyncio.wait_for(running, TIMEOUT_S)


def gaps(kept: Kept) -> list[Gap]:
    return [gap for delivery in kept.deliveries for gap in delivery.gaps]


@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_a_group_divides_the_messages_of_a_topic(
    plant: Plant, tmp_path: Path, version: str
) -> None:
    plant = with_options(plant, "sensors", version=version, share="line1")

    async def story() -> None:
        broker, one, other = Mosquitto(tmp_path), Kept(), Kept()
        await broker.start()
        first = source_of(plant, "sensors", broker.url, client_prefix="one")
        second = source_of(plant, "sensors", broker.url, client_prefix="other")
        async with (
            listening(first, one),
            listening(second, other),
            Device(broker.url) as device,
        ):
            await device.publish(vibrations(plant, 300))
            for kept in (one, other):
                await kept.until(lambda: len(one.values) + len(other.values) == 300)
        assert sorted(one.values + other.values) == [i / 100 for i in range(300)]
        assert len(one.values) > 50
        assert len(other.values) > 50
        await broker.stop()

    run(story)


def test_a_broker_that_keeps_its_session_over_a_restart_leaves_no_gap(
    plant: Plant, tmp_path: Path
) -> None:
    settings = ("allow_anonymous true", "persistence true", f"persistence_location {tmp_path}/")

    async def story() -> None:
        broker, kept, pauses = Mosquitto(tmp_path, *settings), Kept(), Pauses()
        await broker.start()
        source = source_of(plant, "sensors", broker.url, data=tmp_path / "data")
        async with listening(source, kept):
            pass
        async with Device(broker.url) as device:
            await device.publish(vibrations(plant, 200))
        await broker.stop()
        await broker.start()
        source = source_of(plant, "sensors", broker.url, pauses, data=tmp_path / "data")
        async with listening(source, kept):
            await kept.until(lambda: len(kept.values) == 200)
        assert kept.values == [i / 100 for i in range(200)]
        assert gaps(kept) == []
        await broker.stop()

    run(story)


def test_a_session_that_was_lost_while_we_were_away_is_a_gap_until_it_is_on_disk(
    plant: Plant, tmp_path: Path
) -> None:
    def again() -> LiveSource:
        source = source_of(
            plant, "sensors", broker.url, data=tmp_path / "data", wall_s=lambda: NOW_S
        )
        source.reached_us[1:] = to_us(START)  # the pipeline knows it from the store
        return source

    async def story() -> None:
        await broker.start()
        async with listening(again(), Kept()):
            pass
        await broker.stop()
        await broker.start()
        for durable in (False, True):  # killed before it was on disk: it is said again
            kept = Kept(durable=durable)
            async with listening(again(), kept):
                await kept.until(lambda: gaps(kept))  # noqa: B023
            (gap,) = gaps(kept)
            count = len(again().addresses)
            assert gap.index is not None
            assert gap.index.tolist() == list(range(count))
            # What was never heard is not known since the session was made.
            first, *others = [int(at) for at in gap.start_us]  # type: ignore[union-attr]
            assert first == NOW_S * 1e6
            assert set(others) == {to_us(START) + 1}
            assert int(gap.end_us[1]) == NOW_S * 1e6  # type: ignore[index]
        kept = Kept()
        async with listening(again(), kept), Device(broker.url) as device:
            await device.publish(vibrations(plant, 1))
            await kept.until(lambda: kept.values)
        assert gaps(kept) == []
        await broker.stop()

    broker = Mosquitto(tmp_path)
    run(story)


def test_with_qos_0_every_absence_is_a_gap(plant: Plant, tmp_path: Path) -> None:
    plant = with_options(plant, "sensors", qos=0)

    async def story() -> None:
        broker = Mosquitto(tmp_path)
        await broker.start()
        for absences in (0, 1):
            kept = Kept()
            source = source_of(plant, "sensors", broker.url, data=tmp_path / "data")
            async with listening(source, kept), Device(broker.url) as device:
                await device.publish(vibrations(plant, 5))
                await kept.until(lambda: len(kept.values) == 5)  # noqa: B023
            assert [gap.reason for gap in gaps(kept)] == [
                "with QoS 0 the broker keeps nothing while we are away"
            ] * absences
        await broker.stop()

    run(story)


def test_a_topic_that_left_the_plant_file_is_no_longer_sent(plant: Plant, tmp_path: Path) -> None:
    async def story() -> None:
        broker, kept = Mosquitto(tmp_path), Kept()
        await broker.start()
        source = source_of(plant, "sensors", broker.url, data=tmp_path / "data")
        source._filters = (*source._filters, "old/topic")  # type: ignore[attr-defined]
        async with listening(source, kept):
            pass
        source = source_of(plant, "sensors", broker.url, data=tmp_path / "data")
        async with listening(source, kept), Device(broker.url) as device:
            await device.publish([("old/topic", b"1"), *vibrations(plant, 1)])
            await kept.until(lambda: kept.values)
        assert [letter for delivery in kept.deliveries for letter in delivery.letters] == []
        await broker.stop()

    run(story)


@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_poison_becomes_letters_with_reasons_and_stops_nothing(
    plant: Plant, tmp_path: Path, version: str
) -> None:
    plant = with_options(plant, "sensors", version=version, json_form=JsonOptions(quality="q"))
    topic = plant.address("pick_place_1", "vibration")
    poison = {
        b"{": "not JSON: '{'",
        b'{"value": NaN}': "NaN is not JSON; a missing value is null",
        b"\xff": "not UTF-8: b'\\xff'",
        b'{"level": 2}': 'no "value" among level',
        b'{"value": 1, "q": "odd"}': 'quality "odd" is not good, uncertain or bad',
        b"1" * 10_000_000: "10000000 bytes are too many; the first 65536 are kept",
    }

    async def story() -> None:
        broker, kept = Mosquitto(tmp_path), Kept()
        await broker.start()
        source = source_of(plant, "sensors", broker.url)
        async with listening(source, kept), Device(broker.url) as device:
            for payload in poison:
                await device.publish([(topic, payload), *vibrations(plant, 1)])
            await kept.until(lambda: len(kept.values) == len(poison))
        letters = [letter for delivery in kept.deliveries for letter in delivery.letters]
        assert [letter.reason for letter in letters] == list(poison.values())
        assert [letter.payload for letter in letters] == [p[:65_536] for p in poison]
        assert {letter.address for letter in letters} == {topic}
        assert source.health().rejected == len(poison)
        await broker.stop()

    run(story)


def test_more_than_there_is_room_for_waits_at_the_broker_when_we_come_back(
    plant: Plant, tmp_path: Path
) -> None:
    count = ROOM + 5_000

    async def story() -> None:
        broker, kept = Mosquitto(tmp_path, *UNLIMITED), Kept()
        await broker.start()
        async with listening(source_of(plant, "sensors", broker.url), Kept()):
            pass
        device = Device(broker.url)
        device.client.max_inflight_messages_set(0)
        async with device:
            await device.publish(vibrations(plant, count))
        # All of it comes before the answer to what is subscribed.
        async with listening(source_of(plant, "sensors", broker.url), kept):
            await kept.until(lambda: len(kept.values) == count)
        assert kept.values == [i / 100 for i in range(count)]
        await broker.stop()

    run(story)
