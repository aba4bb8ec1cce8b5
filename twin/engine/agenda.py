"""SimPy's clock and heap with ties broken by (kind of event, unit), never by who asked first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import simpy
from simpy.events import EventPriority

from twin.engine.entities import Mode, Unit, Work

__all__ = ["Agenda", "Due"]

WORK_END, REPAIR_END, FAILURE_DUE, MAINTENANCE_DUE, SHIFT, RELEASE, WARM_UP, END = range(8)
"""Kinds of timed events; of two at one instant, the lower kind comes first."""


class Due(simpy.Event):
    """Something that happens to one unit at a known time. To call it off, forget it."""

    def __init__(self, env: simpy.Environment, unit: Unit, action: Callable[[Any], None]) -> None:
        # As simpy.Timeout, but without being scheduled at once at normal priority.
        self.env = env
        self.callbacks = [action]
        self._value = None
        self._ok = True
        self.unit = unit
        self.mode: Mode | None
        self.work: Work | None


class Agenda:
    """What happens when. Delays in seconds from now."""

    def __init__(self, units: int) -> None:
        self.env = simpy.Environment()
        self.step = self.env.step
        self._units = units
        self._work_end = [EventPriority(WORK_END * units + i) for i in range(units)]

    @property
    def now(self) -> float:
        return float(self.env.now)

    def work_end(self, delay: float, unit: Unit, action: Callable[[Due], None]) -> Due:
        due = Due(self.env, unit, action)
        self.env.schedule(due, self._work_end[unit.index], delay)
        return due

    def repair_end(self, delay: float, unit: Unit, action: Callable[[Due], None]) -> Due:
        return self._put(REPAIR_END, delay, unit, action)

    def failure_due(
        self, delay: float, unit: Unit, mode: Mode, action: Callable[[Due], None]
    ) -> Due:
        due = self._put(FAILURE_DUE, delay, unit, action)
        due.mode = mode
        return due

    def maintenance_due(
        self, delay: float, unit: Unit, work: Work, action: Callable[[Due], None]
    ) -> Due:
        due = self._put(MAINTENANCE_DUE, delay, unit, action)
        due.work = work
        return due

    def shift(self, delay: float, unit: Unit, action: Callable[[Due], None]) -> None:
        self._put(SHIFT, delay, unit, action)

    def once(self, kind: int, delay: float, unit: Unit, action: Callable[[Due], None]) -> None:
        """Something that concerns the whole line; ``unit`` only completes the event."""
        self._put(kind, delay, unit, action)

    def _put(self, kind: int, delay: float, unit: Unit, action: Callable[[Due], None]) -> Due:
        due = Due(self.env, unit, action)
        self.env.schedule(due, EventPriority(kind * self._units + unit.index), delay)
        return due
