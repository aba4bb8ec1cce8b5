"""Remaining life as a curve: a log-logistic regression on wear and age, exact under censoring.

``logit P(T <= t) = (log(t + 1) - mu(x)) / s`` with t in hours of the mode's clock: it rises with t
whatever the features say, since s > 0. A regularised linear ``mu`` is what some twenty failures
can carry; gradient boosting on the same rows was measured and lost (explanation/failure-forecasts).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special
from threadpoolctl import threadpool_limits

from maintenance.features.lives import ModeKey
from maintenance.features.table import FeatureTable
from maintenance.models.wear import SignalScale, Wear, learn_scales, wear
from twin.plant import Law, Plant, residual_s

__all__ = ["FEATURES", "MIN_FAILURES", "HazardModel", "evidence", "fit", "probability"]

Floats = NDArray[np.float64]

MIN_FAILURES = 4
"""Fewer failures than this teach nothing: the plant's laws speak alone."""
RIDGE = 1.0
FEATURES = (
    "progress",
    "progress_squared",
    "log_progress",
    "log_left",
    "log_ahead_6h",
    "log_ahead_12h",
    "progress_ahead_12h",
    "log_behind_12h",
    "log_law",
    "log_age",
)
"""What ``mu`` is linear in: wear, the time that its slope needs to the end and needed from the
start, and the clock: the law's median remaining life and the age as a share of the mean life."""

_CLOCK = np.array([name in ("log_law", "log_age") for name in FEATURES])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HazardModel:
    """What was learned: plain numbers, safe to send to another process."""

    scales: Mapping[ModeKey, SignalScale]
    laws: Mapping[ModeKey, Law]
    """Time to failure of each wear mode as it was held at training."""
    centre: Floats
    spread: Floats
    weights: Floats
    """Of the standardised features, in ``mu``. Shape (features,)"""
    intercept: float
    scale: float
    """s of the log-logistic law."""
    width: int
    """Signals that a feature table of this plant holds side by side."""


def fit(plant: Plant, table: FeatureTable, *, ridge: float = RIDGE) -> HazardModel | None:
    """Learn from the lives of a table.

    Args:
        plant: Its laws give the life that age alone lets expect.
        table: Rows of several lives, failed or not.
        ridge: Strength of the pull of the weights towards 0.

    Returns:
        The model, or None when fewer than `MIN_FAILURES` lives ended in a failure.
    """
    failures = len(np.unique(table.life[table.failed]))
    if failures < MIN_FAILURES:
        return None
    scales = learn_scales(plant, table)
    laws = {
        (unit, mode): plant.work_units[unit].failure_modes[mode].time_to_failure
        for unit, mode in scales
    }
    x = _design(laws, table, wear(table, scales))
    told = np.isfinite(x).all(axis=1) & (table.follow_up_h > 0.0)
    if len(np.unique(table.life[told & table.failed])) < MIN_FAILURES:
        return None
    x, follow_h, failed = x[told], table.follow_up_h[told], table.failed[told]
    centre, spread = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9)
    weights, intercept, scale = _regress((x - centre) / spread, follow_h, failed, ridge)
    return HazardModel(
        scales=scales,
        laws=laws,
        centre=centre,
        spread=spread,
        weights=weights,
        intercept=intercept,
        scale=scale,
        width=table.level.shape[1],
    )


def probability(model: HazardModel, table: FeatureTable, ahead_h: Floats) -> Floats:
    """P(T <= ahead) of each row at times on the clock of its mode; NaN where no signal tells.

    Args:
        model: From `fit`.
        table: Rows to forecast.
        ahead_h: Times. [h], shape (n, times)

    Returns:
        Probabilities that never fall along a row when the times do not. Shape (n, times)
    """
    x = (_design(model.laws, table, wear(table, model.scales)) - model.centre) / model.spread
    mu = (model.intercept + x @ model.weights)[:, None]
    alive = special.log_expit(mu / model.scale)
    later = special.log_expit((mu - np.log1p(ahead_h)) / model.scale)
    return np.asarray(-np.expm1(later - alive))


