"""Results on disk: to the last bit what a run gives, found only where nothing that matters differs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from tests.engine_lab import START, exponential, job, later, practice, serial
from twin.engine import (
    LiveState,
    PartStart,
    PlannedMaintenance,
    RunResult,
    UnitStart,
    open_jobs,
    simulate,
)
from twin.errors import DataError
from twin.plant import FailureForecast, Plant, WorkUnitState
from twin.scenarios import (
    Execution,
    RunArguments,
    RunCache,
    Scenario,
    blocks,
    cache,
    compare,
    run_plants,
    select_best,
    sweep,
)
from twin.scenarios.arguments import simulated
from twin.scenarios.stored import first_replications, from_bytes, to_bytes

RUN: RunArguments = {"start": START, "horizon_s": 3600.0, "seed": 3}


def line() -> Plant:
    return serial([exponential(5.0)] * 2, 1)


def bits(value: Any) -> Any:
    """Everything in a result, arrays as bytes with their type and shape."""
    if isinstance(value, RunResult):
        return {f.name: bits(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, dict):
        return [(k, bits(v)) for k, v in value.items()]
    return value


def result(cache: RunCache | None, replications: int, **more: Any) -> RunResult:
    run: Any = RUN | more
    execution = Execution(cache=cache)
    return run_plants([line], run, range(replications), execution, lambda r: r)[0]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[range]:
    """Replications that were really run."""
    ran: list[range] = []

    def noted(plant: Plant, run: RunArguments, first: int, count: int) -> RunResult:
        ran.append(range(first, first + count))
        return simulated(plant, run, first, count)

    monkeypatch.setattr(blocks, "simulated", noted)
    return ran


def test_what_is_read_back_is_what_was_written_to_the_last_bit() -> None:
    one = practice()
    found = simulate(
        one, start=later(6 * 3600.0), horizon_s=8000.0, jobs=open_jobs(one), replications=3
    )
    assert any(np.isnan(v).any() for v in found.order_finished_s.values())
    assert bits(from_bytes(to_bytes(found))) == bits(found)


def test_the_first_replications_of_a_result_are_those_of_a_shorter_run() -> None:
    more = simulate(line(), replications=8, **RUN)
    assert bits(first_replications(more, 3)) == bits(simulate(line(), replications=3, **RUN))


def test_an_event_log_is_not_stored() -> None:
    with pytest.raises(DataError, match="event logs"):
        to_bytes(simulate(line(), trace=True, **RUN))


def test_a_cached_result_is_the_fresh_one_to_the_last_bit(
    tmp_path: Path, runs: list[range]
) -> None:
    fresh = result(None, 12)
    first = result(RunCache(tmp_path), 12)
    del runs[:]
    again = result(RunCache(tmp_path), 12)
    assert runs == []
    assert bits(first) == bits(again) == bits(fresh)


def test_more_replications_run_only_what_is_not_there(tmp_path: Path, runs: list[range]) -> None:
    here = RunCache(tmp_path)
    result(here, 16)
    del runs[:]
    assert bits(result(here, 32)) == bits(result(None, 32))
    assert runs[:2] == [range(16, 24), range(24, 32)]


def test_fewer_replications_are_the_beginning_of_what_is_there(
    tmp_path: Path, runs: list[range]
) -> None:
    here = RunCache(tmp_path)
    result(here, 16)
    del runs[:]
    found = result(here, 11)
    assert runs == []
    assert bits(found) == bits(result(None, 11))


def test_everything_that_can_change_a_result_changes_the_key(tmp_path: Path) -> None:
    here = RunCache(tmp_path)
    other = line().model_copy(update={"timezone": "Europe/Berlin"})
    live = LiveState(at=START, zones={"z0": (PartStart(order_id="o", product="P"),)})
    at_work = LiveState(
        at=START, units={"u0": UnitStart(state=WorkUnitState.PRODUCTION, product="P")}
    )
    forecast = FailureForecast(
        work_unit="u0",
        failure_mode="x",
        made_at=START,
        horizon_h=(1.0,),
        probability=(0.5,),
        model="m",
    )
    work = PlannedMaintenance(work_unit="u0", start_at=START, duration_s=1.0)
    changes: list[dict[str, Any]] = [
        {},
        {"start": later(1.0)},
        {"horizon_s": 3601.0},
        {"seed": 4},
        {"jobs": ()},
        {"jobs": (job("o", 3),)},
        {"jobs": (job("o", 4),)},
        {"state": live},
        {"state": at_work},
        {"forecasts": (forecast,)},
        {"forecasts": (replace(forecast, probability=(0.6,)),)},
        {"maintenance": (work,)},
        {"warm_up_s": 60.0},
        {"mix": {"P": 3}},
        {"limited_supply": True},
    ]
    keys = [here.key(line(), cast("RunArguments", RUN | change)) for change in changes]
    keys.append(here.key(other, RUN))
    assert len(set(keys)) == len(keys)


def test_what_cannot_change_a_result_does_not_change_the_key(tmp_path: Path) -> None:
    here = RunCache(tmp_path)
    said: list[RunArguments] = [
        RUN,
        RUN | {"engine": "reference"},
        cast("RunArguments", RUN | {"seed": np.int64(3)}),
        RUN | {"horizon_s": 3600, "warm_up_s": 0, "jobs": None, "forecasts": []},
    ]
    assert len({here.key(line(), run) for run in said}) == 1


def test_other_code_does_not_see_old_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = RunCache(tmp_path).key(line(), RUN)
    monkeypatch.setattr(cache, "code_version", lambda: "other")
    assert RunCache(tmp_path).key(line(), RUN) != before


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text"])
def test_a_damaged_file_counts_as_absent(tmp_path: Path, runs: list[range], damage: str) -> None:
    result(RunCache(tmp_path), 8)
    (path,) = tmp_path.glob("*.npz")
    data = bytearray(path.read_bytes())
    if damage == "flipped":
        data[len(data) // 2] ^= 0xFF
    damaged = {"cut": data[:-40], "flipped": data, "empty": bytearray(), "text": bytearray(99)}
    path.write_bytes(damaged[damage])
    assert bits(result(RunCache(tmp_path), 8)) == bits(result(None, 8))
    assert runs[1] == range(8)
    assert from_bytes(path.read_bytes()).replications == 8


def test_what_was_not_used_for_longest_is_deleted_and_nothing_else(tmp_path: Path) -> None:
    other = tmp_path / "mine.npz"
    other.write_bytes(b"x")
    result(RunCache(tmp_path), 8)
    (one,) = tmp_path.glob("*-*.npz")
    size = one.stat().st_size
    here = RunCache(tmp_path, limit_bytes=int(4.5 * size))
    for seed in (11, 12, 13):
        result(here, 8, seed=seed)
    for i, path in enumerate(sorted(tmp_path.glob("*-*.npz"), key=lambda p: p != one)):
        os.utime(path, (1000.0 + i, 1000.0 + i))
    result(here, 8)  # used again: now the newest
    result(here, 8, seed=14)
    assert one.exists()
    assert other.exists()
    assert len(list(tmp_path.glob("*-*.npz"))) == 4


def test_a_disk_that_takes_nothing_costs_no_answer(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    here = RunCache(tmp_path / "file" / "cache")
    assert bits(result(here, 8)) == bits(result(None, 8))


@contextmanager
def full_disk(bytes_left: int) -> Iterator[None]:
    """Files of this process stop growing there, in the middle of a write: OSError, as of a full disk."""
    resource = pytest.importorskip("resource", reason="resource: not on this system")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_costs_no_answer_leaves_nothing_half_written_and_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    here, fresh = RunCache(tmp_path), bits(result(None, 40))
    with full_disk(100):
        assert bits(result(here, 40)) == fresh
    assert list(tmp_path.iterdir()) == []
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path} keeps no results: File too large"
    ]
    assert bits(result(here, 40)) == fresh
    assert len(list(tmp_path.glob("*.npz"))) == 5


def test_a_folder_that_only_can_be_read_gives_its_results(
    tmp_path: Path, runs: list[range], caplog: pytest.LogCaptureFixture
) -> None:
    first = result(RunCache(tmp_path), 24)
    del runs[:]
    with read_only(tmp_path):
        here = RunCache(tmp_path)
        assert bits(result(here, 24)) == bits(first)
        assert (runs, caplog.messages) == ([], [])
        result(here, 40)
    assert len(caplog.messages) == 1


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A mount of the folder onto itself: root may write into what has no write permission."""
    at = str(folder)
    try:
        subprocess.run(["mount", "--bind", at, at], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mount: not allowed here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", at], check=True, capture_output=True)
        yield
    finally:
        subprocess.run(["umount", at], check=True)


def test_experiments_find_the_runs_of_each_other(tmp_path: Path, runs: list[range]) -> None:
    here: Any = {"cache": RunCache(tmp_path), **RUN}
    wide = Scenario.of("wide", "buffer.z0.capacity=5")
    fresh = compare(line(), wide, **RUN).as_dict()
    assert compare(line(), wide, **here).as_dict() == fresh
    del runs[:]
    grid = {"buffer.z0.capacity": [5]}
    found = sweep(line(), grid, **here)
    assert found.points[0].kpis["good_parts"].as_dict() in fresh["kpis"]
    best = select_best(line(), [Scenario.of("now"), wide], "throughput_per_h", **here)
    assert best.best == "wide"
    assert all(ran.start >= 16 for ran in runs)


def test_an_engine_that_is_asked_for_by_name_plays_what_another_one_has_left(
    tmp_path: Path, runs: list[range]
) -> None:
    by = {"events": "reference", "reference": "events"}
    for asked, other in by.items():
        here = RunCache(tmp_path / asked)
        result(here, 8, engine=other)
        found = result(here, 8, engine=asked)
        assert (found.engine, found.reason) == (asked, "asked for")
        assert runs[-2:] == [range(8), range(8)]
        del runs[:]
        again = result(here, 8, engine=asked)
        assert (bits(again), runs) == (bits(found), [])


def test_what_somebody_else_asked_for_is_no_reason(tmp_path: Path) -> None:
    here = RunCache(tmp_path)
    result(here, 8, engine="events")
    found = result(here, 8)
    assert (found.engine, found.reason) == ("events", "kept from an earlier run")


def test_a_result_of_several_engines_says_so(tmp_path: Path, runs: list[range]) -> None:
    here = RunCache(tmp_path)
    result(here, 8, engine="events")
    here.put(here.key(line(), RUN), simulated(line(), RUN | {"engine": "reference"}, 8, 8))
    now = result(None, 16)
    del runs[:]
    found = result(here, 16)
    assert (found.engine, runs) == ("events", [])
    assert found.reason == (
        "kept from an earlier run; 8 of 16 replications on reference: kept from an earlier run"
    )
    assert bits(replace(found, engine="", reason="")) == bits(replace(now, engine="", reason=""))
