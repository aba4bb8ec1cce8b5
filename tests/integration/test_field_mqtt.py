"""Facts of the way from a real MQTT broker on loopback to the historian."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from connectors.field.source import source_signals
from connectors.field.sparkplug import DataType, Metric, Payload, decode_payload, encode_payload
from tests.field_lab import START, TIMEOUT_S, Pauses, Store, free_port, ingesting, run, within
from tests.mqtt_lab import (
    WITHOUT_MOSQUITTO,
    Device,
    Embedded,
    Kept,
    Mosquitto,
    facts_of,
    kill_all,
    source_of,
    vibrations,
    with_options,
)
from twin.plant import Plant, load_plant
from twin.telemetry import Quality, to_us

Kind = type[Embedded] | type[Mosquitto]
BROKERS = [Embedded, pytest.param(Mosquitto, marks=WITHOUT_MOSQUITTO)]


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "amqtt")
    caplog.set_level(logging.CRITICAL, "transitions")


@pytest.fixture(autouse=True)
def _leaves_no_process() -> Iterator[None]:
    yield
    kill_all()


@pytest.fixture
def plant() -> Plant:
    return load_plant("simulators/practice/plant.toml")


@WITHOUT_MOSQUITTO
@pytest.mark.skipif(
    shutil.which("mosquitto_pub") is None, reason="needs the Debian package mosquitto-clients"
)
@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_what_mosquitto_pub_sends_with_each_qos_is_stored(
    plant: Plant, tmp_path: Path, version: str
) -> None:
    plant = with_options(plant, "sensors", version=version, qos=2)

    async def story() -> None:
        broker, store = Mosquitto(tmp_path), Store()
        await broker.start()
        source = source_of(plant, "sensors", broker.url)
        async with ingesting(plant, source, store) as ingest:
            await within(ingest.subscribed())
            for number, (topic, payload) in enumerate(vibrations(plant, 30)):
                sender = await asyncio.create_subprocess_exec(
                    *("mosquitto_pub", "-h", "127.0.0.1", "-p", str(broker.port), "-t", topic),
                    *("-q", str(number % 3), "-V", "mqttv5" if version == "5" else "mqttv311"),
                    *("-m", payload.decode()),
                )
                assert await within(sender.wait()) == 0
            await store.reaches(30)
        assert store.facts() == facts_of(plant, 30)
        await broker.stop()

    run(story)


@pytest.mark.parametrize("kind", BROKERS)
@pytest.mark.parametrize("refusals", [0, 4])
def test_every_json_message_is_stored_once_also_when_the_store_refuses_at_first(
    plant: Plant, tmp_path: Path, kind: Kind, refusals: int
) -> None:
    async def story() -> None:
        broker, store = kind(tmp_path), Store(refusals)
        await broker.start()
        source = source_of(plant, "sensors", broker.url)
        async with ingesting(plant, source, store) as ingest, Device(broker.url) as device:
            await within(ingest.subscribed())
            messages = vibrations(plant, 300)
            await device.publish([*messages, (messages[0][0], b"{"), *messages[:10]])
            await store.reaches(300)
        assert store.facts() == facts_of(plant, 300)
        (status,) = ingest.status()
        assert (status.received, status.stored, status.duplicates) == (310, 300, 10)
        assert (status.rejected, status.waiting, status.error) == (1, 0, None)
        await broker.stop()

    run(story)


@pytest.mark.parametrize("kind", BROKERS)
def test_a_broker_that_lost_our_session_leaves_a_gap_and_values_arrive_again(
    plant: Plant, tmp_path: Path, kind: Kind
) -> None:
    async def story() -> None:
        broker, store, pauses = kind(tmp_path), Store(), Pauses()
        await broker.start()
        source = source_of(plant, "sensors", broker.url, pauses)
        async with ingesting(plant, source, store) as ingest:
            await within(ingest.subscribed())
            async with Device(broker.url) as device:
                await device.publish(vibrations(plant, 20))
                await store.reaches(20)
            await broker.stop()
            await pauses.next()
            assert not source.health().connected
            await broker.start()
            await within(ingest.subscribed())
            async with Device(broker.url) as device:
                await device.publish(vibrations(plant, 20, START + timedelta(hours=1)))
                await store.reaches(40)
        before = facts_of(plant, 20)
        signal, last, _ = before[-1]
        gap = (signal, last + timedelta(microseconds=1), None)
        later = facts_of(plant, 20, START + timedelta(hours=1))
        assert store.facts() == [*before, gap, *later]
        await broker.stop()

    run(story)


UNLIMITED = ("allow_anonymous true", "max_inflight_messages 0", "max_queued_messages 0")


@WITHOUT_MOSQUITTO
@pytest.mark.parametrize(("version", "qos"), [("5", 1), ("5", 2), ("3.1.1", 1), ("3.1.1", 2)])
def test_what_is_not_on_disk_stays_with_the_broker_and_comes_again(
    plant: Plant, tmp_path: Path, version: str, qos: int
) -> None:
    plant = with_options(plant, "sensors", version=version, qos=qos)

    async def story() -> None:
        broker = Mosquitto(tmp_path, *UNLIMITED)
        await broker.start()
        first, hold = source_of(plant, "sensors", broker.url), Kept(durable=False)
        listening = asyncio.create_task(first.run(hold))
        await within(first.subscribed.wait())
        async with Device(broker.url) as device:
            await device.publish(vibrations(plant, 500), qos)
        # More than the 20 that Mosquitto sends to a client of MQTT 3.1.1 unless told otherwise.
        await hold.until(lambda: len(hold.values) == 500)
        first.stop()
        await asyncio.wait_for(listening, 20)
        again = Kept()
        second = source_of(plant, "sensors", broker.url)
        listening = asyncio.create_task(second.run(again))
        await again.until(lambda: len(again.values) == 500)
        second.stop()
        await asyncio.wait_for(listening, 20)
        assert again.values == hold.values == [i / 100 for i in range(500)]
        third, nothing = source_of(plant, "sensors", broker.url), Kept()
        listening = asyncio.create_task(third.run(nothing))
        await within(third.subscribed.wait())
        async with Device(broker.url) as device:
            await device.publish(vibrations(plant, 2)[1:], qos)
        await nothing.until(lambda: nothing.values[-1:] == [0.01])
        # What was on disk is not sent a third time; but with QoS 2 the broker's answers were on
        # their way when we left, and a socket closed on unread bytes may take ours along.
        assert qos == 2 or len(nothing.values) == 1
        third.stop()
        await asyncio.wait_for(listening, 20)
        await broker.stop()

    run(story)


def _birth(plant: Plant) -> tuple[str, list[Metric], dict[str, int]]:
    addresses = [address for _, address in source_signals(plant, "meters")]
    node = addresses[0].partition(":")[0].replace("electronics/", "")
    names = [address.partition(":")[2] for address in addresses]
    aliases = {name: i + 1 for i, name in enumerate(names)}
    at_ms = to_us(START) // 1000
    metrics = [Metric(name="bdSeq", datatype=DataType.INT64, value=0)]
    metrics += [
        Metric(name=n, alias=a, datatype=DataType.DOUBLE, value=1.0, timestamp_ms=at_ms)
        for n, a in aliases.items()
    ]
    return node, metrics, aliases


@pytest.mark.parametrize("kind", BROKERS)
def test_sparkplug_birth_data_and_death_of_a_node(plant: Plant, tmp_path: Path, kind: Kind) -> None:
    async def story() -> None:
        broker, store = kind(tmp_path), Store()
        await broker.start()
        node, metrics, aliases = _birth(plant)
        at_ms = to_us(START) // 1000
        will = encode_payload(Payload(timestamp_ms=at_ms, metrics=metrics[:1]))
        device = Device(broker.url, topic=f"spBv1.0/electronics/NDEATH/{node}", payload=will, qos=1)
        source = source_of(plant, "meters", broker.url)
        async with device, ingesting(plant, source, store) as ingest:
            await within(ingest.subscribed())
            command = await within(device.heard.get())
            assert command.topic == f"spBv1.0/electronics/NCMD/{node}"
            assert decode_payload(command.payload).metrics[0].name == "Node Control/Rebirth"
            birth = encode_payload(Payload(timestamp_ms=at_ms, seq=0, metrics=metrics))
            data = encode_payload(
                Payload(
                    timestamp_ms=at_ms + 10_000,
                    seq=1,
                    metrics=[Metric(alias=aliases["printer/power"], value=1.8)],
                )
            )
            topics = (f"spBv1.0/electronics/{kind}/{node}" for kind in ("NBIRTH", "NDATA"))
            await device.publish(list(zip(topics, (birth, data), strict=True)), qos=0)
            await store.reaches(len(aliases) + 1)
            power = plant.signal_id("printer", "power")
            (last,) = store.latest([power]).samples()
            assert (last.value, last.measured_at) == (1800.0, START + timedelta(seconds=10))
            sock = cast(Any, device.client.socket())
            sock.shutdown(2)
            await store.reaches(2 * len(aliases) + 1)
            after = list(store.latest().samples())
            assert {(s.value, s.quality) for s in after} == {(None, Quality.BAD)}
            # By the node's clock: what it said last, and the time that went by here since then.
            (died_at,) = {s.measured_at for s in after}
            said_at = START + timedelta(seconds=10)
            assert said_at < died_at < said_at + timedelta(seconds=TIMEOUT_S)
        await broker.stop()

    run(story)


def test_unreachable_broker_is_one_clear_line(plant: Plant) -> None:
    async def story() -> None:
        url, pauses = f"mqtt://user:secret@127.0.0.1:{free_port()}", Pauses()
        source = source_of(plant, "sensors", url, pauses)
        async with ingesting(plant, source, Store()):
            await pauses.next()
        assert source.health().error == (
            f'source "sensors" at {url.replace("user:secret@", "")}: nobody answers at that port; '
            f"start the broker, or correct url in [sources.sensors] of the plant file"
        )

    run(story)


@WITHOUT_MOSQUITTO
def test_broker_that_wants_a_password_is_one_clear_line(plant: Plant, tmp_path: Path) -> None:
    async def story() -> None:
        broker, pauses = Mosquitto(tmp_path, "allow_anonymous false"), Pauses()
        await broker.start()
        source = source_of(plant, "sensors", broker.url, pauses)
        async with ingesting(plant, source, Store()):
            await pauses.next()
        assert "it refuses us: Not authorized; give the broker this user" in str(
            source.health().error
        )
        await broker.stop()

    run(story)
