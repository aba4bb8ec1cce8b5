"""How much a KPI answers to each parameter of the line, one at a time, on the same random numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from twin.engine import KPIS, RunResult
from twin.engine.types import Floats
from twin.errors import NotFoundError
from twin.plant import Plant
from twin.scenarios.arguments import BLOCK, Execution, RunArguments, run_arguments
from twin.scenarios.blocks import run_plants
from twin.scenarios.changes import apply_changes
from twin.scenarios.pairs import Verdict, check_kpis, check_level, paired, plain
from twin.scenarios.parameters import Parameter, parameters

if TYPE_CHECKING:
    from twin.scenarios.cache import RunCache

__all__ = ["Sensitivities", "Sensitivity", "sensitivities"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """What one parameter does to a KPI."""

    parameter: Parameter
    elasticity: float
    """Per cent of the KPI per per cent of the parameter; NaN where that is 0."""
    elasticity_low: float
    elasticity_high: float
    effect: float
    """Share by which the KPI moves if the parameter goes up by one step."""
    effect_low: float
    effect_high: float
    verdict: Verdict
    """Of the parameter going up."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; NaN is None."""
        return {
            "name": self.parameter.name,
            "paths": list(self.parameter.paths),
            "value": plain(self.parameter.value),
            "counted": self.parameter.counted,
            "step": plain(self.parameter.step),
            "unit": self.parameter.unit,
            "elasticity": plain(self.elasticity),
            "elasticity_low": plain(self.elasticity_low),
            "elasticity_high": plain(self.elasticity_high),
            "effect": plain(self.effect),
            "effect_low": plain(self.effect_low),
            "effect_high": plain(self.effect_high),
            "verdict": self.verdict,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivities:
    """Every parameter, the one with the largest effect of one step first."""

    kpi: str
    baseline: float
    relative_step: float
    replications: int
    level: float
    rows: tuple[Sensitivity, ...]

    @property
    def message(self) -> str:
        """What would help most, in a sentence."""
        clear = [row for row in self.rows if row.verdict != "no clear change"]
        if not clear:
            return f"no parameter moves {self.kpi} clearly; try more replications"
        most = "it answers most to" if KPIS[self.kpi].better == "neither" else "most would help"
        return f"{most}: {self._said(clear[0])}" + (
            f"; then {self._said(clear[1])}" if len(clear) > 1 else ""
        )

    def _said(self, row: Sensitivity) -> str:
        up = row.verdict != "worse"
        step = f"{row.parameter.moved(self.relative_step)} {'more' if up else 'less'}"
        if math.isnan(row.effect):
            return f"{row.parameter.name}, {step}: {self.kpi} is 0 as it is, so there is no share"
        ends = sorted(abs(x) for x in (row.effect_low, row.effect_high))
        return (
            f"{row.parameter.name}, {step}: {self.kpi} by {abs(row.effect):.1%} "
            f"({ends[0]:.1%} to {ends[1]:.1%})"
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; NaN is None."""
        return {
            "message": self.message,
            "kpi": self.kpi,
            "baseline": plain(self.baseline),
            "relative_step": self.relative_step,
            "replications": self.replications,
            "level": self.level,
            "rows": [row.as_dict() for row in self.rows],
        }


def sensitivities(
    plant: Plant,
    *,
    kpi: str = "throughput_per_h",
    relative_step: float = 0.05,
    replications: int = 16,
    level: float = 0.90,
    only: Sequence[str] | None = None,
    block: int = BLOCK,
    executor: Executor | None = None,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    cache: RunCache | None = None,
    **run: Unpack[RunArguments],
) -> Sensitivities:
    """Move each parameter a little and see what the KPI does, replication by replication.

    What moves how far is said by `parameters`. Where a step leads to both sides it is a central difference,
    else one against the line as it is.

    Args:
        plant: The line as it is.
        kpi: A name of ``twin.engine.KPIS``.
        relative_step: Share by which times and lives are moved, and share of its range by which a set-point
            is, above 0 and below 1.
        replications: Of every variant.
        level: Confidence of each interval.
        only: Work units, zones, teams or loops to look at: a parameter whose path names one of them. None: all.
        block: Replications per piece of work; it changes no result.
        executor: Where pieces run; None: here. It changes no result.
        progress: Told the share that is done, from 0 to 1.
        cancelled: Asked between pieces; True gives up.
        cache: Results that are there need no run. It changes no result.
        run: start, horizon_s, jobs, seed, state, forecasts, maintenance, warm_up_s, mix, engine,
            limited_supply: as in ``twin.engine.simulate``.

    Raises:
        DataError: An argument is out of range, or as in ``twin.engine.simulate``.
        NotFoundError: No such KPI, or ``only`` names what no parameter has.
        CancelledError: ``cancelled`` said so. (concurrent.futures)

    Source:
        Law, Simulation Modeling and Analysis, 5th ed., section 12.5 (derivatives by differences), 11.2 (CRN).
    """
    check_level(level)
    check_kpis([kpi])
    moved = _chosen(parameters(plant, relative_step), only)
    sides = [side for p in moved for side in (p.less, p.more) if side]
    plants: list[Callable[[], Plant]] = [lambda: plant]
    plants += [partial(apply_changes, plant, side) for side in sides]
    execution = Execution(
        block=block, executor=executor, progress=progress, cancelled=cancelled, cache=cache
    )

    def keep(result: RunResult) -> Floats:
        if kpi not in result.kpis:
            raise NotFoundError(f'no KPI "{kpi}" in this run; known are {", ".join(result.kpis)}')
        return np.asarray(result.kpis[kpi])

    found = iter(run_plants(plants, run_arguments(run), range(replications), execution, keep))
    base = next(found)
    rows = []
    for p in moved:
        less, more = (next(found) if side else base for side in (p.less, p.more))
        rows.append(_row(p, kpi, less, more, base, relative_step, level))
    rows.sort(key=lambda row: -abs(row.effect) if row.effect == row.effect else 0.0)
    return Sensitivities(
        kpi=kpi,
        baseline=float(np.nanmean(base)) if not np.isnan(base).all() else math.nan,
        relative_step=relative_step,
        replications=replications,
        level=level,
        rows=tuple(rows),
    )


def _chosen(known: list[Parameter], only: Sequence[str] | None) -> list[Parameter]:
    if only is None:
        return known
    names = {key for p in known for path in p.paths for key in path.split(".")}
    if strange := sorted(set(only) - names):
        raise NotFoundError(f"no parameter belongs to {', '.join(strange)}")
    return [p for p in known if any(set(only) & set(path.split(".")) for path in p.paths)]


def _row(
    parameter: Parameter,
    kpi: str,
    less: Floats,
    more: Floats,
    base: Floats,
    step: float,
    level: float,
) -> Sensitivity:
    pair = paired(kpi, less, more, level)
    mean = abs(float(np.nanmean(base))) if not np.isnan(base).all() else math.nan
    by = mean if mean > 0.0 else math.nan
    relative = step
    if not parameter.shared:
        relative = parameter.step / abs(parameter.value) if parameter.value else math.nan
    ends = (pair.delta, pair.delta_low, pair.delta_high)
    effect, low, high = (x / parameter.apart / by for x in ends)
    return Sensitivity(
        parameter=parameter,
        elasticity=effect / relative,
        elasticity_low=low / relative,
        elasticity_high=high / relative,
        effect=effect,
        effect_low=low,
        effect_high=high,
        verdict=pair.verdict,
    )
