"""Which station the end of a run waited for, and in what: critical paths averaged over replications."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twin.engine import LiveState, RunResult, t_interval
from twin.plant import Plant
from twin.scenarios.critical_path import KINDS, CriticalPath, critical_path
from twin.scenarios.pairs import check_level, plain

__all__ = ["Bottleneck", "StationShare", "averaged", "bottleneck", "critical_paths"]


_SPOKEN = {
    "service": "in service",
    "setup": "in setup",
    "repair": "in repair",
    "maintenance": "in planned maintenance",
    "down": "waiting for a crew",
    "operator": "waiting for an operator",
    "off": "off shift",
    "transport": "on the conveyor to it",
    "release": "waiting for something to start",
    "supply": "waiting for a component",
    "other": "for reasons that the log does not say",
}
_WORTH_SAYING = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class StationShare:
    """What share of the time that decided the end went by at one station."""

    unit: str
    share: float
    """Mean over the replications, between 0 and 1."""
    low: float
    high: float
    """Interval of the mean; NaN with fewer than two replications."""
    kinds: Mapping[str, float]
    """The same share by kind, largest first; a name of ``critical_path.KINDS``."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; NaN is None."""
        return {
            "unit": self.unit,
            "share": self.share,
            "low": plain(self.low),
            "high": plain(self.high),
            "kinds": dict(self.kinds),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Bottleneck:
    """Stations by their share of the critical path, largest first; the shares add up to 1."""

    replications: int
    level: float
    seconds: float
    """Length of the critical path, mean over the replications. [s]"""
    stations: tuple[StationShare, ...]

    @property
    def message(self) -> str:
        """The finding in a sentence."""
        if not self.stations:
            return "nothing happened in this run: no bottleneck"
        first = self.stations[0]
        said = [
            f"{share:.0%} {_SPOKEN[k]}"
            for k, share in first.kinds.items()
            if share >= _WORTH_SAYING
        ]
        if next(iter(first.kinds)) == "release":
            return f"the line waits for parts to start at {first.unit}: {', '.join(said)}"
        return (
            f"the bottleneck is {first.unit}: {first.share:.0%} of the time that decided the end, "
            + ", ".join(said)
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; NaN is None."""
        return {
            "message": self.message,
            "replications": self.replications,
            "level": self.level,
            "seconds": self.seconds,
            "stations": [station.as_dict() for station in self.stations],
        }


def bottleneck(
    run: RunResult, plant: Plant, *, level: float = 0.90, state: LiveState | None = None
) -> Bottleneck:
    """Average the critical paths of all replications, after the warm-up of the run.

    Args:
        run: With its trace.
        plant: As it was simulated.
        level: Confidence of the intervals.
        state: The live state the run began in, if any.

    Raises:
        DataError: The run kept no trace, or ``level`` is no confidence.

    Example:
        >>> from datetime import UTC, datetime
        >>> from twin.engine import simulate
        >>> plant = Plant.model_validate({
        ...     "site": "S", "area": "A", "line": "L", "name": "two units", "timezone": "UTC",
        ...     "currency": "EUR", "calendars": {"always": {"weekly": ["Mon-Sun 00:00-24:00"]}},
        ...     "products": {"P": {"family": "F"}}, "storage_zones": {
        ...         "between": {"upstream": "cut", "downstream": "bend", "capacity": 2}},
        ...     "work_units": {name: {"name": name, "role": "press", "calendar": "always",
        ...         "cycle_time": {"default": {"law": "constant", "value_s": s}}}
        ...         for name, s in (("cut", 30), ("bend", 36))}})
        >>> run = simulate(plant, start=datetime(2026, 3, 2, tzinfo=UTC), horizon_s=3000, trace=True)
        >>> bottleneck(run, plant).message
        'the bottleneck is bend: 99% of the time that decided the end, 99% in service'
    """
    check_level(level)
    return averaged(critical_paths(run, plant, state), plant, level=level)


def critical_paths(
    run: RunResult, plant: Plant, state: LiveState | None = None
) -> list[CriticalPath]:
    """Of all replications of a run with its trace, after its warm-up.

    Raises:
        DataError: The run kept no trace.
    """
    first = run.first_replication
    return [
        critical_path(run, plant, replication=number, state=state, from_s=run.warm_up_s)
        for number in range(first, first + run.replications)
    ]


def averaged(paths: Sequence[CriticalPath], plant: Plant, *, level: float = 0.90) -> Bottleneck:
    """The bottleneck by the critical paths of some replications.

    Args:
        paths: At least one.
        plant: As it was simulated.
        level: Confidence of the intervals.

    Raises:
        DataError: ``level`` is no confidence.
    """
    check_level(level)
    lengths = np.array([path.end_s - path.from_s for path in paths])
    table = np.zeros((len(paths), len(plant.work_units), len(KINDS)))
    units, kinds = list(plant.work_units), list(KINDS)
    for row, path in zip(table, paths, strict=True):
        for unit, by_kind in path.shares.items():
            for kind, seconds in by_kind.items():
                row[units.index(unit), kinds.index(kind)] = seconds
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = np.nan_to_num(table / lengths[:, None, None])
    stations = [_station(unit, shares[:, u], kinds, level) for u, unit in enumerate(units)]
    return Bottleneck(
        replications=len(paths),
        level=level,
        seconds=float(np.mean(lengths)),
        stations=tuple(
            sorted((s for s in stations if s.share > 0.0), key=lambda s: s.share, reverse=True)
        ),
    )


def _station(
    unit: str, shares: np.ndarray[Any, np.dtype[np.float64]], kinds: list[str], level: float
) -> StationShare:
    """Of shares by replication and kind."""
    mean, low, high = t_interval(shares.sum(axis=1), level)
    by_kind = dict(zip(kinds, shares.mean(axis=0).tolist(), strict=True))
    return StationShare(
        unit=unit,
        share=mean,
        low=max(0.0, low) if low == low else low,
        high=min(1.0, high) if high == high else high,
        kinds={
            kind: share
            for kind, share in sorted(by_kind.items(), key=lambda item: -item[1])
            if share > 0.0
        },
    )
