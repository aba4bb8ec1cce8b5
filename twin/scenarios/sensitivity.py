"""How much a KPI answers to each parameter of the line, one at a time, on the same random numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from twin.engine import KPIS, RunResult
from twin.engine.types import Floats
from twin.errors import DataError, NotFoundError
from twin.plant import Plant
from twin.scenarios.arguments import BLOCK, Execution, RunArguments, run_arguments
from twin.scenarios.blocks import run_plants
from twin.scenarios.changes import Change, apply_changes
from twin.scenarios.pairs import Verdict, check_kpis, check_level, paired, plain

if TYPE_CHECKING:
    from twin.scenarios.cache import RunCache

__all__ = ["Parameter", "Sensitivities", "Sensitivity", "parameters", "sensitivities"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A number of the plant file, or several that move together."""

    name: str
    """For people: ``cycle time of press``."""
    paths: tuple[str, ...]
    """Keys from the plant file's root."""
    value: float
    """As it is; of a law its mean. NaN where several move."""
    counted: bool
    """True: it moves up by one. False: up and down by a share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """What one parameter does to a KPI."""

    parameter: Parameter
    elasticity: float
    """Per cent of the KPI per per cent of the parameter; NaN for one more of nothing."""
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
        step = "one more" if up else "one less"
        if not row.parameter.counted:
            step = f"{100 * self.relative_step:g} % {'more' if up else 'less'}"
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


def parameters(plant: Plant) -> list[Parameter]:
    """What can be moved: times and lives of every station by a share; places, machines, people and cards by one."""
    return [*_shares(plant), *_counts(plant)]


def _shares(plant: Plant) -> Iterator[Parameter]:
    for name, unit in plant.work_units.items():
        at = f"work_units.{name}"
        means = [law.mean() for law in unit.cycle_time.values()]
        if max(means) > 0.0:
            value = means[0] if len(means) == 1 else math.nan
            yield _share(f"cycle time of {name}", value, f"{at}.cycle_time")
        setups = {k: v for k, v in unit.setup.model_dump().items() if v > 0.0}
        if setups:
            value = next(iter(setups.values())) if len(setups) == 1 else math.nan
            yield _share(f"setup of {name}", value, *(f"{at}.setup.{key}" for key in setups))
        for key, mode in unit.failure_modes.items():
            path = f"{at}.failure_modes.{key}"
            life = mode.time_to_failure.mean()
            yield _share(f"time to failure {key} of {name}", life, f"{path}.time_to_failure")
            if mode.repair.mean() > 0.0:
                yield _share(f"repair of {key} of {name}", mode.repair.mean(), f"{path}.repair")
        for key, upkeep in unit.upkeep.items():
            if upkeep.duration.mean() > 0.0:
                path = f"{at}.upkeep.{key}.duration"
                yield _share(f"upkeep {key} of {name}", upkeep.duration.mean(), path)
        if unit.release.policy == "arrivals" and unit.release.interarrival is not None:
            path = f"{at}.release.interarrival"
            yield _share(f"time between arrivals at {name}", unit.release.interarrival.mean(), path)
    for name, zone in plant.storage_zones.items():
        if zone.transport_s > 0.0:
            yield _share(
                f"transport through {name}", zone.transport_s, f"storage_zones.{name}.transport_s"
            )


def _share(name: str, value: float, *paths: str) -> Parameter:
    return Parameter(name=name, paths=paths, value=value, counted=False)


def _counts(plant: Plant) -> Iterator[Parameter]:
    def one(name: str, path: str, value: int) -> Parameter:
        return Parameter(name=name, paths=(path,), value=float(value), counted=True)

    for name, zone in plant.storage_zones.items():
        yield one(f"places in {name}", f"storage_zones.{name}.capacity", zone.capacity)
    for name, unit in plant.work_units.items():
        if unit.batch is None:
            yield one(f"machines of {name}", f"work_units.{name}.servers", unit.servers)
    if any(unit.failure_modes or unit.upkeep for unit in plant.work_units.values()):
        yield one("repair crews", "maintenance.crews", plant.maintenance.crews)
    for name, team in plant.operators.items():
        yield one(f"operators in {name}", f"operators.{name}.count", team.count)
    for name, loop in plant.kanban.items():
        yield one(f"cards of {name}", f"kanban.{name}.cards", loop.cards)


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

    Times and lives go down and up by ``relative_step`` (central difference); places, machines, crews,
    operators and cards go up by one, against the line as it is.

    Args:
        plant: The line as it is.
        kpi: A name of ``twin.engine.KPIS``.
        relative_step: Share by which times and lives are moved, above 0 and below 1.
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
    if not 0.0 < relative_step < 1.0:
        raise DataError(f"relative_step is {relative_step}, it must lie between 0 and 1")
    moved = _chosen(parameters(plant), only)
    plants: list[Callable[[], Plant]] = [lambda: plant]
    for parameter in moved:
        plants += _variants(plant, parameter, relative_step)
    execution = Execution(
        block=block, executor=executor, progress=progress, cancelled=cancelled, cache=cache
    )

    def keep(result: RunResult) -> Floats:
        if kpi not in result.kpis:
            raise NotFoundError(f'no KPI "{kpi}" in this run; known are {", ".join(result.kpis)}')
        return np.asarray(result.kpis[kpi])

    found = iter(run_plants(plants, run_arguments(run), range(replications), execution, keep))
    base = next(found)
    rows = [
        _row(p, kpi, base if p.counted else next(found), next(found), base, relative_step, level)
        for p in moved
    ]
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


def _variants(plant: Plant, parameter: Parameter, step: float) -> list[Callable[[], Plant]]:
    if parameter.counted:
        return [
            partial(apply_changes, plant, [Change(path=parameter.paths[0], op="add", value=1.0)])
        ]
    return [
        partial(
            apply_changes,
            plant,
            [Change(path=path, op="multiply", value=factor) for path in parameter.paths],
        )
        for factor in (1.0 - step, 1.0 + step)
    ]


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
    steps = 1.0 if parameter.counted else 2.0
    relative = 1.0 / parameter.value if parameter.counted and parameter.value else step
    if parameter.counted and not parameter.value:
        relative = math.nan
    effect, low, high = (x / steps / by for x in (pair.delta, pair.delta_low, pair.delta_high))
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
