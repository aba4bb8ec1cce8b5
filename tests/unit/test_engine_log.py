"""What a run reports: the event log, times in states, times of parts, warm-up."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, reject, settings

from tests.engine_lab import START, constant, exponential, job, plant, serial, times, told, unit
from tests.plant_runs import Case, cases
from tests.sameness import simulate
from twin.engine import RunResult
from twin.engine.counts import KINDS, TICKS_PER_S
from twin.errors import DataError


def test_the_kinds_of_events_and_their_order_at_one_unit() -> None:
    """Setup, work, a defect found, blocking, failure and repair in one small line."""
    mode = {"time_to_failure": constant(7.0), "repair": constant(2.0)}
    line = plant(
        {
            "u0": unit(3.0, defects={"base": 1 - 1e-12}, setup={"other_family_s": 1.0}),
            "u1": unit(4.0, inspection={"coverage": 1.0}, failure_modes={"jam": mode}),
            "u2": unit(1.0),
        },
        {"z0": ("u0", "u1", 0), "z1": ("u1", "u2", 0)},
        products={"P": "F", "Q": "G"},
    )
    jobs = [job("A", 1, "P"), job("B", 2, "Q")]
    run = simulate(line, start=START, horizon_s=30, jobs=jobs, trace=True)
    assert told(run, "u0") == [
        (0.0, "launch", 0),
        (0.0, "start", 0),
        (3.0, "finish", 0),
        (3.0, "launch", 1),
        (3.0, "setup", 1),
        (4.0, "start", 1),
        (7.0, "finish", 1),
        (7.0, "launch", 2),
        (7.0, "start", 2),
        (10.0, "finish", 2),
        (10.0, "blocked", 2),
    ]
    assert told(run, "u1") == [
        (3.0, "start", 0),
        (7.0, "reject", 0),
        (7.0, "start", 1),
        (10.0, "failure", 1),
        (10.0, "repair", 1),
        (12.0, "up", 1),
        (13.0, "reject", 1),
        (13.0, "start", 2),
        (17.0, "reject", 2),
    ]
    assert run.kpis["scrapped_parts"][0] == 3
    trace = run.trace
    assert trace is not None
    assert trace.kinds == KINDS
    assert [trace.orders[o] for o in trace.order[trace.kind == KINDS.index("launch")]] == [
        "A",
        "B",
        "B",
    ]


def test_rows_are_in_the_order_of_replication_time_and_unit() -> None:
    run = simulate(
        serial([exponential(3.0), 2.0, exponential(2.0)], 1),
        start=START,
        horizon_s=200,
        replications=3,
        first_replication=5,
        trace=True,
    )
    trace = run.trace
    assert trace is not None
    keys = list(
        zip(trace.replication.tolist(), trace.time_s.tolist(), trace.unit.tolist(), strict=True)
    )
    assert keys == sorted(keys)
    assert set(trace.replication.tolist()) == {5, 6, 7}


def test_a_run_in_which_nothing_happens_has_an_empty_log() -> None:
    line = plant({"u": unit(1.0)}, weekly=("Mon-Sun 23:00-24:00",))
    run = simulate(line, start=START, horizon_s=10, trace=True, replications=2)
    assert run.trace is not None
    assert len(run.trace) == 0
    assert run.unit_states["u"]["off"].tolist() == [1.0, 1.0]


def test_what_happens_at_the_instant_of_the_warm_up_is_not_counted() -> None:
    """A part every 5 s: of 5, 10, ..., 50 those after 20 s count, six."""
    run = simulate(plant({"u": unit(5.0)}), start=START, horizon_s=50, warm_up_s=20)
    assert run.kpis["good_parts"][0] == 6
    assert run.measured_s[0] == 30
    assert run.unit_states["u"]["production"][0] == 1.0
    assert run.kpis["work_in_process"][0] == 1.0
    assert int(run.starts["u", "P"].sum()) == 11  # by hour, over the whole horizon


def test_flow_time_is_that_of_the_parts_that_left_after_the_warm_up() -> None:
    """u1 makes a part every 5 s; u0 is never slower, so parts wait in z0 and before it."""
    run = simulate(serial([5.0, 5.0], 0), start=START, horizon_s=100, warm_up_s=50)
    assert run.kpis["flow_time_s"][0] == 10.0


def test_littles_law_holds_to_the_tick_between_two_empty_instants() -> None:
    """A finite set of jobs: work in process times duration is the sum of the flow times."""
    run = simulate(
        serial([exponential(3.0), exponential(4.0), exponential(2.0)], 2),
        start=START,
        horizon_s=10_000,
        jobs=[job("A", 500)],
        until_done=True,
        seed=3,
    )
    total = run.kpis["work_in_process"][0] * run.measured_s[0]
    assert total == pytest.approx(500 * run.kpis["flow_time_s"][0], rel=1e-12)


def test_order_times_are_those_of_the_first_launch_and_the_last_part() -> None:
    run = simulate(
        serial([2.0, 3.0], 1),
        start=START,
        horizon_s=30,
        jobs=[job("A", 2), job("B", 1), job("C", 99)],
    )
    assert [float(run.order_started_s[o][0]) for o in "ABC"] == [0.0, 4.0, 6.0]
    assert float(run.order_finished_s["A"][0]) == 8.0
    assert float(run.order_finished_s["B"][0]) == 11.0
    assert math.isnan(run.order_finished_s["C"][0])


def test_until_done_ends_at_the_settled_instant_of_the_last_part() -> None:
    """Two parts leave at one instant: both are counted, and the unit shows what it shows then."""
    run = simulate(
        plant({"u": unit(5.0, servers=2)}),
        start=START,
        horizon_s=100,
        jobs=[job("A", 4)],
        until_done=True,
        trace=True,
    )
    assert run.measured_s[0] == 10.0
    assert run.order_good["A"][0] == 4
    assert times(run, "u", "leave") == [5.0, 5.0, 10.0, 10.0]


def test_until_done_before_the_warm_up_measures_nothing() -> None:
    run = simulate(
        plant({"u": unit(5.0)}),
        start=START,
        horizon_s=100,
        jobs=[job("A", 2)],
        until_done=True,
        warm_up_s=50,
    )
    assert run.measured_s[0] == 0.0
    assert run.kpis["good_parts"][0] == 0
    assert math.isnan(run.kpis["work_in_process"][0])
    assert math.isnan(run.unit_states["u"]["production"][0])
    assert run.order_good["A"][0] == 2


def _played(case: Case) -> RunResult:
    """The run of a case; one that is refused, as when its line is stuck, shows nothing and does not count."""
    try:
        return simulate(case.plant, **case.arguments)
    except DataError:
        reject()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(cases())
def test_every_server_shows_something_at_every_tick(case: Case) -> None:
    """Shares of a unit are whole ticks, and add up to its servers' time."""
    run = _played(case)
    begin = math.floor(run.warm_up_s * TICKS_PER_S)
    for name, states in run.unit_states.items():
        servers = case.plant.work_units[name].servers
        shares = np.array(list(states.values()))
        assert ((shares >= 0.0) | np.isnan(shares)).all()
        for k in range(run.replications):
            measured = run.measured_s[k]
            if measured == 0.0:
                continue
            ticks = float(shares[:, k].sum()) * measured * servers * TICKS_PER_S
            end = math.floor((measured + run.warm_up_s) * TICKS_PER_S)
            assert ticks == pytest.approx(servers * (end - begin), abs=1e-3 * servers)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(cases())
def test_every_event_has_its_opposite_and_the_log_tells_what_is_counted(case: Case) -> None:
    """What is begun ends, who goes down comes up, who goes off comes on: all but what the end cuts short."""
    run = _played(case)
    assert run.trace is not None
    trace = run.trace
    for k in range(run.replications):
        mine = trace.replication == run.first_replication + k
        for u, name in enumerate(trace.units):
            here = trace.kind[mine & (trace.unit == u)]
            n = {kind: int((here == i).sum()) for i, kind in enumerate(trace.kinds)}
            servers, table = case.plant.work_units[name].servers, case.plant.work_units[name]
            inside = servers * (table.batch.size if table.batch else 1)
            assert abs(n["start"] - n["finish"] - n["reject"] - n["rework"]) <= inside
            assert -servers <= n["failure"] + n["maintenance"] - n["up"] <= servers
            assert abs(n["off"] - n["on"]) <= servers
            assert n["start"] == sum(
                int(c[k].sum()) for (at, _), c in run.starts.items() if at == name
            )
            assert n["failure"] == sum(
                int(c[k].sum()) for (at, _), c in run.failures.items() if at == name
            )
            assert n["setup"] <= n["start"] + servers
