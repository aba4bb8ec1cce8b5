"""How fast the line is: seconds per part at the bottleneck, stops of the other units included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from twin.errors import DataError
from twin.plant import FailureMode, Plant, WorkUnit

__all__ = ["LineRate", "change_over_s", "line_rate"]

_LAW_POINTS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class LineRate:
    """What one product takes from the line."""

    product: str
    bottleneck: str
    """The unit that sets the pace."""
    seconds_per_part: float
    """Mean working time from one part to the next, stops included. [s]"""
    tail_s: float
    """From a part's start at the bottleneck's pace to its leaving the line: the sum of the
    cycles less the bottleneck's. [s]"""


def line_rate(plant: Plant, product: str) -> LineRate:
    """The pace of the line for one product.

    A unit ``b`` would need, per part, its own mean cycle and its own repairs, and of every
    stop elsewhere the time that the zones in between cannot carry: full zones before ``b``
    feed it and empty zones behind it take its parts for ``capacity * cycle`` seconds. The
    slowest unit by this measure is the bottleneck. With no zones this is Buzacott's
    efficiency of a line without buffers, with endless ones the stand-alone efficiency.
    The cycle of several servers, or of an oven, is shared by the parts that it takes at once (a
    full oven). Every part is taken to pass every unit: splits, rework, operators, upkeep and cards
    are for the engine.

    Args:
        plant: Plant file or calibrated plant.
        product: A product of the plant.

    Raises:
        DataError: The plant has no work units, or no such product.

    Source:
        Buzacott, Automatic transfer lines with buffer stocks, Int. J. Prod. Res. 5 (1967).
    """
    if product not in plant.products or not plant.work_units:
        raise DataError(f"the line cannot make {product}: it has no such product, or no units")
    means = {u: unit.cycle_law(product).mean() for u, unit in plant.work_units.items()}
    cycles = {u: mean / _at_once(plant.work_units[u]) for u, mean in means.items()}
    hops = _zones_between(plant)
    pace = {b: _pace(plant, b, cycles, hops[b]) for b in cycles}
    bottleneck = max(pace, key=lambda b: (pace[b], b))
    return LineRate(
        product=product,
        bottleneck=bottleneck,
        seconds_per_part=pace[bottleneck],
        tail_s=sum(means.values()) - cycles[bottleneck],
    )


def change_over_s(plant: Plant, last: str, following: str) -> float:
    """Time that the line stands between the last part of one order and the next order. [s]

    The units change over one after the other while the last parts leave, so the line loses
    the longest change-over.

    Raises:
        NotFoundError: No such product.
    """
    distance = plant.setup_distance(last, following)
    return max(unit.setup.seconds(distance) for unit in plant.work_units.values())


def _at_once(unit: WorkUnit) -> int:
    """Parts that it works on at the same time."""
    return unit.servers * (unit.batch.size if unit.batch else 1)


def _pace(
    plant: Plant, bottleneck: str, cycles: Mapping[str, float], hops: Mapping[str, int]
) -> float:
    own = cycles[bottleneck]
    lost = 0.0
    for name, unit in plant.work_units.items():
        carried_s = hops[name] * own
        for mode in unit.failure_modes.values():
            exposure = cycles[name] if mode.clock == "operating" else own
            stop = mode.repair.mean() if name == bottleneck else _excess(mode, carried_s)
            lost += exposure * stop / mode.time_to_failure.mean()
    return own + lost


def _excess(mode: FailureMode, carried_s: float) -> float:
    """Mean part of a repair that is longer than ``carried_s``. [s]"""
    points = ((i + 0.5) / _LAW_POINTS for i in range(_LAW_POINTS))
    return sum(max(0.0, mode.repair.quantile(u) - carried_s) for u in points) / _LAW_POINTS


def _zones_between(plant: Plant) -> dict[str, dict[str, int]]:
    """Places for parts on the way between each two units."""
    near: dict[str, list[tuple[str, int]]] = {u: [] for u in plant.work_units}
    for zone in plant.storage_zones.values():
        near[zone.upstream].append((zone.downstream, zone.capacity))
        near[zone.downstream].append((zone.upstream, zone.capacity))
    found = {}
    for origin in near:
        places, todo = {origin: 0}, [origin]
        while todo:
            here = todo.pop()
            for there, capacity in near[here]:
                if there not in places:
                    places[there] = places[here] + capacity
                    todo.append(there)
        found[origin] = places
    return found
