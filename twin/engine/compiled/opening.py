"""A replication begins: first lives, what is known to come, and who can go on."""

from __future__ import annotations

from typing import Any

from twin.engine.compiled.asking import draw
from twin.engine.compiled.due import plan_receipt, plan_release
from twin.engine.compiled.jit import jit
from twin.engine.compiled.layout import AGED, CURVE_ENDS, NEW, UNDER_REPAIR
from twin.engine.compiled.leaving import count_made, way
from twin.engine.compiled.pointers import world_of
from twin.engine.compiled.queues import event_push
from twin.engine.compiled.upkeep import (
    ask_crew,
    due_in,
    go_on,
    grant_crew,
    least_life,
    live,
    plan_shift,
    plan_upkeep,
    renew,
)
from twin.engine.kinds import ARRIVAL, END, MAINTENANCE_DUE, TRANSPORT_END, WARM_UP
from twin.engine.starts import HELD

__all__ = ["prepare"]


@jit
def first_lives(w: Any, server: Any) -> None:
    """The first life of every mode of a server."""
    s = w.server[server]
    for k in range(s.modes_at, s.modes_at + w.unit[s.unit].modes):
        m = w.mode[k]
        if m.first == UNDER_REPAIR:
            continue
        if m.first == NEW:
            renew(w, server, k)
            continue
        m.lives = 1
        if m.first == AGED:
            live(w, server, k, m.residual)
        else:
            due_in(w, server, k, m.residual)
            m.curve = 1 if m.first == CURVE_ENDS else 0
    least_life(w, server)


@jit
def asks_crew(w: Any, server: Any) -> None:
    """The server starts down: a crew is at it already, or is asked for."""
    s = w.server[server]
    mending = s.repairing
    s.repairing = 0
    ask_crew(w, server)
    if mending:
        grant_crew(w, server)


@jit
def ways(w: Any, server: Any) -> None:
    """Where the parts that a server holds are to go."""
    s = w.server[server]
    part = s.first
    for _ in range(s.parts):
        w.part[part].dest = way(w, s.unit, part)
        part = w.part[part].next


@jit
def transported(w: Any, zone: Any) -> None:
    """When the parts that are on a conveyor already can be taken."""
    part = w.zone[zone].first
    for _ in range(w.zone[zone].parts):
        if w.part[part].ready > 0.0:
            w.line[0].moving += 1
            event_push(w, w.part[part].ready, TRANSPORT_END, zone, 0, 0)
        part = w.part[part].next


@jit
def prepare(table: Any, warm_up: Any) -> None:
    """What is known to come at time 0, and who can go on. Parts are in place."""
    w = world_of(table)
    line = w.line[0]
    count_made(w, -1)
    if warm_up > 0.0:
        event_push(w, warm_up, WARM_UP, 0, 0, 0)
    event_push(w, line.horizon, END, 0, 0, 0)
    plan_release(w)
    plan_receipt(w)
    for unit in range(len(w.unit)):
        u = w.unit[unit]
        if u.interarrival >= 0:
            delay = draw(w, u.interarrival, u.arrival_start, u.arrival_gamma, 0)
            event_push(w, delay, ARRIVAL, unit, 0, 0)
    for row in range(len(w.row)):
        u = w.unit[w.row[row].unit]
        for server in range(u.first_server, u.first_server + u.servers):
            event_push(w, w.row[row].start, MAINTENANCE_DUE, server, row, 0)
    for server in range(line.servers):
        s = w.server[server]
        first_lives(w, server)
        if s.down:
            asks_crew(w, server)
        if s.phase == HELD:
            ways(w, server)
        plan_shift(w, server)
        for k in range(s.upkeep_at, s.upkeep_at + w.unit[s.unit].upkeep):
            plan_upkeep(w, server, k)
    for zone in range(len(w.zone)):
        transported(w, zone)
    for server in range(line.servers):
        go_on(w, server)
