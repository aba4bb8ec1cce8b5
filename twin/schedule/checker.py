"""Is this schedule what it says? Checked from the problem alone, by other arithmetic than the solver's."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise

from twin.schedule.problem import LATE_WEIGHT, OrderTask, ScheduleProblem
from twin.schedule.result import Schedule, ScheduledOrder

__all__ = ["check"]

_Violations = Iterator[str]


def check(problem: ScheduleProblem, schedule: Schedule) -> tuple[str, ...]:
    """Everything in which a schedule breaks its problem; empty when it is right.

    Args:
        problem: What was asked.
        schedule: What was answered, by whatever solver.

    Returns:
        One sentence per violation.
    """
    checks: tuple[Callable[[ScheduleProblem, Schedule], _Violations], ...] = (
        _everything_once,
        _orders_fit_their_data,
        _setups_are_respected,
        _maintenance_fits_its_window,
        _one_thing_at_a_time,
        _objective_and_bound,
    )
    return tuple(violation for one in checks for violation in one(problem, schedule))


def _everything_once(problem: ScheduleProblem, schedule: Schedule) -> _Violations:
    wanted = sorted(order.order_id for order in problem.orders)
    found = sorted(entry.order_id for entry in schedule.entries)
    if wanted != found:
        for name in sorted({*wanted, *found}):
            if wanted.count(name) != found.count(name):
                yield f"{name}: placed {found.count(name)} times, wanted {wanted.count(name)}"
    work = sorted((w.work_unit, w.failure_mode) for w in schedule.maintenance)
    if work != sorted((t.work_unit, t.failure_mode) for t in problem.maintenance):
        yield "the placed maintenance is not the wanted maintenance"


def _orders_fit_their_data(problem: ScheduleProblem, schedule: Schedule) -> _Violations:
    tasks = {task.order_id: task for task in problem.orders}
    for entry in schedule.entries:
        task = tasks.get(entry.order_id)
        if task is not None:
            yield from _order_fits(problem, entry, task)


def _order_fits(problem: ScheduleProblem, entry: ScheduledOrder, task: OrderTask) -> _Violations:
    name = entry.order_id
    said = (entry.product, entry.quantity, entry.due_at, entry.priority, entry.release_at)
    if said != (task.product, task.quantity, task.due_at, task.priority, task.release_at):
        yield f"{name}: product, quantity, dates or priority are not the order's"
    if entry.setup_at < max(task.release_at, problem.start):
        yield f"{name}: begins {entry.setup_at} before its release {task.release_at}"
    if not entry.setup_at <= entry.start_at <= entry.end_at <= entry.finished_at:
        yield f"{name}: its instants do not follow each other"
    work_s = math.ceil(task.quantity * problem.seconds_per_part[task.product])
    steps = (
        ("change-over", entry.setup_at, entry.start_at, entry.setup_s),
        ("work", entry.start_at, entry.end_at, work_s),
        ("tail", entry.end_at, entry.finished_at, math.ceil(problem.tail_s[task.product])),
    )
    for what, begin, end, wanted_s in steps:
        if _worked_s(problem, begin, end) != wanted_s:
            yield f"{name}: {what} takes {_worked_s(problem, begin, end):.0f} s, not {wanted_s} s"
    for what, at in (("change-over", entry.setup_at), ("work", entry.start_at)):
        if not _open_at(problem, at):
            yield f"{name}: {what} begins at {at}, when the line is closed"
    for what, at in (("work", entry.end_at), ("last part", entry.finished_at)):
        if not _open_until(problem, at):
            yield f"{name}: {what} ends at {at}, when the line is closed"


def _setups_are_respected(problem: ScheduleProblem, schedule: Schedule) -> _Violations:
    entries = sorted(schedule.entries, key=lambda e: (e.setup_at, e.end_at))
    if list(schedule.entries) != entries:
        yield "the entries are not in the order of the line"
    last = problem.last_product
    for i, entry in enumerate(entries):
        free = last is None or (i == 0 and entry.order_id == problem.running)
        wanted = 0 if free else math.ceil(problem.setup_s.get((last or "", entry.product), 0.0))
        if entry.setup_s != wanted:
            yield f"{entry.order_id}: change-over from {last} takes {wanted} s, not {entry.setup_s}"
        last = entry.product
    if problem.running is not None and entries and entries[0].order_id != problem.running:
        yield f"{problem.running} is on the line, but {entries[0].order_id} comes first"


def _maintenance_fits_its_window(problem: ScheduleProblem, schedule: Schedule) -> _Violations:
    tasks = {(t.work_unit, t.failure_mode): t for t in problem.maintenance}
    for work in schedule.maintenance:
        task = tasks.get((work.work_unit, work.failure_mode))
        if task is None:
            continue
        name = f"{work.work_unit}.{work.failure_mode}"
        if work.start_at < max(task.earliest_at, problem.start) or work.end_at > task.latest_at:
            yield f"{name}: lies outside {task.earliest_at} to {task.latest_at}"
        if not task.duration_s == work.duration_s == _worked_s(problem, work.start_at, work.end_at):
            yield f"{name}: takes another time than {task.duration_s} s"
        if not _open_at(problem, work.start_at) or not _open_until(problem, work.end_at):
            yield f"{name}: begins or ends when the line is closed"


def _one_thing_at_a_time(problem: ScheduleProblem, schedule: Schedule) -> _Violations:
    held = [(e.setup_at, e.end_at, e.order_id) for e in schedule.entries]
    held += [
        (w.start_at, w.end_at, f"{w.work_unit}.{w.failure_mode}") for w in schedule.maintenance
    ]
    held.sort()
    for (_, end, name), (begin, _, following) in pairwise(held):
        if begin < end:
            yield f"{following} begins {begin} before {name} ends {end}"


def _objective_and_bound(problem: ScheduleProblem, schedule: Schedule) -> _Violations:
    ends = [e.end_at for e in schedule.entries] + [w.end_at for w in schedule.maintenance]
    cost = _worked_s(problem, problem.start, max(ends, default=problem.start))
    for entry in schedule.entries:
        due = max(entry.due_at, problem.start)
        late = _worked_s(problem, due.replace(microsecond=0), entry.finished_at)
        cost += entry.setup_s + LATE_WEIGHT * entry.priority * late
    if cost != schedule.objective:
        yield f"the objective is {cost:.0f}, not {schedule.objective}"
    if schedule.bound > schedule.objective:
        yield f"the bound {schedule.bound} is above the objective {schedule.objective}"
    if schedule.status == "optimal" and schedule.bound != schedule.objective:
        yield f"called optimal with a bound of {schedule.bound}"


def _worked_s(problem: ScheduleProblem, begin: datetime, end: datetime) -> float:
    overlaps = ((max(a, begin), min(b, end)) for a, b in problem.working)
    return sum((b - a).total_seconds() for a, b in overlaps if a < b)


def _open_at(problem: ScheduleProblem, at: datetime) -> bool:
    return any(a <= at < b for a, b in problem.working)


def _open_until(problem: ScheduleProblem, at: datetime) -> bool:
    return any(a < at <= b for a, b in problem.working) or at == problem.working[0][0]
