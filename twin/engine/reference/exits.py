"""How parts leave a unit once their work is done: onward, to rework, as scrap, or out of the line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.engine.counts import (
    ESCAPED,
    FLOW_TICKS,
    GOOD,
    PART_TICKS,
    REWORKED,
    SCRAPPED,
    TIMED,
)
from twin.engine.model import LEAVE
from twin.engine.reference.entities import Part, Unit

if TYPE_CHECKING:
    from twin.engine.reference.line import Line

__all__ = ["Exits"]


class Exits:
    """Inspection, routes and the end of the line; and what orders still wait for."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.main_left = 0
        """Parts that orders count and that have not left, started or not."""
        self._left = [0] * len(line.given.orders)
        for job in line.given.jobs or ():
            self.expect(job.order, job.quantity)

    def expect(self, order: int, parts: int) -> None:
        """So many parts more of an order are to leave."""
        self._left[order] += parts
        self.main_left += parts

    def inspected(self, unit: Unit, part: Part) -> bool:
        """Inspection, own defects, and the way on; False if the part has left the unit."""
        table = unit.table
        self._line.made[unit.index, part.product] += 1
        found = part.defective and table.coverage > 0.0
        if found and unit.detect.at(part.index) < table.coverage:
            self._line.rejected[unit.index] += 1
            if table.rework == LEAVE or part.reworks >= table.rework_limit:
                self._scrap(unit, part)
                return False
            part.defective = False
            part.reworks += 1
            part.dest = table.rework
            self._line.tally[REWORKED] += 1
            self._line.note(unit, "rework", part)
            return True
        if table.defect_probability and unit.defect.at(part.index) < table.defect_probability:
            part.defective = True
        self._line.note(unit, "finish", part)
        part.dest = self.way(unit, part)
        if part.dest == LEAVE:
            self.leave(unit, part)
            return False
        return True

    def way(self, unit: Unit, part: Part) -> int:
        """Zone that a good part goes to."""
        table = unit.table
        if not table.shares:
            return table.by_product[part.product]
        u = unit.route.at(part.index)
        return next(zone for zone, end in table.shares if u < end)

    def _scrap(self, unit: Unit, part: Part) -> None:
        """An inspection takes the part out; a component is launched again."""
        self._line.note(unit, "reject", part)
        self._line.tally[SCRAPPED] += 1
        self._out(unit, part, False)
        if part.main:
            return
        for source in (self._line.units[s] for s in unit.table.sources):
            if source.launcher is not None:
                source.launcher.again.append((part.order, part.product))
                self._line.ask_idle(source)

    def leave(self, unit: Unit, part: Part) -> None:
        """A good part leaves the line."""
        line, tally = self._line, self._line.tally
        line.note(unit, "leave", part)
        tally[GOOD] += 1
        tally[ESCAPED] += part.defective
        if part.launched:
            tally[TIMED] += 1
            tally[FLOW_TICKS] += line.tick() - part.entered
        self._out(unit, part, True)

    def _out(self, unit: Unit, part: Part, good: bool) -> None:
        line = self._line
        self.count_time(part, line.tick())
        line.needs.give_back(part, unit.table.closes)
        line.needs.give_back(part, tuple(sorted(part.cards)))
        if not part.main or part.order < 0:
            return
        self.main_left -= 1
        line.order_good[part.order] += good
        self._left[part.order] -= 1
        if self._left[part.order] == 0:
            line.order_finished_s[part.order] = line.agenda.now

    def count_time(self, part: Part, tick: int) -> None:
        """The part has been in the line until now."""
        self._line.tally[PART_TICKS] += tick - max(part.entered, self._line.measured_from)
