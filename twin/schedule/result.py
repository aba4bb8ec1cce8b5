"""A schedule: what is placed where, and how good it can be proved to be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from twin.engine.types import Job, PlannedMaintenance

__all__ = [
    "Schedule",
    "ScheduledMaintenance",
    "ScheduledOrder",
    "schedule_jobs",
    "schedule_maintenance",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledOrder:
    """One order on the line. All instants UTC."""

    order_id: str
    product: str
    quantity: int
    setup_at: datetime
    """The change-over begins; from here to ``end_at`` the order holds the line."""
    setup_s: int
    """Change-over. [s] of working time"""
    start_at: datetime
    """The first part starts."""
    end_at: datetime
    """The line is free for the next order."""
    finished_at: datetime
    """The last part has left the line."""
    release_at: datetime
    due_at: datetime
    priority: int

    @property
    def late_h(self) -> float:
        """Calendar hours from the due date to the last part; 0 when in time. [h]"""
        return max(0.0, (self.finished_at - self.due_at).total_seconds() / 3600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledMaintenance:
    """Planned work on one unit; the line stands meanwhile."""

    work_unit: str
    failure_mode: str
    start_at: datetime
    end_at: datetime
    duration_s: int
    """[s] of working time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The order of the orders, with its bound: never the one without the other."""

    start: datetime
    entries: tuple[ScheduledOrder, ...]
    """In the order of the line."""
    maintenance: tuple[ScheduledMaintenance, ...]
    objective: int
    """What ``ScheduleProblem`` states. [working s]"""
    bound: int
    """No schedule can be below. [working s]"""
    status: str
    """``optimal``, or ``feasible`` where the limit came first."""
    reproducible: bool
    """True unless a limit of wall-clock time cut the search: then another run may differ."""

    @property
    def gap(self) -> float:
        """Share of the objective that may still be saved, 0 to 1."""
        return (self.objective - self.bound) / self.objective if self.objective else 0.0


def schedule_jobs(schedule: Schedule) -> list[Job]:
    """The schedule as work for the engine, in the order of the line.

    A job may start when its order is released and the jobs before it are through: the
    engine plays the sequence, not the planned minutes.
    """
    return [
        Job(
            order_id=entry.order_id,
            product=entry.product,
            quantity=entry.quantity,
            release_at=entry.release_at,
        )
        for entry in schedule.entries
    ]


def schedule_maintenance(schedule: Schedule) -> list[PlannedMaintenance]:
    """The placed maintenance as the engine wants it."""
    return [
        PlannedMaintenance(
            work_unit=work.work_unit,
            start_at=work.start_at,
            duration_s=float(work.duration_s),
            failure_mode=work.failure_mode,
        )
        for work in schedule.maintenance
    ]
