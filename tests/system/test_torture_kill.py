"""Processes that die: nothing that a source sends again is lost, nothing is stored twice."""

from __future__ import annotations

import time

import pytest

from tests.field_lab import free_port
from tests.torture_lab import (
    FULL,
    Broker,
    Child,
    Rig,
    json_unit,
    needs_mosquitto,
    needs_node_opcua,
    needs_tahu,
    opcua_unit,
    rig,
    sparkplug_unit,
)

__all__ = ["rig"]

pytestmark = pytest.mark.slow

KILLS = 100 if FULL else 30
BROKER_KILLS = 30 if FULL else 4
SERVER_KILLS = 20 if FULL else 2
STOPS = 20 if FULL else 3


def progressed(writers: list[Child], before: list[int]) -> list[int]:
    """What each has written by now; none of them stood still."""
    now = [writer.written() for writer in writers]
    assert all(a > b for a, b in zip(now, before, strict=True)), f"a writer stood still: {now}"
    return now


@needs_mosquitto
@needs_node_opcua
def test_thirty_kills_of_ingest_lose_nothing_that_comes_again(rig: Rig) -> None:
    broker = Broker(rig)
    with_history, without = free_port(), free_port()
    rig.plant(
        json_unit(broker.url, 10),
        opcua_unit("asy", without, 10),
        opcua_unit("nod", with_history, 10),
    )
    writers = [
        rig.json_writer(broker.port, rate=200, paused=True),
        rig.asyncua_server(without, rate=20, paused=True),
        rig.node_opcua_server(with_history, rate=20, nodes=10, history=True, paused=True),
    ]
    ingest = rig.ingest()
    ingest.subscribed()
    for writer in writers:
        writer.tell("resume")
    time.sleep(1.0)
    written = [0, 0, 0]
    for kill in range(KILLS):
        ingest.kill()
        ingest = rig.ingest()
        if kill % 2:
            ingest.subscribed()
            time.sleep(rig.random.uniform(0.0, 0.7))
        else:
            time.sleep(rig.random.uniform(0.3, 1.2))
        written = progressed(writers, written)
    ingest.subscribed()
    for writer in writers:
        writer.tell("pause")
    writers[0].tell("drain")
    ingest.settle()
    assert ingest.terminate() == 0
    scores = rig.scores()
    for name in ("mqt", "nod"):
        assert scores[name].is_whole()
        assert not scores[name].gaps
    # asyncua's server forgets a message once it was sent again: what is then lost is a gap.
    assert scores["asy"].is_whole()


@needs_mosquitto
@needs_tahu
def test_a_killed_broker_that_saves_by_itself_loses_nothing_we_were_sent(rig: Rig) -> None:
    broker = Broker(rig, on_changes=True)
    rig.plant(json_unit(broker.url, 10), sparkplug_unit(broker.url))
    json = rig.json_writer(broker.port, rate=100, paused=True)
    ingest = rig.ingest("--set", "connectors.field.source.LONGEST_PAUSE_S=1")
    ingest.subscribed()
    edge = rig.tahu_edge(broker.port, rate=20)
    json.tell("resume")
    written = [0, 0]
    for _ in range(BROKER_KILLS):
        time.sleep(rig.random.uniform(1.0, 2.0))
        written = progressed([json, edge], written)
        broker.kill()
        broker.start()
        ingest.subscribed()
    time.sleep(2.0)  # the edge node comes back by itself
    progressed([json, edge], written)
    for writer in (json, edge):
        writer.tell("pause")
    json.tell("drain")
    ingest.settle()
    assert ingest.terminate() == 0
    scores = rig.scores()
    assert all(s.is_whole() for s in scores.values())


@needs_mosquitto
def test_a_broker_that_forgets_us_makes_a_gap_of_what_it_had(rig: Rig) -> None:
    """Its file is gone, and our session with it: whatever came before we were back is lost."""
    broker = Broker(rig)
    rig.plant(json_unit(broker.url, 10))
    writer = rig.json_writer(broker.port, rate=200, paused=True)
    ingest = rig.ingest("--set", "connectors.field.source.LONGEST_PAUSE_S=1")
    ingest.subscribed()
    writer.tell("resume")
    written = [0]
    for _ in range(2):
        time.sleep(1.5)
        written = progressed([writer], written)
        broker.kill()
        broker.forget()
        broker.start()
        time.sleep(1.5)
        ingest.subscribed()
    written = progressed([writer], written)
    time.sleep(1.0)
    writer.tell("pause")
    writer.tell("drain")
    ingest.settle()
    assert ingest.terminate() == 0
    score = rig.scores()["mqt"]
    assert score.is_whole()
    assert score.in_gaps


@needs_mosquitto
@needs_node_opcua
def test_a_stop_under_load_is_clean_and_loses_nothing(rig: Rig) -> None:
    broker, port = Broker(rig), free_port()
    rig.plant(json_unit(broker.url, 10), opcua_unit("nod", port, 20))
    writers = [
        rig.json_writer(broker.port, rate=1_000, paused=True),
        rig.node_opcua_server(port, rate=50, nodes=20, history=True, paused=True),
    ]
    ingest = rig.ingest()
    ingest.subscribed()
    for writer in writers:
        writer.tell("resume")
    written = [0, 0]
    for _ in range(STOPS):
        time.sleep(rig.random.uniform(0.5, 1.5))
        written = progressed(writers, written)
        asked = time.monotonic()
        assert ingest.terminate() == 0, ingest.tail()
        assert time.monotonic() - asked < 8.0
        ingest = rig.ingest()
        ingest.subscribed()
    for writer in writers:
        writer.tell("pause")
    writers[0].tell("drain")
    ingest.settle()
    assert ingest.terminate() == 0
    scores = rig.scores()
    assert all(s.is_whole() and not s.gaps for s in scores.values())


def test_a_killed_opcua_server_leaves_gaps_exactly_while_nobody_could_listen(rig: Rig) -> None:
    port = free_port()
    rig.plant(opcua_unit("asy", port, 10))
    server = rig.asyncua_server(port, rate=20, paused=True)
    ingest = rig.ingest("--set", "connectors.field.source.LONGEST_PAUSE_S=1")
    ingest.subscribed()
    server.tell("resume")
    for kill in range(SERVER_KILLS):
        time.sleep(1.5)
        assert server.written() > 100
        server.kill()
        server = rig.asyncua_server(port, rate=20, first=(kill + 1) * 100_000)
        time.sleep(0.5)
        ingest.subscribed()
        time.sleep(2.0)
    assert server.tell("pause") > 100
    ingest.settle()
    assert ingest.terminate() == 0
    score = rig.scores()["asy"]
    assert score.is_whole()
    assert score.in_gaps
    assert not score.empty_gaps
