"""Sweeps: every combination, each in pairs with the line as it is."""

from __future__ import annotations

import json
from concurrent.futures import CancelledError
from typing import Any

import pytest

from connectors.runtime.sweeps import grid_of
from tests.engine_lab import START, exponential, plant, serial, unit
from twin.errors import DataError, FileFaults, NotFoundError
from twin.plant import Plant
from twin.scenarios import Sweep, compare, sweep

GRID = {"buffer.z0.capacity": [1, "+2"], "station.u1.cycle_time": ["*0.8", "*1", "*1.3"]}


def line() -> Plant:
    return serial([exponential(5.0)] * 3, 1)


def run(grid: dict[str, Any], **more: Any) -> Sweep:
    arguments: dict[str, Any] = {"start": START, "horizon_s": 3600, "replications": 4, "seed": 1}
    return sweep(line(), grid, **(arguments | more))


def test_every_combination_is_there_and_the_last_path_moves_fastest() -> None:
    assert [point.values for point in run(GRID).points] == [
        (1, "*0.8"),
        (1, "*1"),
        (1, "*1.3"),
        ("+2", "*0.8"),
        ("+2", "*1"),
        ("+2", "*1.3"),
    ]


def test_whole_numbers_give_the_bytes_that_the_command_line_gives() -> None:
    asked = {"buffer.z0.capacity": [1, 4], "station.u1.servers": [2]}
    typed = grid_of(["buffer.z0.capacity=1,4", "station.u1.servers=2"])
    here, there = (json.dumps(run(dict(grid)).as_dict(), indent=2) for grid in (asked, typed))
    assert here == there


def test_a_point_is_what_a_comparison_of_its_changes_gives() -> None:
    found = run(GRID).points[3]
    alone = compare(
        line(), found.changes, start=START, horizon_s=3600, replications=4, seed=1, level=0.9
    )
    assert [str(change) for change in found.changes] == [
        "buffer.z0.capacity=+2",
        "station.u1.cycle_time=*0.8",
    ]
    assert {n: k.as_dict() for n, k in found.kpis.items()} == {
        n: k.as_dict() for n, k in alone.kpis.items()
    }
    assert found.means["good_parts"] == alone.scenario.summary("good_parts")


def test_the_point_that_changes_nothing_has_no_difference_at_all() -> None:
    same = run(GRID).points[1]
    assert all(k.delta == 0.0 and k.verdict == "no clear change" for k in same.kpis.values())


def test_the_exact_rate_of_one_machine_is_in_the_interval() -> None:
    # A saturated exponential machine makes 3600 / mean parts an hour.
    found = sweep(
        plant({"u": unit(exponential(10.0))}),
        {"station.u.cycle_time.default.mean_s": [5, 8, 20]},
        start=START,
        horizon_s=36000,
        replications=8,
        level=0.999,
    )
    for point, rate in zip(found.points, (720.0, 450.0, 180.0), strict=True):
        _, low, high = point.means["throughput_per_h"]
        assert low <= rate <= high
        pair = point.kpis["throughput_per_h"]
        assert pair.delta_low <= rate - 360.0 <= pair.delta_high


def test_a_row_has_every_column_once() -> None:
    found = run(GRID, kpis=["throughput_per_h", "yield_ratio"])
    assert found.columns() == [
        *GRID,
        *(
            kpi + end
            for kpi in ("throughput_per_h", "yield_ratio")
            for end in ("", "_low", "_high", "_delta", "_delta_low", "_delta_high", "_verdict")
        ),
    ]
    for row in found.rows():
        assert list(row) == found.columns()
    assert found.rows()[0]["buffer.z0.capacity"] == 1


def test_the_document_is_plain_and_says_what_ran() -> None:
    found = run(GRID, kpis=["good_parts"]).as_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["seed"], found["replications"], found["horizon_h"]) == (1, 4, 1.0)
    assert found["kpis"] == [{"name": "good_parts", "unit": "count", "better": "higher"}]
    assert set(found["baseline"]["good_parts"]) == {"mean", "low", "high"}
    assert len(found["points"]) == 6


def test_the_line_as_it_is_runs_once() -> None:
    told: list[float] = []
    run(GRID, block=100, progress=told.append)
    assert told == pytest.approx([i / 7 for i in range(8)])


def test_every_fault_at_any_point_is_named_before_anything_runs() -> None:
    told: list[float] = []
    with pytest.raises(FileFaults) as refused:
        run(
            {"buffer.z0.capacity": [1, -1, "*1.5"], "station.u9.cycle_time": ["*2"]},
            progress=told.append,
        )
    text = str(refused.value)
    assert "found -1" in text
    assert "found 1.5" in text
    assert "at buffer.z0.capacity=*1.5, station.u9.cycle_time=*2" in text
    assert "work_units has no u9" in text
    assert "at buffer.z0.capacity=1, station.u9.cycle_time=*2; buffer.z0" in text
    assert told == []


def test_a_fault_at_many_points_names_some_and_counts_the_others() -> None:
    with pytest.raises(FileFaults, match=r"and 30 more\)") as refused:
        run({"buffer.z0.capacity": list(range(50)), "buffer.nope.capacity": [1]})
    assert len(refused.value.faults) == 1


def test_a_grid_without_a_point_or_with_too_many_is_refused() -> None:
    empty: list[dict[str, Any]] = [{}, {"buffer.z0.capacity": []}]
    for grid in empty:
        with pytest.raises(DataError, match="no point"):
            run(grid)
    with pytest.raises(DataError, match=r"10,201 points, more than 10,000"):
        run({"buffer.z0.capacity": list(range(101)), "buffer.z1.capacity": list(range(101))})


def test_a_sweep_can_be_cancelled_while_its_points_are_checked() -> None:
    asked: list[None] = []

    def third_time() -> bool:
        asked.append(None)
        return len(asked) > 2

    with pytest.raises(CancelledError):
        run({"buffer.z0.capacity": list(range(1000))}, cancelled=third_time)
    assert len(asked) == 3


def test_a_kpi_that_does_not_exist_is_refused() -> None:
    with pytest.raises(NotFoundError, match="no KPI nope; known are throughput_per_h"):
        run(GRID, kpis=["nope"])
