"""The schedule by constraint programming: the one module that knows OR-Tools."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ortools.sat.python import cp_model

from twin.errors import DataError, SolverError
from twin.schedule.bounds import lower_bound
from twin.schedule.problem import ScheduleProblem
from twin.schedule.result import Schedule
from twin.schedule.sequence import (
    Numbers,
    improved,
    numbers,
    placed,
    schedule_of,
    start_sequence,
)

__all__ = ["solve"]

_TRIALS = 30_000
_WORK_PER_SECOND = 0.1
"""The solver's deterministic time that a usual machine spends per second on this kind of model."""
_WALL_RESERVE = 3.0
"""Wall-clock limit over the wanted time: a guard for a slow machine, not the way it ends."""


def solve(
    problem: ScheduleProblem, *, time_limit_s: float = 5.0, seed: int = 0, workers: int = 1
) -> Schedule:
    """Place every order and all maintenance at the lowest objective that is found in time.

    The search starts from orders by due date, improved by moving them. It stops when the
    optimum is proved or the solver has done the work, in its deterministic time, that takes
    about ``time_limit_s``: the same problem, seed and workers give the same schedule. A
    wall-clock limit of three times that stands behind it; a schedule that it has cut says
    ``reproducible=False``.

    Args:
        problem: What is to be placed.
        time_limit_s: Search effort; on a usual machine about as many seconds.
        seed: Of the solver's choices.
        workers: Solver threads.

    Returns:
        A schedule with its objective, its bound and so its gap.

    Raises:
        DataError: Maintenance cannot be done inside its windows.
        SolverError: Nothing is found in time, which only tangled windows can cause.
    """
    given = numbers(problem)
    hint = start_sequence(given)
    if hint is not None:
        hint = improved(given, hint, trials=_TRIALS)
        if given.items < 2:
            cost = _cost(given, hint)
            return schedule_of(problem, given, hint, bound=cost, proved=True, reproducible=True)
    model = _Model.of(given, horizon=_horizon(given, hint))
    if hint is not None:
        model.hint(given, hint)
    solver = _solver(time_limit_s, seed, workers)
    status = solver.solve(model.cp)
    if status == cp_model.INFEASIBLE:
        raise DataError("the maintenance work does not fit into its windows; widen one")
    proved = status == cp_model.OPTIMAL
    found = [hint] if hint is not None else []
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        found.append(_sequence(given, solver, model, improve=not proved))
    if not found:
        raise SolverError(f"no schedule in {time_limit_s:g} s of work; allow more time")
    return schedule_of(
        problem,
        given,
        min(found, key=lambda sequence: _cost(given, sequence)),
        bound=max(lower_bound(given), math.ceil(solver.best_objective_bound - 1e-6)),
        proved=proved,
        reproducible=proved or solver.wall_time < _WALL_RESERVE * time_limit_s,
    )


def _solver(time_limit_s: float, seed: int, workers: int) -> cp_model.CpSolver:
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = workers
    solver.parameters.random_seed = seed
    solver.parameters.interleave_search = True
    solver.parameters.max_deterministic_time = _WORK_PER_SECOND * time_limit_s
    solver.parameters.max_time_in_seconds = _WALL_RESERVE * time_limit_s
    return solver


