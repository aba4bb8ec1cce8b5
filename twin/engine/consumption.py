"""What a run uses up: components by item and hour, from the parts whose work began."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from twin.engine.types import Floats, RunResult
from twin.plant import Plant
from twin.plant.explosion import explode

__all__ = ["component_consumption"]


def component_consumption(plant: Plant, run: RunResult) -> Mapping[str, Floats]:
    """Components that the line used up, by item and hour of the horizon.

    Every part that begins its work at a unit uses what the bill of material says there, scrap
    of the component included.

    Args:
        plant: The line that was run, with its bill of material.
        run: Its result.

    Returns:
        Stock units by bought item. Shape (replications, hours)

    Raises:
        DataError: The bill of material leaves open at which unit a component is used.

    Example:
        >>> from datetime import UTC, datetime
        >>> from twin.engine import simulate
        >>> from twin.plant import load_plant
        >>> plant = load_plant("simulators/practice/plant.toml")
        >>> run = simulate(plant, start=datetime(2026, 3, 2, 6, tzinfo=UTC), horizon_s=7200.0)
        >>> used = component_consumption(plant, run)["CARTON"]
        >>> packed = sum(run.starts["packing", product] for product in plant.products)
        >>> used.shape, bool((used == packed).all())
        ((1, 2), True)
    """
    hours = next(iter(run.starts.values())).shape[1] if run.starts else 0
    nothing = np.zeros((run.replications, hours))
    consumed: dict[str, Floats] = {}
    for item, used in explode(plant).items():
        consumed[item] = nothing.copy()
        for place, quantity in used.items():
            consumed[item] += run.starts[place] * quantity
    return consumed
