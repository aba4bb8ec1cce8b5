"""Wires that break and servers that come again: what the other side kept is stored, the rest is a gap.

Patience is compressed twenty times: 0.2, 1.5 and 15 s stand for 4, 30 and 300 s.
"""

from __future__ import annotations

import time

import pytest

from tests.field_lab import free_port
from tests.torture_lab import (
    FULL,
    Broker,
    Rig,
    json_unit,
    needs_mosquitto,
    needs_node_opcua,
    opcua_unit,
    rig,
)

__all__ = ["rig"]

pytestmark = pytest.mark.slow

SHORT = (
    *("--set", "connectors.field.source.LONGEST_PAUSE_S=1"),
    *("--set", "connectors.field.mqtt.link.KEEPALIVE_S=1"),
    *("--set", "connectors.field.mqtt.link.ANSWER_S=1"),
    *("--patience", "request_s=0.5"),
    *("--patience", "keep_alive_s=0.25"),
    *("--patience", "look_again_s=0.5"),
)
PATIENCE = () if FULL else SHORT
OUTAGES_S = (4.0, 30.0, 300.0) if FULL else (0.2, 1.5, 15.0)


@needs_mosquitto
@pytest.mark.parametrize("how", ["cut", "black_hole"])
def test_a_broken_wire_to_the_broker_loses_nothing(rig: Rig, how: str) -> None:
    broker = Broker(rig)
    wire = rig.proxy(broker.port)
    rig.plant(json_unit(f"mqtt://127.0.0.1:{wire.port}", 10))
    writer = rig.json_writer(broker.port, rate=200, paused=True)
    ingest = rig.ingest(*PATIENCE)
    ingest.subscribed()
    writer.tell("resume")
    for outage_s in OUTAGES_S[:2]:
        time.sleep(1.0)
        before = writer.written()
        getattr(wire, how)()
        time.sleep(outage_s)
        assert writer.written() > before
        wire.heal()
        ingest.subscribed()
    time.sleep(1.0)
    writer.tell("pause")
    writer.tell("drain")
    ingest.settle(3.0)
    assert ingest.terminate() == 0
    score = rig.scores()["mqt"]
    assert score.is_whole()
    assert not score.gaps


@needs_node_opcua
@pytest.mark.parametrize("how", ["cut", "black_hole"])
@pytest.mark.parametrize("history", [True, False], ids=["history", "no-history"])
def test_a_broken_wire_to_an_opcua_server(rig: Rig, how: str, history: bool) -> None:
    """The server keeps values for 1 s at its fastest: with a history the rest is fetched, without it is a gap."""
    port = free_port()
    wire = rig.proxy(port)
    rig.plant(opcua_unit("nod", wire.port, 10, "opcua.keep_s = 1"))
    options = {"history": True} if history else {}
    server = rig.node_opcua_server(port, nodes=10, rate=20, paused=True, **options)
    ingest = rig.ingest(*PATIENCE)
    ingest.subscribed()
    server.tell("resume")
    for outage_s in OUTAGES_S if how == "black_hole" else OUTAGES_S[1:2]:
        time.sleep(1.5)
        before = server.written()
        getattr(wire, how)()
        time.sleep(outage_s)
        assert server.written() > before
        wire.heal()
        time.sleep(0.5)
        ingest.subscribed()
    time.sleep(1.5)
    server.tell("pause")
    ingest.settle(3.0)
    assert ingest.terminate() == 0
    score = rig.scores()["nod"]
    assert score.is_whole()
    assert not score.empty_gaps
    if history or how == "cut":
        assert not score.in_gaps
    else:
        assert score.in_gaps


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
    time.sleep(20.0 if FULL else 3.0)
    server.tell("appear")
    ingest.subscribed()
    time.sleep(2.0)
    server.tell("pause")
    ingest.settle(3.0)
    assert server.written() > 300
    assert ingest.terminate() == 0
    score = rig.scores()[peer]
    assert score.is_whole()
