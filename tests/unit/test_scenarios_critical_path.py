"""Critical paths: shares by hand on lines without chance, and laws that hold on every line."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tests.engine_lab import START, constant, exponential, job, later, plant, practice, serial, unit
from twin.engine import (
    LiveState,
    PartStart,
    PlannedMaintenance,
    RunResult,
    UnitStart,
    simulate,
)
from twin.errors import DataError, NotFoundError
from twin.plant import Plant, WorkUnitState
from twin.scenarios.critical_path import KINDS, CriticalPath, critical_path

FAILS = {"m": {"time_to_failure": exponential(200.0), "repair": exponential(40.0)}}
BY_THE_CLOCK = {"m": {"clock": "calendar", **FAILS["m"]}}
LONG = 1e7


def path(line: Plant, **run: Any) -> CriticalPath:
    return critical_path(simulate(line, start=START, trace=True, **run), line)


def done(line: Plant, parts: int) -> dict[str, dict[str, float]]:
    return path(line, horizon_s=LONG, jobs=[job("o", parts)], until_done=True).shares


def with_more(line: Plant, **more: Any) -> Plant:
    return Plant.model_validate(line.model_dump() | more)


# By hand.


@pytest.mark.parametrize("places", [0, 1, 5])
def test_the_slow_second_unit_has_all_but_the_first_part_at_the_first(places: int) -> None:
    # u0 takes 3 s, u1 5 s: the first part waits for u0, then u1 never stops: 3 + 10 * 5 = 53 s.
    assert done(serial([3.0, 5.0], places), 10) == {"u0": {"service": 3.0}, "u1": {"service": 50.0}}


@pytest.mark.parametrize("places", [0, 1, 5])
def test_the_slow_first_unit_has_all_but_the_last_part_at_the_second(places: int) -> None:
    assert done(serial([5.0, 3.0], places), 10) == {"u0": {"service": 50.0}, "u1": {"service": 3.0}}


def test_blocking_leads_downstream_and_back() -> None:
    # 2 s, 7 s, 1 s: u0 is blocked for ever by u1, so u1 has it all: 2 + 4 * 7 + 1 = 31 s.
    found = done(serial([2.0, 7.0, 1.0], 0), 4)
    assert found == {"u0": {"service": 2.0}, "u1": {"service": 28.0}, "u2": {"service": 1.0}}


def test_a_release_ends_the_path() -> None:
    # The second order comes at 500 s, when the first is long done: 500 + 2 + 3 = 505 s.
    line = serial([2.0, 3.0], 1)
    found = path(
        line, horizon_s=LONG, jobs=[job("a", 5), job("b", 1, release_s=500.0)], until_done=True
    )
    assert found.end_s == 505.0
    assert found.shares == {"u0": {"release": 500.0, "service": 2.0}, "u1": {"service": 3.0}}


def test_a_failure_and_its_repair_are_on_the_path_of_the_unit_that_failed() -> None:
    # u1 works 5 s a part and fails after 12 s of work, once: repair takes 100 s. 3 + 4 * 5 + 100 = 123 s.
    modes = {"m": {"time_to_failure": constant(12.0), "repair": constant(100.0)}}
    line = plant({"u0": unit(3.0), "u1": unit(5.0, failure_modes=modes)}, {"z": ("u0", "u1", 2)})
    found = done(line, 4)
    assert found == {"u0": {"service": 3.0}, "u1": {"service": 20.0, "repair": 100.0}}


def test_waiting_for_the_only_crew_is_told_from_the_repair() -> None:
    modes = {"m": {"time_to_failure": constant(10.0), "repair": constant(50.0)}}
    line = plant(
        {
            "a": unit(10.5, failure_modes=modes),
            "b": unit(10.5, failure_modes=modes),
            "c": unit(1.0),
        },
        {"x": ("a", "c", 1), "y": ("b", "c", 1)},
    )
    # Both fail after 10 s of work, and a is served first: a is up at 60 s, b at 110 s, done at 110.5 s, c at 111.5 s.
    found = done(line, 1)
    assert found == {"b": {"service": 10.5, "down": 50.0, "repair": 50.0}, "c": {"service": 1.0}}


def test_an_assembly_waits_for_the_slower_branch() -> None:
    line = plant(
        {"body": unit(4.0), "lid": unit(9.0), "join": unit(2.0)},
        {"x": ("body", "join", 1), "y": ("lid", "join", 1)},
    )
    assert done(line, 5) == {"lid": {"service": 45.0}, "join": {"service": 2.0}}


def test_a_merge_that_never_rests_has_the_path() -> None:
    line = plant(
        {"a": unit(4.0), "b": unit(6.0), "m": unit(5.0, takes="any")},
        {"x": ("a", "m", 3), "y": ("b", "m", 3)},
    )
    found = path(line, horizon_s=504.0)
    assert found.shares == {"a": {"service": 4.0}, "m": {"service": 500.0}}


def test_setups_are_told_from_work() -> None:
    line = plant({"u": unit(3.0, setup={"same_product_s": 20.0})})
    jobs = [job("a", 2), job("b", 2), job("c", 1)]
    found = path(line, horizon_s=LONG, jobs=jobs, until_done=True)
    assert found.shares == {"u": {"service": 15.0, "setup": 40.0}}


def test_the_night_is_off_shift() -> None:
    # 06:00 to 22:00, and the run begins at midnight: 6 h off, 16 h of work, 8 h off, 4 h of work.
    line = plant({"u": unit(3600.0)}, weekly=["Mon-Sun 06:00-22:00"])
    found = path(line, horizon_s=LONG, jobs=[job("o", 20)], until_done=True)
    assert found.shares == {"u": {"service": 20 * 3600.0, "off": 14 * 3600.0}}


def test_planned_work_is_told_from_repair() -> None:
    line = plant({"u": unit(10.0)})
    planned = PlannedMaintenance(work_unit="u", start_at=later(25.0), duration_s=40.0)
    found = path(line, horizon_s=LONG, jobs=[job("o", 4)], until_done=True, maintenance=[planned])
    assert found.shares == {"u": {"service": 40.0, "maintenance": 40.0}}


def test_a_conveyor_is_transport_of_the_unit_that_it_feeds() -> None:
    line = serial([3.0, 5.0], 4)
    zones = {"z0": {"upstream": "u0", "downstream": "u1", "capacity": 4, "transport_s": 30.0}}
    found = done(with_more(line, storage_zones=zones), 1)
    assert found == {"u0": {"service": 3.0}, "u1": {"transport": 30.0, "service": 5.0}}


def test_one_operator_for_two_units_is_what_both_wait_for() -> None:
    units = {"a": unit(4.0, operator=("work",)), "b": unit(4.0, operator=("work",))}
    line = with_more(
        plant(units, {"z": ("a", "b", 2)}), operators={"t": {"count": 1, "skills": ("a", "b")}}
    )
    found = path(line, horizon_s=LONG, jobs=[job("o", 3)], until_done=True)
    assert found.end_s == 24.0  # six pieces of work of 4 s, one after the other
    assert math.fsum(s for by in found.shares.values() for s in by.values()) == 24.0
    assert sum(by.get("operator", 0.0) for by in found.shares.values()) > 0.0
    assert all("other" not in by for by in found.shares.values())


def test_one_card_makes_the_line_work_on_one_part_at_a_time() -> None:
    line = with_more(
        serial([3.0, 5.0], 2), kanban={"loop": {"cards": 1, "first": "u0", "last": "u1"}}
    )
    assert done(line, 4) == {"u0": {"service": 12.0}, "u1": {"service": 20.0}}


def test_a_full_oven_waits_for_its_last_part() -> None:
    line = plant({"a": unit(4.0), "oven": unit(50.0, batch={"size": 3})}, {"z": ("a", "oven", 6)})
    # The first three are there at 12 s, the next three at 24 s; ovens end at 62 and 112 s.
    found = done(line, 6)
    assert found == {"a": {"service": 12.0}, "oven": {"service": 100.0}}


def test_two_servers_halve_the_time_of_a_station() -> None:
    line = plant({"a": unit(1.0), "b": unit(10.0, servers=2)}, {"z": ("a", "b", 9)})
    # Pairs: begun at 1 and 2 s, then 11 and 12, 21 and 22: the last ends at 32 s.
    assert done(line, 6) == {"a": {"service": 2.0}, "b": {"service": 30.0}}


def test_a_run_to_the_horizon_ends_with_the_work_in_hand() -> None:
    found = path(serial([3.0, 5.0], 2), horizon_s=50.0)
    assert found.end_s == 50.0
    assert found.shares == {"u0": {"service": 3.0}, "u1": {"service": 47.0}}


def test_links_before_the_warm_up_are_left_out() -> None:
    line = serial([3.0, 5.0], 2)
    run = simulate(line, start=START, horizon_s=50.0, trace=True)
    assert critical_path(run, line, from_s=20.0).shares == {"u1": {"service": 30.0}}


def test_a_line_that_begins_full_is_explained_from_its_first_instant() -> None:
    # u1 holds a part for u2, which has 2 s to go and 5 s for each of the four others: 2 + 4 * 5 = 22 s. u1
    # takes the first of z0 at 2 s, and is done long before it is needed.
    line = serial([1.0, 1.0, 5.0], 1)
    part = PartStart(order_id="o", product="P")

    def stands(state: WorkUnitState, remaining_s: float | None = None) -> UnitStart:
        return UnitStart(state=state, product="P", order_id="o", remaining_s=remaining_s)

    state = LiveState(
        at=START,
        units={
            "u1": stands(WorkUnitState.BLOCKED),
            "u2": stands(WorkUnitState.PRODUCTION, remaining_s=2.0),
        },
        zones={"z0": (part,), "z1": (part,)},
    )
    run = simulate(
        line,
        start=START,
        horizon_s=LONG,
        jobs=[job("o", 1)],
        until_done=True,
        state=state,
        trace=True,
    )
    found = critical_path(run, line, state=state)
    assert (found.end_s, found.shares) == (22.0, {"u2": {"service": 22.0}})
    slow = serial([1.0, 30.0, 5.0], 1)
    run = simulate(slow, start=START, horizon_s=100.0, jobs=[], state=state, trace=True)
    # u1 is free at 2 s, works 30 s on the part of z0, and u2 the last 5 s; before that u2 was busy for 2 s.
    found = critical_path(run, slow, state=state)
    assert found.end_s == 37.0
    assert found.shares == {"u2": {"service": 7.0}, "u1": {"service": 30.0}}


def test_the_rest_of_a_conveyor_and_a_batch_in_process_are_on_the_path() -> None:
    # The belt brings the second part at 30 s; the oven takes both, 10 s; pack needs 3 s for each of them.
    line = plant(
        {"a": unit(1.0), "oven": unit(10.0, batch={"size": 2}), "pack": unit(3.0)},
        {"belt": ("a", "oven", 5, 100.0), "out": ("oven", "pack", 5)},
    )
    one, other = (
        PartStart(order_id="o", product="P", remaining_s=rest_s) for rest_s in (20.0, 30.0)
    )
    state = LiveState(at=START, zones={"belt": (one, other)})
    run = simulate(line, start=START, horizon_s=100.0, jobs=[], state=state, trace=True)
    found = critical_path(run, line, state=state)
    assert found.end_s == 46.0
    assert found.shares == {"oven": {"transport": 30.0, "service": 10.0}, "pack": {"service": 6.0}}
    busy = UnitStart(
        state=WorkUnitState.PRODUCTION,
        product="P",
        order_id="o",
        remaining_s=4.0,
        more_parts=(PartStart(order_id="o", product="P"),),
    )
    state = LiveState(at=START, units={"oven": busy})
    run = simulate(line, start=START, horizon_s=100.0, jobs=[], state=state, trace=True)
    found = critical_path(run, line, state=state)
    assert found.end_s == 10.0
    assert found.shares == {"oven": {"service": 4.0}, "pack": {"service": 6.0}}


# Laws.


def two_branches(**more: Any) -> Plant:
    return plant(
        {
            "a": unit(exponential(5.0), failure_modes=FAILS),
            "b": unit(exponential(5.0)),
            "c": unit(exponential(5.0), **more),
            "d": unit(3.0),
        },
        {"x": ("a", "c", 1), "y": ("b", "c", 0), "z": ("c", "d", 0)},
    )


def serial_with(**second: Any) -> Plant:
    return plant(
        {
            "a": unit(exponential(5.0), failure_modes=BY_THE_CLOCK),
            "b": unit(exponential(5.0), **second),
            "c": unit(exponential(5.0), failure_modes=FAILS),
        },
        {"x": ("a", "b", 2), "y": ("b", "c", 0)},
    )


def split_and_merge() -> Plant:
    return plant(
        {
            "a": unit(
                exponential(2.0),
                routes=({"zone": "x", "share": 0.4}, {"zone": "y", "share": 0.6}),
            ),
            "b": unit(exponential(5.0)),
            "c": unit(exponential(4.0)),
            "d": unit(exponential(1.5), takes="any", failure_modes=BY_THE_CLOCK),
        },
        {"x": ("a", "b", 1), "y": ("a", "c", 0), "u": ("b", "d", 1), "v": ("c", "d", 1)},
    )


def reworking() -> Plant:
    return plant(
        {
            "a": unit(exponential(5.0), defects={"base": 0.3}),
            "b": unit(exponential(4.0), takes="any", defects={"base": 0.2}),
            "c": unit(
                exponential(4.0), inspection={"coverage": 0.9, "rework": "r", "rework_limit": 3}
            ),
        },
        {"x": ("a", "b", 2), "y": ("b", "c", 2), "r": ("c", "b", 20)},
    )


def arriving() -> Plant:
    return plant(
        {
            "a": unit(
                exponential(5.0),
                release={"policy": "arrivals", "interarrival": exponential(5.5)},
            ),
            "b": unit(exponential(4.0)),
        },
        {"x": ("a", "b", 2)},
    )


def lines() -> dict[str, Plant]:
    people = {"t": {"count": 1, "skills": ("a", "b")}}
    return {
        "serial": serial([exponential(5.0)] * 5, 1),
        "shared crew": serial_with(failure_modes=FAILS),
        "servers": serial_with(servers=3, failure_modes=BY_THE_CLOCK),
        "oven": serial_with(batch={"size": 2, "minimum": 1}),
        "upkeep": serial_with(upkeep={"g": {"every_parts": 20, "duration": constant(30.0)}}),
        "assembly": two_branches(failure_modes=BY_THE_CLOCK),
        "eager assembly": two_branches(failure_modes=BY_THE_CLOCK, pull="eager"),
        "split and merge": split_and_merge(),
        "rework": reworking(),
        "operators": with_more(serial_with(operator=("work",)), operators=people),
        "cards": with_more(serial_with(), kanban={"k": {"cards": 3, "first": "a", "last": "c"}}),
        "arrivals": arriving(),
    }


@pytest.mark.parametrize("name", lines())
def test_shares_add_up_and_nothing_is_left_unexplained(name: str) -> None:
    line = lines()[name]
    run = simulate(line, start=START, horizon_s=5000.0, replications=4, seed=11, trace=True)
    for number in range(4):
        found = critical_path(run, line, replication=number)
        seconds = [s for by in found.shares.values() for s in by.values()]
        assert math.fsum(seconds) == pytest.approx(5000.0, rel=1e-9)
        assert min(seconds) > 0.0
        assert all(by.get("other", 0.0) == 0.0 for by in found.shares.values())
        assert {kind for by in found.shares.values() for kind in by} <= set(KINDS)


@pytest.mark.parametrize("name", ["serial", "assembly", "eager assembly", "cards", "rework"])
def test_the_end_moves_by_the_service_share_if_one_station_is_a_little_slower(name: str) -> None:
    # On the same streams the end is a longest path, so its derivative by a station's times is its share.
    # (Ho & Cao, Perturbation Analysis of Discrete Event Dynamic Systems, 1991)
    line, step = without_failures(lines()[name]), 1e-9

    def end(one: Plant) -> RunResult:
        return simulate(
            one, start=START, horizon_s=LONG, jobs=[job("o", 200)], until_done=True, trace=True
        )

    base = end(line)
    shares = critical_path(base, line).shares
    for unit_name in line.work_units:
        document = line.model_dump()
        law = document["work_units"][unit_name]["cycle_time"]["default"]
        key = "mean_s" if "mean_s" in law else "value_s"
        law[key] *= 1.0 + step
        moved = end(Plant.model_validate(document))
        slope = (float(moved.measured_s[0]) - float(base.measured_s[0])) / step
        assert slope == pytest.approx(shares.get(unit_name, {}).get("service", 0.0), abs=2.0)


def without_failures(line: Plant) -> Plant:
    document = line.model_dump()
    for one in document["work_units"].values():
        one["failure_modes"] = {}
    return Plant.model_validate(document)


def test_links_follow_each_other_without_a_gap_on_the_practice_plant() -> None:
    line = practice()
    found = path(line, horizon_s=8 * 3600.0)
    begins = np.array([step.begin_s for step in found.steps])
    ends = np.array([step.end_s for step in found.steps])
    assert begins[0] == 0.0
    assert ends[-1] == 8 * 3600.0
    assert (begins[1:] == ends[:-1]).all()
    assert all(step.kind != "other" for step in found.steps)


def test_every_replication_is_found_by_its_number() -> None:
    line = serial([exponential(5.0)] * 2, 1)
    run = simulate(
        line, start=START, horizon_s=500.0, replications=2, first_replication=3, trace=True
    )
    alone = simulate(line, start=START, horizon_s=500.0, first_replication=4, trace=True)
    assert critical_path(run, line, replication=4) == critical_path(alone, line)
    with pytest.raises(NotFoundError, match="known are 3 to 4"):
        critical_path(run, line, replication=0)


def test_a_run_without_a_log_is_refused() -> None:
    line = serial([3.0], 1)
    with pytest.raises(DataError, match="trace=True"):
        critical_path(simulate(line, start=START, horizon_s=60.0), line)


def test_a_line_may_be_as_long_as_it_likes() -> None:
    line = serial([1.0] * 1200, 1)
    run = simulate(line, start=START, horizon_s=60.0, trace=True, engine="reference")
    path = critical_path(run, line)
    assert math.fsum(step.end_s - step.begin_s for step in path.steps) == 60.0


def test_the_first_of_a_batch_leave_at_once_though_the_last_finds_no_place() -> None:
    # a 0-3, the oven 3-13; pack 13-97. Of the first three one is packed, one stands in out, the third is held until 27.
    line = plant(
        {"a": unit(1.0), "oven": unit(10.0, batch={"size": 3}), "pack": unit(14.0)},
        {"in": ("a", "oven", 5), "out": ("oven", "pack", 1)},
    )
    run = simulate(
        line, start=START, horizon_s=1e4, jobs=[job("A", 6)], until_done=True, trace=True
    )
    assert critical_path(run, line).shares == {
        "a": {"service": 3.0},
        "oven": {"service": 10.0},
        "pack": {"service": 84.0},
    }
