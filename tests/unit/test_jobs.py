"""The steps of the chain: cut into pieces over processes, they answer to the last bit the same."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from connectors.jobs import Plan, plan_step, schedule_orders, train_step
from tests.runtime_lab import NOW, bearing_forecast, small_plan, small_practice
from tests.telemetry_lab import Log, at, small_plant
from twin.engine import LiveState, UnitStart
from twin.errors import DataError
from twin.plant import WorkUnitState


def same(one: Plan, other: Plan) -> None:
    assert one.schedule == other.schedule
    assert one.proposals == other.proposals
    assert one.demand.items.keys() == other.demand.items.keys()
    for item, demand in one.demand.items.items():
        np.testing.assert_array_equal(demand.samples, other.demand.items[item].samples)
        np.testing.assert_array_equal(
            one.netting.items[item].projected_on_hand, other.netting.items[item].projected_on_hand
        )


def test_a_plan_in_pieces_over_processes_is_the_plan_in_one_piece_here() -> None:
    plant = small_practice(replications=5)
    whole = plan_step(plant, None, (bearing_forecast(),), NOW, 7, time_limit_s=30.0)
    assert whole.schedule.reproducible
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn) as pool:
        pieces = plan_step(
            plant,
            None,
            (bearing_forecast(),),
            NOW,
            7,
            time_limit_s=30.0,
            executor=pool,
            pieces=4,
        )
    same(whole, pieces)


def test_more_pieces_than_futures_is_as_good() -> None:
    plant = small_practice(replications=2)
    same(
        plan_step(plant, None, (), NOW, 7, time_limit_s=30.0),
        plan_step(plant, None, (), NOW, 7, time_limit_s=30.0, pieces=8),
    )


def test_another_seed_gives_other_futures_of_the_same_schedule() -> None:
    plant = small_practice()
    one, other = (
        plan_step(plant, None, (bearing_forecast(),), NOW, seed, time_limit_s=30.0)
        for seed in (1, 2)
    )
    assert one.schedule == other.schedule
    assert any(
        not np.array_equal(demand.samples, other.demand.items[item].samples)
        for item, demand in one.demand.items.items()
    )


def test_the_plan_has_the_work_on_the_part_that_will_fail_and_the_checker_agrees() -> None:
    plan = small_plan(small_practice())
    assert plan.violations == ()
    assert [(m.work_unit, m.failure_mode) for m in plan.schedule.maintenance] == [
        ("pick_place_2", "bearing")
    ]
    spare = plan.demand.items["SP-BEARING"]
    assert (spare.samples.sum(axis=1) >= 1.0).all()


def test_parts_that_were_started_are_not_scheduled_again() -> None:
    plant = small_practice()
    state = LiveState(at=NOW, started={"A": 40, "B": 10})
    schedule, violations = schedule_orders(plant, start=NOW, state=state, time_limit_s=30.0)
    assert {e.order_id: e.quantity for e in schedule.entries} == {"B": 20, "C": 20}
    assert violations == ()


def test_an_order_under_way_goes_on_first_when_the_first_unit_is_empty_for_a_moment() -> None:
    """A shift that ended as a part did: nothing in the printer, which is still set up for B."""
    plant = small_practice()
    empty = UnitStart(state=WorkUnitState.OFF, last_product="FG-DRV24", last_order_id="B")
    state = LiveState(at=NOW, units={"printer": empty}, started={"B": 10})
    schedule, violations = schedule_orders(plant, start=NOW, state=state, time_limit_s=30.0)
    first = schedule.entries[0]
    assert (first.order_id, first.quantity, first.setup_s) == ("B", 20, 0)
    assert violations == ()


def test_an_open_alert_has_work_in_the_schedule_until_the_repair_is_under_way() -> None:
    key = ("pick_place_2", "bearing")
    unlikely = replace(bearing_forecast(), probability=(0.0, 0.1, 0.3))

    def work(**unit: Any) -> list[tuple[str, str]]:
        state = LiveState(at=NOW, units={"pick_place_2": UnitStart(**unit)})
        plant = small_practice()
        schedule, violations = schedule_orders(
            plant, start=NOW, state=state, forecasts=(unlikely,), alerted=(key,), time_limit_s=30.0
        )
        assert violations == ()
        return [(m.work_unit, m.failure_mode) for m in schedule.maintenance]

    assert work() == [key]
    assert work(state=WorkUnitState.REPAIR, failure_mode="bearing") == []


def test_an_error_in_a_piece_is_the_error_of_the_plan() -> None:
    with pytest.raises(DataError):
        plan_step(small_practice(), None, (), NOW.replace(tzinfo=None), 7)


def test_a_history_without_enough_lives_gives_a_model_without_a_score_and_says_why() -> None:
    batch = Log().say("maker", "state", (0, 6.0), (3600, 2.0)).batch()
    learned = train_step(small_plant(), small_plant(), batch, at(7200))
    assert (learned.score, learned.model.hazard) == (None, None)
    assert str(learned) == "not cross-validated: 0 lives ended in a failure, 4 are needed"
