"""Parts through the line, the (max,+) way: for many replications at once, part by part, unit by unit.

A part is taken as soon as it is there and the unit is empty, and work ends that much later:
``taken = max(finished upstream, gone before)``, ``finished = taken + work``, ``gone = max(finished, taken
downstream by the part that makes room)``. Where a unit may be struck meanwhile, ``one_part`` looks closer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.cpython.unsafe.numbers import trailing_zeros

from twin.engine.compiled.jit import jit, jit_text, jit_with_scratch
from twin.engine.compiled.recursion_lanes import (
    WIDTH,
    add_at,
    below,
    chosen,
    larger,
    load,
    minus,
    plus,
    pointer,
    splat,
    store,
    ticks,
    uniforms,
    whole_ticks,
)
from twin.engine.compiled.recursion_layout import (
    BLOCKED,
    CAPACITY,
    CARDS,
    CLOSED_AT,
    CLOSED_BY_ZONE,
    COUNTED_FROM,
    DEFECT_TABLE,
    DEFECTS,
    END_UNIT,
    FINISHED,
    FIRST_INPUT,
    FIRST_LOOP,
    FRESH_AT,
    FROM,
    GONE,
    HEAD,
    HEAD_ROW,
    HEAD_TABLE,
    HEAD_UNIT,
    HEADS,
    HIGH_TICK,
    HORIZON,
    HOUR_END,
    INPUT_SIZE,
    INPUTS,
    IS_END,
    IS_HEAD,
    JOINS,
    KEYS,
    LANES_F,
    LAST_AT,
    LAWS,
    LOOP_SIZE,
    LOOP_TABLE,
    LOOPS,
    LOW_TICK,
    MASK,
    OPENS,
    OPERATED,
    OPERATES_UNTIL,
    ORDER_AT,
    ORDER_FINISHED_AT,
    ORDER_GOOD_AT,
    ORDER_STARTED_AT,
    ORDERS,
    PARTS,
    PERIOD,
    PRODUCT_AT,
    QUIET_UNTIL,
    RELEASE_AT,
    RETURNED_AT,
    RING,
    SCRATCH,
    SETUP_AT,
    STARVED,
    TABLE,
    TABLE_SIZE,
    TALLY_AT,
    TRANSPORT_AT,
    UNITS,
    UNTIL_DONE,
    VARIES,
    WORK_AT,
    WORK_SIZE,
)
from twin.engine.compiled.recursion_part import close, one_part, start_counted
from twin.engine.compiled.recursion_walk import begin_lives
from twin.engine.compiled.variates import transform, uniform_at
from twin.engine.variates import CONSTANT

__all__ = ["BLOCK", "play"]

L = WIDTH
BLOCK = 64
"""Parts of which all work is drawn at once."""

ALL = (1 << L) - 1


@jit_text
def _uniforms(m: Any, q: Any, u: Any, at: Any) -> None:
    """The next uniforms of a unit's work, part by part, all replications of a part side by side."""
    keys = q[u + KEYS]
    for i in range(BLOCK):
        store(m, at + i * L, uniforms(q, keys + 2 * L, keys + L))


@jit_text
def _product(q: Any, k: Any) -> Any:
    return q[q[PRODUCT_AT] + k % q[PERIOD]]


@jit_with_scratch
def _draw(floats: Any, ints: Any, params: Any, first: Any) -> None:
    """Durations of the work on the next parts, at all units."""
    m, q = pointer(floats), pointer(ints)
    for p in range(q[UNITS]):
        u = q[TABLE] + p * TABLE_SIZE
        varies, laws = q[u + VARIES], q[u + LAWS]
        at = q[WORK_AT] + p * q[WORK_SIZE]
        if varies == 0 and first > 0:
            continue
        if (varies > 0 and q[laws] != CONSTANT) or varies > 1:
            _uniforms(m, q, u, at)
        if varies < 2:
            transform(q[laws], q[laws + 1], params, floats[at : at + BLOCK * L])
            continue
        begin = 0
        while begin < BLOCK:
            product, end = _product(q, first + begin), begin + 1
            while end < BLOCK and _product(q, first + end) == product:
                end += 1
            law = laws + 2 * product
            transform(q[law], q[law + 1], params, floats[at + begin * L : at + end * L])
            begin = end


@jit_text
def _taken_at(q: Any, u: Any, k: Any) -> Any:
    return q[u + RING] + (k & q[u + MASK]) * L


@jit_text
def _look_closer(
    m: Any,
    q: Any,
    params: Any,
    log: Any,
    p: Any,
    k: Any,
    struck: Any,
    hour: Any,
    at: Any,
    sets_up: Any,
) -> None:
    u = q[TABLE] + p * TABLE_SIZE
    while struck:
        lane = trailing_zeros(struck)
        struck &= struck - 1
        one_part(m, q, params, log, p, lane, k, m[at + lane], m[SCRATCH + lane], sets_up)
    taken, a, b = _taken_at(q, u, k), q[u + LANES_F], q[u + LANES_F + 1]
    while hour:
        lane = trailing_zeros(hour)
        hour &= hour - 1
        start_counted(m, q, u, a + lane, b + lane, k, m[taken + lane])


