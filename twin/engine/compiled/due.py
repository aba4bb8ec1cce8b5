"""What falls due: timers of servers, and events of the line."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.engine.compiled.asking import ask_idle
from twin.engine.compiled.coming import arrives
from twin.engine.compiled.ending import repaired, work_ended, worn_out
from twin.engine.compiled.jit import jit, jit_inline
from twin.engine.compiled.queues import event_pop, event_push, set_timer
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
    rank,
)
from twin.engine.starts import WORKING

__all__ = ["event_happens", "plan_receipt", "plan_release", "timer_ended"]

_RELEASE_RANK = rank(RELEASE, 0, 0)
_RECEIPT_RANK = rank(RECEIPT, 0, 0)


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
def line_event(w: Any, kind: Any, about: Any) -> None:
    """What falls due for no server alone."""
    line = w.line[0]
    if kind == TRANSPORT_END:
        line.moving -= 1
        ask_idle(w, w.zone[about].downstream)
    elif kind == ARRIVAL:
        arrives(w, about)
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
    kind, about, detail, stamp = e.rank >> 40, e.about, e.detail, e.stamp
    event_pop(w)
    if kind == FAILURE_DUE:
        if w.mode[detail].stamp != stamp:
            return False
        if w.mode[detail].curve:
            curve_ends(w, about, detail)
            return True
        failure_due(w, about, detail)
    elif kind == SHIFT:
        shift(w, about)
    elif kind == MAINTENANCE_DUE and detail < len(w.row):
        planned_due(w, about, detail)
    elif kind == MAINTENANCE_DUE:
        upkeep_due(w, about, detail - len(w.row))
    else:
        line_event(w, kind, about)
    return False


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
