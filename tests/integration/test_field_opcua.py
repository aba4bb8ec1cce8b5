"""Facts of the way from a real OPC UA server on loopback to the historian."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from asyncua import Server, ua

from connectors.field.delivery import Delivery
from connectors.field.source import LiveSource, Surroundings, source_signals
from connectors.field.sources import live_sources
from tests.field_lab import START, Fact, Pauses, Store, free_port, ingesting, run, within
from twin.plant import Plant, SignalId, load_plant
from twin.telemetry import Quality

NAMESPACE = "urn:linetwin:practice"


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "asyncua")


@pytest.fixture
def plant() -> Plant:
    plant = load_plant("simulators/practice/plant.toml")
    units = {name: plant.work_units[name] for name in ("printer", "reflow")}
    return plant.model_copy(update={"work_units": units})


class Machines:
    """An OPC UA server with the nodes of the plant's machines, which remembers what it wrote."""

    def __init__(self, plant: Plant, without: Sequence[str] = ()) -> None:
        signals = plant.signals()
        self.nodes = {
            signal_id: (address.partition("s=")[2], signals[signal_id][2].text)
            for signal_id, address in source_signals(plant, "machines")
        }
        self.without = set(without)
        self.url = f"opc.tcp://127.0.0.1:{free_port()}/linetwin/practice"
        self.wrote: list[Fact] = []
        self.index = 0

    async def start(self, *other_namespaces: str) -> None:
        self.server = Server()
        await self.server.init()
        self.server.set_endpoint(self.url)
        self.server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        for uri in other_namespaces:
            await self.server.register_namespace(uri)
        self.index = await self.server.register_namespace(NAMESPACE)
        for signal_id in self.nodes:
            if signal_id not in self.without:
                await self.add(signal_id)
        await self.server.start()

    async def add(self, signal_id: SignalId) -> None:
        name, text = self.nodes[signal_id]
        node = ua.NodeId(name, self.index)
        variable = await self.server.nodes.objects.add_variable(node, name, "" if text else 0.0)
        waiting = ua.StatusCode(ua.StatusCodes.BadWaitingForInitialData)
        await variable.write_value(ua.DataValue(StatusCode=waiting))

    async def write(
        self, signal_id: SignalId, value: float | str, at: datetime, status: int = 0
    ) -> None:
        node = ua.NodeId(self.nodes[signal_id][0], self.index)
        data = ua.DataValue(ua.Variant(value), StatusCode=ua.StatusCode(status), SourceTimestamp=at)
        await self.server.write_attribute_value(node, data)
        self.wrote.append((signal_id, at, value if status >> 31 == 0 else None))

    async def write_all(self, start: datetime, times: int) -> None:
        for i in range(times):
            for signal_id, (_, text) in self.nodes.items():
                value = f"JO-{i // 2}" if text else float(i // 2)
                await self.write(signal_id, value, start + timedelta(seconds=i, microseconds=i))

    async def stop(self) -> None:
        await self.server.stop()


def source_of(plant: Plant, machines: Machines, pauses: Pauses | None = None) -> LiveSource:
    sources = live_sources(
        plant, {"machines": machines.url}, Surroundings(sleep=pauses or Pauses())
    )
    return next(source for source in sources if source.name == "machines")


def test_every_write_arrives_once_with_its_own_time_also_when_it_repeats_the_value(
    plant: Plant,
) -> None:
    async def story() -> None:
        machines, store = Machines(plant), Store()
        await machines.start("urn:somebody:else")
        async with ingesting(plant, source_of(plant, machines), store) as ingest:
            await within(ingest.subscribed())
            assert store.count() == 0
            await machines.write_all(START, times=40)
            await store.reaches(len(machines.wrote))
        assert sorted(store.facts()) == sorted(machines.wrote)
        (status,) = ingest.status()
        assert (status.received, status.stored, status.waiting) == (len(machines.wrote),) * 2 + (0,)
        assert status.error is None
        await machines.stop()

    run(story)


def test_status_codes_become_qualities(plant: Plant) -> None:
    async def story() -> None:
        machines, store = Machines(plant), Store()
        await machines.start()
        force = plant.signal_id("printer", "squeegee_force")
        async with ingesting(plant, source_of(plant, machines), store) as ingest:
            await within(ingest.subscribed())
            codes = (0, ua.StatusCodes.UncertainLastUsableValue, ua.StatusCodes.BadSensorFailure)
            for i, code in enumerate(codes):
                await machines.write(force, 50.0, START + timedelta(seconds=i), code)
            await store.reaches(3)
        batch = store.read([force], START, START + timedelta(hours=1))
        found = [(s.value, s.quality) for s in batch.samples()]
        expected = [(50.0, Quality.GOOD), (50.0, Quality.UNCERTAIN), (None, Quality.BAD)]
        assert found == expected
        await machines.stop()

    run(story)


def test_values_arrive_after_the_server_was_started_again(plant: Plant) -> None:
    async def story() -> None:
        machines, store = Machines(plant), Store()
        await machines.start()
        pauses = Pauses()
        source = source_of(plant, machines, pauses)
        async with ingesting(plant, source, store) as ingest:
            await within(ingest.subscribed())
            await machines.write_all(START, times=3)
            await store.reaches(len(machines.wrote))
            await machines.stop()
            await pauses.next()
            assert not source.health().connected
            assert machines.url in str(source.health().error)
            # Another namespace comes first now, so every index has moved.
            await machines.start("urn:somebody:else")
            await within(ingest.subscribed())
            await machines.write_all(START + timedelta(minutes=10), times=3)
            await store.reaches(len(machines.wrote) + len(machines.nodes))
        # What the server had between the two cannot be known: a gap behind each last value.
        last = START + timedelta(seconds=2, microseconds=3)
        gaps = [(signal_id, last, None) for signal_id in machines.nodes]
        assert sorted(store.facts(), key=str) == sorted([*machines.wrote, *gaps], key=str)
        await machines.stop()

    run(story)


def test_nothing_is_lost_while_the_store_refuses(plant: Plant) -> None:
    async def story() -> None:
        machines, store = Machines(plant), Store(refusals=4)
        await machines.start()
        async with ingesting(plant, source_of(plant, machines), store) as ingest:
            await within(ingest.subscribed())
            await machines.write_all(START, times=20)
            await store.reaches(len(machines.wrote))
        assert store.refusals == 0
        assert sorted(store.facts()) == sorted(machines.wrote)
        assert ingest.status()[0].error is None
        await machines.stop()

    run(story)


def test_missing_node_is_named_and_subscribed_when_it_appears(plant: Plant) -> None:
    async def story() -> None:
        late = plant.signal_id("reflow", "peak_temperature")
        machines, store = Machines(plant, without=[late]), Store()
        await machines.start()
        pauses = Pauses()
        source = source_of(plant, machines, pauses)
        async with ingesting(plant, source, store) as ingest:
            await pauses.next()
            assert "s=reflow.peak_temperature; add the node there" in str(source.health().error)
            state = plant.signal_id("reflow", "state")
            await machines.write(state, 6.0, START)
            await store.reaches(1)
            assert not source.subscribed.is_set()
            await machines.add(late)
            await within(ingest.subscribed())
            assert source.health().error is None
            await machines.write(late, 244.5, START)
            await store.reaches(2)
        assert sorted(store.facts()) == sorted(machines.wrote)
        await machines.stop()

    run(story)


def test_unreachable_server_is_one_clear_line_and_stops_at_once(plant: Plant) -> None:
    async def story() -> None:
        machines = Machines(plant)
        pauses = Pauses()
        source = source_of(plant, machines, pauses)
        async with ingesting(plant, source, Store()):
            await pauses.next()
        assert source.health().error == (
            f'source "machines" at {machines.url}: nobody answers at that port; start the '
            f"server, or correct url in [sources.machines] of the plant file"
        )

    run(story)


def test_full_sink_holds_the_server_and_loses_nothing(plant: Plant) -> None:
    async def story() -> None:
        machines = Machines(plant)
        await machines.start()
        source = source_of(plant, machines)
        opened, complete, got = asyncio.Event(), asyncio.Event(), list[int]()

        async def sink(delivery: Delivery) -> None:
            await opened.wait()
            got.extend(delivery.readings.index.tolist())
            if len(got) >= len(machines.wrote):
                complete.set()

        running = asyncio.create_task(source.run(sink))
        await within(source.subscribed.wait())
        await machines.write_all(START, times=200)
        opened.set()
        await within(complete.wait())
        source.stop()
        await within(running)
        assert len(got) == len(machines.wrote)
        await machines.stop()

    run(story)
