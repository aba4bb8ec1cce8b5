"""The line as flat tables: what every engine runs from. Indices follow the order of the plant file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from twin.plant import Law, Plant, WorkUnit

__all__ = ["STATES", "LineModel", "ModeTable", "UnitTable", "ZoneTable", "line_model"]

STATES = ("production", "setup", "starved", "blocked", "down", "repair", "off")
"""Values of WorkUnitState that a simulated unit can show; engines use the index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeTable:
    """One failure mode of one unit."""

    name: str
    operating: bool
    """True: its age grows only in production."""
    life: Law
    repair: Law


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneTable:
    """One storage zone."""

    name: str
    upstream: int
    downstream: int
    capacity: int
    lead: bool
    """True: its part gives order, product and number to what its downstream unit assembles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitTable:
    """One work unit."""

    name: str
    zones_in: tuple[int, ...]
    """Empty: the unit launches parts. The first is the lead."""
    zone_out: int
    """-1: parts leave the line here."""
    main: bool
    """True on the way of the parts that orders count; False on a branch of components."""
    sources: tuple[int, ...]
    """Units that launch what comes here."""
    cycle: tuple[Law, ...]
    """By product."""
    setup_s: tuple[tuple[float, ...], ...]
    """From product, to product; the diagonal is another order of the same product."""
    defect_probability: float
    coverage: float
    modes: tuple[ModeTable, ...]
    on_at_start: bool
    edges_s: tuple[float, ...]
    """Instants within the horizon at which the shift ends or begins, in turn."""
    production_w: float
    idle_w: float
    off_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LineModel:
    """The whole line over one horizon."""

    products: tuple[str, ...]
    units: tuple[UnitTable, ...]
    zones: tuple[ZoneTable, ...]
    downstream_first: tuple[int, ...]
    """Units from the end of the line backwards, breadth first."""
    crews: int


def line_model(plant: Plant, start: datetime, horizon_s: float) -> LineModel:
    """Tables of this plant from an instant over a horizon."""
    names = list(plant.work_units)
    backwards = _downstream_first(plant)
    main = _main_path(plant, backwards[0])
    units = tuple(_unit_table(plant, name, name in main, start, horizon_s) for name in names)
    return LineModel(
        products=tuple(plant.products),
        units=units,
        zones=tuple(
            ZoneTable(
                name=name,
                upstream=names.index(zone.upstream),
                downstream=names.index(zone.downstream),
                capacity=zone.capacity,
                lead=plant.upstream(zone.downstream)[0] == name,
            )
            for name, zone in plant.storage_zones.items()
        ),
        downstream_first=tuple(names.index(name) for name in backwards),
        crews=plant.maintenance.crews,
    )


def _unit_table(
    plant: Plant, name: str, main: bool, start: datetime, horizon_s: float
) -> UnitTable:
    unit = plant.work_units[name]
    units, zones = list(plant.work_units), list(plant.storage_zones)
    on_at_start, edges_s = _shifts(plant, unit, start, horizon_s)
    return UnitTable(
        name=name,
        zones_in=tuple(zones.index(z) for z in plant.upstream(name)),
        zone_out=next((zones.index(z) for z in plant.downstream(name)), -1),
        main=main,
        sources=tuple(units.index(s) for s in _sources(plant, name)),
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
        on_at_start=on_at_start,
        edges_s=edges_s,
        production_w=unit.power.production_w,
        idle_w=unit.power.idle_w,
        off_w=unit.power.off_w,
    )


def _downstream_first(plant: Plant) -> list[str]:
    found = [name for name in plant.work_units if not plant.downstream(name)]
    for name in found:  # grows on the way: a breadth-first walk up the line
        found += [plant.storage_zones[zone].upstream for zone in plant.upstream(name)]
    return found


def _main_path(plant: Plant, end: str) -> set[str]:
    path = {end}
    while zones := plant.upstream(end):
        end = plant.storage_zones[zones[0]].upstream
        path.add(end)
    return path


def _sources(plant: Plant, name: str) -> list[str]:
    zones = plant.upstream(name)
    if not zones:
        return [name]
    return [s for zone in zones for s in _sources(plant, plant.storage_zones[zone].upstream)]


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
    plant: Plant, unit: WorkUnit, start: datetime, horizon_s: float
) -> tuple[bool, tuple[float, ...]]:
    calendar = plant.calendars[unit.calendar]
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
