"""Flow of parts: what arithmetic by hand says about small lines."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.engine_lab import START, constant, job, later, plant, practice, serial, unit
from tests.sameness import simulate
from twin.engine import LiveState, PartStart, PlannedMaintenance, UnitStart, open_jobs
from twin.errors import DataError
from twin.plant import FailureForecast, WorkUnitState


def test_the_slowest_unit_sets_the_pace() -> None:
    run = simulate(serial([2.0, 5.0, 3.0], 2), start=START, horizon_s=1000)
    # first part leaves after 2 + 5 + 3 s, then one every 5 s; the last instant counts
    assert run.kpis["good_parts"][0] == 1 + (1000 - 10) // 5
    assert run.unit_states["u1"]["production"][0] == pytest.approx((1000 - 2) / 1000)
    assert run.unit_states["u0"]["blocked"][0] > 0.5
    assert run.unit_states["u2"]["starved"][0] > 0.3


def test_closed_time_is_no_time_of_the_throughput_as_in_the_measured_figures() -> None:
    """One part a minute; open for one hour of the three that are simulated."""
    line = serial([60.0], 0, weekly=("Mon-Sun 01:00-02:00",))
    run = simulate(line, start=START, horizon_s=3 * 3600)
    assert run.kpis["good_parts"][0] == 60.0
    assert run.kpis["throughput_per_h"][0] == pytest.approx(60.0)
    closed = simulate(line, start=START, horizon_s=3600 - 1)
    assert np.isnan(closed.kpis["throughput_per_h"][0])


def test_states_of_every_unit_add_up_to_the_measured_time() -> None:
    line = practice()
    run = simulate(line, start=later(5 * 3600), horizon_s=86_400, warm_up_s=3600, replications=2)
    for states in run.unit_states.values():
        assert sum(states.values()) == pytest.approx(np.ones(2))


def test_zero_places_hand_over_only_when_the_next_unit_is_free() -> None:
    run = simulate(serial([1.0, 4.0], 0), start=START, horizon_s=20, jobs=[job("A", 3)], trace=True)
    trace = run.trace
    assert trace is not None
    first = [
        (float(t), trace.kinds[k])
        for t, u, k in zip(trace.time_s, trace.unit, trace.kind, strict=True)
        if trace.units[u] == "u0" and trace.kinds[k] != "launch"
    ]
    assert first == [
        (0.0, "start"),
        (1.0, "finish"),
        (1.0, "start"),
        (2.0, "finish"),
        (2.0, "blocked"),
        (5.0, "start"),
        (6.0, "finish"),
        (6.0, "blocked"),
    ]
    assert run.order_finished_s["A"][0] == 13.0


def test_work_in_process_and_flow_time_keep_littles_law() -> None:
    run = simulate(serial([3.0, 4.0, 5.0], 4), start=START, horizon_s=200_000, warm_up_s=10_000)
    rate = run.kpis["throughput_per_h"][0] / 3600
    assert run.kpis["work_in_process"][0] == pytest.approx(
        rate * run.kpis["flow_time_s"][0], rel=1e-3
    )


def test_jobs_start_in_the_order_given_and_not_before_their_release() -> None:
    run = simulate(
        serial([2.0], 0),
        start=START,
        horizon_s=100,
        jobs=[job("A", 2, release_s=10), job("B", 3)],
    )
    assert run.order_started_s["A"][0] == 10.0
    assert run.order_finished_s["A"][0] == 14.0
    assert run.order_started_s["B"][0] == 14.0
    assert run.order_finished_s["B"][0] == 20.0
    assert run.order_good["B"][0] == 3.0


def test_an_order_that_does_not_finish_has_no_finishing_time() -> None:
    run = simulate(serial([2.0], 0), start=START, horizon_s=5, jobs=[job("A", 9), job("B", 1)])
    assert math.isnan(run.order_finished_s["A"][0])
    assert math.isnan(run.order_started_s["B"][0])
    assert run.order_good["A"][0] == 2.0
    assert run.as_dict()["orders"]["A"]["finished_s"] is None


def test_until_done_measures_only_until_the_last_part_has_left() -> None:
    run = simulate(
        serial([2.0, 3.0], 1), start=START, horizon_s=9999, jobs=[job("A", 2)], until_done=True
    )
    assert run.measured_s[0] == 8.0
    assert run.unit_states["u1"]["production"][0] == 6.0 / 8.0


def test_a_setup_stands_before_another_order_product_or_family() -> None:
    line = plant(
        {
            "u": unit(
                1.0, setup={"same_product_s": 10, "same_family_s": 100, "other_family_s": 1000}
            )
        },
        products={"P": "F", "Q": "F", "R": "G"},
    )
    jobs = [job("A", 2), job("B", 1), job("C", 1, "Q"), job("D", 2, "R")]
    run = simulate(line, start=START, horizon_s=9999, jobs=jobs, until_done=True)
    assert run.measured_s[0] == 6 + 10 + 100 + 1000
    assert run.unit_states["u"]["setup"][0] == 1110 / 1116


def test_off_shift_the_part_waits_with_the_work_that_is_left() -> None:
    line = plant({"u": unit(7000.0)}, weekly=["Mon-Sun 06:00-07:00"])
    run = simulate(line, start=later(6 * 3600), horizon_s=2 * 86_400, trace=True)
    assert run.trace is not None
    finish = run.trace.time_s[run.trace.kind == run.trace.kinds.index("finish")]
    # 3600 s on the first day, the other 3400 s on the second
    assert list(finish) == [86_400 + 3400]
    assert run.unit_states["u"]["off"][0] == pytest.approx(23 / 24)


def test_a_part_that_ends_as_the_shift_ends_has_ended() -> None:
    line = plant({"u": unit(1800.0)}, weekly=["Mon-Sun 06:00-07:00"])
    run = simulate(line, start=later(6 * 3600), horizon_s=7200)
    assert run.kpis["good_parts"][0] == 2.0


def test_assembly_takes_one_part_of_each_feeding_unit() -> None:
    line = plant(
        {"left": unit(2.0), "right": unit(3.0), "join": unit(1.0)},
        {"a": ("left", "join", 2), "b": ("right", "join", 2)},
    )
    run = simulate(line, start=START, horizon_s=999, jobs=[job("A", 10)], until_done=True)
    # the right unit is the slower: part n is there at 3 n, joined at 3 n + 1
    assert run.measured_s[0] == 31.0
    for name in ("left", "right", "join"):
        assert run.starts[name, "P"].sum() == 10
    assert run.kpis["good_parts"][0] == 10.0
    assert run.order_good["A"][0] == 10.0


def test_a_scrapped_component_is_launched_again() -> None:
    line = plant(
        {
            "body": unit(1.0),
            "arm": unit(1.0, defects={"base": 0.3}),
            "check": unit(1.0, inspection={"coverage": 1.0}),
            "join": unit(1.0),
        },
        {"a": ("body", "join", 2), "b": ("arm", "check", 2), "c": ("check", "join", 2)},
    )
    run = simulate(line, start=START, horizon_s=99_999, jobs=[job("A", 50)], until_done=True)
    assert run.order_good["A"][0] == 50.0
    assert run.kpis["scrapped_parts"][0] > 0
    assert run.starts["arm", "P"].sum() == 50 + run.kpis["scrapped_parts"][0]


def test_inspection_takes_out_its_share_of_the_defects() -> None:
    line = plant(
        {"make": unit(1.0, defects={"base": 0.2}), "test": unit(1.0, inspection={"coverage": 0.9})},
        {"z": ("make", "test", 1)},
    )
    n = 20_000
    run = simulate(line, start=START, horizon_s=99_999, jobs=[job("A", n)], until_done=True)
    for kpi, p in (("scrapped_parts", 0.18), ("escaped_defects", 0.02)):
        assert abs(run.kpis[kpi][0] - n * p) < 4 * math.sqrt(n * p * (1 - p))
    assert run.kpis["good_parts"][0] + run.kpis["scrapped_parts"][0] == n


def test_energy_is_power_times_time_by_state() -> None:
    power = {"production_w": 3600.0, "idle_w": 360.0, "off_w": 36.0}
    line = plant({"u": unit(1800.0, power=power)}, weekly=["Mon-Sun 06:00-07:00"])
    run = simulate(line, start=later(6 * 3600), horizon_s=7200, jobs=[job("A", 1)])
    assert run.kpis["energy_kwh"][0] == pytest.approx(1.8 + 0.18 + 0.036)


def test_starts_are_counted_by_hour_over_the_whole_horizon() -> None:
    run = simulate(serial([600.0], 0), start=START, horizon_s=3 * 3600, warm_up_s=3600)
    # a part starts at 0, 600, ...; the one at the last instant starts too
    assert run.starts["u0", "P"].tolist() == [[6, 6, 7]]
    assert run.kpis["good_parts"][0] == 12.0


def test_tardiness_counts_an_unfinished_order_up_to_the_end() -> None:
    line = practice()
    jobs = open_jobs(line)[:1]
    due = line.orders[jobs[0].order_id].due_at
    run = simulate(line, start=due, horizon_s=7200, jobs=jobs)
    assert run.kpis["tardiness_h"][0] == 2.0


def test_open_jobs_leave_out_what_has_been_started() -> None:
    line = practice()
    first = open_jobs(line)[0]
    left = {j.order_id: j.quantity for j in open_jobs(line, {first.order_id: first.quantity - 1})}
    assert left[first.order_id] == 1
    assert first.order_id not in {
        j.order_id for j in open_jobs(line, {first.order_id: first.quantity})
    }


def test_live_parts_leave_before_new_ones_and_count_for_their_orders() -> None:
    state = LiveState(
        at=START,
        units={
            "u1": UnitStart(
                state=WorkUnitState.PRODUCTION, product="P", order_id="A", remaining_s=1.5
            ),
            "u0": UnitStart(state=WorkUnitState.BLOCKED, product="P", order_id="A"),
        },
        zones={"z0": (PartStart(order_id="A", product="P"),)},
        started={"A": 3},
    )
    run = simulate(
        serial([1.0, 4.0], 1),
        start=START,
        horizon_s=999,
        jobs=[job("A", 1), job("B", 1)],
        state=state,
        until_done=True,
    )
    assert run.order_good["A"][0] == 4.0
    assert run.order_started_s["A"][0] == 0.0
    assert run.order_finished_s["A"][0] == 1.5 + 3 * 4
    assert run.order_started_s["B"][0] == 5.5
    assert run.order_finished_s["B"][0] == 17.5


def test_a_unit_that_starts_under_repair_is_up_when_the_rest_is_done() -> None:
    mode = {"jam": {"time_to_failure": constant(1e9), "repair": constant(500.0)}}
    line = plant({"u": unit(10.0, failure_modes=mode)})
    state = LiveState(
        at=START,
        units={
            "u": UnitStart(
                state=WorkUnitState.REPAIR,
                product="P",
                order_id="A",
                remaining_s=4.0,
                failure_mode="jam",
                repair_remaining_s=60.0,
            )
        },
    )
    run = simulate(line, start=START, horizon_s=999, jobs=[], state=state, until_done=True)
    assert run.order_finished_s["A"][0] == 64.0
    assert run.failures["u", "jam"].sum() == 0


def test_a_line_that_cannot_go_on_says_who_waits_for_whom() -> None:
    line = plant(
        {"left": unit(2.0), "right": unit(3.0), "join": unit(1.0)},
        {"a": ("left", "join", 2), "b": ("right", "join", 2)},
    )
    state = LiveState(at=START, zones={"a": (PartStart(order_id="A", product="P"),)})
    with pytest.raises(DataError, match=r"cannot go on.*1 parts.*join waits for a part in b"):
        simulate(line, start=START, horizon_s=999, jobs=[], state=state)


def test_a_line_without_durations_is_refused_instead_of_hanging() -> None:
    with pytest.raises(DataError, match="no unit takes time"):
        simulate(serial([0.0, 0.0], 1), start=START, horizon_s=10)
    mode = {"jam": {"time_to_failure": constant(0.0), "repair": constant(0.0)}}
    with pytest.raises(DataError, match="without end"):
        simulate(plant({"u": unit(1.0, failure_modes=mode)}), start=START, horizon_s=10)


def test_everything_unknown_is_named_at_once() -> None:
    line = practice()
    with pytest.raises(DataError) as refused:
        simulate(
            line,
            start=START,
            horizon_s=10,
            jobs=[job("A", 1, "NONE-1"), job("B", 1, "NONE-2")],
            state=LiveState(
                at=START,
                units={"nowhere": UnitStart()},
                zones={"no_zone": (PartStart(order_id="A", product="NONE-3"),)},
            ),
            forecasts=[
                FailureForecast(
                    work_unit="printer",
                    failure_mode="rust",
                    made_at=START,
                    horizon_h=(1.0,),
                    probability=(0.5,),
                    model="",
                )
            ],
            maintenance=[PlannedMaintenance(work_unit="ghost", start_at=START, duration_s=-1.0)],
        )
    for name in ("NONE-1", "NONE-2", "NONE-3", "nowhere", "no_zone", "rust", "ghost", "-1.0"):
        assert name in str(refused.value)


@pytest.mark.parametrize("arguments", [{"horizon_s": 0}, {"horizon_s": 9, "warm_up_s": 9}])
def test_times_out_of_range_are_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(DataError):
        simulate(serial([1.0], 0), start=START, **arguments)


def test_a_zone_for_more_parts_than_can_be_counted_is_one_without_limit() -> None:
    wide = serial([1.0, 2.0], 10**20)
    assert simulate(wide, start=START, horizon_s=100).kpis["good_parts"][0] == 49


@pytest.mark.parametrize("quantity", [2 * 10**6, 10**9])
def test_orders_too_large_to_be_listed_go_to_the_event_loop(quantity: int) -> None:
    line = serial([1.0, 2.0], 1)
    for given in ({"jobs": [job("A", quantity)]}, {"mix": {"P": quantity}}):
        assert simulate(line, start=START, horizon_s=100, **given).kpis["good_parts"][0] == 49


def test_more_parts_than_have_numbers_are_refused() -> None:
    line = serial([1.0, 2.0], 1)
    for given in ({"jobs": [job("A", 10**20)]}, {"mix": {"P": 10**20}}):
        with pytest.raises(DataError, match="100000000000000000000 parts are to be made"):
            simulate(line, start=START, horizon_s=100, **given)


def test_a_horizon_beyond_the_calendar_is_refused() -> None:
    with pytest.raises(DataError, match="ends after the year 9998"):
        simulate(serial([1.0], 1), start=START, horizon_s=3e11)
