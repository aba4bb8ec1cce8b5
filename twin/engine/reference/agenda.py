"""SimPy's clock and heap, with what happens at one instant ordered by kind and place, not by who asked first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import simpy
from simpy.events import EventPriority

from twin.engine.kinds import rank

__all__ = ["Agenda", "Due"]


class Due(simpy.Event):
    """Something that happens at a known time. To call it off, forget it."""

    def __init__(self, env: simpy.Environment, about: Any, action: Callable[[Due], None]) -> None:
        # As simpy.Timeout, but without being scheduled at once at normal priority.
        self.env = env
        self.callbacks = [action]
        self._value = None
        self._ok = True
        self.about = about


class Agenda:
    """What happens when. Delays in seconds from now."""

    def __init__(self) -> None:
        self.env = simpy.Environment()
        self.now = 0.0
        self.next_at = self.env.peek
        self.step = self.env.step

    def go_on(self) -> None:
        """The next instant at which something falls due is now."""
        self.now = float(self.env.peek())

    def put(
        self,
        kind: int,
        place: int,
        delay: float,
        about: Any,
        action: Callable[[Due], None],
        detail: int = 0,
    ) -> Due:
        """At equal times: by kind, then by place (server, zone or unit), then by detail."""
        due = Due(self.env, about, action)
        self.env.schedule(due, EventPriority(rank(kind, place, detail)), delay)
        return due
