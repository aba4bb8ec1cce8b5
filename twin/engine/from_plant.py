"""From the plant to the flat tables of ``model``: names become indices, instants seconds from the start."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

from twin.engine.model import (
    LEAVE,
    UNLIMITED,
    LineModel,
    LoopTable,
    ModeTable,
    Supply,
    UnitTable,
    UpkeepTable,
    ZoneTable,
)
from twin.plant import Plant, WorkUnit

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
    names = list(plant.work_units)
    zones = list(plant.storage_zones)
    arrivals = [n for n in names if plant.work_units[n].release.policy == "arrivals"]
    items = tuple(dict.fromkeys(i for used in (consumes or {}).values() for i in used))
    main = plant.main_path()
    backwards = _downstream_first(plant)
    first_server = [0, *itertools.accumulate(u.servers for u in plant.work_units.values())]
    shifts = {key: _shifts(plant, key, start, horizon_s) for key in plant.calendars}
    units = tuple(
        _unit_table(
            plant,
            name,
            start,
            horizon_s,
            shifts=shifts[plant.work_units[name].calendar],
            first_server=first_server[i],
            arrivals=len(zones) + arrivals.index(name) if name in arrivals else -1,
            main=name in main,
            consumes=_consumed(plant, name, consumes or {}, items),
        )
        for i, name in enumerate(names)
    )
    return LineModel(
        products=tuple(plant.products),
        units=units,
        zones=(
            *(_zone_table(plant, name, names) for name in zones),
            *(_arrivals_table(plant, name, names.index(name)) for name in arrivals),
        ),
        loops=tuple(
            LoopTable(name=key, cards=loop.cards, first=names.index(loop.first))
            for key, loop in plant.kanban.items()
        ),
        teams=tuple(team.count for team in plant.operators.values()),
        items=items,
        downstream_first=tuple(names.index(name) for name in backwards),
        heads=tuple(names.index(name) for name in plant.heads()),
        end=names.index(plant.ends()[0]),
        servers=first_server[-1],
        cyclic=_cyclic(plant),
        crews=plant.maintenance.crews,
    )


def _unit_table(
    plant: Plant,
    name: str,
    start: datetime,
    horizon_s: float,
    *,
    shifts: tuple[bool, tuple[float, ...]],
    first_server: int,
    arrivals: int,
    main: bool,
    consumes: tuple[tuple[tuple[int, float], ...], ...],
) -> UnitTable:
    unit = plant.work_units[name]
    names, zones = list(plant.work_units), list(plant.storage_zones)
    before = tuple(zones.index(z) for z in plant.upstream(name))
    shares, by_product = _routes(plant, name, zones)
    on_at_start, edges_s = shifts
    rework = unit.inspection.rework if unit.inspection else None
    return UnitTable(
        name=name,
        servers=unit.servers,
        first_server=first_server,
        zones_in=(arrivals,) if arrivals >= 0 else before,
        zones_out=tuple(zones.index(z) for z in plant.downstream(name)),
        assembles=unit.takes == "all" and len(before) > 1,
        eager=unit.pull == "eager" and unit.takes == "all" and len(before) > 1,
        batch=unit.batch.size if unit.batch else 1,
        batch_minimum=(unit.batch.minimum or unit.batch.size) if unit.batch else 1,
        shares=shares,
        by_product=by_product,
        rework=zones.index(rework) if rework else LEAVE,
        rework_limit=unit.inspection.rework_limit if unit.inspection else 0,
        main=main,
        # Only an inspection sends for another component, and the walk to the heads is long.
        sources=tuple(map(names.index, plant.launchers_of(name))) if unit.inspection else (),
        cycle=tuple(unit.cycle_law(product) for product in plant.products),
        setup_s=_setups(plant, unit),
        defect_probability=_defect_probability(unit),
        coverage=unit.inspection.coverage if unit.inspection else 0.0,
        modes=tuple(
            ModeTable(
                name=key,
                operating=mode.clock == "operating",
                life=mode.time_to_failure,
                repair=mode.repair,
            )
            for key, mode in unit.failure_modes.items()
        ),
        upkeep=_upkeep(unit, start, horizon_s),
        work_needs="work" in unit.operator,
        setup_needs="setup" in unit.operator,
        teams=tuple(i for i, team in enumerate(plant.operators.values()) if name in team.skills),
        opens=tuple(i for i, loop in enumerate(plant.kanban.values()) if loop.first == name),
        closes=tuple(i for i, loop in enumerate(plant.kanban.values()) if loop.last == name),
        saturated=unit.release.policy == "saturated",
        interarrival=unit.release.interarrival,
        arriving=_arriving(plant, unit),
        consumes=consumes,
        on_at_start=on_at_start,
        edges_s=edges_s,
        production_w=unit.power.production_w,
        idle_w=unit.power.idle_w,
        off_w=unit.power.off_w,
    )


def _zone_table(plant: Plant, name: str, names: list[str]) -> ZoneTable:
    zone = plant.storage_zones[name]
    return ZoneTable(
        name=name,
        upstream=names.index(zone.upstream),
        downstream=names.index(zone.downstream),
        capacity=min(zone.capacity, UNLIMITED),
        transport_s=zone.transport_s,
        closes=tuple(i for i, loop in enumerate(plant.kanban.values()) if loop.last == name),
    )


def _arrivals_table(plant: Plant, name: str, index: int) -> ZoneTable:
    places = plant.work_units[name].release.places
    return ZoneTable(
        name=f"arrivals before {name}",
        upstream=-1,
        downstream=index,
        capacity=UNLIMITED if places is None else min(places, UNLIMITED),
        transport_s=0.0,
        closes=(),
    )


def _routes(
    plant: Plant, name: str, zones: list[str]
) -> tuple[tuple[tuple[int, float], ...], tuple[int, ...]]:
    """Where finished parts go: (zone, upper end of its share), and zone by product."""
    unit = plant.work_units[name]
    rework = unit.inspection.rework if unit.inspection else None
    if not unit.routes:
        only = next((zones.index(z) for z in plant.downstream(name) if z != rework), LEAVE)
        return (), (only,) * len(plant.products)
    to = [LEAVE if r.zone == "leave" else zones.index(r.zone) for r in unit.routes]
    if unit.routes[0].share is not None:
        ends = [*itertools.accumulate(r.share or 0.0 for r in unit.routes)]
        return tuple(zip(to, [*ends[:-1], 1.0], strict=True)), ()
    named = {p: zone for zone, r in zip(to, unit.routes, strict=True) for p in r.products}
    others = next((z for z, r in zip(to, unit.routes, strict=True) if not r.products), LEAVE)
    return (), tuple(named.get(p, others) for p in plant.products)


def _arriving(plant: Plant, unit: WorkUnit) -> tuple[float, ...]:
    shares = unit.release.products or dict.fromkeys(plant.products, 1.0)
    whole = sum(shares.values())
    ends = [*itertools.accumulate(shares.get(p, 0.0) / whole for p in plant.products)]
    last = max((i for i, p in enumerate(plant.products) if shares.get(p, 0.0) > 0), default=0)
    return tuple(1.0 if i >= last else end for i, end in enumerate(ends))


def _consumed(
    plant: Plant, name: str, consumes: Supply, items: tuple[str, ...]
) -> tuple[tuple[tuple[int, float], ...], ...]:
    return tuple(
        tuple((items.index(item), n) for item, n in consumes.get((name, p), {}).items())
        for p in plant.products
    )


def _upkeep(unit: WorkUnit, start: datetime, horizon_s: float) -> tuple[UpkeepTable, ...]:
    modes = list(unit.failure_modes)
    rows = []
    for name, upkeep in unit.upkeep.items():
        due: list[float] = []
        if upkeep.every_h is not None:
            period_s = upkeep.every_h * 3600.0
            first = period_s
            if upkeep.first_at is not None:
                first = (upkeep.first_at - start).total_seconds()
                first += period_s * max(0.0, -(first // period_s))
            steps = int(max(0.0, (horizon_s - first) // period_s + 1))
            due = [first + k * period_s for k in range(steps)]
        rows.append(
            UpkeepTable(
                name=name,
                every_parts=upkeep.every_parts or 0,
                due_s=tuple(t for t in due if 0.0 <= t <= horizon_s),
                duration=upkeep.duration,
                renews=tuple(modes.index(m) for m in upkeep.renews),
            )
        )
    return tuple(rows)


def _downstream_first(plant: Plant) -> list[str]:
    found = plant.ends()
    for name in found:  # grows on the way: a breadth-first walk up the line
        for zone in plant.upstream(name):
            before = plant.storage_zones[zone].upstream
            if before not in found:
                found.append(before)
    return found


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
