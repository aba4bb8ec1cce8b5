"""Runs that start where a line stands."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine_lab import START, constant, job, plant, serial, times, told, unit
from tests.sameness import simulate
from twin.engine import LiveState, PartStart, UnitStart
from twin.engine.streams import uniform
from twin.plant import FailureForecast, Plant, WorkUnitState

PRODUCTION, BLOCKED = WorkUnitState.PRODUCTION, WorkUnitState.BLOCKED
SETUP, REPAIR, DOWN = WorkUnitState.SETUP, WorkUnitState.REPAIR, WorkUnitState.DOWN


def working(
    remaining_s: float | None = None, order: str | None = "old", **more: object
) -> UnitStart:
    return UnitStart(
        state=PRODUCTION,
        product="P",
        order_id=order,
        remaining_s=remaining_s,
        **more,  # type: ignore[arg-type]
    )


def jamming(time_to_failure_s: float) -> dict[str, Any]:
    """A mode that comes after so long, repaired in 1 s."""
    jam = {"time_to_failure": constant(time_to_failure_s), "repair": constant(1.0)}
    return {"failure_modes": {"jam": jam}}


def curve(work_unit: str, ends_s: float, probability: float) -> FailureForecast:
    """From the start to this end, the probability of a jam."""
    return FailureForecast(
        work_unit=work_unit,
        failure_mode="jam",
        made_at=START,
        horizon_h=(ends_s / 3600,),
        probability=(probability,),
        model="",
    )


def test_parts_are_numbered_from_the_end_backwards_units_before_zones() -> None:
    """u2's part is 0, then those of z1, u1's, those of z0, u0's; launches come behind."""
    state = LiveState(
        at=START,
        units={name: working(1.0) for name in ("u0", "u1", "u2")},
        zones={z: (PartStart(order_id="old", product="P"),) * 2 for z in ("z0", "z1")},
    )
    line = serial([10.0, 10.0, 10.0], 2)
    run = simulate(line, start=START, horizon_s=60, state=state, jobs=[job("A", 1)], trace=True)
    assert told(run, "u2", "leave")[:3] == [
        (1.0, "leave", 0),
        (11.0, "leave", 1),
        (21.0, "leave", 2),
    ]
    # z1: 1 and 2, u1: 3, z0: 4 and 5, u0: 6; the first launch is 7
    assert told(run, "u1", "finish")[:2] == [(1.0, "finish", 3), (11.0, "finish", 4)]
    assert told(run, "u0", "finish")[0] == (1.0, "finish", 6)
    assert told(run, "u0", "launch") == [(1.0, "launch", 7)]


def test_every_server_of_a_unit_has_a_state_of_its_own() -> None:
    line = plant({"u": unit(10.0, servers=3)})
    state = LiveState(
        at=START,
        units={"u": working(4.0)},
        more_servers={"u": (working(2.0), UnitStart())},
    )
    run = simulate(line, start=START, horizon_s=15, state=state, jobs=[job("A", 9)], trace=True)
    # the third server begins at 0 s, the second at 2 s, the first at 4 s
    assert times(run, "u", "start") == [0.0, 2.0, 4.0, 10.0, 12.0, 14.0]
    assert told(run, "u", "leave")[:2] == [(2.0, "leave", 1), (4.0, "leave", 0)]


def test_a_part_that_is_held_goes_on_as_soon_as_there_is_room() -> None:
    """z0 is full; u1 takes a part at time 0, so the one that u0 holds goes in."""
    state = LiveState(
        at=START,
        units={"u0": UnitStart(state=BLOCKED, product="P", order_id="old")},
        zones={"z0": (PartStart(order_id="old", product="P"),)},
    )
    run = simulate(
        serial([3.0, 5.0], 1),
        start=START,
        horizon_s=12,
        state=state,
        jobs=[job("A", 1)],
        trace=True,
    )
    assert told(run, "u1", "start") == [(0.0, "start", 0), (5.0, "start", 1), (10.0, "start", 2)]
    assert times(run, "u0", "start") == [0.0]


