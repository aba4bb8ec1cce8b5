"""Key performance indicators after ISO 22400-2, from state intervals and counted parts.

Definitions, sources and where this differs from the standard: docs/explanation/kpis.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from twin.errors import DataError
from twin.plant.flow import counters
from twin.plant.model import Plant
from twin.plant.signals import WorkUnitState
from twin.telemetry.parts import PartRecords, part_records
from twin.telemetry.samples import SampleBatch, to_us
from twin.telemetry.states import SignalIndex, StateIntervals, state_intervals

__all__ = ["LineKpis", "UnitKpis", "line_kpis", "unit_kpis"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitKpis:
    """Time elements and indicators of one unit between two instants.

    The time elements add up: ``planned_busy = production + setup + delay + down`` and
    ``planned_busy + off + unknown`` is the whole interval.
    """

    work_unit: str
    start: datetime
    end: datetime
    state_map: str | None
    """Which state map decided what is delay and what is down; None: the unit reports no state."""
    planned_busy_s: float
    """Time the unit was meant to work (PBT): known and not off shift. [s]"""
    production_s: float
    """Actual production time (APT). [s]"""
    setup_s: float
    """Actual unit setup time (AUST). [s]"""
    delay_s: float
    """Actual unit delay time (ADET): starved, blocked, other delay. [s]"""
    down_s: float
    """Actual unit down time (ADOT): waiting for the crew and under repair. [s]"""
    off_s: float
    """Outside the planned busy time. [s]"""
    unknown_s: float
    """Telemetry does not tell; counts as neither busy nor off. [s]"""
    starved_s: float
    """Part of the delay that waited for parts. [s]"""
    blocked_s: float
    """Part of the delay that waited for a place. [s]"""
    good: int
    """Good quantity (GQ). [parts]"""
    rejected: int
    """Scrap quantity (SQ). [parts]"""
    planned_run_s: float
    """Planned runtime of what was produced: sum of PRI over the produced quantity (PQ). [s]"""

    @property
    def produced(self) -> int:
        """Produced quantity, PQ = GQ + SQ. [parts]"""
        return self.good + self.rejected

    @property
    def availability(self) -> float | None:
        """APT / PBT (ISO 22400-2, Availability); None without planned busy time."""
        return _ratio(self.production_s, self.planned_busy_s)

    @property
    def effectiveness(self) -> float | None:
        """PRI * PQ / APT (ISO 22400-2, Effectiveness); None when nothing was produced."""
        return _ratio(self.planned_run_s, self.production_s)

    @property
    def quality_ratio(self) -> float | None:
        """GQ / PQ (ISO 22400-2, Quality ratio); None when nothing was produced."""
        return _ratio(self.good, self.produced)

    @property
    def oee(self) -> float | None:
        """Availability * effectiveness * quality ratio (ISO 22400-2, OEE index); None if one is."""
        parts = (self.availability, self.effectiveness, self.quality_ratio)
        if parts[0] is None or parts[1] is None or parts[2] is None:
            return None
        return parts[0] * parts[1] * parts[2]

    @property
    def throughput_per_h(self) -> float | None:
        """PQ per hour of planned busy time; None without planned busy time. [1/h]"""
        return _ratio(self.produced * 3600.0, self.planned_busy_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineKpis:
    """The line as a whole. ISO 22400-2 defines its indicators per work unit; these are ours."""

    units: Mapping[str, UnitKpis]
    """In the order of the plant file."""
    good: int
    """Parts that left the line good. [parts]"""
    rejected: int
    """Parts taken out anywhere. [parts]"""
    throughput_per_h: float | None
    """Good parts per hour of the last unit's planned busy time. [1/h]"""
    quality_ratio: float | None
    """good / (good + rejected); None when nothing came out."""
    bottleneck: str | None
    """The unit with the greatest share of planned busy time neither starved nor blocked."""
    oee: float | None
    """Availability and effectiveness of the bottleneck times the line's quality ratio."""


