"""What may still move on a line, from how it stands: a fixpoint that errs on the side of moving."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from twin.engine.inputs import RunInput
from twin.engine.model import LEAVE, UnitTable
from twin.engine.starts import EMPTY, HELD

__all__ = ["Prospects", "ServerSnapshot", "Snapshot", "Ways"]


@dataclass(frozen=True, slots=True)
class ServerSnapshot:
    phase: int
    moves: bool
    """It works, or it is off, down, or waiting for an operator: time or people will free it."""
    dest: int
    """Zone that the part it holds is to go to; LEAVE when it holds none."""
    more: bool
    """It holds other parts behind that one."""
    since_s: float
    """When it was emptied, or its work ended. Means nothing while it works."""
    kit: tuple[bool, ...]
    """By zone before it, for a unit that takes components as they come: it has that one."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where a replication stands at its end."""

    replication: int
    now_s: float
    servers: tuple[ServerSnapshot, ...]
    waiting: tuple[int, ...]
    """Parts by zone."""
    cards: tuple[int, ...]
    """Free cards by loop."""
    main_left: int
    """Parts of orders that have not left."""
    more_to_come: bool
    """Something is still due from outside: an arrival, a release, a delivery, transport; or some
    unit starves because a component has run out."""


class Ways:
    """What the line allows, however it stands. Made once for a run."""

    def __init__(self, given: RunInput) -> None:
        self.model = model = given.model
        defects = any(unit.defect_probability > 0.0 for unit in model.units)
        defects |= given.live is not None and given.live.any_defective
        self.of_unit = [frozenset(_ways(unit, defects)) for unit in model.units]
        """Zones that a part may go to, and LEAVE where it may leave the line."""
        self.with_card = [self._from(loop.first) for loop in model.loops]
        """By loop: units to which a part may bring its card."""
        self.may_stand = (
            bool(model.loops)
            or model.cyclic
            or any(unit.batch_minimum > 1 for unit in model.units)
            or (
                any(unit.assembles for unit in model.units)
                and any(len(ways - {LEAVE}) > 1 for ways in self.of_unit)
            )
        )
        """False: parts only ever go forward, and what is to be assembled comes on ways of its own,
        so that parts cannot wait for each other."""

    def _from(self, first: int) -> frozenset[int]:
        found = [first]
        for unit in found:  # grows on the way down the line
            for zone in self.model.units[unit].zones_out:
                after = self.model.zones[zone].downstream
                if after not in found:
                    found.append(after)
        return frozenset(found)


def _ways(unit: UnitTable, defects: bool) -> Iterator[int]:
    yield from (zone for zone, _ in unit.shares)
    yield from unit.by_product
    if defects and unit.coverage > 0.0:
        yield LEAVE
        yield unit.rework


