"""Changes as people write them, applied as strictly as a plant file is read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine_lab import plant, practice, unit
from twin.errors import DataError, FileFaults
from twin.plant import Plant
from twin.scenarios import Change, apply_changes, parse_change


@pytest.fixture(scope="module")
def line() -> Plant:
    return practice()


@pytest.mark.parametrize(
    ("text", "op", "value"),
    [
        ("a.b=245", "set", 245.0),
        ("a.b = +3", "add", 3.0),
        ("a.b=-3.5", "add", -3.5),
        ("a.b=*1.1", "multiply", 1.1),
        ("a.b==-3", "set", -3.0),
        ("a.b=night", "set", "night"),
    ],
)
def test_a_change_says_path_operation_and_value(text: str, op: str, value: float | str) -> None:
    change = parse_change(text)
    assert (change.path, change.op, change.value) == ("a.b", op, value)


@given(
    st.sampled_from(["set", "add", "multiply"]),
    st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 3)),
)
def test_a_change_reads_back_what_it_writes(op: str, value: float) -> None:
    change = Change(path="station.reflow.x", op=op, value=value)
    assert parse_change(str(change)) == change


@pytest.mark.parametrize("text", ["", "a.b", "=3", "a.b=", "a.b=*x", "a.b=+x"])
def test_what_is_not_a_change_is_refused_with_the_way_to_write_one(text: str) -> None:
    with pytest.raises(DataError, match="path=value"):
        parse_change(text)


def test_the_long_path_and_the_short_one_mean_the_same(line: Plant) -> None:
    long = apply_changes(line, ["work_units.reflow.parameters.peak_temperature.value=+3"])
    short = apply_changes(line, ["station.reflow.peak_temperature=+3"])
    assert long == short
    assert short.work_units["reflow"].parameters["peak_temperature"].value == 247.0


def test_a_parameter_moves_the_power_of_its_unit(line: Plant) -> None:
    power = apply_changes(line, ["station.reflow.peak_temperature=+3"]).work_units["reflow"].power
    assert power.production_w == 14_500 + 3 * 62
    assert power.idle_w == 9_800 + 3 * 62
    assert power.off_w == 980


def test_buffers_laws_and_crews_can_be_changed(line: Plant) -> None:
    changed = apply_changes(
        line,
        [
            "buffer.aoi_in.capacity=12",
            "buffer.spi_in.capacity=*1.5",
            "station.printer.cycle_time=*0.5",
            "station.packing.failure_modes.bearing.time_to_failure.shape=2",
            "maintenance.crews=2",
        ],
    )
    assert changed.storage_zones["aoi_in"].capacity == 12
    assert changed.storage_zones["spi_in"].capacity == 6
    law = line.work_units["printer"].cycle_law("FG-GW10")
    assert changed.work_units["printer"].cycle_law("FG-GW10") == law.scaled(0.5)
    bearing = changed.work_units["packing"].failure_modes["bearing"].time_to_failure
    assert bearing.model_dump()["shape"] == 2.0
    assert changed.maintenance.crews == 2


def test_no_change_is_the_same_plant(line: Plant) -> None:
    assert apply_changes(line, []) == line


def test_every_fault_is_reported_at_once_and_the_plant_is_left_alone(line: Plant) -> None:
    with pytest.raises(FileFaults) as refused:
        apply_changes(
            line,
            [
                "station.reflow.peak_temperature=+30",
                "buffer.nope.capacity=3",
                "station.aoi.cycle_time=+3",
                "buffer.aoi_in.capacity=*1.07",
                "station.reflow=3",
                "station.printer.name=+1",
            ],
        )
    text = str(refused.value)
    for part in (
        "must lie between",
        "no nope",
        "multiply it",
        "6.42",
        "not one value",
        "no number",
    ):
        assert part in text
    assert len(refused.value.faults) == 6


def test_a_path_goes_into_lists_by_place() -> None:
    line = two_ways()
    changed = apply_changes(
        line, ["station.head.routes.0.share=*0.5", "station.head.routes.1.share=+0.25"]
    )
    assert [route.share for route in changed.work_units["head"].routes] == [0.25, 0.75]
    assert line.work_units["head"].routes[0].share == 0.5
    with pytest.raises(FileFaults, match="routes has no 2; use a place from 0 to 1"):
        apply_changes(line, ["station.head.routes.2.share=1"])
    with pytest.raises(FileFaults, match="go on to a place from 0 to 1"):
        apply_changes(line, ["station.head.routes=1"])


def test_cards_people_and_servers_are_changed_by_short_paths_and_stay_whole() -> None:
    changed = apply_changes(
        two_ways(), ["loop.all.cards=+2", "team.staff.count=*2", "station.left.servers=3"]
    )
    for number, expected in (
        (changed.kanban["all"].cards, 6),
        (changed.operators["staff"].count, 2),
        (changed.work_units["left"].servers, 3),
    ):
        assert (type(number), number) == (int, expected)
    assert changed == apply_changes(
        two_ways(), ["kanban.all.cards=6", "operators.staff.count=2", "unit.left.servers=+2"]
    )


def test_half_a_card_is_refused() -> None:
    with pytest.raises(FileFaults, match=r"6\.5"):
        apply_changes(two_ways(), ["loop.all.cards=+2.5"])


def test_what_the_plant_file_leaves_out_must_be_written_there_first() -> None:
    with pytest.raises(FileFaults, match="batch has no size; add it to the plant file first"):
        apply_changes(two_ways(), ["station.left.batch.size=4"])


def two_ways() -> Plant:
    """A head that sends half of its parts left and half right, under four cards."""
    halves = ({"zone": "to_left", "share": 0.5}, {"zone": "to_right", "share": 0.5})
    units = {"head": unit(1.0, routes=halves), "left": unit(1.0), "right": unit(1.0)}
    zones = {"to_left": ("head", "left", 2), "to_right": ("head", "right", 2)}
    document = plant(units, zones).model_dump() | {
        "kanban": {"all": {"cards": 4, "first": "head", "last": "to_left"}},
        "operators": {"staff": {"count": 1, "skills": ("left",)}},
    }
    return Plant.model_validate(document)


def test_a_name_that_the_plant_does_not_have_is_refused(line: Plant) -> None:
    with pytest.raises(FileFaults, match='calendar "night" is not known; use one of two_shift'):
        apply_changes(line, ["station.spi.calendar=night"])


@pytest.mark.parametrize("key", ["production_w", "idle_w", "slope_w"])
def test_a_text_in_place_of_a_power_is_a_fault(line: Plant, key: str) -> None:
    with pytest.raises(FileFaults, match=f"reflow.power.{key}"):
        apply_changes(line, [f"station.reflow.power.{key}=abc"])


@pytest.mark.parametrize(
    ("law", "path"),
    [
        ({"law": "exponential", "mean_s": 5.0}, "mean_s"),
        ({"law": "empirical", "quantiles_s": [1.0, 2.0]}, "quantiles_s.1"),
    ],
)
def test_a_text_in_a_law_that_is_multiplied_is_a_fault(law: dict[str, Any], path: str) -> None:
    one = plant({"a": unit(law)}, {})
    with pytest.raises(FileFaults, match="found soon"):
        apply_changes(one, [f"station.a.cycle_time.default.{path}=soon", "station.a.cycle_time=*2"])
