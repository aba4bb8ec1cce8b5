from __future__ import annotations

import pytest

from tests.telemetry_lab import Log, at, small_plant
from twin.calibration import live_state
from twin.calibration.flow import trace_back
from twin.calibration.history import read_history
from twin.engine.live import PartStart
from twin.errors import LookAheadError
from twin.plant import WorkUnitState
from twin.telemetry import SampleBatch
from twin.telemetry.states import SignalIndex

PLANT = small_plant()


def both_at_work() -> Log:
    """Maker finished six and works on the seventh; tester took out one of its two and has a third."""
    log = Log().say("maker", "state", (0, 6)).say("maker", "product", (0, "P1"), (40, "P2"))
    log.say("maker", "order", (0, "O1"), (40, "O2"))
    log.say("maker", "good_count", (0, 0), *((10.0 * i, i) for i in range(1, 7)))
    log.say("tester", "state", (0, 5), (10, 6)).say("tester", "reason", (0, 1), (10, 0))
    log.say("tester", "product", (10, "P1")).say("tester", "order", (10, "O1"))
    log.say("tester", "good_count", (0, 0), (30, 1)).say("tester", "reject_count", (0, 0), (52, 1))
    return log


def test_a_zone_holds_what_was_made_less_what_was_taken_and_what_is_in_the_unit() -> None:
    state = live_state(PLANT, both_at_work().batch(), as_of=at(64))
    assert state.zones["middle"] == (
        PartStart(order_id="O1", product="P1"),
        PartStart(order_id="O2", product="P2"),
        PartStart(order_id="O2", product="P2"),
    )
    assert state.started == {"O1": 4, "O2": 3}


def test_the_work_left_on_a_part_is_its_mean_less_what_was_done() -> None:
    state = live_state(PLANT, both_at_work().batch(), as_of=at(64))
    maker = state.units["maker"]
    assert (maker.state, maker.product, maker.order_id) == (WorkUnitState.PRODUCTION, "P2", "O2")
    assert maker.remaining_s == pytest.approx(6.0, abs=0.1)
    assert maker.age_s["jam"] == pytest.approx(64.0)


def test_a_finished_part_that_blocks_its_unit_is_not_in_the_zone() -> None:
    log = both_at_work().say("maker", "state", (60, 5)).say("maker", "reason", (0, 0), (60, 2))
    state = live_state(PLANT, log.batch(), as_of=at(70))
    assert state.units["maker"].state is WorkUnitState.BLOCKED
    assert state.units["maker"].remaining_s == 0.0
    assert [p.order_id for p in state.zones["middle"]] == ["O1", "O2"]
    assert state.started == {"O1": 4, "O2": 2}


def test_a_starved_unit_is_empty_and_so_is_the_zone_before_it() -> None:
    log = both_at_work().say("maker", "state", (60, 2))
    log.say("tester", "good_count", (53, 2), (54, 3), (55, 4), (61, 5))
    log.say("tester", "state", (61, 5)).say("tester", "reason", (61, 1))
    state = live_state(PLANT, log.batch(), as_of=at(100))
    assert state.units["tester"].state is WorkUnitState.STARVED
    assert state.units["tester"].product is None
    assert state.units["tester"].last_product == "P1"
    assert state.zones["middle"] == ()


def test_a_zone_never_holds_more_than_it_can() -> None:
    log = both_at_work().say("maker", "good_count", (63, 26))
    assert len(live_state(PLANT, log.batch(), as_of=at(64)).zones["middle"]) == 3


def test_a_part_waits_in_a_unit_that_failed_or_went_off_shift() -> None:
    log = both_at_work().say("maker", "state", (64, 9), (70, 1)).say("tester", "state", (55, 2))
    log.say("maker", "fault", (0, ""), (64, "jam"))
    state = live_state(PLANT, log.batch(), as_of=at(90))
    maker, tester = state.units["maker"], state.units["tester"]
    assert (maker.state, maker.failure_mode) == (WorkUnitState.REPAIR, "jam")
    assert maker.remaining_s == pytest.approx(6.0, abs=0.1)
    assert maker.repair_remaining_s == pytest.approx(80.0, abs=5.0)
    assert maker.age_s["jam"] == 0.0
    assert (tester.state, tester.product) == (WorkUnitState.OFF, "P1")
    assert tester.remaining_s == pytest.approx(5.0, abs=0.1)


def test_a_repair_that_waits_for_the_next_shift_is_not_forgotten() -> None:
    """Off shift hides the stop; the fault still stands."""
    log = both_at_work().say("maker", "fault", (0, ""), (64, "jam"))
    log.say("maker", "state", (64, 9), (70, 2))
    maker = live_state(PLANT, log.batch(), as_of=at(90)).units["maker"]
    assert (maker.state, maker.failure_mode) == (WorkUnitState.DOWN, "jam")
    log.say("maker", "state", (95, 1), (125, 2))
    maker = live_state(PLANT, log.batch(), as_of=at(200)).units["maker"]
    assert (maker.state, maker.failure_mode) == (WorkUnitState.REPAIR, "jam")
    assert maker.repair_remaining_s == pytest.approx(70.0, abs=10.0)


def test_a_unit_that_waits_with_its_part_begun_still_has_it() -> None:
    maker = live_state(
        PLANT, both_at_work().say("maker", "state", (64, 5)).batch(), as_of=at(70)
    ).units["maker"]
    assert (maker.state, maker.product) == (WorkUnitState.DELAY, "P2")
    assert maker.remaining_s == pytest.approx(6.0, abs=0.1)


def test_a_setup_has_the_rest_of_its_planned_time_left() -> None:
    log = both_at_work().say("maker", "state", (60, 15)).say("maker", "product", (60, "P3"))
    maker = live_state(PLANT, log.batch(), as_of=at(100)).units["maker"]
    assert (maker.state, maker.product) == (WorkUnitState.SETUP, "P3")
    assert maker.remaining_s == pytest.approx(600.0 - 40.0)


def test_no_history_is_an_empty_line_and_looking_ahead_is_refused() -> None:
    assert live_state(PLANT, SampleBatch.empty(), as_of=at(0)).zones == {}
    late = Log().say("maker", "state", (0, 6), late_s=10).batch()
    with pytest.raises(LookAheadError):
        live_state(PLANT, late, as_of=at(5))


def test_where_parts_come_back_counts_do_not_tell_and_nothing_runs_for_ever() -> None:
    tester = PLANT.work_units["tester"].model_copy(update={"takes": "any"})
    back = {"upstream": "tester", "downstream": "tester", "capacity": 3}
    plant = small_plant(
        work_units={"maker": PLANT.work_units["maker"], "tester": tester},
        storage_zones={**PLANT.storage_zones, "again": back},
    )
    batch = both_at_work().batch()
    assert live_state(plant, batch, as_of=at(64)).zones == {"middle": (), "again": ()}
    histories = read_history(plant, SignalIndex(batch), at(0), at(64))
    assert trace_back(plant, "tester", histories) == {}
    assert list(trace_back(PLANT, "tester", histories)) == ["maker"]
