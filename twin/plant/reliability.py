"""Failure modes of work units, and the forecast of when one comes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from twin.errors import DataError
from twin.plant.base import Frozen
from twin.plant.laws import Exponential, Law, Weibull

__all__ = [
    "FailureForecast",
    "FailureMode",
    "probability_by",
    "residual_probability",
    "residual_s",
]

Floats = NDArray[np.float64]

_SURE = 1e-12
"""A chance of survival below this is none."""


class FailureMode(Frozen):
    """One way in which a work unit fails, and the work that mends it."""

    name: str = ""
    clock: Literal["operating", "calendar"] = "operating"
    """Operating: age grows only while the unit produces."""
    time_to_failure: Law
    repair: Law
    wear: bool = False
    """True where condition signals announce the failure."""
    planned_work_s: Annotated[float, Field(gt=0.0)] | None = None
    """Duration of the same work when it is planned. [s] None: as long as the mean repair."""
    spare_part: str | None = None
    """Item that the work consumes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureForecast:
    """When a failure mode of a work unit will strike: a curve, never a label.

    ``horizon_h`` rises from above 0 and ``probability`` never falls; between points the
    curve is linear, before the first point it starts at (0, 0). What lies beyond the last
    point is not known: the remaining mass.
    """

    work_unit: str
    failure_mode: str
    made_at: datetime
    """The ``as_of`` of the facts that it used. UTC."""
    horizon_h: tuple[float, ...]
    """Hours from ``made_at``, in calendar time. [h]"""
    probability: tuple[float, ...]
    """P(T <= horizon). Shape as ``horizon_h``."""
    model: str
    """Name and version of what made it."""
    evidence: Mapping[str, float] = field(default_factory=dict)
    """What moved the forecast: share of the log-odds by signal."""

    def __post_init__(self) -> None:
        h, p = self.horizon_h, self.probability
        if len(h) != len(p) or not h:
            raise DataError("a forecast needs as many probabilities as horizons, at least one")
        if h[0] <= 0.0 or any(b <= a for a, b in itertools.pairwise(h)):
            raise DataError("forecast horizons must rise from above 0")
        if not 0.0 <= p[0] <= p[-1] <= 1.0 or any(b < a for a, b in itertools.pairwise(p)):
            raise DataError("forecast probabilities must not fall and stay within 0 and 1")

    def probability_within(self, hours: float) -> float:
        """P(T <= hours); beyond the last point, the last probability."""
        return float(np.interp(hours, (0.0, *self.horizon_h), (0.0, *self.probability)))

    def quantile_h(self, u: float) -> float | None:
        """Hours until the failure has happened with probability ``u``; None beyond the curve."""
        if u > self.probability[-1]:
            return None
        return float(np.interp(u, (0.0, *self.probability), (0.0, *self.horizon_h)))


def probability_by(law: Law, age_s: Floats) -> Floats:
    """P(T <= age) of a law, by bisection of its quantiles where no formula is at hand.

    Args:
        law: Time to failure.
        age_s: Ages. [s], any shape

    Example:
        >>> probability_by(Exponential(mean_s=100.0), np.array([0.0, 100.0])).round(4).tolist()
        [0.0, 0.6321]
    """
    t = np.maximum(np.asarray(age_s, np.float64), 0.0)
    if isinstance(law, Exponential):
        return np.asarray(-np.expm1(-t / law.mean_s))
    if isinstance(law, Weibull):
        return np.asarray(-np.expm1(-((t / _scale_s(law)) ** law.shape)))
    return np.array([_bisected(law, float(x)) for x in t.ravel()]).reshape(t.shape)


def residual_probability(law: Law, age_s: float, ahead_s: Floats) -> Floats:
    """P(T <= age + ahead | T > age), of the same shape as ``ahead_s``; rises with it.

    An age that the law holds impossible counts as a failure that is due at once.

    Example:
        >>> memoryless = Exponential(mean_s=100.0)
        >>> residual_probability(memoryless, 5000.0, np.array([100.0])).round(4).tolist()
        [0.6321]
    """
    if isinstance(law, Exponential):
        age_s = 0.0
    reached = float(probability_by(law, np.array([age_s]))[0])
    if 1.0 - reached < _SURE:
        return np.where(np.asarray(ahead_s) > 0.0, 1.0, 0.0)
    later = probability_by(law, age_s + np.asarray(ahead_s, np.float64))
    return np.clip((later - reached) / (1.0 - reached), 0.0, 1.0)


def residual_s(law: Law, age_s: float, u: float) -> float:
    """Quantile ``u`` of the life that is left at an age. [s]

    Exact for exponential and Weibull laws; by bisection of the quantile function for others.

    Example:
        >>> residual_s(Weibull(mean_s=100.0, shape=1.0), 500.0, 0.0)
        0.0
    """
    if age_s <= 0.0 or isinstance(law, Exponential):
        return law.quantile(u)
    if isinstance(law, Weibull):
        scale = _scale_s(law)
        hazard = math.pow(age_s / scale, law.shape) - math.log1p(-u)
        return max(0.0, scale * math.pow(hazard, 1.0 / law.shape) - age_s)
    reached = _bisected(law, age_s)
    return max(0.0, law.quantile(min(reached + u * (1.0 - reached), 1.0 - _SURE)) - age_s)


def _scale_s(law: Weibull) -> float:
    return law.mean_s / math.gamma(1.0 + 1.0 / law.shape)


def _bisected(law: Law, age_s: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2.0
        if law.quantile(middle) <= age_s:
            low = middle
        else:
            high = middle
    return low if high < 1.0 else 1.0
