"""The order of the orders: problem, solver, and a checker that trusts neither."""

from __future__ import annotations

from twin.schedule.checker import check
from twin.schedule.problem import MaintenanceTask, OrderTask, ScheduleProblem, build_problem
from twin.schedule.result import (
    Schedule,
    ScheduledMaintenance,
    ScheduledOrder,
    schedule_jobs,
    schedule_maintenance,
)

__all__ = [
    "MaintenanceTask",
    "OrderTask",
    "Schedule",
    "ScheduleProblem",
    "ScheduledMaintenance",
    "ScheduledOrder",
    "build_problem",
    "check",
    "schedule_jobs",
    "schedule_maintenance",
    "solve",
]


def solve(
    problem: ScheduleProblem, *, time_limit_s: float = 5.0, seed: int = 0, workers: int = 1
) -> Schedule:
    """Place everything at the lowest objective found in time: ``twin.schedule.cpsat.solve``.

    Raises:
        DataError: Maintenance cannot be done inside its windows.
        SolverError: The solver finds nothing.
    """
    from twin.schedule.cpsat import solve as by_constraint_programming

    return by_constraint_programming(problem, time_limit_s=time_limit_s, seed=seed, workers=workers)
