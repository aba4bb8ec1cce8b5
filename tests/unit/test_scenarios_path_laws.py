"""The time on a critical path is what was drawn and shown, on random lines with operators, failures, nights and all else."""

from __future__ import annotations

import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from tests.engine_lab import START, plant, unit
from tests.plant_runs import Case, cases
from tests.plants import CALENDARS, laws
from twin import engine
from twin.engine import RunResult
from twin.engine.inputs import VISIT
from twin.engine.streams import uniform
from twin.engine.variates import law_table, quantiles
from twin.errors import DataError
from twin.plant import Plant
from twin.scenarios.critical_path import CriticalPath, critical_path

FUZZ = int(os.environ.get("TEST_FUZZ", "0"))

Key = tuple[str, int]


def drawn_s(line: Plant, run: RunResult, number: int) -> dict[Key, list[float]]:
    """Work of every part at every unit, visit by visit, from the laws and streams alone."""
    found: dict[Key, list[float]] = defaultdict(list)
    ovens: dict[tuple[str, float], float] = {}
    for at, name, part, product in rows(run, number, "start"):
        times, laws = found[name, part], line.work_units[name].cycle_time
        table = law_table([laws.get(product, laws["default"])])
        index = part + len(times) * VISIT
        drawn = np.array([uniform(run.seed, number, name, "cycle", index)])
        work = float(quantiles(table, 0, drawn)[0])
        if line.work_units[name].batch:  # that of the first part in the oven
            work = ovens.setdefault((name, at), work)
        times.append(work)
    return found


def rows(run: RunResult, number: int, kind: str) -> Iterator[tuple[float, str, int, str]]:
    trace = run.trace
    assert trace is not None
    here = (trace.replication == number) & (trace.kind == trace.kinds.index(kind))
    columns = (trace.time_s, trace.unit, trace.part, trace.product)
    for at, u, part, product in zip(*(c[here].tolist() for c in columns), strict=True):
        yield at, trace.units[u], part, trace.products[product]


def booked_s(path: CriticalPath, kind: str) -> dict[Key, float]:
    found: dict[Key, list[float]] = defaultdict(list)
    for step in path.steps:
        if step.kind == kind:
            found[step.unit, step.part].append(step.end_s - step.begin_s)
    return {key: math.fsum(times) for key, times in found.items()}


def played(case: Case) -> RunResult:
    """The run of a case, without its warm-up; one that is refused does not count."""
    try:
        return engine.simulate(case.plant, **{**case.arguments, "warm_up_s": 0.0})
    except DataError:
        reject()


@st.composite
def contested(draw: st.DrawFn) -> Case:
    """A few units that fail, stop and set up, and one operator for all of them."""
    names = [f"u{i}" for i in range(draw(st.integers(2, 4)))]
    units = {
        name: unit(
            draw(laws(zero=False)),
            operator=draw(st.sampled_from([["work"], ["work", "setup"], ["setup"]])),
            setup={"other_family_s": 3.5, "same_family_s": 2.0},
            calendar=draw(st.sampled_from(["always", "breaks"])),
            servers=draw(st.sampled_from([1, 1, 2])),
            failure_modes={
                "f": {
                    "time_to_failure": draw(laws(9.0, zero=False)),
                    "repair": draw(laws(zero=False)),
                    "clock": draw(st.sampled_from(["operating", "calendar"])),
                }
            },
        )
        for name in names
    }
    line = plant(
        units,
        {f"z{i}": (a, b, draw(st.integers(0, 2))) for i, (a, b) in enumerate(pairwise(names))},
        products={"P": "F", "Q": "F", "R": "G"},
        crews=2,
        calendars=CALENDARS,
        operators={"team": {"count": 1, "skills": names}},
    )
    run = {"horizon_s": draw(st.sampled_from([60.0, 200.0])), "seed": draw(st.integers(0, 3))}
    return Case(line, {"start": START, "trace": True, "mix": {"P": 1, "Q": 2, "R": 1}, **run})


every_line = settings(max_examples=FUZZ or 150, deadline=None, derandomize=not FUZZ, database=None)
SHOWN = {
    "service": "production",
    "setup": "setup",
    "operator": "delay",
    "down": "down",
    "repair": "repair",
    "maintenance": "repair",
    "off": "off",
}
"""What a unit shows while the path goes through it."""


@pytest.mark.slow
@every_line
@given(st.one_of(cases(), contested()))
def test_a_unit_is_on_the_path_with_no_state_for_longer_than_it_showed_it(case: Case) -> None:
    line, run = case.plant, played(case)
    for k in range(run.replications):
        number = run.first_replication + k
        path = critical_path(run, line, replication=number, state=case.arguments.get("state"))
        for name, kinds in path.shares.items():
            found: Counter[str] = Counter()
            for kind, seconds in kinds.items():
                if kind in SHOWN:
                    found[SHOWN[kind]] += seconds
            for state, seconds in found.items():
                share = float(run.unit_states[name][state][k])
                shown_s = share * float(run.measured_s[k]) * line.work_units[name].servers
                assert seconds <= shown_s + 1e-3, (number, name, state)


@pytest.mark.slow
@every_line
@given(st.one_of(cases(), contested()))
def test_the_service_and_setup_of_a_part_are_what_was_drawn(case: Case) -> None:
    """Never more, and all of it if the path comes to the end of its work; with operators, failures, nights and all else."""
    assume(case.arguments.get("state") is None)  # which begins in the middle of the work
    line, run = case.plant, played(case)
    for number in range(run.first_replication, run.first_replication + run.replications):
        path = critical_path(run, line, replication=number)
        drawn, setups = drawn_s(line, run, number), list(rows(run, number, "setup"))
        served = {(s.unit, s.part, s.end_s) for s in path.steps if s.kind == "service"}
        ended = {
            (name, part)
            for at, name, part, _ in rows(run, number, "finish")
            if (name, part, at) in served
        }
        for key, seconds in booked_s(path, "service").items():
            assert seconds <= math.fsum(drawn[key]) + 1e-6, key
            if key in ended and len(drawn[key]) == 1:
                assert seconds == pytest.approx(drawn[key][0], abs=1e-6), key
        for key, seconds in booked_s(path, "setup").items():
            table = line.work_units[key[0]]
            made = [n for _, u, n, _ in setups if u == key[0] and (table.batch or n == key[1])]
            assert seconds <= len(made) * max(table.setup.model_dump().values()) + 1e-6, key
