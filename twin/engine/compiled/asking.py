"""Who may be able to go on now: what a server wants is asked for, with what the log and the tables need for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.engine.compiled.jit import jit, jit_inline
from twin.engine.compiled.queues import ask_push
from twin.engine.compiled.variates import quantile_at, uniform_at
from twin.engine.counts import TICKS_PER_S
from twin.engine.starts import EMPTY, HELD

__all__ = [
    "ask",
    "ask_holders",
    "ask_idle",
    "ask_takers_of_held",
    "draw",
    "emptied",
    "first_part",
    "give_back",
    "holder_of",
    "note",
    "return_cards",
    "tick_of",
    "touch",
]

_NONE = np.int64(-1)


@jit_inline
def tick_of(time: Any) -> Any:
    """A time in whole ticks."""
    return np.int64(time * TICKS_PER_S)


@jit_inline
def draw(w: Any, law: Any, start: Any, gamma: Any, index: Any) -> Any:
    """One variate of a law from a stream."""
    u = uniform_at(start, gamma, index)
    return quantile_at(w.law_code[law], w.law_first[law], w.law_params, u)


@jit
def note(w: Any, unit: Any, kind: Any, part: Any) -> None:
    """One row in the event log; what finds no room is only counted."""
    line = w.line[0]
    n = line.log_n
    line.log_n = n + 1
    if n >= len(w.log):
        return
    row = w.log[n]
    row.time = line.now
    row.unit = unit
    row.kind = kind
    row.part = -1
    row.order = -1
    row.product = -1
    if part >= 0:
        row.part = w.part[part].number
        row.order = max(_NONE, w.part[part].order)
        row.product = w.part[part].product


@jit_inline
def touch(w: Any, server: Any) -> None:
    """The server may show something else once the instant has settled."""
    s = w.server[server]
    if s.touched == 0:
        s.touched = 1
        line = w.line[0]
        w.touched[line.touched] = server
        line.touched += 1


@jit_inline
def ask(w: Any, server: Any) -> None:
    """What the server wants may be possible now; what plainly is not, is asked again when it may be."""
    s = w.server[server]
    if s.phase == HELD:
        dest = w.part[s.first].dest
        if dest >= 0 and w.zone[dest].parts >= w.zone[dest].capacity:
            return
    elif s.phase == EMPTY:
        if s.on == 0 or s.down == 1:
            return
        u = w.unit[s.unit]
        if u.zones == 1:
            z = w.zone[w.ints[u.zones_at]]
            if z.parts == 0 and z.capacity > 0:
                return
    ask_push(w, s.asked, 2 * server + 1)


@jit_inline
def ask_idle(w: Any, unit: Any) -> None:
    """Servers of the unit that are empty may find a part now."""
    u = w.unit[unit]
    for server in range(u.first_server, u.first_server + u.servers):
        if w.server[server].phase == EMPTY:
            ask(w, server)


@jit_inline
def ask_holders(w: Any, zone: Any) -> None:
    """Servers that hold a part for the zone may find a place now."""
    upstream = w.zone[zone].upstream
    if upstream < 0:
        return
    u = w.unit[upstream]
    for server in range(u.first_server, u.first_server + u.servers):
        s = w.server[server]
        if s.phase == HELD and w.part[s.first].dest == zone:
            ask(w, server)


@jit_inline
def holder_of(w: Any, zone: Any) -> Any:
    """Before a zone without places: the server that has held a part for it longest; -1: none."""
    z = w.zone[zone]
    found = _NONE
    if z.capacity > 0 or z.upstream < 0:
        return found
    since = np.inf
    u = w.unit[z.upstream]
    for server in range(u.first_server, u.first_server + u.servers):
        s = w.server[server]
        if s.phase == HELD and s.asked < since and w.part[s.first].dest == zone:
            found, since = np.int64(server), s.asked
    return found


@jit_inline
def first_part(w: Any, zone: Any) -> Any:
    """The part that leaves the zone first, if it can be taken now; -1: none."""
    z = w.zone[zone]
    if z.parts > 0:
        if w.part[z.first].ready <= w.line[0].now:
            return np.int64(z.first)
        return _NONE
    holder = holder_of(w, zone)
    if holder < 0:
        return _NONE
    return np.int64(w.server[holder].first)


@jit
def give_back(w: Any, part: Any, n: Any, at: Any) -> None:
    """Cards of these loops return, if the part has them."""
    p = w.part[part]
    for k in range(at, at + n):
        loop = w.ints[k]
        bit = np.int64(1) << loop
        if p.cards & bit:
            p.cards &= ~bit
            w.counters[0, loop] += 1
            ask_idle(w, w.counters[1, loop])


@jit
def return_cards(w: Any, part: Any, of: Any) -> None:
    """Those of these cards that the part has return."""
    p = w.part[part]
    for loop in range(w.counters.shape[1]):
        bit = np.int64(1) << loop
        if p.cards & of & bit:
            p.cards &= ~bit
            w.counters[0, loop] += 1
            ask_idle(w, w.counters[1, loop])


@jit_inline
def emptied(w: Any, server: Any) -> None:
    """The last part has left the server."""
    s = w.server[server]
    s.phase = EMPTY
    s.asked = w.line[0].now
    ask(w, server)
    touch(w, server)


@jit_inline
def ask_takers_of_held(w: Any, server: Any) -> None:
    """What the server holds may be taken out of its hand."""
    z = w.zone[w.part[w.server[server].first].dest]
    if z.capacity == 0:
        ask_idle(w, z.downstream)
