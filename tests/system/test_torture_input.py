"""What no plant should send and every plant does: each message is a value, a fact or a dead letter."""

from __future__ import annotations

import time

import pytest

from tests.field_lab import free_port
from tests.torture_lab import (
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
from tests.torture_score import Score

__all__ = ["rig"]

pytestmark = pytest.mark.slow


def started(rig: Rig, *settings: object, **options: object) -> tuple[Child, Ingesting]:
    broker = Broker(rig)
    rig.plant(json_unit(broker.url, 10))
    writer = rig.json_writer(broker.port, paused=True, **options)
    ingest = rig.ingest(*settings)
    ingest.subscribed()
    writer.tell("resume")
    return writer, ingest


def ended(rig: Rig, writer: Child, ingest: Ingesting) -> Score:
    writer.tell("pause")
    writer.tell("drain")
    ingest.settle()
    assert ingest.terminate() == 0
    return rig.scores()["mqt"]


@needs_mosquitto
def test_repeated_reordered_and_very_late_messages_are_each_stored_once(rig: Rig) -> None:
    writer, ingest = started(rig, rate=400, repeat=0.2, reorder=0.1, late=0.01)
    time.sleep(5.0)
    ingest.kill()
    ingest = rig.ingest()
    time.sleep(3.0)
    assert writer.written() > 2_000
    score = ended(rig, writer, ingest)
    assert score.is_whole()
    assert not score.gaps


@needs_mosquitto
def test_poison_becomes_dead_letters_and_holds_up_nothing(rig: Rig) -> None:
    writer, ingest = started(rig, rate=200, poison=0.05)
    time.sleep(2.0)
    writer.tell('raw torture/mqt/v0 {"value": NaN, "timestamp": "2026-01-01T00:00:00Z"}')
    time.sleep(3.0)
    assert writer.written() > 700
    writer.send("count")
    poisons = writer.hear("ok")["poisons"]
    score = ended(rig, writer, ingest)
    assert score.is_whole()
    letters = rig.facts("deadletter")
    assert len(letters) >= poisons > 20
    assert all(letter["reason"] for letter in letters)
    assert max(len(str(letter)) for letter in letters) < 200_000


@needs_mosquitto
def test_a_clock_that_is_off_by_an_hour_is_marked_and_nothing_is_thrown_away(rig: Rig) -> None:
    """A clock behind is one that is always behind: two windows pass before it is said (0.4 s here)."""
    writer, ingest = started(rig, "--set", "connectors.pipeline.skew.WINDOW_S=0.4", rate=200)
    time.sleep(1.0)
    wrong = 0
    for hour_s in (3600, -3600):
        right = writer.tell(f"clock {hour_s}")
        time.sleep(2.5)
        skew_s = ingest.status()["mqt"]["clock_skew_s"]
        assert skew_s is not None
        assert abs(skew_s - hour_s) < 10
        wrong += writer.tell("clock 0") - right
        time.sleep(1.0)
    score = ended(rig, writer, ingest)
    assert score.is_whole()
    assert not score.gaps
    assert wrong > 600
    assert wrong * 0.5 < score.uncertain <= wrong


@needs_mosquitto
def test_numbers_that_turn_into_texts_are_bad_and_dead_letters_until_they_turn_back(
    rig: Rig,
) -> None:
    writer, ingest = started(rig, rate=100)
    time.sleep(1.0)
    numbers = writer.tell("texts on")
    time.sleep(1.0)
    texts = writer.tell("texts off") - numbers
    time.sleep(1.0)
    score = ended(rig, writer, ingest)
    assert texts > 50
    assert score.is_whole()
    assert len(score.in_gaps) == texts
    assert len(rig.facts("deadletter")) == texts


@needs_mosquitto
def test_a_plant_file_that_changes_under_load_costs_no_value(rig: Rig) -> None:
    """Two signals more, and the whole source begins anew; the broker keeps what comes meanwhile."""
    broker = Broker(rig)
    few, more = json_unit(broker.url, 8), json_unit(broker.url, 10)
    rig.plant(few)
    writer = rig.json_writer(broker.port, rate=300, paused=True)
    ingest = rig.ingest()
    ingest.subscribed()
    writer.tell("resume")
    time.sleep(1.5)
    for unit in (more, few, more):
        rig.plant(unit)
        time.sleep(2.0)
    rig.units = [few]
    score = ended(rig, writer, ingest)
    assert "the plant file has changed: mqt begun anew" in ingest.log.read_text()
    assert score.is_whole()
    assert not score.gaps


@needs_node_opcua
def test_a_node_whose_type_changes_is_bad_for_so_long_and_the_others_go_on(rig: Rig) -> None:
    port = free_port()
    rig.plant(opcua_unit("nod", port, 5))
    server = rig.node_opcua_server(port, nodes=5, rate=20, paused=True, loose=True)
    ingest = rig.ingest()
    ingest.subscribed()
    server.tell("resume")
    time.sleep(1.0)
    server.tell("text 0")
    time.sleep(1.0)
    server.tell("text 0")
    time.sleep(1.0)
    assert server.tell("pause") > 200
    ingest.settle()
    assert ingest.terminate() == 0
    score = rig.scores()["nod"]
    assert score.is_whole()
    assert {signal for signal, _ in score.in_gaps} == {"T/torture/rig/nod/v0"}
    assert 10 < len(score.in_gaps) == len(rig.facts("deadletter")) < 40
