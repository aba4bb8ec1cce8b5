"""What the recursion can play: lines on which the order of parts is fixed everywhere."""

from __future__ import annotations

import math
from collections.abc import Iterator

from twin.engine.inputs import RunInput
from twin.engine.model import LEAVE, UNLIMITED, UnitTable

__all__ = ["MOST_CARDS", "MOST_PARTS", "MOST_PLACES", "UndecidedTie", "why_not_recursion"]

MOST_PLACES = MOST_CARDS = 1 << 16
MOST_PARTS = 1 << 20
"""Of the jobs, or of one turn of the lots: the recursion lists every one."""
_MOST_KINDS = 60


class UndecidedTie(Exception):
    """The recursion cannot say which of two things of one instant came first; another engine can."""


def why_not_recursion(given: RunInput) -> str | None:
    """The first reason why this run needs an event loop; None if the recursion can play it.

    It plays serial lines and synchronous assembly of single servers: with zones of any size, conveyors, cards,
    setups, failures by either clock, planned work and shifts, jobs with releases or lots without end.
    """
    return next(_reasons(given), None)


def _reasons(given: RunInput) -> Iterator[str]:
    model = given.model
    if given.live is not None:
        yield "it starts from a live state"
    if given.forecasts:
        yield "it has failure forecasts"
    if model.items:
        yield "components can run short"
    if model.cyclic:
        yield "a part can come to a unit again"
    for unit in model.units:
        yield from _unit_reasons(unit)
    ends = [unit.name for unit in model.units if not unit.zones_out]
    if len(ends) != 1:
        yield f"parts leave at {len(ends)} units: {', '.join(ends)}"
    yield from _defect_reasons(given)
    yield from _launch_reasons(given)
    yield from _crew_reasons(given)
    for zone in model.zones:
        if MOST_PLACES < zone.capacity < UNLIMITED:
            yield f"{zone.name} has {zone.capacity} places"
    for loop in model.loops:
        if loop.cards > MOST_CARDS:
            yield f"{loop.name} has {loop.cards} cards"


def _unit_reasons(unit: UnitTable) -> Iterator[str]:
    ways = unit.shares or len(set(unit.by_product)) > 1
    for found, what in (
        (unit.servers > 1, f"has {unit.servers} servers, so parts can overtake"),
        (unit.batch > 1, "takes batches"),
        (unit.interarrival is not None, "waits for arrivals"),
        (len(unit.zones_in) > 1 and not unit.assembles, "merges"),
        (unit.eager, "takes its components as they come"),
        (ways, "sends parts different ways"),
        (unit.rework != LEAVE, "sends parts to rework"),
        (unit.work_needs or unit.setup_needs, "needs an operator"),
        (any(one.every_parts for one in unit.upkeep), "has upkeep after a number of parts"),
        (len(unit.modes) > _MOST_KINDS, f"has {len(unit.modes)} failure modes"),
    ):
        if found:
            yield f"{unit.name} {what}"
    laws = [law for mode in unit.modes for law in (mode.life, mode.repair)]
    if any(law.mean() <= 0.0 for law in (*laws, *(one.duration for one in unit.upkeep))):
        yield f"failures or upkeep of {unit.name} take no time"


def _defect_reasons(given: RunInput) -> Iterator[str]:
    units = given.model.units
    for unit in units:
        if unit.coverage > 0.0:
            for name in _defective_before(given, unit):
                yield f"{unit.name} finds the defects that {name} makes"


def _defective_before(given: RunInput, unit: UnitTable) -> Iterator[str]:
    for z in unit.zones_in:
        before = given.model.units[given.model.zones[z].upstream]
        if before.defect_probability > 0.0:
            yield before.name
        yield from _defective_before(given, before)


def _launch_reasons(given: RunInput) -> Iterator[str]:
    heads = [given.model.units[u] for u in given.model.heads]
    listed = sum(row.quantity for row in (given.lots if given.jobs is None else given.jobs))
    if listed > MOST_PARTS:
        yield f"it lists {listed} parts"
    if given.jobs is None and given.until_done:
        yield "it is to end when all is done, but has no jobs"
    if given.until_done and given.warm_up_s > 0.0:
        yield "it may end before its warm-up does"
    if given.jobs is not None:
        if not given.jobs:
            yield "its jobs hold no part"
        for unit in heads:
            if unit.saturated:
                yield f"{unit.name} launches without jobs"
    for unit in heads:
        if any(law.mean() <= 0.0 for law in unit.cycle):
            yield f"{unit.name} launches parts in no time"


def _crew_reasons(given: RunInput) -> Iterator[str]:
    model = given.model
    planned = {row.unit for row in given.maintenance}
    needing = [u for u, unit in enumerate(model.units) if unit.modes or unit.upkeep or u in planned]
    if model.crews < len(needing):
        yield f"{len(needing)} units share {model.crews} maintenance crews"
    for u in needing:
        rows = [row for row in given.maintenance if row.unit == u]
        if len(rows) + len(model.units[u].upkeep) > _MOST_KINDS:
            yield f"{model.units[u].name} has {len(rows)} planned stops"
        if any(row.duration_s <= 0.0 or math.isinf(row.duration_s) for row in rows):
            yield f"planned work on {model.units[u].name} takes no time"
