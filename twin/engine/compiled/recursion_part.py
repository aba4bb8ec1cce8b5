"""One part at one unit in one replication, step by step, where the sweep over many must not look away."""

from __future__ import annotations

import math
from typing import Any

from twin.engine.compiled.jit import jit, jit_text
from twin.engine.compiled.recursion_lanes import WIDTH
from twin.engine.compiled.recursion_layout import (
    BLOCKED,
    CAPACITY,
    COUNTED_FROM,
    FAILS_AT,
    FINISHED,
    FIRST_INPUT,
    FIRST_MODE,
    FRESH_AT,
    FROM,
    GONE,
    HORIZON,
    HOUR,
    HOUR_END,
    HOURS,
    INPUT_SIZE,
    INPUTS,
    IS_END,
    IS_HEAD,
    LANE,
    LANES_F,
    LEFT,
    LIFE_CODE,
    LIFE_START,
    LIVES,
    MADE_AT,
    MASK,
    MODE_COUNT,
    MODE_FLOATS,
    MODE_LANES,
    NEVER,
    NEXT,
    NOW,
    ON,
    OPERATED,
    OPERATES_UNTIL,
    OVER,
    PART,
    PERIOD,
    PHASE,
    PRODUCT_AT,
    PRODUCTS,
    QUIET_UNTIL,
    REPAIR_CODE,
    REPAIR_START,
    REPAIR_TICKS,
    REPAIRS,
    RING,
    SETUP_AT,
    SINCE,
    STANDS,
    STARTS_AT,
    STARVED,
    TABLE,
    TABLE_SIZE,
    TIED,
    TRACE,
    UNIT,
    UNITS,
    UNMEASURED,
)
from twin.engine.compiled.recursion_time import hour_of, log_row, pass_time, settle, tick
from twin.engine.compiled.recursion_walk import (
    MODE_ROW,
    count_failure,
    drawn,
    idle,
    next_own,
    work_on,
)
from twin.engine.counts import KINDS
from twin.engine.starts import EMPTY, HELD, SETTING_UP, WORKING

__all__ = ["close", "count_starts", "one_part"]

L = WIDTH
K_LAUNCH, K_SETUP, K_START, K_FINISH, K_LEAVE = (
    KINDS.index(k) for k in ("launch", "setup", "start", "finish", "leave")
)


@jit
def count_starts(q: Any, u: Any, b: Any, before: Any) -> None:
    """Parts begun in the present hour, up to (and without) a part, by product."""
    place = (q[b + LANE * L] * q[UNITS] + q[u + UNIT]) * q[PRODUCTS]
    if q[PRODUCTS] == 1:
        q[q[STARTS_AT] + place * q[HOURS] + q[b + HOUR * L]] += before - q[b + SINCE * L]
    else:
        for k in range(q[b + SINCE * L], before):
            product = q[q[PRODUCT_AT] + k % q[PERIOD]]
            q[q[STARTS_AT] + (place + product) * q[HOURS] + q[b + HOUR * L]] += 1
    q[b + SINCE * L] = before


@jit
def _count_made(q: Any, u: Any, b: Any, done: Any) -> None:
    """Parts finished in the measured time, of the first so many, by product.

    Those begun, without the one that is not finished and those finished before: few to go through.
    """
    unmeasured = q[b + UNMEASURED * L]
    if unmeasured < 0:
        return
    place = (q[b + LANE * L] * q[UNITS] + q[u + UNIT]) * q[PRODUCTS]
    made = q[MADE_AT] + place
    if q[PRODUCTS] == 1:
        q[made] = done - unmeasured
        return
    for product in range(q[PRODUCTS]):
        begun = q[STARTS_AT] + (place + product) * q[HOURS]
        for hour in range(q[HOURS]):
            q[made + product] += q[begun + hour]
    for k in range(done, q[b + SINCE * L]):
        q[made + q[q[PRODUCT_AT] + k % q[PERIOD]]] -= 1
    for k in range(unmeasured):
        q[made + q[q[PRODUCT_AT] + k % q[PERIOD]]] -= 1


@jit
def start_counted(m: Any, q: Any, u: Any, a: Any, b: Any, k: Any, t: Any) -> None:
    """Work on part k begins: in which hour?"""
    hour = hour_of(q, t)
    if hour != q[b + HOUR * L]:
        count_starts(q, u, b, k)
        q[b + HOUR * L] = hour
    # The quotient of an instant just before the hour may be rounded to the hour.
    last = hour + 1 >= q[HOURS]
    m[a + HOUR_END * L] = math.inf if last else (hour + 1) * 3600.0 * (1.0 - 1e-14)


