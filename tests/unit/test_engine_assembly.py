"""Assembly, batches, conveyors: several parts at once, or on their way."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine_lab import START, constant, job, plant, times, told, unit
from tests.sameness import simulate
from twin.plant import Plant


def joined(pull: str, places: int = 1, **more: Any) -> Plant:
    """Parts of a every 2 s, of b every 5 s, put together in m in 1 s."""
    return plant(
        {"a": unit(2.0), "b": unit(5.0), "m": unit(1.0, pull=pull, **more)},
        {"za": ("a", "m", places), "zb": ("b", "m", places)},
    )


def test_a_synchronous_assembly_leaves_parts_where_they_are_until_all_are_there() -> None:
    """za holds one part from 2 s on, so a holds the second one from 4 s until 5 s."""
    run = simulate(joined("synchronous"), start=START, horizon_s=12, trace=True)
    assert times(run, "m", "start") == [5.0, 10.0]
    assert times(run, "a", "blocked") == [4.0, 7.0, 12.0]


def test_an_eager_assembly_takes_each_component_as_it_comes() -> None:
    """The first part of a waits in m, the second in za: a is blocked from 6 s, with the third, not from 4 s.

    At 5 s m has both and is not empty; at 6 s it is, and takes the second part: a's third finds a place.
    """
    run = simulate(joined("eager"), start=START, horizon_s=12, trace=True)
    assert times(run, "m", "start") == [5.0, 10.0]
    assert times(run, "a", "blocked") == [8.0]


def test_an_assembly_has_the_number_and_order_of_its_lead() -> None:
    """The lead is the zone that stands first in the file; a and b launch 0, 2, ... and 1, 3, ..."""
    units = {"a": unit(2.0), "b": unit(2.0), "m": unit(1.0)}
    zones = {"za": ("a", "m", 1), "zb": ("b", "m", 1)}
    jobs = [job("A", 2)]
    run = simulate(plant(units, zones), start=START, horizon_s=20, jobs=jobs, trace=True)
    assert [part for _, _, part in told(run, "m", "leave")] == [0, 2]
    turned = dict(reversed(zones.items()))
    run = simulate(plant(units, turned), start=START, horizon_s=20, jobs=jobs, trace=True)
    assert [part for _, _, part in told(run, "m", "leave")] == [1, 3]
    assert run.order_good["A"][0] == 2


def test_an_assembled_part_is_defective_if_one_of_its_parts_is() -> None:
    line = plant(
        {
            "a": unit(1.0),
            "b": unit(1.0, defects={"base": 1 - 1e-12}),
            "m": unit(1.0),
            "look": unit(1.0, inspection={"coverage": 1.0}),
        },
        {"za": ("a", "m", 1), "zb": ("b", "m", 1), "zm": ("m", "look", 1)},
    )
    run = simulate(line, start=START, horizon_s=50)
    assert run.kpis["good_parts"][0] == 0
    assert run.kpis["scrapped_parts"][0] == 48  # one a second, the first at 3 s


def oven(minimum: int | None, size: int = 3, places: int = 5, **more: Any) -> Plant:
    """Parts every 2 s into an oven of 10 s."""
    batch = {"size": size, **({"minimum": minimum} if minimum else {})}
    return plant(
        {"u": unit(2.0), "oven": unit(10.0, batch=batch, **more), "pack": unit(1.0)},
        {"z": ("u", "oven", places), "out": ("oven", "pack", 1)},
    )


def test_a_batch_starts_when_it_can_be_filled() -> None:
    run = simulate(oven(None), start=START, horizon_s=30, trace=True)
    assert told(run, "oven", "start")[:3] == [
        (6.0, "start", 0),
        (6.0, "start", 1),
        (6.0, "start", 2),
    ]
    assert times(run, "oven", "finish")[:3] == [16.0, 16.0, 16.0]


def test_a_batch_starts_with_its_minimum_and_takes_no_more_than_its_size() -> None:
    run = simulate(oven(2), start=START, horizon_s=30, trace=True)
    # two at 4 s; until 14 s five more came
    assert times(run, "oven", "start")[:5] == [4.0, 4.0, 14.0, 14.0, 14.0]
    assert [part for _, _, part in told(run, "oven", "start")][:5] == [0, 1, 2, 3, 4]


def test_parts_of_a_batch_are_handed_over_one_by_one() -> None:
    """Ready at 14 s: one into the zone and on, one behind it, none is left."""
    run = simulate(oven(2), start=START, horizon_s=17, trace=True)
    assert told(run, "pack", "start") == [(14.0, "start", 0), (15.0, "start", 1)]
    late = simulate(oven(None), start=START, horizon_s=19, trace=True)
    # three end at 16 s: one in pack, one in the zone, one is held until pack takes the next
    assert times(late, "oven", "blocked") == [16.0]
    assert times(late, "pack", "start") == [16.0, 17.0, 18.0]


def test_setup_and_duration_of_a_batch_are_those_of_its_first_part() -> None:
    line = plant(
        {
            "u": unit(1.0),
            "oven": {
                **unit(0.0, batch={"size": 2}, setup={"other_family_s": 3.0}),
                "cycle_time": {"P": constant(10.0), "Q": constant(50.0)},
            },
        },
        {"z": ("u", "oven", 4)},
        products={"P": "F", "Q": "G"},
    )
    jobs = [job("A", 3, "P"), job("B", 3, "Q")]
    run = simulate(line, start=START, horizon_s=200, jobs=jobs, trace=True)
    # P P | P Q | Q Q: the second batch is one of P, the third needs the setup for Q
    assert sorted(set(times(run, "oven", "start"))) == [2.0, 12.0, 25.0]
    assert times(run, "oven", "setup") == [22.0]
    assert sorted(set(times(run, "oven", "finish"))) == [12.0, 22.0, 75.0]


def test_upkeep_counts_every_part_of_a_batch() -> None:
    line = oven(None, upkeep={"clean": {"every_parts": 5, "duration": constant(7.0)}})
    run = simulate(line, start=START, horizon_s=60, trace=True)
    # in at 6 and 17 s (the third part of the first batch is held until 17 s): six parts at 27 s
    assert times(run, "oven", "maintenance") == [27.0, 55.0]


def test_on_a_conveyor_a_part_can_be_taken_after_the_transport() -> None:
    line = plant({"a": unit(2.0), "b": unit(1.0)}, {"belt": ("a", "b", 2, 5.0)})
    run = simulate(line, start=START, horizon_s=30, trace=True)
    # put in at 2 and 4 s; the third needs a place, and there is one when the first goes at 7 s
    assert times(run, "b", "start") == [7.0, 9.0, 12.0, 14.0, 17.0, 19.0, 22.0, 24.0, 27.0, 29.0]
    assert times(run, "a", "blocked") == [6.0, 11.0, 16.0, 21.0, 26.0]


def test_a_merge_counts_the_waiting_on_a_conveyor_from_its_end() -> None:
    line = plant(
        {"a": unit(1.0), "b": unit(3.0), "m": unit(20.0, takes="any")},
        {"belt": ("a", "m", 3, 5.0), "zone": ("b", "m", 3)},
    )
    run = simulate(line, start=START, horizon_s=50, jobs=[job("A", 4)], trace=True)
    # b's first at 3 s; then a's first, at the end of the belt at 6 s, as b's second, at 6 s: the belt is first
    assert [part for _, _, part in told(run, "m", "start")] == [1, 0, 2]


@pytest.mark.parametrize("pull", ["synchronous", "eager"])
def test_every_component_of_an_assembly_is_used_once(pull: str) -> None:
    run = simulate(
        joined(pull, 3, servers=2), start=START, horizon_s=60, jobs=[job("A", 5)], trace=True
    )
    for name in ("a", "b"):
        assert len(times(run, name, "launch")) == 5
    assert run.order_good["A"][0] == 5
    assert run.order_finished_s["A"][0] == 26.0
