"""What the replications of a run count: plain arrays that every engine fills, one row per replication."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.engine.inputs import RunInput
from twin.engine.model import STATES
from twin.engine.types import EventTrace, Floats, Ints

__all__ = [
    "ESCAPED",
    "FLOW_TICKS",
    "GOOD",
    "KINDS",
    "LOST",
    "PART_TICKS",
    "REWORKED",
    "SCRAPPED",
    "TALLIES",
    "TICKS_PER_S",
    "TIMED",
    "Counts",
    "EventColumns",
    "hours_of",
    "trace_of",
]

TICKS_PER_S = 1048576.0
"""Times are added up in ticks of 2**-20 s: whole numbers, so the order of additions cannot matter."""

GOOD, SCRAPPED, ESCAPED, REWORKED, LOST, TIMED, FLOW_TICKS, PART_TICKS = range(8)
"""Columns of ``Counts.tallies``: parts that left good, were scrapped, left good with a defect, went to
rework, arrived in vain; good parts launched in the run, the ticks from launch to leaving of those, and
the ticks that all parts spent in the line."""
TALLIES = 8

KINDS = (
    "launch",
    "setup",
    "start",
    "resume",
    "finish",
    "rework",
    "reject",
    "blocked",
    "delay",
    "failure",
    "maintenance",
    "repair",
    "up",
    "off",
    "on",
    "leave",
    "lost",
)
"""What the event log tells apart; the log keeps the index."""


@dataclass(frozen=True, slots=True)
class EventColumns:
    """The event log of one replication as it happened: numbers by column."""

    time_s: Floats
    unit: NDArray[np.int32]
    kind: NDArray[np.int8]
    part: Ints
    order: NDArray[np.int32]
    product: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Counts:
    """Shapes begin with replications; R below."""

    end_s: Floats
    """When the replication ended. [s]"""
    tallies: Ints
    """(R, TALLIES)"""
    state_ticks: Ints
    """(R, units, states); all servers of a unit together."""
    made: Ints
    """(R, units, products); parts on which work ended in the measured time."""
    rejected: Ints
    """(R, units); of those, what an inspection there scrapped or sent to rework."""
    starts: Ints
    """(R, units, products, hours)"""
    failures: Ints
    """(R, modes of all units, hours)"""
    order_started_s: Floats
    """(R, orders); NaN: never."""
    order_finished_s: Floats
    order_good: Ints

    @classmethod
    def empty(cls, given: RunInput, replications: int) -> Counts:
        """Nothing counted yet."""
        model = given.model
        hours, n, orders = hours_of(given), replications, len(given.orders)
        modes = sum(len(unit.modes) for unit in model.units)
        started = np.full((n, orders), math.nan)
        started[:, sorted(given.started)] = 0.0
        return cls(
            end_s=np.zeros(n),
            tallies=np.zeros((n, TALLIES), np.int64),
            state_ticks=np.zeros((n, len(model.units), len(STATES)), np.int64),
            made=np.zeros((n, len(model.units), len(model.products)), np.int64),
            rejected=np.zeros((n, len(model.units)), np.int64),
            starts=np.zeros((n, len(model.units), len(model.products), hours), np.int64),
            failures=np.zeros((n, modes, hours), np.int64),
            order_started_s=started,
            order_finished_s=np.full((n, orders), math.nan),
            order_good=np.zeros((n, orders), np.int64),
        )


def hours_of(given: RunInput) -> int:
    """Whole hours that cover the horizon."""
    return math.ceil(given.horizon_s / 3600.0)


def trace_of(given: RunInput, first: int, logs: list[EventColumns]) -> EventTrace:
    """One trace of these logs, in the order of (replication, time, unit, happening)."""
    sizes = [len(log.time_s) for log in logs]
    replication = np.repeat(np.arange(first, first + len(logs), dtype=np.int64), sizes)
    time_s = np.concatenate([log.time_s for log in logs])
    unit = np.concatenate([log.unit for log in logs])
    order = np.lexsort((unit, time_s, replication))
    return EventTrace(
        replication=replication[order],
        time_s=time_s[order],
        unit=unit[order],
        kind=np.concatenate([log.kind for log in logs])[order],
        part=np.concatenate([log.part for log in logs])[order],
        order=np.concatenate([log.order for log in logs])[order],
        product=np.concatenate([log.product for log in logs])[order],
        units=tuple(u.name for u in given.model.units),
        kinds=KINDS,
        orders=given.orders,
        products=given.model.products,
    )
