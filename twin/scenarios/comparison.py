"""What-if: today's line against a changed one, on the same random numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Executor, Future, as_completed
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Literal

import numpy as np

from twin.engine import (
    KPIS,
    Job,
    LiveState,
    PlannedMaintenance,
    RunResult,
    simulate,
    t_interval,
)
from twin.engine.measure import joined
from twin.errors import DataError
from twin.plant import FailureForecast, Plant
from twin.scenarios.changes import Change, apply_changes, parse_change

__all__ = ["Comparison", "KpiComparison", "compare"]

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
            "baseline": _plain(self.baseline),
            "scenario": _plain(self.scenario),
            "delta": _plain(self.delta),
            "delta_low": _plain(self.delta_low),
            "delta_high": _plain(self.delta_high),
            "verdict": self.verdict,
            "variance_reduction": _plain(self.variance_reduction),
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """A scenario against the baseline, KPI by KPI."""

    changes: tuple[Change, ...]
    level: float
    kpis: Mapping[str, KpiComparison]
    baseline: RunResult
    scenario: RunResult

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the runs."""
        return {
            "changes": [str(change) for change in self.changes],
            "engine": self.baseline.engine,
            "seed": self.baseline.seed,
            "replications": self.baseline.replications,
            "horizon_h": self.baseline.horizon_s / 3600.0,
            "level": self.level,
            "kpis": [kpi.as_dict() for kpi in self.kpis.values()],
        }


def compare(
    plant: Plant,
    changes: Sequence[Change | str],
    *,
    start: datetime,
    horizon_s: float,
    jobs: Sequence[Job] | None = None,
    replications: int = 16,
    seed: int = 0,
    state: LiveState | None = None,
    forecasts: Sequence[FailureForecast] = (),
    maintenance: Sequence[PlannedMaintenance] = (),
    warm_up_s: float = 0.0,
    mix: Mapping[str, int] | None = None,
    level: float = 0.90,
    block: int = 1,
    executor: Executor | None = None,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Comparison:
    """Run the line as it is and as changed, replication by replication on the same streams.

    Args:
        plant: The line as it is.
        changes: What is different in the scenario.
        start, horizon_s, jobs, replications, seed, state, forecasts, maintenance, warm_up_s, mix:
            As in ``twin.engine.simulate``, for both.
        level: Confidence of the intervals.
        block: Replications per piece of work; it changes no result.
        executor: Where pieces run; None: here. It changes no result.
        progress: Told the share that is done, from 0 to 1, in this thread.
        cancelled: Asked between pieces; True gives up.

    Returns:
        Every KPI with its paired difference.

    Raises:
        FileFaults: The changes do not fit the plant.
        DataError: As in ``twin.engine.simulate``, or a change cannot be read.
        CancelledError: ``cancelled`` said so. (concurrent.futures)

    Source:
        Law, Simulation Modeling and Analysis, 5th ed., sections 10.2.1 (paired t) and 11.2 (CRN).
    """
    if replications < 1 or block < 1:
        raise DataError("replications and block must be at least 1")
    read = tuple(parse_change(c) if isinstance(c, str) else c for c in changes)
    changed = apply_changes(plant, read)
    run = partial(
        simulate,
        start=start,
        horizon_s=horizon_s,
        jobs=jobs,
        seed=seed,
        state=state,
        forecasts=tuple(forecasts),
        maintenance=tuple(maintenance),
        warm_up_s=warm_up_s,
        mix=mix,
    )
    work = _blocks(run, (plant, changed), replications, block)
    results = _all_done(work, executor, progress, cancelled)
    baseline, scenario = joined(results[0::2]), joined(results[1::2])
    return Comparison(
        changes=read,
        level=level,
        kpis={name: _kpi(name, baseline, scenario, level) for name in baseline.kpis},
        baseline=baseline,
        scenario=scenario,
    )


def _blocks(
    run: Callable[..., RunResult], plants: Sequence[Plant], replications: int, block: int
) -> list[Callable[[], RunResult]]:
    """Pieces of work, by first replication and then by plant."""
    return [
        partial(run, one, first_replication=first, replications=min(block, replications - first))
        for first in range(0, replications, block)
        for one in plants
    ]


def _all_done(
    work: Sequence[Callable[[], RunResult]],
    executor: Executor | None,
    progress: Callable[[float], None] | None,
    cancelled: Callable[[], bool] | None,
) -> list[RunResult]:
    def tell(done: int) -> None:
        if progress is not None:
            progress(done / len(work))
        if cancelled is not None and done < len(work) and cancelled():
            raise CancelledError

    tell(0)
    if executor is None:
        results = []
        for piece in work:
            results.append(piece())
            tell(len(results))
        return results
    futures: list[Future[RunResult]] = [executor.submit(piece) for piece in work]
    try:
        for done, future in enumerate(as_completed(futures), start=1):
            future.result()
            tell(done)
    finally:
        for future in futures:
            future.cancel()
    return [future.result() for future in futures]


def _kpi(name: str, baseline: RunResult, scenario: RunResult, level: float) -> KpiComparison:
    a, b = baseline.kpis[name], scenario.kpis[name]
    both = ~(np.isnan(a) | np.isnan(b))
    a, b = a[both], b[both]
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


def _verdict(low: float, high: float, better: Literal["higher", "lower", "neither"]) -> Verdict:
    if not (low > 0.0 or high < 0.0):
        return "no clear change"
    if better == "neither":
        return "changed"
    return "better" if (low > 0.0) == (better == "higher") else "worse"


def _variance_reduction(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> float:
    if len(a) < 2:
        return math.nan
    apart = float(np.var(a, ddof=1) + np.var(b, ddof=1))
    return 1.0 - float(np.var(b - a, ddof=1)) / apart if apart > 0.0 else math.nan


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value