def test_a_part_held_where_parts_leave_the_line_leaves_at_once() -> None:
    state = LiveState(at=START, units={"u1": UnitStart(state=BLOCKED, product="P", order_id="old")})
    line = serial([3.0, 5.0], 1)
    run = simulate(
        line,
        start=START,
        horizon_s=20,
        state=state,
        jobs=[job("A", 1)],
        until_done=True,
        trace=True,
    )
    assert told(run, "u1", "leave") == [(0.0, "leave", 0), (8.0, "leave", 1)]
    assert run.order_finished_s["old"][0] == 0.0
    assert run.measured_s[0] == 8.0


def test_what_is_left_is_a_uniform_share_of_a_whole_part_where_nobody_knows() -> None:
    line = plant({"u": unit(10.0, servers=2)})
    state = LiveState(at=START, units={"u": working()}, more_servers={"u": (working(),)})
    run = simulate(line, start=START, horizon_s=20, state=state, jobs=[], seed=4, trace=True)
    first, second = (10.0 * uniform(4, 0, name, "remaining", 0) for name in ("u", "u#2"))
    assert sorted(times(run, "u", "finish")) == sorted([first, second])


def test_a_setup_under_way_is_followed_by_the_whole_work() -> None:
    state = LiveState(
        at=START,
        units={"u": UnitStart(state=SETUP, product="P", order_id="old", remaining_s=3.0)},
    )
    run = simulate(
        plant({"u": unit(5.0)}),
        start=START,
        horizon_s=20,
        state=state,
        jobs=[],
        trace=True,
    )
    assert told(run, "u") == [(3.0, "start", 0), (8.0, "finish", 0), (8.0, "leave", 0)]


def test_a_server_that_is_set_up_for_another_product_needs_a_setup_first() -> None:
    line = plant(
        {"u": unit(5.0, setup={"other_family_s": 2.0, "same_product_s": 1.0})},
        products={"P": "F", "Q": "G"},
    )
    for last, order, setups in (
        ("Q", None, [0.0]),
        ("P", "A", []),
        ("P", "B", [0.0]),
        (None, None, []),
    ):
        state = LiveState(at=START, units={"u": UnitStart(last_product=last, last_order_id=order)})
        run = simulate(line, start=START, horizon_s=9, state=state, jobs=[job("A", 1)], trace=True)
        assert times(run, "u", "setup") == setups


def two_that_jam() -> Plant:
    """Side by side, with one crew for both."""
    mode = {"time_to_failure": constant(1000.0), "repair": constant(6.0)}
    one = unit(5.0, failure_modes={"jam": mode}, release={"policy": "jobs"})
    return plant({"u0": one, "u1": one})


def test_servers_that_start_down_wait_for_the_crew_in_their_order() -> None:
    """One crew: u0 for 4 s as given, then u1 by the repair law; the part in u1 goes on after it."""
    line = two_that_jam()
    state = LiveState(
        at=START,
        units={
            "u0": UnitStart(state=REPAIR, failure_mode="jam", repair_remaining_s=4.0),
            "u1": UnitStart(state=DOWN, product="P", order_id="old", remaining_s=2.0),
        },
    )
    run = simulate(line, start=START, horizon_s=13, state=state, jobs=[], trace=True)
    assert told(run, "u0") == [(0.0, "repair", -1), (4.0, "up", -1)]
    assert told(run, "u1") == [
        (4.0, "repair", 0),
        (10.0, "up", 0),
        (12.0, "finish", 0),
        (12.0, "leave", 0),
    ]


def test_a_server_under_repair_has_its_crew_and_the_one_that_is_down_waits() -> None:
    """u0 stands first in the file, but the crew is at u1 for 4 s more."""
    line = two_that_jam()
    state = LiveState(
        at=START,
        units={"u0": UnitStart(state=DOWN), "u1": UnitStart(state=REPAIR, repair_remaining_s=4.0)},
    )
    run = simulate(line, start=START, horizon_s=13, state=state, jobs=[], trace=True)
    assert told(run, "u0") == [(4.0, "repair", -1), (10.0, "up", -1)]
    assert told(run, "u1") == [(0.0, "repair", -1), (4.0, "up", -1)]


