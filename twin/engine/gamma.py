"""Quantiles of gamma laws, by arithmetic that has the same bits on every machine."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.engine.arithmetic import choose, exp, log

__all__ = ["log_gamma", "log_quantiles"]

Floats = NDArray[np.float64]

_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360)
_HALF_LOG_TAU = 0.91893853320467274178
_LEAST_LOG = -680.0
_STEPS = 60
_SETTLED = 1e-13
_EXPANDED = 1e5


def log_gamma(x: float) -> float:
    """Log of the gamma function for x > 0: Stirling's series beyond 16, recurrence below."""
    below = 1.0
    while x < 16.0:
        below *= x
        x += 1.0
    series, power = 0.0, 1.0 / x
    for c in _STIRLING:
        series += c * power
        power /= x * x
    of_x, of_below = log(np.array([x, below])).tolist()
    return float((x - 0.5) * of_x - x + _HALF_LOG_TAU + series - of_below)


def log_quantiles(shape: float, z: Floats) -> tuple[Floats, Floats]:
    """Log of the quantile of a gamma law of scale 1, and its derivative, at normal quantiles.

    By Newton's method on the logarithm of the probability, from the nearer end; beyond a shape
    of 1e5 by the expansion of Cornish and Fisher. No logarithm falls below -680.

    Args:
        shape: Shape of the law, > 0.
        z: Standard normal quantiles, rising, from -8.3 to 8.3. Shape (n,)

    Source:
        Abramowitz & Stegun, Handbook of Mathematical Functions, 6.5.29, 6.5.31 and 26.2.49.

    Example:
        >>> y, slope = log_quantiles(1.0, np.array([0.0]))  # the median of an exponential
        >>> float(np.exp(y[0]).round(12))
        0.69314718056
    """
    if shape > _EXPANDED:
        y = _expansion(shape, z)
    else:
        y = np.concatenate([_solved(shape, z[z < 0.0], False), _solved(shape, z[z >= 0.0], True)])
    return y, exp(_log_normal_density(z) - _log_density(shape, y))


def _solved(shape: float, z: Floats, upper: bool) -> Floats:
    share = _log_tail(0.5, log(z * z / 2.0 + 1e-300), True) - log(np.array([2.0]))
    if not z.size:
        return z
    y = _start(shape, z, share, upper)
    for _ in range(_STEPS):
        found = _log_tail(shape, y, upper)
        rate = exp(_log_density(shape, y) - found) * (-1.0 if upper else 1.0)
        step = np.clip((share - found) / rate, -3.0, 3.0)
        y = np.maximum(y + step, _LEAST_LOG)
        if (np.abs(step) < _SETTLED * (1.0 + np.abs(y)))[y > _LEAST_LOG].all():
            break
    return y


def _start(shape: float, z: Floats, share: Floats, upper: bool) -> Floats:
    """Wilson and Hilferty's cube; far below, the first term of the series."""
    cube = 1.0 - 1.0 / (9.0 * shape) + z / (3.0 * math.sqrt(shape))
    high = log(np.array([shape])) + 3.0 * log(np.maximum(cube, 1e-3))
    lower = log(1.0 - exp(share)) if upper else share
    low = (lower + log_gamma(shape + 1.0)) / shape
    return np.clip(np.where(cube > 0.3, high, low), _LEAST_LOG, 20.0)


def _log_density(shape: float, y: Floats) -> Any:
    """Of the logarithm ``y`` of a gamma variate."""
    return shape * y - exp(y) - log_gamma(shape)


def _log_normal_density(z: Floats) -> Any:
    return -z * z / 2.0 - _HALF_LOG_TAU


def _log_tail(shape: float, y: Floats, upper: bool) -> Floats:
    """Log of the probability above, or below, ``exp(y)``."""
    x = exp(y)
    is_low = x < shape + 1.0
    density = _log_density(shape, y)
    below = density + log(_series(shape, np.where(is_low, x, shape)))
    above = density + log(_fraction(shape, np.where(is_low, shape + 1.0, x)))
    near, far = (above, below) if upper else (below, above)
    share: Floats = choose(is_low != upper, near, log(1.0 - exp(np.minimum(far, -1e-16))))
    return share


def _series(shape: float, x: Floats) -> Floats:
    term = np.full(x.shape, 1.0 / shape)
    total, n = term, shape
    while (term > 1e-17 * total).any():
        n += 1.0
        term = term * x / n
        total = total + term
    return total


def _fraction(shape: float, x: Floats) -> Floats:
    """Continued fraction for the upper tail over its density, by Lentz's method."""
    b = x + 1.0 - shape
    c = np.full(x.shape, 1e300)
    d = 1.0 / b
    h, factor, i = d, d, 0.0
    while (np.abs(factor - 1.0) > 1e-15).any() and i < 10_000.0:
        i += 1.0
        a = i * (shape - i)
        b = b + 2.0
        d = 1.0 / (b + a * d)
        c = b + a / c
        factor = c * d
        h = h * factor
    return h


def _expansion(shape: float, z: Floats) -> Floats:
    r = math.sqrt(shape)
    w = z * z
    x = (
        shape
        + r * z
        + (w - 1.0) / 3.0
        + z * (w - 7.0) / (36.0 * r)
        - ((3.0 * w + 7.0) * w - 16.0) / (810.0 * shape)
        + z * ((9.0 * w + 256.0) * w - 433.0) / (38880.0 * shape * r)
    )
    y: Floats = log(x)
    return y
