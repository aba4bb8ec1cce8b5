"""From the plant to the flat tables of ``model``: names become indices, instants seconds from the start."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import datetime, timedelta

from twin.engine.model import (
    LEAVE,
    STATES,
    UNLIMITED,
    LineModel,
    LoopTable,
    ModeTable,
    Supply,
    UnitTable,
    UpkeepTable,
    ZoneTable,
)
from twin.plant import Plant, Upkeep, WorkUnit, WorkUnitState, flow

__all__ = ["line_model"]


def line_model(
    plant: Plant, start: datetime, horizon_s: float, consumes: Supply | None = None
) -> LineModel:
    """Tables of this plant from an instant over a horizon.

    Args:
        plant: The line.
        start: First instant of the run.
        horizon_s: Its length. [s]
        consumes: What a part consumes where; None: nothing runs short.
    """
    run = _Run(plant, start, horizon_s, consumes or {})
    units, zones = run.units, run.zones
    return LineModel(
        products=tuple(plant.products),
        units=tuple(_unit_table(run, name) for name in units),
        zones=(
            *(_zone_table(run, name) for name in zones),
            *(_arrivals_table(run, name) for name in run.arrivals),
        ),
        loops=tuple(
            LoopTable(name=key, cards=loop.cards, first=units[loop.first])
            for key, loop in plant.kanban.items()
        ),
        teams=tuple(team.count for team in plant.operators.values()),
        items=tuple(run.items),
        downstream_first=tuple(units[name] for name in flow.downstream_first(plant)),
        heads=tuple(units[name] for name in plant.heads()),
        end=units[plant.ends()[0]],
        servers=sum(unit.servers for unit in plant.work_units.values()),
        cyclic=_cyclic(plant),
        crews=plant.maintenance.crews,
    )


class _Run:
    """The plant, the stretch of time, and what is found once for all units: places by name, shifts."""

    def __init__(self, plant: Plant, start: datetime, horizon_s: float, consumes: Supply) -> None:
        work_units = plant.work_units
        self.plant = plant
        self.start = start
        self.horizon_s = horizon_s
        self.consumes = consumes
        self.units = _places(work_units)
        self.zones = _places(plant.storage_zones)
        arriving = [n for n, unit in work_units.items() if unit.release.policy == "arrivals"]
        self.arrivals = _places(arriving, len(self.zones))
        """The zone of its own of each unit before which parts arrive."""
        self.items = _places(dict.fromkeys(i for used in consumes.values() for i in used))
        servers = itertools.accumulate((u.servers for u in work_units.values()), initial=0)
        self.first_server = dict(zip(work_units, servers, strict=False))
        self.main = plant.main_path()
        self.shifts = {key: _shifts(plant, key, start, horizon_s) for key in plant.calendars}


def _places(names: Iterable[str], first: int = 0) -> dict[str, int]:
    return {name: i for i, name in enumerate(names, first)}


def _unit_table(run: _Run, name: str) -> UnitTable:
    plant = run.plant
    unit = plant.work_units[name]
    before = tuple(run.zones[z] for z in plant.upstream(name))
    assembles = unit.takes == "all" and len(before) > 1
    shares, by_product = _routes(run, name)
    on_at_start, edges_s = run.shifts[unit.calendar]
    found = unit.inspection
    return UnitTable(
        name=name,
        servers=unit.servers,
        first_server=run.first_server[name],
        zones_in=(run.arrivals[name],) if name in run.arrivals else before,
        zones_out=tuple(run.zones[z] for z in plant.downstream(name)),
        assembles=assembles,
        eager=unit.pull == "eager" and assembles,
        batch=unit.batch.size if unit.batch else 1,
        batch_minimum=(unit.batch.minimum or unit.batch.size) if unit.batch else 1,
        shares=shares,
        by_product=by_product,
        rework=run.zones[found.rework] if found and found.rework else LEAVE,
        rework_limit=found.rework_limit if found else 0,
        main=name in run.main,
        # Only an inspection sends for another component, and the walk to the heads is long.
        sources=tuple(run.units[u] for u in plant.launchers_of(name)) if found else (),
        cycle=tuple(unit.cycle_law(product) for product in plant.products),
        setup_s=_setups(plant, unit),
        defect_probability=_defect_probability(unit),
        coverage=found.coverage if found else 0.0,
        modes=_modes(unit),
        upkeep=_upkeep(run, unit),
        work_needs="work" in unit.operator,
        setup_needs="setup" in unit.operator,
        teams=tuple(i for i, team in enumerate(plant.operators.values()) if name in team.skills),
        opens=tuple(i for i, loop in enumerate(plant.kanban.values()) if loop.first == name),
        closes=_closes(plant, name),
        saturated=unit.release.policy == "saturated",
        interarrival=unit.release.interarrival,
        arriving=_arriving(plant, unit),
        consumes=_consumed(run, name),
        on_at_start=on_at_start,
        edges_s=edges_s,
        power_w=tuple(unit.power.in_state(WorkUnitState(state)) for state in STATES),
    )


def _zone_table(run: _Run, name: str) -> ZoneTable:
    zone = run.plant.storage_zones[name]
    return ZoneTable(
        name=name,
        upstream=run.units[zone.upstream],
        downstream=run.units[zone.downstream],
        capacity=min(zone.capacity, UNLIMITED),
        transport_s=zone.transport_s,
        closes=_closes(run.plant, name),
    )


def _arrivals_table(run: _Run, name: str) -> ZoneTable:
    places = run.plant.work_units[name].release.places
    return ZoneTable(
        name=f"arrivals before {name}",
        upstream=-1,
        downstream=run.units[name],
        capacity=UNLIMITED if places is None else min(places, UNLIMITED),
        transport_s=0.0,
        closes=(),
    )


def _closes(plant: Plant, last: str) -> tuple[int, ...]:
    """Card loops that end at this unit or zone."""
    return tuple(i for i, loop in enumerate(plant.kanban.values()) if loop.last == last)


def _modes(unit: WorkUnit) -> tuple[ModeTable, ...]:
    return tuple(
        ModeTable(
            name=key,
            operating=mode.clock == "operating",
            life=mode.time_to_failure,
            repair=mode.repair,
        )
        for key, mode in unit.failure_modes.items()
    )


def _routes(run: _Run, name: str) -> tuple[tuple[tuple[int, float], ...], tuple[int, ...]]:
    """Where finished parts go: (zone, upper end of its share), and zone by product."""
    plant, zones = run.plant, run.zones
    if shares := flow.shares_of(plant, name):
        return tuple((zones.get(to, LEAVE), end) for to, end in shares), ()
    ways = (flow.way_of(plant, name, product) for product in plant.products)
    return (), tuple(zones.get(to, LEAVE) for to in ways)


def _arriving(plant: Plant, unit: WorkUnit) -> tuple[float, ...]:
    shares = unit.release.products or dict.fromkeys(plant.products, 1.0)
    whole = sum(shares.values())
    ends = [*itertools.accumulate(shares.get(p, 0.0) / whole for p in plant.products)]
    last = max((i for i, p in enumerate(plant.products) if shares.get(p, 0.0) > 0), default=0)
    return tuple(1.0 if i >= last else end for i, end in enumerate(ends))


def _consumed(run: _Run, name: str) -> tuple[tuple[tuple[int, float], ...], ...]:
    return tuple(
        tuple((run.items[item], n) for item, n in run.consumes.get((name, p), {}).items())
        for p in run.plant.products
    )


def _upkeep(run: _Run, unit: WorkUnit) -> tuple[UpkeepTable, ...]:
    modes = _places(unit.failure_modes)
    return tuple(
        UpkeepTable(
            name=name,
            every_parts=upkeep.every_parts or 0,
            due_s=_due(upkeep, run),
            duration=upkeep.duration,
            renews=tuple(modes[m] for m in upkeep.renews),
        )
        for name, upkeep in unit.upkeep.items()
    )


def _due(upkeep: Upkeep, run: _Run) -> tuple[float, ...]:
    """Instants within the horizon; none where it comes by count."""
    if upkeep.every_h is None:
        return ()
    period_s = upkeep.every_h * 3600.0
    first = period_s
    if upkeep.first_at is not None:
        first = (upkeep.first_at - run.start).total_seconds()
        first += period_s * max(0.0, -(first // period_s))
    steps = int(max(0.0, (run.horizon_s - first) // period_s + 1))
    due = (first + k * period_s for k in range(steps))
    return tuple(t for t in due if 0.0 <= t <= run.horizon_s)


def _cyclic(plant: Plant) -> bool:
    """True if a part can come to a unit again: no order of the units has all zones forward."""
    left = {name: set(plant.upstream(name)) for name in plant.work_units}
    done = [name for name, zones in left.items() if not zones]
    for name in done:  # grows on the way: units whose inputs are all behind
        for zone in plant.downstream(name):
            after = plant.storage_zones[zone].downstream
            left[after].discard(zone)
            if not left[after]:
                done.append(after)
    return len(done) < len(left)


def _setups(plant: Plant, unit: WorkUnit) -> tuple[tuple[float, ...], ...]:
    return tuple(
        tuple(unit.setup.seconds(plant.setup_distance(a, b)) for b in plant.products)
        for a in plant.products
    )


def _defect_probability(unit: WorkUnit) -> float:
    if unit.defects is None:
        return 0.0
    name = unit.defects.parameter
    return unit.defects.probability(unit.parameters[name].value if name else None)


def _shifts(
    plant: Plant, name: str, start: datetime, horizon_s: float
) -> tuple[bool, tuple[float, ...]]:
    """Whether a calendar works at the start, and when that changes."""
    calendar = plant.calendars[name]
    # One second on each side tells an edge of the calendar from an edge of the horizon.
    second = timedelta(seconds=1)
    end = start + timedelta(seconds=horizon_s)
    on = False
    edges: list[float] = []
    for a, b in calendar.intervals(start - second, end + second, plant.timezone):
        opens, closes = (a - start).total_seconds(), (b - start).total_seconds()
        on = on or opens <= 0.0 < closes
        edges += [t for t in (opens, closes) if 0.0 < t <= horizon_s]
    return on, tuple(edges)