@jit_text
def _before(q: Any, row: Any) -> Any:
    """Where in m the lanes of the unit stand from which an input comes."""
    return q[q[TABLE] + q[row + FROM] * TABLE_SIZE + LANES_F]


@jit_text
def _there(m: Any, q: Any, u: Any, k: Any, odd: Any, take: Any) -> Any:
    """When part k is there from every zone; what stood before a full zone has gone when there was room."""
    low, high = splat(m[LOW_TICK]), splat(m[HIGH_TICK])
    for i in range(q[u + INPUTS]):
        row = q[u + FIRST_INPUT] + i * INPUT_SIZE
        before, room = _before(q, row), q[row + CAPACITY]
        finished = load(m, before + odd * L)
        if room == 0:
            take = larger(take, finished)
        else:
            gone = finished
            if room > 0:
                gone = larger(finished, load(m, _taken_at(q, u, k - room)))
            store(m, before + GONE * L, gone)
            held = minus(ticks(gone, low, high), ticks(finished, low, high))
            add_at(m, before + BLOCKED * L, held)
            take = larger(take, plus(gone, splat(m[q[row + TRANSPORT_AT]])))
    return take


@jit_text
def _allowed(m: Any, q: Any, u: Any, k: Any, take: Any) -> Any:
    """When part k is released, and has its cards."""
    if q[u + IS_HEAD] and q[RELEASE_AT] >= 0:
        take = larger(take, splat(m[q[RELEASE_AT] + k]))
    for i in range(q[u + OPENS]):
        loop = q[q[u + FIRST_LOOP] + i]
        take = larger(take, load(m, q[loop + RETURNED_AT] + (k % q[loop + CARDS]) * L))
    return take


@jit_text
def _handed_over(m: Any, q: Any, u: Any, odd: Any, take: Any, taken: Any) -> None:
    """Out of zones without places the part goes as it is taken."""
    low, high = splat(m[LOW_TICK]), splat(m[HIGH_TICK])
    for i in range(q[u + INPUTS]):
        row = q[u + FIRST_INPUT] + i * INPUT_SIZE
        if q[row + CAPACITY] == 0:
            before = _before(q, row)
            store(m, before + GONE * L, take)
            held = ticks(load(m, before + odd * L), low, high)
            add_at(m, before + BLOCKED * L, minus(taken, held))


@jit_text
def _through_unit(
    m: Any, q: Any, params: Any, log: Any, p: Any, k: Any, at: Any, is_fresh: Any
) -> None:
    """Part k at unit p, in all replications; its work stands from ``m[at]`` on."""
    u = q[TABLE] + p * TABLE_SIZE
    a, odd = q[u + LANES_F], FINISHED + k % 2
    low, high = splat(m[LOW_TICK]), splat(m[HIGH_TICK])
    empty = load(m, a + GONE * L)
    take = _allowed(m, q, u, k, _there(m, q, u, k, odd, empty))
    store(m, _taken_at(q, u, k), take)
    taken = ticks(take, low, high)
    _handed_over(m, q, u, odd, take, taken)
    add_at(m, a + STARVED * L, minus(taken, ticks(empty, low, high)))
    work, operated = load(m, at), load(m, a + OPERATED * L)
    finish = plus(take, work)
    store(m, a + odd * L, finish)
    store(m, a + OPERATED * L, plus(operated, work))
    worn = below(minus(load(m, a + OPERATES_UNTIL * L), operated), work)
    quiet = below(finish, load(m, a + QUIET_UNTIL * L))
    same_hour = below(take, load(m, a + HOUR_END * L))
    sets_up = is_fresh and q[u + SETUP_AT] >= 0
    if worn | ((quiet & same_hour) ^ ALL) or sets_up:
        struck = np.int64(ALL) if sets_up else worn | (quiet ^ ALL)
        store(m, SCRATCH, operated)
        hour = (same_hour ^ ALL) & ~struck
        _look_closer(m, q, params, log, p, k, struck, hour, at, sets_up)
    if q[u + IS_END]:
        store(m, a + GONE * L, load(m, a + odd * L))


@jit_text
def _cards_return(m: Any, q: Any, k: Any) -> None:
    for i in range(q[LOOPS]):
        loop = q[LOOP_TABLE] + i * LOOP_SIZE
        u = q[TABLE] + q[loop + CLOSED_AT] * TABLE_SIZE
        if q[loop + CLOSED_BY_ZONE]:
            back = load(m, _taken_at(q, u, k))
        else:
            back = load(m, q[u + LANES_F] + GONE * L)
        store(m, q[loop + RETURNED_AT] + (k % q[loop + CARDS]) * L, back)


