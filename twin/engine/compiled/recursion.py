"""The recursion engine: lines on which the order of parts is fixed, many replications at once."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from twin.engine.classify import UndecidedTie
from twin.engine.compiled import recursion_layout as at
from twin.engine.compiled.recursion_lanes import WIDTH
from twin.engine.compiled.recursion_sweep import play
from twin.engine.compiled.recursion_tables import Memory, memory
from twin.engine.counts import (
    ESCAPED,
    FLOW_TICKS,
    GOOD,
    PART_TICKS,
    TICKS_PER_S,
    TIMED,
    Counts,
    EventColumns,
    trace_of,
)
from twin.engine.inputs import RunInput
from twin.engine.measure import run_result
from twin.engine.model import STATES
from twin.engine.types import RunResult

__all__ = ["run"]

L = WIDTH
_ROWS = 1 << 14

_SHOWN = {
    "setup": at.SETUP_TICKS,
    "starved": at.STARVED,
    "blocked": at.BLOCKED,
    "down": at.DOWN_TICKS,
    "repair": at.REPAIR_TICKS,
    "off": at.OFF_TICKS,
}
"""Ticks that the lanes of a unit count; what is left of the time is production."""

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]


def run(given: RunInput, first: int, replications: int, *, trace: bool, reason: str) -> RunResult:
    """These replications, a vector of them at a time. The run must be one that it can play.

    Raises:
        UndecidedTie: What the log says depends on which of two things of one instant came first.
    """
    counts = Counts.empty(given, replications)
    tables = memory(given, trace)
    logs: list[EventColumns] = []
    for row in range(0, replications, L):
        lanes = min(L, replications - row)
        m, q, log = _played(given, tables, first + row, lanes, trace)
        _count(given, counts, row, lanes, m, q)
        if trace:
            logs += [_columns(log[log[:, 6] == lane]) for lane in range(lanes)]
    found = trace_of(given, first, logs) if trace else None
    return run_result(given, first, counts, engine="recursion", reason=reason, trace=found)


def _played(
    given: RunInput, tables: Memory, first: int, lanes: int, trace: bool
) -> tuple[_Floats, _Ints, _Floats]:
    rows = _ROWS if trace else 0
    while True:
        m, q = tables.block(given.seed, first, lanes)
        log = np.empty(rows * at.LOG_COLUMNS)
        q[at.LOG_ROWS] = rows
        play(m, q, given.laws.table.params, log)
        if q[at.TIED]:
            raise UndecidedTie("the log depends on which of two things of one instant came first")
        if not q[at.LOG_FULL]:
            return m, q, log.reshape(-1, at.LOG_COLUMNS)[: q[at.LOGGED]]
        rows *= 4


def _columns(log: _Floats) -> EventColumns:
    return EventColumns(
        log[:, 0].copy(),
        log[:, 1].astype(np.int32),
        log[:, 2].astype(np.int8),
        log[:, 3].astype(np.int64),
        log[:, 4].astype(np.int32),
        log[:, 5].astype(np.int32),
    )


def _count(given: RunInput, counts: Counts, row: int, lanes: int, m: _Floats, q: _Ints) -> None:
    """What these lanes counted, into their rows."""
    rows = slice(row, row + lanes)
    end_s = m[q[at.LAST_AT] : q[at.LAST_AT] + lanes]
    counts.end_s[rows] = end_s
    tally = m[q[at.TALLY_AT] : q[at.TALLY_AT] + 4 * L].reshape(4, L)[:, :lanes]
    for column, found in ((GOOD, 0), (TIMED, 0), (FLOW_TICKS, 1), (PART_TICKS, 2), (ESCAPED, 3)):
        counts.tallies[rows, column] = tally[found]
    for name, place in (
        (counts.starts, at.STARTS_AT),
        (counts.made, at.MADE_AT),
        (counts.failures, at.FAILURES_AT),
    ):
        size = math.prod(name.shape[1:])
        name[rows] = q[q[place] : q[place] + lanes * size].reshape(lanes, *name.shape[1:])
    _states(counts, rows, lanes, m, q)
    if given.orders and given.jobs is not None:
        _orders(given, counts, rows, lanes, m, q)


def _states(counts: Counts, rows: slice, lanes: int, m: _Floats, q: _Ints) -> None:
    units, first = q[at.UNITS], q[at.FLOATS_OF_UNITS]
    numbers = m[first : first + units * at.UNIT_FLOATS * L].reshape(units, at.UNIT_FLOATS, L)
    shown = np.zeros((lanes, units, len(STATES)))
    for state, number in _SHOWN.items():
        shown[:, :, STATES.index(state)] = numbers[:, number, :lanes].T
    total = np.floor(counts.end_s[rows] * TICKS_PER_S) - m[at.LOW_TICK]
    shown[:, :, STATES.index("production")] = total[:, None] - shown.sum(axis=2)
    table = q[at.TABLE]
    order = q[table : table + units * at.TABLE_SIZE].reshape(units, at.TABLE_SIZE)[:, at.UNIT]
    counts.state_ticks[rows, order] = shown


def _orders(given: RunInput, counts: Counts, rows: slice, lanes: int, m: _Floats, q: _Ints) -> None:
    wanted = np.zeros(len(given.orders))
    for job in given.jobs or ():
        wanted[job.order] += job.quantity

    def table(place: int) -> _Floats:
        size = lanes * len(given.orders)
        return m[q[place] : q[place] + size].reshape(lanes, len(given.orders))

    good = table(at.ORDER_GOOD_AT)
    counts.order_started_s[rows] = table(at.ORDER_STARTED_AT)
    counts.order_good[rows] = good
    counts.order_finished_s[rows] = np.where(good >= wanted, table(at.ORDER_FINISHED_AT), np.nan)
