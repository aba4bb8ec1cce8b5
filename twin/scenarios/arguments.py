"""What every experiment hands on to the engine, and how its runs are carried out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Required, TypedDict

from twin.engine import Engine, Job, LiveState, PlannedMaintenance, RunResult, simulate
from twin.errors import DataError
from twin.plant import FailureForecast, Plant

if TYPE_CHECKING:
    from twin.scenarios.cache import RunCache

__all__ = ["BLOCK", "Execution", "RunArguments", "run_arguments", "simulated"]

BLOCK = 8
"""Replications in a file of the cache."""


class RunArguments(TypedDict, total=False):
    """Arguments of ``twin.engine.simulate`` that all runs of an experiment share; meaning and defaults as there."""

    start: Required[datetime]
    horizon_s: Required[float]
    jobs: Sequence[Job] | None
    seed: int
    state: LiveState | None
    forecasts: Sequence[FailureForecast]
    maintenance: Sequence[PlannedMaintenance]
    warm_up_s: float
    mix: Mapping[str, int] | None
    engine: Engine
    limited_supply: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """How runs are carried out. Nothing of it changes a result."""

    block: int | None = None
    """Replications per piece of work. None: few enough that progress is seen."""
    executor: Executor | None = None
    """Where pieces run; None: here."""
    progress: Callable[[float], None] | None = None
    """Told the share that is done, from 0 to 1, in the thread that asked."""
    cancelled: Callable[[], bool] | None = None
    """Asked between pieces; True gives up."""
    cache: RunCache | None = None
    """Where results are kept, in pieces of ``BLOCK`` replications."""

    def __post_init__(self) -> None:
        if self.block is not None and self.block < 1:
            raise DataError("replications and block must be at least 1")


def run_arguments(given: RunArguments) -> RunArguments:
    """The arguments, if the engine has all of them; lists as tuples, so that nobody changes them meanwhile.

    Raises:
        TypeError: An argument has another name, or ``start`` or ``horizon_s`` is missing.

    Example:
        >>> run_arguments({"start": datetime(2026, 3, 2), "horizon_s": 60.0, "jobs": []})["jobs"]
        ()
    """
    strange = sorted(set(given) - set(RunArguments.__annotations__))
    missing = sorted({"start", "horizon_s"} - set(given))
    if strange or missing:
        known = ", ".join(RunArguments.__annotations__)
        raise TypeError(
            f"a run takes {known}; not known: {strange or 'none'}, missing: {missing or 'none'}"
        )
    run = given.copy()
    if (jobs := given.get("jobs")) is not None:
        run["jobs"] = tuple(jobs)
    if "forecasts" in given:
        run["forecasts"] = tuple(given["forecasts"])
    if "maintenance" in given:
        run["maintenance"] = tuple(given["maintenance"])
    return run


def simulated(plant: Plant, run: RunArguments, first: int, count: int) -> RunResult:
    """One piece of work: these replications, wherever it runs."""
    return simulate(plant, first_replication=first, replications=count, **run)
