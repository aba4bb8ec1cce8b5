"""Replications until the interval of a KPI is as narrow as was asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Unpack

from twin.engine import RunResult, t_interval
from twin.engine.types import Floats
from twin.errors import DataError, NotFoundError
from twin.plant import Plant
from twin.scenarios.arguments import BLOCK, Execution, RunArguments, run_arguments
from twin.scenarios.blocks import run_plants
from twin.scenarios.pairs import check_kpis, check_level, plain
from twin.scenarios.played import joined_pieces
from twin.scenarios.stored import first_replications
from twin.scenarios.warmup import WarmUp, choose_warm_up

if TYPE_CHECKING:
    from twin.scenarios.cache import RunCache

__all__ = ["PreciseRun", "Precision", "run_until"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """How well a KPI is known."""

    mean: float
    low: float
    high: float
    relative_half_width: float
    """Half of the interval over the mean, without sign; NaN where nothing is known."""
    reached: bool

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; NaN and infinity are None."""
        width = self.relative_half_width
        return {
            "mean": plain(self.mean),
            "low": plain(self.low),
            "high": plain(self.high),
            "relative_half_width": width if math.isfinite(width) else None,
            "reached": self.reached,
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PreciseRun:
    """As many replications as it took."""

    run: RunResult
    """The same, to the bit, as one ``simulate`` call with so many replications and this warm-up."""
    kpis: Mapping[str, Precision]
    """Those that were asked for."""
    relative_half_width: float
    level: float
    at_most: int
    warm_up: WarmUp

    @property
    def reached(self) -> bool:
        """Every KPI is as precise as was asked for."""
        return all(kpi.reached for kpi in self.kpis.values())

    @property
    def message(self) -> str:
        """What came of it, in a sentence."""
        n, asked = self.run.replications, f"{self.relative_half_width:g} of the mean"
        if self.reached:
            return f"{n} replications: every interval is within {asked} on each side"
        open_ = [name for name, kpi in self.kpis.items() if not kpi.reached]
        return (
            f"stopped at {n} replications, the most that were allowed: {', '.join(open_)} "
            f"not yet within {asked}; allow more, or a longer horizon"
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "message": self.message,
            "reached": self.reached,
            "replications": self.run.replications,
            "relative_half_width": self.relative_half_width,
            "level": self.level,
            "at_most": self.at_most,
            "warm_up": self.warm_up.as_dict(),
            "precision": {name: kpi.as_dict() for name, kpi in self.kpis.items()},
            "run": self.run.as_dict(),
        }


def run_until(
    plant: Plant,
    *,
    relative_half_width: float,
    kpi: str | Sequence[str] = "throughput_per_h",
    level: float = 0.95,
    first: int = 10,
    at_most: int = 1000,
    warm_up: float | Literal["auto"] = "auto",
    block: int = BLOCK,
    executor: Executor | None = None,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    cache: RunCache | None = None,
    **run: Unpack[RunArguments],
) -> PreciseRun:
    """Add replications until the half-width of every interval is small against its mean.

    Stops at the first n >= ``first`` for which half-width / abs(mean) <= g / (1 + g), where g is
    ``relative_half_width``: then the mean is within g of the true one with about the asked confidence. How
    many are run ahead, and where, changes nothing.

    Args:
        plant: The line.
        relative_half_width: Above 0 and below 1; 0.01 is one per cent.
        kpi: One name of ``twin.engine.KPIS``, or several.
        level: Confidence of each interval.
        first: Fewest replications; Law advises 10.
        at_most: Most replications.
        warm_up: Seconds; "auto": MSER-5 on five pilot replications, or 0 where the run begins in a live
            state or works off jobs.
        block: Replications per piece of work; it changes no result.
        executor: Where pieces run; None: here. It changes no result.
        progress: Told the share of the replications that are thought to be needed, from 0 to 1.
        cancelled: Asked between pieces; True gives up.
        cache: Results that are there need no run. It changes no result.
        run: start, horizon_s, jobs, seed, state, forecasts, maintenance, mix, engine, limited_supply:
            as in ``twin.engine.simulate``.

    Raises:
        DataError: An argument is out of range, or as in ``twin.engine.simulate``.
        NotFoundError: The run has no such KPI.
        CancelledError: ``cancelled`` said so. (concurrent.futures)

    Source:
        Law, Simulation Modeling and Analysis, 5th ed., section 9.4.1 (sequential procedure).
    """
    names = (kpi,) if isinstance(kpi, str) else tuple(kpi)
    _check(relative_half_width, level, first, at_most, names)
    if "warm_up_s" in run:
        raise TypeError("say warm_up, in seconds, instead of warm_up_s")
    arguments = run_arguments(run)
    begins = choose_warm_up(plant, warm_up, arguments)
    arguments["warm_up_s"] = begins.seconds
    told = _Told(progress)

    def more(n: int, until: int) -> list[RunResult]:
        execution = Execution(
            block=block,
            executor=executor,
            progress=told.part(n, until),
            cancelled=cancelled,
            cache=cache,
        )
        return run_plants([lambda: plant], arguments, range(n, until), execution, lambda r: r)

    width = relative_half_width / (1.0 + relative_half_width)
    whole = _enough(more, names, first, at_most, level, width)
    told.all()
    return PreciseRun(
        run=whole,
        kpis={name: _precision(whole.kpis[name], level, width) for name in names},
        relative_half_width=relative_half_width,
        level=level,
        at_most=at_most,
        warm_up=begins,
    )


def _enough(
    more: Callable[[int, int], list[RunResult]],
    names: Sequence[str],
    first: int,
    at_most: int,
    level: float,
    width: float,
) -> RunResult:
    """The fewest replications whose intervals are narrow enough, or as many as are allowed."""
    done: list[RunResult] = []
    n, until = 0, first
    while True:
        done += more(n, until)
        both = joined_pieces(done)
        if missing := [name for name in names if name not in both.kpis]:
            known = ", ".join(both.kpis)
            raise NotFoundError(f'no KPI "{missing[0]}" in this run; known are {known}')
        values = [both.kpis[name] for name in names]
        for m in range(max(first, n + 1), until + 1):
            if all(_width(v[:m], level) <= width for v in values):
                return both if m == until else first_replications(both, m)
        if until == at_most:
            return both
        n, until = until, min(_following(values, until, level, width), at_most)


def _check(width: float, level: float, first: int, at_most: int, names: Sequence[str]) -> None:
    check_level(level)
    if not 0.0 < width < 1.0:
        raise DataError(f"relative_half_width is {width}, it must lie between 0 and 1")
    if first < 2 or at_most < first:
        raise DataError(f"first is {first} and at_most {at_most}; 2 <= first <= at_most must hold")
    if not names:
        raise DataError("name at least one KPI")
    check_kpis(names)


def _width(values: Floats, level: float) -> float:
    """Relative half-width; infinite where there is no interval or the mean is 0."""
    mean, low, high = t_interval(values, level)
    if math.isnan(low):
        return math.inf
    half = (high - low) / 2.0
    return 0.0 if half == 0.0 else half / abs(mean) if mean else math.inf


def _following(values: Sequence[Floats], n: int, level: float, width: float) -> int:
    """How many are likely to be enough: half-widths shrink with the root of n; at most twice as many."""
    ratio = max(_width(v, level) for v in values) / width
    likely = math.ceil(n * ratio**2) if math.isfinite(ratio) else 2 * n
    return min(max(likely, n + 1), 2 * n)


def _precision(values: Floats, level: float, width: float) -> Precision:
    mean, low, high = t_interval(values, level)
    found = _width(values, level)
    return Precision(
        mean=mean, low=low, high=high, relative_half_width=found, reached=found <= width
    )


class _Told:
    """Progress that never goes back, although more turns out to be needed."""

    def __init__(self, progress: Callable[[float], None] | None) -> None:
        self._progress = progress
        self._share = 0.0

    def part(self, n: int, until: int) -> Callable[[float], None] | None:
        """For the replications from n until the next look."""
        if self._progress is None:
            return None

        def tell(share: float) -> None:
            self._tell(min(0.99, (n + share * (until - n)) / until))

        return tell

    def all(self) -> None:
        """Nothing more is needed."""
        self._tell(1.0)

    def _tell(self, share: float) -> None:
        self._share = max(self._share, share)
        if self._progress is not None:
            self._progress(self._share)
