"""The event loop, compiled: one instant after the other, as docs/explanation/engine.md says."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.engine.compiled.asking import note, tick_of
from twin.engine.compiled.coming import turn_away
from twin.engine.compiled.due import event_happens, timer_ended
from twin.engine.compiled.jit import jit, jit_inline
from twin.engine.compiled.leaving import count_made, count_time
from twin.engine.compiled.pointers import world_of
from twin.engine.compiled.queues import ask_pop, first_timer
from twin.engine.compiled.upkeep import curve_ended, grant_crew
from twin.engine.compiled.work import grant_flow
from twin.engine.counts import KINDS
from twin.engine.model import STATES
from twin.engine.starts import EMPTY, HELD, SETTING_UP

__all__ = ["DONE", "ENDLESS", "MORE_ROOM", "RESIDUAL", "advance", "close"]

DONE, MORE_ROOM, RESIDUAL, ENDLESS = range(4)
"""Why ``advance`` comes back: the run is over, there is too little room, a forecast's curve
has ended and the residual life is needed, or things happen without end at one instant."""

_BLOCKED_KIND = KINDS.index("blocked")
_DELAY_KIND = KINDS.index("delay")
PRODUCTION, SETUP, STARVED, BLOCKED, DELAY, DOWN, REPAIR, OFF = range(len(STATES))


@jit_inline
def fall_due(w: Any) -> Any:
    """Everything that falls due now happens; DONE, or why it cannot go on."""
    line = w.line[0]
    while True:
        if line.free_parts < line.reserve or line.short:
            return MORE_ROOM
        at = first_timer(w)
        due = w.event[0].time if line.events > 0 else np.inf
        if at <= due:
            if at != line.now:
                return DONE
            timer_ended(w, w.timer_rank[1])
        else:
            if due != line.now:
                return DONE
            if event_happens(w):
                return RESIDUAL


@jit_inline
def grant_first(w: Any) -> Any:
    """Grant what was asked for first, of all that can be granted; at equal times by server."""
    line = w.line[0]
    while line.asking > 0:
        time, rank = w.ask[0].time, w.ask[0].rank
        ask_pop(w)
        server = rank >> 1
        s = w.server[server]
        if rank & 1:
            granted = time == s.asked and grant_flow(w, server)
        else:
            granted = time == s.asked_crew and grant_crew(w, server)
        if granted:
            line.grants += 1
            line.stuck_server = server
            return True
    return False


@jit_inline
def instant(w: Any) -> Any:
    """What falls due now, then what can be granted, one by one; DONE, or why it cannot go on."""
    line = w.line[0]
    line.grants = 0
    while True:
        status = fall_due(w)
        if status != DONE or not grant_first(w):
            return status
        if line.grants > line.grant_limit:
            return ENDLESS


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
    w.made[:] = 0
    w.rejected[:] = 0
    count_made(w, -1)
    line.measured_from = tick_of(line.now)


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
        status = instant(w)
        if status != DONE:
            return status
        settle(w)
        if line.ended or (line.until_done and line.main_left == 0):
            return DONE
        line.now = first_timer(w)
        if line.events > 0:
            line.now = min(line.now, w.event[0].time)
        while line.now >= line.hour_ends:
            line.hour += 1
            line.hour_ends = (line.hour + 1) * 3600.0 if line.hour < line.hours - 1 else np.inf


@jit
def close(table: Any) -> None:
    """Book what is still under way at the end."""
    w = world_of(table)
    line = w.line[0]
    count_made(w, 1)
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
