"""Three engines, one answer: random lines played by each, every number and every event compared without tolerance.

``TEST_FUZZ=5000`` draws as many lines, other ones each time; without it the same few hundred are drawn.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.engine_lab import START, serial
from tests.plant_runs import Case, cases, changed
from tests.sameness import assert_same, glued, played, simulate
from twin import engine
from twin.engine import RunResult
from twin.errors import DataError

LONG = int(os.environ.get("TEST_FUZZ", "0"))
fuzz = settings(
    max_examples=LONG or 300,
    derandomize=not LONG,
    database=None,
    deadline=None,
    print_blob=True,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)


def everywhere(case: Case) -> None:
    """The engines agree; on a line that cannot be played, on the reason."""
    try:
        simulate(case.plant, **case.arguments)
    except DataError:
        return


@pytest.mark.slow
@fuzz
@given(cases())
def test_the_event_loop_gives_the_event_log_of_the_reference_to_the_last_bit(case: Case) -> None:
    everywhere(case)


@pytest.mark.slow
@fuzz
@given(cases(ordered=True))
def test_the_recursion_gives_the_event_log_of_the_reference_to_the_last_bit(case: Case) -> None:
    everywhere(case)


@pytest.mark.slow
@fuzz
@given(cases(ordered=True))
def test_the_recursion_counts_the_same_when_it_keeps_no_log(case: Case) -> None:
    everywhere(changed(case, trace=False))


@pytest.mark.slow
@fuzz
@given(cases())
def test_replications_are_the_same_alone_and_together(case: Case) -> None:
    first = case.arguments.get("first_replication", 0)
    plant, arguments = case.plant, {**case.arguments, "replications": 2}
    whole = played(plant, "events", **arguments)
    arguments["replications"] = 1
    parts = [
        played(plant, "events", **{**arguments, "first_replication": first + k}) for k in range(2)
    ]
    if isinstance(whole, DataError):
        assert str(whole) in map(str, parts)
    else:
        assert_same(whole, glued([part for part in parts if isinstance(part, RunResult)]))


def test_a_fault_is_found_by_the_comparison() -> None:
    """The comparison itself: one bit in one time is seen, and named."""
    arguments: dict[str, Any] = {"start": START, "horizon_s": 20.0, "trace": True}
    a, b = (engine.simulate(serial([3.0, 2.0], 1), **arguments) for _ in range(2))
    assert_same(a, b)
    assert b.trace is not None
    b.trace.time_s[5] += 2.0**-49
    with pytest.raises(AssertionError, match=r"trace row 5.*time_s"):
        assert_same(a, b)