def unit_kpis(
    plant: Plant,
    unit: str,
    batch: SampleBatch | SignalIndex,
    start: datetime,
    end: datetime,
) -> UnitKpis:
    """Time elements and indicators of one unit.

    The planned runtime per item (PRI) is the mean of the cycle law in ``plant``, of an oven its share for
    each of the parts that it holds: pass the plant
    as its file says it to compare with the datasheet.

    Args:
        plant: Declares the unit, its signals, state map and planned cycle times.
        unit: Name of the work unit.
        batch: Samples, or an index over them. Rows before ``start`` tell the state at ``start``.
        start: First instant, aware.
        end: First instant that is left out, aware.

    Raises:
        DataError: ``start`` is not before ``end``.
        NotFoundError: No such unit.

    Source:
        ISO 22400-2:2014, Key performance indicators (KPIs) for manufacturing operations management.
    """
    if to_us(start) >= to_us(end):
        raise DataError(f"an interval must end after it starts: {start} to {end}")
    index = SignalIndex.over(batch)
    states = state_intervals(plant, unit, index, start, end)
    parts = part_records(plant, unit, index, start, end)
    return _kpis_of(plant, unit, states, parts, (start, end))


def line_kpis(
    plant: Plant, batch: SampleBatch | SignalIndex, start: datetime, end: datetime
) -> LineKpis:
    """Indicators of every unit and of the line.

    Raises:
        DataError: ``start`` is not before ``end``.

    Source:
        Bottleneck by the longest active share: Roser, Nakano & Tanaka, "A practical bottleneck
        detection method", Winter Simulation Conference 2001.
    """
    index = SignalIndex.over(batch)
    units = {name: unit_kpis(plant, name, index, start, end) for name in plant.work_units}
    last = [units[end] for end in counters(plant)]
    good, rejected = sum(k.good for k in last), sum(k.rejected for k in units.values())
    quality_ratio = _ratio(good, good + rejected)
    active = {
        name: (k.planned_busy_s - k.starved_s - k.blocked_s) / k.planned_busy_s
        for name, k in units.items()
        if k.planned_busy_s > 0.0
    }
    bottleneck = max(active, key=active.__getitem__) if active else None
    oee = None
    if bottleneck is not None and quality_ratio is not None:
        slowest = units[bottleneck]
        if slowest.availability is not None and slowest.effectiveness is not None:
            oee = slowest.availability * slowest.effectiveness * quality_ratio
    return LineKpis(
        units=units,
        good=good,
        rejected=rejected,
        throughput_per_h=_throughput_per_h(last),
        quality_ratio=quality_ratio,
        bottleneck=bottleneck,
        oee=oee,
    )


def _throughput_per_h(ends: Sequence[UnitKpis]) -> float | None:
    """Good parts per planned busy hour, all ends together."""
    rates = [_ratio(k.good * 3600.0, k.planned_busy_s) for k in ends]
    known = [rate for rate in rates if rate is not None]
    return sum(known) if known else None


def _kpis_of(
    plant: Plant,
    unit: str,
    states: StateIntervals,
    parts: PartRecords,
    span: tuple[datetime, datetime],
) -> UnitKpis:
    in_state = {state: states.seconds_in(state) for state in WorkUnitState}
    starved, blocked = in_state[WorkUnitState.STARVED], in_state[WorkUnitState.BLOCKED]
    delay = starved + blocked + in_state[WorkUnitState.DELAY]
    down = in_state[WorkUnitState.DOWN] + in_state[WorkUnitState.REPAIR]
    production, setup = in_state[WorkUnitState.PRODUCTION], in_state[WorkUnitState.SETUP]
    work_unit = plant.unit(unit)
    return UnitKpis(
        work_unit=unit,
        start=span[0],
        end=span[1],
        state_map=work_unit.state_map,
        planned_busy_s=production + setup + delay + down,
        production_s=production,
        setup_s=setup,
        delay_s=delay,
        down_s=down,
        off_s=in_state[WorkUnitState.OFF],
        unknown_s=in_state[WorkUnitState.UNKNOWN],
        starved_s=starved,
        blocked_s=blocked,
        good=int(parts.good.sum()),
        rejected=int((~parts.good).sum()),
        planned_run_s=_planned_run_s(plant, unit, parts),
    )


def _planned_run_s(plant: Plant, unit: str, parts: PartRecords) -> float:
    """PRI * PQ, summed over products; a part of an unknown product counts as the mean of the others."""
    work_unit = plant.unit(unit)
    together = work_unit.batch.size if work_unit.batch else 1
    planned = 0.0
    known = 0
    for product in plant.products:
        count = int((parts.product == product).sum())
        planned += count * work_unit.cycle_law(product).mean() / together
        known += count
    return planned * len(parts) / known if known else 0.0


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0.0 else None
