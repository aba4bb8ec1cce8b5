"""Stock as the line has used it up: what was counted, less what started orders have taken."""

from __future__ import annotations

from collections.abc import Iterator

from twin.engine.types import LiveState
from twin.planning.explosion import explode
from twin.plant import Plant, WorkUnitState

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

    An assembly is followed along its lead zone, whose parts carry the order.
    """
    here = state.units.get(unit)
    if here is not None and here.state is WorkUnitState.SETUP and here.holds_part:
        yield from _ordered(plant, here.order_id, here.product)
    while zones := plant.upstream(unit):
        for part in state.zones.get(zones[0], ()):
            yield from _ordered(plant, part.order_id, part.product)
        unit = plant.storage_zones[zones[0]].upstream
        before = state.units.get(unit)
        if before is not None and before.holds_part:
            yield from _ordered(plant, before.order_id, before.product)


def _ordered(plant: Plant, order: str | None, product: str | None) -> Iterator[str]:
    if product is not None and order in plant.orders:
        yield product
