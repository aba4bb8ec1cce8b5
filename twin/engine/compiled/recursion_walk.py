"""One part through one unit when something comes between: failures, repairs, shifts, planned work, setup.

The same steps, in the same order, as the reference takes them; what the unit shows is added up as time
passes. Everything here is about one unit (table ``u``) in one replication (numbers from ``a`` in ``m`` and
``b`` in ``q`` on).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from twin.engine.compiled.jit import jit, jit_text
from twin.engine.compiled.recursion_lanes import WIDTH
from twin.engine.compiled.recursion_layout import (
    BEGAN,
    CODE,
    DATE,
    DATE_WORKS,
    DATES,
    DOES,
    DUE,
    DURATION_AT,
    EDGE,
    EDGES,
    FAILS_AT,
    FAILURE_ROW,
    FAILURES_AT,
    FIRST_DATE,
    FIRST_EDGE,
    FIRST_MODE,
    FIRST_WORK,
    HOURS,
    LANE,
    LEFT,
    LIFE_CODE,
    LIFE_START,
    LIVES,
    MENDED,
    MODE_COUNT,
    MODE_FLOATS,
    MODE_LANES,
    MODES,
    NEXT,
    NOW,
    ON,
    OPERATED,
    OPERATES_UNTIL,
    OPERATING,
    PHASE,
    RENEWS,
    REPAIR_CODE,
    REPAIR_START,
    REPAIRS,
    RUNS,
    STANDS,
    START,
    TIMES,
    WAITING_MODES,
    WAITING_WORKS,
    WORK_LANES,
)
from twin.engine.compiled.recursion_time import hour_of, note, pass_time
from twin.engine.compiled.variates import quantile_at, uniform_at
from twin.engine.counts import KINDS
from twin.engine.starts import WORKING

__all__ = [
    "MODE_ROW",
    "begin_lives",
    "count_failure",
    "drawn",
    "idle",
    "next_own",
    "work_on",
]

L = WIDTH
WORK_ROW = WORK_LANES + 3 * L
MODE_ROW = MODE_LANES + 6 * L
K_LAUNCH, K_SETUP, K_START, K_FINISH = (
    KINDS.index(k) for k in ("launch", "setup", "start", "finish")
)
K_FAILURE, K_PLANNED = (KINDS.index(k) for k in ("failure", "maintenance"))
K_REPAIR, K_UP, K_OFF, K_ON = (KINDS.index(k) for k in ("repair", "up", "off", "on"))


@jit_text
def least(m: Any, q: Any, u: Any, a: Any, b: Any) -> None:
    """When the first mode strikes by the operating clock, and when what goes by the clock comes next."""
    lane = q[b + LANE * L]
    until, following = math.inf, math.inf
    for mode in range(q[u + MODE_COUNT]):
        row = q[u + FIRST_MODE] + mode * MODE_ROW
        at = q[row + MODE_FLOATS] + lane
        until = min(until, m[at + FAILS_AT * L])
        following = min(following, m[at + DUE * L])
    if q[b + DATE * L] < q[u + DATES]:
        following = min(following, m[q[u + FIRST_DATE] + q[b + DATE * L]])
    if q[b + EDGE * L] < q[u + EDGES]:
        following = min(following, m[q[u + FIRST_EDGE] + q[b + EDGE * L]])
    m[a + OPERATES_UNTIL * L] = until
    m[a + NEXT * L] = following


@jit
def drawn(q: Any, params: Any, law: Any, own: Any, key: Any, index: Any) -> Any:
    """A variate of the law whose code and place stand from ``q[law]`` on."""
    u = uniform_at(q[own + key * L], q[own + (key + 1) * L], index)
    return quantile_at(q[law], q[law + 1], params, u)


@jit
def _live(m: Any, q: Any, params: Any, u: Any, a: Any, b: Any, mode: Any) -> None:
    """A new life of a mode begins."""
    lane = q[b + LANE * L]
    row = q[u + FIRST_MODE] + mode * MODE_ROW
    own, at = row + MODE_LANES + lane, q[row + MODE_FLOATS] + lane
    index = q[own + LIVES * L]
    q[own + LIVES * L] = index + 1
    life_s = drawn(q, params, row + LIFE_CODE, own, LIFE_START, index)
    if q[row + OPERATING]:
        m[at + FAILS_AT * L] = m[a + OPERATED * L] + life_s
        m[at + DUE * L] = math.inf
    else:
        m[at + FAILS_AT * L] = math.inf
        m[at + DUE * L] = m[a + NOW * L] + life_s


@jit
def begin_lives(m: Any, q: Any, params: Any, u: Any, a: Any, b: Any) -> None:
    """First lives of all modes, at time 0."""
    for mode in range(q[u + MODE_COUNT]):
        _live(m, q, params, u, a, b, mode)
    least(m, q, u, a, b)


@jit_text
def pause(m: Any, q: Any, a: Any, b: Any) -> None:
    """Setup or work stops where it stands."""
    if q[b + RUNS * L]:
        done = m[a + NOW * L] - m[a + BEGAN * L]
        m[a + LEFT * L] = max(0.0, m[a + LEFT * L] - done)
        if q[b + PHASE * L] == WORKING:
            m[a + OPERATED * L] += done
        q[b + RUNS * L] = 0


@jit
def _forget(m: Any, q: Any, u: Any, b: Any, mode: Any) -> None:
    """The present life of a mode is over, whatever it was to be."""
    at = q[q[u + FIRST_MODE] + mode * MODE_ROW + MODE_FLOATS] + q[b + LANE * L]
    m[at + FAILS_AT * L] = math.inf
    m[at + DUE * L] = math.inf
    q[b + WAITING_MODES * L] &= ~(np.int64(1) << mode)


@jit_text
def count_failure(m: Any, q: Any, u: Any, b: Any, mode: Any, t: Any) -> None:
    place = q[b + LANE * L] * q[MODES] + q[u + FAILURE_ROW] + mode
    q[q[FAILURES_AT] + place * q[HOURS] + hour_of(q, t)] += 1


@jit
def strike(m: Any, q: Any, log: Any, u: Any, a: Any, b: Any, does: Any) -> None:
    """The unit goes down: for a mode, or (negative) for planned work."""
    q[b + STANDS * L] = 1
    q[b + DOES * L] = does
    if does >= 0:
        _forget(m, q, u, b, does)
        count_failure(m, q, u, b, does, m[a + NOW * L])
    else:
        renews = q[q[u + FIRST_WORK] + (-1 - does) * WORK_ROW + RENEWS]
        for mode in range(q[u + MODE_COUNT]):
            if renews >> mode & 1:
                _forget(m, q, u, b, mode)
    least(m, q, u, a, b)
    note(m, q, log, u, a, b, K_FAILURE if does >= 0 else K_PLANNED)


@jit
def begin_repair(m: Any, q: Any, params: Any, log: Any, u: Any, a: Any, b: Any) -> None:
    """A crew begins."""
    lane, does = q[b + LANE * L], q[b + DOES * L]
    q[b + STANDS * L] = 2
    if does >= 0:
        row = q[u + FIRST_MODE] + does * MODE_ROW
        own = row + MODE_LANES + lane
        index = q[own + REPAIRS * L]
        q[own + REPAIRS * L] = index + 1
        duration_s = drawn(q, params, row + REPAIR_CODE, own, REPAIR_START, index)
    else:
        row = q[u + FIRST_WORK] + (-1 - does) * WORK_ROW
        own = row + WORK_LANES + lane
        duration_s = m[q[row + DURATION_AT]]
        if q[row + CODE] >= 0:
            index = q[own + TIMES * L]
            q[own + TIMES * L] = index + 1
            duration_s = drawn(q, params, row + CODE, own, START, index)
    note(m, q, log, u, a, b, K_REPAIR)
    m[a + BEGAN * L] = m[a + NOW * L]
    m[a + MENDED * L] = m[a + NOW * L] + duration_s


@jit_text
def lowest(bits: Any) -> Any:
    found = np.int64(0)
    while not bits >> found & 1:
        found += 1
    return found


@jit
def strike_waiting(m: Any, q: Any, log: Any, u: Any, a: Any, b: Any) -> None:
    """What fell due meanwhile strikes now."""
    if q[b + STANDS * L] > 0:
        return
    if q[b + WAITING_WORKS * L]:
        first = lowest(q[b + WAITING_WORKS * L])
        q[b + WAITING_WORKS * L] &= ~(np.int64(1) << first)
        strike(m, q, log, u, a, b, -1 - first)
    elif q[b + ON * L] and q[b + WAITING_MODES * L]:
        strike(m, q, log, u, a, b, lowest(q[b + WAITING_MODES * L]))


@jit
def mend(m: Any, q: Any, params: Any, log: Any, u: Any, a: Any, b: Any) -> None:
    """The repair ends."""
    does = q[b + DOES * L]
    q[b + STANDS * L] = 0
    m[a + MENDED * L] = math.inf
    if does >= 0:
        _live(m, q, params, u, a, b, does)
    else:
        renews = q[q[u + FIRST_WORK] + (-1 - does) * WORK_ROW + RENEWS]
        for mode in range(q[u + MODE_COUNT]):
            if renews >> mode & 1:
                _live(m, q, params, u, a, b, mode)
    least(m, q, u, a, b)
    note(m, q, log, u, a, b, K_UP)
    strike_waiting(m, q, log, u, a, b)


@jit
def by_the_clock(m: Any, q: Any, log: Any, u: Any, a: Any, b: Any) -> None:
    """What was to come by the clock has come: a failure, planned work, or a shift."""
    t, lane = m[a + NEXT * L], q[b + LANE * L]
    for mode in range(q[u + MODE_COUNT]):
        due = q[q[u + FIRST_MODE] + mode * MODE_ROW + MODE_FLOATS] + lane + DUE * L
        if m[due] == t:
            m[due] = math.inf
            if q[b + STANDS * L] > 0 or not q[b + ON * L]:
                q[b + WAITING_MODES * L] |= np.int64(1) << mode
                least(m, q, u, a, b)
            else:
                pause(m, q, a, b)
                strike(m, q, log, u, a, b, mode)
            return
    date = q[b + DATE * L]
    if date < q[u + DATES] and m[q[u + FIRST_DATE] + date] == t:
        q[b + DATE * L] = date + 1
        work = q[q[u + DATE_WORKS] + date]
        if q[b + STANDS * L] > 0:
            q[b + WAITING_WORKS * L] |= np.int64(1) << work
            least(m, q, u, a, b)
        else:
            pause(m, q, a, b)
            strike(m, q, log, u, a, b, -1 - work)
        return
    q[b + EDGE * L] += 1
    q[b + ON * L] ^= 1
    least(m, q, u, a, b)
    note(m, q, log, u, a, b, K_ON if q[b + ON * L] else K_OFF)
    if q[b + ON * L]:
        strike_waiting(m, q, log, u, a, b)
    else:
        pause(m, q, a, b)


@jit_text
def next_own(m: Any, q: Any, a: Any, b: Any) -> Any:
    """When the unit itself does something next, besides its work."""
    return min(m[a + NEXT * L], m[a + MENDED * L])


@jit_text
def happen(m: Any, q: Any, params: Any, log: Any, u: Any, a: Any, b: Any) -> None:
    """What the unit does next, besides its work, happens; the end of a repair comes first."""
    t = next_own(m, q, a, b)
    pass_time(m, q, log, u, a, b, t)
    if m[a + MENDED * L] <= m[a + NEXT * L]:
        mend(m, q, params, log, u, a, b)
    else:
        by_the_clock(m, q, log, u, a, b)


@jit
def idle(m: Any, q: Any, params: Any, log: Any, u: Any, a: Any, b: Any, until: Any) -> None:
    """All that strikes the unit up to an instant, while it holds a part or none."""
    while True:
        if q[b + STANDS * L] == 1 and m[a + NEXT * L] > m[a + NOW * L]:
            begin_repair(m, q, params, log, u, a, b)
        elif next_own(m, q, a, b) <= until:
            happen(m, q, params, log, u, a, b)
        else:
            return


@jit
def work_on(m: Any, q: Any, params: Any, log: Any, u: Any, a: Any, b: Any, stop: Any) -> Any:
    """Setup or work to its end, through all that strikes; False if it does not end in the run."""
    while True:
        runs = q[b + ON * L] and q[b + STANDS * L] == 0
        if runs:
            left = m[a + LEFT * L]
            q[b + RUNS * L] = 1
            m[a + BEGAN * L] = m[a + NOW * L]
            worn = False
            delay = left
            if q[b + PHASE * L] == WORKING:
                life = m[a + OPERATES_UNTIL * L] - m[a + OPERATED * L]
                if life < left:
                    worn = True
                    delay = max(0.0, life)
            end = m[a + NOW * L] + delay
            if end <= m[a + NEXT * L]:
                if end > stop:
                    return False
                pass_time(m, q, log, u, a, b, end)
                q[b + RUNS * L] = 0
                if not worn:
                    return True
                wear_out(m, q, log, u, a, b)
                continue
        elif q[b + STANDS * L] == 1 and m[a + NEXT * L] > m[a + NOW * L]:
            begin_repair(m, q, params, log, u, a, b)
            continue
        if next_own(m, q, a, b) > stop:
            return False
        happen(m, q, params, log, u, a, b)


@jit
def wear_out(m: Any, q: Any, log: Any, u: Any, a: Any, b: Any) -> None:
    """The operating life of a mode ends in the middle of the work."""
    until, operated = m[a + OPERATES_UNTIL * L], m[a + OPERATED * L]
    left = max(0.0, until - operated)
    m[a + LEFT * L] = max(0.0, m[a + LEFT * L] - left)
    m[a + OPERATED * L] = max(operated, until)
    lane, mode = q[b + LANE * L], np.int64(0)
    while m[q[q[u + FIRST_MODE] + mode * MODE_ROW + MODE_FLOATS] + lane + FAILS_AT * L] != until:
        mode += 1
    strike(m, q, log, u, a, b, mode)
