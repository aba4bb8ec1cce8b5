"""Wear on one scale for every part: 0 when fresh, 1 where parts of its kind have failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maintenance.features.lives import ModeKey, condition_signals
from maintenance.features.table import FeatureTable
from twin.plant import Plant

__all__ = ["SignalScale", "Wear", "learn_scales", "wear"]

Floats = NDArray[np.float64]

END_H = 2.0
"""The end of a life, where its failure level is read. [h]"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SignalScale:
    """How the condition signals of one failure mode go from fresh to failed; NaN where not known."""

    signals: tuple[str, ...]
    fresh: Floats
    """Level of a fresh part, in the signal's unit. Shape (S,)"""
    span: Floats
    """Change from fresh to failed, with its sign. Shape (S,)"""
    noise: Floats
    """Spread of a quarter of an hour's mean. Shape (S,)"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Wear:
    """Wear of each row of a feature table; NaN where no signal tells."""

    progress: Floats
    """0 fresh, 1 failed. Shape (n,)"""
    slope: Floats
    """Rise of the progress per hour over the windows of the table. Shape (n, windows)"""
    share: Floats
    """Weight of each signal in them. Shape (n, S)"""


def learn_scales(plant: Plant, table: FeatureTable) -> dict[ModeKey, SignalScale]:
    """What each mode's signals look like when fresh and when failed, from the lives of a table.

    A mode that has not failed yet borrows the relative change of the same mode and signal on
    other units (a bearing's vibration); without one its span is NaN.
    """
    scales: dict[ModeKey, SignalScale] = {}
    kin: dict[tuple[str, str], list[float]] = {}
    for unit, work_unit in plant.work_units.items():
        for mode in work_unit.failure_modes:
            names = condition_signals(plant, unit, mode)
            if not names:
                continue
            own = table.take((table.work_unit == unit) & (table.failure_mode == mode))
            scale = _own_scale(own, names)
            scales[unit, mode] = scale
            for s, name in enumerate(names):
                if np.isfinite(scale.span[s]) and scale.fresh[s]:
                    kin.setdefault((mode, name), []).append(scale.span[s] / abs(scale.fresh[s]))
    for (_, mode), scale in scales.items():
        for s, name in enumerate(scale.signals):
            if np.isnan(scale.span[s]) and (mode, name) in kin:
                scale.span[s] = float(np.median(kin[mode, name])) * abs(scale.fresh[s])
    return scales


def wear(table: FeatureTable, scales: Mapping[ModeKey, SignalScale]) -> Wear:
    """Progress of wear and its slopes; several signals of a mode weigh by span over noise."""
    n, width = table.level.shape
    fresh, span, noise = (np.full((n, width), np.nan) for _ in range(3))
    for (unit, mode), scale in scales.items():
        rows = np.flatnonzero((table.work_unit == unit) & (table.failure_mode == mode))
        columns = slice(0, len(scale.signals))
        fresh[rows, columns], span[rows, columns] = scale.fresh, scale.span
        noise[rows, columns] = scale.noise
    known = np.isfinite(table.baseline) & table.fresh[:, None]
    base = np.where(known | np.isnan(fresh), table.baseline, fresh)
    change = (table.level - base) / span
    weight = np.where(np.isfinite(change), np.square(span / np.maximum(noise, 1e-12)), 0.0)
    total = weight.sum(axis=1)
    told = total > 0.0
    share = np.divide(weight, total[:, None], out=np.zeros_like(weight), where=told[:, None])
    progress = np.where(told, np.nansum(share * np.nan_to_num(change), axis=1), np.nan)
    rise = np.nan_to_num(table.slope / span[:, :, None])
    slope = np.where(told[:, None], np.einsum("ns,nsw->nw", share, rise), np.nan)
    return Wear(progress=progress, slope=slope, share=share)


def _own_scale(own: FeatureTable, names: tuple[str, ...]) -> SignalScale:
    width = len(names)
    fresh, span, noise = (np.full(width, np.nan) for _ in range(3))
    for s in range(width):
        firsts, ends = [], []
        baselines = {bool(f): own.baseline[own.fresh == f, s] for f in (True, False)}
        pool = baselines[True] if np.isfinite(baselines[True]).any() else baselines[False]
        if not np.isfinite(pool).any():
            continue
        for life in np.unique(own.life):
            rows = own.life == life
            if bool(own.fresh[rows][0]) == (pool is baselines[True]):
                firsts.append(own.baseline[rows, s][-1])
            end = rows & own.failed & (own.follow_up_h <= END_H)
            if np.isfinite(own.level[end, s]).any():
                ends.append(float(np.nanmean(own.level[end, s])))
        fresh[s] = np.nanmedian(firsts)
        noise[s] = np.nanmedian(own.noise[:, s]) if np.isfinite(own.noise[:, s]).any() else 1.0
        if ends and abs(np.median(ends) - fresh[s]) > noise[s]:
            span[s] = float(np.median(ends)) - fresh[s]
    return SignalScale(signals=names, fresh=fresh, span=span, noise=noise)
