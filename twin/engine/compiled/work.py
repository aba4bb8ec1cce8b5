"""Setup and work of a server: what it takes to begin, to be interrupted and to go on; and the operators."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.engine.compiled.asking import ask, draw, note, touch
from twin.engine.compiled.jit import jit, jit_inline
from twin.engine.compiled.layout import BLOCK
from twin.engine.compiled.moving import put
from twin.engine.compiled.queues import set_timer
from twin.engine.compiled.taking import take
from twin.engine.compiled.variates import quantile_at, uniform_at
from twin.engine.counts import KINDS
from twin.engine.inputs import VISIT
from twin.engine.starts import EMPTY, HELD, SETTING_UP, WORKING

__all__ = ["go_on_working", "grant_flow", "let_go", "pause", "run", "stop"]

_SETUP = KINDS.index("setup")
_START = KINDS.index("start")
_RESUME = KINDS.index("resume")
_VISIT = np.int64(VISIT)


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
        return put(w, server)
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
                if w.line[0].log_on and s.fresh == 0:
                    note(w, s.unit, _RESUME, s.first)
                run(w, server)
                return True
    return False


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
def pause(w: Any, server: Any) -> None:
    """Stop setup or work where it stands, and let the operator go."""
    s = w.server[server]
    stop(w, server)
    if s.team >= 0:
        let_go(w, server)
    s.wants = 0
