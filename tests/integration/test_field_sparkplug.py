"""Facts of a Sparkplug source between a real broker and Eclipse Tahu's own edge node."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from connectors.field.delivery import Delivery, Gap, Letter
from connectors.field.mqtt import MqttSource
from connectors.field.source import Surroundings, Wanted
from connectors.field.sparkplug import REBIRTH, decode_payload
from tests.field_lab import TIMEOUT_S, run
from tests.torture_lab import Broker, Child, Rig, needs_mosquitto, needs_tahu
from twin.plant import MqttOptions, Source, SourceKind, SparkplugOptions
from twin.telemetry import Quality

pytestmark = [needs_mosquitto, needs_tahu]

DEVICES, METRICS = 2, 5
ADDRESSES = [f"torture/edge/d{d}:m{m}" for d in range(DEVICES) for m in range(METRICS)]
Row = tuple[str, int, float]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.end()


class Host:
    """A source that keeps everything it hands over, and acknowledges at once."""

    def __init__(self, url: str, **options: Any) -> None:
        entry = Source(
            kind=SourceKind.SPARKPLUG,
            url=url,
            address="{unit}:{signal}",
            mqtt=MqttOptions(version="5"),
            sparkplug=SparkplugOptions(rebirth_pause_s=0.3, reorder_s=0.3, **options),
        )
        signals = [Wanted(address=address) for address in ADDRESSES]
        self.source = MqttSource("spb", entry, url, signals, "host-under-test", Surroundings())
        self.good: set[Row] = set()
        self.bad: list[tuple[str, int]] = []
        self.letters: list[Letter] = []
        self.gaps: list[Gap] = []

    async def take(self, delivery: Delivery) -> None:
        r = delivery.readings
        for i, value, at_us, quality in zip(
            r.index.tolist(), r.value.tolist(), r.measured_us.tolist(), r.quality.tolist(), strict=True
        ):  # fmt: skip
            if quality == Quality.BAD:
                self.bad.append((ADDRESSES[i], at_us))
            else:
                self.good.add((ADDRESSES[i], at_us, value))
        self.letters += delivery.letters
        self.gaps += delivery.gaps
        if delivery.durable is not None:
            delivery.durable()

    async def __aenter__(self) -> Host:
        self.running = asyncio.create_task(self.source.run(self.take))
        await asyncio.wait_for(self.source.subscribed.wait(), TIMEOUT_S)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.source.stop()
        await self.running

    def inside_gaps(self, row: Row) -> bool:
        place = ADDRESSES.index(row[0])
        return any(
            int(gap.start_us) <= row[1] < int(gap.end_us)
            for gap in self.gaps
            if gap.index is None or place in gap.index.tolist()
        )


class Ear:
    """Somebody who hears everything on the broker."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[str, bytes, bool]] = []
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self.client.on_connect = lambda *_: self.client.subscribe("#", qos=1)
        self.client.on_message = lambda c, u, m: self.heard.append((m.topic, m.payload, m.retain))
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def states(self) -> list[dict[str, Any]]:
        return [json.loads(said) for topic, said, _ in self.heard if "/STATE/" in topic]


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not true():
            await asyncio.sleep(0.05)


async def told(edge: Child, words: str) -> int:
    return await asyncio.to_thread(edge.tell, words)


def truth(rig: Rig) -> set[Row]:
    lines = rig.truth_file("spb").read_text().splitlines()
    rows = (line.split("\t") for line in lines)
    return {(address, int(at_us), float(value)) for address, at_us, value in rows}


def told_all(host: Host, rig: Rig) -> bool:
    return all(row in host.good or host.inside_gaps(row) for row in truth(rig))


async def flows(host: Host, more: int = 60) -> None:
    """New values come."""
    before = len(host.good)
    await until(lambda: len(host.good) >= before + more)


