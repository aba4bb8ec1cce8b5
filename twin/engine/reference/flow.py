"""Parts on their way: taken, handed over, worked on, passed on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from twin.engine.kinds import TRANSPORT_END
from twin.engine.model import LEAVE
from twin.engine.reference.agenda import Due
from twin.engine.reference.entities import Part, Server, Unit, Zone
from twin.engine.reference.work import begin_work, ready, run, stretch_ended
from twin.engine.starts import EMPTY, HELD, SETTING_UP, WORKING, PlacedPart

if TYPE_CHECKING:
    from twin.engine.reference.line import Line

__all__ = ["Flow"]


class Flow:
    """Moves the parts of a line."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._agenda = line.agenda
        self.moving = 0
        """Parts on a conveyor."""

    def begin(self) -> None:
        """Parts of the live state."""
        line, placed = self._line, self._line.placement

        def part(row: PlacedPart) -> Part:
            found = Part(row.number, row.order, row.product, row.main, 0)
            found.launched = False
            found.reworks, found.defective, found.ready_s = row.reworks, row.defective, row.ready_s
            line.needs.hold(found, row.cards)
            if row.main and row.order >= 0:
                line.exits.expect(row.order, 1)
                line.order_started_s[row.order] = 0.0
            return found

        for z, rows in placed.zones.items():
            line.zones[z].parts.extend(part(row) for row in rows)
            for row in rows:
                if row.ready_s > 0.0:
                    self._on_the_way(line.zones[z], row.ready_s)
        for index, start in placed.servers.items():
            server = line.servers[index]
            server.last_product, server.last_order = start.last_product, start.last_order
            for w, made in start.made.items():
                server.upkeep[w].parts = made
            server.parts = [part(row) for row in start.parts]
            server.phase, server.remaining_s = start.phase, start.remaining_s
            server.fresh = start.fresh
            line.operators.stay(server, start.team)
            for inside in server.parts:
                if server.phase in (WORKING, HELD) and not start.fresh:
                    inside.visits[server.unit.index] = 1
                if server.phase == HELD:
                    inside.dest = line.exits.way(server.unit, inside)

    def _on_the_way(self, zone: Zone, delay: float) -> None:
        self.moving += 1
        self._agenda.put(TRANSPORT_END, zone.index, delay, zone, self._transported)

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
            if not server.fresh:
                self._line.note(server.unit, "resume", server.parts[0])
            run(self._line, server)
            return True
        return False

    def _put(self, server: Server) -> bool:
        """The part goes on where there is room."""
        line, part = self._line, server.parts[0]
        if part.dest == LEAVE:  # held so by a live start
            line.exits.leave(server.unit, server.parts.pop())
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
            self._on_the_way(zone, zone.table.transport_s)
        else:
            self._ask_takers(zone)
        self._gone(server)
        return True

    def _take(self, server: Server) -> bool:
        """What the unit needs to begin, if all of it is there."""
        unit, table = server.unit, server.unit.table
        if not table.zones_in:
            part = self._line.sources.launch(unit)
            if part is not None:
                self._begin(server, part)
            return part is not None
        if table.eager:
            return self._take_kit(server)
        zones = unit.zones
        if table.assembles:
            found = [self._first(zone) for zone in zones]
            lead = found[0]
            if lead is None or None in found or not self._line.needs.met(unit, lead):
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
            if not self._line.needs.met(unit, self._first(zone)):
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
        if len(parts) < len(server.kit) or not self._line.needs.met(server.unit, parts[0]):
            return took
        server.kit = [None] * len(server.kit)
        self._begin(server, self._assembled(parts))
        return True

    def _put_in(self, server: Server, part: Part) -> None:
        """One more part in the server."""
        server.parts.append(part)
        self._line.needs.use(server.unit, part)

    def _begin(self, server: Server, part: Part) -> None:
        self._put_in(server, part)
        ready(self._line, server)

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
            return zones[0] if self._line.needs.met(unit, self._first(zones[0])) else None
        best, since = None, math.inf
        for zone in zones:
            if not self._line.needs.met(unit, self._first(zone)):
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
        self._line.needs.give_back(part, zone.closes)
        return part

    def _assembled(self, parts: list[Part]) -> Part:
        """The first part with the others in it."""
        tick, lead = self._line.tick(), parts[0]
        for part in parts[1:]:
            lead.defective |= part.defective
            self._line.needs.give_back(part, tuple(sorted(lead.cards & part.cards)))
            lead.cards |= part.cards
            self._line.exits.count_time(part, tick)
        return lead

    def _gone(self, server: Server) -> None:
        """The first part of a server has been handed over."""
        part = server.parts.pop(0)
        self._line.needs.give_back(part, server.unit.table.closes)
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

    def _ask_takers(self, zone: Zone) -> None:
        self._line.ask_idle(zone.downstream)

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
            if line.exits.inspected(server.unit, part):
                server.parts.append(part)
        if server.parts:
            server.phase = HELD
            server.asked_s = self._agenda.now
            line.ask(server)
            self._ask_takers_of_held(server)
        else:
            self._emptied(server)
        line.crews.made(server, len(made))

    def _transported(self, event: Due) -> None:
        self.moving -= 1
        self._ask_takers(event.about)

    def parts_inside(self) -> Iterator[Part]:
        """Every part in the line."""
        for zone in self._line.zones:
            yield from zone.parts
        for server in self._line.servers:
            yield from server.parts
            yield from (part for part in server.kit if part is not None)
