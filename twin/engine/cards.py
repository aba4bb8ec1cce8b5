"""Of which card loops a part holds a card that is on the line as a run begins; for every engine."""

from __future__ import annotations

from collections.abc import Iterable

from twin.engine.model import LineModel

__all__ = ["Loops", "loops_of_places"]

Loops = tuple[tuple[int, ...], ...]
"""By unit or by zone: card loops, in their order."""


def loops_of_places(model: LineModel) -> tuple[Loops, Loops]:
    """The loops of which a part that stands in a unit, or in a zone, holds a card.

    Those that it is in: in a loop is its first unit, and where parts come from there before they
    leave its last. New parts stand there too where parts come back on the way to the first unit (by
    rework before it, or a route): such a place is not in the loop.
    """
    units: list[list[int]] = [[] for _ in model.units]
    zones: list[list[int]] = [[] for _ in model.zones]
    for loop, table in enumerate(model.loops):
        inside, zones_inside = _from(model, [table.first], loop, -1)
        new, zones_new = _from(model, model.heads, -1, table.first)
        before, zones_before = _before(model, table.first)
        for u in sorted(inside - (new & before) | {table.first}):
            units[u].append(loop)
        for z in sorted(zones_inside - (zones_new & zones_before)):
            zones[z].append(loop)
    return tuple(map(tuple, units)), tuple(map(tuple, zones))


def _from(
    model: LineModel, heads: Iterable[int], loop: int, around: int
) -> tuple[set[int], set[int]]:
    """Units and zones to which parts come from these units, inside a loop or around a unit."""
    units = [u for u in heads if u != around]
    zones: set[int] = {
        z for u in units for z in model.units[u].zones_in if model.zones[z].upstream < 0
    }
    for u in units:  # grows on the way
        if loop in model.units[u].closes:
            continue
        for z in model.units[u].zones_out:
            zones.add(z)
            after = model.zones[z].downstream
            if loop not in model.zones[z].closes and after != around and after not in units:
                units.append(after)
    return set(units), zones


def _before(model: LineModel, unit: int) -> tuple[set[int], set[int]]:
    """Units and zones from which parts come to a unit, but for those by which they come back for rework."""
    rework = {table.rework for table in model.units}
    units = [unit]
    zones: set[int] = set()
    for u in units:  # grows on the way
        for z in model.units[u].zones_in:
            if z in rework:
                continue
            zones.add(z)
            before = model.zones[z].upstream
            if before >= 0 and before not in units:
                units.append(before)
    return set(units), zones
