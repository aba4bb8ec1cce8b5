"""Setup and work of a server: what it takes to begin, to be interrupted and to go on; and the operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.engine.inputs import VISIT
from twin.engine.kinds import WORK_END
from twin.engine.reference.agenda import Due
from twin.engine.reference.entities import Server
from twin.engine.starts import SETTING_UP, WORKING

if TYPE_CHECKING:
    from twin.engine.reference.line import Line

__all__ = [
    "Operators",
    "begin_work",
    "go_on_working",
    "pause",
    "ready",
    "run",
    "stop",
    "stretch_ended",
]


class Operators:
    """Who is free in each team; a server that needs somebody asks, and lets go as its stretch ends."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.free = list(line.given.model.teams)
        self._asking: dict[int, Server] = {}

    def stay(self, server: Server, team: int) -> None:
        """A server that is at it as the run begins has somebody of this team; -1: nobody."""
        server.team = team
        if team >= 0:
            self.free[team] -= 1

    def want(self, server: Server) -> None:
        """Ask for somebody with the skill."""
        server.wants_operator = True
        server.asked_s = self._line.agenda.now
        self._asking[server.index] = server
        self._line.ask(server)
        self._line.touch(server)

    def give(self, server: Server) -> bool:
        """Somebody of the first team that has one free; False if none has."""
        team = next((t for t in server.unit.table.teams if self.free[t]), -1)
        if team < 0:
            return False
        self.free[team] -= 1
        server.team = team
        self.forget(server)
        return True

    def forget(self, server: Server) -> None:
        """The server does not ask any more."""
        server.wants_operator = False
        self._asking.pop(server.index, None)

    def let_go(self, server: Server) -> None:
        """The operator of the server is free for another."""
        if server.team >= 0:
            team, server.team = server.team, -1
            self.free[team] += 1
            for other in self._asking.values():
                if team in other.unit.table.teams:
                    self._line.ask(other)


def ready(line: Line, server: Server) -> None:
    """The server has its part: setup first, if its last one was of another order or product."""
    part = server.parts[0]
    line.touch(server)
    server.fresh = True
    if part.order != server.last_order or part.product != server.last_product:
        last = server.last_product
        server.last_order, server.last_product = part.order, part.product
        server.remaining_s = server.unit.table.setup_s[last][part.product] if last >= 0 else 0.0
        if server.remaining_s > 0.0:
            server.phase = SETTING_UP
            go_on_working(line, server)
            return
    begin_work(line, server)


def begin_work(line: Line, server: Server) -> None:
    """Setup is done, or there was none."""
    server.phase = WORKING
    server.fresh = True
    go_on_working(line, server)


def go_on_working(line: Line, server: Server) -> None:
    """Set the end of the present stretch, as soon as there is an operator where one is needed."""
    table = server.unit.table
    if (table.work_needs if server.phase == WORKING else table.setup_needs) and server.team < 0:
        line.operators.want(server)
    else:
        run(line, server)


def run(line: Line, server: Server) -> None:
    """The stretch begins: of setup, of work, or of a failure mode's life."""
    if server.fresh:
        server.fresh = False
        if server.phase == WORKING:
            _draw(line, server)
        else:
            line.note(server.unit, "setup", server.parts[0])
    server.began_s = line.agenda.now
    delay, action = server.remaining_s, line.flow.work_ends
    if server.phase == WORKING and server.operates_until_s - server.operated_s < delay:
        delay = max(0.0, server.operates_until_s - server.operated_s)
        action = line.crews.worn_out
    server.due = line.agenda.put(WORK_END, server.index, delay, server, action)
    line.touch(server)


def _draw(line: Line, server: Server) -> None:
    """Work begins: its duration is that of the first part."""
    unit, hour = server.unit, line.hour()
    for part in server.parts:
        if line.given.model.cyclic:
            visits = part.visits.get(unit.index, 0)
            part.visits[unit.index] = visits + 1
            part.index = part.number + visits * VISIT
        line.starts[unit.index, part.product, hour] += 1
        line.note(unit, "start", part)
    first = server.parts[0]
    server.remaining_s = unit.cycle[first.product].at(first.index)


def pause(line: Line, server: Server) -> None:
    """Stop setup or work where it stands, and let the operator go."""
    stop(line, server)
    line.operators.let_go(server)
    line.operators.forget(server)


def stop(line: Line, server: Server) -> None:
    """The stretch ends before its time; what is left stays with the server."""
    if server.due is not None:
        done = line.agenda.now - server.began_s
        server.remaining_s = max(0.0, server.remaining_s - done)
        if server.phase == WORKING:
            server.operated_s += done
        server.due = None


def stretch_ended(line: Line, event: Due) -> Server | None:
    """The server whose stretch ends now; None if the event was called off."""
    server: Server = event.about
    if server.due is not event:
        return None
    server.due = None
    line.operators.let_go(server)
    line.touch(server)
    return server
