"""Facts of the way from a real MQTT broker on loopback to the historian."""

from __future__ import annotations

import asyncio
import logging
import shutil
import socket
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from amqtt.broker import Broker
from paho.mqtt.enums import CallbackAPIVersion

from connectors.field.delivery import Delivery
from connectors.field.json_payload import encode_json
from connectors.field.source import LiveSource, Surroundings, source_signals
from connectors.field.sources import live_sources
from connectors.field.sparkplug import DataType, Metric, Payload, decode_payload, encode_payload
from tests.field_lab import START, TIMEOUT_S, Pauses, Store, free_port, ingesting, run, within
from twin.plant import Plant, load_plant
from twin.telemetry import Quality, to_us

WITHOUT_MOSQUITTO = pytest.mark.skipif(
    shutil.which("mosquitto") is None and not Path("/usr/sbin/mosquitto").exists(),
    reason="needs the Debian package mosquitto",
)


PROCESSES: list[subprocess.Popen[bytes]] = []


class Embedded:
    """amqtt: MQTT 3.1.1, in this process."""

    def __init__(self, _: Path) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"mqtt://{self.address}"

    async def start(self) -> None:
        listener = {"type": "tcp", "bind": self.address}
        plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
        self.broker = Broker({"listeners": {"default": listener}, "plugins": plugins})
        await self.broker.start()

    async def stop(self) -> None:
        await self.broker.shutdown()


class Mosquitto:
    """MQTT 5, in a process of its own."""

    def __init__(self, folder: Path, *settings: str) -> None:
        self.port = free_port()
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self.config = folder / "mosquitto.conf"
        settings = settings or ("allow_anonymous true",)
        lines = (f"listener {self.port} 127.0.0.1", "log_dest stderr", *settings, "")
        self.config.write_text("\n".join(lines))

    async def start(self) -> None:
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self.process = subprocess.Popen([program, "-c", str(self.config)], stderr=subprocess.PIPE)
        PROCESSES.append(self.process)
        await asyncio.wait_for(asyncio.to_thread(self._running), TIMEOUT_S)

    async def stop(self) -> None:
        self.process.terminate()
        await asyncio.to_thread(self.process.wait)

    def _running(self) -> None:
        assert self.process.stderr is not None
        assert any(b" running" in line for line in self.process.stderr), "mosquitto did not start"


Kind = type[Embedded] | type[Mosquitto]
BROKERS = [Embedded, pytest.param(Mosquitto, marks=WITHOUT_MOSQUITTO)]


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "amqtt")
    caplog.set_level(logging.CRITICAL, "transitions")


@pytest.fixture(autouse=True)
def _leaves_no_process() -> Iterator[None]:
    yield
    while PROCESSES:
        process = PROCESSES.pop()
        with process:
            process.kill()


@pytest.fixture
def plant() -> Plant:
    return load_plant("simulators/practice/plant.toml")


class Device:
    """A publisher on paho's thread."""

    def __init__(self, url: str, **will: Any) -> None:
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2)
        if will:
            self.client.will_set(**will)
        self.heard: asyncio.Queue[mqtt.MQTTMessage] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        self.client.on_message = lambda c, u, message: loop.call_soon_threadsafe(
            self.heard.put_nowait, message
        )
        self.port = int(url.rpartition(":")[2])

    async def __aenter__(self) -> Device:
        subscribed = asyncio.Event()
        loop = asyncio.get_running_loop()
        self.client.on_connect = lambda *_: self.client.subscribe("spBv1.0/+/NCMD/#")
        self.client.on_subscribe = lambda *_: loop.call_soon_threadsafe(subscribed.set)
        await asyncio.to_thread(self.client.connect, "127.0.0.1", self.port)
        self.client.loop_start()
        await asyncio.wait_for(subscribed.wait(), TIMEOUT_S)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.client.disconnect()
        await asyncio.to_thread(self.client.loop_stop)

    async def publish(self, messages: list[tuple[str, bytes]], qos: int = 1) -> None:
        sent = [self.client.publish(topic, payload, qos) for topic, payload in messages]
        for info in sent:
            await asyncio.to_thread(info.wait_for_publish, TIMEOUT_S)


def source_of(plant: Plant, name: str, url: str, pauses: Pauses | None = None) -> LiveSource:
    sources = live_sources(plant, {name: url}, Surroundings(sleep=pauses or Pauses()))
    return next(source for source in sources if source.name == name)


def vibrations(plant: Plant, count: int, start: datetime = START) -> list[tuple[str, bytes]]:
    """Messages of a sensor whose value and stored value are the same number."""
    topic = plant.address("pick_place_1", "vibration")
    instants = [to_us(start) + i * 1_000_250 for i in range(count)]
    return [(topic, encode_json(i / 100, at)) for i, at in enumerate(instants)]


def facts_of(plant: Plant, count: int, start: datetime = START) -> list[Any]:
    signal = plant.signal_id("pick_place_1", "vibration")
    step = timedelta(microseconds=1_000_250)
    return [(signal, start + i * step, i / 100) for i in range(count)]


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


@WITHOUT_MOSQUITTO
def test_unstored_messages_stay_with_the_broker_and_come_again(
    plant: Plant, tmp_path: Path
) -> None:
    async def story() -> None:
        broker = Mosquitto(tmp_path)
        await broker.start()
        url = broker.url
        first = source_of(plant, "sensors", url)
        held: list[Any] = []
        full = asyncio.Event()

        async def hold(delivery: Delivery) -> None:
            held.extend(delivery.readings.value.tolist())
            if len(held) == 500:
                full.set()

        listening = asyncio.create_task(first.run(hold))
        await within(first.subscribed.wait())
        async with Device(broker.url) as device:
            await device.publish(vibrations(plant, 500))
        # More than the 20 that a client of MQTT 3.1.1 gets without acknowledging.
        await within(full.wait())
        first.stop()
        await within(listening)
        store = Store()
        async with ingesting(plant, source_of(plant, "sensors", url), store):
            await store.reaches(500)
        assert store.facts() == facts_of(plant, 500)
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
            sock = device.client.socket()
            assert sock is not None
            sock.shutdown(socket.SHUT_RDWR)
            await store.reaches(2 * len(aliases) + 1)
            after = list(store.latest().samples())
            assert {(s.value, s.quality) for s in after} == {(None, Quality.BAD)}
            assert {s.measured_at for s in after} == {START + timedelta(hours=1)}
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
        assert "it refuses us: Not authorized; give the broker this user" in str(source.health().error)
        await broker.stop()

    run(story)
