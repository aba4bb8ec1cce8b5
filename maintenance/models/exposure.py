"""From calendar time to the operating time that it will hold."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from twin.plant import Plant

__all__ = ["operating_ahead_h", "steady_horizon_h", "utilisation", "working_ahead_h"]

RECENT_WORKING_H = 32
"""Utilisation is taken over this much working time. [h]"""
PRIOR_UTILISATION = 0.6
PRIOR_WORKING_H = 4.0

Floats = NDArray[np.float64]


def utilisation(production_h: Floats, working_h: float) -> float:
    """Share of recent working time that the unit produced, between 0 and 1.

    Little telemetry shrinks towards 0.6.

    Args:
        production_h: Production time by hour of working time. [h]
        working_h: Working time behind it. [h]

    Example:
        >>> round(utilisation(np.full(100, 0.9), 100.0), 2)
        0.87
    """
    recent = production_h[-RECENT_WORKING_H:]
    over_h = min(working_h, working_h - (len(production_h) - len(recent)))
    made = float(recent.sum()) + PRIOR_UTILISATION * PRIOR_WORKING_H
    return min(max(made / (max(over_h, 0.0) + PRIOR_WORKING_H), 0.05), 1.0)


def working_ahead_h(plant: Plant, unit: str, at: datetime, horizons_h: Sequence[float]) -> Floats:
    """Calendar working time of a unit within each horizon. [h], shape as ``horizons_h``"""
    calendar = plant.calendars[plant.work_units[unit].calendar]
    end = at + timedelta(hours=max(horizons_h))
    shifts = calendar.intervals(at, end, plant.timezone)
    spans = [
        ((a - at).total_seconds() / 3600.0, (b - at).total_seconds() / 3600.0) for a, b in shifts
    ]
    return np.array([sum(max(0.0, min(b, h) - a) for a, b in spans) for h in horizons_h])


def operating_ahead_h(
    plant: Plant, unit: str, at: datetime, horizons_h: Sequence[float], use: float
) -> Floats:
    """Operating time that each calendar horizon will hold at this utilisation. [h]"""
    return working_ahead_h(plant, unit, at, horizons_h) * use


def steady_horizon_h(plant: Plant, unit: str, at: datetime, horizon_h: float) -> float:
    """Calendar time that holds as much working time as ``horizon_h`` does on average. [h]

    On a Friday evening it reaches over the weekend. A whole number of hours, four weeks at most.
    """
    weeks = 24.0 * 7.0 * 4.0
    hours = np.arange(1.0, weeks + 1.0)
    working = working_ahead_h(plant, unit, at, hours.tolist())
    needed = horizon_h * working[-1] / weeks
    return float(hours[np.searchsorted(working, needed - 1e-9)])
