"""The bill of material, exploded: what one part consumes, and at which unit."""

from __future__ import annotations

from collections.abc import Mapping

from twin.errors import DataError
from twin.plant.material import ItemKind
from twin.plant.model import Plant

__all__ = ["Usage", "explode", "last_unit"]

Usage = Mapping[str, Mapping[tuple[str, str], float]]
"""Bought item -> (work unit, product) -> stock units per part that starts there."""


def explode(plant: Plant) -> Usage:
    """What every product consumes of every bought item, by the unit that consumes it.

    Phantoms, and made items below a product, are gone through: their quantity multiplies. A
    line without a work unit consumes where its parent is consumed; where nobody says, at the
    line's last unit. Scrap raises the quantity to ``quantity / (1 - scrap)``.

    Returns:
        Gross quantity per started part, summed where an item comes in several ways.

    Raises:
        DataError: The line has no single end at which to consume.

    Example:
        >>> from twin.plant import load_plant
        >>> usage = explode(load_plant("simulators/practice/plant.toml"))
        >>> {u: round(q, 6) for u, q in usage["CARTON"].items()}
        {('packing', 'FG-DRV24'): 1.0, ('packing', 'FG-GW10'): 1.0, ('packing', 'FG-PSU60'): 1.0}
    """
    found: dict[str, dict[tuple[str, str], float]] = {}
    for product in plant.products:
        todo: list[tuple[str, float, str | None]] = [(product, 1.0, None)]
        while todo:
            parent, quantity, consumed_at = todo.pop()
            for line in plant.bill_of_material:
                if line.parent != parent:
                    continue
                gross = quantity * line.quantity / (1.0 - line.scrap)
                unit = line.work_unit or consumed_at
                if plant.items[line.component].kind is not ItemKind.BUY:
                    todo.append((line.component, gross, unit))
                    continue
                at = (unit or last_unit(plant), product)
                by_unit = found.setdefault(line.component, {})
                by_unit[at] = by_unit.get(at, 0.0) + gross
    return {item: found[item] for item in plant.items if item in found}


def last_unit(plant: Plant) -> str:
    """The unit at which parts leave the line.

    Raises:
        DataError: There is none, or more than one.
    """
    ends = plant.ends()
    if len(ends) != 1:
        raise DataError(
            f"the line ends at {len(ends)} units ({', '.join(ends)}); name the work unit of every "
            "row of the bill of material"
        )
    return ends[0]
