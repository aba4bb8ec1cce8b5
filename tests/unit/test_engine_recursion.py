"""The recursion: what it plays and why not the rest; times by hand; long lines, many replications, whole days."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from tests.engine_lab import START, constant, exponential, job, later, plant, serial, unit
from tests.sameness import assert_same
from twin.engine import Job, LiveState, PlannedMaintenance, simulate
from twin.engine.classify import why_not_recursion
from twin.engine.inputs import RunInput, run_input
from twin.errors import DataError
from twin.plant import Plant

PLAIN: dict[str, Any] = {
    "start": START,
    "horizon_s": 3600.0,
    "jobs": None,
    "seed": 0,
    "state": None,
    "forecasts": (),
    "maintenance": (),
    "warm_up_s": 0.0,
    "until_done": False,
    "mix": None,
    "limited_supply": False,
}


def asked(line: Plant, **more: Any) -> RunInput:
    return run_input(line, **{**PLAIN, **more})


def jam(
    life: Mapping[str, Any], repair: Mapping[str, Any], clock: str = "operating"
) -> dict[str, Any]:
    return {"failure_modes": {"jam": {"clock": clock, "time_to_failure": life, "repair": repair}}}


def pair(first: dict[str, Any], second: dict[str, Any], **more: Any) -> Plant:
    return plant({"a": first, "b": second}, {"z": ("a", "b", 2)}, **more)


@pytest.mark.parametrize(
    ("line", "more", "why"),
    [
        (pair(unit(1.0, servers=2), unit(1.0)), {}, "a has 2 servers, so parts can overtake"),
        (pair(unit(1.0), unit(1.0, batch={"size": 2})), {}, "b takes batches"),
        (
            pair(
                unit(1.0, **jam(exponential(9), exponential(1))),
                unit(1.0, **jam(exponential(9), exponential(1))),
            ),
            {},
            "2 units share 1 maintenance crews",
        ),
        (
            pair(unit(1.0, defects={"base": 0.1}), unit(1.0, inspection={"coverage": 0.5})),
            {},
            "b finds the defects that a makes",
        ),
        (pair(unit(1.0), unit(1.0)), {"state": LiveState(at=START)}, "it starts from a live state"),
        (
            pair(unit(1.0), unit(1.0)),
            {"until_done": True},
            "it is to end when all is done, but has no jobs",
        ),
        (pair(unit(0.0), unit(1.0)), {}, "a launches parts in no time"),
    ],
)
def test_what_it_cannot_play_is_said_in_words(line: Plant, more: dict[str, Any], why: str) -> None:
    assert why_not_recursion(asked(line, **more)) == why
    arguments = {key: value for key, value in {**PLAIN, **more}.items() if key != "seed"}
    with pytest.raises(DataError, match=why):
        simulate(line, engine="recursion", **arguments)


def test_serial_lines_failures_shifts_and_jobs_are_played() -> None:
    line = pair(unit(1.0, **jam(exponential(9), constant(1.0))), unit(1.0))
    assert why_not_recursion(asked(line)) is None
    assert why_not_recursion(asked(line, jobs=[job("A", 3, release_s=60.0)])) is None


@pytest.mark.slow
def test_a_failure_interrupts_and_what_is_left_goes_on() -> None:
    """Work of 10 s, lives of 25 s of work, repairs of 7 s: from 25, from 57 and from 89 s on."""
    line = plant({"u0": unit(10.0, **jam(constant(25.0), constant(7.0)))})
    run = simulate(line, start=START, horizon_s=100.0, engine="recursion", trace=True)
    assert run.trace is not None
    finish = run.trace.kinds.index("finish")
    # The second life ends with the work on a part, at 57 s: the failure strikes as the next begins.
    assert run.trace.time_s[run.trace.kind == finish].tolist() == [
        10.0, 20.0, 37.0, 47.0, 57.0, 74.0, 84.0,
    ]  # fmt: skip
    assert run.unit_states["u0"]["repair"][0] == pytest.approx(0.21)


def both(line: Plant, replications: int, **more: Any) -> None:
    for trace in (False, True):
        arguments = {"start": START, "replications": replications, "trace": trace, **more}
        expected = simulate(line, engine="reference", **arguments)
        assert_same(expected, simulate(line, engine="recursion", **arguments))


@pytest.mark.slow
@pytest.mark.parametrize("capacity", [0, 1, 5])
def test_a_long_line_with_failures_over_several_vectors_of_replications(capacity: int) -> None:
    n = 12
    line = plant(
        {
            f"u{i}": unit(exponential(20), **jam(exponential(900), exponential(60)))
            for i in range(n)
        },
        {f"z{i}": (f"u{i}", f"u{i + 1}", capacity) for i in range(n - 1)},
        crews=n,
    )
    both(line, 11, horizon_s=3 * 3600.0 + 0.5, warm_up_s=1234.5, seed=5)


@pytest.mark.slow
def test_shifts_planned_work_setups_jobs_and_calendar_failures_together() -> None:
    setup = {"same_product_s": 5.0, "same_family_s": 30.0, "other_family_s": 90.0}
    more = jam(exponential(4000), exponential(200), "calendar")
    gamma = {"law": "gamma", "mean_s": 15.0, "cv": 0.4}
    line = plant(
        {
            "cut": unit(gamma, setup=setup, **more),
            "bend": unit(exponential(10), **more),
            "weld": unit(constant(12.0), setup=setup, defects={"base": 0.05}),
        },
        {"z0": ("cut", "bend", 3), "z1": ("bend", "weld", 1)},
        products={"P": "F", "Q": "F", "R": "G"},
        weekly=("Mon-Sun 00:00-02:00", "Mon-Sun 02:15-24:00"),
        crews=3,
    )
    jobs: list[Job] = [job(f"o{i}", 40, "PQR"[i % 3], release_s=900.0 * i) for i in range(12)]
    planned = [PlannedMaintenance(work_unit="bend", start_at=later(5000), duration_s=600.0)]
    both(line, 9, horizon_s=4 * 3600.0, jobs=jobs, maintenance=planned)
    both(line, 2, horizon_s=86_400.0, jobs=jobs, until_done=True)


@pytest.mark.slow
def test_assembly_conveyors_and_cards_together() -> None:
    line = plant(
        {
            "body": unit(exponential(9), **jam(exponential(300), exponential(40))),
            "lid": unit(exponential(8)),
            "screw": unit(constant(2.0)),
            "join": unit(exponential(10)),
            "pack": unit(constant(9.5)),
        },
        {
            "bodies": ("body", "join", 4),
            "lids": ("lid", "join", 2),
            "screws": ("screw", "lid", 0),
            "out": ("join", "pack", 3),
        },
    )
    raw = line.model_dump()
    raw["kanban"] = {"conwip": {"cards": 6, "first": "body", "last": "pack"}}
    raw["storage_zones"]["out"]["transport_s"] = 12.5
    both(Plant.model_validate(raw), 9, horizon_s=7200.0)


@pytest.mark.slow
def test_replications_do_not_depend_on_those_beside_them() -> None:
    line = serial([exponential(3), exponential(2), exponential(3)], 1)
    arguments: dict[str, Any] = {"start": START, "horizon_s": 900.0, "engine": "recursion"}
    whole = simulate(line, replications=19, **arguments).kpis["good_parts"]
    alone = [
        simulate(line, replications=1, first_replication=k, **arguments).kpis["good_parts"][0]
        for k in (0, 7, 8, 18)
    ]
    np.testing.assert_array_equal(whole[[0, 7, 8, 18]], alone)


@pytest.mark.slow
def test_the_end_of_the_calendar_hour_is_counted_as_the_reference_counts_it() -> None:
    """Starts at 3600 s sharp, and within an ulp before it, by hour."""
    just_before = float(np.nextafter(3600.0, 0.0))
    for cycle in (1200.0, just_before, 3600.0):
        both(serial([cycle, 1.0], 2), 1, horizon_s=timedelta(hours=5).total_seconds())
