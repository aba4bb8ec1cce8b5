"""One part through one unit when something comes between: failures, repairs, shifts, planned work, setup.

The same steps, in the same order, as the reference takes them; what the unit shows is added up as time
passes. Everything here is about one unit (table ``u``) in one replication (numbers from ``a`` in ``m`` and
``b`` in ``q`` on).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from twin.engine.compiled.jit import jit, jit_inline
from twin.engine.compiled.recursion_lanes import WIDTH
from twin.engine.compiled.recursion_layout import (
    BEGAN,
    BLOCKED,
    CODE,
    DATE,
    DATE_WORKS,
    DATES,
    DOES,
    DOWN_TICKS,
    DUE,
    DURATION_AT,
    EDGE,
    EDGES,
    FAILS_AT,
    FAILURE_ROW,
    FAILURES_AT,
    FIRST,
    FIRST_DATE,
    FIRST_EDGE,
    FIRST_MODE,
    FIRST_WORK,
    GAMMA,
    HIGH_TICK,
    HOURS,
    LANE,
    LEFT,
    LIFE_CODE,
    LIFE_FIRST,
    LIFE_GAMMA,
    LIFE_START,
    LIVES,
    LOG_COLUMNS,
    LOG_FULL,
    LOG_ROWS,
    LOGGED,
    LOW_TICK,
    MENDED,
    MODE_COUNT,
    MODE_FLOATS,
    MODE_LANES,
    MODES,
    NEXT,
    NOW,
    OFF_TICKS,
    ON,
    OPERATED,
    OPERATES_UNTIL,
    OPERATING,
    ORDER_AT,
    PART,
    PERIOD,
    PHASE,
    PRODUCT_AT,
    RENEWS,
    REPAIR_CODE,
    REPAIR_FIRST,
    REPAIR_GAMMA,
    REPAIR_START,
    REPAIR_TICKS,
    REPAIRS,
    RUNS,
    SETUP_TICKS,
    SHOWN,
    STANDS,
    START,
    STARVED,
    TIMES,
    TRACE,
    UNIT,
    WAITING_MODES,
    WAITING_WORKS,
    WORK_LANES,
    WORKS,
    HEAD,
    HEADS,
)
from twin.engine.compiled.variates import quantile_at, uniform_at
from twin.engine.counts import KINDS, TICKS_PER_S
from twin.engine.starts import EMPTY, HELD, SETTING_UP, WORKING

__all__ = [
    "begin_lives",
    "hour_of",
    "idle",
    "least",
    "log_row",
    "next_own",
    "pass_time",
    "settle",
    "work_on",
]

L = WIDTH
WORK_ROW = WORK_LANES + 3 * L
MODE_ROW = MODE_LANES + 6 * L
K_LAUNCH, K_SETUP, K_START, K_FINISH = (
    KINDS.index(k) for k in ("launch", "setup", "start", "finish")
)
K_BLOCKED, K_FAILURE, K_PLANNED = (KINDS.index(k) for k in ("blocked", "failure", "maintenance"))
K_REPAIR, K_UP, K_OFF, K_ON = (KINDS.index(k) for k in ("repair", "up", "off", "on"))

(
    SHOWS_PRODUCTION,
    SHOWS_SETUP,
    SHOWS_STARVED,
    SHOWS_BLOCKED,
    _,
    SHOWS_DOWN,
    SHOWS_REPAIR,
    SHOWS_OFF,
) = range(8)


@jit_inline
def tick(m: Any, t: Any) -> Any:
    """An instant in whole ticks within the measured time."""
    x = t * TICKS_PER_S
    if x < m[LOW_TICK]:
        x = m[LOW_TICK]
    if x > m[HIGH_TICK]:
        x = m[HIGH_TICK]
    return math.floor(x)


@jit_inline
def hour_of(q: Any, t: Any) -> Any:
    return min(np.int64(t / 3600.0), q[HOURS] - 1)


@jit
def log_row(m: Any, q: Any, log: Any, u: Any, b: Any, time_s: Any, kind: Any, part: Any) -> None:
    """One row of the event log; part -1: none."""
    n = q[LOGGED]
    if n >= q[LOG_ROWS]:
        q[LOG_FULL] = 1
        return
    q[LOGGED] = n + 1
    at = n * LOG_COLUMNS
    log[at] = time_s
    log[at + 1] = q[u + UNIT]
    log[at + 2] = kind
    if part < 0:
        log[at + 3] = log[at + 4] = log[at + 5] = -1.0
    else:
        place = part % q[PERIOD]
        log[at + 3] = part * q[HEADS] + q[u + HEAD]
        log[at + 4] = q[q[ORDER_AT] + place] if q[ORDER_AT] >= 0 else -1
        log[at + 5] = q[q[PRODUCT_AT] + place]
    log[at + 6] = q[b + LANE * L]


@jit
def _note(m: Any, q: Any, log: Any, u: Any, a: Any, b: Any, kind: Any) -> None:
    if q[TRACE]:
        part = q[b + PART * L] if q[b + PHASE * L] != EMPTY else -1
        log_row(m, q, log, u, b, m[a + NOW * L], kind, part)


@jit
def settle(m: Any, q: Any, log: Any, u: Any, a: Any, b: Any) -> None:
    """Only the log asks what was shown before: blocked is a row of its own."""
    phase = q[b + PHASE * L]
    if not q[b + ON * L]:
        state = SHOWS_OFF
    elif q[b + STANDS * L] > 0:
        state = SHOWS_REPAIR if q[b + STANDS * L] == 2 else SHOWS_DOWN
    elif phase == EMPTY:
        state = SHOWS_STARVED
    elif phase == SETTING_UP:
        state = SHOWS_SETUP
    elif phase == WORKING:
        state = SHOWS_PRODUCTION
    else:
        state = SHOWS_BLOCKED
    if state != q[b + SHOWN * L]:
        q[b + SHOWN * L] = state
        if state == SHOWS_BLOCKED:
            _note(m, q, log, u, a, b, K_BLOCKED)


@jit
def pass_time(m: Any, q: Any, log: Any, u: Any, a: Any, b: Any, t: Any) -> None:
    """The instant settles, and time passes to ``t``: the unit shows what it shows."""
    now = m[a + NOW * L]
    if t <= now:
        return
    if q[TRACE]:
        settle(m, q, log, u, a, b)
    phase = q[b + PHASE * L]
    shows = -1
    if not q[b + ON * L]:
        shows = OFF_TICKS
    elif q[b + STANDS * L] > 0:
        shows = REPAIR_TICKS if q[b + STANDS * L] == 2 else DOWN_TICKS
    elif phase == SETTING_UP:
        shows = SETUP_TICKS
    if shows >= 0:
        passed = tick(m, t) - tick(m, now)
        m[a + shows * L] += passed
        if phase == HELD:
            m[a + BLOCKED * L] -= passed
        elif phase == EMPTY:
            m[a + STARVED * L] -= passed
    m[a + NOW * L] = t


@jit_inline
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
def _live(m: Any, q: Any, params: Any, u: Any, a: Any, b: Any, mode: Any) -> None:
    """A new life of a mode begins."""
    lane = q[b + LANE * L]
    row = q[u + FIRST_MODE] + mode * MODE_ROW
    own, at = row + MODE_LANES + lane, q[row + MODE_FLOATS] + lane
    index = q[own + LIVES * L]
    q[own + LIVES * L] = index + 1
    drawn = uniform_at(q[own + LIFE_START * L], q[own + LIFE_GAMMA * L], index)
    life_s = quantile_at(q[row + LIFE_CODE], q[row + LIFE_FIRST], params, drawn)
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


@jit_inline
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


@jit
def strike(m: Any, q: Any, log: Any, u: Any, a: Any, b: Any, does: Any) -> None:
    """The unit goes down: for a mode, or (negative) for planned work."""
    q[b + STANDS * L] = 1
    q[b + DOES * L] = does
    if does >= 0:
        _forget(m, q, u, b, does)
        place = q[b + LANE * L] * q[MODES] + q[u + FAILURE_ROW] + does
        q[q[FAILURES_AT] + place * q[HOURS] + hour_of(q, m[a + NOW * L])] += 1
    else:
        renews = q[q[u + FIRST_WORK] + (-1 - does) * WORK_ROW + RENEWS]
        for mode in range(q[u + MODE_COUNT]):
            if renews >> mode & 1:
                _forget(m, q, u, b, mode)
    least(m, q, u, a, b)
    _note(m, q, log, u, a, b, K_FAILURE if does >= 0 else K_PLANNED)


@jit
def begin_repair(m: Any, q: Any, params: Any, log: Any, u: Any, a: Any, b: Any) -> None:
    """A crew begins."""
    lane, does = q[b + LANE * L], q[b + DOES * L]
    q[b + STANDS * L] = 2
    if does >= 0:
        row = q[u + FIRST_MODE] + does * MODE_ROW
        own = row + MODE_LANES + lane
        index, code, first = q[own + REPAIRS * L], q[row + REPAIR_CODE], q[row + REPAIR_FIRST]
        q[own + REPAIRS * L] = index + 1
        drawn = uniform_at(q[own + REPAIR_START * L], q[own + REPAIR_GAMMA * L], index)
        duration_s = quantile_at(code, first, params, drawn)
    else:
        row = q[u + FIRST_WORK] + (-1 - does) * WORK_ROW
        own = row + WORK_LANES + lane
        duration_s = m[q[row + DURATION_AT]]
        if q[row + CODE] >= 0:
            index = q[own + TIMES * L]
            q[own + TIMES * L] = index + 1
            drawn = uniform_at(q[own + START * L], q[own + GAMMA * L], index)
            duration_s = quantile_at(q[row + CODE], q[row + FIRST], params, drawn)
    _note(m, q, log, u, a, b, K_REPAIR)
    m[a + MENDED * L] = m[a + NOW * L] + duration_s


@jit_inline
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
    _note(m, q, log, u, a, b, K_UP)
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
    _note(m, q, log, u, a, b, K_ON if q[b + ON * L] else K_OFF)
    if q[b + ON * L]:
        strike_waiting(m, q, log, u, a, b)
    else:
        pause(m, q, a, b)


@jit_inline
def next_own(m: Any, q: Any, a: Any, b: Any) -> Any:
    """When the unit itself does something next, besides its work."""
    return min(m[a + NEXT * L], m[a + MENDED * L])


@jit_inline
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
