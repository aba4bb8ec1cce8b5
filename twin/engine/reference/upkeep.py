"""Failures, repairs, planned maintenance and the crews that do the work."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from twin.engine.kinds import FAILURE_DUE, MAINTENANCE_DUE, REPAIR_END, SHIFT
from twin.engine.reference.agenda import Due
from twin.engine.reference.entities import Mode, Server, Work
from twin.engine.reference.work import go_on_working, pause, run, stop
from twin.engine.starts import EMPTY, HELD, WORKING, first_lives
from twin.plant import residual_s

if TYPE_CHECKING:
    from twin.engine.reference.line import Line

__all__ = ["Crews"]

Action = Callable[[Due], None]


class Crews:
    """Takes servers of a line down and brings them up again."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._agenda = line.agenda
        self._free = line.given.model.crews
        self._asking: dict[int, Server] = {}

    def begin(self) -> None:
        """First lives, shifts, and the planned work that lies ahead. Called at time 0."""
        line, given = self._line, self._line.given
        for index, start in sorted(line.placement.servers.items()):
            if start.down:
                renews = (start.mode,) if start.mode >= 0 else ()
                left_s = None if math.isnan(start.repair_s) else start.repair_s
                server = line.servers[index]
                server.down = True
                server.work = Work(False, renews, left_s)
                self._ask(server)
                if start.mending:
                    self.grant(server)
        self._first_lives()
        for server in line.servers:
            self._put_dates(server)
        for i, row in enumerate(given.maintenance):
            work = Work(True, (row.mode,) if row.mode >= 0 else (), row.duration_s)
            for server in line.units[row.unit].servers:
                self._agenda.put(
                    MAINTENANCE_DUE, server.index, row.start_s, (server, i, work), self._planned, i
                )

    def _first_lives(self) -> None:
        line = self._line
        known = {(one.server, one.mode): one for one in first_lives(line.given, line.replication)}
        for server in line.servers:
            for mode in server.modes:
                if server.work is not None and mode.index in server.work.renews:
                    continue
                mode.lives = 1
                first = known.get((server.index, mode.index))
                if first is None:
                    self._live(server, mode, mode.life.at(0))
                elif not first.forecast:
                    self._live(server, mode, first.after_s)
                elif math.isnan(first.law_u):
                    mode.due = self._due(server, mode, first.after_s, self._fails)
                else:
                    ends = self._curve_ends(first.age_s, first.law_u)
                    mode.due = self._due(server, mode, first.after_s, ends)
            _least(server)

    def _curve_ends(self, age_s: float, law_u: float) -> Action:
        def ends(event: Due) -> None:
            server, mode = event.about
            if mode.due is not event:
                return
            works = server.due is not None and server.phase == WORKING
            if works:
                stop(self._line, server)
            law = server.unit.table.modes[mode.index].life
            age = age_s + (server.operated_s if mode.operating else self._agenda.now)
            self._live(server, mode, residual_s(law, age, law_u))
            _least(server)
            if works:
                run(self._line, server)

        return ends

    def _put_dates(self, server: Server) -> None:
        for at in server.unit.table.edges_s:
            self._agenda.put(SHIFT, server.index, at, server, self._shift)
        rows = len(self._line.given.maintenance)
        for upkeep in server.upkeep:
            for at in upkeep.table.due_s:
                about = (server, upkeep.index)
                self._agenda.put(
                    MAINTENANCE_DUE, server.index, at, about, self._upkeep_due, rows + upkeep.index
                )

    def _live(self, server: Server, mode: Mode, life_s: float) -> None:
        """A life of this length begins."""
        if mode.operating:
            mode.fails_at = server.operated_s + life_s
            mode.due = None
        else:
            mode.due = self._due(server, mode, life_s, self._fails)

    def _due(self, server: Server, mode: Mode, delay: float, action: Action) -> Due:
        return self._agenda.put(
            FAILURE_DUE, server.index, delay, (server, mode), action, mode.index
        )

    # What strikes.

    def worn_out(self, event: Due) -> None:
        """The server has produced for as long as one of its modes lets it."""
        server: Server = event.about
        if server.due is not event:
            return
        server.due = None
        self._line.operators.let_go(server)
        left = max(0.0, server.operates_until_s - server.operated_s)
        server.remaining_s = max(0.0, server.remaining_s - left)
        server.operated_s = max(server.operated_s, server.operates_until_s)
        mode = next(m for m in server.modes if m.fails_at == server.operates_until_s)
        self._strike(server, Work(False, (mode.index,)))

    def _fails(self, event: Due) -> None:
        server, mode = event.about
        if mode.due is not event:
            return
        mode.due = None
        if server.down or not server.on:
            server.waiting_modes.add(mode.index)
        else:
            pause(self._line, server)
            self._strike(server, Work(False, (mode.index,)))

    def _planned(self, event: Due) -> None:
        server, row, work = event.about
        if server.down:
            server.waiting_planned[row] = work
        else:
            pause(self._line, server)
            self._strike(server, work)

    def _upkeep_due(self, event: Due) -> None:
        server, index = event.about
        self._upkeep(server, index)

    def _upkeep(self, server: Server, index: int) -> None:
        if server.down:
            server.waiting_upkeep.add(index)
        else:
            pause(self._line, server)
            upkeep = server.upkeep[index]
            self._strike(server, Work(True, upkeep.table.renews, None, upkeep))

    def made(self, server: Server, parts: int) -> None:
        """The server has finished so many parts."""
        for upkeep in server.upkeep:
            if upkeep.table.every_parts:
                upkeep.parts += parts
                if upkeep.parts >= upkeep.table.every_parts:
                    upkeep.parts = 0
                    self._upkeep(server, upkeep.index)

    def _strike(self, server: Server, work: Work) -> None:
        """The server goes down and asks for a crew."""
        line = self._line
        server.down = True
        server.work = work
        for m in work.renews:
            server.modes[m].fails_at, server.modes[m].due = math.inf, None
            server.waiting_modes.discard(m)
        _least(server)
        if not work.planned:
            place = sum(len(u.modes) for u in line.given.model.units[: server.unit.index])
            line.failures[place + work.renews[0], line.hour()] += 1
        part = server.parts[0] if server.parts else None
        line.note(server.unit, "maintenance" if work.planned else "failure", part)
        self._ask(server)

    def _ask(self, server: Server) -> None:
        server.asked_crew_s = self._agenda.now
        self._asking[server.index] = server
        self._line.ask_crew(server)
        self._line.touch(server)

    def grant(self, server: Server) -> bool:
        """A crew begins; False while none is free."""
        work = server.work
        if not self._free or server.index not in self._asking or work is None:
            return False
        del self._asking[server.index]
        self._free -= 1
        server.repairing = True
        duration = work.duration_s
        if duration is None and work.upkeep is not None:
            work.upkeep.times += 1
            duration = work.upkeep.duration.at(work.upkeep.times - 1)
        elif duration is None:
            duration = server.modes[work.renews[0]].next_repair()
        self._line.note(server.unit, "repair", server.parts[0] if server.parts else None)
        self._agenda.put(REPAIR_END, server.index, duration, server, self._repaired)
        self._line.touch(server)
        return True

    def _repaired(self, event: Due) -> None:
        server: Server = event.about
        self._free += 1
        for other in self._asking.values():
            self._line.ask_crew(other)
        renews = server.work.renews if server.work else ()
        server.down = server.repairing = False
        server.work = None
        for m in renews:
            self._live(server, server.modes[m], server.modes[m].next_life())
        _least(server)
        self._line.note(server.unit, "up", server.parts[0] if server.parts else None)
        self.go_on(server)

    def go_on(self, server: Server) -> None:
        """Whatever the server can do next: be struck, continue its part, or look for one."""
        self._line.touch(server)
        if server.down:
            return
        if (work := self._next_waiting(server)) is not None:
            self._strike(server, work)
        elif server.phase == HELD:
            self._line.ask(server)
        elif not server.on:
            return
        elif server.phase == EMPTY:
            if server.asked_s != server.again_s:
                server.idle_s = server.asked_s
            server.asked_s = server.again_s = self._agenda.now
            self._line.ask(server)
        else:
            go_on_working(self._line, server)

    def _next_waiting(self, server: Server) -> Work | None:
        """What strikes now: planned work, upkeep, and on shift failures; each in its order."""
        if server.waiting_planned:
            return server.waiting_planned.pop(min(server.waiting_planned))
        if server.waiting_upkeep:
            index = min(server.waiting_upkeep)
            server.waiting_upkeep.discard(index)
            upkeep = server.upkeep[index]
            return Work(True, upkeep.table.renews, None, upkeep)
        if server.on and server.waiting_modes:
            return Work(False, (min(server.waiting_modes),))
        return None

    def _shift(self, event: Due) -> None:
        server: Server = event.about
        server.on = not server.on
        part = server.parts[0] if server.parts else None
        self._line.note(server.unit, "on" if server.on else "off", part)
        self._line.touch(server)
        if server.on:
            self.go_on(server)
        else:
            pause(self._line, server)


def _least(server: Server) -> None:
    """When the first of its modes strikes, by its operating clock."""
    server.operates_until_s = min((m.fails_at for m in server.modes), default=math.inf)
