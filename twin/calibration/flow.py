"""Which part is where: parts leave a zone in the order in which they entered it, so counts tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.calibration.history import UnitHistory
from twin.plant.flow import counts_tell
from twin.plant.model import Plant
from twin.plant.signals import WorkUnitState
from twin.telemetry.parts import PartRecords
from twin.telemetry.states import StateIntervals

__all__ = ["Route", "content_at_start", "content_now", "trace_back"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Route:
    """When the parts of one unit were finished at a unit before it."""

    finished_us: Ints
    """By part of the later unit. [us since 1970]"""
    inspections: tuple[float, ...]
    """Coverage of the inspections in between."""


def content_at_start(
    upstream: PartRecords, downstream: PartRecords, states: StateIntervals | None
) -> int:
    """Parts between two counters before the first completion that either has in its records.

    Between the counters lie the zone, the part in the downstream unit, and a finished part that
    blocks the upstream unit. Nothing can leave that has not entered, and nothing is there while
    the downstream unit is starved: the least content that is never negative is the right one
    as soon as the downstream unit was starved once.

    Args:
        upstream: Parts of the unit before the zone; those rejected there do not enter.
        downstream: Parts of the unit after it; all of them have left.
        states: Of the downstream unit; None where another zone may have starved it.
    """
    instants = downstream.finished_us
    if states is not None:
        instants = np.concatenate((instants, _starved_us(states)))
    entered, left = _passed(upstream, downstream, instants)
    return max(0, int(np.max(left - entered, initial=0)))


def content_now(
    upstream: PartRecords, downstream: PartRecords, states: StateIntervals | None
) -> int:
    """Parts between two counters after the last completion, counted from the last empty moment.

    Arguments as for :func:`content_at_start`. A counter that lost parts before the downstream
    unit was last starved does no harm.
    """
    entered, left = int(upstream.good.sum()), len(downstream)
    starved = _starved_us(states) if states is not None else np.zeros(0, np.int64)
    if not len(starved):
        return max(0, content_at_start(upstream, downstream, states) + entered - left)
    before_entered, before_left = _passed(upstream, downstream, starved[-1:])
    return max(0, int(entered - before_entered[0]) - int(left - before_left[0]))


def _starved_us(states: StateIntervals) -> Ints:
    return states.start_us[states.is_in(WorkUnitState.STARVED)]


def _passed(upstream: PartRecords, downstream: PartRecords, at_us: Ints) -> tuple[Ints, Ints]:
    """Parts counted at either side up to and with each instant."""
    entered = np.searchsorted(upstream.finished_us[upstream.good], at_us, side="right")
    left = np.searchsorted(downstream.finished_us, at_us, side="right")
    return entered.astype(np.int64), left.astype(np.int64)


def trace_back(plant: Plant, unit: str, histories: Mapping[str, UnitHistory]) -> dict[str, Route]:
    """For every unit upstream: when it finished the parts that this unit finished later.

    Up to where parts merge, split or come back to be worked on again: there counts do not tell.
    """
    here = histories[unit].parts.finished_us
    routes: dict[str, Route] = {}
    todo: list[tuple[str, Ints, tuple[float, ...]]] = [
        (unit, np.arange(len(here), dtype=np.int64), ())
    ]
    while todo:
        at, rank, passed = todo.pop()
        for zone in plant.upstream(at):
            if not counts_tell(plant, zone):
                continue
            before = plant.storage_zones[zone].upstream
            earlier = histories[before].parts
            entered = np.flatnonzero(earlier.good)
            if not len(entered):
                continue
            alone = len(plant.upstream(at)) == 1
            states = histories[at].states if alone else None
            held = content_at_start(earlier, histories[at].parts, states)
            back = entered[np.clip(rank - held, 0, len(entered) - 1)]
            inspection = plant.unit(before).inspection
            routes[before] = Route(finished_us=earlier.finished_us[back], inspections=passed)
            through = passed if inspection is None else (*passed, inspection.coverage)
            todo.append((before, back, through))
    return routes
