"""Features of a failure mode along its lives: level and slopes of the condition signals, and age."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from maintenance.features.lives import (
    BIN_H,
    Life,
    Service,
    advance,
    begin,
    condition_signals,
)
from twin.plant import Plant
from twin.telemetry import SampleBatch, refuse_look_ahead

__all__ = [
    "BASELINE_H",
    "LEVEL_H",
    "SLOPES_H",
    "FeatureTable",
    "feature_table",
    "life_features",
    "life_table",
]

BASELINE_H = 3.0
"""The baseline is the median over this much of the start of a life. [h]"""
LEVEL_H = 1.5
"""The level is the mean over this much. [h]"""
SLOPES_H = (2.0, 6.0, 12.0)
"""Windows of the slopes. [h]"""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureTable:
    """One row per moment of a life; S condition signals at most, NaN where there are fewer.

    The features of a row use only what was measured before it. ``follow_up_h`` and ``failed``
    are what came after: labels, never features.
    """

    work_unit: NDArray[np.object_]
    failure_mode: NDArray[np.object_]
    life: NDArray[np.int64]
    """Which life; rows of one life must stay together in any split."""
    at_us: NDArray[np.int64]
    """The moment, to the width of a bin. [us since 1970]"""
    fresh: NDArray[np.bool_]
    """The life began with a repair that was seen, so its age and baseline are its own."""
    age_h: Floats
    """Reading of the clock of the life. [h]"""
    baseline: Floats
    """Signal when fresh, in its unit. Shape (n, S)"""
    level: Floats
    """Signal now, in its unit; NaN when it fell silent. Shape (n, S)"""
    slope: Floats
    """Rise over the windows ``SLOPES_H``, in signal units per hour. Shape (n, S, 3)"""
    noise: Floats
    """Spread of the bins about their course, in the signal's unit. Shape (n, S)"""
    follow_up_h: Floats
    """How much longer the life was followed, on its clock. [h]"""
    failed: NDArray[np.bool_]
    """The life ended in a failure after that time."""

    def __len__(self) -> int:
        return len(self.life)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> FeatureTable:
        """The rows of an index or boolean mask."""
        return FeatureTable(**{f: getattr(self, f)[rows] for f in self.__dataclass_fields__})


def feature_table(
    plant: Plant,
    batch: SampleBatch,
    *,
    start: datetime,
    as_of: datetime,
    step_h: float = 1.0,
    services: Sequence[Service] = (),
) -> FeatureTable:
    """Features and labels of every wear mode along every life between two instants.

    Args:
        plant: Names signals, modes, states.
        batch: Telemetry that was available at ``as_of``.
        start: Where reading begins; parts that run then are of unknown age.
        as_of: Where it ends.
        step_h: Distance of the rows on the clock of a life. [h] A multiple of ``BIN_H`` (0.25).
        services: Planned work, which ends a life without a failure.

    Raises:
        LookAheadError: A row of the batch became available after ``as_of``.
    """
    refuse_look_ahead(batch, as_of)
    memory, ended = advance(plant, begin(plant, start), batch, until=as_of, services=services)
    running = tuple(life for life in memory.running() if life.ended_us is None)
    return life_table(plant, (*ended, *running), step_h=step_h)


def life_table(plant: Plant, lives: Sequence[Life], *, step_h: float) -> FeatureTable:
    """The table of these lives: a row each ``step_h`` of their clock. Modes without wear are left out."""
    parts = []
    for number, life in enumerate(lives):
        if condition_signals(plant, life.work_unit, life.failure_mode):
            ages = np.arange(step_h, life.age_h, step_h)
            if len(ages):
                parts.append(life_features(life, ages, number=number, signals=_widest(plant)))
    if not parts:
        nothing = _new_table_life(plant)
        return life_features(nothing, np.zeros(0), number=0, signals=_widest(plant))
    return FeatureTable(
        **{
            f: np.concatenate([getattr(p, f) for p in parts])
            for f in FeatureTable.__dataclass_fields__
        }
    )


