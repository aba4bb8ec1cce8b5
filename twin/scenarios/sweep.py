"""A sweep: every combination of values over a grid, each paired with the line as it is."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Executor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

from twin.engine import KPIS, RunResult, t_interval
from twin.engine.types import Floats
from twin.errors import DataError, Fault, FileFaults
from twin.plant import Plant
from twin.scenarios.arguments import Execution, RunArguments, run_arguments
from twin.scenarios.blocks import run_plants
from twin.scenarios.changes import Change, apply_changes, parse_change
from twin.scenarios.pairs import KpiComparison, check_kpis, check_level, paired, plain
from twin.scenarios.played import played

if TYPE_CHECKING:
    from twin.scenarios.cache import RunCache

__all__ = ["MOST_POINTS", "Sweep", "SweepPoint", "sweep", "sweep_points"]

MOST_POINTS = 10_000
"""Combinations in one sweep."""
_NAMED = 20
"""Points that one fault names; of the others it says how many they are."""

Value = float | str
Grid = Mapping[str, Sequence[Value]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPoint:
    """One combination, held against the line as it is."""

    values: tuple[Value, ...]
    """By path, as the grid gave them; numbers as floats."""
    changes: tuple[Change, ...]
    means: Mapping[str, tuple[float, float, float]]
    """Mean of each KPI here, and the ends of its own interval."""
    kpis: Mapping[str, KpiComparison]
    """Paired with the baseline, replication by replication."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Every combination of a grid, in the order in which the last path moves fastest."""

    paths: tuple[str, ...]
    level: float
    engine: str
    reason: str
    """Why this engine ran; where several did, on which runs."""
    seed: int
    replications: int
    horizon_s: float
    warm_up_s: float
    baseline: Mapping[str, tuple[float, float, float]]
    """Mean of each KPI of the line as it is, and the ends of its interval."""
    points: tuple[SweepPoint, ...]

    def columns(self) -> list[str]:
        """Names of the columns of `rows`: the paths, then seven for each KPI."""
        return [*self.paths, *(name + end for name in self.baseline for end in _ENDS)]

    def rows(self) -> list[dict[str, Any]]:
        """A flat table, one row for each point: plain values, NaN is None."""
        return [self._row(point) for point in self.points]

    def _row(self, point: SweepPoint) -> dict[str, Any]:
        row: dict[str, Any] = dict(zip(self.paths, point.values, strict=True))
        for name in self.baseline:
            for end, value in _figures(point, name).items():
                row[name if end == "mean" else f"{name}_{end}"] = value
        return row

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; NaN is None."""
        return {
            "paths": list(self.paths),
            "engine": self.engine,
            "engine_reason": self.reason,
            "seed": self.seed,
            "replications": self.replications,
            "horizon_h": self.horizon_s / 3600.0,
            "warm_up_s": self.warm_up_s,
            "level": self.level,
            "kpis": [
                {"name": name, "unit": KPIS[name].unit, "better": KPIS[name].better}
                for name in self.baseline
            ],
            "baseline": {name: _interval(found) for name, found in self.baseline.items()},
            "points": [
                {
                    "values": list(point.values),
                    "changes": [str(change) for change in point.changes],
                    "kpis": {name: _figures(point, name) for name in self.baseline},
                }
                for point in self.points
            ],
        }


_ENDS = ("", "_low", "_high", "_delta", "_delta_low", "_delta_high", "_verdict")


def _interval(found: tuple[float, float, float]) -> dict[str, float | None]:
    return dict(zip(("mean", "low", "high"), map(plain, found), strict=True))


def _figures(point: SweepPoint, name: str) -> dict[str, float | str | None]:
    pair = point.kpis[name]
    return {
        **_interval(point.means[name]),
        "delta": plain(pair.delta),
        "delta_low": plain(pair.delta_low),
        "delta_high": plain(pair.delta_high),
        "verdict": pair.verdict,
    }


def sweep(
    plant: Plant,
    grid: Grid,
    *,
    replications: int = 16,
    level: float = 0.90,
    kpis: Sequence[str] | None = None,
    block: int | None = None,
    executor: Executor | None = None,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    cache: RunCache | None = None,
    **run: Unpack[RunArguments],
) -> Sweep:
    """Run the line at every combination of the values, and once as it is, all on the same streams.

    Args:
        plant: The line as it is.
        grid: Values by path of the plant file: numbers are set; texts are what stands after the ``=``
            of a change: ``+3``, ``*1.1``, ``12``.
        replications: Of every point.
        level: Confidence of the intervals.
        kpis: Those that are kept, by name; None: all that the runs give.
        block, executor, progress, cancelled, cache: As in `compare`; they change no result.
        run: As in `compare`, for every point.

    Returns:
        The table.

    Raises:
        DataError: The grid is empty or has more than ``MOST_POINTS`` points, a value is no value, or as in
            ``twin.engine.simulate``.
        FileFaults: Everything that is wrong at any point; nothing has run.
        NotFoundError: There is no such KPI.
        CancelledError: ``cancelled`` said so. (concurrent.futures)

    Source:
        Law, Simulation Modeling and Analysis, 5th ed., sections 10.2.1, 11.2 and 12.2 (full factorial).

    Example:
        >>> from datetime import UTC, datetime
        >>> plant = Plant.model_validate({
        ...     "site": "S", "area": "A", "line": "L", "name": "two units", "timezone": "UTC",
        ...     "currency": "EUR", "calendars": {"always": {"weekly": ["Mon-Sun 00:00-24:00"]}},
        ...     "products": {"P": {"family": "F"}}, "storage_zones": {
        ...         "between": {"upstream": "cut", "downstream": "bend", "capacity": 0}},
        ...     "work_units": {name: {"name": name, "role": "press", "calendar": "always",
        ...         "cycle_time": {"default": {"law": "exponential", "mean_s": 30}}} for name in ("cut", "bend")}})
        >>> found = sweep(plant, {"buffer.between.capacity": [4], "station.cut.cycle_time": ["*0.8", "*1"]},
        ...     replications=4, start=datetime(2026, 3, 2, tzinfo=UTC), horizon_s=3600.0)
        >>> [point.values for point in found.points]
        [(4.0, '*0.8'), (4.0, '*1')]
        >>> found.rows()[0]["throughput_per_h_verdict"]
        'better'
    """
    check_level(level)
    check_kpis(kpis or ())
    arguments = run_arguments(run)
    points = sweep_points(plant, grid, cancelled)
    execution = Execution(
        block=block, executor=executor, progress=progress, cancelled=cancelled, cache=cache
    )
    keep = partial(_kept, kpis)
    plants = [partial(apply_changes, plant, changes) for _, changes in points]
    todo: list[Callable[[], Plant]] = [lambda: plant, *plants]
    baseline, *others = run_plants(todo, arguments, range(replications), execution, keep)
    kept = (baseline, *others)
    engine, reason = played((one.engine, one.reason, replications) for one in kept)
    return Sweep(
        paths=tuple(grid),
        level=level,
        engine=engine,
        reason=reason,
        seed=baseline.seed,
        replications=replications,
        horizon_s=baseline.horizon_s,
        warm_up_s=arguments.get("warm_up_s", 0.0),
        baseline=_means(baseline, level),
        points=tuple(
            SweepPoint(
                values=values,
                changes=changes,
                means=_means(one, level),
                kpis={
                    name: paired(name, baseline.kpis[name], one.kpis[name], level)
                    for name in baseline.kpis
                },
            )
            for (values, changes), one in zip(points, others, strict=True)
        ),
    )


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a point keeps of its runs: ten thousand whole results would not fit in memory."""

    engine: str
    reason: str
    seed: int
    horizon_s: float
    kpis: Mapping[str, Floats]


