"""Two engines, one answer: random lines played twice, every number and every event compared without tolerance.

``LINETWIN_FUZZ=5000`` draws as many lines, other ones each time; without it the same few hundred are drawn.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.plants import Case, cases, changed
from tests.sameness import assert_same, glued
from twin.engine import Engine, RunResult, simulate
from twin.errors import DataError

LONG = int(os.environ.get("LINETWIN_FUZZ", "0"))
fuzz = settings(
    max_examples=LONG or 300,
    derandomize=not LONG,
    database=None,
    deadline=None,
    print_blob=True,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)


def played(case: Case, engine: Engine) -> RunResult | str:
    """What the engine says: a result, or why there is none."""
    try:
        return simulate(case.plant, **case.arguments, engine=engine)
    except DataError as e:
        return str(e)


def compare(a: RunResult | str, b: RunResult | str) -> None:
    if isinstance(a, str) or isinstance(b, str):
        assert a == b
    else:
        assert_same(a, b)


@fuzz
@given(cases())
def test_the_event_loop_gives_the_event_log_of_the_reference_to_the_last_bit(case: Case) -> None:
    compare(played(case, "reference"), played(case, "events"))


@fuzz
@given(cases())
def test_replications_are_the_same_alone_and_together(case: Case) -> None:
    whole = played(changed(case, replications=2), "reference")
    first = case.arguments.get("first_replication", 0)
    parts = [
        played(changed(case, replications=1, first_replication=first + k), "reference")
        for k in range(2)
    ]
    if isinstance(whole, str):
        assert whole in parts
    else:
        assert_same(whole, glued([part for part in parts if isinstance(part, RunResult)]))


def test_a_fault_is_found_by_the_comparison() -> None:
    """The comparison itself: one bit in one time is seen, and named."""
    from tests.engine_lab import START, serial

    arguments: dict[str, Any] = {"start": START, "horizon_s": 20.0, "trace": True}
    a, b = (simulate(serial([3.0, 2.0], 1), **arguments) for _ in range(2))
    assert_same(a, b)
    assert b.trace is not None
    b.trace.time_s[5] += 2.0**-49
    check: Callable[[], None] = lambda: assert_same(a, b)  # noqa: E731
    with pytest.raises(AssertionError, match=r"trace row 5.*time_s"):
        check()
