"""What goes into a run and what comes out: jobs, planned work, results. No event loop."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from twin.errors import NotFoundError

__all__ = [
    "KPIS",
    "EventTrace",
    "Floats",
    "Ints",
    "Job",
    "KpiMeaning",
    "PlannedMaintenance",
    "RunResult",
    "t_interval",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """So many parts of one product still to start, for one order.

    Jobs start in the order in which they are given; the first waits for its release. The
    engine never subtracts what has been started: ``twin.engine.open_jobs`` does that once.
    """

    order_id: str
    product: str
    quantity: int
    """Parts still to start."""
    release_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedMaintenance:
    """Planned work on one unit: it stops the unit at ``start_at`` and renews a failure mode."""

    work_unit: str
    start_at: datetime
    duration_s: float
    failure_mode: str | None = None
    """The mode that is as new afterwards; None: no mode is renewed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KpiMeaning:
    """Unit of a KPI, which way is good, and one line on what it counts."""

    unit: str
    better: Literal["higher", "lower", "neither"]
    meaning: str


KPIS: Mapping[str, KpiMeaning] = {
    "throughput_per_h": KpiMeaning(
        unit="1/h", better="higher", meaning="good parts per hour that the last unit was on shift"
    ),
    "good_parts": KpiMeaning(
        unit="count", better="higher", meaning="parts that left at the end of the line"
    ),
    "scrapped_parts": KpiMeaning(
        unit="count", better="lower", meaning="parts that an inspection took out"
    ),
    "escaped_defects": KpiMeaning(
        unit="count", better="lower", meaning="good parts with a defect that no inspection found"
    ),
    "reworked_parts": KpiMeaning(
        unit="count", better="lower", meaning="times that an inspection sent a part to rework"
    ),
    "lost_parts": KpiMeaning(
        unit="count", better="lower", meaning="arrivals that found no place to wait"
    ),
    "yield_ratio": KpiMeaning(
        unit="1", better="higher", meaning="good parts over good and scrapped parts"
    ),
    "work_in_process": KpiMeaning(
        unit="count", better="lower", meaning="parts in units and zones, mean over time"
    ),
    "flow_time_s": KpiMeaning(
        unit="s", better="lower", meaning="launch to leaving, mean over good parts launched here"
    ),
    "oee_ratio": KpiMeaning(
        unit="1",
        better="higher",
        meaning="production over time on shift, of the busiest unit, times the yield (ISO 22400)",
    ),
    "energy_kwh": KpiMeaning(
        unit="kWh", better="neither", meaning="electrical energy of all work units"
    ),
    "energy_per_part_kwh": KpiMeaning(
        unit="kWh", better="lower", meaning="electrical energy per good part"
    ),
    "tardiness_h": KpiMeaning(
        unit="h",
        better="lower",
        meaning="hours after the due date, mean over orders; one not finished counts to the end",
    ),
}
"""Every KPI of a run, by name. ``tardiness_h`` is there only when an order has a due date."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EventTrace:
    """What happened in one run, one row per event, by replication, time and unit, then as it happened."""

    replication: Ints
    time_s: Floats
    """Seconds from the start of the run. Shape (events,), as all columns."""
    unit: NDArray[np.int32]
    """Index into ``units``."""
    kind: NDArray[np.int8]
    """Index into ``kinds``."""
    part: Ints
    """Launch number of the part; -1 where there is none."""
    order: NDArray[np.int32]
    """Index into ``orders``; -1 where there is none."""
    product: NDArray[np.int32]
    """Index into ``products``; -1 where there is none."""
    units: tuple[str, ...]
    kinds: tuple[str, ...]
    orders: tuple[str, ...]
    products: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.time_s)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunResult:
    """What the replications of one run gave.

    Counts by hour cover the whole horizon from the start; KPIs and state shares cover the
    measured time: from ``warm_up_s`` to the end.
    """

    engine: str
    """Which engine ran: reference, events or recursion. They give the same."""
    reason: str
    """Why that one."""
    seed: int
    replications: int
    first_replication: int
    start: datetime
    horizon_s: float
    warm_up_s: float
    measured_s: Floats
    """Time over which KPIs are measured. [s] Shape (replications,), as all below by default."""
    kpis: Mapping[str, Floats]
    """By name; ``KPIS`` says unit and meaning. NaN where a replication cannot say."""
    unit_states: Mapping[str, Mapping[str, Floats]]
    """Share of the measured time by unit and WorkUnitState value."""
    unit_energy_kwh: Mapping[str, Mapping[str, Floats]]
    """Electrical energy in the measured time by unit and WorkUnitState value. [kWh]"""
    unit_kpis: Mapping[str, Mapping[str, Floats]]
    """``availability``, ``effectiveness``, ``quality_ratio`` and their product ``oee`` of each unit, after
    ISO 22400-2; NaN where a denominator is 0. docs/explanation/kpis.md"""
    starts: Mapping[tuple[str, str], Ints]
    """Parts whose work began, by (unit, product) and hour. Shape (replications, hours)."""
    failures: Mapping[tuple[str, str], Ints]
    """Failures by (unit, mode) and hour. Shape (replications, hours)."""
    order_started_s: Mapping[str, Floats]
    """First part launched, from the start. [s] 0 when it was in the line before; NaN: never."""
    order_finished_s: Mapping[str, Floats]
    """Last part left, good or scrapped, from the start. [s] NaN: not within the horizon."""
    order_good: Mapping[str, Floats]
    """Good parts of the order that left within the horizon."""
    order_lateness_h: Mapping[str, Floats]
    """Finished after the due date; below 0: before it. Orders that have one. [h] NaN: not within the horizon."""
    trace: EventTrace | None = None

    def summary(self, kpi: str, level: float = 0.90) -> tuple[float, float, float]:
        """Mean of a KPI and its confidence interval over the replications.

        Args:
            kpi: A name of ``kpis``.
            level: Confidence of the interval.

        Returns:
            (mean, low, high); low and high are NaN with fewer than two replications.

        Raises:
            NotFoundError: No such KPI in this run; the message lists the known ones.
        """
        if kpi not in self.kpis:
            raise NotFoundError(f'no KPI "{kpi}" in this run; known are {", ".join(self.kpis)}')
        return t_interval(self.kpis[kpi], level)

    def as_dict(self) -> dict[str, Any]:
        """The run as plain values for JSON: summaries and mean shares, no arrays; NaN is None."""
        kpis = {}
        for name in self.kpis:
            mean, low, high = self.summary(name)
            kpis[name] = {
                "unit": KPIS[name].unit,
                "mean": _plain(mean),
                "low": _plain(low),
                "high": _plain(high),
            }
        return {
            "engine": self.engine,
            "engine_reason": self.reason,
            "seed": self.seed,
            "replications": self.replications,
            "start": self.start.isoformat(),
            "horizon_s": self.horizon_s,
            "warm_up_s": self.warm_up_s,
            "kpis": kpis,
            "unit_states": {
                unit: {state: _plain(float(np.mean(share))) for state, share in states.items()}
                for unit, states in self.unit_states.items()
            },
            "unit_state_intervals": {
                unit: {
                    state: [_plain(bound) for bound in t_interval(share, 0.90)[1:]]
                    for state, share in states.items()
                }
                for unit, states in self.unit_states.items()
            },
            "unit_energy_kwh": {
                unit: {state: _interval(energy) for state, energy in states.items()}
                for unit, states in self.unit_energy_kwh.items()
            },
            "unit_kpis": {
                unit: {name: _interval(values) for name, values in found.items()}
                for unit, found in self.unit_kpis.items()
            },
            "orders": {order: self._order(order) for order in self.order_finished_s},
        }

    def _order(self, order: str) -> dict[str, Any]:
        finished, late = self.order_finished_s[order], self.order_lateness_h.get(order)
        mean, low, high = t_interval(finished, 0.90)
        return {
            "started_s": _plain(_mean(self.order_started_s[order])),
            "finished_s": _plain(mean),
            "finished_interval_s": [_plain(low), _plain(high)],
            "finished_share": float(np.mean(~np.isnan(finished))),
            "good": _plain(_mean(self.order_good[order])),
            "lateness_h": None if late is None else _interval(late),
        }


def t_interval(values: Floats, level: float) -> tuple[float, float, float]:
    """Mean and Student t confidence interval; NaN values are left out.

    Args:
        values: Independent observations. Shape (n,)
        level: Confidence between 0 and 1.

    Returns:
        (mean, low, high); low and high are NaN when n < 2, all are NaN when n = 0.

    Source:
        Law, Simulation Modeling and Analysis, 5th ed., section 4.5.

    Example:
        >>> x = np.array([1.20, 1.50, 1.68, 1.89, 0.95, 1.49, 1.58, 1.55, 0.50, 1.09])
        >>> mean, low, high = t_interval(x, 0.90)
        >>> round(mean, 2), round((high - low) / 2, 2)
        (1.34, 0.24)
    """
    from scipy import (
        special,  # slow to load, and most of what imports this module needs no interval
    )

    kept = values[~np.isnan(values)]
    n = len(kept)
    if n == 0:
        return math.nan, math.nan, math.nan
    mean = float(np.mean(kept))
    if n == 1:
        return mean, math.nan, math.nan
    half = float(special.stdtrit(n - 1, (1.0 + level) / 2.0)) * float(np.std(kept, ddof=1))
    half /= math.sqrt(n)
    return mean, mean - half, mean + half


def _interval(values: Floats) -> dict[str, float | None]:
    """Mean and 90 % interval as plain values."""
    return dict(zip(("mean", "low", "high"), map(_plain, t_interval(values, 0.90)), strict=True))


def _mean(values: Floats) -> float:
    kept = values[~np.isnan(values)]
    return float(np.mean(kept)) if len(kept) else math.nan


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value
