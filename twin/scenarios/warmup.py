"""Where a run has forgotten how it began: MSER-5, and the warm-up time of a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from twin.engine import EventTrace, RunResult, simulate
from twin.engine.types import Floats
from twin.errors import DataError
from twin.plant import Plant
from twin.scenarios.arguments import RunArguments

__all__ = ["Truncation", "WarmUp", "choose_warm_up", "mser5", "warm_up"]

_BATCH = 5
_LEAST = 10
"""Batch means below which nothing can be said."""
_PILOT = 5
"""Replications from which a warm-up is found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncation:
    """How many observations to leave out at the beginning of a series."""

    index: int
    """The first observation to keep; at most half of the series."""
    observations: int
    """Length of the series."""
    standard_error: float
    """Marginal standard error of the mean of what is kept, in the unit of the series."""
    at_limit: bool
    """The minimum lies at the end of the first half, or the series has no 50 values: too short."""

    @property
    def message(self) -> str:
        """What it means, in a sentence."""
        if self.at_limit:
            return (
                f"the run is too short to tell its warm-up: {self.observations} observations, "
                "and no steady half; give it a longer horizon"
            )
        if self.index == 0:
            return "no warm-up is seen: the whole series is kept"
        return f"the first {self.index} of {self.observations} observations are left out"


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUp:
    """The time at the beginning of a run that its KPIs should leave out."""

    seconds: float
    truncation: Truncation | None
    """None where no series was looked at."""
    message: str
    """Why this long, in a sentence."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        found = self.truncation
        return {
            "warm_up_s": self.seconds,
            "left_out": found.index if found else 0,
            "observations": found.observations if found else 0,
            "too_short": found.at_limit if found else False,
            "message": self.message,
        }


def mser5(series: Sequence[float] | Floats) -> Truncation:
    """Leave out what biases the mean more than it steadies it.

    Over means of 5 observations, the number left out minimises the squared standard error of
    the mean of the rest, ``sum((z - mean)**2) / m**2`` over the m means kept. Only the first half
    is looked at, for over a few last means the figure says nothing. Of equal minima the first
    is taken.

    Args:
        series: Observations in their order; what is left over from batches of 5 at the end
            is not looked at. Shape (n,)

    Raises:
        DataError: An observation is not finite.

    Source:
        White, An effective truncation heuristic for bias reduction in simulation output,
        Simulation 69(6), 1997; Hoad, Robinson & Davies, Automating warm-up length estimation,
        J. Operational Research Society 61(9), 2010 (the first half, and what the limit means).

    Example:
        >>> mser5([9.0] * 20 + [5.0, 6.0, 4.0, 5.0, 5.0] * 16).index
        20
    """
    values = np.asarray(series, np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise DataError("a series for MSER-5 is one row of finite numbers")
    batches = len(values) // _BATCH
    if batches < 2:
        return Truncation(
            index=0, observations=len(values), standard_error=float("nan"), at_limit=True
        )
    means = values[: batches * _BATCH].reshape(batches, _BATCH).mean(axis=1)
    # Measured from the last mean, a flat series has sums that are 0 and not nearly 0.
    from_last = (means - means[-1])[::-1]
    kept = np.arange(1, batches + 1)
    squares = np.cumsum(from_last**2) - np.cumsum(from_last) ** 2 / kept
    figure = (np.maximum(squares, 0.0) / kept**2)[::-1]
    half = batches // 2
    best = int(np.argmin(figure[: half + 1]))
    return Truncation(
        index=best * _BATCH,
        observations=len(values),
        standard_error=float(np.sqrt(figure[best])),
        at_limit=batches < _LEAST or best == half,
    )


def warm_up(run: RunResult | EventTrace) -> WarmUp:
    """Warm-up time of a line from a pilot run that began empty.

    MSER-5 over the times between departures, the n-th of each replication averaged over the
    replications (as Welch does); the answer is the mean time at which the last departure that
    is left out happened. Where departures are too few, or all come at once, it is 0.

    Args:
        run: With its trace; several replications make the series smoother.

    Raises:
        DataError: The run kept no trace.
    """
    trace = run.trace if isinstance(run, RunResult) else run
    if trace is None:
        raise DataError("a warm-up is found in the event log: run with trace=True")
    departures = _departures(trace)
    shortest = min((len(times) for times in departures), default=0)
    if shortest == 0:
        return WarmUp(seconds=0.0, truncation=None, message="no part left the line: no warm-up")
    times = np.mean([one[:shortest] for one in departures], axis=0)
    found = mser5(np.diff(times, prepend=0.0))
    seconds = float(times[found.index - 1]) if found.index else 0.0
    return WarmUp(seconds=seconds, truncation=found, message=found.message)


def choose_warm_up(plant: Plant, asked: float | Literal["auto"], run: RunArguments) -> WarmUp:
    """The warm-up of runs with these arguments, and why it is so long.

    Args:
        plant: The line.
        asked: Seconds; "auto": MSER-5 on five pilot replications, or 0 where the runs begin in a live
            state or work off jobs.
        run: Arguments of the runs; their own ``warm_up_s`` is not looked at.

    Raises:
        DataError: As in ``twin.engine.simulate``.
    """
    if asked != "auto":
        return WarmUp(seconds=float(asked), truncation=None, message="as asked for")
    if run.get("state") is not None:
        return WarmUp(seconds=0.0, truncation=None, message="begins in a live state: no warm-up")
    if run.get("jobs") is not None:
        return WarmUp(seconds=0.0, truncation=None, message="works off jobs: no warm-up")
    arguments = run.copy()
    arguments["warm_up_s"] = 0.0
    return warm_up(simulate(plant, replications=_PILOT, trace=True, **arguments))


def _departures(trace: EventTrace) -> list[Floats]:
    """Times at which parts left the line at its end, by replication."""
    leaves = trace.kind == (trace.kinds.index("leave") if "leave" in trace.kinds else -1)
    return [
        np.sort(trace.time_s[leaves & (trace.replication == number)])
        for number in np.unique(trace.replication)
    ]
