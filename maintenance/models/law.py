"""Failure probability from a time-to-failure law, given the age that was reached."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.plant import Exponential, Law, Weibull

__all__ = ["law_cdf", "median_residual_h", "residual_probability"]

Floats = NDArray[np.float64]

_SURE = 1e-12


def law_cdf(law: Law, hours: Floats) -> Floats:
    """P(T <= hours) of any law, by bisection of its quantiles where no formula is at hand.

    Args:
        law: Time to failure.
        hours: Times. [h], any shape

    Example:
        >>> law_cdf(Exponential(mean_s=3600.0), np.array([1.0])).round(4).tolist()
        [0.6321]
    """
    t = np.maximum(np.asarray(hours, np.float64), 0.0) * 3600.0
    if isinstance(law, Exponential):
        return np.asarray(-np.expm1(-t / law.mean_s))
    if isinstance(law, Weibull):
        scale = law.quantile(1.0 - np.exp(-1.0))
        return np.asarray(-np.expm1(-((t / scale) ** law.shape)))
    return np.array([_bisected(law, float(x)) for x in t.ravel()]).reshape(t.shape)


def residual_probability(law: Law, age_h: float, ahead_h: Floats) -> Floats:
    """P(T <= age + ahead | T > age), of the same shape as ``ahead_h``; rises with it.

    An age that the law holds impossible counts as a failure that is due at once.

    Example:
        >>> memoryless = Exponential(mean_s=3600.0)
        >>> residual_probability(memoryless, 50.0, np.array([1.0])).round(4).tolist()
        [0.6321]
    """
    if isinstance(law, Exponential):
        age_h = 0.0
    reached = float(law_cdf(law, np.array([age_h]))[0])
    if 1.0 - reached < _SURE:
        return np.where(np.asarray(ahead_h) > 0.0, 1.0, 0.0)
    later = law_cdf(law, age_h + np.asarray(ahead_h, np.float64))
    return np.clip((later - reached) / (1.0 - reached), 0.0, 1.0)


def median_residual_h(law: Law, age_h: Floats) -> Floats:
    """Time after which half of the parts of this age have failed. [h], shape as ``age_h``

    Example:
        >>> bool(median_residual_h(Weibull(mean_s=36e4, shape=4.0), np.array([80.0]))[0] < 40.0)
        True
    """
    reached = law_cdf(law, age_h)
    middle = np.minimum(1.0 - (1.0 - reached) / 2.0, 1.0 - _SURE)
    total_h = np.array([law.quantile(float(u)) for u in middle.ravel()]).reshape(middle.shape)
    return np.asarray(np.maximum(total_h / 3600.0 - age_h, 0.0))


def _bisected(law: Law, t_s: float) -> float:
    low, high = 0.0, 1.0
    if law.quantile(0.0) > t_s:
        return 0.0
    for _ in range(50):
        middle = (low + high) / 2.0
        if law.quantile(middle) <= t_s:
            low = middle
        else:
            high = middle
    return low if high < 1.0 else 1.0
