"""Parts from outside: launched as jobs and lots say, or arriving and perhaps lost."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.engine.compiled.asking import ask_idle, draw, note, tick_of
from twin.engine.compiled.jit import jit
from twin.engine.compiled.leaving import free
from twin.engine.compiled.moving import allowed, append, put_in
from twin.engine.compiled.queues import event_push
from twin.engine.compiled.variates import uniform_at
from twin.engine.counts import KINDS, LOST
from twin.engine.kinds import ARRIVAL

__all__ = ["arrives", "launch", "turn_away"]

_LAUNCH = KINDS.index("launch")
_LOST = KINDS.index("lost")
_NONE = np.int64(-1)


@jit
def new_part(w: Any, unit: Any, k: Any, order: Any, product: Any) -> Any:
    """A part comes into the line; the caller knows that there is room."""
    line, u = w.line[0], w.unit[unit]
    part = line.free_part
    p = w.part[part]
    line.free_part = p.next
    line.free_parts -= 1
    p.number = line.placed + k * line.heads + u.head
    p.index = p.number
    p.order = order
    p.product = product
    p.main = u.main
    p.entered = tick_of(line.now)
    p.launched = 1
    p.defective = 0
    p.reworks = 0
    p.cards = 0
    p.dest = -1
    p.ready = line.now
    p.next = -1
    if line.cyclic:
        w.visits[part, :] = 0
    if line.log_on:
        note(w, unit, _LAUNCH, part)
    return part


@jit
def ask_heads_of(w: Any, queue: Any) -> None:
    """Another job is next: other heads may have what it takes."""
    for unit in range(len(w.unit)):
        if w.unit[unit].launches == 1 and w.unit[unit].queue == queue:
            ask_idle(w, unit)


@jit
def launch(w: Any, server: Any, unit: Any) -> Any:
    """The next part of the jobs or lots, if it is released."""
    line, u = w.line[0], w.unit[unit]
    again, q = u.again_first, w.unit[u.queue]
    order, product = _NONE, np.int64(0)
    if again >= 0:
        order, product = w.part[again].order, np.int64(w.part[again].product)
    elif u.launches == 2:
        position = q.position + (1 if q.left == 0 else 0)
        order = -2 - position
        product = np.int64(w.lot[position % line.lots].product)
    else:
        if q.position >= line.jobs or w.job[q.position].release > line.now:
            return False
        order = w.job[q.position].order
        product = np.int64(w.job[q.position].product)
    if not allowed(w, unit, np.int64(0), product):
        return False
    part = new_part(w, unit, u.launched, order, product)
    u.launched += 1
    if again >= 0:
        u.again_first = w.part[again].next
        free(w, again)
    else:
        if q.left == 0:
            if u.launches == 2:
                q.position += 1
                q.left = w.lot[q.position % line.lots].quantity
            else:
                q.left = w.job[q.position].quantity
        q.left -= 1
        if q.left == 0 and u.launches == 1:
            q.position += 1
            ask_heads_of(w, u.queue)
    if u.main and order >= 0 and np.isnan(w.order[order].started):
        w.order[order].started = line.now
    put_in(w, server, part)
    return True


@jit
def arrives(w: Any, unit: Any) -> None:
    """A part comes from outside, and the next is known."""
    line, u = w.line[0], w.unit[unit]
    product = 0
    if line.products > 1:
        at = uniform_at(u.product_start, u.product_gamma, u.arrived)
        while at >= w.floats[u.arriving_at + product]:
            product += 1
    part = new_part(w, unit, u.arrived, _NONE, product)
    u.arrived += 1
    append(w, w.ints[u.zones_at], part)
    line.overfull = 1
    ask_idle(w, unit)
    delay = draw(w, u.interarrival, u.arrival_start, u.arrival_gamma, u.arrived)
    event_push(w, line.now + delay, ARRIVAL, unit, 0, 0)


@jit
def turn_away(w: Any) -> None:
    """Arrivals that found no place are lost, the last first."""
    line = w.line[0]
    line.overfull = 0
    for zone in range(len(w.zone)):
        z = w.zone[zone]
        if z.upstream >= 0:
            continue
        while z.parts > z.capacity:
            part = z.first
            before = _NONE
            for _ in range(z.parts - 1):
                before = np.int64(part)
                part = w.part[part].next
            z.parts -= 1
            z.last = before
            w.tally[LOST] += 1
            if line.log_on:
                note(w, z.downstream, _LOST, part)
            free(w, part)
