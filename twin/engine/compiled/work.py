"""Setup, work, failures, repairs and planned maintenance of a server, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.engine.compiled.flow import (
    ask,
    ask_takers_of_held,
    draw,
    emptied,
    inspected,
    note,
    take,
    touch,
)
from twin.engine.compiled.flow import put as put_on
from twin.engine.compiled.jit import jit, jit_inline
from twin.engine.compiled.layout import BLOCK
from twin.engine.compiled.queues import ask_push, event_push, set_timer
from twin.engine.compiled.variates import quantile_at, uniform_at
from twin.engine.counts import KINDS
from twin.engine.kinds import FAILURE_DUE, MAINTENANCE_DUE, SHIFT, rank
from twin.engine.starts import EMPTY, HELD, SETTING_UP, WORKING

__all__ = [
    "curve_ended",
    "failure_due",
    "go_on",
    "grant_crew",
    "grant_flow",
    "least_life",
    "planned_due",
    "repaired",
    "shift",
    "upkeep_due",
    "work_ended",
    "worn_out",
]

_SETUP, _START = KINDS.index("setup"), KINDS.index("start")
_FAILURE, _MAINTENANCE = KINDS.index("failure"), KINDS.index("maintenance")
_REPAIR, _UP, _ON, _OFF = (KINDS.index(kind) for kind in ("repair", "up", "on", "off"))
_FAILURE_RANK, _MAINTENANCE_RANK = rank(FAILURE_DUE, 0, 0), rank(MAINTENANCE_DUE, 0, 0)
_SHIFT_RANK = rank(SHIFT, 0, 0)
_VISIT = np.int64(1 << 40)
_FAILED, _PLANNED, _UPKEEP = 1, 2, 3


@jit
def let_go(w: Any, server: Any) -> None:
    """The operator of the server is free for another."""
    s = w.server[server]
    team = s.team
    s.team = -1
    w.counters[2, team] += 1
    for other in range(w.line[0].servers):
        o = w.server[other]
        if o.wants:
            u = w.unit[o.unit]
            for k in range(u.teams_at, u.teams_at + u.teams):
                if w.ints[k] == team:
                    ask(w, other)


@jit_inline
def run(w: Any, server: Any) -> None:
    """The stretch begins: of setup, of work, or of a failure mode's life."""
    line, s = w.line[0], w.server[server]
    if s.fresh:
        s.fresh = 0
        if s.phase == WORKING:
            begin(w, server)
        elif line.log_on:
            note(w, s.unit, _SETUP, s.first)
    s.began = line.now
    delay = s.remaining
    s.running = 1
    if s.phase == WORKING and s.until - s.operated < delay:
        delay = max(0.0, s.until - s.operated)
        s.running = 2
    set_timer(w, server, line.now + delay, 0)
    touch(w, server)


@jit_inline
def begin(w: Any, server: Any) -> None:
    """Work begins: its duration is that of the first part."""
    line, s = w.line[0], w.server[server]
    unit = s.unit
    part = s.first
    for _ in range(s.parts):
        p = w.part[part]
        if line.cyclic:
            visits = w.visits[part, unit]
            w.visits[part, unit] = visits + 1
            p.index = p.number + visits * _VISIT
        w.starts[unit, p.product, line.hour] += 1
        if line.log_on:
            note(w, unit, _START, part)
        part = p.next
    s.remaining = work_of(w, unit, w.part[s.first].product, w.part[s.first].index)