@jit_text
def _set_up_for(m: Any, q: Any, u: Any, k: Any) -> Any:
    """Setup before part k. [s]"""
    place = k % q[PERIOD]
    if q[u + SETUP_AT] < 0 or k == 0 or not q[q[FRESH_AT] + place]:
        return 0.0
    before = q[q[PRODUCT_AT] + (k - 1) % q[PERIOD]]
    return m[q[u + SETUP_AT] + before * q[PRODUCTS] + q[q[PRODUCT_AT] + place]]


@jit
def end_of_run(
    m: Any, q: Any, log: Any, u: Any, a: Any, b: Any, done: Any, begun: Any, stop: Any
) -> None:
    """The unit has seen the last instant; so many parts are finished and begun."""
    pass_time(m, q, log, u, a, b, stop)
    if q[TRACE]:
        settle(m, q, log, u, a, b)
    count_starts(q, u, b, begun)
    _count_made(q, u, b, done)
    q[b + OVER * L] = 1
    m[a + QUIET_UNTIL * L] = m[a + HOUR_END * L] = m[a + OPERATES_UNTIL * L] = math.inf


@jit_text
def until_taken(
    m: Any, q: Any, params: Any, log: Any, u: Any, a: Any, b: Any, k: Any, can_take: Any, stop: Any
) -> Any:
    """From the end of the work on part k - 1 until part k is taken; False: not in the run."""
    odd = 1 - k % 2
    finished = m[a + (FINISHED + odd) * L] if k > 0 else 0.0
    gone = m[a + GONE * L]
    m[a + NOW * L] = finished
    q[b + PART * L] = k - 1
    q[b + PHASE * L] = HELD if k > 0 and not q[u + IS_END] else EMPTY
    if gone > finished or m[a + NEXT * L] <= gone:
        idle(m, q, params, log, u, a, b, min(gone, stop))
        held = q[b + PHASE * L] == HELD
        if q[TRACE] and held and q[b + STANDS * L] == 2 and m[a + NOW * L] == gone:
            q[TIED] = 1  # did the crew begin before the part went, or after?
        if gone > stop:
            return False
        pass_time(m, q, log, u, a, b, gone)
    q[b + PHASE * L] = EMPTY
    t = can_take
    while True:
        idle(m, q, params, log, u, a, b, min(t, stop))
        if t > stop:
            return False
        pass_time(m, q, log, u, a, b, t)
        if q[b + ON * L] and q[b + STANDS * L] == 0:
            return True
        t = next_own(m, q, a, b)


@jit_text
def through(
    m: Any, q: Any, params: Any, log: Any, u: Any, a: Any, b: Any, k: Any, work_s: Any, stop: Any
) -> Any:
    """Part k has been taken: setup, work; False: it does not end in the run."""
    q[b + PART * L] = k
    if q[TRACE] and q[u + IS_HEAD]:
        log_row(m, q, log, u, b, m[a + NOW * L], K_LAUNCH, k)
    setup_s = _set_up_for(m, q, u, k)
    if setup_s > 0.0:
        q[b + PHASE * L] = SETTING_UP
        m[a + LEFT * L] = setup_s
        if q[TRACE]:
            log_row(m, q, log, u, b, m[a + NOW * L], K_SETUP, k)
        if not work_on(m, q, params, log, u, a, b, stop):
            end_of_run(m, q, log, u, a, b, k, k, stop)
            return False
    q[b + PHASE * L] = WORKING
    m[a + LEFT * L] = work_s
    start_counted(m, q, u, a, b, k, m[a + NOW * L])
    if q[TRACE]:
        log_row(m, q, log, u, b, m[a + NOW * L], K_START, k)
    if not work_on(m, q, params, log, u, a, b, stop):
        end_of_run(m, q, log, u, a, b, k, k + 1, stop)
        return False
    m[a + OPERATED * L] += m[a + LEFT * L]
    return True