def test_everything_tahu_sends_arrives_through_losses_new_aliases_poison_and_memory(
    rig: Rig,
) -> None:
    broker = Broker(rig)

    async def story() -> None:
        async with Host(broker.url) as host:
            edge = await asyncio.to_thread(rig.tahu_edge, broker.port, rate=100)
            await flows(host)
            assert (host.letters, host.gaps) == ([], [])
            for words in ("alias", "store", "flush", "alias"):
                await told(edge, words)
                await asyncio.sleep(0.3)  # the edge node is to send some
            await told(edge, "drop 3")
            await until(lambda: len(host.gaps) == 1 + DEVICES - 1)
            assert "never came" in host.gaps[0].reason
            await told(edge, "unknown")
            await until(lambda: any("alias 9999" in x.reason for x in host.letters))
            await told(edge, "garbage")
            await until(lambda: any("not a" in x.reason for x in host.letters))
            await flows(host)
            await told(edge, "pause")
            await until(lambda: told_all(host, rig))
        assert host.good <= truth(rig), "nothing is made up, and no value stands in another's place"
        assert truth(rig) == host.good, "a lost sequence number costs nothing that was sent"
        assert host.bad == []

    run(story)


def test_death_of_the_edge_node_is_a_mark_and_a_gap_until_it_is_born_again(rig: Rig) -> None:
    broker = Broker(rig)

    async def story() -> None:
        async with Host(broker.url) as host:
            edge = await asyncio.to_thread(rig.tahu_edge, broker.port, rate=100)
            await flows(host)
            await told(edge, "die")
            await until(lambda: {address for address, _ in host.bad} == set(ADDRESSES))
            await until(lambda: len(host.gaps) == DEVICES)
            await flows(host)
            await told(edge, "pause")
            await until(lambda: told_all(host, rig))
        assert all("died" in gap.reason for gap in host.gaps)
        for address, at_us in host.bad:
            assert host.inside_gaps((address, at_us, 0.0))
        assert host.good <= truth(rig)

    run(story)


def test_host_that_comes_late_asks_for_births_and_says_nothing_else(rig: Rig) -> None:
    broker = Broker(rig)

    async def story() -> None:
        edge = await asyncio.to_thread(rig.tahu_edge, broker.port, rate=100)
        ear = Ear(broker.port)
        await until(lambda: any("/DDATA/" in topic for topic, _, _ in ear.heard))
        async with Host(broker.url, primary_host="lab") as host:
            await flows(host)
            (state,) = ear.states()
            assert state["online"] is True
            await told(edge, "pause")
        await until(lambda: len(ear.states()) > 1)
        last = ear.states()[1]
        assert last["online"] is False
        assert last["timestamp"] >= state["timestamp"]
        ours = {topic for topic, _, _ in ear.heard if "/edge" not in topic or "CMD" in topic}
        assert ours == {"spBv1.0/torture/NCMD/edge", "spBv1.0/STATE/lab"}
        for topic, payload, _ in ear.heard:
            if topic.endswith("NCMD/edge"):
                (metric,) = decode_payload(payload).metrics
                assert (metric.name, metric.value) == (REBIRTH, True)
        ear.close()
        late = Ear(broker.port)
        await until(lambda: late.heard)
        assert [(t, r) for t, _, r in late.heard if "STATE" in t] == [("spBv1.0/STATE/lab", True)]
        late.close()

    run(story)


def test_broker_says_that_a_primary_host_is_gone_which_did_not_say_so(rig: Rig) -> None:
    broker = Broker(rig)
    proxy = rig.proxy(broker.port)

    async def story() -> None:
        ear = Ear(broker.port)
        async with Host(f"mqtt://127.0.0.1:{proxy.port}", primary_host="lab"):
            await until(lambda: ear.states())
            online = ear.states()[0]
            await asyncio.to_thread(proxy.cut)
            await asyncio.to_thread(proxy.heal)
            await until(lambda: {"online": False, "timestamp": online["timestamp"]} in ear.states())
            await until(lambda: ear.states()[-1]["online"] is True)
        ear.close()

    run(story)
