"""What a small line with known exact figures is, and how an engine is held against it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.engine_lab import START
from twin.engine import RunResult, simulate
from twin.engine.choose import Engine
from twin.plant import Plant

ENGINES: tuple[Engine, ...] = ("reference", "events", "recursion")
Reads = Callable[[RunResult], NDArray[np.float64]]

ROOMY = 1_000_000
"""Places of a zone that is never full."""


def reference_relative(relative: float) -> float:
    """Relative standard error asked of the reference, which is up to a thousand times slower."""
    return max(5e-3, 10.0 * relative)


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One figure of a case."""

    what: str
    exact: float
    reads: Reads
    published: str = ""
    """As a source prints it; empty where the source gives a formula."""
    relative: float = 2e-4
    """Largest relative standard error at the length of the case."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A line, how long it runs, and what is known of it."""

    name: str
    source: str
    line: Callable[[], Plant]
    facts: tuple[Fact, ...]
    horizon_s: float
    """Of each replication, on the compiled engines. [s]"""
    warm_up_s: float = 300.0
    options: Mapping[str, Any] = field(default_factory=dict)
    recursion: bool = False
    """The order of parts is fixed, so the (max,+) recursion can run it."""

    def run(
        self,
        engine: Engine,
        seed: int = 3,
        replications: int = 32,
        relative: float | None = None,
    ) -> RunResult:
        """Simulated; on the reference so much shorter that its looser error is just met.

        With ``relative``, so much longer that all figures come to that relative standard error.
        """
        horizon_s = self.horizon_s
        if relative is not None:
            longer = max((f.relative / relative) ** 2 for f in self.facts)
            horizon_s = self.warm_up_s + (self.horizon_s - self.warm_up_s) * max(1.0, longer)
        elif engine == "reference":
            shorter = max((f.relative / reference_relative(f.relative)) ** 2 for f in self.facts)
            horizon_s = self.warm_up_s + (self.horizon_s - self.warm_up_s) * 1.2 * shorter
        return simulate(
            self.line(),
            start=START,
            horizon_s=horizon_s,
            warm_up_s=self.warm_up_s,
            replications=replications,
            seed=seed,
            engine=engine,
            **self.options,
        )


@dataclass(frozen=True)
class Estimate:
    """Mean over independent replications."""

    mean: float
    error: float
    """Standard error of the mean."""

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Estimate:
        return cls(float(np.mean(values)), float(np.std(values, ddof=1)) / math.sqrt(len(values)))


def rate(run: RunResult) -> NDArray[np.float64]:
    """Good parts per second."""
    return run.kpis["good_parts"] / run.measured_s


def kpi(name: str) -> Reads:
    return lambda run: run.kpis[name]


def share(work_unit: str, *states: str) -> Reads:
    return lambda run: np.asarray(sum(run.unit_states[work_unit][state] for state in states))


def geometric(mean_s: float) -> dict[str, Any]:
    return {"law": "geometric", "mean_s": mean_s, "step_s": 1.0}


def failing(life: Mapping[str, Any], repair: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"failure_modes": {"jam": {"time_to_failure": life, "repair": repair, **more}}}


def with_parts(line: Plant, **more: Any) -> Plant:
    """The same plant with more keys at its top."""
    return Plant.model_validate(line.model_dump() | more)


def throughput(exact: float, published: str = "", relative: float = 2e-4) -> Fact:
    return Fact(
        what="parts per second", exact=exact, reads=rate, published=published, relative=relative
    )
