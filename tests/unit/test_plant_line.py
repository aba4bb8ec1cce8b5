"""What a unit needs beside parts: ovens, sources, upkeep, operators, cards; and every fault of them."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.plant_lab import WORK, faults, line, units
from twin.engine import simulate
from twin.errors import FileFaults
from twin.plant import Batch, Plant, Release, Upkeep, load_plant
from twin.scenarios import apply_changes

EXAMPLE = Path(__file__).parents[2] / "simulators" / "practice"
GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "describe-your-plant.md"
PIECES = re.findall(
    r"^```toml\n(.*?)^```", GUIDE.read_text().split("## What a line can be")[1], re.M | re.S
)
HOUR = {"law": "constant", "value_s": 3600.0}
TEAM = {"count": 2, "skills": ["A"]}


def of_b(**more: Any) -> Plant:
    """A -> B -> C, where B has these keys."""
    return line(units("ABC", B=more), "ab: A > B, bc: B > C")


def test_what_is_left_out_is_the_line_as_it_was() -> None:
    unit = load_plant(EXAMPLE / "plant.toml").unit("reflow")
    assert (unit.servers, unit.takes, unit.pull, unit.batch) == (1, "all", "synchronous", None)
    assert (unit.routes, unit.operator, unit.upkeep) == ((), (), {})
    assert unit.release == Release(policy="jobs", interarrival=None, products={}, places=None)


@pytest.mark.parametrize(
    "more",
    [
        {"batch": {"size": 2}},
        {"batch": {"size": 9, "minimum": 2}},
        {"upkeep": {"clean": {"every_parts": 100, "duration": HOUR}}},
        {"upkeep": {"clean": {"every_h": 8, "duration": HOUR}}},
        {"servers": 3, "setup": {"same_family_s": 5.0}},
        {"pull": "eager"},
    ],
)
def test_what_can_run_has_no_fault(more: Mapping[str, Any]) -> None:
    assert faults(of_b(**more)) == []


def test_an_oven_starts_full_unless_it_says_otherwise() -> None:
    assert Batch(size=4).starts_at == 4
    assert Batch(size=4, minimum=1).starts_at == 1
    with pytest.raises(ValidationError, match="greater than or equal to 2"):
        Batch(size=1)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            {"batch": {"size": 2, "minimum": 3}},
            "batch.minimum]: 3 is more than the 2 that it holds",
        ),
        ({"batch": {"size": 2}, "servers": 2}, "batch]: B is 2 machines under one name"),
        (
            {"batch": {"size": 3}},
            "batch]: starts when 3 parts are waiting, but ab holds 2; "
            "give the zone more places, or set a smaller minimum",
        ),
        (
            {"upkeep": {"clean": {"duration": HOUR}}},
            "upkeep.clean]: has neither every_parts nor every_h; add one of them",
        ),
        (
            {"upkeep": {"clean": {"every_h": 8, "every_parts": 9, "duration": HOUR}}},
            "upkeep.clean]: has both every_parts and every_h",
        ),
        (
            {
                "upkeep": {
                    "clean": {
                        "every_parts": 9,
                        "first_at": datetime(2026, 3, 2, tzinfo=UTC),
                        "duration": HOUR,
                    }
                }
            },
            "upkeep.clean.first_at]: says when, but there is no every_h; add every_h",
        ),
        (
            {"upkeep": {"clean": {"every_h": 8, "duration": HOUR, "renews": ["worn"]}}},
            'upkeep.clean.renews]: failure mode "worn" is not known; use one of (none is declared)',
        ),
        (
            {"operator": ["work"]},
            "operator]: needs an operator, but no team has the skill for it; "
            'add "B" to the skills of a team in [operators]',
        ),
        (
            {"release": {"policy": "saturated"}},
            "release]: is fed by ab and starts no parts of its own; take it out, or the zone",
        ),
    ],
)
def test_a_fault_of_a_unit_says_what_would_be_right(more: Mapping[str, Any], said: str) -> None:
    found = faults(of_b(**more))
    assert any(fault.startswith(f"work_units.B.{said}") for fault in found), found
    assert len(found) == 1


def test_an_oven_is_fed_from_one_zone() -> None:
    oven = {"batch": {"size": 2}}
    assert faults(line(units("AB", A=oven), "ab: A > B")) == [
        "work_units.A.batch]: no zone leads to it; let it be fed from one storage zone"
    ]
    assert faults(line(units("XYA", A=oven), "xa: X > A, ya: Y > A")) == [
        "work_units.A.batch]: 2 storage zones lead to A; let it be fed from one storage zone"
    ]


@pytest.mark.parametrize(
    ("release", "said"),
    [
        ({"policy": "arrivals", "interarrival": HOUR, "places": 0}, None),
        ({"policy": "arrivals", "interarrival": HOUR, "products": {"P": 0.4, "Q": 0.6}}, None),
        ({"policy": "saturated"}, None),
        ({"policy": "arrivals"}, "interarrival]: is missing, but parts arrive"),
        ({"interarrival": HOUR}, "interarrival]: only arrivals have it, and the policy is jobs"),
        ({"policy": "saturated", "places": 3}, "places]: only arrivals have it"),
        ({"products": {"P": 1.0}}, "products]: only arrivals have it"),
        (
            {"policy": "arrivals", "interarrival": HOUR, "products": {"P": 0.4}},
            "products]: the shares add up to 0.4; make them add up to 1",
        ),
        (
            {"policy": "arrivals", "interarrival": HOUR, "products": {"X": 1.0}},
            'products]: product "X" is not known; use one of P, Q',
        ),
        (
            {"policy": "arrivals", "interarrival": {"law": "constant", "value_s": 0.0}},
            "interarrival]: takes no time, so parts arrive without end; give a mean above 0",
        ),
    ],
)
def test_a_head_says_where_its_parts_come_from(
    release: Mapping[str, Any], said: str | None
) -> None:
    found = faults(line(units("AB", A={"release": release}), "ab: A > B", products="PQ"))
    if said is None:
        assert found == []
    else:
        (fault,) = found
        assert fault.startswith(f"work_units.A.release.{said}")


def test_a_conveyor_needs_a_place() -> None:
    keys = {"ab": {"transport_s": 30.0, "capacity": 0}}
    assert faults(line(units("AB"), "ab: A > B", zone_keys=keys)) == [
        "storage_zones.ab.capacity]: is 0, but parts travel 30 s on this conveyor; "
        "give it the places that the conveyor has"
    ]


def test_operators_serve_units_that_exist() -> None:
    needs = units("AB", A={"operator": ["work", "setup"]})
    assert faults(line(needs, "ab: A > B", operators={"day": TEAM})) == []
    stranger = {"day": {"count": 1, "skills": ["A", "X"]}}
    assert faults(line(needs, "ab: A > B", operators=stranger)) == [
        'operators.day.skills]: work unit "X" is not known; use one of A, B'
    ]


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("A", "C", None),  # CONWIP
        ("B", "bc", None),  # kanban of one stage
        ("B", "B", None),
        ("X", "C", 'first]: work unit "X" is not known; use one of A, B, C'),
        ("A", "zz", 'last]: work unit or storage zone "zz" is not known; use one of A, B, C, ab'),
        ("C", "A", "]: no part goes from C to A, so no card would return"),
        ("B", "ab", "]: no part goes from B to ab, so no card would return"),
    ],
)
def test_a_card_can_come_back(first: str, last: str, said: str | None) -> None:
    loop = {"cards": 3, "first": first, "last": last}
    found = faults(line(units("ABC"), "ab: A > B, bc: B > C", kanban={"k": loop}))
    if said is None:
        assert found == []
    else:
        (fault,) = found
        assert fault.startswith(f"kanban.k{said if said[0] == ']' else '.' + said}")


def test_there_are_at_most_sixty_loops() -> None:
    loops = {f"k{i}": {"cards": 1, "first": "A", "last": "A"} for i in range(61)}
    with pytest.raises(ValidationError, match="at most 60"):
        line(units("A"), "", kanban=loops)


def test_an_instant_without_an_offset_is_refused() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        Upkeep.model_validate({"every_h": 1, "first_at": "2026-03-02T00:00:00", "duration": HOUR})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLE, tmp_path / "plant"))


def replace(folder: Path, old: str, new: str) -> None:
    text = (folder / "plant.toml").read_text()
    assert old in text
    (folder / "plant.toml").write_text(text.replace(old, new, 1))


def faults_of(folder: Path) -> list[str]:
    with pytest.raises(FileFaults) as caught:
        load_plant(folder / "plant.toml")
    return [str(fault) for fault in caught.value.faults]


def test_an_impossible_plant_is_refused_with_every_fault_at_once(folder: Path) -> None:
    replace(folder, 'law = "lognormal", mean_s = 16,', 'law = "lognormal", mean_s = -16,')
    replace(folder, "capacity = 4", "capacity = -4")
    replace(folder, "crews = 1", "crews = 1\ncrewz = 2")
    replace(folder, 'downstream = "packing"', 'downstream = "paking"')
    replace(folder, "[work_units.reflow]", '[work_units.reflow]\nroutes = [{ zone = "nowhere" }]')
    replace(folder, "[work_units.aoi]", '[work_units.aoi]\noperator = ["work"]')
    found = faults_of(folder)
    for place in (
        "work_units.printer.cycle_time.default.mean_s]: found -16; input should be greater than 0",
        "storage_zones.spi_in.capacity]: found -4; input should be greater than or equal to 0",
        "maintenance.crewz]: this key is not known; use one of",
        'storage_zones.packing_in.downstream]: work unit "paking" is not known',
        'work_units.reflow.routes.0.zone]: storage zone "nowhere" is not known; use one of aoi_in',
        "work_units.aoi.operator]: needs an operator, but no team has the skill for it",
    ):
        assert any(f.startswith(f"plant.toml [{place}") for f in found), (place, found)


@pytest.mark.parametrize(
    "wrong",
    [
        '{ law = "lognormal", mean_s = -16, cv = 0.05 }',
        '{ law = "normal", mean_s = 16, cv = 0.05 }',
        "{ mean_s = 16 }",
        '{ law = "lognormal", mean_s = 16, cv = 0.05, shape = 2 }',
        '{ law = "triangular", low_s = 5, mode_s = 2, high_s = 9 }',
        "16",
    ],
)
def test_a_wrong_law_hides_no_other_fault(folder: Path, wrong: str) -> None:
    replace(folder, '{ law = "lognormal", mean_s = 16, cv = 0.05 }', wrong)
    replace(folder, 'downstream = "packing"', 'downstream = "paking"')
    found = faults_of(folder)
    assert any("work_units.printer.cycle_time.default" in f for f in found), found
    assert any('work unit "paking" is not known' in f for f in found), found


def test_a_mended_number_makes_no_fault_of_its_own(folder: Path) -> None:
    replace(folder, "capacity = 4", "transport_s = 5, capacity = -4")
    (fault,) = faults_of(folder)
    assert "storage_zones.spi_in.capacity]: found -4" in fault


def test_every_feature_that_the_guide_shows_can_run() -> None:
    """The TOML pieces of the guide, laid over the line that it speaks of."""
    shown = [tomllib.loads(text) for text in PIECES]
    assert len(shown) >= 9
    document = line(units(""), "").model_dump(exclude_unset=True)
    document["work_units"] = {
        name: {
            "name": name,
            "role": "machine",
            "calendar": "shift",
            "cycle_time": {"default": WORK},
        }
        for name in ("saw", "lids", "mill", "wash", "oven", "test", "paint", "pack")
    }
    document["storage_zones"] = {
        "mill_in": {"upstream": "saw", "downstream": "mill", "capacity": 4},
        "wash_in": {"upstream": "mill", "downstream": "wash", "capacity": 4},
        "oven_in": {"upstream": "wash", "downstream": "oven", "capacity": 8},
        "test_in": {"upstream": "oven", "downstream": "test", "capacity": 8},
        "paint_in": {"upstream": "test", "downstream": "paint", "capacity": 2},
        "pack_in": {"upstream": "test", "downstream": "pack", "capacity": 2},
        "painted": {"upstream": "paint", "downstream": "pack", "capacity": 2},
        "lids_in": {"upstream": "lids", "downstream": "wash", "capacity": 2},
    }
    document["products"] = {"A1": {"family": "A"}, "B1": {"family": "B"}}
    for piece in shown:
        document = laid_over(document, piece)
    plant = Plant.model_validate(document)
    assert faults(plant) == []
    assert plant.heads() == ["saw", "lids"]
    assert plant.ends() == ["pack"]
    assert plant.main_path() == set(plant.work_units) - {"lids"}
    assert plant.launchers_of("wash") == ["lids", "saw"]
    assert Plant.model_validate_json(plant.model_dump_json()) == plant
    shift = simulate(plant, start=datetime(2026, 3, 2, tzinfo=UTC), horizon_s=8 * 3600.0)
    assert shift.kpis["good_parts"][0] > 100
    new = ("servers", "takes", "pull", "batch", "routes", "operator", "upkeep", "release")
    unset = {
        key for key in new if all(key not in u.model_fields_set for u in plant.work_units.values())
    }
    assert not unset, "the guide shows no example"


def laid_over(under: Any, over: Any) -> Any:
    if not isinstance(under, dict) or not isinstance(over, dict):
        return over
    return {**under, **{key: laid_over(under.get(key), value) for key, value in over.items()}}


@pytest.mark.parametrize(
    "change",
    [
        "station.B.servers=1001",
        "maintenance.crews=1e18",
        "team.staff.count=1001",
        "loop.all.cards=100001",
        "station.C.batch.size=100001",
        "station.C.inspection.rework_limit=100001",
        "station.C.upkeep.clean.every_parts=100001",
    ],
)
def test_a_count_that_no_machine_could_hold_is_refused_before_anything_runs(change: str) -> None:
    big = line(
        units(
            "ABC",
            C={
                "batch": {"size": 2},
                "inspection": {"coverage": 1.0},
                "upkeep": {"clean": {"every_parts": 10, "duration": HOUR}},
            },
        ),
        "ab: A > B, bc: B > C",
        operators={"staff": {"count": 1, "skills": ["A"]}},
        kanban={"all": {"cards": 2, "first": "A", "last": "C"}},
    )
    with pytest.raises(FileFaults, match="less than or equal to") as refused:
        apply_changes(big, [change])
    assert len(refused.value.faults) == 1
