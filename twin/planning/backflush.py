"""Stock as the line has used it up: what was counted, less what started orders take."""

from __future__ import annotations

from collections.abc import Mapping

from twin.planning.explosion import explode
from twin.plant import Plant

__all__ = ["stock_after"]


def stock_after(plant: Plant, started: Mapping[str, int]) -> Plant:
    """The plant with its stock less what the parts started so far take, never below nothing.

    The stock table is what was counted before any order of the order table was started
    (backflushing: ASCM Supply Chain Dictionary). A started part takes all its components, also
    those that a unit further down the line adds later.

    Args:
        plant: Its stock, orders and bills of material.
        started: Parts launched by order; orders that the plant does not have are passed over.
    """
    taken: dict[str, float] = {}
    for item, usage in explode(plant).items():
        for (_, product), quantity in usage.items():
            parts = sum(
                n
                for order, n in started.items()
                if order in plant.orders and plant.orders[order].product == product
            )
            taken[item] = taken.get(item, 0.0) + parts * quantity
    stock = {
        item: row.model_copy(update={"on_hand": max(0.0, row.on_hand - taken.get(item, 0.0))})
        for item, row in plant.stock.items()
    }
    return plant.model_copy(update={"stock": stock})