def life_features(
    life: Life, ages_h: Floats, *, number: int = 0, signals: int | None = None
) -> FeatureTable:
    """Rows of one life at these readings of its clock. [h], each above 0 and up to its age."""
    own = life.sums.shape[0]
    width = own if signals is None else signals
    n = len(ages_h)
    columns = [_signal_features(life.sums[s], life.counts[s], ages_h) for s in range(own)]
    gap = np.full(n, np.nan)
    columns += [(gap, gap, np.full((n, len(SLOPES_H)), np.nan), gap)] * (width - own)
    baseline, level, slope, noise = (
        np.stack(part, axis=1) if part else np.zeros((n, 0) if i != 2 else (n, 0, len(SLOPES_H)))
        for i, part in enumerate(zip(*columns, strict=True) if columns else ([], [], [], []))
    )
    stop = np.ceil(ages_h / BIN_H - 1e-9).astype(np.int64)
    stop = np.minimum(stop, len(life.entered_us) - 1)
    entered = life.entered_us[stop] if len(life.entered_us) else np.zeros(n, np.int64)
    return FeatureTable(
        work_unit=np.full(n, life.work_unit, np.object_),
        failure_mode=np.full(n, life.failure_mode, np.object_),
        life=np.full(n, number, np.int64),
        at_us=entered,
        fresh=np.full(n, life.fresh),
        age_h=np.asarray(ages_h, np.float64),
        baseline=baseline,
        level=level,
        slope=slope,
        noise=noise,
        follow_up_h=life.age_h - ages_h,
        failed=np.full(n, life.failed),
    )


def _widest(plant: Plant) -> int:
    return max(
        (
            len(condition_signals(plant, unit, mode))
            for unit, work_unit in plant.work_units.items()
            for mode in work_unit.failure_modes
        ),
        default=0,
    )


def _new_table_life(plant: Plant) -> Life:
    return Life(
        work_unit="",
        failure_mode="",
        started_us=0,
        fresh=False,
        sums=np.zeros((_widest(plant), 0)),
        counts=np.zeros((_widest(plant), 0)),
    )


def _signal_features(
    sums: Floats, counts: Floats, ages_h: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Baseline, level, slopes and noise of one signal at these ages."""
    n = len(ages_h)
    seen = counts > 0
    y = np.divide(sums, counts, out=np.zeros_like(sums), where=seen)
    x = (np.arange(len(y)) + 0.5) * BIN_H
    now = np.minimum(np.ceil(ages_h / BIN_H - 1e-9).astype(np.int64), len(y))
    early = round(BASELINE_H / BIN_H)
    baseline = np.full(n, np.nan)
    noise = np.full(n, np.nan)
    for i, stop in enumerate(now):
        first = y[:stop][seen[:stop]][:early]
        if len(first) >= 2:
            baseline[i] = np.median(first)
    steps = np.abs(np.diff(y[seen]))
    at = np.flatnonzero(seen)[1:]
    for i, stop in enumerate(now):
        known = steps[at < stop]
        if len(known) >= 3:
            noise[i] = 1.4826 * np.median(known) / np.sqrt(2.0)
    terms = np.stack((seen, seen * x, seen * y, seen * x * x, seen * x * y)).astype(np.float64)
    sums_to = np.concatenate((np.zeros((5, 1)), np.cumsum(terms, axis=1)), axis=1)
    w, _, wy, _, _ = _window(sums_to, now, LEVEL_H)
    level = np.divide(wy, w, out=np.full(n, np.nan), where=w > 0)
    slope = np.stack([_slope(_window(sums_to, now, h)) for h in SLOPES_H], axis=1)
    return baseline, level, slope, noise


def _window(sums_to: Floats, stop: NDArray[np.int64], hours: float) -> Floats:
    first = np.maximum(stop - round(hours / BIN_H), 0)
    return np.asarray(sums_to[:, stop] - sums_to[:, first])


def _slope(terms: Floats) -> Floats:
    """Least-squares slope; 0 where fewer than four bins are there."""
    w, wx, wy, wxx, wxy = terms
    enough = w >= 4
    spread = np.where(enough, wxx * w - wx * wx, 1.0)
    return np.asarray(
        np.where(enough, (wxy * w - wx * wy) / np.where(spread > 0, spread, 1.0), 0.0)
    )
