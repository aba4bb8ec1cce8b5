"""Routes, inspection, scrap and rework."""

from __future__ import annotations

import math

import pytest

from tests.engine_lab import START, job, plant, times, told, unit
from tests.sameness import simulate
from twin.engine import LiveState, UnitStart
from twin.engine.streams import uniform
from twin.plant import WorkUnitState

SURE = {"base": 1 - 1e-12}


def test_routes_by_share_send_each_part_by_a_draw_of_its_own() -> None:
    line = plant(
        {
            "u": unit(
                1.0,
                routes=[
                    {"zone": "za", "share": 0.2},
                    {"zone": "zb", "share": 0.5},
                    {"zone": "leave", "share": 0.3},
                ],
            ),
            "a": unit(0.5),
            "b": unit(0.5),
        },
        {"za": ("u", "a", 9), "zb": ("u", "b", 9)},
    )
    run = simulate(line, start=START, horizon_s=20_000.9, trace=True, seed=5)
    n = 20_000
    assert len(times(run, "a", "start")) == pytest.approx(0.2 * n, abs=4 * math.sqrt(0.16 * n))
    assert len(times(run, "u", "leave")) == pytest.approx(0.3 * n, abs=4 * math.sqrt(0.21 * n))
    ways = [uniform(5, 0, "u", "route", k) for k in range(n)]
    assert [p for _, _, p in told(run, "a", "start")] == [k for k, w in enumerate(ways) if w < 0.2]


def test_routes_by_product_send_what_no_route_names_on_the_open_one() -> None:
    line = plant(
        {
            "u": unit(1.0, routes=[{"zone": "za", "products": ["Q"]}, {"zone": "leave"}]),
            "a": unit(1.0),
        },
        {"za": ("u", "a", 9)},
        products={"P": "F", "Q": "F", "R": "F"},
    )
    jobs = [job("A", 2, "P"), job("B", 3, "Q"), job("C", 4, "R")]
    run = simulate(line, start=START, horizon_s=100, jobs=jobs, trace=True)
    assert [p for _, _, p in told(run, "a", "leave")] == [2, 3, 4]
    assert [p for _, _, p in told(run, "u", "leave")] == [0, 1, 5, 6, 7, 8]


def test_a_part_is_inspected_before_it_gets_a_defect_of_its_own() -> None:
    """The unit makes every part defective and would find every defect; nobody else looks."""
    line = plant({"u": unit(1.0, defects=SURE, inspection={"coverage": 1.0})})
    run = simulate(line, start=START, horizon_s=10)
    assert run.kpis["good_parts"][0] == run.kpis["escaped_defects"][0] == 10
    assert run.kpis["scrapped_parts"][0] == 0


def looped(limit: int, defects: float = 1 - 1e-12, zone: int = 2) -> tuple[dict, dict]:  # type: ignore[type-arg]
    """make (every part is defective) -> look (finds all) -> back to make, or out."""
    units = {
        "load": unit(4.0),
        "make": unit(1.0, takes="any", defects={"base": defects}),
        "look": unit(1.0, inspection={"coverage": 1.0, "rework": "again", "rework_limit": limit}),
    }
    zones = {
        "in": ("load", "make", zone),
        "done": ("make", "look", zone),
        "again": ("look", "make", zone),
    }
    return units, zones


def test_rework_sends_a_part_back_so_many_times_and_then_it_is_scrap() -> None:
    run = simulate(
        plant(*looped(2)),
        start=START,
        horizon_s=60,
        jobs=[job("A", 1)],
        until_done=True,
        trace=True,
    )
    assert told(run, "look", "rework", "reject") == [
        (6.0, "rework", 0),
        (8.0, "rework", 0),
        (10.0, "reject", 0),
    ]
    assert run.kpis["reworked_parts"][0] == 2
    assert run.kpis["scrapped_parts"][0] == 1
    assert run.order_finished_s["A"][0] == 10.0
    assert run.order_good["A"][0] == 0


def test_rework_clears_the_defect_and_each_visit_draws_anew() -> None:
    """The first visit draws at the number of the part, the second 2**40 further."""
    units, zones = looped(1, 0.5)
    run = simulate(plant(units, zones), start=START, horizon_s=4_000, trace=True, seed=3)
    p = {"first": 0, "second": 1 << 40}
    bad = {
        k: [uniform(3, 0, "make", "defect", part + at) < 0.5 for part in range(900)]
        for k, at in p.items()
    }
    reworked = [part for _, _, part in told(run, "look", "rework") if part < 900]
    assert reworked == [part for part in range(900) if bad["first"][part]]
    scrapped = {part for _, _, part in told(run, "look", "reject") if part < 900}
    assert scrapped == {part for part in reworked if bad["second"][part]}


def test_a_part_found_at_work_is_on_its_first_visit() -> None:
    """What a live start finds in make draws there at its number, and 2**40 further as it comes again."""
    units, zones = looped(1, 0.5)
    state = LiveState(
        at=START,
        units={"make": UnitStart(state=WorkUnitState.PRODUCTION, product="P", remaining_s=1.0)},
    )
    for seed in range(6):
        run = simulate(
            plant(units, zones),
            start=START,
            horizon_s=10,
            jobs=[],
            state=state,
            seed=seed,
            trace=True,
        )
        first, second = (uniform(seed, 0, "make", "defect", at) < 0.5 for at in (0, 1 << 40))
        assert len(times(run, "look", "rework")) == first
        assert len(times(run, "look", "reject")) == (first and second)


def test_the_share_of_rework_is_that_of_found_defects() -> None:
    """Of defects 0.2 with coverage 0.5, a tenth is sent back; of these again a tenth is scrap."""
    units, zones = looped(1, 0.2)
    units["look"]["inspection"]["coverage"] = 0.5
    run = simulate(plant(units, zones), start=START, horizon_s=200_000, seed=1)
    n = 50_000
    assert run.kpis["reworked_parts"][0] == pytest.approx(0.1 * n, abs=4 * math.sqrt(0.09 * n))
    assert run.kpis["scrapped_parts"][0] == pytest.approx(0.01 * n, abs=4 * math.sqrt(0.01 * n))


def test_a_scrapped_component_is_launched_again_before_the_next_job() -> None:
    """The first board is defective (uniform 0 of its stream is below 0.6 in this seed), scrapped, replaced."""
    line = plant(
        {
            "case": unit(1.0),
            "board": unit(1.0, defects={"base": 0.6}),
            "test": unit(1.0, inspection={"coverage": 1.0}),
            "join": unit(1.0),
        },
        {"zc": ("case", "join", 1), "zb": ("board", "test", 1), "zt": ("test", "join", 1)},
        products={"P": "F", "Q": "F"},
    )
    jobs = [job("A", 2, "P"), job("B", 2, "Q")]
    run = simulate(line, start=START, horizon_s=100, jobs=jobs, until_done=True, trace=True, seed=2)
    bad = [uniform(2, 0, "board", "defect", number) < 0.6 for number in range(1, 40, 2)]
    launched = len(times(run, "board", "launch"))
    assert launched == 4 + sum(bad[:launched])
    assert run.order_good["A"][0] == run.order_good["B"][0] == 2
    trace = run.trace
    assert trace is not None
    rows = (trace.unit == 1) & (trace.kind == trace.kinds.index("launch"))
    # a board of P that is scrapped at 2 s is replaced before more of Q are started
    products = [trace.products[p] for p in trace.product[rows]]
    assert products.count("P") == 2 + sum(
        b for b, p in zip(bad, products, strict=False) if p == "P"
    )