@jit
def usual_failure(
    m: Any, q: Any, params: Any, u: Any, a: Any, b: Any, k: Any, taken: Any, work_s: Any
) -> Any:
    """One failure by the operating clock, one repair, and nothing else until the work ends; else False.

    What nearly always comes between, without the loops of those who must expect everything.
    """
    operated, until = m[a + OPERATED * L], m[a + OPERATES_UNTIL * L]
    done = max(0.0, until - operated)
    failed = taken + done
    left = max(0.0, work_s - done)
    operated = max(operated, until)
    at, mode, others = 0, -1, math.inf
    for i in range(q[u + MODE_COUNT]):
        floats = q[q[u + FIRST_MODE] + i * MODE_ROW + MODE_FLOATS] + q[b + LANE * L]
        if mode < 0 and m[floats + FAILS_AT * L] == until:
            mode, at = i, floats
        else:
            others = min(others, m[floats + FAILS_AT * L])
    row = q[u + FIRST_MODE] + mode * MODE_ROW
    own = row + MODE_LANES + q[b + LANE * L]
    mended = failed + drawn(q, params, row + REPAIR_CODE, own, REPAIR_START, q[own + REPAIRS * L])
    life = operated + drawn(q, params, row + LIFE_CODE, own, LIFE_START, q[own + LIVES * L])
    finished = mended + left
    until = min(others, life)
    if finished >= m[a + QUIET_UNTIL * L] or until - operated < left:
        return False
    q[own + REPAIRS * L] += 1
    q[own + LIVES * L] += 1
    m[at + FAILS_AT * L] = life
    m[a + OPERATES_UNTIL * L] = until
    m[a + OPERATED * L] = operated + left
    m[a + (FINISHED + k % 2) * L] = finished
    m[a + REPAIR_TICKS * L] += tick(m, mended) - tick(m, failed)
    count_failure(m, q, u, b, mode, failed)
    if taken >= m[a + HOUR_END * L]:
        start_counted(m, q, u, a, b, k, taken)
    return True


@jit
def one_part(
    m: Any,
    q: Any,
    params: Any,
    log: Any,
    p: Any,
    lane: Any,
    k: Any,
    work_s: Any,
    before_op: Any,
    sets_up: Any,
) -> None:
    """Part k at unit p, where the sweep's guess of it may be wrong.

    The sweep has put down when the part would be taken and finished if nothing came between.
    """
    u = q[TABLE] + p * TABLE_SIZE
    a, b = q[u + LANES_F] + lane, q[u + LANES_F + 1] + lane
    at = q[u + RING] + (k & q[u + MASK]) * L + lane
    guess = m[at]
    now = (FINISHED + k % 2) * L
    if q[b + OVER * L]:
        m[a + now] = NEVER
        return
    m[a + OPERATED * L] = before_op
    fails = m[a + OPERATES_UNTIL * L] - before_op < work_s and not sets_up and not q[TRACE]
    if fails and usual_failure(m, q, params, u, a, b, k, guess, work_s):
        return
    taken, finished = NEVER, NEVER
    stop = m[HORIZON]
    if until_taken(m, q, params, log, u, a, b, k, guess, stop):
        taken = m[a + NOW * L]
        if through(m, q, params, log, u, a, b, k, work_s, stop):
            finished = m[a + NOW * L]
            quiet = min(m[a + NEXT * L], stop)
            if q[b + UNMEASURED * L] < 0 and finished > m[COUNTED_FROM]:
                q[b + UNMEASURED * L] = k
            elif q[b + UNMEASURED * L] < 0:
                quiet = min(quiet, m[COUNTED_FROM])
            m[a + QUIET_UNTIL * L] = -1.0 if q[TRACE] else quiet
            if q[TRACE]:
                log_row(m, q, log, u, b, finished, K_FINISH, k)
                if q[u + IS_END]:
                    log_row(m, q, log, u, b, finished, K_LEAVE, k)
    else:
        end_of_run(m, q, log, u, a, b, k, k, stop)
    m[a + now] = finished
    if taken != guess:
        m[at] = taken
        moved = tick(m, taken) - tick(m, guess)
        m[a + STARVED * L] += moved
        for i in range(q[u + INPUTS]):
            row = q[u + FIRST_INPUT] + i * INPUT_SIZE
            if q[row + CAPACITY] == 0:
                before = q[q[TABLE] + q[row + FROM] * TABLE_SIZE + LANES_F] + lane
                m[before + GONE * L] = taken
                m[before + BLOCKED * L] += moved


@jit
def close(m: Any, q: Any, params: Any, log: Any, p: Any, lane: Any, parts: Any, stop: Any) -> None:
    """No part comes any more: what still strikes the unit until the end."""
    u = q[TABLE] + p * TABLE_SIZE
    a, b = q[u + LANES_F] + lane, q[u + LANES_F + 1] + lane
    if q[b + OVER * L]:
        return
    gone = m[a + GONE * L]
    m[a + STARVED * L] += tick(m, stop) - tick(m, gone)
    until_taken(m, q, params, log, u, a, b, parts, NEVER, stop)
    end_of_run(m, q, log, u, a, b, parts, parts, stop)
