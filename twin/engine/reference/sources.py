"""Where parts come from: jobs and lots that units launch, and arrivals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from twin.engine.counts import LOST
from twin.engine.kinds import ARRIVAL, RELEASE
from twin.engine.reference.agenda import Due
from twin.engine.reference.entities import Launcher, Part, Queue, Unit, Zone

if TYPE_CHECKING:
    from twin.engine.reference.line import Line

__all__ = ["Sources"]


class Sources:
    """The heads of a line: what they launch, and what arrives before them."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._agenda = line.agenda
        self._heads = [line.units[u] for u in line.given.model.heads]
        self._orders = Queue(line.given, line.given.jobs)
        """The heads of the main path launch from it, whichever asks first."""
        self._overfull: list[Zone] = []

    def begin(self) -> None:
        """What is known to come."""
        for unit in self._heads:
            if unit.arrivals is not None:
                delay = unit.arrivals.at(0)
                self._agenda.put(ARRIVAL, unit.index, delay, unit, self._arrives)
            else:
                unit.launcher = Launcher(self._queue_of(unit))
        for at in sorted({j.release_s for j in self._line.given.jobs or () if j.release_s > 0}):
            self._agenda.put(RELEASE, 0, at, None, self._released)

    def _queue_of(self, unit: Unit) -> Queue:
        given = self._line.given
        if given.jobs is None or unit.table.saturated:
            return Queue(given, None)
        return self._orders if unit.table.main else Queue(given, given.jobs)

    def launch(self, unit: Unit) -> Part | None:
        """The next part of the jobs or lots, if it is released and has what it needs."""
        line = self._line
        launcher = unit.launcher
        assert launcher is not None  # noqa: S101 - units without zones launch
        following = launcher.peek(self._agenda.now)
        if following is None:
            return None
        order, product = following
        if not line.needs.met_for(unit, set(), product):
            return None
        part = self._new_part(unit, launcher.launched, order, product)
        if launcher.take():
            self._ask_heads_of(launcher.queue)
        if part.main and order >= 0 and math.isnan(line.order_started_s[order]):
            line.order_started_s[order] = self._agenda.now
        return part

    def _new_part(self, unit: Unit, k: int, order: int, product: int) -> Part:
        line = self._line
        place = line.given.model.heads.index(unit.index)
        number = line.placement.parts + k * len(self._heads) + place
        part = Part(number, order, product, unit.table.main, line.tick())
        line.note(unit, "launch", part)
        return part

    def _arrives(self, event: Due) -> None:
        unit: Unit = event.about
        u = unit.arriving.at(unit.arrived) if len(unit.table.arriving) > 1 else 0.0
        product = next(p for p, end in enumerate(unit.table.arriving) if u < end)
        part = self._new_part(unit, unit.arrived, -1, product)
        part.ready_s = self._agenda.now
        unit.arrived += 1
        zone = self._line.zones[unit.table.zones_in[0]]
        zone.parts.append(part)
        self._overfull.append(zone)
        self._line.ask_idle(unit)
        assert unit.arrivals is not None  # noqa: S101 - it has arrivals
        delay = unit.arrivals.at(unit.arrived)
        self._agenda.put(ARRIVAL, unit.index, delay, unit, self._arrives)

    def turn_away(self) -> None:
        """Arrivals that found no place are lost, the last first."""
        for zone in self._overfull:
            while len(zone.parts) > zone.capacity:
                part = zone.parts.pop()
                self._line.tally[LOST] += 1
                self._line.note(self._line.units[zone.table.downstream], "lost", part)
        self._overfull.clear()

    def _ask_heads_of(self, queue: Queue) -> None:
        """Another job is next: other heads may have what it takes."""
        for unit in self._heads:
            if unit.launcher is not None and unit.launcher.queue is queue:
                self._line.ask_idle(unit)

    def _released(self, event: Due) -> None:
        for unit in self._heads:
            self._line.ask_idle(unit)

    def more_to_come(self) -> bool:
        """Something is due from outside: an arrival, or a job that is not released yet."""
        if any(head.arrivals is not None for head in self._heads):
            return True
        jobs, now = self._line.given.jobs, self._agenda.now
        return any(job.release_s > now for job in jobs or ())
