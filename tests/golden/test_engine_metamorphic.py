"""What must happen to a result when the line changes in a known way, whatever the numbers are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine_lab import START, exponential, plant, serial, unit
from tests.exact_cases import ENGINES, Estimate, failing, rate, with_parts
from twin.engine import EventTrace, RunResult, simulate
from twin.engine.choose import Engine
from twin.plant import Plant

engines = pytest.mark.parametrize("engine", ENGINES)
laws = st.one_of(
    st.builds(lambda m: {"law": "exponential", "mean_s": m}, st.floats(1, 20)),
    st.builds(
        lambda m, cv: {"law": "lognormal", "mean_s": m, "cv": cv},
        st.floats(1, 20),
        st.floats(0.05, 1.5),
    ),
    st.builds(lambda m: {"law": "constant", "value_s": m}, st.integers(1, 20).map(float)),
)
rows = st.lists(laws, min_size=2, max_size=4)
seeds = st.integers(0, 99)
JAMS = failing(exponential(80.0), exponential(12.0))
FEW = settings(max_examples=12, deadline=None)


def run(line: Plant, engine: Engine, horizon_s: float = 1500.0, **more: Any) -> RunResult:
    found = simulate(line, start=START, horizon_s=horizon_s, engine=engine, **more)
    assert found.engine == engine
    return found


def row(units: list[dict[str, Any]], places: int, **more: Any) -> Plant:
    """Stations in a row that fail as they operate, with a crew for each."""
    return plant(
        {f"u{i}": unit(law, **JAMS, **more) for i, law in enumerate(units)},
        {f"z{i}": (f"u{i}", f"u{i + 1}", places) for i in range(len(units) - 1)},
        crews=len(units),
    )


def scaled(law: Mapping[str, Any], factor: float) -> dict[str, Any]:
    return {key: v * factor if key.endswith("_s") else v for key, v in law.items()}


def good(line: Plant, engine: Engine, seed: int) -> float:
    return float(run(line, engine, seed=seed).kpis["good_parts"][0])


@engines
@FEW
@given(rows, st.integers(0, 3), st.integers(1, 4), seeds)
def test_a_larger_zone_never_lowers_throughput_on_the_same_streams(
    engine: Engine, units: list[dict[str, Any]], places: int, more: int, seed: int
) -> None:
    """Lives on the operating clock, a crew for each: every instant is a (max,+) term of fewer others."""
    assert good(row(units, places + more), engine, seed) >= good(row(units, places), engine, seed)


@engines
@FEW
@given(rows, st.integers(0, 3), st.floats(0.3, 0.99), st.integers(0, 3), seeds)
def test_a_faster_station_never_lowers_throughput_on_the_same_streams(
    engine: Engine, units: list[dict[str, Any]], places: int, factor: float, which: int, seed: int
) -> None:
    """Without failures: shorter work would put the ends of lives elsewhere."""
    faster = list(units)
    faster[which % len(units)] = scaled(units[which % len(units)], factor)
    slow, fast = serial(units, places), serial(faster, places)
    assert good(fast, engine, seed) >= good(slow, engine, seed)


@engines
@FEW
@given(rows, st.integers(1, 4), seeds)
def test_one_more_card_never_lowers_throughput_on_the_same_streams(
    engine: Engine, units: list[dict[str, Any]], cards: int, seed: int
) -> None:
    def conwip(n: int) -> Plant:
        loop = {"first": "u0", "last": f"u{len(units) - 1}", "cards": n}
        return with_parts(row(units, 2), kanban={"line": loop})

    assert good(conwip(cards + 1), engine, seed) >= good(conwip(cards), engine, seed)


def columns(trace: EventTrace | None) -> list[tuple[Any, ...]]:
    """The log with names in place of numbers, in an order that the file does not set."""
    assert trace is not None
    return sorted(
        zip(
            trace.replication.tolist(),
            trace.time_s.tolist(),
            [trace.units[i] for i in trace.unit],
            trace.part.tolist(),
            [trace.kinds[i] for i in trace.kind],
            strict=True,
        )
    )


@engines
@FEW
@given(rows, st.integers(0, 3), st.sampled_from([0.25, 2.0, 8.0]), seeds)
def test_all_times_scaled_by_a_power_of_two_scale_the_log_to_the_last_bit(
    engine: Engine, units: list[dict[str, Any]], places: int, factor: float, seed: int
) -> None:
    def line(by: float) -> Plant:
        jams = failing(scaled(exponential(80.0), by), scaled(exponential(12.0), by))
        return plant(
            {f"u{i}": unit(scaled(law, by), **jams) for i, law in enumerate(units)},
            {f"z{i}": (f"u{i}", f"u{i + 1}", places) for i in range(len(units) - 1)},
            crews=len(units),
        )

    def logged(by: float) -> RunResult:
        return run(line(by), engine, 1000.0 * by, seed=seed, warm_up_s=100.0 * by, trace=True)

    one, other = logged(1.0), logged(factor)
    assert one.trace is not None
    assert other.trace is not None
    assert (one.trace.time_s * factor).tolist() == other.trace.time_s.tolist()
    for name in ("unit", "kind", "part"):
        assert getattr(one.trace, name).tolist() == getattr(other.trace, name).tolist()
    assert one.kpis["good_parts"].tolist() == other.kpis["good_parts"].tolist()


@engines
@FEW
@given(rows, st.integers(0, 3), seeds, st.randoms(use_true_random=False))
def test_the_order_in_the_file_changes_no_event_of_a_line_without_contention(
    engine: Engine, units: list[dict[str, Any]], places: int, seed: int, random: Any
) -> None:
    """A row of stations with a crew for each: nobody competes, so no tie depends on the order."""
    mixed = row(units, places).model_dump()
    for i, one in enumerate(mixed["work_units"].values()):
        one["power"] = {"production_w": 1000.0 / (3 + i), "idle_w": 77.7 / (1 + i)}
    line = Plant.model_validate(mixed)
    for key in ("work_units", "storage_zones"):
        names = list(mixed[key])
        random.shuffle(names)
        mixed[key] = {name: mixed[key][name] for name in names}
    one = run(line, engine, seed=seed, trace=True)
    other = run(Plant.model_validate(mixed), engine, seed=seed, trace=True)
    assert columns(one.trace) == columns(other.trace)
    for name, values in one.kpis.items():
        assert values.tobytes() == other.kpis[name].tobytes(), name


@engines
def test_names_of_zones_and_products_change_nothing_at_all(engine: Engine) -> None:
    laws_of = [exponential(3.0), exponential(4.0), exponential(3.5)]
    plain = row(laws_of, 2)
    dumped = plain.model_dump()
    dumped["storage_zones"] = {f"other_{k}": z for k, z in dumped["storage_zones"].items()}
    dumped["products"] = {f"other_{k}": p for k, p in dumped["products"].items()}
    one = run(plain, engine, seed=5, trace=True)
    other = run(Plant.model_validate(dumped), engine, seed=5, trace=True)
    assert one.trace is not None
    assert other.trace is not None
    for name in ("time_s", "unit", "kind", "part"):
        assert getattr(one.trace, name).tobytes() == getattr(other.trace, name).tobytes()


@engines
def test_names_of_stations_draw_other_numbers_of_the_same_law(engine: Engine) -> None:
    """The name of a station is part of the key of its streams, so a renamed one lives another life.

    What it does in the mean stays: within three standard errors of the difference.
    """
    laws_of = [exponential(3.0), exponential(4.0), exponential(3.5)]
    renamed = plant(
        {f"v{i}": unit(law, **JAMS) for i, law in enumerate(laws_of)},
        {f"z{i}": (f"v{i}", f"v{i + 1}", 2) for i in range(2)},
        crews=3,
    )
    options: dict[str, Any] = {"horizon_s": 4000.0, "warm_up_s": 500.0, "replications": 24}
    one = run(row(laws_of, 2), engine, **options)
    other = run(renamed, engine, **options)
    a, b = Estimate.of(rate(one)), Estimate.of(rate(other))
    assert a.mean != b.mean
    assert abs(a.mean - b.mean) <= 3.0 * float(np.hypot(a.error, b.error))


@engines
def test_names_of_stations_that_draw_nothing_change_nothing(engine: Engine) -> None:
    line = serial([2.0, 5.0, 3.0], 1)
    dumped = line.model_dump()
    dumped["work_units"] = {f"other_{k}": u for k, u in dumped["work_units"].items()}
    for zone in dumped["storage_zones"].values():
        zone["upstream"], zone["downstream"] = (
            f"other_{zone['upstream']}",
            f"other_{zone['downstream']}",
        )
    one = run(line, engine, trace=True)
    other = run(Plant.model_validate(dumped), engine, trace=True)
    assert one.trace is not None
    assert other.trace is not None
    for name in ("time_s", "unit", "kind", "part"):
        assert getattr(one.trace, name).tobytes() == getattr(other.trace, name).tobytes()
