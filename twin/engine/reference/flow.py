"""Parts on their way: launched or arriving, taken, worked on, handed over, scrapped, leaving."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from twin.engine.counts import (
    ESCAPED,
    FLOW_TICKS,
    GOOD,
    LOST,
    PART_TICKS,
    REWORKED,
    SCRAPPED,
    TIMED,
)
from twin.engine.kinds import ARRIVAL, RECEIPT, RELEASE, TRANSPORT_END
from twin.engine.model import LEAVE
from twin.engine.reference.agenda import Due
from twin.engine.reference.entities import Launcher, Part, Queue, Server, Unit, Zone
from twin.engine.reference.work import begin_work, ready, run, stretch_ended
from twin.engine.starts import EMPTY, HELD, SETTING_UP, WORKING

if TYPE_CHECKING:
    from twin.engine.reference.line import Line

__all__ = ["Flow"]


class Flow:
    """Moves the parts of a line."""

    def __init__(self, line: Line) -> None:
        self._line = line
        given = line.given
        model = given.model
        self._agenda = line.agenda
        self._heads = [line.units[u] for u in model.heads]
        self._cards = [loop.cards for loop in model.loops]
        self._on_hand = list(given.on_hand)
        self._moving = 0
        """Parts on a conveyor."""
        self._receipts = len(given.receipts)
        self.main_left = 0
        """Parts that orders count and that have not left, started or not."""
        self._orders = Queue(given, given.jobs)
        """The heads of the main path launch from it, whichever asks first."""
        self._left = [0] * len(given.orders)
        self._overfull: list[Zone] = []

    def begin(self) -> None:
        """What is there at time 0, and what is known to come."""
        given = self._line.given
        for job in given.jobs or ():
            self._left[job.order] += job.quantity
            self.main_left += job.quantity
        for unit in self._heads:
            if unit.arrivals is not None:
                delay = unit.arrivals.at(0)
                self._agenda.put(ARRIVAL, unit.index, delay, unit, self._arrives)
            else:
                unit.launcher = Launcher(self._queue_of(unit))
        self._place()
        for at in sorted({j.release_s for j in given.jobs or () if j.release_s > 0}):
            self._agenda.put(RELEASE, 0, at, None, self._released)
        for i, receipt in enumerate(given.receipts):
            if receipt.at_s <= 0.0:
                self._on_hand[receipt.item] += receipt.quantity
                self._receipts -= 1
            else:
                self._agenda.put(RECEIPT, i, receipt.at_s, receipt, self._received)

    def _queue_of(self, unit: Unit) -> Queue:
        given = self._line.given
        if given.jobs is None or unit.table.saturated:
            return Queue(given, None)
        return self._orders if unit.table.main else Queue(given, given.jobs)

    def _place(self) -> None:
        """Parts of the live state."""
        line, placed = self._line, self._line.placement

        def part(number: int, order: int, product: int, main: bool) -> Part:
            found = Part(number, order, product, main, 0)
            found.launched = False
            if main and order >= 0:
                self.main_left += 1
                self._left[order] += 1
                line.order_started_s[order] = 0.0
            return found

        for z, rows in placed.zones.items():
            for row in rows:
                line.zones[z].parts.append(part(row.number, row.order, row.product, row.main))
        for index, start in placed.servers.items():
            server = line.servers[index]
            server.last_product, server.last_order = start.last_product, start.last_order
            if start.part is None:
                continue
            row = start.part
            server.parts = [part(row.number, row.order, row.product, row.main)]
            server.phase, server.remaining_s = start.phase, start.remaining_s
            if server.phase in (WORKING, HELD):
                server.parts[0].visits[server.unit.index] = 1
            if server.phase == HELD:
                server.parts[0].dest = self._way(server, server.parts[0])

    # What servers ask for.

    def grant(self, server: Server) -> bool:
        """A part, a place for the part, or an operator; False while it cannot be."""
        if server.phase == HELD:
            return self._put(server)
        if not server.on or server.down:
            return False
        if server.phase == EMPTY:
            return self._take(server)
        if server.wants_operator and self._line.operators.give(server):
            run(self._line, server)
            return True
        return False

    def _put(self, server: Server) -> bool:
        """The part goes on where there is room."""
        line, part = self._line, server.parts[0]
        if part.dest == LEAVE:  # held so by a live start
            self._leave(server.unit, server.parts.pop())
            self._emptied(server)
            return True
        zone = line.zones[part.dest]
        if len(zone.parts) >= zone.capacity:
            return False
        now = self._agenda.now
        zone.parts.append(part)
        part.ready_s = now
        if zone.table.transport_s > 0.0:
            part.ready_s = now + zone.table.transport_s
            self._moving += 1
            self._agenda.put(
                TRANSPORT_END, zone.index, zone.table.transport_s, zone, self._transported
            )
        else:
            self._ask_takers(zone)
        self._gone(server)
        return True

    def _take(self, server: Server) -> bool:
        """What the unit needs to begin, if all of it is there."""
        unit, table = server.unit, server.unit.table
        if not table.zones_in:
            return self._launch(server)
        if table.eager:
            return self._take_kit(server)
        zones = unit.zones
        if table.assembles:
            found = [self._first(zone) for zone in zones]
            lead = found[0]
            if lead is None or None in found or not self._allowed(unit, lead):
                return False
            parts = [self._pull(zone) for zone in zones]
            self._begin(server, self._assembled(parts))
            return True
        zone = self._longest_waiting(unit, zones)
        if zone is None:
            return False
        count = self._ready(zone) if table.batch > 1 else 1
        if count < table.batch_minimum:
            return False
        for _ in range(min(count, table.batch)):
            if not self._allowed(unit, self._first(zone)):
                break
            self._put_in(server, self._pull(zone))
        ready(self._line, server)
        return True

    def _take_kit(self, server: Server) -> bool:
        """Components into the unit as they come; it begins as soon as all are there."""
        took = False
        for i, zone in enumerate(server.unit.zones):
            if server.kit[i] is None and self._first(zone) is not None:
                server.kit[i] = self._pull(zone)
                took = True
        parts = [part for part in server.kit if part is not None]
        if len(parts) < len(server.kit) or not self._allowed(server.unit, parts[0]):
            return took
        server.kit = [None] * len(server.kit)
        self._begin(server, self._assembled(parts))
        return True

    def _put_in(self, server: Server, part: Part) -> None:
        """One more part in the server: it gets its cards, and uses up components."""
        server.parts.append(part)
        table = server.unit.table
        for loop in table.opens:
            if loop not in part.cards:
                part.cards.add(loop)
                self._cards[loop] -= 1
        for item, quantity in table.consumes[part.product]:
            self._on_hand[item] -= quantity

    def _begin(self, server: Server, part: Part) -> None:
        self._put_in(server, part)
        ready(self._line, server)

    def _allowed(self, unit: Unit, part: Part | None) -> bool:
        """There are cards and components for this part."""
        if part is None:
            return False
        if not unit.needs_more:
            return True
        return self._cards_for(unit, part.cards) and self._components_for(unit, part.product)

    def _cards_for(self, unit: Unit, held: set[int]) -> bool:
        return all(loop in held or self._cards[loop] > 0 for loop in unit.table.opens)

    def _components_for(self, unit: Unit, product: int) -> bool:
        return all(self._on_hand[item] >= n for item, n in unit.table.consumes[product])

    # What can be taken out of a zone.

    def _first(self, zone: Zone) -> Part | None:
        """The part that leaves the zone first, if it can be taken now."""
        if zone.parts:
            part = zone.parts[0]
            return part if part.ready_s <= self._agenda.now else None
        holder = self._holder(zone)
        return holder.parts[0] if holder else None

    def _ready(self, zone: Zone) -> int:
        now = self._agenda.now
        return sum(part.ready_s <= now for part in zone.parts)

    def _holder(self, zone: Zone) -> Server | None:
        """Before a zone without places: the server that has held a part for it longest."""
        if zone.capacity > 0 or zone.upstream is None:
            return None
        holding = [
            s for s in zone.upstream.servers if s.phase == HELD and s.parts[0].dest == zone.index
        ]
        return min(holding, key=lambda s: (s.asked_s, s.index)) if holding else None

    def _longest_waiting(self, unit: Unit, zones: list[Zone]) -> Zone | None:
        """Of the zones whose first part can be taken, that where it waits longest; at equal times the first."""
        if len(zones) == 1:
            return zones[0] if self._allowed(unit, self._first(zones[0])) else None
        best, since = None, math.inf
        for zone in zones:
            if not self._allowed(unit, self._first(zone)):
                continue
            holder = None if zone.parts else self._holder(zone)
            waits = holder.asked_s if holder else zone.parts[0].ready_s
            if waits < since:
                best, since = zone, waits
        return best

    def _pull(self, zone: Zone) -> Part:
        """Take the first part; whoever waits for a place in the zone may have one now."""
        if zone.parts:
            part = zone.parts.popleft()
            self._ask_holders(zone)
        else:
            holder = self._holder(zone)
            assert holder is not None  # noqa: S101 - asked before
            part = holder.parts[0]
            self._gone(holder)
        self._give_back(part, zone.closes)
        return part

    def _assembled(self, parts: list[Part]) -> Part:
        """The first part with the others in it."""
        tick, lead = self._line.tick(), parts[0]
        for part in parts[1:]:
            lead.defective |= part.defective
            self._give_back(part, tuple(sorted(lead.cards & part.cards)))
            lead.cards |= part.cards
            self._count_time(part, tick)
        return lead

    def _gone(self, server: Server) -> None:
        """The first part of a server has been handed over."""
        part = server.parts.pop(0)
        self._give_back(part, server.unit.table.closes)
        if server.parts:
            self._line.ask(server)
            self._ask_takers_of_held(server)
            return
        self._emptied(server)

    def _emptied(self, server: Server) -> None:
        server.phase = EMPTY
        server.asked_s = self._agenda.now
        self._line.ask(server)
        self._line.touch(server)

    def _give_back(self, part: Part, closes: tuple[int, ...]) -> None:
        for loop in closes:
            if loop in part.cards:
                part.cards.discard(loop)
                self._cards[loop] += 1
                self._ask_idle(self._line.units[self._line.given.model.loops[loop].first])

    # Who may be able to go on now.

    def _ask_idle(self, unit: Unit) -> None:
        for server in unit.servers:
            if server.phase == EMPTY:
                self._line.ask(server)

    def _ask_takers(self, zone: Zone) -> None:
        self._ask_idle(zone.downstream)

    def _ask_takers_of_held(self, server: Server) -> None:
        """What the server holds may be taken out of its hand."""
        zone = self._line.zones[server.parts[0].dest]
        if zone.capacity == 0:
            self._ask_takers(zone)

    def _ask_holders(self, zone: Zone) -> None:
        if zone.upstream is None:
            return
        for server in zone.upstream.servers:
            if server.phase == HELD and server.parts[0].dest == zone.index:
                self._line.ask(server)

    # Work ends.

    def work_ends(self, event: Due) -> None:
        """Setup ends, or the work on all parts of a server."""
        line = self._line
        server = stretch_ended(line, event)
        if server is None:
            return
        if server.phase == SETTING_UP:
            begin_work(line, server)
            return
        server.operated_s += server.remaining_s
        made, server.parts = server.parts, []
        for part in made:
            if self._inspected(server, part):
                server.parts.append(part)
        if server.parts:
            server.phase = HELD
            server.asked_s = self._agenda.now
            line.ask(server)
            self._ask_takers_of_held(server)
        else:
            self._emptied(server)
        line.crews.made(server, len(made))

    def _inspected(self, server: Server, part: Part) -> bool:
        """Inspection, own defects, and the way on; False if the part has left the unit."""
        unit, table = server.unit, server.unit.table
        found = part.defective and table.coverage > 0.0
        if found and unit.detect.at(part.index) < table.coverage:
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
        part.dest = self._way(server, part)
        if part.dest == LEAVE:
            self._leave(unit, part)
            return False
        return True

    def _way(self, server: Server, part: Part) -> int:
        """Zone that a good part goes to."""
        unit, table = server.unit, server.unit.table
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
                self._ask_idle(source)

    def _leave(self, unit: Unit, part: Part) -> None:
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
        self._count_time(part, line.tick())
        self._give_back(part, unit.table.closes)
        self._give_back(part, tuple(sorted(part.cards)))
        if not part.main or part.order < 0:
            return
        self.main_left -= 1
        line.order_good[part.order] += good
        self._left[part.order] -= 1
        if self._left[part.order] == 0:
            line.order_finished_s[part.order] = self._agenda.now

    def _count_time(self, part: Part, tick: int) -> None:
        self._line.tally[PART_TICKS] += tick - max(part.entered, self._line.measured_from)

    # Parts from outside, and what else comes.

    def _launch(self, server: Server) -> bool:
        unit, line = server.unit, self._line
        launcher = unit.launcher
        assert launcher is not None  # noqa: S101 - units without zones launch
        following = launcher.peek(self._agenda.now)
        if following is None or not self._cards_for(unit, set()):
            return False
        order, product = following
        if not self._components_for(unit, product):
            return False
        part = self._new_part(unit, launcher.launched, order, product)
        if launcher.take():
            self._ask_heads_of(launcher.queue)
        if part.main and order >= 0 and math.isnan(line.order_started_s[order]):
            line.order_started_s[order] = self._agenda.now
        self._begin(server, part)
        return True

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
        self._ask_idle(unit)
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
                self._ask_idle(unit)

    def _released(self, event: Due) -> None:
        for unit in self._heads:
            self._ask_idle(unit)

    def _transported(self, event: Due) -> None:
        self._moving -= 1
        self._ask_takers(event.about)

    def _received(self, event: Due) -> None:
        receipt = event.about
        self._receipts -= 1
        self._on_hand[receipt.item] += receipt.quantity
        for unit in self._line.units:
            if any(receipt.item == i for used in unit.table.consumes for i, _ in used):
                self._ask_idle(unit)

    def parts_inside(self) -> Iterator[Part]:
        """Every part in the line."""
        for zone in self._line.zones:
            yield from zone.parts
        for server in self._line.servers:
            yield from server.parts
            yield from (part for part in server.kit if part is not None)

    def more_to_come(self) -> bool:
        """Something is due from outside, or a component has run out."""
        if self._moving or self._receipts or any(h.arrivals is not None for h in self._heads):
            return True
        given, now = self._line.given, self._agenda.now
        if given.jobs and any(job.release_s > now for job in given.jobs):
            return True
        return any(
            self._on_hand[item] < n
            for unit in self._line.units
            for used in unit.table.consumes
            for item, n in used
        )
