"""Faults of the flow: parts that cannot start, cannot go on, cannot leave, or wait for themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from twin.plant import flow
from twin.plant.equipment import LEAVE, Route
from twin.plant.faults import Found, known
from twin.plant.model import Plant

__all__ = ["flow_faults"]

_SUM_WITHIN = 1e-9


def flow_faults(plant: Plant) -> Found:
    """What is wrong with the ways of the parts.

    A zone with a name that is not known is reported for that and taken to lead where it should.
    """
    yield from _zones(plant)
    for name in plant.work_units:
        yield from _rework(plant, name)
        yield from _routes(plant, name)
    if plant.work_units:
        yield from _reach(plant)
        yield from _assemblies(plant)
        yield from _pieces(plant)


def _zones(plant: Plant) -> Found:
    routed = any(unit.routes for unit in plant.work_units.values())
    for name, zone in plant.storage_zones.items():
        place = f"storage_zones.{name}"
        yield from known(f"{place}.upstream", "work unit", zone.upstream, plant.work_units)
        yield from known(f"{place}.downstream", "work unit", zone.downstream, plant.work_units)
        if zone.transport_s > 0.0 and zone.capacity < 1:
            found = f"is 0, but parts travel {zone.transport_s:g} s on this conveyor"
            yield f"{place}.capacity", found, "give it the places that the conveyor has"
        if name == LEAVE and routed:
            found = f'is named "{LEAVE}", which means that a part leaves the line'
            yield place, found, "give it another name"


def _rework(plant: Plant, name: str) -> Found:
    inspection = plant.work_units[name].inspection
    if inspection is None or inspection.rework is None:
        return
    place, zone = f"work_units.{name}.inspection.rework", inspection.rework
    yield from known(place, "storage zone", zone, plant.storage_zones)
    yield from _starts_here(plant, place, zone, name)
    if any(route.zone == zone for route in plant.work_units[name].routes):
        found = f'"{zone}" is one of its routes, too'
        yield place, found, "use a zone for rework alone"


def _starts_here(plant: Plant, place: str, zone: str, name: str) -> Found:
    if zone in plant.storage_zones and plant.storage_zones[zone].upstream != name:
        found = f'"{zone}" does not start here but at {plant.storage_zones[zone].upstream}'
        yield place, found, f"use a storage zone whose upstream is {name}"


def _routes(plant: Plant, name: str) -> Found:
    place, zones = f"work_units.{name}.routes", plant.onward(name)
    routes = plant.work_units[name].routes
    if not routes:
        if len(zones) > 1:
            found = f"is missing, but {name} feeds {len(zones)} storage zones ({', '.join(zones)})"
            yield place, found, "add a route for each, by share or by products"
        return
    yield from _route_zones(plant, name, zones)
    by_share = [route.share for route in routes if route.share is not None]
    if not by_share:
        yield from _by_product(plant, place, routes)
    elif len(by_share) < len(routes) or any(route.products for route in routes):
        found = "some go by share and some by products"
        yield place, found, "give every route a share, or none"
    elif abs(sum(by_share) - 1.0) > _SUM_WITHIN:
        yield place, f"the shares add up to {sum(by_share):g}", "make them add up to 1"


def _route_zones(plant: Plant, name: str, zones: list[str]) -> Found:
    place, routes = f"work_units.{name}.routes", plant.work_units[name].routes
    inspection = plant.work_units[name].inspection
    rework = inspection.rework if inspection else None
    for i, route in enumerate(routes):
        at = f"{place}.{i}.zone"
        if route.zone in (LEAVE, rework):
            continue
        if route.zone in plant.storage_zones:
            yield from _starts_here(plant, at, route.zone, name)
        else:
            yield from known(at, "storage zone", route.zone, (*zones, LEAVE))
    for zone, times in Counter(route.zone for route in routes).items():
        if times > 1:
            yield place, f'"{zone}" stands in {times} routes', "make one of them"
    for zone in zones:
        if all(route.zone != zone for route in routes):
            found = f'none leads into "{zone}", which starts here'
            yield place, found, "add a route into it, or take the zone out"


def _by_product(plant: Plant, place: str, routes: tuple[Route, ...]) -> Found:
    named = Counter(product for route in routes for product in route.products)
    for product, times in named.items():
        yield from known(place, "product", product, plant.products)
        if times > 1:
            yield place, f"{product} is named {times} times", "name it once"
    others = [route.zone for route in routes if not route.products]
    if len(others) > 1:
        found = f"{', '.join(others)} have neither a share nor products"
        yield place, found, "only one can stand for all other products"
    missing = [product for product in plant.products if product not in named]
    if missing and not others:
        found = f"no way for {', '.join(missing)}"
        yield place, found, "name it in a route, or add a route without products for all others"


def _reach(plant: Plant) -> Found:
    heads, ends = plant.heads(), plant.ends()
    if not heads:
        found = "every work unit has one before it, so no part can start"
        yield "storage_zones", found, "let a unit without a zone before it start the parts"
    if not ends:
        found = "every work unit has one after it, so no part can leave the line"
        yield "storage_zones", found, f'take out the last one, or add a route to "{LEAVE}"'
    zones = plant.storage_zones.values()
    unknown_before = [z.downstream for z in zones if z.upstream not in plant.work_units]
    unknown_after = [z.upstream for z in zones if z.downstream not in plant.work_units]
    started = _walk(plant, [*heads, *unknown_before], ahead=True)
    leaving = _walk(plant, [*ends, *unknown_after], ahead=False)
    for name in plant.work_units:
        place = f"work_units.{name}"
        if heads and name not in started:
            by = ", ".join(dict.fromkeys(flow.before(plant, name)))
            found = f"no part can reach it: it is fed by {by} alone, where none starts"
            yield place, found, "lead a storage zone to it from a unit that starts parts"
        if ends and name not in leaving:
            found = "no part can go from here to an end of the line"
            yield place, found, f'lead a storage zone to one, or add a route to "{LEAVE}"'


def _walk(plant: Plant, start: Iterable[str], *, ahead: bool) -> set[str]:
    known_units = [name for name in start if name in plant.work_units]
    step = flow.after if ahead else flow.before
    return set(flow.reached(known_units, lambda name: step(plant, name)))


def _assemblies(plant: Plant) -> Found:
    """Assemblies of which some zones can be supplied and others never can."""
    supplied = _supplied(plant)
    for name in plant.work_units:
        if name in supplied or not flow.assembles(plant, name):
            continue
        feeds = {zone: plant.storage_zones[zone].upstream for zone in plant.upstream(name)}
        short = [
            z for z, unit in feeds.items() if unit in plant.work_units and unit not in supplied
        ]
        if len(short) == len(feeds):
            continue  # what is before it is reported
        own = _walk(plant, [name], ahead=True)
        for zone in short:
            if feeds[zone] in own:
                found = f'waits for its own output: only what it has made comes through "{zone}"'
                remedy = 'write takes = "any" if it merges, or lead the zone elsewhere'
            else:
                found = f'is an assembly without a supplier: no part can come through "{zone}"'
                remedy = f"lead parts to {feeds[zone]} from a unit that starts them"
            yield f"work_units.{name}", found, remedy


def _supplied(plant: Plant) -> set[str]:
    """Units that can get a first part: one of each zone to assemble, one of any to merge."""
    feeds = {
        name: [plant.storage_zones[zone].upstream for zone in plant.upstream(name)]
        for name in plant.work_units
    }
    found: set[str] = set()
    todo = list(plant.work_units)
    while todo:
        name = todo.pop()
        if name in found:
            continue
        here = [unit in found or unit not in feeds for unit in feeds[name]]
        if all(here) or (any(here) and not flow.assembles(plant, name)):
            found.add(name)
            todo += flow.after(plant, name)
    return found


def _pieces(plant: Plant) -> Found:
    """Machines that no zone joins to the line must say how they come by parts."""
    heads = set(plant.heads())
    rest = list(plant.work_units)
    first = rest[0]
    while rest:
        piece = set(
            flow.reached(rest[:1], lambda n: [*flow.before(plant, n), *flow.after(plant, n)])
        )
        for name in rest:
            said = "release" in plant.work_units[name].model_fields_set
            if first not in piece and name in piece and name in heads and not said:
                found = f"no storage zone joins it to {first}, so no part of the line can reach it"
                remedy = "join them, or say how it comes by parts of its own: release"
                yield f"work_units.{name}", found, remedy
        rest = [name for name in rest if name not in piece]
