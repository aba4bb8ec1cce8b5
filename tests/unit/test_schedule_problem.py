"""The problem as it is stated for a plant: pace, change-overs, progress, maintenance windows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.errors import DataError
from twin.plant import Batch, Constant, FailureForecast, FailureMode, Plant, load_plant
from twin.schedule import build_problem, check, schedule_jobs, schedule_maintenance
from twin.schedule.cpsat import solve
from twin.schedule.rates import change_over_s, line_rate
from twin.schedule.working_time import WorkingAxis, line_working_time

LIVE_START = datetime(2026, 3, 16, 5, 30, tzinfo=UTC)
PRACTICE = Path(__file__).parents[2] / "simulators" / "practice" / "plant.toml"


@pytest.fixture(scope="module")
def plant() -> Plant:
    return load_plant(PRACTICE)


def bearing(*probability: float, made_at: datetime = LIVE_START) -> FailureForecast:
    return FailureForecast(
        work_unit="pick_place_1",
        failure_mode="bearing",
        made_at=made_at,
        horizon_h=(4.0, 8.0, 24.0),
        probability=probability,
        model="test",
    )


def two_units(plant: Plant, capacity: int) -> Plant:
    """Two equal machines, 10 s a part, each down 100 s in every 1000 s of work."""
    mode = FailureMode(time_to_failure=Constant(value_s=1000.0), repair=Constant(value_s=100.0))
    unit = plant.work_units["packing"].model_copy(
        update={"cycle_time": {"default": Constant(value_s=10.0)}, "failure_modes": {"m": mode}}
    )
    zone = next(iter(plant.storage_zones.values())).model_copy(
        update={"upstream": "a", "downstream": "b", "capacity": capacity}
    )
    return plant.model_copy(
        update={"work_units": {"a": unit, "b": unit}, "storage_zones": {"z": zone}}
    )


@pytest.mark.parametrize(
    ("capacity", "seconds"),
    [
        (0, 12.0),  # Buzacott: 10 s * (1 + 0.1 + 0.1), both machines stop for each failure
        (4, 11.6),  # 40 s of each 100 s stop elsewhere are carried by the zone
        (10, 11.0),  # stand-alone: 10 s * (1 + 0.1)
        (500, 11.0),
    ],
)
def test_a_zone_carries_stops_of_the_other_unit(
    plant: Plant, capacity: int, seconds: float
) -> None:
    rate = line_rate(two_units(plant, capacity), "FG-GW10")
    assert rate.seconds_per_part == pytest.approx(seconds)
    assert rate.tail_s == 10.0


@pytest.mark.parametrize("more", [{"servers": 2}, {"batch": Batch(size=2)}])
def test_what_works_on_two_parts_at_once_needs_half_the_time_for_one(
    plant: Plant, more: dict[str, object]
) -> None:
    line = two_units(plant, 500)
    twice = {name: unit.model_copy(update=more) for name, unit in line.work_units.items()}
    rate = line_rate(line.model_copy(update={"work_units": twice}), "FG-GW10")
    assert rate.seconds_per_part == pytest.approx(5.5)  # 10 s / 2 * (1 + 0.1)
    assert rate.tail_s == 15.0  # a part still takes 20 s


def test_the_slowest_unit_is_the_bottleneck_of_its_product(plant: Plant) -> None:
    assert line_rate(plant, "FG-GW10").bottleneck == "functional_test"  # 22.5 s, next 20 s
    assert line_rate(plant, "FG-PSU60").bottleneck == "tht_insertion"  # 27 s, next 26 s
    with pytest.raises(DataError, match="NO-SUCH"):
        line_rate(plant, "NO-SUCH")


def test_the_line_loses_the_longest_change_over(plant: Plant) -> None:
    assert change_over_s(plant, "FG-GW10", "FG-GW10") == 120  # printer 120 s, placers 60 s
    assert change_over_s(plant, "FG-GW10", "FG-PSU60") == 900  # printer 900 s, placers 720 s


def test_only_what_is_not_started_is_placed(plant: Plant) -> None:
    problem = build_problem(
        plant, start=LIVE_START, progress={"JO-1001": 130, "JO-1002": 500}, running="JO-1002"
    )
    quantities = {o.order_id: o.quantity for o in problem.orders}
    assert quantities["JO-1001"] == 170
    assert "JO-1002" not in quantities
    assert problem.running is None
    assert len(quantities) == 46


def test_the_horizon_leaves_out_later_releases(plant: Plant) -> None:
    problem = build_problem(plant, start=LIVE_START, horizon=timedelta(days=2))
    assert [o.order_id for o in problem.orders][-1] == "JO-1026"


def test_a_failure_that_is_coming_becomes_work_before_it_is_likely(plant: Plant) -> None:
    # 20 % at 4 h + (0.20 - 0.10) / (0.30 - 0.10) * 4 h = 6 h
    problem = build_problem(plant, start=LIVE_START, forecasts=[bearing(0.1, 0.3, 0.6)])
    (work,) = problem.maintenance
    assert work.duration_s == 1440  # planned_work_s of the plant file
    assert work.latest_at == LIVE_START + timedelta(hours=6)
    assert problem.notes == ()


def test_a_failure_that_is_not_likely_is_no_work(plant: Plant) -> None:
    assert (
        build_problem(plant, start=LIVE_START, forecasts=[bearing(0.1, 0.2, 0.49)]).maintenance
        == ()
    )


def test_an_open_alert_keeps_its_work_when_the_weekend_makes_the_failure_unlikely(
    plant: Plant,
) -> None:
    key = ("pick_place_1", "bearing")
    friday = bearing(0.1, 0.3, 0.45)
    (work,) = build_problem(plant, start=LIVE_START, forecasts=[friday], alerted=[key]).maintenance
    assert (work.work_unit, work.failure_mode) == key
    assert work.latest_at == LIVE_START + timedelta(hours=6)
    # Never likely within the curve: any time on it will do.
    (late,) = build_problem(
        plant, start=LIVE_START, forecasts=[bearing(0.0, 0.0, 0.1)], alerted=[key]
    ).maintenance
    assert late.latest_at == LIVE_START + timedelta(hours=24)
    feeder = replace(friday, failure_mode="feeder")  # strikes at random
    found = build_problem(
        plant, start=LIVE_START, forecasts=[feeder], alerted=[("pick_place_1", "feeder")]
    )
    assert found.maintenance == ()


def test_work_that_comes_too_late_is_done_at_once_and_a_note_says_so(plant: Plant) -> None:
    # The 20 % were passed 2 h 7 min before the start.
    late = bearing(0.9, 0.95, 0.99, made_at=LIVE_START - timedelta(hours=3))
    nozzle = replace(late, failure_mode="nozzle")
    problem = build_problem(plant, start=LIVE_START, forecasts=[late, nozzle])
    ends = [work.latest_at - LIVE_START for work in problem.maintenance]
    assert ends == [timedelta(seconds=1440), timedelta(seconds=1440 + 720)]
    assert [note.split(":")[0] for note in problem.notes] == [
        "pick_place_1.bearing",
        "pick_place_1.nozzle",
    ]
    schedule = solve(problem, time_limit_s=0.1)
    assert check(problem, schedule) == ()


def test_the_practice_orders_are_scheduled_and_checked(plant: Plant) -> None:
    problem = build_problem(
        plant, start=LIVE_START, last_product="FG-DRV24", forecasts=[bearing(0.1, 0.3, 0.6)]
    )
    schedule = solve(problem, time_limit_s=0.5)
    assert check(problem, schedule) == ()
    assert schedule.gap < 0.05
    assert sum(e.late_h for e in schedule.entries) == 0.0
    jobs, work = schedule_jobs(schedule), schedule_maintenance(schedule)
    assert [j.order_id for j in jobs] == [e.order_id for e in schedule.entries]
    assert sum(j.quantity for j in jobs) == sum(o.quantity for o in plant.orders.values())
    assert [(w.work_unit, w.failure_mode) for w in work] == [("pick_place_1", "bearing")]


def test_closed_days_are_no_working_time(plant: Plant) -> None:
    thursday = datetime(
        2026, 4, 2, 19, 0, tzinfo=UTC
    )  # 21:00 local; Good Friday, Easter Monday closed
    spans = line_working_time(plant, thursday, 2 * 3600)
    assert spans[0] == (thursday, thursday + timedelta(hours=1))
    assert spans[1][0] == datetime(2026, 4, 7, 4, 0, tzinfo=UTC)  # Tuesday 06:00 local


@given(st.integers(0, 16 * 3600 * 20 - 1))
def test_position_and_instant_are_inverse(position: int) -> None:
    day = datetime(2026, 3, 2, 5, tzinfo=UTC)
    axis = WorkingAxis(
        tuple((day + timedelta(days=d), day + timedelta(days=d, hours=16)) for d in range(20))
    )
    assert axis.position(axis.opens(position)) == position
    assert axis.position(axis.closes(position)) == position
    assert axis.closes(position) <= axis.opens(position)