def _sequence(
    given: Numbers, solver: cp_model.CpSolver, model: _Model, *, improve: bool
) -> list[int]:
    begins = [solver.value(begin) for begin in model.begin]
    found = sorted(range(given.items), key=lambda i: (begins[i], given.duration[i] > 0, i))
    return improved(given, found, trials=_TRIALS // 3) if improve else found


def _cost(given: Numbers, sequence: Sequence[int]) -> int:
    found = placed(given, sequence)
    if found is None:
        raise SolverError("the solver's sequence breaks a maintenance window")
    return found[1]


def _horizon(given: Numbers, hint: Sequence[int] | None) -> int:
    """No better schedule ends later than the hint costs, nor after all work done in a row."""
    longest = max((s for row in given.setup for s in row), default=0)
    in_a_row = max(given.earliest) + sum(given.duration) + longest * given.orders
    return in_a_row if hint is None else min(in_a_row, _cost(given, hint))


@dataclass(slots=True)
class _Model:
    cp: cp_model.CpModel
    begin: list[cp_model.IntVar]
    end: list[cp_model.IntVar]
    setup: list[cp_model.IntVar]
    late: list[cp_model.IntVar]
    arcs: dict[tuple[int, int], cp_model.IntVar]
    """``(last, next)`` between orders; ``orders`` stands before the first and after the last."""
    last_end: cp_model.IntVar

    @classmethod
    def of(cls, given: Numbers, *, horizon: int) -> _Model:
        cp, n = cp_model.CpModel(), given.orders
        model = cls(
            cp=cp,
            begin=[
                cp.new_int_var(given.earliest[i], max(horizon, given.earliest[i]), f"begin{i}")
                for i in range(given.items)
            ],
            end=[
                cp.new_int_var(0, given.latest_end[i] or horizon, f"end{i}")
                for i in range(given.items)
            ],
            setup=[
                cp.new_int_var(0, max(row[i] for row in given.setup), f"setup{i}") for i in range(n)
            ],
            late=[cp.new_int_var(0, horizon + given.tail[i], f"late{i}") for i in range(n)],
            arcs={},
            last_end=cp.new_int_var(0, horizon, "last_end"),
        )
        model._one_thing_at_a_time(given)
        if n:
            model._one_after_the_other(given)
        model._equal_orders_by_due_date(given)
        model._objective(given)
        return model

    def _one_thing_at_a_time(self, given: Numbers) -> None:
        spans = []
        for i in range(given.items):
            size = given.duration[i] + (self.setup[i] if i < given.orders else 0)
            spans.append(self.cp.new_interval_var(self.begin[i], size, self.end[i], f"span{i}"))
            self.cp.add(self.end[i] <= self.last_end)
        self.cp.add_no_overlap(spans)

    def _one_after_the_other(self, given: Numbers) -> None:
        n = given.orders
        for a in range(n + 1):
            for b in range(n + 1):
                if a == b or (a == n and given.first is not None and b not in (given.first, n)):
                    continue
                self.arcs[a, b] = self.cp.new_bool_var(f"arc{a}_{b}")
                if a < n and b < n:
                    follows = self.begin[b] >= self.end[a]
                    self.cp.add(follows).only_enforce_if(self.arcs[a, b])
        self.cp.add_circuit([(a, b, lit) for (a, b), lit in self.arcs.items()])
        for b in range(n):
            into = [(given.setup[a][b], lit) for (a, to), lit in self.arcs.items() if to == b]
            self.cp.add(self.setup[b] == sum(s * lit for s, lit in into))

    def _equal_orders_by_due_date(self, given: Numbers) -> None:
        """Two orders alike in all but urgency may be swapped, so the more urgent goes first."""
        for a in range(given.orders):
            for b in range(given.orders):
                if a != b and given.first not in (a, b) and _goes_first(given, a, b):
                    self.cp.add(self.end[a] <= self.begin[b])

    def _objective(self, given: Numbers) -> None:
        for i, late in enumerate(self.late):
            self.cp.add(late >= self.end[i] - given.due[i])
        costs = sum(w * late for w, late in zip(given.weight, self.late, strict=True))
        self.cp.minimize(costs + self.last_end + sum(self.setup))

    def hint(self, given: Numbers, sequence: Sequence[int]) -> None:
        """Tell the solver a whole schedule: every variable that matters."""
        found = placed(given, sequence)
        if found is None:
            return
        follows = [item for item in sequence if item < given.orders]
        used = set(zip([given.orders, *follows], [*follows, given.orders], strict=True))
        for arc, lit in self.arcs.items():
            self.cp.add_hint(lit, arc in used)
        last = 0
        for item, (begin, setup) in zip(sequence, found[0], strict=True):
            last = begin + setup + given.duration[item]
            self.cp.add_hint(self.begin[item], begin)
            self.cp.add_hint(self.end[item], last)
            if item < given.orders:
                self.cp.add_hint(self.setup[item], setup)
                self.cp.add_hint(self.late[item], max(0, last - given.due[item]))
        self.cp.add_hint(self.last_end, last)


def _goes_first(given: Numbers, a: int, b: int) -> bool:
    def key(i: int) -> tuple[int, int, int]:
        return given.earliest[i], given.due[i], -given.weight[i]

    n = given.orders
    alike = given.duration[a] == given.duration[b] and given.tail[a] == given.tail[b]
    same_setups = [given.setup[x][a] for x in range(n + 1) if x not in (a, b)] == [
        given.setup[x][b] for x in range(n + 1) if x not in (a, b)
    ]
    same_setups = same_setups and all(
        given.setup[a][x] == given.setup[b][x] for x in range(n) if x not in (a, b)
    )
    symmetric = same_setups and given.setup[a][b] == given.setup[b][a]
    no_worse = all(x <= y for x, y in zip(key(a), key(b), strict=True))
    return alike and symmetric and no_worse and (key(a) != key(b) or a < b)
