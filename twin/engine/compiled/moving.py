"""Parts between servers and zones: handed over, pulled, put in; with the cards and components that takes."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.engine.compiled.asking import (
    ask,
    ask_holders,
    ask_idle,
    ask_takers_of_held,
    emptied,
    give_back,
    holder_of,
    return_cards,
    tick_of,
)
from twin.engine.compiled.jit import jit_inline
from twin.engine.compiled.leaving import count_time, free, leave
from twin.engine.compiled.queues import event_push
from twin.engine.kinds import TRANSPORT_END

__all__ = ["absorb", "allowed", "allowed_part", "append", "pull", "put", "put_in"]


@jit_inline
def gone(w: Any, server: Any) -> Any:
    """The first part of a server has been handed over; the part."""
    s = w.server[server]
    part = s.first
    s.first = w.part[part].next
    s.parts -= 1
    u = w.unit[s.unit]
    if u.closes:
        give_back(w, part, u.closes, u.closes_at)
    if s.parts > 0:
        ask(w, server)
        ask_takers_of_held(w, server)
    else:
        s.first = -1
        emptied(w, server)
    return part


@jit_inline
def append(w: Any, zone: Any, part: Any) -> None:
    """The part stands last in the zone."""
    z = w.zone[zone]
    w.part[part].next = -1
    if z.parts == 0:
        z.first = part
    else:
        w.part[z.last].next = part
    z.last = part
    z.parts += 1


@jit_inline
def put(w: Any, server: Any) -> Any:
    """The part goes on where there is room."""
    line = w.line[0]
    part = w.server[server].first
    zone = w.part[part].dest
    if zone < 0:  # held so by a live start
        s = w.server[server]
        s.first, s.parts = -1, 0
        leave(w, s.unit, part)
        emptied(w, server)
        return True
    z = w.zone[zone]
    if z.parts >= z.capacity:
        return False
    gone(w, server)
    append(w, zone, part)
    w.part[part].ready = line.now
    if z.transport > 0.0:
        ready = line.now + z.transport
        w.part[part].ready = ready
        line.moving += 1
        event_push(w, ready, TRANSPORT_END, zone, 0, 0)
    else:
        ask_idle(w, z.downstream)
    return True


@jit_inline
def pull(w: Any, zone: Any) -> Any:
    """Take the first part; whoever waits for a place in the zone may have one now."""
    z = w.zone[zone]
    if z.parts > 0:
        part = z.first
        z.first = w.part[part].next
        z.parts -= 1
        ask_holders(w, zone)
    else:
        part = gone(w, holder_of(w, zone))
    if z.closes:
        give_back(w, part, z.closes, z.closes_at)
    return part


@jit_inline
def allowed(w: Any, unit: Any, cards: Any, product: Any) -> Any:
    """There are cards and components for such a part."""
    u = w.unit[unit]
    for k in range(u.opens_at, u.opens_at + u.opens):
        loop = w.ints[k]
        if not (cards >> loop) & 1 and w.counters[0, loop] <= 0:
            return False
    if u.consumes:
        for k in range(w.ints[u.consumes_at + product], w.ints[u.consumes_at + product + 1], 2):
            if w.on_hand[w.ints[k]] < w.floats[w.ints[k + 1]]:
                return False
    return True


@jit_inline
def allowed_part(w: Any, unit: Any, part: Any) -> Any:
    """There are cards and components for this part."""
    return allowed(w, unit, w.part[part].cards, w.part[part].product)


@jit_inline
def put_in(w: Any, server: Any, part: Any) -> None:
    """One more part in the server: it gets its cards, and uses up components."""
    s = w.server[server]
    p = w.part[part]
    u = w.unit[s.unit]
    for k in range(u.opens_at, u.opens_at + u.opens):
        bit = np.int64(1) << w.ints[k]
        if not p.cards & bit:
            p.cards |= bit
            w.counters[0, w.ints[k]] -= 1
    if u.consumes:
        at = u.consumes_at + p.product
        for k in range(w.ints[at], w.ints[at + 1], 2):
            w.on_hand[w.ints[k]] -= w.floats[w.ints[k + 1]]
    p.next = -1
    if s.parts == 0:
        s.first = part
    else:
        w.part[s.last].next = part
    s.last = part
    s.parts += 1


@jit_inline
def absorb(w: Any, lead: Any, part: Any) -> None:
    """The part becomes one with the lead."""
    w.part[lead].defective |= w.part[part].defective
    return_cards(w, part, w.part[lead].cards)
    w.part[lead].cards |= w.part[part].cards
    count_time(w, part, tick_of(w.line[0].now))
    free(w, part)
