"""Two runs on the same random numbers, figure by figure: the difference, its interval and the verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from twin.engine import KPIS, t_interval
from twin.engine.types import Floats
from twin.errors import DataError, NotFoundError

__all__ = ["KpiComparison", "Verdict", "check_kpis", "check_level", "paired", "plain"]

Verdict = Literal["better", "worse", "changed", "no clear change"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KpiComparison:
    """One KPI, today against the scenario; the interval is that of the paired difference."""

    name: str
    unit: str
    better: Literal["higher", "lower", "neither"]
    baseline: float
    scenario: float
    delta: float
    """Scenario minus baseline, mean over the pairs."""
    delta_low: float
    delta_high: float
    verdict: Verdict
    """``changed``: clearly, but neither way is better."""
    variance_reduction: float
    """Share of the variance of the difference that common random numbers took away, against
    independent runs; NaN where nothing varies."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; NaN is None."""
        return {
            "name": self.name,
            "unit": self.unit,
            "better": self.better,
            "baseline": plain(self.baseline),
            "scenario": plain(self.scenario),
            "delta": plain(self.delta),
            "delta_low": plain(self.delta_low),
            "delta_high": plain(self.delta_high),
            "verdict": self.verdict,
            "variance_reduction": plain(self.variance_reduction),
        }


def paired(name: str, baseline: Floats, scenario: Floats, level: float) -> KpiComparison:
    """Compare one KPI, replication by replication.

    Args:
        name: A name of ``twin.engine.KPIS``.
        baseline: By replication. Shape (n,)
        scenario: The same replications. Shape (n,)
        level: Confidence of the interval, between 0 and 1.

    Returns:
        The comparison; a pair of which one side is NaN is left out.

    Source:
        Law, Simulation Modeling and Analysis, 5th ed., sections 10.2.1 (paired t) and 11.2 (CRN).

    Example:
        >>> found = paired("good_parts", np.array([10.0, 12.0, 14.0]), np.array([11.0, 13.0, 15.0]), 0.9)
        >>> found.delta, found.verdict, found.variance_reduction
        (1.0, 'better', 1.0)
    """
    both = ~(np.isnan(baseline) | np.isnan(scenario))
    a, b = baseline[both], scenario[both]
    delta, low, high = t_interval(b - a, level)
    meaning = KPIS[name]
    return KpiComparison(
        name=name,
        unit=meaning.unit,
        better=meaning.better,
        baseline=float(np.mean(a)) if len(a) else math.nan,
        scenario=float(np.mean(b)) if len(b) else math.nan,
        delta=delta,
        delta_low=low,
        delta_high=high,
        verdict=_verdict(low, high, meaning.better),
        variance_reduction=_variance_reduction(a, b),
    )


def check_level(level: float) -> None:
    """Refuse a confidence that is none.

    Raises:
        DataError: ``level`` is not between 0 and 1.

    Example:
        >>> check_level(0.9)
    """
    if not 0.0 < level < 1.0:
        raise DataError(f"level is {level}, it must lie between 0 and 1")


def check_kpis(names: Iterable[str]) -> None:
    """Refuse figures that no run has.

    Raises:
        NotFoundError: A name is not one of ``twin.engine.KPIS``.

    Example:
        >>> check_kpis(["throughput_per_h"])
    """
    if strange := [name for name in names if name not in KPIS]:
        raise NotFoundError(f"no KPI {', '.join(strange)}; known are {', '.join(KPIS)}")


def _verdict(low: float, high: float, better: Literal["higher", "lower", "neither"]) -> Verdict:
    if not (low > 0.0 or high < 0.0):
        return "no clear change"
    if better == "neither":
        return "changed"
    return "better" if (low > 0.0) == (better == "higher") else "worse"


def _variance_reduction(a: Floats, b: Floats) -> float:
    if len(a) < 2:
        return math.nan
    apart = float(np.var(a, ddof=1) + np.var(b, ddof=1))
    return 1.0 - float(np.var(b - a, ddof=1)) / apart if apart > 0.0 else math.nan


def plain(value: float) -> float | None:
    """A number for JSON: NaN is None.

    Example:
        >>> plain(math.nan) is None
        True
    """
    return None if math.isnan(value) else value
