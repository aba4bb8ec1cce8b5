"""The ways of parts through a plant: heads, ends, main path, and every fault that a drawing can have."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine_lab import serial
from tests.plant_lab import faults, line, units
from twin.errors import DataError
from twin.plant import LEAVE, Plant, load_plant

EXAMPLE = Path(__file__).parents[2] / "simulators" / "practice"


REWORKED = line(
    units("ABCD", A={}, B={"takes": "any"}, C={"inspection": {"coverage": 1.0, "rework": "back"}}),
    "ab: A > B, bc: B > C, cd: C > D, back: C > B",
)
"""A -> B -> C -> D, and from the inspection C back to B."""

KIT = line(
    units("SABMKZ", M={"takes": "any"}),
    "am: A > M, bm: B > M, mk: M > K, sk: S > K, kz: K > Z",
)
"""A and B merge in M; K assembles what comes from M (the lead) with components from S."""

FORKED = line(
    units(
        "ABCD",
        B={
            "routes": [
                {"zone": "bc", "share": 0.5},
                {"zone": "bd", "share": 0.25},
                {"zone": LEAVE, "share": 0.25},
            ]
        },
    ),
    "ab: A > B, bc: B > C, bd: B > D",
)
"""B sends half to C, a quarter to D, and a quarter leaves."""


def test_heads_start_and_ends_let_go() -> None:
    assert (REWORKED.heads(), REWORKED.ends()) == (["A"], ["D"])
    assert (KIT.heads(), KIT.ends()) == (["S", "A", "B"], ["Z"])
    assert (FORKED.heads(), FORKED.ends()) == (["A"], ["B", "C", "D"])
    practice = load_plant(EXAMPLE / "plant.toml")
    assert (practice.heads(), practice.ends()) == (["printer"], ["packing"])
    assert practice.main_path() == frozenset(practice.work_units)


def test_a_unit_that_only_rework_follows_is_an_end() -> None:
    inspected = {"inspection": {"coverage": 1.0, "rework": "back"}}
    plant = line(units("ABC", B={"takes": "any"}, C=inspected), "ab: A > B, bc: B > C, back: C > B")
    assert plant.ends() == ["C"]
    assert plant.onward("C") == []
    assert [route.zone for route in plant.routes_of("C")] == [LEAVE]
    assert faults(plant) == []


def test_the_main_path_takes_the_lead_of_an_assembly_and_all_of_a_merge() -> None:
    assert KIT.main_path() == {"Z", "K", "M", "A", "B"}
    assert REWORKED.main_path() == set("ABCD")
    assert FORKED.main_path() == set("ABCD")
    second = line(units("SAK"), "sk: S > K, ak: A > K")
    assert second.main_path() == {"S", "K"}


def test_launchers_stand_nearest_first_and_a_circle_ends() -> None:
    assert KIT.launchers_of("Z") == ["S", "A", "B"]  # S feeds K itself, A and B through M
    assert KIT.launchers_of("M") == ["A", "B"]
    assert KIT.launchers_of("S") == ["S"]
    assert REWORKED.launchers_of("D") == ["A"]


def test_routes_of_a_unit_with_one_way_need_not_be_written() -> None:
    assert [route.zone for route in REWORKED.routes_of("C")] == ["cd"]
    assert [route.zone for route in KIT.routes_of("Z")] == [LEAVE]
    assert [route.share for route in FORKED.routes_of("B")] == [0.5, 0.25, 0.25]
    with pytest.raises(DataError, match="work unit A feeds ab, ac; routes must say which"):
        line(units("ABC"), "ab: A > B, ac: A > C").routes_of("A")


@pytest.mark.parametrize("plant", [REWORKED, KIT, FORKED])
def test_what_can_run_has_no_fault(plant: Plant) -> None:
    assert faults(plant) == []


@given(st.randoms(use_true_random=False), st.integers(min_value=2, max_value=9))
def test_a_drawing_in_which_every_zone_leads_on_has_no_fault(rng: random.Random, n: int) -> None:
    names = "ABCDEFGHI"[:n]
    zones = [f"z{i}: {rng.choice(names[:i])} > {names[i]}" for i in range(1, n)]
    zones += [f"y{i}: {names[0]} > {names[i]}" for i in range(1, n) if rng.random() < 0.5]
    feeds: dict[str, list[str]] = {}
    for zone in zones:
        name, way = zone.split(": ")
        feeds.setdefault(way[0], []).append(name)
    keys: dict[str, dict[str, Any]] = {
        name: {"routes": [{"zone": z, "share": 1.0 / len(out)} for z in out]}
        for name, out in feeds.items()
    }
    for name in names:
        keys.setdefault(name, {})["takes"] = rng.choice(("all", "any"))
    plant = line(keys, ", ".join(zones))
    assert faults(plant) == []
    assert plant.heads() == ["A"]
    assert all(plant.launchers_of(name) == ["A"] for name in plant.work_units)
    assert set(plant.ends()) <= plant.main_path()


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (
            line(units("ABC"), "ab: A > B, ac: A > C"),
            "work_units.A.routes]: is missing, but A feeds 2 storage zones (ab, ac); "
            "add a route for each, by share or by products",
        ),
        (
            line(units("AB", A={"routes": [{"zone": "ax"}]}), "ab: A > B"),
            'work_units.A.routes.0.zone]: storage zone "ax" is not known; use one of ab, leave',
        ),
        (
            line(units("AB", A={"routes": [{"zone": LEAVE}]}), "ab: A > B"),
            'work_units.A.routes]: none leads into "ab", which starts here; '
            "add a route into it, or take the zone out",
        ),
        (
            line(units("ABC", A={"routes": [{"zone": "bc"}]}), "bc: B > C, ab: A > B"),
            'work_units.A.routes.0.zone]: "bc" does not start here but at B; '
            "use a storage zone whose upstream is A",
        ),
        (
            line(
                units("AB", A={"routes": [{"zone": "ab", "share": s} for s in (0.5, 0.5)]}),
                "ab: A > B",
            ),
            'work_units.A.routes]: "ab" stands in 2 routes; make one of them',
        ),
    ],
)
def test_a_route_to_nowhere_is_named(plant: Plant, said: str) -> None:
    assert said in faults(plant)


def split(first: Mapping[str, Any], second: Mapping[str, Any]) -> Plant:
    routes = [{"zone": "ab", **first}, {"zone": LEAVE, **second}]
    return line(units("AB", A={"routes": routes}), "ab: A > B", products="PQR")


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ({"share": 0.7}, {"share": 0.3}, None),
        ({"share": 0.0}, {"share": 1.0}, None),
        ({"products": ["P", "Q"]}, {"products": ["R"]}, None),
        ({"products": ["P", "Q"]}, {}, None),
        ({"share": 0.7}, {"share": 0.2}, "the shares add up to 0.9; make them add up to 1"),
        ({"share": 0.7}, {"products": ["P"]}, "some go by share and some by products"),
        ({"share": 0.7}, {"share": 0.3, "products": ["P"]}, "some go by share and some by"),
        ({"products": ["P"]}, {"products": ["R"]}, "no way for Q; name it in a route, or add"),
        ({"products": ["P", "Q"]}, {"products": ["R", "P"]}, "P is named 2 times; name it once"),
        ({"products": ["X"]}, {}, 'product "X" is not known; use one of P, Q, R'),
        ({}, {}, "ab, leave have neither a share nor products; only one can stand for all"),
    ],
)
def test_a_split_goes_by_share_or_by_product(
    first: Mapping[str, Any], second: Mapping[str, Any], said: str | None
) -> None:
    found = faults(split(first, second))
    assert found == [] if said is None else any(said in fault for fault in found), found


def test_a_station_that_no_part_can_reach_is_named() -> None:
    round_about = line(
        units("ABCD", A={}, C={"takes": "any"}, D={"takes": "any"}),
        "ab: A > B, cd: C > D, dc: D > C",
    )
    found = faults(round_about)
    assert any("work_units.C]: no part can reach it: it is fed by D alone" in f for f in found)
    assert any("work_units.D]: no part can go from here to an end of the line" in f for f in found)
    assert not any("work_units.A" in f or "work_units.B" in f for f in found)


def test_a_circle_without_a_start_or_without_an_end_is_named() -> None:
    (no_start, no_end) = faults(line(units("AB"), "ab: A > B, ba: B > A"))
    assert "so no part can start; let a unit without a zone before it start the parts" in no_start
    assert 'so no part can leave the line; take out the last one, or add a route to "leave"' in (
        no_end
    )
    caught = line(
        units("ABC", B={"takes": "any"}), "ab: A > B, bc: B > C, cb: C > B"
    )  # A can start, nothing can leave
    assert [f for f in faults(caught) if "no part can leave the line" in f]


def test_a_machine_that_nothing_joins_must_say_where_its_parts_come_from() -> None:
    (fault,) = faults(line(units("ABX"), "ab: A > B"))
    assert fault == (
        "work_units.X]: no storage zone joins it to A, so no part of the line can reach it; "
        "join them, or say how it comes by parts of its own: release"
    )
    own = {"release": {"policy": "saturated"}}
    assert faults(line(units("ABX", X=own), "ab: A > B")) == []


def test_an_assembly_that_waits_for_its_own_output_is_refused() -> None:
    zones = "ab: A > B, bc: B > C, back: C > B"
    inspected = {"inspection": {"coverage": 1.0, "rework": "back"}}
    found = faults(line(units("ABC", C=inspected), zones))
    assert found == [
        'work_units.B]: waits for its own output: only what it has made comes through "back"; '
        'write takes = "any" if it merges, or lead the zone elsewhere'
    ]
    assert faults(line(units("ABC", B={"takes": "any"}, C=inspected), zones)) == []


def test_two_assemblies_that_wait_for_each_other_are_both_named() -> None:
    leave = {"routes": [{"zone": "bc", "share": 0.5}, {"zone": LEAVE, "share": 0.5}]}
    plant = line(units("ADBC", B=leave), "ab: A > B, cb: C > B, dc: D > C, bc: B > C")
    assert [f.split(";")[0] for f in faults(plant)] == [
        'work_units.B]: waits for its own output: only what it has made comes through "cb"',
        'work_units.C]: waits for its own output: only what it has made comes through "bc"',
    ]


def test_an_assembly_without_a_supplier_is_named() -> None:
    plant = line(units("ABCD", C={"takes": "any"}), "ab: A > B, cb: C > B, dc: D > C, cd: C > D")
    plant = line(
        units("ABCD", C={"routes": [{"zone": "cb", "share": 0.5}, {"zone": "cd", "share": 0.5}]}),
        "ab: A > B, cb: C > B, dc: D > C, cd: C > D",
    )
    found = faults(plant)
    assert (
        'work_units.B]: is an assembly without a supplier: no part can come through "cb"; '
        "lead parts to C from a unit that starts them" in found
    )
    assert any("work_units.C]: no part can reach it: it is fed by D alone" in f for f in found)


def test_a_zone_with_an_unknown_end_is_reported_for_that_alone() -> None:
    found = faults(line(units("ABC"), "ab: A > B, xb: X > B, bc: B > C, by: A > Y"))
    assert [f.split("]")[0] for f in found] == [
        "storage_zones.xb.upstream",
        "storage_zones.by.downstream",
        "work_units.A.routes",
    ]


@pytest.mark.parametrize(
    ("rework", "more", "said"),
    [
        ("bcak", {}, 'storage zone "bcak" is not known; use one of ab, bc, cd, back'),
        ("ab", {}, '"ab" does not start here but at A; use a storage zone whose upstream is C'),
        (
            "back",
            {"routes": [{"zone": "cd", "share": 0.5}, {"zone": "back", "share": 0.5}]},
            '"back" is one of its routes, too; use a zone for rework alone',
        ),
    ],
)
def test_rework_goes_into_a_zone_of_its_own(
    rework: str, more: Mapping[str, Any], said: str
) -> None:
    inspected = {"inspection": {"coverage": 1.0, "rework": rework}, **more}
    plant = line(
        units("ABCD", B={"takes": "any"}, C=inspected),
        "ab: A > B, bc: B > C, cd: C > D, back: C > B",
    )
    assert f"work_units.C.inspection.rework]: {said}" in faults(plant)


def test_a_zone_named_leave_would_have_two_meanings() -> None:
    plant = line(units("AB", A={"routes": [{"zone": LEAVE}]}), f"{LEAVE}: A > B")
    assert any(f'storage_zones.{LEAVE}]: is named "leave"' in f for f in faults(plant))
    assert faults(line(units("AB"), f"{LEAVE}: A > B")) == []


def test_a_copied_plant_knows_its_own_zones() -> None:
    line = serial([1.0, 1.0], 2)
    assert line.upstream("u1") == ["z0"]
    assert line.model_copy(update={"storage_zones": {}}).upstream("u1") == []
