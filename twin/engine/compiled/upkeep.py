"""What takes a server down and brings it up again: failures, planned maintenance, upkeep, crews, shifts."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.engine.compiled.asking import ask, draw, note, touch
from twin.engine.compiled.jit import jit, jit_inline
from twin.engine.compiled.layout import FAILED, PLANNED, UPKEEP_DUE
from twin.engine.compiled.queues import ask_push, event_push, set_timer
from twin.engine.compiled.work import go_on_working, pause, run
from twin.engine.counts import KINDS
from twin.engine.kinds import FAILURE_DUE, MAINTENANCE_DUE, SHIFT
from twin.engine.starts import EMPTY, HELD

__all__ = [
    "ask_crew",
    "curve_ended",
    "due_in",
    "failure_due",
    "go_on",
    "grant_crew",
    "least_life",
    "live",
    "plan_shift",
    "plan_upkeep",
    "planned_due",
    "renew",
    "shift",
    "strike",
    "upkeep_due",
    "upkeep_strikes",
]

_FAILURE = KINDS.index("failure")
_MAINTENANCE = KINDS.index("maintenance")
_REPAIR = KINDS.index("repair")
_ON = KINDS.index("on")
_OFF = KINDS.index("off")


@jit_inline
def least_life(w: Any, server: Any) -> None:
    """When the first of its modes strikes, by its operating clock."""
    s = w.server[server]
    least = np.inf
    for k in range(s.modes_at, s.modes_at + w.unit[s.unit].modes):
        least = min(least, w.mode[k].fails_at)
    s.until = least


@jit
def live(w: Any, server: Any, k: Any, life: Any) -> None:
    """A life of this length of mode ``k`` begins."""
    m = w.mode[k]
    m.curve = 0
    if m.operating:
        m.fails_at = w.server[server].operated + life
        m.due = np.inf
        m.stamp += 1
    else:
        due_in(w, server, k, life)


@jit
def due_in(w: Any, server: Any, k: Any, delay: Any) -> None:
    """Mode ``k`` strikes by the clock after so long."""
    m = w.mode[k]
    m.due = w.line[0].now + delay
    m.stamp += 1
    event_push(w, m.due, FAILURE_DUE, server, k - w.server[server].modes_at, m.stamp)


@jit
def forget(w: Any, server: Any, k: Any) -> None:
    """The present life of mode ``k`` counts no more."""
    m = w.mode[k]
    m.fails_at = np.inf
    m.due = np.inf
    m.stamp += 1
    m.curve = 0
    if m.waiting:
        m.waiting = 0
        w.server[server].waiting -= 1


@jit_inline
def ask_crew(w: Any, server: Any) -> None:
    """The server waits for a crew from now on."""
    line, s = w.line[0], w.server[server]
    s.asked_crew = line.now
    s.queued = 1
    line.queued += 1
    ask_push(w, s.asked_crew, 2 * server)
    touch(w, server)


@jit
def strike(w: Any, server: Any, work: Any, at: Any) -> None:
    """The server goes down and asks for a crew."""
    line, s = w.line[0], w.server[server]
    s.down = 1
    s.work = work
    s.work_at = at
    s.work_s = np.nan
    if work == FAILED:
        forget(w, server, s.modes_at + at)
        w.failures[w.unit[s.unit].failures_at + at, line.hour] += 1
    elif work == PLANNED:
        s.work_s = w.row[at].duration
        if w.row[at].mode >= 0:
            forget(w, server, s.modes_at + w.row[at].mode)
    else:
        v = w.upkeep[at]
        for j in range(v.renews_at, v.renews_at + v.renews):
            forget(w, server, s.modes_at + w.ints[j])
    least_life(w, server)
    if line.log_on:
        kind = _FAILURE if work == FAILED else _MAINTENANCE
        note(w, s.unit, kind, s.first)
    ask_crew(w, server)


@jit
def failure_due(w: Any, server: Any, k: Any) -> None:
    """Mode ``k`` strikes by the clock."""
    s, m = w.server[server], w.mode[k]
    m.due = np.inf
    m.stamp += 1
    if s.down or s.on == 0:
        if not m.waiting:
            m.waiting = 1
            s.waiting += 1
    else:
        pause(w, server)
        strike(w, server, FAILED, k - s.modes_at)


@jit
def curve_ended(w: Any, server: Any, k: Any) -> None:
    """A forecast has said its last: the law goes on, with the residual life found meanwhile."""
    live(w, server, k, w.mode[k].residual)
    least_life(w, server)
    if w.line[0].curve_works:
        run(w, server)


@jit
def planned_due(w: Any, server: Any, row: Any) -> None:
    """Planned maintenance of the run."""
    s = w.server[server]
    if s.down:
        if not w.row_waiting[row, server]:
            w.row_waiting[row, server] = 1
            s.waiting += 1
    else:
        pause(w, server)
        strike(w, server, PLANNED, row)


@jit
def upkeep_strikes(w: Any, server: Any, k: Any) -> None:
    """Upkeep ``k`` is due."""
    s, v = w.server[server], w.upkeep[k]
    if s.down:
        if not v.waiting:
            v.waiting = 1
            s.waiting += 1
    else:
        pause(w, server)
        strike(w, server, UPKEEP_DUE, k)


@jit
def upkeep_due(w: Any, server: Any, k: Any) -> None:
    """Upkeep ``k`` is due by the calendar; the next date is set."""
    plan_upkeep(w, server, k)
    upkeep_strikes(w, server, k)


@jit
def plan_upkeep(w: Any, server: Any, k: Any) -> None:
    """The next date of upkeep ``k``, if there is one."""
    v = w.upkeep[k]
    if v.due_at < v.due_end:
        detail = len(w.row) + k - w.server[server].upkeep_at
        event_push(w, w.floats[v.due_at], MAINTENANCE_DUE, server, detail, 0)
        v.due_at += 1


@jit
def grant_crew(w: Any, server: Any) -> Any:
    """A crew begins; False while none is free."""
    line, s = w.line[0], w.server[server]
    if line.crews == 0 or s.queued == 0:
        return False
    s.queued = 0
    line.queued -= 1
    line.crews -= 1
    s.repairing = 1
    duration = s.work_s
    if np.isnan(duration):
        if s.work == UPKEEP_DUE:
            v = w.upkeep[s.work_at]
            duration = draw(w, v.law, v.start, v.gamma, v.times)
            v.times += 1
        else:
            m = w.mode[s.modes_at + s.work_at]
            duration = draw(w, m.repair, m.repair_start, m.repair_gamma, m.repairs)
            m.repairs += 1
    if line.log_on:
        note(w, s.unit, _REPAIR, s.first)
    set_timer(w, server, line.now + duration, 1)
    touch(w, server)
    return True


@jit
def renew(w: Any, server: Any, k: Any) -> None:
    """Mode ``k`` is as new."""
    m = w.mode[k]
    life = draw(w, m.life, m.life_start, m.life_gamma, m.lives)
    m.lives += 1
    live(w, server, k, life)


@jit
def strike_waiting(w: Any, server: Any) -> Any:
    """What strikes now: planned work, upkeep, and on shift failures; each in its order."""
    s = w.server[server]
    for row in range(len(w.row)):
        if w.row_waiting[row, server]:
            w.row_waiting[row, server] = 0
            s.waiting -= 1
            strike(w, server, PLANNED, row)
            return True
    u = w.unit[s.unit]
    for k in range(s.upkeep_at, s.upkeep_at + u.upkeep):
        if w.upkeep[k].waiting:
            w.upkeep[k].waiting = 0
            s.waiting -= 1
            strike(w, server, UPKEEP_DUE, k)
            return True
    if s.on:
        for m in range(u.modes):
            if w.mode[s.modes_at + m].waiting:
                strike(w, server, FAILED, m)
                return True
    return False


@jit
def go_on(w: Any, server: Any) -> None:
    """Whatever the server can do next: be struck, continue its part, or look for one."""
    s = w.server[server]
    touch(w, server)
    if s.down:
        return
    if s.waiting > 0 and strike_waiting(w, server):
        return
    if s.phase == HELD:
        ask(w, server)
    elif s.on == 0:
        return
    elif s.phase == EMPTY:
        if s.asked != s.again:
            s.idle = s.asked
        s.asked = w.line[0].now
        s.again = s.asked
        ask(w, server)
    else:
        go_on_working(w, server)


@jit
def shift(w: Any, server: Any) -> None:
    """A shift begins or ends; the next edge is set."""
    line, s = w.line[0], w.server[server]
    plan_shift(w, server)
    s.on = 1 - s.on
    if line.log_on:
        note(w, s.unit, _ON if s.on else _OFF, s.first)
    touch(w, server)
    if s.on:
        go_on(w, server)
    else:
        pause(w, server)


@jit
def plan_shift(w: Any, server: Any) -> None:
    """The next edge of the server's shifts, if there is one."""
    s = w.server[server]
    if s.edge < s.edges_end:
        event_push(w, w.floats[s.edge], SHIFT, server, 0, 0)
        s.edge += 1
