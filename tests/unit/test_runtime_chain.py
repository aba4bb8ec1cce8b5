"""What the chain remembers between two plans."""

from __future__ import annotations

from datetime import timedelta

from connectors.runtime.chain import live_since, wholly_started
from tests.runtime_lab import NOW, small_practice
from tests.telemetry_lab import Log, at, small_plant
from twin.calibration import live_state
from twin.engine import LiveState

DAY = timedelta(days=1)


def test_telemetry_is_read_from_a_week_before_the_first_order_that_is_not_wholly_started() -> None:
    """Orders A (40 parts), B (30) and C (20) are released at NOW."""
    plant, later = small_practice(), NOW + 30 * DAY
    assert live_since(plant, (), later) == NOW - 7 * DAY
    assert live_since(plant, ("A", "C"), later) == NOW - 7 * DAY
    assert live_since(plant, ("A", "B", "C"), later) == later - 7 * DAY
    assert live_since(plant, (), NOW - DAY) == NOW - 8 * DAY


def test_an_order_is_done_when_its_last_part_was_started() -> None:
    plant = small_practice()
    state = LiveState(at=NOW, started={"A": 40, "B": 29, "C": 21, "JO-OLD": 500})
    assert wholly_started(plant, state) == {"A": 40, "C": 21}
    assert wholly_started(plant, None) == {}


def test_a_window_that_begins_within_an_order_loses_the_parts_before_it() -> None:
    """Why the window reaches back: maker makes a part of O1 every 10 s for a minute."""
    log = Log().say("maker", "state", (0, 6)).say("maker", "product", (0, "P1"))
    log.say("maker", "order", (0, "O1"))
    log.say("maker", "good_count", (0, 0), *((10.0 * i, i) for i in range(1, 7)))
    batch = log.batch()
    assert live_state(small_plant(), batch, as_of=at(61)).started == {"O1": 7}
    cut = batch.take(batch.measured_us > batch.measured_us.min() + 30_000_000)
    assert live_state(small_plant(), cut, as_of=at(61)).started.get("O1", 0) < 7
