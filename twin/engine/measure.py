"""What one replication counts, and the result made of all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from twin.engine.entities import OFF, PRODUCTION, Part, Unit
from twin.engine.inputs import RunInput
from twin.engine.model import STATES
from twin.engine.types import EventTrace, Floats, Ints, RunResult

__all__ = ["KINDS", "Log", "Outcome", "Tally", "joined", "outcome", "run_result"]

_Key = TypeVar("_Key")
_Number = TypeVar("_Number", np.float64, np.int64)

KINDS = (
    "setup",
    "start",
    "finish",
    "reject",
    "blocked",
    "failure",
    "maintenance",
    "repair",
    "up",
    "off",
    "on",
)
"""What the event log tells apart; the log keeps the index."""


class Log:
    """The event log of one replication, as columns."""

    __slots__ = ("kind", "order", "part", "product", "time", "unit")

    def __init__(self) -> None:
        self.time: list[float] = []
        self.unit: list[int] = []
        self.kind: list[int] = []
        self.part: list[int] = []
        self.order: list[int] = []
        self.product: list[int] = []

    def add(self, now: float, unit: Unit, kind: str, part: Part | None) -> None:
        self.time.append(now)
        self.unit.append(unit.index)
        self.kind.append(KINDS.index(kind))
        self.part.append(-1 if part is None else part.number)
        self.order.append(-1 if part is None else max(-1, part.order))
        self.product.append(-1 if part is None else part.product)


class Tally:
    """Counts of one replication; ``restart`` forgets what the warm-up counted, but no order."""

    def __init__(self, given: RunInput) -> None:
        orders = len(given.orders)
        self.order_left = [0] * orders
        """Parts on the main path that have not left, started or not."""
        self.order_good = [0] * orders
        self.order_started = [math.nan] * orders
        self.order_finished = [math.nan] * orders
        self.main_left = 0
        self.in_process = 0
        self.restart(0.0)

    def restart(self, now: float) -> None:
        self.good = self.scrapped = self.escaped = self.timed = 0
        self.flow_s = 0.0
        self.part_seconds = 0.0
        self._since = now

    def enter(self, now: float, parts: int = 1) -> None:
        self.part_seconds += self.in_process * (now - self._since)
        self._since = now
        self.in_process += parts

    def launch(self, part: Part) -> None:
        self.enter(part.launched_s)
        if part.main and part.order >= 0 and math.isnan(self.order_started[part.order]):
            self.order_started[part.order] = part.launched_s

    def leave(self, now: float, part: Part, good: bool) -> None:
        self.enter(now, -1)
        if good:
            self.good += 1
            self.escaped += part.defective
            if part.launched_s >= 0.0:
                self.timed += 1
                self.flow_s += now - part.launched_s
        else:
            self.scrapped += 1
        if not part.main:
            return
        self.main_left -= 1
        if part.order >= 0:
            self.order_good[part.order] += good
            self.order_left[part.order] -= 1
            if self.order_left[part.order] == 0:
                self.order_finished[part.order] = now


@dataclass(slots=True)
class Outcome:
    """One replication, done."""

    measured_s: float
    kpis: dict[str, float]
    seconds: list[list[float]]
    starts: list[list[list[float]]]
    failures: list[list[list[float]]]
    order_started: list[float]
    order_finished: list[float]
    order_good: list[int]
    log: Log | None = field(default=None)


def outcome(
    given: RunInput, tally: Tally, units: Sequence[Unit], end: float, log: Log | None
) -> Outcome:
    """Close the books of a replication at its last instant."""
    tally.enter(end, 0)
    measured = max(0.0, end - given.warm_up_s)
    energy_kwh = sum(map(_energy_j, units)) / 3.6e6
    last = next(unit for unit in units if unit.out is None)
    kpis = {
        "throughput_per_h": _ratio(tally.good * 3600.0, sum(last.seconds) - last.seconds[OFF]),
        "good_parts": float(tally.good),
        "scrapped_parts": float(tally.scrapped),
        "escaped_defects": float(tally.escaped),
        "yield_ratio": _ratio(tally.good, tally.good + tally.scrapped),
        "work_in_process": _ratio(tally.part_seconds, measured),
        "flow_time_s": _ratio(tally.flow_s, tally.timed),
        "energy_kwh": energy_kwh,
        "energy_per_part_kwh": _ratio(energy_kwh, tally.good),
    }
    late = [
        max(0.0, (end if math.isnan(finished) else finished) - due)
        for due, finished in zip(given.due_s, tally.order_finished, strict=True)
        if not math.isnan(due)
    ]
    if late:
        kpis["tardiness_h"] = sum(late) / len(late) / 3600.0
    return Outcome(
        measured_s=measured,
        kpis=kpis,
        seconds=[unit.seconds for unit in units],
        starts=[unit.starts for unit in units],
        failures=[[mode.times for mode in unit.modes] for unit in units],
        order_started=tally.order_started,
        order_finished=tally.order_finished,
        order_good=tally.order_good,
        log=log,
    )


def _energy_j(unit: Unit) -> float:
    idle_s = sum(unit.seconds) - unit.seconds[PRODUCTION] - unit.seconds[OFF]
    table = unit.table
    return (
        unit.seconds[PRODUCTION] * table.production_w
        + idle_s * table.idle_w
        + unit.seconds[OFF] * table.off_w
    )


def _ratio(a: float, b: float) -> float:
    return a / b if b > 0 else math.nan


def run_result(given: RunInput, first: int, done: Sequence[Outcome], engine: str) -> RunResult:
    """The result of these replications, in their order."""
    model = given.model
    hours = math.ceil(given.horizon_s / 3600.0)
    measured = np.array([o.measured_s for o in done])

    def by_hour(times: Sequence[Sequence[float]]) -> Ints:
        counts = np.zeros((len(done), hours), dtype=np.int64)
        for row, at in zip(counts, times, strict=True):
            hour = np.minimum((np.asarray(at) / 3600.0).astype(np.int64), hours - 1)
            row += np.bincount(hour, minlength=hours)
        return counts

    def by_order(values: Sequence[Sequence[float]]) -> dict[str, Floats]:
        table = np.array(values, dtype=np.float64).reshape(len(done), len(given.orders))
        return {order: table[:, i].copy() for i, order in enumerate(given.orders)}

    with np.errstate(invalid="ignore"):
        states = {
            unit.name: {
                state: np.array([o.seconds[u][s] for o in done]) / measured
                for s, state in enumerate(STATES)
            }
            for u, unit in enumerate(model.units)
        }
    return RunResult(
        engine=engine,
        seed=given.seed,
        replications=len(done),
        first_replication=first,
        start=given.start,
        horizon_s=given.horizon_s,
        warm_up_s=given.warm_up_s,
        measured_s=measured,
        kpis={name: np.array([o.kpis[name] for o in done]) for name in done[0].kpis},
        unit_states=states,
        starts={
            (unit.name, product): by_hour([o.starts[u][p] for o in done])
            for u, unit in enumerate(model.units)
            for p, product in enumerate(model.products)
        },
        failures={
            (unit.name, mode.name): by_hour([o.failures[u][m] for o in done])
            for u, unit in enumerate(model.units)
            for m, mode in enumerate(unit.modes)
        },
        order_started_s=by_order([o.order_started for o in done]),
        order_finished_s=by_order([o.order_finished for o in done]),
        order_good=by_order([[float(n) for n in o.order_good] for o in done]),
        trace=_trace(given, first, done) if done[0].log else None,
    )


def _trace(given: RunInput, first: int, done: Sequence[Outcome]) -> EventTrace:
    logs = [o.log for o in done if o.log is not None]
    lengths = [len(log.time) for log in logs]
    return EventTrace(
        replication=np.repeat(np.arange(first, first + len(logs), dtype=np.int64), lengths),
        time_s=np.concatenate([np.array(log.time, dtype=np.float64) for log in logs]),
        unit=np.concatenate([np.array(log.unit, dtype=np.int32) for log in logs]),
        kind=np.concatenate([np.array(log.kind, dtype=np.int8) for log in logs]),
        part=np.concatenate([np.array(log.part, dtype=np.int64) for log in logs]),
        order=np.concatenate([np.array(log.order, dtype=np.int32) for log in logs]),
        product=np.concatenate([np.array(log.product, dtype=np.int32) for log in logs]),
        units=tuple(unit.name for unit in given.model.units),
        kinds=KINDS,
        orders=given.orders,
        products=given.model.products,
    )


def joined(parts: Sequence[RunResult]) -> RunResult:
    """One result of blocks of replications of the same run; traces are not kept."""
    parts = sorted(parts, key=lambda part: part.first_replication)
    one = parts[0]
    return replace(
        one,
        replications=sum(part.replications for part in parts),
        measured_s=np.concatenate([part.measured_s for part in parts]),
        kpis=_glued([part.kpis for part in parts]),
        unit_states={
            unit: _glued([part.unit_states[unit] for part in parts]) for unit in one.unit_states
        },
        starts=_glued([part.starts for part in parts]),
        failures=_glued([part.failures for part in parts]),
        order_started_s=_glued([part.order_started_s for part in parts]),
        order_finished_s=_glued([part.order_finished_s for part in parts]),
        order_good=_glued([part.order_good for part in parts]),
        trace=None,
    )


def _glued(parts: Sequence[Mapping[_Key, NDArray[_Number]]]) -> dict[_Key, NDArray[_Number]]:
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
