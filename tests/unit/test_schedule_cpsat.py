"""The solver's answers, held against enumeration and the independent checker."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twin.errors import DataError
from twin.schedule import MaintenanceTask, OrderTask, Schedule, ScheduleProblem, check
from twin.schedule.cpsat import solve

MONDAY = datetime(2026, 3, 2, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)
WORKING = tuple(
    (MONDAY + timedelta(days=d), MONDAY + timedelta(days=d, hours=8)) for d in range(40)
)
PRODUCTS = ("A", "B", "C")
SETUP_S = {
    (a, b): 60.0 if a == b else 300.0 + 600.0 * abs(i - j)
    for i, a in enumerate(PRODUCTS)
    for j, b in enumerate(PRODUCTS)
}

orders = st.builds(
    lambda product, quantity, release_h, due_h, priority: (
        product,
        quantity,
        release_h,
        due_h,
        priority,
    ),
    st.sampled_from(PRODUCTS),
    st.integers(20, 400),
    st.integers(0, 40),
    st.integers(1, 60),
    st.integers(1, 9),
)


def problem_of(
    rows: Sequence[tuple[str, int, int, int, int]],
    *,
    last: str | None = None,
    maintenance: tuple[MaintenanceTask, ...] = (),
) -> ScheduleProblem:
    return ScheduleProblem(
        start=MONDAY,
        working=WORKING,
        orders=tuple(
            OrderTask(
                order_id=f"JO-{i}",
                product=product,
                quantity=quantity,
                release_at=MONDAY + release_h * HOUR,
                due_at=MONDAY + (release_h + due_h) * HOUR,
                priority=priority,
            )
            for i, (product, quantity, release_h, due_h, priority) in enumerate(rows)
        ),
        maintenance=maintenance,
        seconds_per_part={"A": 24.6, "B": 30.0, "C": 41.3},
        tail_s={"A": 120.0, "B": 90.5, "C": 0.0},
        setup_s=SETUP_S,
        last_product=last,
    )


def worked_s(until: datetime) -> int:
    """Working seconds by hand: 8 hours a day from 06:00."""
    days, rest = divmod((until - MONDAY).total_seconds(), 86400)
    return int(days * 28800 + min(rest, 28800))


def cheapest(problem: ScheduleProblem) -> float:
    """The optimum by trying every sequence of orders and maintenance."""
    best = math.inf
    for sequence in permutations((*problem.orders, *problem.maintenance)):
        now, cost, last, feasible = 0, 0, problem.last_product, True
        for item in sequence:
            if isinstance(item, MaintenanceTask):
                now = max(now, worked_s(item.earliest_at)) + item.duration_s
                feasible = feasible and now <= worked_s(item.latest_at)
                continue
            setup = int(SETUP_S[last, item.product]) if last else 0
            work = math.ceil(item.quantity * problem.seconds_per_part[item.product])
            now = max(now, worked_s(item.release_at)) + setup + work
            tail = math.ceil(problem.tail_s[item.product])
            late = max(0, now + tail - worked_s(item.due_at))
            cost += setup + 100 * item.priority * late
            last = item.product
        if feasible:
            best = min(best, cost + now)
    return best


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rows=st.lists(orders, min_size=1, max_size=5),
    last=st.sampled_from((None, *PRODUCTS)),
    with_maintenance=st.booleans(),
)
def test_the_optimum_is_that_of_enumeration_and_the_checker_agrees(
    rows: list[tuple[str, int, int, int, int]], last: str | None, with_maintenance: bool
) -> None:
    work = MaintenanceTask(
        work_unit="u",
        failure_mode="m",
        duration_s=1500,
        earliest_at=MONDAY + 2 * HOUR,
        latest_at=MONDAY + 27 * HOUR,
    )
    problem = problem_of(rows, last=last, maintenance=(work,) if with_maintenance else ())
    schedule = solve(problem)
    assert check(problem, schedule) == ()
    assert schedule.status == "optimal"
    assert schedule.objective == schedule.bound == cheapest(problem)


def test_six_orders_reach_the_enumerated_optimum() -> None:
    rows = [
        ("A", 300, 0, 4, 5),
        ("B", 200, 0, 3, 9),
        ("A", 120, 0, 30, 2),
        ("C", 250, 3, 8, 5),
        ("B", 90, 0, 40, 1),
        ("C", 60, 10, 20, 7),
    ]
    problem = problem_of(rows, last="C")
    schedule = solve(problem)
    assert (schedule.status, schedule.objective) == ("optimal", cheapest(problem))


def test_the_same_seed_gives_the_same_schedule_even_when_the_limit_ends_the_search() -> None:
    rows = [
        (PRODUCTS[i * 7 % 3], 60 + 37 * i % 290, i * 5 % 30, 3 + i * 11 % 25, 1 + i % 9)
        for i in range(14)
    ]
    first, second = (solve(problem_of(rows), time_limit_s=0.2, seed=7) for _ in range(2))
    assert first == second
    assert first.bound <= first.objective
    assert 0.0 < first.gap < 1.0


def test_the_running_order_stays_first_and_needs_no_change_over() -> None:
    rows = [("A", 300, 0, 20, 9), ("B", 100, 0, 60, 1)]
    problem = replace(problem_of(rows, last="B"), running="JO-1")
    schedule = solve(problem)
    assert [e.order_id for e in schedule.entries] == ["JO-1", "JO-0"]
    assert schedule.entries[0].setup_s == 0
    assert check(problem, schedule) == ()


def test_an_order_waits_over_night_and_its_lateness_counts_the_night() -> None:
    problem = problem_of([("B", 1200, 0, 9, 5)])
    entry = solve(problem).entries[0]
    assert entry.end_at == MONDAY + 26 * HOUR  # 10 h of work: 8 on Monday, 2 on Tuesday
    assert entry.finished_at == entry.end_at + timedelta(seconds=91)
    assert entry.late_h == pytest.approx(17 + 91 / 3600)


def test_work_that_fits_no_window_is_refused() -> None:
    work = MaintenanceTask(
        work_unit="u",
        failure_mode="m",
        duration_s=7200,
        earliest_at=MONDAY,
        latest_at=MONDAY + HOUR,
    )
    with pytest.raises(DataError, match="windows"):
        solve(problem_of([("A", 10, 0, 5, 5)], maintenance=(work,)))


def test_windows_that_no_simple_order_keeps_are_kept() -> None:
    hours = {"a": (4, 6, 2), "b": (0, 9, 3), "c": (6, 7, 1)}  # earliest, latest, duration
    work = tuple(
        MaintenanceTask(
            work_unit="u",
            failure_mode=mode,
            duration_s=duration * 3600,
            earliest_at=MONDAY + earliest * HOUR,
            latest_at=MONDAY + min(latest, 8) * HOUR,
        )
        for mode, (earliest, latest, duration) in hours.items()
    )
    problem = problem_of([("A", 10, 0, 5, 5)], maintenance=work)
    schedule = solve(problem)
    assert check(problem, schedule) == ()
    assert schedule.objective == cheapest(problem)


def test_nothing_to_do_is_a_schedule_too() -> None:
    problem = problem_of([])
    assert check(problem, solve(problem)) == ()


MUTATIONS = {
    "an order is missing": lambda s: replace(s, entries=s.entries[:-1]),
    "an order stands twice": lambda s: replace(s, entries=(*s.entries, s.entries[-1])),
    "an order begins early": lambda s: _moved(s, 1, -60),
    "an order begins late": lambda s: _moved(s, -1, 3600),
    "an order runs at night": lambda s: _moved(s, -1, 9 * 3600),
    "fewer parts": lambda s: _changed(s, 1, quantity=s.entries[1].quantity - 1),
    "another due date": lambda s: _changed(s, 1, due_at=s.entries[1].due_at + HOUR),
    "work is too short": lambda s: _changed(
        s, 1, end_at=s.entries[1].end_at - timedelta(seconds=1)
    ),
    "no change-over": lambda s: _changed(s, 1, setup_s=0, setup_at=s.entries[1].start_at),
    "the tail is missing": lambda s: _changed(s, 0, finished_at=s.entries[0].end_at),
    "the order of entries": lambda s: replace(s, entries=s.entries[::-1]),
    "the objective": lambda s: replace(s, objective=s.objective - 1),
    "a bound above": lambda s: replace(s, bound=s.objective + 1, status="feasible"),
    "optimal, but not proved": lambda s: replace(s, bound=s.objective - 1),
    "maintenance is missing": lambda s: replace(s, maintenance=()),
    "maintenance after its window": lambda s: _serviced(s, days=1),
    "maintenance on top of an order": lambda s: _serviced(s, hours=-1),
    "maintenance at night": lambda s: _serviced(s, hours=8),
}


def _moved(schedule: Schedule, at: int, seconds: int) -> Schedule:
    by, entry = timedelta(seconds=seconds), schedule.entries[at]
    instants = ("setup_at", "start_at", "end_at", "finished_at")
    return _changed(schedule, at, **{name: getattr(entry, name) + by for name in instants})


def _changed(schedule: Schedule, at: int, **change: object) -> Schedule:
    entries = list(schedule.entries)
    entries[at] = replace(entries[at], **change)  # type: ignore[arg-type]
    return replace(schedule, entries=tuple(entries))


def _serviced(schedule: Schedule, **shift: float) -> Schedule:
    work = schedule.maintenance[0]
    by = timedelta(**shift)
    moved = replace(work, start_at=work.start_at + by, end_at=work.end_at + by)
    return replace(schedule, maintenance=(moved,))


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_the_checker_refuses(mutation: str) -> None:
    work = MaintenanceTask(
        work_unit="u",
        failure_mode="m",
        duration_s=1800,
        earliest_at=MONDAY + 3 * HOUR,
        latest_at=MONDAY + 7 * HOUR,
    )
    rows = [("A", 200, 0, 3, 5), ("B", 180, 0, 6, 5), ("C", 100, 0, 9, 5)]
    problem = problem_of(rows, maintenance=(work,))
    schedule = solve(problem)
    assert check(problem, schedule) == ()
    assert check(problem, MUTATIONS[mutation](schedule)) != ()
