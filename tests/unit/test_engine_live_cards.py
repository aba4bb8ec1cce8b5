"""Cards of the parts that a live start puts into loops."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, settings

from tests.engine_lab import START, plant, serial, times, told, unit
from tests.plant_runs import Case, cases
from tests.sameness import simulate
from twin.engine import LiveState, PartStart, UnitStart
from twin.engine.counts import Counts
from twin.engine.inputs import RunInput, run_input
from twin.engine.reference.line import Line
from twin.errors import DataError
from twin.plant import Plant, WorkUnitState


def waiting(**zones: int) -> LiveState:
    """So many parts in each zone."""
    part = PartStart(order_id="old", product="P")
    return LiveState(at=START, zones={zone: (part,) * n for zone, n in zones.items()})


def conwip(first: str, last: str, cards: int) -> dict[str, dict[str, object]]:
    return {"ring": {"first": first, "last": last, "cards": cards}}


def test_conwip_launches_nothing_before_as_many_have_left_as_are_too_many() -> None:
    """Ten parts and two cards: one leaves every 10 s, the ninth frees the first card at 90 s."""
    line = serial([10.0, 10.0], 50, kanban=conwip("u0", "u1", 2))
    run = simulate(line, start=START, horizon_s=115, state=waiting(z0=10), trace=True)
    assert times(run, "u1", "leave")[8:10] == [90.0, 100.0]
    assert times(run, "u0", "launch") == [90.0, 100.0, 110.0]


def test_a_kanban_stage_waits_until_its_zone_holds_fewer_parts_than_it_has_cards() -> None:
    """Five parts and two cards: taken at 0, 100, 200 and 300 s, and the fourth frees one."""
    line = serial([10.0, 100.0], 50, kanban=conwip("u0", "z0", 2))
    run = simulate(line, start=START, horizon_s=450, state=waiting(z0=5), trace=True)
    assert times(run, "u0", "launch") == [300.0, 400.0]


def test_parts_at_work_in_the_first_and_in_the_last_unit_hold_cards() -> None:
    """Two cards: one is free when u2 ends at 3 s, u0 at 4 s; the next part leaves at 14 s."""
    line = serial([5.0, 5.0, 5.0], 5, kanban=conwip("u0", "u2", 2))
    state = LiveState(
        at=START,
        units={
            name: UnitStart(
                state=WorkUnitState.PRODUCTION, product="P", order_id="old", remaining_s=left_s
            )
            for name, left_s in (("u0", 4.0), ("u2", 3.0))
        },
    )
    run = simulate(line, start=START, horizon_s=18, state=state, trace=True)
    assert times(run, "u0", "launch") == [4.0, 14.0]


def test_parts_before_the_loop_hold_no_card() -> None:
    """One card: u1 begins when u2 has ended the part in the loop, then as each one leaves."""
    line = serial([5.0, 5.0, 5.0], 5, kanban=conwip("u1", "u2", 1))
    run = simulate(line, start=START, horizon_s=30, state=waiting(z0=3, z1=1), jobs=[], trace=True)
    assert times(run, "u1", "start") == [5.0, 15.0, 25.0]


def test_parts_behind_the_loop_hold_no_card() -> None:
    line = serial([5.0, 5.0, 5.0], 5, kanban=conwip("u0", "u1", 1))
    run = simulate(line, start=START, horizon_s=12, state=waiting(z1=3), trace=True)
    assert times(run, "u0", "launch") == [0.0, 10.0]


def circle() -> Plant:
    """Parts come to make from load, and again from look, which sends every one of them back."""
    return plant(
        {
            "load": unit(1.0),
            "make": unit(1.0, takes="any", defects={"base": 1 - 1e-12}),
            "look": unit(1.0, inspection={"coverage": 1.0, "rework": "again", "rework_limit": 1}),
            "pack": unit(1.0),
        },
        {
            "in": ("load", "make", 5),
            "done": ("make", "look", 5),
            "again": ("look", "make", 5),
            "out": ("look", "pack", 5),
        },
        kanban=conwip("make", "pack", 1),
    )


def test_a_part_on_its_way_back_to_the_first_unit_has_its_card_a_new_one_has_none() -> None:
    """Both wait from 0 s on. The one in again (1) goes round until it is scrapped, then that in in (0)."""
    state = waiting(**{"in": 1, "again": 1})
    run = simulate(circle(), start=START, horizon_s=8, state=state, jobs=[], trace=True)
    assert told(run, "make", "start") == [
        (0.0, "start", 1),
        (2.0, "start", 1),
        (4.0, "start", 0),
        (6.0, "start", 0),
    ]


@pytest.mark.parametrize("cards", [1, 2])
def test_a_card_returns_with_a_part_that_leaves_the_line_elsewhere(cards: int) -> None:
    """A part on a side way out of the loop holds its card until it has left the line, at 4 s."""
    line = plant(
        {
            "u": unit(1.0, routes=[{"zone": "on", "products": ["P"]}, {"zone": "aside"}]),
            "last": unit(1.0),
            "other": unit(4.0),
        },
        {"on": ("u", "last", 5), "aside": ("u", "other", 5)},
        products={"P": "F", "Q": "G"},
        kanban=conwip("u", "last", cards),
    )
    aside = LiveState(at=START, zones={"aside": (PartStart(order_id="old", product="Q"),)})
    run = simulate(line, start=START, horizon_s=3, state=aside, mix={"P": 1}, trace=True)
    assert times(run, "u", "launch") == ([] if cards == 1 else [0.0, 2.0])


class Counted(Line):
    """A line of which the cards are counted at every settled instant."""

    def __init__(self, given: RunInput) -> None:
        super().__init__(given, 0, Counts.empty(given, 1), 0, False)
        self.least: tuple[int, ...] | None = None
        """Free cards by loop: no fewer than at the start if there were too few, else none too few."""

    def _settle(self, now: float) -> None:
        super()._settle(now)
        free = self.snapshot().cards
        for loop, table in enumerate(self.given.model.loops):
            held = sum(loop in part.cards for part in self.flow.parts_inside())
            assert free[loop] + held == table.cards, f"cards of {table.name} at {now} s"
        self.least = self.least or tuple(min(0, cards) for cards in free)
        assert all(map(int.__le__, self.least, free)), f"a card too many at {now} s"
        self.least = tuple(min(0, cards) for cards in free)


@pytest.mark.slow
@settings(
    max_examples=100,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@hypothesis.given(cases().filter(lambda case: case.plant.kanban and case.arguments.get("state")))
def test_every_card_is_free_or_with_a_part_whatever_a_line_begins_with(case: Case) -> None:
    arguments: dict[str, Any] = {
        "jobs": None, "seed": 1, "state": None, "forecasts": (), "maintenance": (), "warm_up_s": 0.0,
        "until_done": False, "mix": None, "limited_supply": False, **case.arguments,
    }  # fmt: skip
    for name in ("trace", "replications", "first_replication"):
        arguments.pop(name, None)
    line = Counted(run_input(case.plant, **arguments))
    with suppress(DataError):  # parts that wait for each other for ever
        line.run()
