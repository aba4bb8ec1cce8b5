"""Operators that units share, cards that go round, and components that run short."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine_lab import START, constant, job, later, plant, serial, times, told, unit
from tests.sameness import simulate
from twin.plant import Plant

BOTH = {"red": {"count": 1, "skills": ["u0", "u1"]}}


def pair(
    operators: dict[str, Any] = BOTH, tasks: tuple[str, ...] = ("work",), **first: Any
) -> Plant:
    """Two machines of 5 s, each with parts of its own."""
    units = {
        "u0": unit(5.0, operator=tasks, release={"policy": "saturated"}, **first),
        "u1": unit(5.0, operator=tasks, release={"policy": "saturated"}),
    }
    calendars = {
        "shift": {"weekly": ["Mon-Sun 00:00-24:00"]},
        "short": {"weekly": ["Mon-Sun 00:00-00:01"]},
    }
    return plant(units, operators=operators, calendars=calendars)


def test_two_units_take_turns_at_one_operator() -> None:
    """Both ask at time 0, the first in the file gets her; then whoever has asked longer."""
    run = simulate(pair(), start=START, horizon_s=60, trace=True)
    assert times(run, "u0", "start") == [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0]
    assert times(run, "u1", "start") == [5.0, 15.0, 25.0, 35.0, 45.0, 55.0]
    assert times(run, "u0", "delay") == [5.0, 15.0, 25.0, 35.0, 45.0, 55.0]
    assert times(run, "u1", "delay")[:2] == [0.0, 10.0]
    assert run.unit_states["u1"]["delay"][0] == run.unit_states["u1"]["production"][0] == 0.5


def test_somebody_of_the_first_team_with_the_skill_is_taken() -> None:
    """u0 takes red, so that blue is there for u1; in the other order u0 takes blue, and u1 waits."""
    red, blue = {"count": 1, "skills": ["u0"]}, {"count": 1, "skills": ["u0", "u1"]}
    run = simulate(pair({"red": red, "blue": blue}), start=START, horizon_s=30, trace=True)
    assert times(run, "u1", "start")[0] == 0.0
    run = simulate(pair({"blue": blue, "red": red}), start=START, horizon_s=30, trace=True)
    assert times(run, "u1", "start")[0] == 5.0
    assert times(run, "u0", "start") == [
        0.0,
        5.0,
        10.0,
        15.0,
        20.0,
        25.0,
        30.0,
    ]  # red, from then on


def test_an_operator_for_setup_alone_leaves_as_work_begins() -> None:
    """P 3 s, setup 2 s, Q 3 s: both want somebody at 3 s; the second at 5 s, when the first begins work."""
    units = {
        name: unit(
            3.0, operator=["setup"], setup={"other_family_s": 2.0}, release={"policy": "saturated"}
        )
        for name in ("u0", "u1")
    }
    line = plant(units, operators=BOTH, products={"P": "F", "Q": "G"})
    run = simulate(line, start=START, horizon_s=11, mix={"P": 1, "Q": 1}, trace=True)
    assert times(run, "u0", "setup") == [3.0, 8.0]
    assert times(run, "u0", "start") == [0.0, 5.0, 10.0]
    assert times(run, "u1", "delay") == [3.0]
    assert times(run, "u1", "setup") == [5.0, 10.0]
    assert times(run, "u1", "start") == [0.0, 7.0]


def test_between_setup_and_work_who_has_waited_longer_gets_the_operator() -> None:
    units = {
        "u0": unit(3.0, operator=["setup", "work"], setup={"other_family_s": 2.0}),
        "u1": unit(4.0, operator=["work"], release={"policy": "saturated"}),
    }
    line = plant(units, operators=BOTH, products={"P": "F", "Q": "G"})
    run = simulate(
        line, start=START, horizon_s=14, jobs=[job("A", 1, "P"), job("B", 1, "Q")], trace=True
    )
    # u0 P 0-3; u1 3-7; u0 setup 7-9, u1 (asked at 7) 9-13, then u0's work
    assert told(run, "u0", "setup", "start", "delay") == [
        (0.0, "start", 0),
        (3.0, "delay", 2),
        (7.0, "setup", 2),
        (9.0, "delay", 2),
        (13.0, "start", 2),
    ]
    assert times(run, "u1", "start") == [3.0, 9.0]


def test_a_failure_lets_the_operator_go_and_after_it_one_is_asked_for_again() -> None:
    mode = {"time_to_failure": constant(4.0), "repair": constant(10.0)}
    run = simulate(pair(failure_modes={"jam": mode}), start=START, horizon_s=16, trace=True)
    assert times(run, "u0", "failure") == [4.0]
    assert times(run, "u1", "start") == [4.0, 9.0, 15.0]
    assert told(run, "u0", "up", "finish") == [(14.0, "up", 0), (15.0, "finish", 0)]
    assert times(run, "u1", "delay") == [0.0, 14.0]


def test_the_end_of_the_shift_lets_the_operator_go() -> None:
    run = simulate(pair(calendar="short"), start=START, horizon_s=80, trace=True)
    # u0 and u1 take turns until u1's stretch ends at 60 s; from then on u1 is alone
    assert times(run, "u0", "off") == [60.0]
    assert times(run, "u1", "start")[-5:] == [60.0, 65.0, 70.0, 75.0, 80.0]


# Cards.


def test_conwip_launches_a_part_as_one_leaves() -> None:
    """Two cards; a part needs 1 + 5 + 1 s, and the second waits for the first at the middle unit."""
    line = serial([1.0, 5.0, 1.0], 5, kanban={"ring": {"first": "u0", "last": "u2", "cards": 2}})
    run = simulate(line, start=START, horizon_s=24, warm_up_s=2, trace=True)
    assert times(run, "u0", "launch") == [0.0, 1.0, 7.0, 12.0, 17.0, 22.0]
    assert run.kpis["work_in_process"][0] == 2.0


def test_a_kanban_returns_as_the_part_is_taken_out_of_the_last_zone() -> None:
    """One card over u0 and the zone behind it: u0 makes the next part when u1 takes the last one."""
    line = serial([1.0, 5.0], 5, kanban={"stage": {"first": "u0", "last": "z0", "cards": 1}})
    run = simulate(line, start=START, horizon_s=20, trace=True)
    assert times(run, "u0", "launch") == [0.0, 1.0, 6.0, 11.0, 16.0]


def test_a_batch_takes_no_more_parts_than_it_has_cards_for() -> None:
    line = plant(
        {"u": unit(1.0), "oven": unit(10.0, batch={"size": 3}), "pack": unit(1.0)},
        {"z": ("u", "oven", 5), "out": ("oven", "pack", 5)},
        kanban={"two": {"first": "oven", "last": "pack", "cards": 2}},
    )
    run = simulate(line, start=START, horizon_s=30, trace=True)
    # three are there at 3 s, two get a card; one of them returns at 14 s, when the first has left
    assert times(run, "oven", "start") == [3.0, 3.0, 14.0, 24.0]


def test_of_two_assembled_parts_with_a_card_of_one_loop_one_card_returns() -> None:
    """P and Q part after u and meet again in m: no card is lost on the way."""
    line = plant(
        {
            "u": unit(1.0, routes=[{"zone": "tb", "products": ["P"]}, {"zone": "tc"}]),
            "b": unit(1.0),
            "c": unit(1.0),
            "m": unit(1.0),
        },
        {
            "tb": ("u", "b", 2),
            "tc": ("u", "c", 2),
            "zb": ("b", "m", 2),
            "zc": ("c", "m", 2),
        },
        products={"P": "F", "Q": "F"},
        kanban={"ring": {"first": "u", "last": "m", "cards": 2}},
    )
    run = simulate(line, start=START, horizon_s=100, mix={"P": 1, "Q": 1}, trace=True)
    assert times(run, "u", "launch")[:6] == [0.0, 1.0, 3.0, 4.0, 6.0, 7.0]
    assert run.kpis["good_parts"][0] == 33  # the first at 4 s, then one every 3 s


def test_a_scrapped_part_gives_its_card_back() -> None:
    line = plant(
        {
            "u0": unit(1.0, defects={"base": 1 - 1e-12}),
            "u1": unit(1.0, inspection={"coverage": 1.0}),
            "u2": unit(1.0),
        },
        {"z0": ("u0", "u1", 2), "z1": ("u1", "u2", 2)},
        kanban={"ring": {"first": "u0", "last": "u2", "cards": 1}},
    )
    run = simulate(line, start=START, horizon_s=10, trace=True)
    assert times(run, "u0", "launch") == [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]


def test_a_part_that_comes_again_keeps_its_card_and_is_taken_before_one_without() -> None:
    """Every part goes round once; with one card the next is taken when it has left, though it waits longer."""
    line = plant(
        {
            "load": unit(1.0),
            "make": unit(1.0, takes="any", defects={"base": 1 - 1e-12}),
            "look": unit(1.0, inspection={"coverage": 1.0, "rework": "again", "rework_limit": 2}),
            "pack": unit(1.0, inspection={"coverage": 1.0}),
        },
        {
            "in": ("load", "make", 1),
            "done": ("make", "look", 1),
            "again": ("look", "make", 1),
            "out": ("look", "pack", 1),
        },
        kanban={"ring": {"first": "make", "last": "pack", "cards": 1}},
    )
    run = simulate(line, start=START, horizon_s=14, trace=True)
    # make, look, make, look, make, look: scrap, which is the line's end for the part
    assert told(run, "make", "start") == [
        (1.0, "start", 0),
        (3.0, "start", 0),
        (5.0, "start", 0),
        (7.0, "start", 1),
        (9.0, "start", 1),
        (11.0, "start", 1),
        (13.0, "start", 2),
    ]


# Components.


def supplied(on_hand: float, at: str, receipts: dict[float, float] | None = None) -> Plant:
    """u0 (1 s) and u1 (1 s); each part takes two screws at one of them."""
    made = {"description": "", "kind": "make", "unit": "pcs"}
    screw = {**made, "item_id": "SCREW", "kind": "buy", "suppliers": ["S"]}
    return serial(
        [1.0, 1.0],
        2,
        items={"P": {**made, "item_id": "P"}, "SCREW": screw},
        suppliers={"S": {"supplier_id": "S", "name": "S", "on_time": 1, "lead_time_cv": 0}},
        bill_of_material=[{"parent": "P", "component": "SCREW", "quantity": 2.0, "work_unit": at}],
        stock={"SCREW": {"item_id": "SCREW", "on_hand": on_hand}},
        purchase_orders={
            f"PO{i}": {
                "purchase_order_id": f"PO{i}",
                "item_id": "SCREW",
                "supplier_id": "S",
                "quantity": n,
                "due_at": later(t),
            }
            for i, (t, n) in enumerate((receipts or {}).items())
        },
    )


def test_a_unit_starves_when_the_stock_ends_and_goes_on_at_the_delivery() -> None:
    line = supplied(5.0, "u0", {20.0: 3.0, 30.0: 1.0, 31.0: 1.0})
    run = simulate(line, start=START, horizon_s=40, limited_supply=True, trace=True)
    # 5 screws: two parts; 1 + 3 at 20 s: two more; 1 at 30 s is not enough, with that of 31 s it is
    assert times(run, "u0", "start") == [0.0, 1.0, 20.0, 21.0, 31.0]
    assert run.unit_states["u0"]["starved"][0] == 35 / 40


def test_the_components_are_used_where_the_bill_of_material_says() -> None:
    run = simulate(supplied(4.0, "u1"), start=START, horizon_s=40, limited_supply=True, trace=True)
    assert times(run, "u1", "start") == [1.0, 2.0]
    assert len(times(run, "u0", "start")) == 5  # two more in the zone, one is held


def test_what_was_due_before_the_start_is_there() -> None:
    line = supplied(0.0, "u0", {-100.0: 2.0, 0.0: 2.0})
    run = simulate(line, start=START, horizon_s=40, limited_supply=True, trace=True)
    assert times(run, "u0", "start") == [0.0, 1.0]


def test_without_limited_supply_nothing_runs_short() -> None:
    assert simulate(supplied(0.0, "u0"), start=START, horizon_s=40).kpis["good_parts"][0] == 39


# Arrivals.


@pytest.mark.parametrize(
    ("places", "lost"),
    [(1, [20.0, 35.0]), (0, [10.0, 20.0, 30.0, 40.0]), (None, [])],
)
def test_an_arrival_that_finds_no_place_is_lost(places: int | None, lost: list[float]) -> None:
    """A part every 5 s, 8 s of work. One place: 5 works, 10 waits, 15 waits from 13 s on, 20 is lost..."""
    release = {"policy": "arrivals", "interarrival": constant(5.0), "places": places}
    run = simulate(plant({"u": unit(8.0, release=release)}), start=START, horizon_s=41, trace=True)
    assert times(run, "u", "lost") == lost
    assert run.kpis["lost_parts"][0] == len(lost)
    assert times(run, "u", "launch") == [5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0]


def test_an_arrival_at_the_instant_at_which_the_unit_is_free_is_not_lost() -> None:
    release = {"policy": "arrivals", "interarrival": constant(5.0), "places": 0}
    run = simulate(plant({"u": unit(5.0, release=release)}), start=START, horizon_s=41, trace=True)
    assert run.kpis["lost_parts"][0] == 0
    assert times(run, "u", "start") == [5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0]


def test_of_arrivals_at_one_instant_the_last_ones_are_lost() -> None:
    """Two heads, one zone each: what is lost is counted where it came."""
    release = {"policy": "arrivals", "interarrival": constant(5.0), "places": 0}
    line = plant({"u": unit(7.0, release=release), "v": unit(4.0, release=release)})
    run = simulate(line, start=START, horizon_s=21, trace=True)
    assert times(run, "u", "lost") == [10.0, 20.0]
    assert times(run, "v", "lost") == []


def test_a_saturated_head_ignores_the_jobs() -> None:
    line = plant(
        {
            "u": unit(2.0, release={"policy": "saturated"}),
            "v": unit(3.0, release={"policy": "jobs"}),
        }
    )
    run = simulate(line, start=START, horizon_s=20, jobs=[job("A", 2)], trace=True)
    assert run.kpis["good_parts"][0] == 10 + 2
    assert run.order_good["A"][0] == 2