class Prospects:
    """Everything that may still happen if all goes well, whatever comes in which order.

    Servers always finish their work: repairs end, shifts begin, operators and crews become free. Heads
    always have something to launch, and components are delivered. What may happen once may happen
    any number of times, and a part that may go two ways may go both. So what is not in here never
    happens: who waits for it waits for ever.
    """

    def __init__(self, ways: Ways, at: Snapshot) -> None:
        self._ways, self._model, self._at = ways, ways.model, at
        self.begins: set[int] = set()
        """Units that may take what they need to begin."""
        self.taken: set[int] = set()
        """Zones out of which a part may be taken."""
        self.offered = {s.dest for s in at.servers if s.phase == HELD}
        """Zones for which a part may come, if it finds a place."""
        self.cards = {loop for loop, free in enumerate(at.cards) if free > 0}
        """Loops of which a card may be free."""
        known, order = -1, self._model.downstream_first
        while known != self._size() and (self.held() or self.left()):
            known = self._size()
            for u in order:
                self._visit(u, self._model.units[u])
            order = order[::-1]  # places come up the line, parts and cards down

    def held(self) -> list[int]:
        """Servers whose part never finds a place."""
        return [
            s
            for s, server in enumerate(self._at.servers)
            if server.phase == HELD and not self.has_place(server.dest)
        ]

    def left(self) -> set[int]:
        """Units before which, or in which as components, parts lie that are never taken."""
        found = {
            self._model.zones[z].downstream
            for z, parts in enumerate(self._at.waiting)
            if parts and z not in self.taken
        }
        return found | {
            u
            for u, unit in enumerate(self._model.units)
            if unit.eager
            and u not in self.begins
            and any(any(server.kit) for server in self._servers(unit))
        }

    def has_place(self, zone: int) -> bool:
        """A part for the zone may leave the hand of a server."""
        return (
            zone == LEAVE
            or zone in self.taken
            or self._at.waiting[zone] < self._model.zones[zone].capacity
        )

    def has_part(self, zone: int) -> bool:
        """A part may be taken out of the zone, as far as that depends on the units before it."""
        return self._at.waiting[zone] > 0 or self._comes(zone)

    def has_cards(self, unit: UnitTable, zone: int) -> bool:
        """The unit may have the cards for a part out of this zone; LEAVE: for one that it launches."""
        before = -1 if zone == LEAVE else self._model.zones[zone].upstream
        return all(
            self.has_card(loop) or before in self._ways.with_card[loop] for loop in unit.opens
        )

    def has_card(self, loop: int) -> bool:
        """A card may be free."""
        return loop in self.cards

    def has_enough(self, unit: UnitTable, zone: int) -> bool:
        """As many parts as the unit needs to begin may be in the zone."""
        at_once = unit.batch_minimum if unit.batch > 1 else 1
        return self._at.waiting[zone] >= at_once or self._comes(zone)

    def _comes(self, zone: int) -> bool:
        table = self._model.zones[zone]
        if table.upstream < 0:
            return True
        return zone in self.offered and (table.capacity == 0 or self.has_place(zone))

    def _size(self) -> int:
        return len(self.begins) + len(self.taken) + len(self.offered) + len(self.cards)

    def _servers(self, unit: UnitTable) -> Iterable[ServerSnapshot]:
        return self._at.servers[unit.first_server : unit.first_server + unit.servers]

    def _visit(self, u: int, unit: UnitTable) -> None:
        ways = self._ways.of_unit[u]
        passes = any(self.has_place(zone) for zone in ways)
        works = u in self.begins
        empties = []
        for server in self._servers(unit):
            if server.phase == HELD:
                if not self.has_place(server.dest):
                    continue
                self._passed(u, unit, server.dest)
                works |= server.more
            elif server.phase != EMPTY:
                works = True
                if not passes:
                    continue
            empties.append(server)
        if empties and self._take(unit, empties):
            self.begins.add(u)
            works = True
            if unit.assembles:
                self.cards |= self._cards_at(u)
        if works:
            self.offered |= ways - {LEAVE}
            for zone in ways:
                if self.has_place(zone):
                    self._passed(u, unit, zone)

    def _passed(self, u: int, unit: UnitTable, zone: int) -> None:
        """A part may leave the unit: cards may return."""
        self.cards.update(unit.closes)
        if zone == LEAVE:
            self.cards |= self._cards_at(u)

    def _cards_at(self, u: int) -> set[int]:
        return {loop for loop, units in enumerate(self._ways.with_card) if u in units}

    def _take(self, unit: UnitTable, empties: list[ServerSnapshot]) -> bool:
        """What these servers may take is taken; True if one may begin with it."""
        zones = unit.zones_in
        if not zones:
            return self.has_cards(unit, LEAVE)
        if not unit.assembles:
            found = [z for z in zones if self.has_enough(unit, z) and self.has_cards(unit, z)]
            self._pull(found)
            return bool(found)
        if unit.eager:
            self._pull(
                z
                for i, z in enumerate(zones)
                if self.has_part(z) and not all(server.kit[i] for server in empties)
            )
        whole = any(
            all(self.has_part(z) or (unit.eager and server.kit[i]) for i, z in enumerate(zones))
            for server in empties
        )
        if not whole or not self.has_cards(unit, zones[0]):
            return False
        self._pull(z for z in zones if self.has_part(z))
        return True

    def _pull(self, zones: Iterable[int]) -> None:
        for zone in zones:
            self.taken.add(zone)
            self.cards.update(self._model.zones[zone].closes)