@jit_text
def _tally(m: Any, q: Any, k: Any) -> Any:
    """Part k has left, or not; True while some replication goes on."""
    low, high = splat(m[LOW_TICK]), splat(m[HIGH_TICK])
    horizon = splat(m[HORIZON])
    end = q[TABLE] + q[END_UNIT] * TABLE_SIZE
    left = load(m, q[end + LANES_F] + GONE * L)
    late = below(horizon, left)
    good = below(splat(m[COUNTED_FROM]), left) & (late ^ ALL)
    at = q[TALLY_AT]
    add_at(m, at, chosen(good, splat(1.0)))
    over = np.int64(ALL)
    for h in range(q[HEADS]):
        row = q[HEAD_TABLE] + h * HEAD_ROW
        taken = load(m, _taken_at(q, q[TABLE] + q[row + HEAD_UNIT] * TABLE_SIZE, k))
        over &= below(horizon, taken)
        out = left
        if q[row + JOINS] >= 0:
            out = load(m, _taken_at(q, q[TABLE] + q[row + JOINS] * TABLE_SIZE, k))
        else:
            add_at(m, at + L, chosen(good, minus(whole_ticks(left), whole_ticks(taken))))
        add_at(m, at + 2 * L, minus(ticks(out, low, high), ticks(taken, low, high)))
    if q[DEFECTS]:
        _escapes(m, q, k, good)
    if q[ORDER_AT] >= 0:
        _orders(m, q, k)
    return over != ALL


@jit
def _escapes(m: Any, q: Any, k: Any, good: Any) -> None:
    for lane in range(L):
        defective = False
        for i in range(q[DEFECTS]):
            row = q[DEFECT_TABLE] + i * (2 + 2 * L)
            number = k * q[HEADS] + q[q[TABLE] + q[row] * TABLE_SIZE + HEAD]
            drawn = uniform_at(q[row + 2 + lane], q[row + 2 + L + lane], number)
            defective |= drawn < m[q[row + 1]]
        if defective and good >> lane & 1:
            m[q[TALLY_AT] + 3 * L + lane] += 1.0


@jit
def _orders(m: Any, q: Any, k: Any) -> None:
    order, end = q[q[ORDER_AT] + k], q[TABLE] + q[END_UNIT] * TABLE_SIZE
    row = q[HEAD_TABLE]
    while q[row + JOINS] >= 0:
        row += HEAD_ROW
    taken = _taken_at(q, q[TABLE] + q[row + HEAD_UNIT] * TABLE_SIZE, k)
    for lane in range(L):
        at = lane * q[ORDERS] + order
        if m[taken + lane] <= m[HORIZON] and not m[q[ORDER_STARTED_AT] + at] >= 0.0:
            m[q[ORDER_STARTED_AT] + at] = m[taken + lane]
        left = m[q[end + LANES_F] + GONE * L + lane]
        if left <= m[HORIZON]:
            m[q[ORDER_GOOD_AT] + at] += 1.0
            m[q[ORDER_FINISHED_AT] + at] = left


@jit_text
def _begin(m: Any, q: Any, params: Any) -> None:
    for p in range(q[UNITS]):
        u = q[TABLE] + p * TABLE_SIZE
        for lane in range(L):
            begin_lives(m, q, params, u, q[u + LANES_F] + lane, q[u + LANES_F + 1] + lane)


@jit_with_scratch
def play(floats: Any, ints: Any, laws: Any, rows: Any) -> None:
    """All parts of the run through all units.

    Args:
        floats: ``m`` of ``recursion_layout``.
        ints: ``q``.
        laws: Parameters of all laws.
        rows: Room for the event log.
    """
    m, q, params, log = pointer(floats), pointer(ints), pointer(laws), pointer(rows)
    _begin(m, q, params)
    k, goes_on = np.int64(0), True
    while goes_on and k < q[PARTS]:
        _draw(floats, ints, laws, k)
        for i in range(min(BLOCK, q[PARTS] - k)):
            at = q[WORK_AT] + i * L
            fresh = q[q[FRESH_AT] + k % q[PERIOD]] != 0
            for p in range(q[UNITS]):
                _through_unit(m, q, params, log, p, k, at + p * q[WORK_SIZE], fresh)
            _cards_return(m, q, k)
            goes_on = _tally(m, q, k)
            k += 1
            if not goes_on:
                break
    end = q[TABLE] + q[END_UNIT] * TABLE_SIZE
    for lane in range(L):
        stop = m[HORIZON]
        if q[UNTIL_DONE] and goes_on:
            stop = min(stop, m[q[end + LANES_F] + GONE * L + lane])
        m[q[LAST_AT] + lane] = stop
        for p in range(q[UNITS]):
            close(m, q, params, log, p, lane, k, stop)
