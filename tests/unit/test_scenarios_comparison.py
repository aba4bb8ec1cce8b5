"""Paired comparison on common random numbers."""

from __future__ import annotations

from concurrent.futures import CancelledError, ProcessPoolExecutor, ThreadPoolExecutor
from datetime import datetime
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest

from tests.engine_lab import START, exponential, plant, practice, serial, unit
from twin.engine import open_jobs, simulate
from twin.errors import DataError, FileFaults
from twin.plant import Plant
from twin.scenarios import Comparison, Scenario, apply_changes, compare

MONDAY = datetime.fromisoformat("2026-03-16T06:00:00+01:00")


def line() -> Plant:
    return serial([exponential(5.0)] * 3, 1)


def run(changes: list[str], **more: Any) -> Comparison:
    arguments: dict[str, Any] = {"start": START, "horizon_s": 3600, "replications": 6, "seed": 1}
    return compare(line(), changes, **(arguments | more))


def test_a_comparison_has_the_name_of_its_scenario_or_else_of_its_changes() -> None:
    wide = Scenario.of("wide", "buffer.z0.capacity=5")
    named = compare(line(), wide, start=START, horizon_s=600, replications=2)
    assert (named.name, named.changes) == ("wide", wide.changes)
    assert named.as_dict()["name"] == "wide"
    listed = run(["buffer.z0.capacity=5", "buffer.z1.capacity=5"], replications=2)
    assert listed.name == "buffer.z0.capacity=5, buffer.z1.capacity=5"
    assert run([], replications=2).name == "as it is"


def numbers(comparison: Comparison) -> str:
    return repr(comparison.as_dict())


def test_both_sides_are_what_simulate_gives_on_the_same_seed() -> None:
    found = run(["buffer.z0.capacity=5"])
    changed = apply_changes(line(), ["buffer.z0.capacity=5"])
    for side, one in ((found.baseline, line()), (found.scenario, changed)):
        alone = simulate(one, start=START, horizon_s=3600, replications=6, seed=1)
        assert side.kpis["good_parts"].tolist() == alone.kpis["good_parts"].tolist()
    kpi = found.kpis["good_parts"]
    assert kpi.delta == pytest.approx(kpi.scenario - kpi.baseline)
    assert kpi.delta_low < kpi.delta < kpi.delta_high


def test_no_change_is_no_clear_change_exactly() -> None:
    for kpi in run([]).kpis.values():
        assert (kpi.delta, kpi.delta_low, kpi.delta_high) == (0.0, 0.0, 0.0)
        assert kpi.verdict == "no clear change"


def test_verdicts_follow_the_declared_direction() -> None:
    slower = run(["unit.u1.cycle_time=*1.5"])
    assert slower.kpis["throughput_per_h"].verdict == "worse"
    assert run(["unit.u1.cycle_time=*0.7"]).kpis["throughput_per_h"].verdict == "better"
    hotter = run(["unit.u1.power.production_w=+1000"])
    assert hotter.kpis["energy_kwh"].verdict == "changed"
    assert hotter.kpis["energy_per_part_kwh"].verdict == "worse"
    assert hotter.kpis["throughput_per_h"].verdict == "no clear change"


def test_common_random_numbers_take_variance_away() -> None:
    found = run(["buffer.z0.capacity=2"], replications=12).kpis["good_parts"]
    assert found.variance_reduction > 0.8


def test_ninety_percent_intervals_hold_the_truth_nine_times_out_of_ten() -> None:
    # One exponential unit made 10 % faster: the rate of a saturated unit is 1 / mean, exactly.
    held = 0
    for seed in range(60):
        found = compare(
            plant({"u": unit(exponential(10.0))}),
            ["unit.u.cycle_time=*0.9"],
            start=START,
            horizon_s=3600,
            replications=6,
            seed=seed,
        ).kpis["throughput_per_h"]
        held += found.delta_low <= 3600 / 9.0 - 360.0 <= found.delta_high
    # binomial(60, 0.9): 47..59 holds 99 %
    assert 47 <= held <= 60


def test_the_split_into_blocks_and_the_executor_change_nothing() -> None:
    expected = numbers(run(["buffer.z0.capacity=3"]))
    assert numbers(run(["buffer.z0.capacity=3"], block=4)) == expected
    with ThreadPoolExecutor(2) as threads:
        assert numbers(run(["buffer.z0.capacity=3"], executor=threads)) == expected
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        assert numbers(run(["buffer.z0.capacity=3"], block=3, executor=processes)) == expected


def test_progress_rises_from_zero_to_one() -> None:
    told: list[float] = []
    run([], replications=3, block=1, progress=told.append)
    assert told == pytest.approx(list(np.linspace(0, 1, 7)))


def test_a_cancelled_comparison_stops_between_pieces() -> None:
    told: list[float] = []
    with pytest.raises(CancelledError):
        run([], block=1, progress=told.append, cancelled=lambda: len(told) > 2)
    assert len(told) == 3
    with ThreadPoolExecutor(1) as threads, pytest.raises(CancelledError):
        run([], executor=threads, cancelled=lambda: True)


def test_bad_changes_and_bad_numbers_are_refused_before_anything_runs() -> None:
    with pytest.raises(FileFaults):
        run(["buffer.nope.capacity=3"])
    narrow = Scenario.of("narrow", "buffer.nope.capacity=3")
    with pytest.raises(FileFaults, match=r"scenario narrow \[.*\]: storage_zones has no nope"):
        compare(line(), narrow, start=START, horizon_s=600)
    for wrong in ({"replications": 0}, {"block": 0}, {"level": 1.0}):
        with pytest.raises(DataError):
            run([], **wrong)
    with pytest.raises(TypeError, match=r"'until'.*horizon_s"):
        compare(line(), [], start=START, until=3)  # type: ignore[call-arg]


def test_the_document_has_the_shape_that_the_api_sends() -> None:
    one = practice()
    found = compare(
        one,
        ["station.reflow.peak_temperature=+3"],
        start=MONDAY,
        horizon_s=3600,
        jobs=open_jobs(one),
        replications=2,
        engine="reference",
    ).as_dict()
    assert found["changes"] == ["station.reflow.peak_temperature=+3"]
    assert (found["engine"], found["replications"], found["horizon_h"]) == ("reference", 2, 1.0)
    names = [kpi["name"] for kpi in found["kpis"]]
    assert {"throughput_per_h", "yield_ratio", "energy_kwh", "tardiness_h"} <= set(names)
    assert set(found["kpis"][0]) == {
        "name",
        "unit",
        "better",
        "baseline",
        "scenario",
        "delta",
        "delta_low",
        "delta_high",
        "verdict",
        "variance_reduction",
    }
