"""The event loop, compiled: one instant after the other, as docs/explanation/engine.md says."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.engine.compiled.flow import (
    arrives,
    ask_idle,
    count_time,
    draw,
    note,
    tick_of,
    turn_away,
    way,
)
from twin.engine.compiled.jit import jit, jit_inline
from twin.engine.compiled.layout import AGED, CURVE_ENDS, NEW, UNDER_REPAIR
from twin.engine.compiled.pointers import world_of
from twin.engine.compiled.queues import ask_pop, event_pop, event_push, first_timer, set_timer
from twin.engine.compiled.work import (
    ask_crew,
    curve_ended,
    due_in,
    failure_due,
    go_on,
    grant_crew,
    grant_flow,
    least_life,
    live,
    plan_shift,
    plan_upkeep,
    planned_due,
    renew,
    repaired,
    shift,
    stop,
    upkeep_due,
    work_ended,
    worn_out,
)
from twin.engine.counts import KINDS
from twin.engine.kinds import (
    ARRIVAL,
    END,
    FAILURE_DUE,
    MAINTENANCE_DUE,
    RECEIPT,
    RELEASE,
    SHIFT,
    TRANSPORT_END,
    WARM_UP,
    rank,
)
from twin.engine.model import STATES
from twin.engine.starts import EMPTY, HELD, SETTING_UP, WORKING

__all__ = ["DONE", "ENDLESS", "MORE_ROOM", "RESIDUAL", "advance", "close", "prepare"]

DONE, MORE_ROOM, RESIDUAL, ENDLESS = range(4)
"""Why ``advance`` comes back: the run is over, there is too little room, a forecast's curve
has ended and the residual life is needed, or things happen without end at one instant."""

_BLOCKED_KIND, _DELAY_KIND = KINDS.index("blocked"), KINDS.index("delay")
PRODUCTION, SETUP, STARVED, BLOCKED, DELAY, DOWN, REPAIR, OFF = range(len(STATES))
_RELEASE_RANK, _RECEIPT_RANK = rank(RELEASE, 0, 0), rank(RECEIPT, 0, 0)
_WARM_UP_RANK, _END_RANK = rank(WARM_UP, 0, 0), rank(END, 0, 0)
_MAINTENANCE_RANK = rank(MAINTENANCE_DUE, 0, 0)
_ARRIVAL_RANK = rank(ARRIVAL, 0, 0)


@jit
def prepare(table: Any, warm_up: Any) -> None:
    """What is known to come at time 0, and who can go on. Parts are in place."""
    w = world_of(table)
    line = w.line[0]
    if warm_up > 0.0:
        event_push(w, warm_up, _WARM_UP_RANK, 0, 0, 0)
    event_push(w, line.horizon, _END_RANK, 0, 0, 0)
    plan_release(w)
    plan_receipt(w)
    for unit in range(len(w.unit)):
        u = w.unit[unit]
        if u.interarrival >= 0:
            delay = draw(w, u.interarrival, u.arrival_start, u.arrival_gamma, 0)
            event_push(w, delay, _ARRIVAL_RANK + (np.int64(unit) << 20), 0, unit, 0)
    for row in range(len(w.row)):
        u = w.unit[w.row[row].unit]
        for server in range(u.first_server, u.first_server + u.servers):
            order = _MAINTENANCE_RANK + (np.int64(server) << 20) + row
            event_push(w, w.row[row].start, order, 0, server, row)
    for server in range(line.servers):
        s = w.server[server]
        first_lives(w, server)
        if s.down:
            ask_crew(w, server)
        if s.phase == HELD:
            w.part[s.first].dest = way(w, s.unit, s.first)
        plan_shift(w, server)
        for k in range(s.upkeep_at, s.upkeep_at + w.unit[s.unit].upkeep):
            plan_upkeep(w, server, k)
    for server in range(line.servers):
        go_on(w, server)


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
def plan_release(w: Any) -> None:
    """The next instant at which a job is released."""
    line = w.line[0]
    if line.next_release < len(w.releases):
        event_push(w, w.releases[line.next_release], _RELEASE_RANK, 0, 0, 0)
        line.next_release += 1


@jit
def plan_receipt(w: Any) -> None:
    """The next delivery."""
    line = w.line[0]
    if line.next_receipt < len(w.receipt):
        at = line.next_receipt
        event_push(w, w.receipt[at].start, _RECEIPT_RANK + (np.int64(at) << 20), 0, at, 0)
        line.next_receipt += 1


@jit
def advance(table: Any) -> Any:
    """Go on until the run is over, or something is needed; call again to go on."""
    w = world_of(table)
    line = w.line[0]
    if line.curve_mode >= 0:
        k = line.curve_mode
        line.curve_mode = -1
        curve_ended(w, w.mode[k].server, k)
    while True:
        while True:
            while True:
                if line.free_parts < line.reserve or line.short:
                    return MORE_ROOM
                at = first_timer(w)
                due = w.event[0].time if line.events > 0 else np.inf
                if at <= due:
                    if at != line.now:
                        break
                    timer_ended(w, w.timer_rank[1])
                else:
                    if due != line.now:
                        break
                    if event_happens(w):
                        return RESIDUAL
            if not grant_first(w):
                break
            if line.grants > line.grant_limit:
                return ENDLESS
        settle(w)
        if line.ended or (line.until_done and line.main_left == 0):
            return DONE
        line.grants = 0
        line.steps += 1
        line.now = min(at, due)
        while line.now >= line.hour_ends:
            line.hour += 1
            line.hour_ends = (line.hour + 1) * 3600.0 if line.hour < line.hours - 1 else np.inf


@jit_inline
def timer_ended(w: Any, first: Any) -> None:
    """The stretch of a server ends, or its repair."""
    server = first & 0xFFFFF
    running = w.server[server].running
    set_timer(w, server, np.inf, 0)
    if first >> 20:
        repaired(w, server)
    elif running == 1:
        work_ended(w, server)
    else:
        worn_out(w, server)


@jit
def event_happens(w: Any) -> Any:
    """The first event of the heap; True if its residual life must be found first."""
    line = w.line[0]
    e = w.event[0]
    kind, about, detail, stamp = e.rank >> 40, e.about, e.detail, e.stamp
    event_pop(w)
    if kind == FAILURE_DUE:
        m = w.mode[detail]
        if m.stamp == stamp:
            if m.curve:
                s = w.server[about]
                line.curve_works = 1 if s.running and s.phase == WORKING else 0
                if line.curve_works:
                    stop(w, about)
                m.age += w.server[about].operated if m.operating else line.now
                line.curve_mode = detail
                return True
            failure_due(w, about, detail)
    elif kind == SHIFT:
        shift(w, about)
    elif kind == TRANSPORT_END:
        line.moving -= 1
        ask_idle(w, w.zone[about].downstream)
    elif kind == ARRIVAL:
        arrives(w, about)
    elif kind == MAINTENANCE_DUE:
        if detail < len(w.row):
            planned_due(w, about, detail)
        else:
            upkeep_due(w, about, detail - len(w.row))
    elif kind == RELEASE:
        plan_release(w)
        for unit in range(len(w.unit)):
            if w.unit[unit].head >= 0:
                ask_idle(w, unit)
    elif kind == RECEIPT:
        received(w, about)
    elif kind == WARM_UP:
        line.warm = 1
    else:
        line.ended = 1
    return False


@jit
def received(w: Any, at: Any) -> None:
    """A delivery comes."""
    plan_receipt(w)
    line = w.line[0]
    line.receipts -= 1
    w.on_hand[w.receipt[at].unit] += w.receipt[at].duration
    for unit in range(len(w.unit)):
        if w.unit[unit].consumes:
            ask_idle(w, unit)


@jit_inline
def grant_first(w: Any) -> Any:
    """Grant what was asked for first, of all that can be granted; at equal times by server."""
    line = w.line[0]
    while line.asking > 0:
        time, key = w.ask[0].time, w.ask[0].key
        ask_pop(w)
        server = key >> 1
        s = w.server[server]
        if key & 1:
            granted = time == s.asked and grant_flow(w, server)
        else:
            granted = time == s.asked_crew and grant_crew(w, server)
        if granted:
            line.grants += 1
            line.stuck_server = server
            return True
    return False


@jit_inline
def state_of(s: Any) -> Any:
    """What a server shows."""
    if s.on == 0:
        return OFF
    if s.down:
        return REPAIR if s.repairing else DOWN
    if s.wants:
        return DELAY
    if s.phase == EMPTY:
        return STARVED
    if s.phase == HELD:
        return BLOCKED
    return SETUP if s.phase == SETTING_UP else PRODUCTION


@jit_inline
def settle(w: Any) -> None:
    """Arrivals without a place are lost, servers show what they do, the warm-up ends."""
    line = w.line[0]
    if line.overfull:
        turn_away(w)
    n = line.touched
    touched = w.touched
    for i in range(1, n):
        server = touched[i]
        k = i
        while k > 0 and touched[k - 1] > server:
            touched[k] = touched[k - 1]
            k -= 1
        touched[k] = server
    for i in range(n):
        s = w.server[touched[i]]
        s.touched = 0
        state = state_of(s)
        if state != s.shown:
            show(w, touched[i], state)
            if line.log_on:
                if state == BLOCKED:
                    note(w, s.unit, _BLOCKED_KIND, s.first)
                elif state == DELAY:
                    note(w, s.unit, _DELAY_KIND, s.first)
    line.touched = 0
    if line.warm:
        warm_up(w)


@jit_inline
def show(w: Any, server: Any, state: Any) -> None:
    """Book the time of the state that ends here."""
    s = w.server[server]
    tick = tick_of(w.line[0].now)
    w.ticks[s.unit, s.shown] += tick - s.since
    s.since = tick
    s.shown = state


@jit
def warm_up(w: Any) -> None:
    """What was counted so far is forgotten, but no order."""
    line = w.line[0]
    line.warm = 0
    for server in range(line.servers):
        show(w, server, w.server[server].shown)
    w.ticks[:] = 0
    w.tally[:] = 0
    line.measured_from = tick_of(line.now)


@jit
def close(table: Any) -> None:
    """Book what is still under way at the end."""
    w = world_of(table)
    line = w.line[0]
    for server in range(line.servers):
        s = w.server[server]
        show(w, server, s.shown)
        part = s.first
        for _ in range(s.parts):
            following = w.part[part].next
            count_time(w, part, tick_of(line.now))
            part = following
    for k in range(len(w.kit)):
        if w.kit[k] >= 0:
            count_time(w, w.kit[k], tick_of(line.now))
    for zone in range(len(w.zone)):
        part = w.zone[zone].first
        for _ in range(w.zone[zone].parts):
            count_time(w, part, tick_of(line.now))
            part = w.part[part].next
