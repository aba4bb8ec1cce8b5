"""Wires that break and servers that come again: what the other side kept is stored, the rest is a gap.

Patience is compressed: 0.2, 1 and 6 s stand for 4, 30 and 300 s.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from tests.field_lab import free_port
from tests.torture_lab import (
    FULL,
    Broker,
    Child,
    Ingesting,
    Rig,
    json_unit,
    needs_mosquitto,
    needs_node_opcua,
    opcua_unit,
    rig,
)
from tests.torture_wire import Proxy

__all__ = ["rig"]

pytestmark = pytest.mark.slow

SHORT = (
    *("--set", "connectors.field.source.LONGEST_PAUSE_S=1"),
    *("--set", "connectors.field.mqtt.link.KEEPALIVE_S=1"),
    *("--set", "connectors.field.mqtt.link.ANSWER_S=1"),
    *("--patience", "request_s=0.5"),
    *("--patience", "keep_alive_s=0.15"),
    *("--patience", "look_again_s=0.5"),
)
PATIENCE = () if FULL else SHORT
OUTAGES_S = (4.0, 30.0, 300.0) if FULL else (0.2, 1.0, 6.0)


def broken(wire: Proxy, writer: Child, outages_s: Sequence[float], ingest: Ingesting) -> None:
    """A cut, then black holes; the writer goes on all the time."""
    for how, outage_s in [("cut", 1.0), *(("black_hole", s) for s in outages_s)]:
        time.sleep(1.0)
        before = writer.written()
        getattr(wire, how)()
        time.sleep(outage_s)
        assert writer.written() > before
        wire.heal()
        time.sleep(0.5)
        ingest.subscribed()
    time.sleep(1.0)


@needs_mosquitto
def test_a_broken_wire_to_the_broker_loses_nothing(rig: Rig) -> None:
    broker = Broker(rig)
    wire = rig.proxy(broker.port)
    rig.plant(json_unit(f"mqtt://127.0.0.1:{wire.port}", 10))
    writer = rig.json_writer(broker.port, rate=200, paused=True)
    ingest = rig.ingest(*PATIENCE)
    ingest.subscribed()
    writer.tell("resume")
    broken(wire, writer, OUTAGES_S, ingest)
    writer.tell("pause")
    writer.tell("drain")
    ingest.settle(2.0)
    assert ingest.terminate() == 0
    score = rig.scores()["mqt"]
    assert score.is_whole()
    assert not score.gaps


@needs_node_opcua
@pytest.mark.parametrize("history", [True, False], ids=["history", "no-history"])
def test_a_broken_wire_to_an_opcua_server(rig: Rig, history: bool) -> None:
    """Its queue of 100 values is full after 3 s: with a history the rest comes from there."""
    port = free_port()
    wire = rig.proxy(port)
    rig.plant(opcua_unit("nod", wire.port, 10, "opcua.keep_s = 1"))
    options = {"history": True} if history else {}
    server = rig.node_opcua_server(port, nodes=10, rate=30, paused=True, **options)
    ingest = rig.ingest(*PATIENCE)
    ingest.subscribed()
    server.tell("resume")
    broken(wire, server, OUTAGES_S, ingest)
    server.tell("pause")
    ingest.settle(2.0)
    assert ingest.terminate() == 0
    score = rig.scores()["nod"]
    assert score.is_whole()
    assert not score.empty_gaps
    assert bool(score.in_gaps) is not history


@needs_node_opcua
@pytest.mark.parametrize("peer", ["nod", "asy"])
def test_a_restarted_server_whose_nodes_come_late(rig: Rig, peer: str) -> None:
    port = free_port()
    rig.plant(opcua_unit(peer, port, 10))
    start = rig.node_opcua_server if peer == "nod" else rig.asyncua_server
    count, late = ("nodes", "late") if peer == "nod" else ("signals", "late_nodes")
    server = start(port, **{count: 10, "rate": 20, "paused": True})
    ingest = rig.ingest(*SHORT)
    ingest.subscribed()
    server.tell("resume")
    time.sleep(1.5)
    written = server.written()
    assert written > 100
    server.tell("exit")
    server.process.wait(10)
    server = start(port, **{count: 10, late: 4, "rate": 20, "first": 1_000_000})
    time.sleep(20.0 if FULL else 2.0)
    server.tell("appear")
    ingest.subscribed()
    time.sleep(2.0)
    server.tell("pause")
    ingest.settle(2.0)
    assert server.written() > 300
    assert ingest.terminate() == 0
    score = rig.scores()[peer]
    assert score.is_whole()
