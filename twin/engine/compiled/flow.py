"""Parts on their way, compiled: launched or arriving, taken, handed over, scrapped, leaving."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.engine.compiled.jit import jit, jit_inline
from twin.engine.compiled.queues import ask_push, event_push
from twin.engine.compiled.variates import quantile_at, uniform_at
from twin.engine.counts import (
    ESCAPED,
    FLOW_TICKS,
    GOOD,
    KINDS,
    LOST,
    PART_TICKS,
    REWORKED,
    SCRAPPED,
    TICKS_PER_S,
    TIMED,
)
from twin.engine.kinds import ARRIVAL, TRANSPORT_END, rank
from twin.engine.starts import EMPTY, HELD

__all__ = [
    "arrives",
    "ask",
    "ask_idle",
    "count_time",
    "draw",
    "emptied",
    "first_part",
    "inspected",
    "note",
    "put",
    "take",
    "tick_of",
    "touch",
    "turn_away",
]

_LAUNCH, _FINISH, _REWORK = KINDS.index("launch"), KINDS.index("finish"), KINDS.index("rework")
_REJECT, _LEAVE, _LOST = KINDS.index("reject"), KINDS.index("leave"), KINDS.index("lost")
_ARRIVAL_RANK, _TRANSPORT_RANK = rank(ARRIVAL, 0, 0), rank(TRANSPORT_END, 0, 0)
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
        event_push(w, ready, _TRANSPORT_RANK + (np.int64(zone) << 20), 0, zone, 0)
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
def count_time(w: Any, part: Any, tick: Any) -> None:
    """The part has been in the line until now."""
    since = max(w.part[part].entered, w.line[0].measured_from)
    w.tally[PART_TICKS] += tick - since


@jit_inline
def free(w: Any, part: Any) -> None:
    """The record of the part can be used again."""
    line = w.line[0]
    w.part[part].next = line.free_part
    line.free_part = part
    line.free_parts += 1


@jit_inline
def absorb(w: Any, lead: Any, part: Any) -> None:
    """The part becomes one with the lead."""
    w.part[lead].defective |= w.part[part].defective
    return_cards(w, part, w.part[lead].cards)
    w.part[lead].cards |= w.part[part].cards
    count_time(w, part, tick_of(w.line[0].now))
    free(w, part)


@jit
def take_together(w: Any, server: Any, unit: Any) -> Any:
    """Assembly: one part out of every zone, at once."""
    u = w.unit[unit]
    lead = _NONE
    for k in range(u.zones_at, u.zones_at + u.zones):
        found = first_part(w, w.ints[k])
        if found < 0:
            return False
        if k == u.zones_at:
            lead = found
    if not allowed_part(w, unit, lead):
        return False
    lead = np.int64(pull(w, w.ints[u.zones_at]))
    for k in range(u.zones_at + 1, u.zones_at + u.zones):
        absorb(w, lead, pull(w, w.ints[k]))
    put_in(w, server, lead)
    return True


@jit
def take_kit(w: Any, server: Any, unit: Any) -> Any:
    """Assembly: components as they come. 0: nothing, 1: some, 2: all are there, it begins."""
    u = w.unit[unit]
    kit_at = w.server[server].kit_at
    took, missing = 0, False
    for i in range(u.zones):
        zone = w.ints[u.zones_at + i]
        if w.kit[kit_at + i] < 0 and first_part(w, zone) >= 0:
            w.kit[kit_at + i] = pull(w, zone)
            took = 1
        missing |= w.kit[kit_at + i] < 0
    lead = np.int64(w.kit[kit_at])
    if missing or not allowed_part(w, unit, lead):
        return took
    for i in range(u.zones):
        if i > 0:
            absorb(w, lead, w.kit[kit_at + i])
        w.kit[kit_at + i] = -1
    put_in(w, server, lead)
    return 2


@jit_inline
def longest_waiting(w: Any, unit: Any) -> Any:
    """Of the zones whose first part can be taken, that where it waits longest; -1: none."""
    u = w.unit[unit]
    best, since = _NONE, np.inf
    for k in range(u.zones_at, u.zones_at + u.zones):
        zone = w.ints[k]
        part = first_part(w, zone)
        if part < 0 or not allowed_part(w, unit, part):
            continue
        z = w.zone[zone]
        waits = w.part[z.first].ready if z.parts > 0 else w.server[holder_of(w, zone)].asked
        if waits < since:
            best, since = np.int64(zone), waits
    return best


@jit
def take_batch(w: Any, server: Any, unit: Any, zone: Any) -> Any:
    """As many parts as are there and fit, if they are enough."""
    u, z = w.unit[unit], w.zone[zone]
    count = 0
    part = z.first
    for _ in range(z.parts):
        if w.part[part].ready > w.line[0].now:
            break
        count += 1
        part = w.part[part].next
    if count < u.batch_minimum or not allowed_part(w, unit, first_part(w, zone)):
        return False
    for taken in range(min(count, u.batch)):
        if taken > 0 and not allowed_part(w, unit, first_part(w, zone)):
            break
        put_in(w, server, pull(w, zone))
    return True


@jit_inline
def take(w: Any, server: Any) -> Any:
    """What the unit needs to begin. 0: not there, 1: some of it, 2: it begins."""
    unit = w.server[server].unit
    u = w.unit[unit]
    if u.zones == 0:
        return 2 if launch(w, server, unit) else 0
    if u.eager:
        return take_kit(w, server, unit)
    if u.assembles:
        return 2 if take_together(w, server, unit) else 0
    zone = np.int64(w.ints[u.zones_at]) if u.zones == 1 else longest_waiting(w, unit)
    if zone < 0:
        return 0
    part = first_part(w, zone)
    if part < 0:
        return 0
    if u.batch > 1:
        return 2 if take_batch(w, server, unit, zone) else 0
    if not allowed_part(w, unit, part):
        return 0
    put_in(w, server, pull(w, zone))
    return 2


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
    event_push(w, line.now + delay, _ARRIVAL_RANK + (np.int64(unit) << 20), 0, unit, 0)


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


# Work ends.


@jit
def out(w: Any, unit: Any, part: Any, good: Any) -> None:
    """The part leaves the line."""
    line, p = w.line[0], w.part[part]
    count_time(w, part, tick_of(line.now))
    if p.cards:
        return_cards(w, part, p.cards)
    if p.main and p.order >= 0:
        line.main_left -= 1
        o = w.order[p.order]
        o.good += good
        o.left -= 1
        if o.left == 0:
            o.finished = line.now


@jit
def scrap(w: Any, unit: Any, part: Any) -> None:
    """An inspection takes the part out; a component is launched again."""
    line, p, u = w.line[0], w.part[part], w.unit[unit]
    if line.log_on:
        note(w, unit, _REJECT, part)
    w.tally[SCRAPPED] += 1
    out(w, unit, part, 0)
    if not p.main:
        for k in range(u.sources_at, u.sources_at + u.sources):
            source = w.ints[k]
            v = w.unit[source]
            if v.launches == 0:
                continue
            again = line.free_part
            line.free_part = w.part[again].next
            line.free_parts -= 1
            w.part[again].order = p.order
            w.part[again].product = p.product
            w.part[again].next = -1
            if v.again_first < 0:
                v.again_first = again
            else:
                w.part[v.again_last].next = again
            v.again_last = again
            ask_idle(w, source)
    free(w, part)


@jit
def leave(w: Any, unit: Any, part: Any) -> None:
    """A good part leaves the line."""
    line, p = w.line[0], w.part[part]
    if line.log_on:
        note(w, unit, _LEAVE, part)
    w.tally[GOOD] += 1
    w.tally[ESCAPED] += p.defective
    if p.launched:
        w.tally[TIMED] += 1
        w.tally[FLOW_TICKS] += tick_of(line.now) - p.entered
    out(w, unit, part, 1)
    free(w, part)


@jit_inline
def way(w: Any, unit: Any, part: Any) -> Any:
    """Zone that a good part goes to; -1: it leaves."""
    u, p = w.unit[unit], w.part[part]
    if u.shares == 0:
        return w.ints[u.by_product_at + p.product]
    at = uniform_at(u.route_start, u.route_gamma, p.index)
    k = 0
    while at >= w.floats[u.share_ends_at + k]:
        k += 1
    return w.ints[u.shares_at + k]


@jit_inline
def inspected(w: Any, unit: Any, part: Any) -> Any:
    """Inspection, own defects, and the way on; False if the part has left the line."""
    u, p, line = w.unit[unit], w.part[part], w.line[0]
    if p.defective and u.coverage > 0.0:
        if uniform_at(u.detect_start, u.detect_gamma, p.index) < u.coverage:
            if u.rework < 0 or p.reworks >= u.rework_limit:
                scrap(w, unit, part)
                return False
            p.defective = 0
            p.reworks += 1
            p.dest = u.rework
            w.tally[REWORKED] += 1
            if line.log_on:
                note(w, unit, _REWORK, part)
            return True
    if u.defect_probability > 0.0:
        if uniform_at(u.defect_start, u.defect_gamma, p.index) < u.defect_probability:
            p.defective = 1
    if line.log_on:
        note(w, unit, _FINISH, part)
    p.dest = way(w, unit, part)
    if p.dest < 0:
        leave(w, unit, part)
        return False
    return True