def test_an_age_shortens_the_first_life_alone() -> None:
    line = plant({"u": unit(100.0, **jamming(30.0))})
    state = LiveState(at=START, units={"u": UnitStart(age_s={"jam": 18.0})})
    run = simulate(line, start=START, horizon_s=50, state=state, trace=True)
    assert times(run, "u", "failure") == [pytest.approx(12.0), pytest.approx(43.0)]


def test_a_forecast_holds_for_the_first_server_alone() -> None:
    line = plant({"u": unit(100.0, servers=2, **jamming(500.0))})
    sure = curve("u", 36, 1.0)
    run = simulate(line, start=START, horizon_s=300, forecasts=[sure], trace=True, seed=1)
    assert times(run, "u", "failure") == [pytest.approx(36 * uniform(1, 0, "u", "life/jam", 0))]


def test_the_end_of_a_forecast_curve_interrupts_nobody() -> None:
    """The curve of u0 ends at 7 s without a failure; the operator stays, and u1 waits until 10 s."""
    line = plant(
        {
            "u0": unit(10.0, operator=["work"], **jamming(1000.0)),
            "u1": unit(10.0, operator=["work"], release={"policy": "saturated"}),
        },
        operators={"red": {"count": 1, "skills": ["u0", "u1"]}},
    )
    silent = curve("u0", 7, 0.0)
    run = simulate(line, start=START, horizon_s=35, forecasts=[silent], trace=True)
    assert times(run, "u0", "start") == [0.0, 20.0]
    assert times(run, "u1", "start") == [10.0, 30.0]


def test_a_forecast_that_ends_before_the_failure_hands_over_to_the_law_at_the_age_reached() -> None:
    """The curve ends at 7 s; a life of 30 s on the operating clock has 23 s left then."""
    line = plant({"u": unit(10.0, **jamming(30.0))})
    silent = curve("u", 7, 0.0)
    run = simulate(line, start=START, horizon_s=55, forecasts=[silent], trace=True)
    assert times(run, "u", "failure") == [pytest.approx(30.0)]


def test_orders_in_the_line_started_before_it() -> None:
    state = LiveState(
        at=START,
        units={"u0": working(1.0, "A")},
        zones={"z0": (PartStart(order_id="B", product="P"),)},
        started={"C": 3},
    )
    run = simulate(
        serial([2.0, 2.0], 1),
        start=START,
        horizon_s=50,
        state=state,
        jobs=[job("C", 1), job("A", 1)],
        until_done=True,
    )
    assert {order: float(t[0]) for order, t in run.order_started_s.items()} == {
        "A": 0,
        "B": 0,
        "C": 0,
    }
    # u1: B 0-2, A 2-4 (ready at 1), C (1-3) 4-6, A (3-5) 6-8
    assert {order: float(t[0]) for order, t in run.order_finished_s.items()} == {
        "A": 8,
        "B": 2,
        "C": 6,
    }


def test_parts_of_no_order_are_not_waited_for() -> None:
    """until_done looks at what orders count; what arrives or is launched without end is not that."""
    line = plant(
        {
            "a": unit(2.0),
            "b": unit(2.0, release={"policy": "saturated"}),
            "m": unit(1.0, takes="any"),
        },
        {"za": ("a", "m", 2), "zb": ("b", "m", 2)},
    )
    run = simulate(line, start=START, horizon_s=100, jobs=[job("A", 5)], until_done=True)
    # parts of a end at 2, 4, ... 10 s and are taken at once, before those of b
    assert run.order_finished_s["A"][0] == run.measured_s[0] == 11.0
    assert run.order_good["A"][0] == 5


def test_a_repair_that_should_be_over_ends_at_the_start() -> None:
    mode = {"time_to_failure": constant(1e6), "repair": constant(60.0)}
    line = plant({"u0": unit(1.0, failure_modes={"m": mode})})
    late = UnitStart(state=REPAIR, repair_remaining_s=-50.0)
    state = LiveState(at=START, units={"u0": late})
    run = simulate(line, start=START, horizon_s=10, state=state, trace=True)
    assert times(run, "u0", "up") == [0.0]
    assert run.kpis["good_parts"][0] == 10
