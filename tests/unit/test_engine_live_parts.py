"""What a live start says of its parts: batches, operators that are waited for, conveyors, rework, upkeep by count."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine_lab import START, constant, job, plant, times, told, unit
from tests.sameness import simulate
from twin.engine import LiveState, PartStart, UnitStart
from twin.errors import DataError
from twin.plant import Plant, WorkUnitState

DELAY, PRODUCTION, BLOCKED = (
    WorkUnitState.DELAY,
    WorkUnitState.PRODUCTION,
    WorkUnitState.BLOCKED,
)


def holds(state: WorkUnitState, remaining_s: float | None = None, **more: Any) -> UnitStart:
    return UnitStart(state=state, product="P", order_id="old", remaining_s=remaining_s, **more)


def live(units: dict[str, UnitStart] | None = None, **zones: tuple[PartStart, ...]) -> LiveState:
    return LiveState(at=START, units=units or {}, zones=zones)


def part(order: str = "old", **more: Any) -> PartStart:
    return PartStart(order_id=order, product="P", **more)


# Operators.


def attended(*names: str) -> Plant:
    """Units without zones that share one operator."""
    return plant(
        {name: unit(10.0, operator=["work"], release={"policy": "jobs"}) for name in names},
        operators={"team": {"count": 1, "skills": list(names)}},
    )


@pytest.mark.parametrize(
    ("left_s", "goes_on"), [(7.0, "resume"), (None, "start")], ids=["given", "all of it"]
)
def test_a_server_that_waits_for_an_operator_keeps_its_part(
    left_s: float | None, goes_on: str
) -> None:
    ends = 10.0 if left_s is None else left_s
    state = live({"u": holds(DELAY, left_s)})
    run = simulate(attended("u"), start=START, horizon_s=30, state=state, jobs=[], trace=True)
    assert told(run, "u") == [
        (0.0, goes_on, 0),
        (ends, "finish", 0),
        (ends, "leave", 0),
    ]


def test_a_server_at_work_has_its_operator_and_the_one_in_delay_waits() -> None:
    """u0 stands first in the file, but the operator is at u1 for 5 s more."""
    state = live({"u0": holds(DELAY), "u1": holds(PRODUCTION, 5.0)})
    run = simulate(
        attended("u0", "u1"), start=START, horizon_s=30, state=state, jobs=[], trace=True
    )
    assert told(run, "u0") == [
        (0.0, "delay", 0),
        (5.0, "start", 0),
        (15.0, "finish", 0),
        (15.0, "leave", 0),
    ]
    assert times(run, "u1", "finish") == [5.0]


def test_a_setup_that_is_due_is_waited_for_too() -> None:
    line = plant(
        {"u": unit(5.0, operator=["setup"], setup={"other_family_s": 2.0})},
        products={"P": "F", "Q": "G"},
        operators={"team": {"count": 1, "skills": ["u"]}},
    )
    state = live({"u": holds(DELAY, last_product="Q")})
    run = simulate(line, start=START, horizon_s=30, state=state, jobs=[], trace=True)
    assert told(run, "u", "setup", "start", "finish") == [
        (0.0, "setup", 0),
        (2.0, "start", 0),
        (7.0, "finish", 0),
    ]


# Batches.


def oven(**more: Any) -> Plant:
    """One part each second into an oven for up to four, begun with two; 3 s to pack each."""
    return plant(
        {
            "feed": unit(1.0),
            "oven": unit(20.0, batch={"size": 4, "minimum": 2}),
            "pack": unit(3.0),
        },
        {"in": ("feed", "oven", 6), "out": ("oven", "pack", 1)},
        **more,
    )


def test_a_batch_in_process_ends_with_all_its_parts() -> None:
    """All four are done at 5 s and packed one by one until 17 s; the second of order A is the last."""
    batch = holds(PRODUCTION, 5.0, more_parts=(part("A"), part("B"), part("A")))
    run = simulate(
        oven(), start=START, horizon_s=40, state=live({"oven": batch}), jobs=[], trace=True
    )
    assert told(run, "oven", "finish") == [(5.0, "finish", n) for n in range(4)]
    assert told(run, "pack", "leave") == [(5.0 + 3.0 * (n + 1), "leave", n) for n in range(4)]
    assert {order: float(t[0]) for order, t in run.order_finished_s.items()} == {
        "old": 8.0,
        "A": 17.0,
        "B": 14.0,
    }


def test_what_is_left_of_a_batch_that_is_held_goes_on_part_by_part() -> None:
    """Pack takes one at 0, one stands in out, the third leaves the oven at 3 s; then the next two go in."""
    batch = holds(BLOCKED, more_parts=(part(), part()))
    run = simulate(
        oven(),
        start=START,
        horizon_s=30,
        state=live({"oven": batch}),
        jobs=[job("A", 2)],
        trace=True,
    )
    assert times(run, "pack", "start")[:3] == [0.0, 3.0, 6.0]
    assert times(run, "oven", "start") == [3.0, 3.0]


def test_every_part_of_a_batch_holds_a_card() -> None:
    """Four cards, four parts in the oven: the first leaves pack at 8 s."""
    line = oven(kanban={"ring": {"first": "feed", "last": "pack", "cards": 4}})
    batch = holds(PRODUCTION, 5.0, more_parts=(part(), part(), part()))
    run = simulate(line, start=START, horizon_s=12, state=live({"oven": batch}), trace=True)
    assert times(run, "feed", "launch") == [8.0, 11.0]


def test_a_batch_that_the_unit_cannot_hold_is_refused() -> None:
    for start, said in (
        (holds(PRODUCTION, more_parts=(part(),) * 4), "5 parts in oven, which holds 4"),
        (UnitStart(more_parts=(part(),)), "more parts in oven, which holds none"),
    ):
        with pytest.raises(DataError, match=said):
            simulate(oven(), start=START, horizon_s=9, state=live({"oven": start}))


# What is known of a part besides.


def test_a_defect_that_only_a_part_of_the_start_has_may_still_bring_it_elsewhere() -> None:
    """Fix waits for a second part that only an inspection sends; look has one at work that it may send."""
    line = plant(
        {
            "load": unit(1.0),
            "look": unit(
                60.0,
                takes="any",
                inspection={"coverage": 1.0, "rework": "again", "rework_limit": 1},
            ),
            "fix": unit(1.0, batch={"size": 2}),
        },
        {"in": ("load", "look", 2), "again": ("look", "fix", 2), "back": ("fix", "look", 2)},
    )
    for defective, stands in ((True, False), (False, True)):
        at_work = holds(PRODUCTION, 50.0, defective=defective)
        state = live({"look": at_work}, again=(part(),))
        arguments: dict[str, Any] = {"start": START, "horizon_s": 9, "state": state, "jobs": []}
        if stands:
            with pytest.raises(DataError, match="fix waits for 2 parts"):
                simulate(line, **arguments)
        else:
            assert simulate(line, **arguments).kpis["good_parts"][0] == 0.0


def conveyor(seconds: float) -> Plant:
    return plant({"a": unit(10.0), "b": unit(1.0)}, {"belt": ("a", "b", 5, seconds)})


def test_a_part_on_a_conveyor_comes_when_the_rest_of_its_way_is_done() -> None:
    state = live(belt=(part(remaining_s=30.0), part(remaining_s=70.0)))
    run = simulate(conveyor(100.0), start=START, horizon_s=99, state=state, jobs=[], trace=True)
    assert times(run, "b", "start") == [30.0, 70.0]


def test_nobody_overtakes_on_a_conveyor_and_its_length_is_the_longest_way() -> None:
    state = live(belt=(part(remaining_s=500.0), part(remaining_s=20.0)))
    run = simulate(conveyor(40.0), start=START, horizon_s=99, state=state, jobs=[], trace=True)
    assert times(run, "b", "start") == [40.0, 41.0]


def test_a_transport_time_that_is_none_is_refused() -> None:
    for rest_s in (-1.0, float("nan"), float("inf")):
        state = live(belt=(part(remaining_s=rest_s),))
        with pytest.raises(DataError, match="transport time"):
            simulate(conveyor(40.0), start=START, horizon_s=9, state=state)


def checked() -> Plant:
    """Look finds every defect; one that it finds goes back to make once, then it is scrap."""
    return plant(
        {
            "make": unit(1.0, takes="any"),
            "look": unit(1.0, inspection={"coverage": 1.0, "rework": "again", "rework_limit": 1}),
            "load": unit(1.0),
        },
        {"in": ("load", "make", 2), "done": ("make", "look", 2), "again": ("look", "make", 2)},
    )


def test_a_defect_and_the_times_of_rework_are_known_of_a_part_at_work() -> None:
    for reworks, outcome in ((0, "rework"), (1, "reject")):
        start = holds(PRODUCTION, 0.5, reworks=reworks, defective=True)
        state = live({"look": start})
        run = simulate(checked(), start=START, horizon_s=9, state=state, jobs=[], trace=True)
        assert told(run, "look")[0] == (0.5, outcome, 0)


def test_a_defect_and_the_times_of_rework_are_known_of_a_part_that_waits() -> None:
    for reworks, outcome in ((0, "rework"), (1, "reject")):
        state = live(done=(part(reworks=reworks, defective=True),))
        run = simulate(checked(), start=START, horizon_s=9, state=state, jobs=[], trace=True)
        assert told(run, "look")[:2] == [(0.0, "start", 0), (1.0, outcome, 0)]


def test_upkeep_by_count_counts_the_parts_made_before_the_run() -> None:
    """Due after every 5 parts, 3 are made: after the second part, and 5 parts later."""
    line = plant({"u": unit(10.0, upkeep={"grease": {"every_parts": 5, "duration": constant(7)}})})
    state = live({"u": UnitStart(parts_since={"grease": 3})})
    run = simulate(line, start=START, horizon_s=80, state=state, trace=True)
    assert times(run, "u", "maintenance") == [20.0, 77.0]
