"""Critical paths of work that is interrupted and waits for an operator, and of parts that have not come through."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest

from tests.engine_lab import START, constant, exponential, job, later, plant, told, unit
from tests.sameness import simulate
from twin.engine import LiveState, PartStart, PlannedMaintenance, UnitStart
from twin.plant import Plant, WorkUnitState
from twin.scenarios.critical_path import critical_path
from twin.scenarios.operations import history

LONG = 1e6
ONE = {"team": {"count": 1, "skills": ["a", "b"]}}
SATURATED, JOBS = {"policy": "saturated"}, {"policy": "jobs"}


def shared(a: dict[str, Any], b: dict[str, Any], **tables: Any) -> Plant:
    """Two machines with parts of their own and one operator; the jobs are those of ``a``."""
    return plant(
        {"a": {**a, "release": JOBS}, "b": {**b, "release": SATURATED}},
        operators=ONE,
        crews=2,
        **tables,
    )


def spent(line: Plant, parts: int = 1, **run: Any) -> dict[str, dict[str, float]]:
    """Shares of the path to the last part of ``a``, played by every engine alike."""
    jobs = run.pop("jobs", [job("o", parts)])
    found = simulate(
        line, start=START, horizon_s=LONG, jobs=jobs, until_done=True, trace=True, **run
    )
    return critical_path(found, line, state=run.get("state")).shares


def stop(at_s: float, for_s: float) -> PlannedMaintenance:
    return PlannedMaintenance(work_unit="a", start_at=later(at_s), duration_s=for_s)


# By hand.


def test_work_that_waits_for_an_operator_after_a_repair_is_no_work() -> None:
    # a works 0-50 and fails, is repaired 50-60; b has the operator 50-110; a works 110-160.
    modes = {"f": {"time_to_failure": constant(50.0), "repair": constant(10.0)}}
    line = shared(
        unit(100.0, operator=["work"], failure_modes=modes), unit(60.0, operator=["work"])
    )
    assert spent(line) == {"a": {"service": 100.0, "repair": 10.0, "operator": 50.0}}


def test_the_log_says_when_the_operator_is_back() -> None:
    modes = {"f": {"time_to_failure": constant(50.0), "repair": constant(10.0)}}
    line = shared(
        unit(100.0, operator=["work"], failure_modes=modes), unit(60.0, operator=["work"])
    )
    run = simulate(line, start=START, horizon_s=165.0, jobs=[job("o", 1)], trace=True)
    assert told(run, "a") == [
        (0.0, "launch", 0),
        (0.0, "start", 0),
        (50.0, "failure", 0),
        (50.0, "repair", 0),
        (60.0, "up", 0),
        (60.0, "delay", 0),
        (110.0, "resume", 0),
        (160.0, "finish", 0),
        (160.0, "leave", 0),
    ]


def test_without_operators_nothing_resumes_in_the_log() -> None:
    modes = {"f": {"time_to_failure": constant(50.0), "repair": constant(10.0)}}
    run = simulate(
        plant({"a": unit(100.0, failure_modes=modes)}), start=START, horizon_s=500.0, trace=True
    )
    assert not told(run, "a", "resume")


def test_a_stop_while_it_waits_for_an_operator_is_told_from_the_waiting() -> None:
    # As above, and planned work 70-75 while a waits 60-110.
    modes = {"f": {"time_to_failure": constant(50.0), "repair": constant(10.0)}}
    line = shared(
        unit(100.0, operator=["work"], failure_modes=modes), unit(60.0, operator=["work"])
    )
    found = spent(line, maintenance=[stop(70.0, 5.0)])
    assert found == {"a": {"service": 100.0, "repair": 10.0, "maintenance": 5.0, "operator": 45.0}}


def test_a_stop_before_the_operator_comes_for_the_first_time() -> None:
    # b stands first and has the operator 0-60; a is stopped 20-25 and works 60-160.
    line = plant(
        {
            "b": unit(60.0, operator=["work"], release=SATURATED),
            "a": unit(100.0, operator=["work"], release=JOBS),
        },
        operators=ONE,
    )
    found = spent(line, maintenance=[stop(20.0, 5.0)])
    assert found == {"a": {"service": 100.0, "maintenance": 5.0, "operator": 55.0}}


def test_a_setup_that_was_interrupted_waits_for_its_operator() -> None:
    # a works 0-30, b has the operator 0-60; setup 60-70, stopped 70-75, b has her 70-130, setup 130-140, work to 170.
    line = shared(
        unit(30.0, operator=["setup"], setup={"same_product_s": 20.0}),
        unit(60.0, operator=["work"]),
    )
    found = spent(line, jobs=[job("o", 1), job("p", 1)], maintenance=[stop(70.0, 5.0)])
    assert found == {"a": {"service": 60.0, "setup": 20.0, "operator": 85.0, "maintenance": 5.0}}


def test_after_the_night_the_operator_may_be_elsewhere() -> None:
    # a works 0-60 and is off 60-120; b has the operator 60-150; a works 150-190.
    line = shared(
        unit(100.0, operator=["work"], calendar="breaks"),
        unit(90.0, operator=["work"]),
        calendars={
            "shift": {"weekly": ["Mon-Sun 00:00-24:00"]},
            "breaks": {"weekly": ["Mon-Sun 00:00-00:01", "Mon-Sun 00:02-24:00"]},
        },
    )
    assert spent(line) == {"a": {"service": 100.0, "off": 60.0, "operator": 30.0}}


@pytest.mark.parametrize("known", [True, False])
def test_a_part_that_a_live_start_finds_at_work_may_wait_for_an_operator(known: bool) -> None:
    # Both were at work: b, first in the file, has the operator 0-60 and a 60-100.
    line = plant(
        {
            "b": unit(90.0, operator=["work"], release=SATURATED),
            "a": unit(100.0, operator=["work"], release=JOBS),
        },
        operators=ONE,
    )
    units = {
        name: UnitStart(
            state=WorkUnitState.PRODUCTION, product="P", order_id="old", remaining_s=left
        )
        for name, left in (("a", 40.0), ("b", 60.0))
    }
    state = LiveState(at=START, units=units)
    run = simulate(line, start=START, horizon_s=100.0, jobs=[], state=state, trace=True)
    found = critical_path(run, line, state=state if known else None)
    assert found.shares == {"a": {"operator": 60.0, "service": 40.0}}


def test_the_wait_at_the_end_of_the_run_is_the_operators() -> None:
    modes = {"f": {"time_to_failure": constant(50.0), "repair": constant(10.0)}}
    units = {
        "b": unit(1000.0, operator=["work"], release=SATURATED),
        "a": unit(100.0, operator=["work"], failure_modes=modes, release=JOBS),
    }
    units["b"]["release"] = {"policy": "arrivals", "interarrival": constant(20.0)}
    line = plant(units, operators=ONE)
    run = simulate(line, start=START, horizon_s=150.0, jobs=[job("o", 1)], trace=True)
    path = critical_path(run, line)
    # a has the operator 0-50, b from 50 on; nothing has left, and b is looked at first: at work since 50 s.
    assert path.shares["b"] == {"service": 100.0, "operator": 30.0, "release": 20.0}


def test_the_night_of_two_servers_is_one_night() -> None:
    # Both work 60 s, are off 60-120, and work 40 s on.
    line = plant(
        {"a": unit(50.0, servers=2, calendar="breaks")},
        calendars={
            "shift": {"weekly": ["Mon-Sun 00:00-24:00"]},
            "breaks": {"weekly": ["Mon-Sun 00:00-00:01", "Mon-Sun 00:02-24:00"]},
        },
    )
    assert spent(line, 4) == {"a": {"service": 100.0, "off": 60.0}}


def test_a_unit_that_is_off_shift_for_the_whole_run_is_off() -> None:
    line = plant({"a": unit(5.0)}, weekly=["Mon-Sun 06:00-22:00"])
    run = simulate(line, start=START, horizon_s=100.0, trace=True, maintenance=[stop(10.0, 5.0)])
    assert critical_path(run, line).shares == {"a": {"off": 100.0}}


def forked(**more: Any) -> Plant:
    """a sends P to b, Q to c, R to d: 1 s each at a, 1 s at b, 100 s at c and d."""
    return plant(
        {
            "a": unit(
                1.0,
                routes=(
                    {"zone": "x", "products": ["P"]},
                    {"zone": "y", "products": ["Q"]},
                    {"zone": "z", "products": ["R"]},
                ),
            ),
            "b": unit(1.0),
            "c": unit(100.0),
            "d": unit(100.0),
        },
        {"x": ("a", "b", 1), "y": ("a", "c", 1), "z": ("a", "d", 0)},
        products={"P": "F", "Q": "F", "R": "F"},
        **more,
    )


def test_a_part_that_is_blocked_as_the_run_ends_waits_for_the_unit_it_was_sent_to() -> None:
    # Q is at c from 1 s, R at d from 2 s, the next R is blocked from 3 s: b waits for a, and a for d.
    line = forked()
    jobs = [job("q", 1, "Q"), job("r", 2, "R"), job("p", 1, "P")]
    run = simulate(line, start=START, horizon_s=50.0, jobs=jobs, trace=True)
    assert critical_path(run, line).shares == {"d": {"service": 48.0}, "a": {"service": 2.0}}


def test_a_part_that_a_live_start_finds_held_waits_for_the_unit_it_was_sent_to() -> None:
    line = forked()
    work = {"state": WorkUnitState.PRODUCTION, "order_id": "old", "remaining_s": 90.0}
    state = LiveState(
        at=START,
        units={
            "a": UnitStart(state=WorkUnitState.BLOCKED, product="R", order_id="old"),
            "c": UnitStart(product="Q", **work),
            "d": UnitStart(product="R", **work),
        },
        zones={"y": (PartStart(order_id="old", product="Q"),)},
    )
    run = simulate(line, start=START, horizon_s=50.0, jobs=[], state=state, trace=True)
    assert critical_path(run, line, state=state).shares == {"d": {"service": 50.0}}


def test_the_way_of_every_part_is_the_one_that_it_takes_later() -> None:
    """Parts drawn apart: where each was sent as the run ended is where a longer run finds it."""
    line = plant(
        {
            "a": unit(
                exponential(2.0),
                inspection={"coverage": 0.5, "rework": "back", "rework_limit": 2},
                defects={"base": 0.4},
                takes="any",
                routes=({"zone": "x", "share": 0.3}, {"zone": "y", "share": 0.7}),
            ),
            "b": unit(exponential(6.0)),
            "c": unit(exponential(3.0)),
            "h": unit(exponential(1.0), defects={"base": 0.5}),
        },
        {
            "in": ("h", "a", 3),
            "x": ("a", "b", 1),
            "y": ("a", "c", 3),
            "back": ("a", "a", 20),
        },
    )
    arguments: dict[str, Any] = {"start": START, "seed": 4, "replications": 3, "trace": True}
    long = simulate(line, horizon_s=600.0, **arguments)
    seen: Counter[str] = Counter()
    for number in range(3):
        later_on = history(long, line, number).operations
        met = {u: {one.part for one in later_on[u]} for u in ("b", "c")}
        for end in (100.0, 200.0, 300.0, 400.0):
            short = simulate(line, horizon_s=end, **arguments)
            for one in history(short, line, number).operations["a"]:
                if one.outcome == "finish":
                    assert one.part in met["b" if one.to == "x" else "c"]
                    seen["blocked" if one.depart == math.inf else "gone"] += 1
    assert seen["blocked"] > 0
    assert seen["gone"] > 100
