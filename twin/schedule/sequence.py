"""From a sequence to a schedule: earliest times, their cost, and a quick search for a good start."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from twin.errors import DataError
from twin.schedule.problem import LATE_WEIGHT, ScheduleProblem
from twin.schedule.result import Schedule, ScheduledMaintenance, ScheduledOrder

__all__ = [
    "Numbers",
    "improved",
    "numbers",
    "placed",
    "schedule_of",
    "start_sequence",
]

_LONGEST_MOVED = 3


@dataclass(frozen=True, slots=True)
class Numbers:
    """The problem in whole working seconds. Items 0..n-1 are orders, n.. are maintenance."""

    orders: int
    duration: list[int]
    """Of every item, without change-over."""
    earliest: list[int]
    latest_end: list[int | None]
    """Of maintenance; None for orders."""
    due: list[int]
    """Of orders, less the tail: when the line must be free of it. A due date before the start
    counts as the start: what is past is past."""
    tail: list[int]
    weight: list[int]
    setup: list[list[int]]
    """``setup[last][next]``; row ``orders`` is what stands before the first order."""
    first: int | None
    """Order that must be the first of the orders."""
    items: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "items", len(self.duration))


def numbers(problem: ScheduleProblem) -> Numbers:
    """The problem on the axis of working seconds.

    Raises:
        DataError: The running order is not one of the orders.
    """
    axis = problem.axis
    orders, work = problem.orders, problem.maintenance
    ids = [o.order_id for o in orders]
    if problem.running is not None and problem.running not in ids:
        raise DataError(f'running order "{problem.running}" is not one of the orders')
    tail = [math.ceil(problem.tail_s[o.product]) for o in orders]
    setup = [[math.ceil(problem.setup_s[a.product, b.product]) for b in orders] for a in orders] + [
        [_first_setup(problem, b.order_id, b.product) for b in orders]
    ]
    return Numbers(
        orders=len(orders),
        duration=[math.ceil(o.quantity * problem.seconds_per_part[o.product]) for o in orders]
        + [m.duration_s for m in work],
        earliest=[axis.position(o.release_at, up=True) for o in orders]
        + [axis.position(m.earliest_at, up=True) for m in work],
        latest_end=[None] * len(orders) + [axis.position(m.latest_at) for m in work],
        due=[axis.position(o.due_at) - t for o, t in zip(orders, tail, strict=True)],
        tail=tail,
        weight=[LATE_WEIGHT * o.priority for o in orders],
        setup=setup,
        first=None if problem.running is None else ids.index(problem.running),
    )


def _first_setup(problem: ScheduleProblem, order_id: str, product: str) -> int:
    if order_id == problem.running or problem.last_product is None:
        return 0
    return math.ceil(problem.setup_s[problem.last_product, product])


def placed(given: Numbers, sequence: Sequence[int]) -> tuple[list[tuple[int, int]], int] | None:
    """Earliest (begin, setup) of every item of a sequence, and what that costs.

    Returns:
        None where maintenance would end after its window, or the running order is not first.
    """
    n, last, now, cost = given.orders, given.orders, 0, 0
    times = []
    for item in sequence:
        begin = max(now, given.earliest[item])
        if item >= n:
            setup, end = 0, begin + given.duration[item]
            latest = given.latest_end[item]
            if latest is not None and end > latest:
                return None
        else:
            if last == n and given.first is not None and item != given.first:
                return None
            setup = given.setup[last][item]
            end = begin + setup + given.duration[item]
            cost += setup
            late = end - given.due[item]
            if late > 0:
                cost += given.weight[item] * late
            last = item
        times.append((begin, setup))
        now = end
    return times, cost + now


def start_sequence(given: Numbers) -> list[int] | None:
    """Maintenance first, then orders by due date, the running one before all.

    Returns:
        A sequence that keeps every window, or None where this simple way finds none.
    """
    n = given.orders
    by_due = sorted(range(n), key=lambda i: (i != given.first, given.due[i], -given.weight[i], i))
    work = range(n, given.items)
    by_end = sorted(work, key=lambda m: (given.latest_end[m] or 0, m))
    by_begin = sorted(work, key=lambda m: (given.earliest[m], given.latest_end[m] or 0, m))
    for maintenance in (by_end, by_begin):
        if placed(given, maintenance + by_due) is not None:
            return maintenance + by_due
    return None


def improved(given: Numbers, sequence: Sequence[int], *, trials: int) -> list[int]:
    """Move runs of up to three items to better places until nothing helps or trials are spent.

    Args:
        given: The problem.
        sequence: A feasible sequence.
        trials: How many sequences may be tried: work, not time, so that it is repeatable.

    Raises:
        DataError: The sequence is not feasible.
    """
    best = list(sequence)
    found = placed(given, best)
    if found is None:
        raise DataError("only a sequence that keeps every window can be improved")
    cost, left, moved = found[1], trials, True
    while moved and left > 0:
        moved = False
        for length in range(1, _LONGEST_MOVED + 1):
            for at in range(len(best) - length + 1):
                rest, run = best[:at] + best[at + length :], best[at : at + length]
                for to in range(len(rest) + 1):
                    if to == at:
                        continue
                    trial = rest[:to] + run + rest[to:]
                    tried, left = placed(given, trial), left - 1
                    if tried is not None and tried[1] < cost:
                        best, cost, moved = trial, tried[1], True
                        break
                if left <= 0:
                    return best
    return best


def schedule_of(
    problem: ScheduleProblem,
    given: Numbers,
    sequence: Sequence[int],
    *,
    bound: int,
    proved: bool,
    reproducible: bool,
) -> Schedule:
    """The schedule that plays a feasible sequence as early as it can."""
    found = placed(given, sequence)
    if found is None:
        raise DataError("this sequence does not keep a maintenance window")
    times, cost = found
    timed = [(item, begin, setup) for item, (begin, setup) in zip(sequence, times, strict=True)]
    return Schedule(
        start=problem.start,
        entries=tuple(_order(problem, given, *at) for at in timed if at[0] < given.orders),
        maintenance=tuple(_work(problem, given, *at) for at in timed if at[0] >= given.orders),
        objective=cost,
        bound=min(bound, cost),
        status="optimal" if proved or bound >= cost else "feasible",
        reproducible=reproducible,
    )


def _order(
    problem: ScheduleProblem, given: Numbers, item: int, begin: int, setup: int
) -> ScheduledOrder:
    order, axis = problem.orders[item], problem.axis
    end = begin + setup + given.duration[item]
    return ScheduledOrder(
        order_id=order.order_id,
        product=order.product,
        quantity=order.quantity,
        setup_at=axis.opens(begin),
        setup_s=setup,
        start_at=axis.opens(begin + setup),
        end_at=axis.closes(end),
        finished_at=axis.closes(end + given.tail[item]),
        release_at=order.release_at,
        due_at=order.due_at,
        priority=order.priority,
    )


def _work(
    problem: ScheduleProblem, given: Numbers, item: int, begin: int, setup: int
) -> ScheduledMaintenance:
    task, axis = problem.maintenance[item - given.orders], problem.axis
    return ScheduledMaintenance(
        work_unit=task.work_unit,
        failure_mode=task.failure_mode,
        start_at=axis.opens(begin),
        end_at=axis.closes(begin + setup + given.duration[item]),
        duration_s=task.duration_s,
    )