def evidence(model: HazardModel, table: FeatureTable) -> list[dict[str, float]]:
    """Share of each signal, and of age, in the log-odds of each row against a typical moment.

    Signals are named as in the plant file; ``operating_age`` is what the clock alone says.
    """
    worn = wear(table, model.scales)
    x = (_design(model.laws, table, worn) - model.centre) / model.spread
    by_clock = np.abs((x * model.weights)[:, _CLOCK].sum(axis=1))
    by_signal = np.abs((x * model.weights)[:, ~_CLOCK].sum(axis=1))
    age = by_clock / np.maximum(by_clock + by_signal, 1e-12)
    found = []
    for i in range(len(table)):
        names = model.scales[table.work_unit[i], table.failure_mode[i]].signals
        shares = {n: float(worn.share[i, s] * (1.0 - age[i])) for s, n in enumerate(names)}
        found.append({**shares, "operating_age": float(age[i])})
    return found


def _design(laws: Mapping[ModeKey, Law], table: FeatureTable, worn: Wear) -> Floats:
    """Features of each row, all on scales that do not depend on the unit. Shape (n, features)"""
    nominal_h, law_h = np.ones(len(table)), np.ones(len(table))
    for (unit, mode), law in laws.items():
        rows = np.flatnonzero((table.work_unit == unit) & (table.failure_mode == mode))
        nominal_h[rows] = law.mean() / 3600.0
        ages_s = table.age_h[rows] * 3600.0
        law_h[rows] = [residual_s(law, float(age), 0.5) / 3600.0 for age in ages_s]
    progress = np.clip(worn.progress, -0.2, 1.5)
    left = np.maximum(1.0 - progress, 0.02)
    steep_6h, steep_12h = (np.maximum(worn.slope[:, w], 1e-6) for w in (1, 2))
    ahead_6h, ahead_12h = (
        np.log1p(np.minimum(left / steep, 2.0 * nominal_h)) for steep in (steep_6h, steep_12h)
    )
    done = np.clip(progress, 0.02, 0.98)
    behind_12h = np.log1p(np.minimum(done / np.maximum(steep_12h, 1e-4), 4.0 * nominal_h))
    return np.stack(
        (
            progress,
            progress**2,
            np.log(np.maximum(progress, 0.03)),
            np.log(left + 0.05),
            ahead_6h,
            ahead_12h,
            progress * ahead_12h,
            behind_12h,
            np.log1p(law_h),
            np.log(np.maximum(table.age_h, 0.5) / nominal_h),
        ),
        axis=1,
    )


def _regress(
    x: Floats, follow_h: Floats, failed: NDArray[np.bool_], ridge: float
) -> tuple[Floats, float, float]:
    """Maximum likelihood of the log-logistic law, given survival to now. Weights, intercept, scale."""
    u = np.log1p(follow_h)

    def loss(theta: Floats) -> tuple[float, Floats]:
        s = np.exp(theta[-1])
        mu = theta[-2] + x @ theta[:-2]
        z, z0 = (u - mu) / s, -mu / s
        soft, soft0 = np.logaddexp(0.0, z), np.logaddexp(0.0, z0)
        value = np.where(failed, 2.0 * soft - z + theta[-1], soft) - soft0
        dz = np.where(failed, 2.0 * special.expit(z) - 1.0, special.expit(z))
        dz0 = -special.expit(z0)
        dmu = -(dz + dz0) / s
        ds = failed - dz * z - dz0 * z0
        gradient = np.concatenate((x.T @ dmu + 2.0 * ridge * theta[:-2], [dmu.sum(), ds.sum()]))
        return float(value.sum() + ridge * np.square(theta[:-2]).sum()), gradient

    start = np.concatenate((np.zeros(x.shape[1]), [u.mean(), np.log(0.5)]))
    bounds = [(None, None)] * (x.shape[1] + 1) + [(np.log(0.08), np.log(3.0))]
    # On a busy machine the threads of a matrix product this small cost ten times the work.
    with threadpool_limits(1):
        best = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return best.x[:-2], float(best.x[-2]), float(np.exp(best.x[-1]))
