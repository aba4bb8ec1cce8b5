"""What a KPI answers to each parameter: paired differences, elasticities, and what would help most."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.engine_lab import START, constant, exponential, plant, serial, unit
from twin.errors import DataError, NotFoundError
from twin.plant import Plant
from twin.scenarios.parameters import parameters
from twin.scenarios.sensitivity import Sensitivities, Sensitivity, sensitivities

LOOPS = {"loop": {"cards": 4, "first": "a", "last": "c"}}
TEAMS = {"team": {"count": 1, "skills": ("a",)}}


def look(line: Plant, **more: Any) -> Sensitivities:
    arguments: dict[str, Any] = {"start": START, "horizon_s": 10000.0, "replications": 2}
    return sensitivities(line, **(arguments | more))


def by_name(found: Sensitivities) -> dict[str, Sensitivity]:
    return {row.parameter.name: row for row in found.rows}


def test_the_bottleneck_of_a_line_without_chance_answers_one_to_one_and_nobody_else() -> None:
    # Rate 1 / c: (1/0.95 - 1/1.05) / (2 * 0.05) = 1.0025 per cent per per cent.
    rows = by_name(look(serial([3.0, 5.0], 2)))
    slow = rows["cycle time of u1"]
    assert slow.elasticity == pytest.approx(-1.0025, abs=0.01)
    assert slow.verdict == "worse"
    for other in ("cycle time of u0", "places in z0", "machines of u0"):
        assert rows[other].effect == pytest.approx(0.0, abs=1e-3)


def test_a_second_machine_moves_the_bottleneck_to_the_next() -> None:
    # Two machines of 5 s make a part in 2.5 s; then the 3 s of u0 hold the line: 5 / 3 - 1.
    row = by_name(look(serial([3.0, 5.0], 2)))["machines of u1"]
    assert row.effect == pytest.approx(5 / 3 - 1, abs=0.002)
    assert row.elasticity == pytest.approx(row.effect)
    assert row.verdict == "better"


def test_what_would_help_most_comes_first_and_is_said() -> None:
    found = look(serial([3.0, 5.0], 2))
    assert found.rows[0].parameter.name == "machines of u1"
    assert found.message.startswith(
        "most would help: machines of u1, one more: throughput_per_h by 66"
    )
    assert "cycle time of u1, 5 % less" in found.message


def test_failures_of_an_isolated_machine_answer_as_its_availability_does() -> None:
    # A = L / (L + R) with L = 900 and R = 100 s: elasticities are 0.1 for the life, -0.1 for the repair.
    modes = {"m": {"time_to_failure": exponential(900.0), "repair": exponential(100.0)}}
    line = plant({"u": unit(40.0, failure_modes=modes)})
    found = look(line, horizon_s=200000.0, replications=6, only=["m"])
    rows = by_name(found)
    assert set(rows) == {"time to failure m of u", "repair of m of u"}
    assert rows["time to failure m of u"].elasticity == pytest.approx(0.1, abs=0.02)
    assert rows["repair of m of u"].elasticity == pytest.approx(-0.1, abs=0.02)


def test_a_place_more_helps_a_balanced_line_by_what_is_known() -> None:
    # (b + 2) / (b + 3): from 3/4 to 4/5. (Hunt 1956)
    line = serial([exponential(5.0), exponential(5.0)], 1)
    row = by_name(look(line, horizon_s=20000.0, replications=8, only=["z0"]))["places in z0"]
    assert row.effect_low <= 0.8 / 0.75 - 1 <= row.effect_high
    assert row.verdict == "better"


def test_a_place_where_there_was_none_has_an_effect_but_no_elasticity() -> None:
    found = look(serial([exponential(5.0)] * 2, 0), replications=4, only=["z0"])
    assert found.rows[0].effect > 0.05
    assert found.as_dict()["rows"][0]["elasticity"] is None
    json.dumps(found.as_dict(), allow_nan=False)


def everything() -> Plant:
    """A line with every kind of number."""
    line = plant(
        {
            "a": unit(
                3.0,
                release={
                    "policy": "arrivals",
                    "interarrival": exponential(9.0),
                    "places": 9,
                    "products": {"P": 0.7, "Q": 0.3},
                },
                operator=("work",),
                defects={"base": 0.1, "parameter": "heat", "linear": 0.02},
                power={"production_w": 9.0, "parameter": "volt", "slope_w": 1.0},
                parameters={
                    "heat": {"value": 100.0, "unit": "degC", "low": 50.0, "high": 101.0},
                    "idle": {"value": 1.0, "unit": "s", "low": 0.0, "high": 2.0},
                    "volt": {"value": 0.0, "unit": "V", "low": 0.0, "high": 10.0},
                },
                routes=({"zone": "x", "share": 0.8}, {"zone": "leave", "share": 0.2}),
            ),
            "b": unit(
                4.0, setup={"other_family_s": 60.0, "same_product_s": 5.0}, batch={"size": 2}
            ),
            "c": unit(
                5.0,
                upkeep={
                    "clean": {"every_h": 8.0, "duration": constant(600.0)},
                    "oil": {"every_parts": 100, "duration": constant(60.0)},
                },
                inspection={"coverage": 0.99, "rework": "again"},
                takes="any",
            ),
            "d": unit(1.0),
        },
        {"x": ("a", "b", 2), "y": ("b", "c", 2), "again": ("c", "d", 2), "back": ("d", "c", 2)},
        products={"P": "F", "Q": "G"},
    ).model_dump()
    line |= {"kanban": LOOPS, "operators": TEAMS}
    line["storage_zones"]["y"]["transport_s"] = 12.0
    return Plant.model_validate(line)


def test_every_number_that_people_can_move_is_looked_at() -> None:
    found = parameters(everything())
    assert [p.name for p in found] == [
        "cycle time of a",
        "time between arrivals at a",
        "cycle time of b",
        "setup of b",
        "cycle time of c",
        "upkeep clean of c",
        "interval of upkeep clean of c",
        "upkeep oil of c",
        "cycle time of d",
        "transport through y",
        "heat of a",
        "volt of a",
        "defect probability of a",
        "coverage of c",
        "interval of upkeep oil of c",
        "share of x after a",
        "share of P that arrives at a",
        "places in x",
        "places in y",
        "places in again",
        "places in back",
        "machines of a",
        "places before a",
        "parts that b holds",
        "parts that b waits for",
        "machines of c",
        "reworks of a part at c",
        "machines of d",
        "repair crews",
        "operators in team",
        "cards of loop",
    ]


def test_how_far_a_step_is_is_said_in_the_unit_of_the_number() -> None:
    moved = {p.name: p.moved(0.05) for p in parameters(everything())}
    assert moved["cycle time of a"] == moved["defect probability of a"] == "5 %"
    assert moved["heat of a"] == "2.55 degC"
    assert moved["coverage of c"] == "0.05"
    assert moved["interval of upkeep oil of c"] == "5 parts"
    assert moved["share of x after a"] == "0.01"
    assert moved["parts that b holds"] == "one"


def test_a_step_ends_where_the_range_does() -> None:
    found = {p.name: p for p in parameters(everything())}
    heat, volt = found["heat of a"], found["volt of a"]
    assert [change.value for change in (*heat.less, *heat.more)] == [97.45, 101.0]
    assert heat.apart == pytest.approx(3.55 / 2.55)
    assert (volt.less, [change.value for change in volt.more], volt.apart) == ((), [0.5], 1.0)


def inspected(coverage: float, **defects: float) -> Plant:
    heat = {"value": 100.0, "unit": "degC", "low": 50.0, "high": 150.0}
    made = unit(1.0, parameters={"heat": heat}, defects={"parameter": "heat", **defects})
    looks = unit(1.0, inspection={"coverage": coverage})
    return plant({"a": made, "b": looks}, {"z": ("a", "b", 1)})


def test_a_set_point_answers_as_its_response_function_does() -> None:
    # p = 1/2 at the center, dp/dx = 0.02 / 4; good parts go with 1 - p: -0.005 * 100 / 0.5 per cent per per cent.
    line = inspected(1.0, base=0.5, center=100.0, linear=0.02)
    row = by_name(look(line, replications=4, only=["heat"]))["heat of a"]
    assert row.elasticity == pytest.approx(-1.0, abs=0.1)
    assert row.effect == pytest.approx(-0.05, abs=0.005)
    scrap = look(line, kpi="scrapped_parts", replications=4, only=["heat"]).rows[0]
    assert (scrap.elasticity, scrap.verdict) == (pytest.approx(1.0, abs=0.1), "worse")


def test_the_base_of_defects_and_a_coverage_that_cannot_rise_by_a_whole_step() -> None:
    # Good parts go with 1 - p c = 1 - 0.5 * 0.99.
    rows = by_name(look(inspected(0.99, base=0.5, center=100.0), replications=4))
    assert rows["coverage of b"].effect == pytest.approx(-0.5 * 0.05 / 0.505, abs=0.004)
    assert rows["coverage of b"].elasticity == pytest.approx(-0.5 * 0.99 / 0.505, abs=0.08)
    base = rows["defect probability of a"]
    assert base.elasticity == pytest.approx(-0.5 * 0.99 / 0.505, abs=0.1)


def test_an_interval_of_upkeep_by_count_moves_by_whole_parts() -> None:
    # n parts of 1 s, then 10 s: n / (n + 10) parts a second; (11/21 - 9/19) / 2 over 10/20.
    upkeep = {"clean": {"every_parts": 10, "duration": constant(10.0)}}
    rows = by_name(look(plant({"u": unit(1.0, upkeep=upkeep)})))
    row = rows["interval of upkeep clean of u"]
    assert row.effect == pytest.approx(0.0501, abs=0.002)
    assert row.elasticity == pytest.approx(0.501, abs=0.02)


def test_a_share_of_a_route_moves_what_goes_there() -> None:
    # Two parts of five need 10 s at b, which holds the line: 1 / (0.4 * 10) parts a second.
    ways = ({"zone": "z", "share": 0.4}, {"zone": "leave", "share": 0.6})
    line = plant({"a": unit(1.0, routes=ways), "b": unit(10.0)}, {"z": ("a", "b", 20)})
    row = by_name(look(line, replications=4, only=["routes"]))["share of z after a"]
    assert row.elasticity == pytest.approx(-1.0, abs=0.15)


def test_an_oven_that_waits_for_one_less_or_holds_one_more() -> None:
    # A part a second comes; a load takes 10 s. It waits for 4: 4 in 10 s; one more fits, and is there: 5.
    oven = unit(10.0, batch={"size": 4})
    line = plant({"a": unit(1.0), "b": oven}, {"z": ("a", "b", 9)})
    rows = by_name(look(line))
    assert rows["parts that b holds"].effect == pytest.approx(0.25, abs=0.005)
    assert rows["parts that b waits for"].effect == pytest.approx(0.0, abs=0.005)


def test_every_parameter_can_be_moved() -> None:
    one = everything()
    found = look(one, horizon_s=4000.0, replications=2)
    assert len(found.rows) == len(parameters(one))
    json.dumps(found.as_dict(), allow_nan=False)


def test_a_lower_kpi_can_be_the_better_one() -> None:
    line = serial([exponential(5.0), exponential(5.0)], 4)
    row = by_name(look(line, kpi="flow_time_s", replications=6, only=["u1"]))["cycle time of u1"]
    assert row.elasticity > 0.0
    assert row.verdict == "worse"


def test_wrong_arguments_are_refused() -> None:
    line = serial([3.0], 1)
    with pytest.raises(DataError, match="relative_step"):
        look(line, relative_step=0.0)
    with pytest.raises(NotFoundError, match="throughput_per_h"):
        look(line, kpi="beauty")
    with pytest.raises(NotFoundError, match="nowhere"):
        look(line, only=["nowhere"])


def test_of_a_figure_that_is_neither_good_nor_bad_it_says_what_moves_it() -> None:
    line = plant({"u": unit(5.0, power={"production_w": 1000.0})})
    found = look(line, kpi="energy_kwh")
    assert found.message.startswith(
        "it answers most to: machines of u, one more: energy_kwh by 100"
    )


def test_of_a_figure_that_is_zero_it_does_not_say_a_share() -> None:
    # A part every 5.1 s at a machine that takes 5 s and has no place to wait: lost only if it takes 5 % more.
    release = {"policy": "arrivals", "interarrival": constant(5.1), "places": 0}
    found = look(plant({"u": unit(5.0, release=release)}), kpi="lost_parts")
    assert found.baseline == 0.0
    assert "lost_parts is 0 as it is, so there is no share" in found.message
    assert "nan" not in found.message