def _kept(kpis: Sequence[str] | None, result: RunResult) -> _Kept:
    found = {n: v for n, v in result.kpis.items() if kpis is None or n in kpis}
    return _Kept(result.engine, result.reason, result.seed, result.horizon_s, found)


def _means(kept: _Kept, level: float) -> dict[str, tuple[float, float, float]]:
    return {name: t_interval(values, level) for name, values in kept.kpis.items()}


Point = tuple[tuple[Value, ...], tuple[Change, ...]]


def sweep_points(
    plant: Plant, grid: Grid, cancelled: Callable[[], bool] | None = None
) -> list[Point]:
    """All combinations of a grid, each checked against the plant.

    Args:
        plant: The line as it is.
        grid: As in `sweep`.
        cancelled: Asked before each point, for ten thousand take a quarter of a minute.

    Returns:
        (values, changes) of each point; the last path moves fastest.

    Raises:
        DataError: The grid is empty or too large, or a value is no value.
        FileFaults: Everything that is wrong at any point, with the points at which it is.
        CancelledError: ``cancelled`` said so. (concurrent.futures)
    """
    size = math.prod(len(values) for values in grid.values()) if grid else 0
    if size == 0:
        raise DataError("the grid has no point: it needs a path, and a value for each path")
    if size > MOST_POINTS:
        raise DataError(
            f"the grid has {size:,} points, more than {MOST_POINTS:,}: fewer values, or one path at a time"
        )
    axes = [[_change(path, v) for v in values] for path, values in grid.items()]
    points: list[Point] = []
    for combination in itertools.product(*axes):
        values, changes = zip(*combination, strict=True)
        points.append((values, changes))
    _check(plant, points, cancelled or (lambda: False))
    return points


def _change(path: str, value: Value) -> tuple[Value, Change]:
    """One value of a path, and what it changes. A number is a float whoever asks, so answers have the same bytes."""
    if isinstance(value, str):
        return value, parse_change(f"{path}={value}")
    return float(value), Change(path=path, op="set", value=float(value))


def _check(plant: Plant, points: Sequence[Point], cancelled: Callable[[], bool]) -> None:
    found: dict[Fault, list[str]] = {}
    for _, changes in points:
        if cancelled():
            raise CancelledError
        try:
            apply_changes(plant, changes)
        except FileFaults as e:
            for fault in e.faults:
                found.setdefault(fault, []).append(", ".join(map(str, changes)))
    if found:
        raise FileFaults([_at(fault, where) for fault, where in found.items()])


def _at(fault: Fault, where: Sequence[str]) -> Fault:
    if where == [fault.place]:
        return Fault("sweep", fault.place, fault.found, fault.remedy)
    more = f" and {len(where) - _NAMED} more" if len(where) > _NAMED else ""
    points = "; ".join(where[:_NAMED])
    return Fault("sweep", fault.place, f"{fault.found} (at {points}{more})", fault.remedy)
