"""Work on a part ends: it is inspected, sent on its way, scrapped, or leaves the line."""

from __future__ import annotations

from typing import Any

from twin.engine.compiled.asking import ask_idle, note, return_cards, tick_of
from twin.engine.compiled.jit import jit, jit_inline
from twin.engine.compiled.variates import uniform_at
from twin.engine.counts import (
    ESCAPED,
    FLOW_TICKS,
    GOOD,
    KINDS,
    PART_TICKS,
    REWORKED,
    SCRAPPED,
    TIMED,
)
from twin.engine.starts import WORKING

__all__ = ["count_made", "count_time", "free", "inspected", "leave", "way"]

_FINISH = KINDS.index("finish")
_REWORK = KINDS.index("rework")
_REJECT = KINDS.index("reject")
_LEAVE = KINDS.index("leave")


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


@jit
def out(w: Any, part: Any, good: Any) -> None:
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
def count_made(w: Any, sign: Any) -> None:
    """Add to ``made``, or take from it, the parts on which work has ended: begun, and no longer at work.

    So nothing is counted while the run goes on; what a live start finds at work was begun before.
    """
    units, products, hours = w.starts.shape
    for unit in range(units):
        for product in range(products):
            for hour in range(hours):
                w.made[unit, product] += sign * w.starts[unit, product, hour]
    for server in range(len(w.server)):
        s = w.server[server]
        if s.phase == WORKING and s.fresh == 0:
            part = s.first
            for _ in range(s.parts):
                w.made[s.unit, w.part[part].product] -= sign
                part = w.part[part].next


@jit
def scrap(w: Any, unit: Any, part: Any) -> None:
    """An inspection takes the part out; a component is launched again."""
    line, p, u = w.line[0], w.part[part], w.unit[unit]
    if line.log_on:
        note(w, unit, _REJECT, part)
    w.tally[SCRAPPED] += 1
    out(w, part, 0)
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
    out(w, part, 1)
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
    if (
        p.defective
        and u.coverage > 0.0
        and uniform_at(u.detect_start, u.detect_gamma, p.index) < u.coverage
    ):
        w.rejected[unit] += 1
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
    if (
        u.defect_probability > 0.0
        and uniform_at(u.defect_start, u.defect_gamma, p.index) < u.defect_probability
    ):
        p.defective = 1
    if line.log_on:
        note(w, unit, _FINISH, part)
    p.dest = way(w, unit, part)
    if p.dest < 0:
        leave(w, unit, part)
        return False
    return True
