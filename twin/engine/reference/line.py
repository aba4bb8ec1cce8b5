"""One replication: the instants of a line, one after the other, and what its servers show."""

from __future__ import annotations

import heapq

import numpy as np

from twin.engine.counts import KINDS, PART_TICKS, TICKS_PER_S, Counts, EventColumns
from twin.engine.inputs import RunInput
from twin.engine.kinds import END, WARM_UP
from twin.engine.model import LEAVE
from twin.engine.prospects import ServerSnapshot, Snapshot
from twin.engine.reference.agenda import Agenda, Due
from twin.engine.reference.entities import (
    BLOCKED,
    DELAY,
    DOWN,
    OFF,
    PRODUCTION,
    REPAIR,
    SETUP,
    STARVED,
    Part,
    Server,
    Unit,
    Zone,
)
from twin.engine.reference.exits import Exits
from twin.engine.reference.flow import Flow
from twin.engine.reference.needs import Needs
from twin.engine.reference.sources import Sources
from twin.engine.reference.upkeep import Crews
from twin.engine.reference.work import Operators
from twin.engine.starts import EMPTY, HELD, SETTING_UP, WORKING, place
from twin.engine.stuck import StandstillCheck, endless, too_much_at_once

__all__ = ["Line", "Log"]

_SHOWS = {EMPTY: STARVED, SETTING_UP: SETUP, WORKING: PRODUCTION, HELD: BLOCKED}


class Log:
    """The event log of one replication, as columns."""

    __slots__ = ("rows",)

    def __init__(self) -> None:
        self.rows: list[tuple[float, int, int, int, int, int]] = []

    def add(self, now: float, unit: int, kind: str, part: Part | None) -> None:
        if part is None:
            self.rows.append((now, unit, KINDS.index(kind), -1, -1, -1))
        else:
            of = (part.number, max(-1, part.order), part.product)
            self.rows.append((now, unit, KINDS.index(kind), *of))

    def columns(self) -> EventColumns:
        """What was logged, as arrays."""
        columns = zip(*self.rows, strict=True) if self.rows else ((),) * 6
        time_s, unit, kind, part, order, product = columns
        return EventColumns(
            np.array(time_s, np.float64),
            np.array(unit, np.int32),
            np.array(kind, np.int8),
            np.array(part, np.int64),
            np.array(order, np.int32),
            np.array(product, np.int32),
        )


