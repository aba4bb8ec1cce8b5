"""The statistics behind calibration: one mean or law and its 90 % interval from observations.

Where data are few, the plant file's number takes part as if it had been observed once; so an
estimate moves from the nominal to the data without a jump, and its interval is honest throughout.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from twin.plant.laws import Law

__all__ = ["Fit", "coefficient_of_variation", "cycle_mean", "life_mean", "lognormal_mean", "share"]

_TAIL = 0.05
"""Probability left out on either side of an interval."""
_PRIOR_WEIGHT = 1.0
"""Observations that the nominal value counts for."""
_PRIOR_SPREAD_WEIGHT = 4.0
"""Observations that the nominal spread of a repair or setup counts for: few repairs say little
about it, and the interval of a lognormal mean is useless without it."""
_FEWEST_FOR_BATCHES = 200

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """An estimate, its 90 % interval and the spread around it."""

    value: float
    low: float
    high: float
    cv: float = 0.0
    """Coefficient of variation of single observations, where the fit gives one."""
    correlated: bool = False
    """True where neighbours resemble each other, so that the interval is that of batch means."""


def cycle_mean(durations_s: Floats) -> Fit:
    """Mean of many durations with Student's t interval.

    The mean needs no law of the durations. Where consecutive durations are correlated, which the
    variance of batch means shows, the interval is that of the batch means instead.

    Args:
        durations_s: In the order in which they happened, at least two. [s], shape (n,)

    Returns:
        Mean and 90 % interval [s]; cv of the durations.

    Source:
        Law, Simulation Modeling and Analysis, 5th ed., example 4.27 and section 9.5.3
        (batch means).

    Example:
        >>> fit = cycle_mean(np.array([1.20, 1.50, 1.68, 1.89, 0.95, 1.49, 1.58, 1.55, 0.50, 1.09]))
        >>> round(fit.value, 2), round(fit.high - fit.value, 2)
        (1.34, 0.24)
    """
    n = len(durations_s)
    mean, sd = float(np.mean(durations_s)), float(np.std(durations_s, ddof=1))
    half = float(special.stdtrit(n - 1, 1.0 - _TAIL)) * sd / math.sqrt(n)
    correlated = False
    if n >= _FEWEST_FOR_BATCHES and sd > 0.0:
        batches = math.isqrt(n)
        size = n // batches
        means = durations_s[: batches * size].reshape(batches, size).mean(axis=1)
        inflation = size * float(np.var(means, ddof=1)) / sd**2
        correlated = inflation * (batches - 1) > float(special.chdtri(batches - 1, 0.01))
        if correlated:
            wide = float(special.stdtrit(batches - 1, 1.0 - _TAIL))
            half = wide * sd * math.sqrt(inflation / n)
    cv = sd / abs(mean) if mean else 0.0
    return Fit(value=mean, low=mean - half, high=mean + half, cv=cv, correlated=correlated)


def life_mean(
    ages_s: Floats, failed: NDArray[np.bool_], *, nominal_mean_s: float, shape: float
) -> Fit:
    """Mean life from ages at failure and ages still running, under a Weibull law of known shape.

    With the shape fixed, age**shape is exponential, and its rate has a gamma posterior; the
    nominal mean counts as one failure. Shape 1 is the exponential law.

    Args:
        ages_s: Age at which each life failed, or was last seen. [s], shape (n,)
        failed: False where the life had not ended. Shape (n,)
        nominal_mean_s: The plant file's mean life. [s]
        shape: Weibull shape.

    Returns:
        Mean life and 90 % interval. [s]

    Source:
        Meeker, Escobar & Pascual, Statistical Methods for Reliability Data, 2nd ed., sections 8.4
        (Weibull with given shape) and 10 (Bayesian); Gelman et al., BDA3, section 2.6.

    Example:
        >>> ages = np.array([100.0, 300.0, 600.0])
        >>> life_mean(ages, np.array([True, False, True]), nominal_mean_s=500.0, shape=1.0).value
        500.0
    """
    gamma = math.gamma(1.0 + 1.0 / shape)
    prior_scale = nominal_mean_s / gamma
    exposure = float(np.sum((ages_s / prior_scale) ** shape)) + _PRIOR_WEIGHT
    events = int(np.count_nonzero(failed)) + _PRIOR_WEIGHT

    def mean_at(rate: float) -> float:
        return float(nominal_mean_s * (exposure / rate) ** (1.0 / shape))

    return Fit(
        value=mean_at(events),
        low=mean_at(float(special.gammaincinv(events, 1.0 - _TAIL))),
        high=mean_at(float(special.gammaincinv(events, _TAIL))),
    )


def lognormal_mean(durations_s: Floats, *, nominal_mean_s: float, nominal_cv: float) -> Fit:
    """Mean of few skewed durations, under a lognormal law with the nominal one as weak prior.

    Args:
        durations_s: All > 0; may be empty. [s], shape (n,)
        nominal_mean_s: The plant file's mean. [s]
        nominal_cv: The plant file's coefficient of variation, > 0.

    Returns:
        Mean and 90 % interval [s]; cv of the fitted law.

    Source:
        Gelman et al., Bayesian Data Analysis, 3rd ed., section 3.3 (normal with unknown mean and
        variance, conjugate), on the logarithms.
    """
    s2_0 = math.log1p(nominal_cv**2)
    mu_0 = math.log(nominal_mean_s) - s2_0 / 2
    logs = np.log(durations_s)
    n = len(logs)
    centre = float(np.mean(logs)) if n else mu_0
    kappa, nu = _PRIOR_WEIGHT + n, _PRIOR_SPREAD_WEIGHT + n
    mu = (_PRIOR_WEIGHT * mu_0 + n * centre) / kappa
    squares = _PRIOR_SPREAD_WEIGHT * s2_0 + float(np.sum((logs - centre) ** 2))
    squares += _PRIOR_WEIGHT * n / kappa * (centre - mu_0) ** 2
    s2 = squares / nu
    u = (np.arange(200) + 0.5) / 200
    spread = squares / special.chdtri(nu, u)
    grid = mu + special.ndtri(u)[:, None] * np.sqrt(spread / kappa) + spread / 2
    low, high = np.exp(np.quantile(grid, (_TAIL, 1.0 - _TAIL)))
    value = math.exp(mu + s2 / 2)
    return Fit(value=value, low=float(low), high=float(high), cv=math.sqrt(math.expm1(s2)))


def share(found: int, looked_at: int) -> Fit:
    """A probability from counts, with Jeffreys' interval.

    Source:
        Brown, Cai & DasGupta, "Interval estimation for a binomial proportion", Statistical
        Science 16 (2001), section 4.

    Example:
        >>> fit = share(0, 10)
        >>> (fit.low, round(fit.high, 3))
        (0.0, 0.171)
    """
    a, b = found + 0.5, looked_at - found + 0.5
    return Fit(
        value=found / looked_at,
        low=0.0 if found == 0 else float(special.betaincinv(a, b, _TAIL)),
        high=1.0 if found == looked_at else float(special.betaincinv(a, b, 1.0 - _TAIL)),
    )


def coefficient_of_variation(law: Law) -> float:
    """Standard deviation over mean of any law, from its quantiles; at least 0.01."""
    draws = np.array([law.quantile((i + 0.5) / 400) for i in range(400)])
    return max(0.01, float(np.std(draws) / np.mean(draws)))
