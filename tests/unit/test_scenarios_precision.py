"""Replications until an interval is narrow enough."""

from __future__ import annotations

import json
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from tests.engine_lab import START, exponential, job, serial
from twin.engine import LiveState, RunResult, simulate, t_interval
from twin.errors import DataError, NotFoundError
from twin.plant import Plant
from twin.scenarios.precision import PreciseRun, run_until


def line() -> Plant:
    return serial([exponential(5.0), exponential(6.0)], 1)


def until(width: float, **more: Any) -> PreciseRun:
    arguments: dict[str, Any] = {"start": START, "horizon_s": 2000.0, "seed": 4, "warm_up": 0.0}
    return run_until(line(), relative_half_width=width, **(arguments | more))


def same(a: RunResult, b: RunResult) -> bool:
    return (
        a.as_dict() == b.as_dict()
        and all((a.kpis[k].tobytes() == b.kpis[k].tobytes()) for k in a.kpis)
        and all((a.starts[k] == b.starts[k]).all() for k in a.starts)
        and a.measured_s.tobytes() == b.measured_s.tobytes()
    )


def test_the_run_is_one_simulation_of_so_many_replications() -> None:
    found = until(0.02)
    alone = simulate(
        line(), start=START, horizon_s=2000.0, seed=4, replications=found.run.replications
    )
    assert found.reached
    assert same(found.run, alone)


def test_it_stops_at_the_first_number_that_is_enough() -> None:
    found = until(0.02)
    n = found.run.replications
    assert n > 10
    all_of_them = simulate(line(), start=START, horizon_s=2000.0, seed=4, replications=n)
    x = all_of_them.kpis["throughput_per_h"]

    def width(m: int) -> float:
        mean, low, high = t_interval(x[:m], 0.95)
        return (high - low) / 2 / mean

    assert width(n) <= 0.02 / 1.02
    assert all(width(m) > 0.02 / 1.02 for m in range(10, n))


@pytest.mark.parametrize("block", [1, 3, 100])
def test_blocks_and_executors_change_no_bit(block: int) -> None:
    with ThreadPoolExecutor(2) as pool:
        other = until(0.02, block=block, executor=pool)
    assert same(other.run, until(0.02).run)
    assert other.as_dict() == until(0.02).as_dict()


def test_several_kpis_are_all_as_precise_as_asked() -> None:
    found = until(0.05, kpi=["throughput_per_h", "flow_time_s"])
    assert found.reached
    assert set(found.kpis) == {"throughput_per_h", "flow_time_s"}
    alone = [until(0.05, kpi=name).run.replications for name in found.kpis]
    assert found.run.replications >= max(alone)


def test_it_says_that_it_stopped_at_the_most_that_were_allowed() -> None:
    found = until(0.001, at_most=12)
    assert found.run.replications == 12
    assert not found.reached
    assert "stopped at 12 replications" in found.message
    assert "throughput_per_h" in found.message


def test_a_line_without_chance_needs_the_fewest_replications() -> None:
    found = run_until(
        serial([5.0, 6.0], 1), relative_half_width=0.01, start=START, horizon_s=600.0, warm_up=0.0
    )
    assert (found.run.replications, found.reached) == (10, True)
    assert found.kpis["throughput_per_h"].relative_half_width == 0.0


def test_nearly_all_means_lie_within_the_asked_share_of_the_true_one() -> None:
    # Two alike exponential stations with b places between work at (b + 2) / (b + 3) of their rate. (Hunt 1956)
    plant = serial([exponential(1.0), exponential(1.0)], 1)
    exact = 3600.0 * 3 / 4
    hits = 0
    for seed in range(24):
        found = run_until(
            plant,
            relative_half_width=0.05,
            start=START,
            horizon_s=400.0,
            warm_up=40.0,
            seed=seed,
        )
        hits += abs(found.kpis["throughput_per_h"].mean - exact) <= 0.05 * exact
    assert hits >= 20


def test_the_warm_up_is_found_where_the_line_begins_empty() -> None:
    found = until(0.05, warm_up="auto")
    assert found.warm_up.truncation is not None
    assert found.run.warm_up_s == found.warm_up.seconds


def test_a_live_state_and_jobs_have_no_warm_up() -> None:
    live = until(0.05, warm_up="auto", state=LiveState(at=START))
    jobs = until(0.5, warm_up="auto", jobs=[job("o", 5)])
    assert (live.warm_up.seconds, jobs.warm_up.seconds) == (0.0, 0.0)
    assert "live state" in live.warm_up.message
    assert "jobs" in jobs.warm_up.message


def test_progress_rises_to_1_and_never_falls() -> None:
    told: list[float] = []
    until(0.02, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_it_can_be_called_off() -> None:
    with pytest.raises(CancelledError):
        until(0.02, cancelled=lambda: True)


def test_what_came_of_it_is_plain_json() -> None:
    plain = json.loads(json.dumps(until(0.05).as_dict()))
    assert plain["reached"] is True
    assert plain["precision"]["throughput_per_h"]["relative_half_width"] <= 0.05
    assert np.isfinite(plain["warm_up"]["warm_up_s"])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"width": 0.0}, "relative_half_width"),
        ({"width": 0.1, "first": 1}, "first"),
        ({"width": 0.1, "at_most": 5}, "at_most"),
        ({"width": 0.1, "level": 1.0}, "level"),
        ({"width": 0.1, "kpi": []}, "at least one"),
    ],
)
def test_arguments_out_of_range_are_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=says):
        until(**wrong)


def test_a_kpi_that_nobody_knows_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(NotFoundError, match="throughput_per_h"):
        until(0.1, kpi="beauty")