class Line:
    """The line as it runs: at each instant what falls due happens, then what is asked for is granted."""

    def __init__(
        self, given: RunInput, replication: int, counts: Counts, row: int, trace: bool
    ) -> None:
        model = given.model
        self.given = given
        self.replication = replication
        self.agenda = Agenda()
        self.log = Log() if trace else None
        self.tally = [0] * counts.tallies.shape[1]
        self.ticks = [[0] * counts.state_ticks.shape[2] for _ in model.units]
        self.made, self.rejected = counts.made[row], counts.rejected[row]
        self.starts = counts.starts[row]
        self.failures = counts.failures[row]
        self.order_started_s = counts.order_started_s[row]
        self.order_finished_s = counts.order_finished_s[row]
        self.order_good = counts.order_good[row]
        self._counts, self._row = counts, row
        self.hours = int(self.starts.shape[2])
        self.units = [Unit(u, table, given, replication) for u, table in enumerate(model.units)]
        self.servers = [server for unit in self.units for server in unit.servers]
        self.zones = [Zone(z, table, self.units) for z, table in enumerate(model.zones)]
        for unit in self.units:
            unit.zones = [self.zones[z] for z in unit.table.zones_in]
        self.measured_from = 0
        """Tick from which on is counted."""
        self._asking: list[tuple[float, int]] = []
        self._touched: set[int] = set()
        self._ended = self._warm = False
        self._grants = 0
        self._most_grants = too_much_at_once(given)
        self.placement = place(given, replication)
        self.operators = Operators(self)
        self.crews = Crews(self)
        self.needs = Needs(self)
        self.exits = Exits(self)
        self.sources = Sources(self)
        self.flow = Flow(self)

    def run(self) -> None:
        """From time 0 to the horizon, or until every part has left."""
        self._begin()
        self._instant()
        while not self._ended and not (self.given.until_done and self.exits.main_left == 0):
            self.agenda.go_on()
            self._instant()
        self._close()

    def _begin(self) -> None:
        given, agenda = self.given, self.agenda
        if given.warm_up_s > 0:
            agenda.put(WARM_UP, 0, given.warm_up_s, None, self._warmed_up)
        agenda.put(END, 0, given.horizon_s, None, self._ends)
        self.needs.begin()
        self.sources.begin()
        self.flow.begin()
        self.crews.begin()
        for server in self.servers:
            self.crews.go_on(server)
            self.touch(server)

    def _instant(self) -> None:
        """What falls due now, then what can be granted: after each grant, first what falls due again."""
        agenda = self.agenda
        now = agenda.now
        self._grants = 0
        while True:
            while agenda.next_at() == now:
                agenda.step()
            if not self._grant_first():
                break
        self._settle(now)

    def _grant_first(self) -> bool:
        """Grant what was asked for first, of all that can be granted; at equal times by server."""
        while self._asking:
            asked_s, key = heapq.heappop(self._asking)
            server = self.servers[key >> 1]
            if key & 1:
                granted = asked_s == server.asked_s and self.flow.grant(server)
            else:
                granted = asked_s == server.asked_crew_s and self.crews.grant(server)
            if granted:
                self._grants += 1
                if self._grants > self._most_grants:
                    raise endless(server.unit.name, self.agenda.now)
                return True
        return False

    def ask_idle(self, unit: Unit) -> None:
        """Servers of the unit that are empty may find a part now."""
        for server in unit.servers:
            if server.phase == EMPTY:
                self.ask(server)

    def ask(self, server: Server) -> None:
        """What the server wants from the flow may be possible now."""
        heapq.heappush(self._asking, (server.asked_s, 2 * server.index + 1))

    def ask_crew(self, server: Server) -> None:
        """A crew may be free for the server now."""
        heapq.heappush(self._asking, (server.asked_crew_s, 2 * server.index))

    def note(self, unit: Unit, kind: str, part: Part | None) -> None:
        """One row in the event log."""
        if self.log is not None:
            self.log.add(self.agenda.now, unit.index, kind, part)

    def hour(self) -> int:
        """The present hour of the horizon."""
        return min(int(self.agenda.now // 3600.0), self.hours - 1)

    def tick(self) -> int:
        """Now, in ticks."""
        now: float = self.agenda.now
        return int(now * TICKS_PER_S)

    # What servers show once the instant has settled.

    def touch(self, server: Server) -> None:
        """The server may show something else once the instant has settled."""
        self._touched.add(server.index)

    def _settle(self, now: float) -> None:
        self.sources.turn_away()
        for index in sorted(self._touched):
            server = self.servers[index]
            state = _state(server)
            if state != server.shown:
                self._show(server, state)
                if state == BLOCKED:
                    self.note(server.unit, "blocked", server.parts[0])
                elif state == DELAY:
                    self.note(server.unit, "delay", server.parts[0])
        self._touched.clear()
        if self._warm:
            self._warm = False
            for server in self.servers:
                self._show(server, server.shown)
            self.ticks = [[0] * len(row) for row in self.ticks]
            self.tally = [0] * len(self.tally)
            self.made[:] = 0
            self.rejected[:] = 0
            self.measured_from = self.tick()

    def _show(self, server: Server, state: int) -> None:
        tick = self.tick()
        self.ticks[server.unit.index][server.shown] += tick - server.since
        server.since = tick
        server.shown = state

    def _warmed_up(self, event: Due) -> None:
        self._warm = True

    def _ends(self, event: Due) -> None:
        self._ended = True

    def _close(self) -> None:
        for server in self.servers:
            self._show(server, server.shown)
        tick = self.tick()
        for part in self.flow.parts_inside():
            self.tally[PART_TICKS] += tick - max(part.entered, self.measured_from)
        counts, row = self._counts, self._row
        counts.end_s[row] = self.agenda.now
        counts.tallies[row] = self.tally
        counts.state_ticks[row] = self.ticks
        StandstillCheck(self.given).refuse(self.snapshot())

    def _more_to_come(self) -> bool:
        if self.flow.moving or self.needs.to_come or self.sources.more_to_come():
            return True
        return self.needs.short()

    def snapshot(self) -> Snapshot:
        """Where the line stands, for those who ask why it does not go on."""
        return Snapshot(
            replication=self.replication,
            now_s=self.agenda.now,
            servers=tuple(
                ServerSnapshot(
                    phase=s.phase,
                    moves=s.due is not None or s.down or not s.on or s.wants_operator,
                    dest=s.parts[0].dest if s.phase == HELD else LEAVE,
                    more=len(s.parts) > 1,
                    since_s=s.waits_since(),
                    kit=tuple(part is not None for part in s.kit),
                )
                for s in self.servers
            ),
            waiting=tuple(len(zone.parts) for zone in self.zones),
            cards=self.needs.cards(),
            main_left=self.exits.main_left,
            more_to_come=self._more_to_come(),
        )


def _state(server: Server) -> int:
    if not server.on:
        return OFF
    if server.down:
        return REPAIR if server.repairing else DOWN
    if server.wants_operator:
        return DELAY
    return _SHOWS[server.phase]
