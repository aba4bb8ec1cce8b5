"""What-if: today's line against a changed one, on the same random numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

from twin.engine import RunResult
from twin.plant import Plant
from twin.scenarios.arguments import Execution, RunArguments, run_arguments
from twin.scenarios.blocks import run_plants
from twin.scenarios.changes import Change
from twin.scenarios.pairs import KpiComparison, check_level, paired
from twin.scenarios.played import played
from twin.scenarios.scenario import Scenario, scenario_of

if TYPE_CHECKING:
    from twin.scenarios.cache import RunCache

__all__ = ["Comparison", "KpiComparison", "compare"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """A scenario against the baseline, KPI by KPI."""

    name: str
    """What the scenario is called; its changes, where it has no other name."""
    changes: tuple[Change, ...]
    level: float
    kpis: Mapping[str, KpiComparison]
    baseline: RunResult
    scenario: RunResult

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the runs."""
        runs = (self.baseline, self.scenario)
        engine, reason = played((run.engine, run.reason, run.replications) for run in runs)
        return {
            "name": self.name,
            "changes": [str(change) for change in self.changes],
            "engine": engine,
            "engine_reason": reason,
            "seed": self.baseline.seed,
            "replications": self.baseline.replications,
            "horizon_h": self.baseline.horizon_s / 3600.0,
            "warm_up_s": self.baseline.warm_up_s,
            "level": self.level,
            "kpis": [kpi.as_dict() for kpi in self.kpis.values()],
        }


def compare(
    plant: Plant,
    changes: Scenario | Sequence[Change | str],
    *,
    replications: int = 16,
    level: float = 0.90,
    block: int | None = None,
    executor: Executor | None = None,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    cache: RunCache | None = None,
    **run: Unpack[RunArguments],
) -> Comparison:
    """Run the line as it is and as changed, replication by replication on the same streams.

    Args:
        plant: The line as it is.
        changes: What is different in the scenario.
        replications: Of each of the two.
        level: Confidence of the intervals.
        block: Replications per piece of work; None: few enough that progress is seen. It changes no result.
        executor: Where pieces run; None: here. It changes no result.
        progress: Told the share that is done, from 0 to 1, in this thread.
        cancelled: Asked between pieces; True gives up.
        cache: Results that are there need no run. It changes no result.
        run: start, horizon_s, jobs, seed, state, forecasts, maintenance, warm_up_s, mix, engine,
            limited_supply: as in ``twin.engine.simulate``, for both.

    Returns:
        Every KPI with its paired difference.

    Raises:
        FileFaults: The changes do not fit the plant.
        DataError: As in ``twin.engine.simulate``, or a change cannot be read.
        CancelledError: ``cancelled`` said so. (concurrent.futures)

    Source:
        Law, Simulation Modeling and Analysis, 5th ed., sections 10.2.1 (paired t) and 11.2 (CRN).

    Example:
        >>> from datetime import UTC, datetime
        >>> plant = Plant.model_validate({
        ...     "site": "S", "area": "A", "line": "L", "name": "one unit", "timezone": "UTC",
        ...     "currency": "EUR", "calendars": {"always": {"weekly": ["Mon-Sun 00:00-24:00"]}},
        ...     "products": {"P": {"family": "F"}}, "storage_zones": {}, "work_units": {"cut": {
        ...         "name": "cut", "role": "press", "calendar": "always",
        ...         "cycle_time": {"default": {"law": "exponential", "mean_s": 30}}}}})
        >>> found = compare(plant, ["station.cut.cycle_time=*0.5"], replications=4, seed=7,
        ...     start=datetime(2026, 3, 2, tzinfo=UTC), horizon_s=3600.0)
        >>> found.kpis["good_parts"].verdict
        'better'
    """
    check_level(level)
    scenario = scenario_of(changes)
    execution = Execution(
        block=block, executor=executor, progress=progress, cancelled=cancelled, cache=cache
    )
    changed = scenario.applied(plant)
    today, other = run_plants(
        [lambda: plant, lambda: changed],
        run_arguments(run),
        range(replications),
        execution,
        lambda result: result,
    )
    return Comparison(
        name=scenario.name,
        changes=scenario.changes,
        level=level,
        kpis={name: paired(name, today.kpis[name], other.kpis[name], level) for name in today.kpis},
        baseline=today,
        scenario=other,
    )
