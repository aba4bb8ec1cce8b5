"""Lines that cannot go on are explained, not played."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine_lab import START, constant, job, plant, serial, unit
from tests.sameness import simulate
from twin.engine import LiveState, UnitStart
from twin.errors import DataError
from twin.plant import Plant, WorkUnitState


def all_sent_back(**more: Any) -> Plant:
    """A rework loop with one place, from which no part ever comes out."""
    return plant(
        {
            "load": unit(1.0),
            "make": unit(1.0, takes="any", defects={"base": 1 - 1e-12}),
            "look": unit(1.0, inspection={"coverage": 1.0, "rework": "again", "rework_limit": 99}),
        },
        {"in": ("load", "make", 1), "done": ("make", "look", 1), "again": ("look", "make", 1)},
        **more,
    )


def test_a_rework_loop_that_has_filled_up_names_its_circle() -> None:
    """Every part is sent back, one place in the loop, and new parts press in."""
    line = all_sent_back()
    with pytest.raises(DataError) as e:
        simulate(line, start=START, horizon_s=1000)
    assert str(e.value) == (
        "the line cannot go on after 6 s in replication 0, deadlock: load waits for make to take a part; "
        "make waits for look to take a part; look waits for make to take a part"
    )


def test_a_circle_is_found_though_other_units_still_work() -> None:
    line = plant(
        {
            "load": unit(1.0),
            "make": unit(1.0, takes="any", defects={"base": 1 - 1e-12}),
            "look": unit(1.0, inspection={"coverage": 1.0, "rework": "again", "rework_limit": 99}),
            "aside": unit(7.0, release={"policy": "saturated"}),
        },
        {"in": ("load", "make", 1), "done": ("make", "look", 1), "again": ("look", "make", 1)},
    )
    with pytest.raises(
        DataError, match=r"deadlock: .*make waits for look to take a part; look waits"
    ):
        simulate(line, start=START, horizon_s=1000)


def test_an_assembly_that_misses_a_component_says_which() -> None:
    """Parts of Q go elsewhere, so m never gets one of them, and the line before it is full."""
    line = plant(
        {
            "u": unit(1.0, routes=[{"zone": "tb", "products": ["P"]}, {"zone": "tc"}]),
            "b": unit(1.0),
            "c": unit(1.0),
            "m": unit(1.0),
        },
        {"tb": ("u", "b", 1), "tc": ("u", "c", 1), "zb": ("b", "m", 1), "zc": ("c", "m", 1)},
        products={"P": "F", "Q": "F"},
    )
    with pytest.raises(DataError) as e:
        simulate(line, start=START, horizon_s=100, jobs=[job("A", 10, "P")])
    assert str(e.value) == (
        "the line cannot go on after 4 s in replication 0, deadlock: u waits for b to take a part; b waits "
        "for m to take a part; c waits for a part in tc; m waits for a part in zc"
    )


def test_a_batch_that_never_fills_says_what_it_waits_for() -> None:
    line = plant(
        {"u": unit(1.0), "oven": unit(1.0, batch={"size": 4})},
        {"z": ("u", "oven", 5)},
    )
    with pytest.raises(
        DataError, match="2 parts have not left: u has no job left; oven waits for 4 parts"
    ):
        simulate(line, start=START, horizon_s=100, jobs=[job("A", 2), job("B", 4), job("C", 4)])


def test_cards_that_never_return_are_named() -> None:
    """Three parts wait before an oven with the only three cards; it needs four."""
    line = plant(
        {"u": unit(1.0), "oven": unit(1.0, batch={"size": 4})},
        {"z": ("u", "oven", 5)},
        kanban={"ring": {"first": "u", "last": "oven", "cards": 3}},
    )
    with pytest.raises(DataError, match="u waits for a card of ring; oven waits for 4 parts"):
        simulate(line, start=START, horizon_s=100)


def test_a_line_on_which_nothing_takes_time_is_refused() -> None:
    with pytest.raises(DataError, match="without end at 0 s: no unit takes time"):
        simulate(serial([0.0, 0.0], 1), start=START, horizon_s=10)


def test_failures_without_any_duration_are_refused() -> None:
    mode = {"time_to_failure": constant(0.0), "repair": constant(0.0)}
    line = plant({"u": unit(5.0, failure_modes={"jam": mode})})
    with pytest.raises(DataError, match=r"without end at 0 s: .* u goes on and on"):
        simulate(line, start=START, horizon_s=10)


def test_a_zero_part_among_parts_that_take_time_is_no_fault() -> None:
    run = simulate(serial([0.0, 3.0, 0.0], 0), start=START, horizon_s=30)
    assert run.kpis["good_parts"][0] == 10


def test_a_line_that_waits_for_a_delivery_or_a_release_is_no_fault() -> None:
    line = serial([1.0, 1.0], 1)
    run = simulate(line, start=START, horizon_s=10, jobs=[job("A", 3), job("B", 3, release_s=100)])
    assert run.order_good["A"][0] == 3
    assert run.order_good["B"][0] == 0


def test_a_line_that_is_full_because_the_shift_is_over_is_no_fault() -> None:
    line = plant(
        {"u0": unit(1.0), "u1": unit(1.0, calendar="never")},
        {"z": ("u0", "u1", 1)},
        calendars={
            "shift": {"weekly": ["Mon-Sun 00:00-24:00"]},
            "never": {"weekly": ["Mon-Sun 23:00-24:00"]},
        },
    )
    run = simulate(line, start=START, horizon_s=100)
    assert run.unit_states["u0"]["blocked"][0] == 0.98


def test_held_parts_of_a_live_state_are_no_circle_while_the_end_is_open() -> None:
    held = UnitStart(state=WorkUnitState.BLOCKED, product="P", order_id="old")
    state = LiveState(at=START, units=dict.fromkeys(("u0", "u1", "u2"), held))
    run = simulate(serial([1.0, 1.0, 1.0], 0), start=START, horizon_s=10, state=state, jobs=[])
    assert run.order_good["old"][0] == 3


def test_a_circle_is_found_though_the_shift_is_over() -> None:
    """At the end everybody has gone home; in the morning they would wait for each other again."""
    line = all_sent_back(calendars={"shift": {"weekly": ["Mon-Sun 00:00-01:00"]}})
    with pytest.raises(DataError, match="deadlock: load waits for make"):
        simulate(line, start=START, horizon_s=7200)


KIT = {"a": unit(10.0), "o": unit(20.0, batch={"size": 4})}
"""Two cards for an oven that needs four parts: it stands once the second part is before it, at 20 s."""
RING: dict[str, Any] = {"kanban": {"k": {"cards": 2, "first": "a", "last": "o"}}}
STANDS = "the line cannot go on after 20 s in replication 0, deadlock: a waits for a card of k; o waits for 4 parts"
JAM = {"time_to_failure": constant(3000.0), "repair": constant(1000.0), "clock": "calendar"}


@pytest.mark.parametrize(
    ("more", "tables"),
    [
        ({}, {}),
        ({}, {"weekly": ["Mon-Sun 00:00-00:30"]}),
        ({}, {"weekly": ["Mon-Sun 00:00-00:30", "Mon-Sun 00:40-00:50"]}),
        ({"m": unit(10.0, release={"policy": "saturated"})}, {}),
        ({"m": unit(10.0, release={"policy": "arrivals", "interarrival": constant(50.0)})}, {}),
        ({"a": unit(10.0, failure_modes={"jam": JAM})}, {}),
        ({"a": unit(10.0, failure_modes={"jam": {**JAM, "repair": constant(100.0)}})}, {}),
    ],
    ids=["alone", "shift over", "second shift", "saturated beside", "arrivals beside", "in repair", "repaired"],
)  # fmt: skip
def test_a_deadlock_is_told_whatever_else_goes_on_and_dated_when_it_began(
    more: dict[str, Any], tables: dict[str, Any]
) -> None:
    line = plant({**KIT, **more}, {"z": ("a", "o", 6)}, **RING, **tables)
    with pytest.raises(DataError) as e:
        simulate(line, start=START, horizon_s=3600)
    assert str(e.value) == STANDS


def test_the_part_of_a_line_that_stands_is_told_though_the_other_part_makes_goods() -> None:
    """Of the two ways behind u one ends at an oven that never fills; the other goes on."""
    line = plant(
        {
            "u": unit(1.0, routes=[{"zone": "left", "products": ["Q"]}, {"zone": "right"}]),
            **KIT,
            "b": unit(1.0),
        },
        {"left": ("u", "a", 50), "z": ("a", "o", 6), "right": ("u", "b", 50)},
        products={"P": "F", "Q": "F"},
        **RING,
    )
    jobs = [job("A", 4, "Q"), job("B", 9999)]
    with pytest.raises(DataError, match=r"deadlock: a waits for a card of k; o waits for 4 parts$"):
        simulate(line, start=START, horizon_s=100, jobs=jobs)


def test_a_deadlock_of_some_replications_names_the_first_of_them() -> None:
    """Whether the part of the other product is at the oven in time is drawn."""
    line = plant(
        {
            "u": unit(1.0, routes=[{"zone": "left", "share": 0.5}, {"zone": "right", "share": 0.5}]),
            "b": unit(1.0),
            "c": unit(1.0),
            "m": unit(1.0),
        },
        {"left": ("u", "b", 1), "right": ("u", "c", 1), "x": ("b", "m", 1), "y": ("c", "m", 1)},
    )  # fmt: skip
    stands = []
    for replication in range(12):
        try:
            simulate(line, start=START, horizon_s=25, first_replication=replication)
        except DataError:
            stands.append(replication)
    assert 0 < len(stands) < 12
    with pytest.raises(DataError, match=f"in replication {stands[0]}, deadlock"):
        simulate(line, start=START, horizon_s=25, replications=12)


@pytest.mark.parametrize("horizon_s", [21.0, 30.0, 35.0, 70.0, 3600.0])
def test_an_oven_with_enough_cards_is_no_deadlock_at_any_horizon(horizon_s: float) -> None:
    kanban = {"k": {"cards": 4, "first": "a", "last": "o"}}
    line = plant(KIT, {"z": ("a", "o", 6)}, kanban=kanban, weekly=["Mon-Sun 00:00-00:30"])
    simulate(line, start=START, horizon_s=horizon_s)


def test_components_left_over_when_the_jobs_are_done_are_no_deadlock() -> None:
    """Every second frame is scrapped, so doors are left; the last frame is still at work at the end."""
    line = plant(
        {
            "frame": unit(1.0, defects={"base": 0.5}),
            "look": unit(1.0, inspection={"coverage": 1.0}),
            "door": unit(1.0),
            "join": unit(1.0),
            "paint": unit(500.0),
        },
        {"f": ("frame", "look", 9), "g": ("look", "join", 9), "d": ("door", "join", 99), "p": ("join", "paint", 99)},
    )  # fmt: skip
    for horizon_s in (60.0, 700.0):
        run = simulate(line, start=START, horizon_s=horizon_s, jobs=[job("A", 20)])
        assert run.kpis["scrapped_parts"][0] > 0


def test_a_part_of_a_batch_that_no_job_completes_is_told_only_when_all_stands_still() -> None:
    """The line waits for jobs, not for itself: as long as anything else goes on, that may be as planned."""
    units = {**KIT, "m": unit(10.0, release={"policy": "saturated"})}
    line = plant(units, {"z": ("a", "o", 6)})
    run = simulate(line, start=START, horizon_s=600, jobs=[job("A", 6)])
    assert run.order_good["A"][0] == 4
