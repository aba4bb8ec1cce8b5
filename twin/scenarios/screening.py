"""KN++: which alternatives are out, by paired differences, with a bound on the chance of losing the best."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from twin.engine.types import Floats
from twin.errors import DataError

__all__ = ["Screening", "boundary", "screen"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Screening:
    """What the observations so far say about the alternatives."""

    out: dict[int, int]
    """Row of an alternative that is out -> row of the one that put it out."""
    needed: float
    """Observations after which, with the variances seen so far, one alternative is left for certain."""


def boundary(n: int, alternatives: int, probability: float) -> float:
    """The factor h squared of KN++ after ``n`` paired observations.

    Args:
        n: Observations of each alternative, at least 2.
        alternatives: How many there were at the beginning, at least 2.
        probability: With which the best is to be kept, between ``1 / alternatives`` and 1.

    Raises:
        DataError: An argument is out of its range.

    Source:
        Kim & Nelson, On the asymptotic validity of fully sequential selection procedures for
        steady-state simulation, Operations Research 54 (2006), KN++ with c = 1. On variances of differences and
        by Bonferroni, so that common random numbers are allowed: Malone, Kim, Goldsman & Batur, Performance of
        variance updating ranking and selection procedures, Winter Simulation Conference 2005.

    Example:
        >>> round(boundary(10, 2, 0.95), 3)  # 9 * (0.1 ** (-2 / 9) - 1)
        6.013
    """
    if n < 2 or alternatives < 2 or not 1.0 / alternatives < probability < 1.0:
        raise DataError(
            f"a selection needs two observations (here {n}) of two alternatives (here {alternatives}), and "
            f"a probability between that of a guess and 1 (here {probability})"
        )
    risk = (1.0 - probability) / (alternatives - 1)
    eta = 0.5 * math.expm1(-2.0 / (n - 1) * math.log(2.0 * risk)) if risk < 0.5 else 0.0
    return 2.0 * eta * (n - 1)


def screen(observed: Floats, delta: float, h_squared: float) -> Screening:
    """Hold every alternative against every other one.

    Args:
        observed: The larger, the better; column by column on the same random numbers.
            Shape (alternatives, n)
        delta: Smallest difference that matters, in the unit of the observations, > 0.
        h_squared: As `boundary` gives.

    Returns:
        Which are out: those whose mean lies below that of another one by more than
        ``max(0, (h² S² / delta - n delta) / 2n)``, S² the variance of their difference.

    Source:
        As `boundary`.

    Example:
        >>> screen(np.array([[1.0, 2.0, 3.0], [5.0, 6.0, 7.1]]), 1.0, 6.0).out
        {0: 1}
    """
    count, n = observed.shape
    mean = observed.mean(axis=1)
    out: dict[int, int] = {}
    needed = 0.0
    for i in range(count):
        variance = np.var(observed - observed[i], axis=1, ddof=1)
        needed = max(needed, h_squared * float(variance.max()) / delta**2)
        margin = np.maximum(0.0, (h_squared * variance / delta - n * delta) / (2.0 * n))
        lead = mean - mean[i] - margin
        lead[i] = -math.inf
        by = int(np.argmax(lead))
        if lead[by] > 0.0:
            out[i] = by
    return Screening(out=out, needed=needed)