@jit_inline
def work_of(w: Any, unit: Any, product: Any, index: Any) -> Any:
    """Duration of the work on one part; first visits are drawn a block at a time."""
    u = w.unit[unit]
    if index >= _VISIT:
        law = w.ints[u.cycle_at + product]
        return draw(w, law, u.cycle_start, u.cycle_gamma, index)
    row = unit * w.line[0].products + product
    if w.drawn_block[row] != index // BLOCK:
        draw_block(w, unit, product, row, index // BLOCK)
    return w.drawn[row, index % BLOCK]


@jit
def draw_block(w: Any, unit: Any, product: Any, row: Any, block: Any) -> None:
    """The next durations of the unit's work on a product."""
    u = w.unit[unit]
    law = w.ints[u.cycle_at + product]
    w.drawn_block[row] = block
    code, at = w.law_code[law], w.law_first[law]
    for i in range(BLOCK):
        u_at = uniform_at(u.cycle_start, u.cycle_gamma, block * BLOCK + i)
        w.drawn[row, i] = quantile_at(code, at, w.law_params, u_at)


@jit_inline
def go_on_working(w: Any, server: Any) -> None:
    """Set the end of the present stretch, as soon as there is an operator where one is needed."""
    s = w.server[server]
    u = w.unit[s.unit]
    needs = u.work_needs if s.phase == WORKING else u.setup_needs
    if needs and s.team < 0:
        s.wants = 1
        s.asked = w.line[0].now
        ask(w, server)
        touch(w, server)
    else:
        run(w, server)


@jit_inline
def ready(w: Any, server: Any) -> None:
    """The server has its part: setup first, if its last one was of another order or product."""
    s = w.server[server]
    p = w.part[s.first]
    touch(w, server)
    s.fresh = 1
    s.phase = WORKING
    if p.order != s.last_order or p.product != s.last_product:
        last = s.last_product
        s.last_order, s.last_product = p.order, p.product
        s.remaining = 0.0
        if last >= 0:
            at = w.unit[s.unit].setup_at + last * w.line[0].products + p.product
            s.remaining = w.floats[at]
        if s.remaining > 0.0:
            s.phase = SETTING_UP
    go_on_working(w, server)


@jit_inline
def grant_flow(w: Any, server: Any) -> Any:
    """A part, a place for the part, or an operator; False while it cannot be."""
    s = w.server[server]
    if s.phase == HELD:
        return put_on(w, server)
    if s.on == 0 or s.down == 1:
        return False
    if s.phase == EMPTY:
        took = take(w, server)
        if took == 2:
            ready(w, server)
        return took > 0
    if s.wants:
        u = w.unit[s.unit]
        for k in range(u.teams_at, u.teams_at + u.teams):
            team = w.ints[k]
            if w.counters[2, team] > 0:
                w.counters[2, team] -= 1
                s.team = team
                s.wants = 0
                run(w, server)
                return True
    return False


@jit_inline
def pause(w: Any, server: Any) -> None:
    """Stop setup or work where it stands, and let the operator go."""
    s = w.server[server]
    stop(w, server)
    if s.team >= 0:
        let_go(w, server)
    s.wants = 0


@jit_inline
def stop(w: Any, server: Any) -> None:
    """The stretch ends before its time; what is left stays with the server."""
    s = w.server[server]
    if s.running:
        done = w.line[0].now - s.began
        s.remaining = max(0.0, s.remaining - done)
        if s.phase == WORKING:
            s.operated += done
        s.running = 0
        set_timer(w, server, np.inf, 0)


@jit_inline
def work_ended(w: Any, server: Any) -> None:
    """Setup ends, or the work on all parts of a server."""
    line, s = w.line[0], w.server[server]
    s.running = 0
    if s.team >= 0:
        let_go(w, server)
    touch(w, server)
    if s.phase == SETTING_UP:
        s.phase = WORKING
        s.fresh = 1
        go_on_working(w, server)
        return
    s.operated += s.remaining
    unit = s.unit
    made = s.parts
    part = s.first
    s.parts = 0
    for _ in range(made):
        following = w.part[part].next
        if inspected(w, unit, part):
            w.part[part].next = -1
            if s.parts == 0:
                s.first = part
            else:
                w.part[s.last].next = part
            s.last = part
            s.parts += 1
        part = following
    if s.parts > 0:
        s.phase = HELD
        s.asked = line.now
        ask(w, server)
        ask_takers_of_held(w, server)
    else:
        s.first = -1
        emptied(w, server)
    for k in range(s.upkeep_at, s.upkeep_at + w.unit[unit].upkeep):
        v = w.upkeep[k]
        if v.every > 0:
            v.parts += made
            if v.parts >= v.every:
                v.parts = 0
                upkeep_strikes(w, server, k)


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
    detail = np.int64(k - w.server[server].modes_at)
    order = _FAILURE_RANK + (np.int64(server) << 20) + detail
    event_push(w, m.due, order, m.stamp, server, k)


@jit
def strike(w: Any, server: Any, work: Any, at: Any) -> None:
    """The server goes down and asks for a crew."""
    line, s = w.line[0], w.server[server]
    s.down = 1
    s.work = work
    s.work_at = at
    s.work_s = np.nan
    if work == _FAILED:
        forget(w, server, s.modes_at + at)
        w.failures[w.unit[s.unit].failures_at + at, line.hour] += 1
    elif work == _PLANNED:
        s.work_s = w.row[at].duration
        if w.row[at].mode >= 0:
            forget(w, server, s.modes_at + w.row[at].mode)
    else:
        v = w.upkeep[at]
        for j in range(v.renews_at, v.renews_at + v.renews):
            forget(w, server, s.modes_at + w.ints[j])
    least_life(w, server)
    if line.log_on:
        kind = _FAILURE if work == _FAILED else _MAINTENANCE
        note(w, s.unit, kind, s.first)
    ask_crew(w, server)


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
def worn_out(w: Any, server: Any) -> None:
    """The server has produced for as long as one of its modes lets it."""
    s = w.server[server]
    s.running = 0
    if s.team >= 0:
        let_go(w, server)
    left = max(0.0, s.until - s.operated)
    s.remaining = max(0.0, s.remaining - left)
    s.operated = max(s.operated, s.until)
    for m in range(w.unit[s.unit].modes):
        if w.mode[s.modes_at + m].fails_at == s.until:
            strike(w, server, _FAILED, m)
            return


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
        strike(w, server, _FAILED, k - s.modes_at)


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
        strike(w, server, _PLANNED, row)


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
        strike(w, server, _UPKEEP, k)


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
        detail = np.int64(len(w.row) + k - w.server[server].upkeep_at)
        order = _MAINTENANCE_RANK + (np.int64(server) << 20) + detail
        event_push(w, w.floats[v.due_at], order, 0, server, len(w.row) + k)
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
        if s.work == _UPKEEP:
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
def repaired(w: Any, server: Any) -> None:
    """The crew is free, the modes that the work renews begin a new life."""
    line, s = w.line[0], w.server[server]
    line.crews += 1
    if line.queued > 0:
        for other in range(line.servers):
            if w.server[other].queued:
                ask_push(w, w.server[other].asked_crew, 2 * other)
    work, at = s.work, s.work_at
    s.down = 0
    s.repairing = 0
    s.work = 0
    if work == _FAILED and at >= 0:
        renew(w, server, s.modes_at + at)
    elif work == _PLANNED and w.row[at].mode >= 0:
        renew(w, server, s.modes_at + w.row[at].mode)
    elif work == _UPKEEP:
        v = w.upkeep[at]
        for j in range(v.renews_at, v.renews_at + v.renews):
            renew(w, server, s.modes_at + w.ints[j])
    least_life(w, server)
    if line.log_on:
        note(w, s.unit, _UP, s.first)
    go_on(w, server)


@jit
def renew(w: Any, server: Any, k: Any) -> None:
    """Mode ``k`` is as new."""
    m = w.mode[k]
    life = draw(w, m.life, m.life_start, m.life_gamma, m.lives)
    m.lives += 1
    live(w, server, k, life)


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
        s.asked = w.line[0].now
        ask(w, server)
    else:
        go_on_working(w, server)


@jit
def strike_waiting(w: Any, server: Any) -> Any:
    """What strikes now: planned work, upkeep, and on shift failures; each in its order."""
    s = w.server[server]
    for row in range(len(w.row)):
        if w.row_waiting[row, server]:
            w.row_waiting[row, server] = 0
            s.waiting -= 1
            strike(w, server, _PLANNED, row)
            return True
    u = w.unit[s.unit]
    for k in range(s.upkeep_at, s.upkeep_at + u.upkeep):
        if w.upkeep[k].waiting:
            w.upkeep[k].waiting = 0
            s.waiting -= 1
            strike(w, server, _UPKEEP, k)
            return True
    if s.on:
        for m in range(u.modes):
            if w.mode[s.modes_at + m].waiting:
                strike(w, server, _FAILED, m)
                return True
    return False


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
        order = _SHIFT_RANK + (np.int64(server) << 20)
        event_push(w, w.floats[s.edge], order, 0, server, 0)
        s.edge += 1
