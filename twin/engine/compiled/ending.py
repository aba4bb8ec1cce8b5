"""A timer of a server ends: its setup or work, the life of a failure mode, or a repair."""

from __future__ import annotations

from typing import Any

from twin.engine.compiled.asking import ask, ask_takers_of_held, emptied, note, touch
from twin.engine.compiled.jit import jit, jit_inline
from twin.engine.compiled.layout import FAILED, PLANNED, UPKEEP_DUE
from twin.engine.compiled.leaving import inspected
from twin.engine.compiled.queues import ask_push
from twin.engine.compiled.upkeep import go_on, least_life, renew, strike, upkeep_strikes
from twin.engine.compiled.work import go_on_working, let_go
from twin.engine.counts import KINDS
from twin.engine.starts import HELD, SETTING_UP, WORKING

__all__ = ["repaired", "work_ended", "worn_out"]

_UP = KINDS.index("up")


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
            strike(w, server, FAILED, m)
            return


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
    if work == FAILED and at >= 0:
        renew(w, server, s.modes_at + at)
    elif work == PLANNED and w.row[at].mode >= 0:
        renew(w, server, s.modes_at + w.row[at].mode)
    elif work == UPKEEP_DUE:
        v = w.upkeep[at]
        for j in range(v.renews_at, v.renews_at + v.renews):
            renew(w, server, s.modes_at + w.ints[j])
    least_life(w, server)
    if line.log_on:
        note(w, s.unit, _UP, s.first)
    go_on(w, server)
