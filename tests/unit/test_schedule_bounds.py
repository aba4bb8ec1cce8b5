"""The arithmetic bound lies below every schedule, and is not nothing."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from twin.schedule.bounds import lower_bound
from twin.schedule.sequence import Numbers, placed

order = st.tuples(st.integers(0, 300), st.integers(1, 90), st.integers(-40, 400), st.integers(1, 9))


def numbers_of(
    rows: list[tuple[int, int, int, int]], setups: list[int], before_the_first: int
) -> Numbers:
    n = len(rows)
    return Numbers(
        orders=n,
        duration=[r[1] for r in rows],
        earliest=[r[0] for r in rows],
        latest_end=[None] * n,
        due=[r[2] for r in rows],
        tail=[40] * n,
        weight=[100 * r[3] for r in rows],
        setup=[[setups[(a * n + b) % len(setups)] for b in range(n)] for a in range(n)]
        + [[before_the_first] * n],
        first=None,
    )


@given(
    st.lists(order, min_size=1, max_size=5),
    st.lists(st.integers(0, 60), min_size=1, max_size=25),
    st.integers(0, 60),
)
def test_no_sequence_costs_less_than_the_bound(
    rows: list[tuple[int, int, int, int]], setups: list[int], before_the_first: int
) -> None:
    problem = numbers_of(rows, setups, before_the_first)
    costs = [found[1] for s in permutations(range(len(rows))) if (found := placed(problem, s))]
    assert lower_bound(problem) <= min(costs)


def test_the_bound_is_exact_for_equal_orders_that_are_all_late() -> None:
    # Three orders of 10 s, due at 5, one after the other: late by 5, 15 and 25, ending at 30.
    problem = numbers_of([(0, 10, 5, 2)] * 3, [0], 0)
    assert lower_bound(problem) == 200 * (5 + 15 + 25) + 30


def test_a_later_release_interrupts_only_where_that_is_shorter() -> None:
    # By hand: 100 s of work from 0, 10 s released at 20. The first completion can be 30, the
    # second 110; due at 30 and 100 in order, so one priority-1 order is late by 10.
    problem = numbers_of([(0, 100, 100, 1), (20, 10, 30, 1)], [0], 0)
    assert lower_bound(problem) == 100 * 10 + 110
