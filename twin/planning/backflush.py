"""Stock as the line has used it up: what was counted, less what started orders have taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from twin.engine.live import LiveState, PartStart
from twin.plant import Plant, flow
from twin.plant.explosion import explode

__all__ = ["stock_after"]


def stock_after(plant: Plant, state: LiveState) -> Plant:
    """The plant with its stock less what the parts started so far took, never below nothing.

    The stock table is what was counted before any order of the order table was started
    (backflushing: ASCM Supply Chain Dictionary). A started part has taken the components of every
    unit that it has reached; those of the units before it are demand that a run from ``state``
    counts, and are not taken twice. A part that an inspection took out counts as if it had gone on.

    Args:
        plant: Its stock, orders and bills of material.
        state: Parts launched by order, and where they stand; orders that the plant does not have
            are passed over.
    """
    started: dict[str, int] = {}
    for order, n in state.started.items():
        if order in plant.orders:
            product = plant.orders[order].product
            started[product] = started.get(product, 0) + n
    taken: dict[str, float] = {}
    for item, usage in explode(plant).items():
        for (unit, product), quantity in usage.items():
            ahead = sum(1 for found in _not_yet_at(plant, unit, state) if found == product)
            parts = max(0, started.get(product, 0) - ahead)
            taken[item] = taken.get(item, 0.0) + parts * quantity
    stock = {
        item: row.model_copy(update={"on_hand": max(0.0, row.on_hand - taken.get(item, 0.0))})
        for item, row in plant.stock.items()
    }
    return plant.model_copy(update={"stock": stock})


def _not_yet_at(plant: Plant, unit: str, state: LiveState) -> Iterator[str]:
    """Products of the parts of the plant's orders whose work at a unit has still to begin.

    An assembly is followed along its lead zone, whose parts carry the order; a merge along all.
    """
    for here in state.servers_of(unit):
        if here.work_ahead:
            yield from _ordered(plant, here.parts)
    way = flow.reached(
        [unit], lambda name: [plant.storage_zones[z].upstream for z in _ahead(plant, name)]
    )
    for name in way:
        for zone in _ahead(plant, name):
            yield from _ordered(plant, state.zones.get(zone, ()))
    for name in way[1:]:
        for before in state.servers_of(name):
            yield from _ordered(plant, before.parts)


def _ahead(plant: Plant, unit: str) -> list[str]:
    """Zones whose parts have still to come here; those of rework have been here before."""
    zones = plant.upstream(unit)
    if flow.assembles(plant, unit):
        zones = zones[:1]
    return [z for z in zones if z in plant.onward(plant.storage_zones[z].upstream)]


def _ordered(plant: Plant, parts: Iterable[PartStart]) -> Iterator[str]:
    return (part.product for part in parts if part.order_id in plant.orders)
