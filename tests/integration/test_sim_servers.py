from __future__ import annotations

import asyncio
import csv
import json
import queue
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
import pytest
from asyncua import Client, ua
from paho.mqtt.enums import CallbackAPIVersion

from connectors.field.json_payload import decode_json
from connectors.field.sparkplug import MessageType, Metric, Payload, Topic, decode_payload
from connectors.field.sparkplug import encode_payload as encode
from simulators.cli import main
from simulators.clock import to_us
from simulators.physics import Emission
from simulators.servers.broker import EmbeddedBroker
from simulators.servers.mqtt import JsonPublisher, SparkplugNode
from twin.plant import load_plant

PLANT_FILE = Path(__file__).parents[2] / "simulators" / "practice" / "plant.toml"
WAIT_S = 8.0


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sim")
    arguments = ["history", "--plant", str(PLANT_FILE), "--seed", "9", "--days", "3"]
    arguments += ["--out", str(folder / "r.parquet"), "--history-cache", str(folder / "cache")]
    assert main(arguments) == 0
    return folder / "cache"


class Running:
    """A practice plant in a process of its own."""

    def __init__(self, cache: Path, folder: Path, *more: str) -> None:
        self.truth, self.sent = folder / "truth.json", folder / "sent.csv"
        command = [sys.executable, "-m", "simulators", "run", "--plant", str(PLANT_FILE)]
        command += ["--seed", "9", "--days", "3", "--history-cache", str(cache)]
        command += ["--truth", str(self.truth), "--sent", str(self.sent), *more]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def hear(self, event: str) -> dict[str, Any]:
        assert self.process.stdout is not None
        while line := self.process.stdout.readline():
            found: dict[str, Any] = json.loads(line)
            if found["event"] == event:
                return found
        assert self.process.stderr is not None
        raise AssertionError(f"no {event}: {self.process.stderr.read()}")

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def end(self) -> int:
        """Close its standard input; its exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(timeout=WAIT_S)


@pytest.fixture
def running(cache: Path, tmp_path: Path) -> Iterator[Running]:
    plant = Running(cache, tmp_path, "--embedded-broker")
    yield plant
    if plant.process.poll() is None:
        plant.process.kill()
        plant.process.wait()
    for pipe in (plant.process.stdin, plant.process.stdout, plant.process.stderr):
        assert pipe is not None
        pipe.close()


class Listener:
    """Hears MQTT topics; messages wait in a queue."""

    def __init__(self, url: str, topics: str, client_id: str = "listener", keep: bool = False):
        self.messages: queue.Queue[mqtt.MQTTMessage] = queue.Queue()
        self._subscribed: queue.Queue[bool] = queue.Queue()
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id, clean_session=not keep, manual_ack=keep
        )
        self.client.on_message = lambda c, u, message: self.messages.put(message)
        self.client.on_subscribe = lambda *a: self._subscribed.put(True)
        self.client.on_connect = lambda *a: self._subscribed.put(True)
        self.client.connect("127.0.0.1", urlsplit(url).port or 0)
        self.client.loop_start()
        self._subscribed.get(timeout=WAIT_S)
        self.client.subscribe(topics, 1)
        self._subscribed.get(timeout=WAIT_S)

    def next(self) -> mqtt.MQTTMessage:
        return self.messages.get(timeout=WAIT_S)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@asynccontextmanager
async def opcua(url: str) -> AsyncIterator[tuple[Client, int]]:
    async with Client(url) as client:
        yield client, await client.get_namespace_index("urn:linetwin:practice")


class Changes:
    """Takes OPC UA data changes."""

    def __init__(self, names: dict[Any, tuple[str, str]]) -> None:
        self.names = names
        self.seen: set[tuple[str, str, int]] = set()

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        stamp = data.monitored_item.Value.SourceTimestamp
        at = to_us(stamp.replace(tzinfo=UTC))
        self.seen.add((*self.names[node.nodeid], at))

    def status_change_notification(self, status: Any) -> None:
        """The server is gone."""


def test_the_address_space_follows_the_plant_file(running: Running) -> None:
    ready = running.hear("ready")

    async def look() -> None:
        async with opcua(ready["opcua_url"]) as (client, own):
            machinery = await client.get_namespace_index("http://opcfoundation.org/UA/Machinery/")
            machines = await client.nodes.objects.get_child(f"{machinery}:Machines")
            items = await machines.get_children()
            assert [item.nodeid.Identifier for item in items] == list(
                load_plant(PLANT_FILE).work_units
            )
            below = [(await c.read_browse_name()).Name for c in await items[0].get_children()]
            assert below == ["Identification", "Status", "Production", "Process"]
            state = client.get_node(ua.NodeId("reflow.state", own))
            value = await state.read_data_value()
            assert value.Value.Value in (5, 6, 9, 1)
            temperature = client.get_node(ua.NodeId("reflow.peak_temperature", own))
            units = await (await temperature.get_child("0:EngineeringUnits")).read_value()
            limits = await (await temperature.get_child("0:EURange")).read_value()
            assert (units.DisplayName.Text, units.UnitId) == ("degC", 0x43454C)  # "CEL", UNECE
            assert (limits.Low, limits.High) == (20.0, 300.0)
            with pytest.raises(ua.UaError):
                await state.write_value(ua.Variant(6, ua.VariantType.Int32))

    asyncio.run(look())
    assert running.end() == 0


def test_everything_sent_after_the_start_arrives_over_all_three_protocols(
    running: Running,
) -> None:
    ready = running.hear("ready")
    plant = load_plant(PLANT_FILE)
    heard = Listener(ready["mqtt_url"], "#")
    machines = [(u, n) for u, n, s in plant.signals().values() if s.source == "machines"]

    async def listen() -> set[tuple[str, str, int]]:
        async with opcua(ready["opcua_url"]) as (client, own):
            nodes = {ua.NodeId(f"{u}.{n}", own): (u, n) for u, n in machines}
            changes = Changes(nodes)
            subscription = await client.create_subscription(50, changes)
            await subscription.subscribe_data_change(map(client.get_node, nodes), queuesize=5000)
            running.tell("start 300")
            while len(changes.seen) < 1_000:
                await asyncio.sleep(0.05)
            running.tell("hold")
            held = await asyncio.to_thread(running.hear, "held")
            wanted = held["sent"]["machines"]["good"] + len(nodes)
            for _ in range(100):
                if len(changes.seen) >= wanted:
                    break
                await asyncio.sleep(0.05)
            return changes.seen

    seen = asyncio.run(listen())
    assert running.end() == 0
    heard.close()
    arrived: Counter[str] = Counter()
    with running.sent.open(newline="") as file:
        sent = list(csv.DictReader(file))
    for row in sent:
        if row["source"] == "machines":
            arrived["machines"] += (row["unit"], row["signal"], int(row["measured_us"])) in seen
    while not heard.messages.empty():
        message = heard.messages.get()
        if message.topic.startswith("spBv1.0"):
            if "/NDATA/" in message.topic:
                arrived["meters"] += len(decode_payload(message.payload).metrics)
        else:
            assert decode_json(message.payload).timestamp_us is not None
            arrived["sensors"] += 1
    truth = json.loads(running.truth.read_text())
    counts = {source: sum(count.values()) for source, count in truth["sent"].items()}
    assert counts == Counter(row["source"] for row in sent)
    assert arrived == counts
    assert min(counts.values()) > 10


def test_an_edge_node_is_born_on_request_and_dies_in_order(running: Running) -> None:
    ready = running.hear("ready")
    heard = Listener(ready["mqtt_url"], "spBv1.0/#")
    command = Topic("electronics", MessageType.NCMD, "line1-meters")
    rebirth = Metric(name="Node Control/Rebirth", datatype=11, value=True)
    heard.client.publish(str(command), encode(Payload(metrics=[rebirth])), 1)
    found = heard.next()
    while "NCMD" in found.topic:
        found = heard.next()
    birth = decode_payload(found.payload)
    assert (found.topic, birth.seq) == ("spBv1.0/electronics/NBIRTH/line1-meters", 0)
    powers = {m.name: m for m in birth.metrics}
    oven = powers["reflow/power"]
    assert oven.alias is not None
    assert isinstance(oven.value, float)
    assert 8.0 < oven.value < 17.0  # kW, as the plant file says it is sent; stored in W
    running.tell("start 60")
    found = heard.next()
    data = decode_payload(found.payload)
    assert (found.topic, data.seq) == ("spBv1.0/electronics/NDATA/line1-meters", 1)
    assert all(m.name is None and m.alias for m in data.metrics)
    running.process.send_signal(signal.SIGTERM)
    while "NDEATH" not in found.topic:
        found = heard.next()
    bd_seq = [m.value for m in decode_payload(found.payload).metrics]
    assert bd_seq == [powers["bdSeq"].value]
    heard.close()
    assert running.process.wait(timeout=WAIT_S) == 0


def test_the_clock_is_held_until_start_and_again_after_hold(running: Running) -> None:
    running.hear("ready")
    running.tell("status")
    assert running.hear("status")["plant_time"] == "2026-03-16T05:30:00+00:00"
    running.tell("start fast")
    assert "fast" in running.hear("error")["detail"]
    running.tell("start 300")
    running.hear("started")
    running.tell("hold")
    held = running.hear("held")["plant_time"]
    running.tell("status")
    assert running.hear("status")["plant_time"] == held
    assert running.end() == 0
    assert json.loads(running.truth.read_text())["end"] == held


@pytest.mark.parametrize("option", ["--opcua-port", "--mqtt-url"])
def test_a_port_in_use_or_a_silent_broker_is_one_line_and_a_failure(
    cache: Path, tmp_path: Path, option: str
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        if option == "--opcua-port":
            taken.listen()
            plant = Running(cache, tmp_path, "--embedded-broker", "--opcua-port", str(port))
        else:
            plant = Running(cache, tmp_path, "--mqtt-url", f"mqtt://127.0.0.1:{port}")
        _, errors = plant.process.communicate(timeout=WAIT_S)
    assert plant.process.returncode != 0
    assert errors.count("\n") == 1
    assert str(port) in errors


def test_the_broker_keeps_what_an_absent_or_silent_client_has_not_acknowledged() -> None:
    async def story() -> list[bytes]:
        broker = EmbeddedBroker()
        url = await broker.start()
        try:
            return await asyncio.to_thread(absent_and_back, url)
        finally:
            await broker.stop()

    assert asyncio.run(story()) == [b"0", b"1", b"2"]


def absent_and_back(url: str) -> list[bytes]:
    first = Listener(url, "t/#", "host", keep=True)
    other = Listener(url, "none", "sender")
    other.client.publish("t/a", b"0", 1).wait_for_publish(WAIT_S)
    assert first.next().payload == b"0"  # and is not acknowledged
    first.close()
    for payload in (b"1", b"2"):
        other.client.publish("t/a", payload, 1).wait_for_publish(WAIT_S)
    again = Listener(url, "t/#", "host", keep=True)
    found = sorted(again.next().payload for _ in range(3))
    again.close()
    other.close()
    return found


def test_publishing_never_waits_for_an_acknowledgement_that_arrives_meanwhile() -> None:
    """paho calls back while it holds what publishing needs; both once waited for each other."""
    plant = load_plant(PLANT_FILE)
    emissions = [Emission("packing", "vibration", 1.0, 1_000_000 * i, 0) for i in range(1_500)]

    async def story() -> int:
        broker = EmbeddedBroker()
        publisher = JsonPublisher(plant, "sensors", await broker.start())
        await publisher.start()
        try:
            sending = asyncio.to_thread(publisher.publish, emissions)
            await asyncio.wait_for(sending, WAIT_S)
            async with asyncio.timeout(WAIT_S):
                while publisher.pending():
                    await asyncio.sleep(0.01)
            return publisher.pending()
        finally:
            await publisher.stop()
            await broker.stop()

    assert asyncio.run(story()) == 0


def test_what_an_edge_node_says_without_a_broker_comes_after_its_birth() -> None:
    plant = load_plant(PLANT_FILE)
    said = [Emission("printer", "power", float(i), i * 1_000_000) for i in range(3)]

    async def story() -> list[tuple[MessageType, int | None, list[Metric]]]:
        broker = EmbeddedBroker()
        url = await broker.start()
        node = SparkplugNode(plant, "meters", url, [])
        node.publish(said[:2])
        heard: asyncio.Queue[mqtt.MQTTMessage] = asyncio.Queue()
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        host = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
        host.on_message = lambda c, u, m: loop.call_soon_threadsafe(heard.put_nowait, m)
        host.on_connect = lambda *_: host.subscribe("spBv1.0/#")
        host.on_subscribe = lambda *_: loop.call_soon_threadsafe(ready.set)
        port = urlsplit(url).port or 0
        await asyncio.to_thread(host.connect, "127.0.0.1", port)
        host.loop_start()
        try:
            async with asyncio.timeout(10):
                await ready.wait()
                await node.start()
                node.publish(said[2:])
                messages = [await heard.get() for _ in range(4)]
        finally:
            await node.stop()
            host.disconnect()
            await asyncio.to_thread(host.loop_stop)
            await broker.stop()
        found = []
        for message in messages:
            payload = decode_payload(bytes(message.payload))
            found.append((Topic.parse(message.topic).kind, payload.seq, list(payload.metrics)))
        return found

    birth, *data = asyncio.run(story())
    assert birth[:2] == (MessageType.NBIRTH, 0)
    assert [(kind, seq) for kind, seq, _ in data] == [(MessageType.NDATA, i) for i in (1, 2, 3)]
    assert [(m.timestamp_ms, m.is_historical) for _, _, (m,) in data] == [
        (0, True),
        (1000, True),
        (2000, False),
    ]
