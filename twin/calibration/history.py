"""The history of one unit, read once for all fits: states, parts, stops, setups, ages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from twin.plant.model import Plant
from twin.plant.signals import SignalRole, WorkUnitState
from twin.telemetry.parts import PartRecords, part_records, text_at
from twin.telemetry.samples import to_us
from twin.telemetry.states import (
    FailureEvent,
    SignalIndex,
    StateIntervals,
    failure_events,
    role_signal,
    state_intervals,
)

__all__ = ["SetupSpell", "UnitHistory", "mode_ages", "read_history", "setup_spells"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnitHistory:
    """What telemetry says about one unit within the window."""

    unit: str
    start_us: int
    end_us: int
    states: StateIntervals
    parts: PartRecords
    failures: tuple[FailureEvent, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupSpell:
    """One finished change-over."""

    from_product: str
    to_product: str
    duration_s: float
    """Time in SETUP; stops and off shifts in between are left out. [s]"""


def read_history(
    plant: Plant, index: SignalIndex, start: datetime, end: datetime
) -> Mapping[str, UnitHistory]:
    """The history of every unit between two instants."""
    return {
        unit: UnitHistory(
            unit=unit,
            start_us=to_us(start),
            end_us=to_us(end),
            states=state_intervals(plant, unit, index, start, end),
            parts=part_records(plant, unit, index, start, end),
            failures=failure_events(plant, unit, index, start, end),
        )
        for unit in plant.work_units
    }


def setup_spells(plant: Plant, history: UnitHistory, index: SignalIndex) -> tuple[SetupSpell, ...]:
    """Change-overs whose beginning, end and both products are known."""
    states = history.states
    working = np.flatnonzero(states.is_in(WorkUnitState.SETUP, WorkUnitState.PRODUCTION))
    setup = states.is_in(WorkUnitState.SETUP)[working]
    signal = role_signal(plant, history.unit, SignalRole.PRODUCT)
    rows = index.of(signal[0] if signal else None)
    spells = []
    firsts = np.flatnonzero(setup & ~np.concatenate(([True], setup[:-1])))
    for first in firsts:
        after = np.flatnonzero(~setup[first:])
        if not len(after):
            continue
        inside = working[first : first + after[0]]
        edges = np.array([states.start_us[inside[0]], states.end_us[inside[-1]]], np.int64)
        products = text_at(rows, edges, before=True)
        if products[0] is None or products[1] is None:
            continue
        length = float((states.end_us[inside] - states.start_us[inside]).sum()) / 1e6
        spells.append(
            SetupSpell(from_product=products[0], to_product=products[1], duration_s=length)
        )
    return tuple(spells)


def mode_ages(
    plant: Plant, history: UnitHistory, mode: str, *, whole_lives: bool
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Ages of a failure mode on its own clock, at each failure and at the end of the window.

    Args:
        plant: Says which clock the mode ages by.
        history: Of the unit.
        mode: Name of the failure mode.
        whole_lives: Leave out what was running when the window began: its age is not known.
            A law without memory needs no age, so it may use that time too.

    Returns:
        Ages [s] and whether each ended in a failure. Both shape (lives,)
    """
    events = [e for e in history.failures if e.failure_mode == mode]
    begins = [history.start_us, *(e.mended_us or history.end_us for e in events)]
    ends = [*(e.failed_us for e in events), history.end_us]
    instants = np.array([begins, ends], np.int64)
    if plant.unit(history.unit).failure_modes[mode].clock == "operating":
        clock = history.states.elapsed_us(instants.ravel(), WorkUnitState.PRODUCTION)
        instants = clock.reshape(2, -1)
    ages = (instants[1] - instants[0]) / 1e6
    failed = np.append(np.ones(len(events), np.bool_), False)
    keep = ages > 0.0
    keep[0] = keep[0] and not whole_lives
    return ages[keep], failed[keep]
