"""Laws that every run keeps, whatever the line."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import fields
from datetime import datetime
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine_lab import START, exponential, later, plant, practice, serial, unit
from twin.engine import RunResult, open_jobs, simulate
from twin.engine.measure import joined
from twin.plant import Plant

MONDAY = datetime.fromisoformat("2026-03-16T06:00:00+01:00")

cycles = st.one_of(
    st.builds(lambda m: {"law": "exponential", "mean_s": m}, st.floats(1, 20)),
    st.builds(
        lambda m, cv: {"law": "lognormal", "mean_s": m, "cv": cv},
        st.floats(1, 20),
        st.floats(0.05, 1.5),
    ),
    st.builds(lambda m: {"law": "constant", "value_s": m}, st.integers(1, 20).map(float)),
)
lines = st.lists(cycles, min_size=2, max_size=5)


def same(a: Any, b: Any) -> bool:
    """Equal to the last bit, all the way down; NaN equals NaN."""
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if hasattr(a, "__dataclass_fields__"):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    return bool(a == b)


def day(line: Plant, **more: Any) -> RunResult:
    return simulate(line, start=MONDAY, horizon_s=18 * 3600, jobs=open_jobs(line), **more)


def test_same_seed_same_result_to_the_last_bit_another_seed_another() -> None:
    line = practice()
    first = day(line, seed=3, trace=True)
    assert same(first, day(practice(), seed=3, trace=True))
    assert same(first, pickle.loads(pickle.dumps(first)))  # noqa: S301 - our own bytes
    assert not same(first.kpis, day(line, seed=4).kpis)


def test_replications_are_the_same_in_any_blocks() -> None:
    line = practice()
    whole = day(line, replications=4)
    parts = [day(line, replications=n, first_replication=f) for f, n in ((3, 1), (0, 2), (2, 1))]
    assert same(whole, joined(parts))


@settings(max_examples=40, deadline=None)
@given(lines, st.integers(0, 3), st.integers(1, 4), st.integers(0, 99))
def test_a_larger_buffer_never_lowers_saturated_throughput(
    units: list[dict[str, Any]], capacity: int, more: int, seed: int
) -> None:
    small = simulate(serial(units, capacity), start=START, horizon_s=2000, seed=seed)
    large = simulate(serial(units, capacity + more), start=START, horizon_s=2000, seed=seed)
    assert large.kpis["good_parts"][0] >= small.kpis["good_parts"][0]


@settings(max_examples=30, deadline=None)
@given(lines, st.integers(0, 3), st.sampled_from([2.0, 4.0, 0.5]))
def test_scaling_all_times_scales_the_event_log(
    units: list[dict[str, Any]], capacity: int, factor: float
) -> None:
    def scaled(law: dict[str, Any]) -> dict[str, Any]:
        return {k: v * factor if k.endswith("_s") else v for k, v in law.items()}

    mode = {"jam": {"time_to_failure": exponential(50.0), "repair": exponential(5.0)}}
    slow_mode = {"jam": {k: scaled(law) for k, law in mode["jam"].items()}}

    def log(laws: list[dict[str, Any]], modes: dict[str, Any], horizon_s: float) -> Any:
        line = plant(
            {f"u{i}": unit(law, failure_modes=modes) for i, law in enumerate(laws)},
            {f"z{i}": (f"u{i}", f"u{i + 1}", capacity) for i in range(len(laws) - 1)},
        )
        return simulate(line, start=START, horizon_s=horizon_s, trace=True).trace

    a = log(units, mode, 1000.0)
    b = log([scaled(law) for law in units], slow_mode, 1000.0 * factor)
    # a power of two scales a float without rounding
    assert (a.time_s * factor).tolist() == b.time_s.tolist()
    assert a.kind.tolist() == b.kind.tolist()


@settings(max_examples=20, deadline=None)
@given(lines, st.integers(0, 3))
def test_what_is_launched_is_finished_scrapped_or_in_the_line(
    units: list[dict[str, Any]], capacity: int
) -> None:
    run = simulate(serial(units, capacity), start=START, horizon_s=500, trace=True)
    assert run.trace is not None
    first, last = 0, len(units) - 1
    ends = run.trace.kind == run.trace.kinds.index("finish")
    begun = int(run.starts["u0", "P"].sum())
    left = int((ends & (run.trace.unit == last)).sum())
    assert left == run.kpis["good_parts"][0]
    held = begun - left
    assert 0 <= held <= len(units) + capacity * last
    assert int((ends & (run.trace.unit == first)).sum()) <= begun <= left + held


def test_a_station_more_does_not_shift_the_streams_of_the_others() -> None:
    law = exponential(5.0)
    short = simulate(serial([law, law], 50), start=START, horizon_s=500, trace=True)
    long = simulate(serial([law, law, law], 50), start=START, horizon_s=500, trace=True)

    def finishes(run: RunResult, name: str) -> list[float]:
        assert run.trace is not None
        rows = (run.trace.kind == run.trace.kinds.index("finish")) & (
            run.trace.unit == run.trace.units.index(name)
        )
        return run.trace.time_s[rows].tolist()

    assert finishes(short, "u0") == finishes(long, "u0")
    assert finishes(short, "u1") == finishes(long, "u1")


def test_the_place_of_a_unit_in_the_file_changes_no_time() -> None:
    zones = {"z0": ("a", "b", 1), "z1": ("b", "c", 1)}
    units = {name: unit(exponential(5.0)) for name in "abc"}
    one = simulate(plant(units, zones), start=START, horizon_s=2000)
    other = simulate(
        plant({n: units[n] for n in "cab"}, dict(reversed(zones.items()))),
        start=START,
        horizon_s=2000,
    )
    assert same(one.kpis, other.kpis)


def test_a_later_horizon_only_adds_events() -> None:
    line = practice()
    short = simulate(line, start=MONDAY, horizon_s=3600, jobs=open_jobs(line), trace=True)
    long = simulate(line, start=MONDAY, horizon_s=7200, jobs=open_jobs(line), trace=True)
    assert short.trace is not None
    assert long.trace is not None
    n = len(short.trace)
    assert short.trace.time_s.tolist() == long.trace.time_s[:n].tolist()
    assert long.trace.time_s[n] > 3600.0


def test_a_mix_sets_the_lots_of_a_saturated_line() -> None:
    line = plant({"u": unit(1.0)}, products={"P": "F", "Q": "F"})
    run = simulate(line, start=START, horizon_s=99, mix={"P": 3, "Q": 1})
    assert run.starts["u", "P"].sum() == 75
    assert run.starts["u", "Q"].sum() == 25


def test_importing_the_engine_does_not_import_simpy() -> None:
    code = "import sys, twin.engine, twin.scenarios; sys.exit('simpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_warm_up_leaves_the_beginning_out_of_kpis_and_shares() -> None:
    run = simulate(serial([2.0, 5.0], 1), start=START, horizon_s=1007, warm_up_s=7)
    assert run.kpis["good_parts"][0] == 200.0
    assert run.unit_states["u1"]["production"][0] == 1.0
    assert run.start == later(0)
