"""Eclipse Tahu's own edge node: lost messages, aliases that move, deaths, and values from its memory."""

from __future__ import annotations

import time

import pytest

from tests.torture_lab import (
    Broker,
    Child,
    Ingesting,
    Rig,
    needs_mosquitto,
    needs_tahu,
    rig,
    sparkplug_unit,
)
from tests.torture_score import Score

__all__ = ["rig"]

pytestmark = [pytest.mark.slow, needs_mosquitto, needs_tahu]

QUICK = ["--set", "connectors.field.source.LONGEST_PAUSE_S=1"]
OPTIONS = "sparkplug.rebirth_pause_s = 0.5\nsparkplug.reorder_s = 0.5"


def started(rig: Rig) -> tuple[Child, Ingesting]:
    broker = Broker(rig)
    rig.plant(sparkplug_unit(broker.url, options=OPTIONS))
    ingest = rig.ingest(*QUICK)
    ingest.subscribed()
    edge = rig.tahu_edge(broker.port, rate=40)
    time.sleep(1.0)
    assert edge.written() > 50
    return edge, ingest


def ended(rig: Rig, edge: Child, ingest: Ingesting) -> Score:
    time.sleep(1.0)
    edge.tell("pause")
    ingest.settle()
    assert ingest.terminate() == 0
    return rig.scores()["spb"]


def births(edge: Child) -> tuple[int, int]:
    """All births, and those that somebody asked for."""
    edge.send("counts")
    counts = edge.hear("counts")
    edge.hear("ok")
    return counts["births"], counts["rebirths"]


def test_a_lost_sequence_number_is_a_gap_and_asks_for_births(rig: Rig) -> None:
    edge, ingest = started(rig)
    _, before = births(edge)
    from_us = time.time_ns() // 1000
    edge.tell("drop 3")
    time.sleep(3.0)
    until_us = time.time_ns() // 1000
    assert births(edge)[1] > before
    score = ended(rig, edge, ingest)
    assert score.is_whole()
    assert not score.in_gaps
    assert any(from_us - 1_000_000 <= at <= until_us for _, at in score.gaps)


def test_moved_and_unknown_aliases_garbage_and_values_from_memory_cost_no_value(rig: Rig) -> None:
    edge, ingest = started(rig)
    for _ in range(4):
        edge.tell("alias")
        time.sleep(0.4)
    edge.tell("garbage")
    time.sleep(0.3)
    edge.tell("unknown")
    time.sleep(2.0)
    edge.tell("store")
    time.sleep(1.0)
    edge.tell("flush")
    score = ended(rig, edge, ingest)
    assert score.is_whole()
    assert not score.in_gaps
    assert rig.facts("deadletter")


def test_a_death_is_a_mark_and_the_next_birth_goes_on(rig: Rig) -> None:
    edge, ingest = started(rig)
    for _ in range(2):
        edge.tell("die")
        time.sleep(2.5)
    score = ended(rig, edge, ingest)
    assert score.is_whole()
    assert score.gaps


def test_a_killed_ingest_marks_what_nobody_keeps_for_it(rig: Rig) -> None:
    """Sparkplug data have QoS 0: while we are dead they are lost, and that stands as a gap."""
    edge, ingest = started(rig)
    for _ in range(3):
        ingest.kill()
        before = edge.written()
        ingest = rig.ingest(*QUICK)
        ingest.subscribed()
        time.sleep(1.5)
        assert edge.written() > before
    score = ended(rig, edge, ingest)
    assert score.is_whole()
    assert score.in_gaps
