"""Time passes at one unit in one replication: what it shows meanwhile is added up, and what happens is logged.

The unit is that of table ``u``; its numbers stand from ``a`` in ``m`` and from ``b`` in ``q`` on.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from twin.engine.compiled.jit import jit, jit_text
from twin.engine.compiled.recursion_lanes import WIDTH
from twin.engine.compiled.recursion_layout import (
    BLOCKED,
    DOWN_TICKS,
    HEAD,
    HEADS,
    HIGH_TICK,
    HOURS,
    LANE,
    LOG_COLUMNS,
    LOG_FULL,
    LOG_ROWS,
    LOGGED,
    LOW_TICK,
    NOW,
    OFF_TICKS,
    ON,
    ORDER_AT,
    PART,
    PERIOD,
    PHASE,
    PRODUCT_AT,
    REPAIR_TICKS,
    SETUP_TICKS,
    SHOWN,
    STANDS,
    STARVED,
    TRACE,
    UNIT,
)
from twin.engine.counts import KINDS, TICKS_PER_S
from twin.engine.starts import EMPTY, HELD, SETTING_UP, WORKING

__all__ = ["hour_of", "log_row", "note", "pass_time", "settle", "tick"]

L = WIDTH
K_BLOCKED = KINDS.index("blocked")
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


@jit_text
def tick(m: Any, t: Any) -> Any:
    """An instant in whole ticks within the measured time."""
    x = t * TICKS_PER_S
    if x < m[LOW_TICK]:
        x = m[LOW_TICK]
    if x > m[HIGH_TICK]:
        x = m[HIGH_TICK]
    return math.floor(x)


@jit_text
def hour_of(q: Any, t: Any) -> Any:
    hour = np.int64(t / 3600.0)
    if hour * 3600.0 > t:  # the quotient was rounded up to the hour
        hour -= 1
    return min(hour, q[HOURS] - 1)


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
def note(m: Any, q: Any, log: Any, u: Any, a: Any, b: Any, kind: Any) -> None:
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
            note(m, q, log, u, a, b, K_BLOCKED)


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
