"""How parts can go through a plant: where they start, which way they take, where they leave.

Names that the plant does not know are passed over, so these work on a file that still has faults.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from twin.errors import DataError
from twin.plant.equipment import LEAVE, Route

if TYPE_CHECKING:
    from twin.plant.model import Plant

__all__ = [
    "after",
    "assembles",
    "before",
    "counters",
    "counts_tell",
    "downstream_first",
    "ends",
    "heads",
    "launchers_of",
    "main_path",
    "onward",
    "reached",
    "routes_of",
    "shares_of",
    "way_of",
]


def onward(plant: Plant, unit: str) -> list[str]:
    """Storage zones that finished parts go into: those it feeds, without that of its rework."""
    work_unit = plant.work_units.get(unit)
    inspection = work_unit.inspection if work_unit else None
    rework = inspection.rework if inspection else None
    return [zone for zone in plant.downstream(unit) if zone != rework]


def routes_of(plant: Plant, unit: str) -> tuple[Route, ...]:
    """Its routes, or the only way that there is."""
    if given := plant.unit(unit).routes:
        return given
    zones = onward(plant, unit)
    if len(zones) > 1:
        raise DataError(f"work unit {unit} feeds {', '.join(zones)}; routes must say which")
    return (Route(zone=zones[0] if zones else LEAVE),)


def shares_of(plant: Plant, unit: str) -> tuple[tuple[str, float], ...]:
    """Ways that are drawn: where to (a zone or ``leave``), and the upper end of its share, the last 1. Empty: none are."""
    routes = plant.work_units[unit].routes
    if not routes or routes[0].share is None:
        return ()
    ends = [*itertools.accumulate(route.share or 0.0 for route in routes)]
    return tuple(zip((route.zone for route in routes), [*ends[:-1], 1.0], strict=True))


def way_of(plant: Plant, unit: str, product: str) -> str:
    """Where parts of a product go if no way is drawn: a zone or ``leave``."""
    routes = plant.work_units[unit].routes
    if not routes:
        return next(iter(onward(plant, unit)), LEAVE)
    named = (route.zone for route in routes if product in route.products)
    others = (route.zone for route in routes if not route.products)
    return next(itertools.chain(named, others), LEAVE)


def heads(plant: Plant) -> list[str]:
    """Units without a storage zone before them, in file order."""
    fed = {zone.downstream for zone in plant.storage_zones.values()}
    return [unit for unit in plant.work_units if unit not in fed]


def ends(plant: Plant) -> list[str]:
    """Units at which finished parts leave the line, in file order."""
    return [
        name
        for name, unit in plant.work_units.items()
        if not onward(plant, name) or any(route.zone == LEAVE for route in unit.routes)
    ]


def downstream_first(plant: Plant) -> list[str]:
    """Units from the ends backwards, breadth first: the order in which parts of a live start are numbered."""
    return reached(ends(plant), lambda unit: before(plant, unit))


def counters(plant: Plant) -> list[str]:
    """Ends where every good part has left the line; where there are none, all ends."""
    found = ends(plant)
    return [unit for unit in found if not onward(plant, unit)] or found


def counts_tell(plant: Plant, zone: str) -> bool:
    """True where counters tell what is in a zone: nothing else lies between its two units.

    Every good part of the unit before it goes in, and every part of the unit after it has taken one out.
    """
    found = plant.storage_zones[zone]
    if found.upstream not in plant.work_units or found.downstream not in plant.work_units:
        return False
    leaves = any(route.zone == LEAVE for route in plant.work_units[found.upstream].routes)
    merges = len(plant.upstream(found.downstream)) > 1 and not assembles(plant, found.downstream)
    return onward(plant, found.upstream) == [zone] and not leaves and not merges


def assembles(plant: Plant, unit: str) -> bool:
    """True where one part of each of several zones becomes one."""
    return plant.work_units[unit].takes == "all" and len(plant.upstream(unit)) > 1


def before(plant: Plant, unit: str) -> list[str]:
    """Units that feed its storage zones, in the order of the zones."""
    feeds = [plant.storage_zones[zone].upstream for zone in plant.upstream(unit)]
    return [name for name in feeds if name in plant.work_units]


def after(plant: Plant, unit: str) -> list[str]:
    """Units that its storage zones feed, rework too, in the order of the zones."""
    fed = [plant.storage_zones[zone].downstream for zone in plant.downstream(unit)]
    return [name for name in fed if name in plant.work_units]


def reached(start: Iterable[str], step: Callable[[str], Iterable[str]]) -> list[str]:
    """Everything on the way from `start`, breadth first, each once.

    Example:
        >>> reached(["a"], {"a": "bc", "b": "ca", "c": "d", "d": ""}.__getitem__)
        ['a', 'b', 'c', 'd']
    """
    found = list(dict.fromkeys(start))
    seen = set(found)
    for name in found:  # grows on the way
        for following in step(name):
            if following not in seen:
                seen.add(following)
                found.append(following)
    return found


def main_path(plant: Plant) -> frozenset[str]:
    """Units whose parts are those that orders count."""

    def up(unit: str) -> list[str]:
        feeds = before(plant, unit)
        return feeds[:1] if assembles(plant, unit) else feeds

    return frozenset(reached(ends(plant), up))


def launchers_of(plant: Plant, unit: str) -> list[str]:
    """Units that start the parts that come here, nearest first."""
    first = set(heads(plant))
    return [name for name in reached([unit], lambda u: before(plant, u)) if name in first]
