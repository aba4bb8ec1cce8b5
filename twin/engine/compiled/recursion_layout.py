"""Where the recursion keeps what: one array of floats ``m``, one of whole numbers ``q``, by these offsets.

Compiled code takes its tables as two arrays and constants, because every further array makes a call dearer.
"At" means an index into ``m`` or ``q``. Numbers of lanes stand side by side, ``WIDTH`` of them.
"""

from __future__ import annotations

__all__: list[str] = []

# Head of q.
UNITS, HEADS, PERIOD, PARTS, TRACE, HOURS, PRODUCTS, LOOPS = range(8)
FLOATS_OF_UNITS = 8
"""Where in m the lanes of units begin."""
INTS_OF_UNITS = 9
"""Where in q the lanes of units begin."""
TABLE = 10
"""Where in q the tables of units begin."""
LOOP_TABLE = 11
HEAD_TABLE = 12
PRODUCT_AT = 13
"""Where in q the products of one period of parts stand."""
FRESH_AT = 14
"""Where in q stands whether a part is of another order or product than the one before."""
ORDER_AT = 15
"""Where in q the orders of the parts stand; -1: nobody counts them."""
RELEASE_AT = 16
"""Where in m their releases stand; -1: there are none."""
STARTS_AT = 17
FAILURES_AT = 18
MODES = 19
TALLY_AT = 20
"""Where in m good parts, flow ticks, part ticks and escaped defects stand, each by lane."""
WORK_AT = 21
"""Where in m the variates of the present block stand."""
ORDERS = 22
ORDER_STARTED_AT = 23
ORDER_FINISHED_AT = 24
ORDER_GOOD_AT = 25
"""All three in m, by lane and order."""
LOGGED, LOG_FULL, TIED = 26, 27, 28
END_UNIT = 29
DEFECTS = 30
DEFECT_TABLE = 31
LAST_AT = 32
"""Where in m the instant stands at which the last part left, by lane."""
UNTIL_DONE = 33
MADE_AT = 34
LOG_ROWS = 36
WORK_SIZE = 35
"""Numbers in m between the blocks of two units."""
HEAD_SIZE = 40

# Head of m.
LOW_TICK, HIGH_TICK, HORIZON, COUNTED_FROM = range(4)
SCRATCH = 8
FLOAT_HEAD_SIZE = 24

# Numbers of one unit in m, each by lane.
(
    GONE,
    FINISHED,
    FINISHED_ODD,
    OPERATED,
    OPERATES_UNTIL,
    QUIET_UNTIL,
    HOUR_END,
    STARVED,
    BLOCKED,
    NOW,
    BEGAN,
    LEFT,
    MENDED,
    NEXT,
    SETUP_TICKS,
    DOWN_TICKS,
    REPAIR_TICKS,
    OFF_TICKS,
) = range(18)
UNIT_FLOATS = 18
"""GONE: when the last part left the unit; FINISHED: when work on it ended, for even and odd numbers
of parts; QUIET_UNTIL: before that, nothing but failures by the operating clock can strike."""

# Numbers of one unit in q, each by lane.
(
    ON,
    STANDS,
    PHASE,
    RUNS,
    WAITING_MODES,
    WAITING_WORKS,
    DOES,
    EDGE,
    DATE,
    HOUR,
    SINCE,
    SHOWN,
    OVER,
    UNMEASURED,
) = range(14)
LANE = 14
PART = 15
UNIT_INTS = 16
"""STANDS: 0 up, 1 down, 2 in repair; DOES: mode that is repaired, or -1 - planned work; SINCE: first
part whose start is not yet counted; OVER: the unit has seen the horizon; UNMEASURED: parts finished
before anything is measured, -1 until one is finished later."""

# Table of one unit in q.
(
    UNIT,
    RING,
    MASK,
    FIRST_INPUT,
    INPUTS,
    HEAD,
    IS_HEAD,
    IS_END,
    FIRST_MODE,
    MODE_COUNT,
    FIRST_EDGE,
    EDGES,
    FIRST_DATE,
    DATES,
    FIRST_WORK,
    WORKS,
    KEYS,
    SETUP_AT,
    FAILURE_ROW,
    LAWS,
    VARIES,
    LANES_F,
    LANES_Q,
    FIRST_LOOP,
    OPENS,
    DATE_WORKS,
) = range(26)
TABLE_SIZE = 26

# Row of one input of a unit in q.
FROM, CAPACITY, TRANSPORT_AT = range(3)
INPUT_SIZE = 3

# Row of one mode in q; its numbers of lanes follow it; in m it has two.
OPERATING, LIFE_CODE, LIFE_FIRST, REPAIR_CODE, REPAIR_FIRST, MODE_FLOATS = range(6)
MODE_LANES = 6
LIVES, REPAIRS, LIFE_START, LIFE_GAMMA, REPAIR_START, REPAIR_GAMMA = range(6)
FAILS_AT, DUE = range(2)

# Row of one kind of planned work in q; its numbers of lanes follow it.
RENEWS, CODE, FIRST, DURATION_AT = range(4)
WORK_LANES = 4
TIMES, START, GAMMA = range(3)

# Row of one loop in q.
CARDS, RETURNED_AT, CLOSED_BY_ZONE, CLOSED_AT = range(4)
LOOP_SIZE = 4

# Row of one head in q: its unit, and the unit at whose taking its part ends as a component (or -1).
HEAD_UNIT, JOINS = range(2)
HEAD_ROW = 2

NEVER = 1e300
"""In place of an instant that the run does not see."""

LOG_COLUMNS = 7
