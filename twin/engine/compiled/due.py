"""What falls due: timers of servers, and events of the line."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.engine.compiled.asking import ask_idle
from twin.engine.compiled.coming import arrives
from twin.engine.compiled.ending import repaired, work_ended, worn_out
from twin.engine.compiled.jit import jit, jit_inline
from twin.engine.compiled.queues import event_pop, event_push, ranked_of, set_timer
from twin.engine.compiled.upkeep import failure_due, planned_due, shift, upkeep_due
from twin.engine.compiled.work import stop
from twin.engine.kinds import (
    ARRIVAL,
    FAILURE_DUE,
    MAINTENANCE_DUE,
    RECEIPT,
    RELEASE,
    SHIFT,
    TRANSPORT_END,
    WARM_UP,
)
from twin.engine.starts import WORKING

__all__ = ["event_happens", "plan_receipt", "plan_release", "timer_ended"]


@jit
def plan_release(w: Any) -> None:
    """The next instant at which a job is released."""
    line = w.line[0]
    if line.next_release < len(w.releases):
        event_push(w, w.releases[line.next_release], RELEASE, 0, 0, 0)
        line.next_release += 1


@jit
def plan_receipt(w: Any) -> None:
    """The next delivery."""
    line = w.line[0]
    if line.next_receipt < len(w.receipt):
        at = line.next_receipt
        event_push(w, w.receipt[at].start, RECEIPT, at, 0, 0)
        line.next_receipt += 1


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


@jit
def line_event(w: Any, kind: Any, place: Any) -> None:
    """What falls due for no server alone."""
    line = w.line[0]
    if kind == TRANSPORT_END:
        line.moving -= 1
        ask_idle(w, w.zone[place].downstream)
    elif kind == ARRIVAL:
        arrives(w, place)
    elif kind == RELEASE:
        plan_release(w)
        for unit in range(len(w.unit)):
            if w.unit[unit].head >= 0:
                ask_idle(w, unit)
    elif kind == RECEIPT:
        received(w, place)
    elif kind == WARM_UP:
        line.warm = 1
    else:
        line.ended = 1


@jit
def curve_ends(w: Any, server: Any, k: Any) -> None:
    """The curve of a forecast ends: the life left at that age must be found."""
    line, s, m = w.line[0], w.server[server], w.mode[k]
    line.curve_works = 1 if s.running and s.phase == WORKING else 0
    if line.curve_works:
        stop(w, server)
    m.age += s.operated if m.operating else line.now
    line.curve_mode = k


@jit
def event_happens(w: Any) -> Any:
    """The first event of the heap; True if its residual life must be found first."""
    e = w.event[0]
    stamp = e.stamp
    kind, place, detail = ranked_of(e.rank)
    event_pop(w)
    if kind == FAILURE_DUE:
        k = w.server[place].modes_at + detail
        if w.mode[k].stamp != stamp:
            return False
        if w.mode[k].curve:
            curve_ends(w, place, k)
            return True
        failure_due(w, place, k)
    elif kind == SHIFT:
        shift(w, place)
    elif kind == MAINTENANCE_DUE and detail < len(w.row):
        planned_due(w, place, detail)
    elif kind == MAINTENANCE_DUE:
        upkeep_due(w, place, w.server[place].upkeep_at + detail - len(w.row))
    else:
        line_event(w, kind, place)
    return False


@jit_inline
def timer_ended(w: Any, first: Any) -> None:
    """The stretch of a server ends, or its repair."""
    _, kind, server = ranked_of(first)
    running = w.server[server].running
    set_timer(w, server, np.inf, 0)
    if kind:
        repaired(w, server)
    elif running == 1:
        work_ended(w, server)
    else:
        worn_out(w, server)
