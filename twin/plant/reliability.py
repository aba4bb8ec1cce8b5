"""Failure modes of work units, and the forecast of when one comes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from twin.errors import DataError
from twin.plant.base import Frozen
from twin.plant.laws import Law

__all__ = ["FailureForecast", "FailureMode"]


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
