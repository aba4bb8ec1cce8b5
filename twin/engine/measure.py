"""The result of a run, made of what its replications counted; the same for every engine."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from twin.engine.counts import (
    ESCAPED,
    FLOW_TICKS,
    GOOD,
    LOST,
    PART_TICKS,
    REWORKED,
    SCRAPPED,
    TICKS_PER_S,
    TIMED,
    Counts,
)
from twin.engine.inputs import RunInput
from twin.engine.model import STATES
from twin.engine.types import EventTrace, Floats, RunResult

__all__ = ["joined", "run_result"]

_Key = TypeVar("_Key")
_Number = TypeVar("_Number", np.float64, np.int64)

_J_PER_KWH = 3.6e6
_PRODUCTION, _OFF = STATES.index("production"), STATES.index("off")


def run_result(
    given: RunInput,
    first: int,
    counts: Counts,
    *,
    engine: str,
    reason: str,
    trace: EventTrace | None = None,
) -> RunResult:
    """The result of these replications, in their order."""
    model = given.model
    measured = np.maximum(0.0, counts.end_s - given.warm_up_s)
    over = measured > 0.0  # else it was done before the warm-up ended: nothing is measured
    counts = replace(
        counts,
        tallies=counts.tallies * over[:, None],
        state_ticks=counts.state_ticks * over[:, None, None],
        made=counts.made * over[:, None, None],
        rejected=counts.rejected * over[:, None],
    )
    seconds = counts.state_ticks / TICKS_PER_S
    servers = np.array([unit.servers for unit in model.units])
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = seconds / (measured[:, None, None] * servers[None, :, None])
    energy = _energy_kwh(given, seconds)
    modes = [(u.name, m.name) for u in model.units for m in u.modes]
    return RunResult(
        engine=engine,
        reason=reason,
        seed=given.seed,
        replications=len(measured),
        first_replication=first,
        start=given.start,
        horizon_s=given.horizon_s,
        warm_up_s=given.warm_up_s,
        measured_s=measured,
        kpis=_kpis(given, counts, measured, seconds, energy),
        unit_states=_by_state(given, shares),
        unit_energy_kwh=_by_state(given, energy),
        unit_kpis=_unit_kpis(given, counts, seconds),
        starts={
            (unit.name, product): counts.starts[:, u, p].copy()
            for u, unit in enumerate(model.units)
            for p, product in enumerate(model.products)
        },
        failures={key: counts.failures[:, m].copy() for m, key in enumerate(modes)},
        order_started_s=_by_order(given, counts.order_started_s),
        order_finished_s=_by_order(given, counts.order_finished_s),
        order_good=_by_order(given, counts.order_good.astype(np.float64)),
        order_lateness_h=_order_lateness_h(given, counts),
        trace=trace,
    )


def _by_state(given: RunInput, table: Floats) -> dict[str, dict[str, Floats]]:
    return {
        unit.name: {state: table[:, u, s].copy() for s, state in enumerate(STATES)}
        for u, unit in enumerate(given.model.units)
    }


def _by_order(given: RunInput, table: Floats) -> dict[str, Floats]:
    return {order: table[:, i].copy() for i, order in enumerate(given.orders)}


def _kpis(
    given: RunInput, counts: Counts, measured: Floats, seconds: Floats, energy: Floats
) -> dict[str, Floats]:
    t = counts.tallies
    end = given.model.units[given.model.end]
    on_s = (seconds[:, given.model.end].sum(axis=1) - seconds[:, given.model.end, _OFF]) / (
        end.servers
    )
    # Rounded once, so the order of the units in the file cannot matter.
    energy_kwh = np.array([math.fsum(row) for row in energy.reshape(len(energy), -1).tolist()])
    good = t[:, GOOD].astype(np.float64)
    kpis = {
        "throughput_per_h": _ratio(good * 3600.0, on_s),
        "good_parts": good,
        "scrapped_parts": t[:, SCRAPPED].astype(np.float64),
        "escaped_defects": t[:, ESCAPED].astype(np.float64),
        "reworked_parts": t[:, REWORKED].astype(np.float64),
        "lost_parts": t[:, LOST].astype(np.float64),
        "yield_ratio": _ratio(good, good + t[:, SCRAPPED]),
        "work_in_process": _ratio(t[:, PART_TICKS] / TICKS_PER_S, measured),
        "flow_time_s": _ratio(t[:, FLOW_TICKS] / TICKS_PER_S, t[:, TIMED].astype(np.float64)),
        "oee_ratio": _oee(given, seconds, good, good + t[:, SCRAPPED]),
        "energy_kwh": energy_kwh,
        "energy_per_part_kwh": _ratio(energy_kwh, good),
    }
    due = np.array(given.due_s)
    if np.any(~np.isnan(due)):
        finished = np.where(
            np.isnan(counts.order_finished_s), counts.end_s[:, None], counts.order_finished_s
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            late_s = np.nanmean(np.maximum(0.0, finished - due), axis=1)
        kpis["tardiness_h"] = late_s / 3600.0
    return kpis


def _energy_kwh(given: RunInput, seconds: Floats) -> Floats:
    """By replication, unit and state."""
    energy: Floats = seconds * np.array([u.power_w for u in given.model.units]) / _J_PER_KWH
    return energy


def _unit_kpis(given: RunInput, counts: Counts, seconds: Floats) -> dict[str, dict[str, Floats]]:
    """Indicators of each unit after ISO 22400-2, as `twin.telemetry.unit_kpis` has them."""
    production = seconds[:, :, _PRODUCTION]
    busy = seconds.sum(axis=2) - seconds[:, :, _OFF]
    # PRI: of an oven that is full, for its cycle time is that of all parts in it
    planned = np.array([[law.mean() / u.batch for law in u.cycle] for u in given.model.units])
    run_s = np.array([[math.fsum(u) for u in row] for row in (counts.made * planned).tolist()])
    produced = counts.made.sum(axis=2).astype(np.float64)
    found = {
        "availability": _ratio(production, busy),
        "effectiveness": _ratio(run_s, production),
        "quality_ratio": _ratio(produced - counts.rejected, produced),
    }
    found["oee"] = found["availability"] * found["effectiveness"] * found["quality_ratio"]
    return {
        unit.name: {name: table[:, u].copy() for name, table in found.items()}
        for u, unit in enumerate(given.model.units)
    }


def _order_lateness_h(given: RunInput, counts: Counts) -> dict[str, Floats]:
    late_h = (counts.order_finished_s - np.array(given.due_s)) / 3600.0
    return {
        order: late_h[:, i].copy()
        for i, order in enumerate(given.orders)
        if not math.isnan(given.due_s[i])
    }


def _oee(given: RunInput, seconds: Floats, good: Floats, made: Floats) -> Floats:
    """Availability x effectiveness of the unit that works most, times the yield of the line.

    ISO 22400-2: availability x effectiveness is here its production time over its planned busy
    time (on shift), since the twin knows no planned run time besides the cycle time it has.
    """
    on = seconds.sum(axis=2) - seconds[:, :, _OFF]
    busy = np.nan_to_num(_ratio(seconds[:, :, _PRODUCTION], on), nan=-1.0).max(axis=1)
    return np.where(busy < 0.0, np.nan, busy * _ratio(good, made))


def _ratio(a: Floats, b: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(b > 0, a / b, np.nan)


def joined(parts: Sequence[RunResult]) -> RunResult:
    """One result of blocks of replications of the same run; traces are not kept."""
    parts = sorted(parts, key=lambda part: part.first_replication)
    one = parts[0]
    return replace(
        one,
        replications=sum(part.replications for part in parts),
        measured_s=np.concatenate([part.measured_s for part in parts]),
        kpis=_glued([part.kpis for part in parts]),
        unit_states=_glued_by_unit([part.unit_states for part in parts]),
        unit_energy_kwh=_glued_by_unit([part.unit_energy_kwh for part in parts]),
        unit_kpis=_glued_by_unit([part.unit_kpis for part in parts]),
        starts=_glued([part.starts for part in parts]),
        failures=_glued([part.failures for part in parts]),
        order_started_s=_glued([part.order_started_s for part in parts]),
        order_finished_s=_glued([part.order_finished_s for part in parts]),
        order_good=_glued([part.order_good for part in parts]),
        order_lateness_h=_glued([part.order_lateness_h for part in parts]),
        trace=None,
    )


def _glued(parts: Sequence[Mapping[_Key, NDArray[_Number]]]) -> dict[_Key, NDArray[_Number]]:
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _glued_by_unit(
    parts: Sequence[Mapping[str, Mapping[str, Floats]]],
) -> dict[str, dict[str, Floats]]:
    return {unit: _glued([part[unit] for part in parts]) for unit in parts[0]}
