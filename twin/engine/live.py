"""Put a line into the live state from which it starts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from twin.engine.entities import HELD, SETTING_UP, WORKING, Part, Unit, Work
from twin.engine.streams import uniform
from twin.engine.types import LiveState, UnitStart
from twin.plant import WorkUnitState

if TYPE_CHECKING:
    from twin.engine.reference import Line

__all__ = ["place"]

_PHASE = {
    WorkUnitState.PRODUCTION: WORKING,
    WorkUnitState.SETUP: SETTING_UP,
    WorkUnitState.BLOCKED: HELD,
    WorkUnitState.DOWN: WORKING,
    WorkUnitState.REPAIR: WORKING,
    WorkUnitState.OFF: WORKING,
}


def place(line: Line, state: LiveState) -> int:
    """Parts and unit states at time 0; the number of parts placed, which are numbered from 0.

    Numbers rise from the end of the line backwards: the part in a unit, then its zones in
    order. Nothing moves yet.
    """
    number = 0
    for index in line.given.model.downstream_first:
        unit = line.units[index]
        start = state.units.get(unit.name)
        if start is not None:
            number += _place_unit(line, unit, start, number)
        for zone in unit.zones:
            main = unit.table.main and zone is unit.zones[0]
            for part in state.zones.get(zone.name, ()):
                zone.parts.append(_part(line, number, part.order_id, part.product, main))
                number += 1
    return number


def _place_unit(line: Line, unit: Unit, start: UnitStart, number: int) -> int:
    products = line.given.model.products
    orders = line.given.orders
    last_product = start.last_product or start.product
    if last_product:
        unit.last_product = products.index(last_product)
    last_order = start.last_order_id or (start.order_id if not start.last_product else None)
    if last_order in orders:
        unit.last_order = orders.index(last_order)
    if start.state in (WorkUnitState.DOWN, WorkUnitState.REPAIR):
        _place_work(unit, start)
    if not start.holds_part or start.product is None:
        return 0
    phase = _PHASE[start.state]
    part = _part(line, number, start.order_id or "", start.product, unit.table.main)
    unit.part, unit.phase = part, phase
    unit.remaining = _remaining(line, unit, start, part)
    if phase == SETTING_UP or start.last_product is None:
        unit.last_order, unit.last_product = part.order, part.product
    return 1


def _place_work(unit: Unit, start: UnitStart) -> None:
    mode = next((m for m in unit.modes if start.failure_mode in (None, m.table.name)), None)
    if mode is None and start.repair_remaining_s is None:
        return
    unit.down = True
    unit.work = Work(mode, False, start.repair_remaining_s)


def _remaining(line: Line, unit: Unit, start: UnitStart, part: Part) -> float:
    """What is left: given, or a uniform share of what a whole one would take."""
    if unit.phase == HELD:
        return 0.0
    if start.remaining_s is not None:
        return max(0.0, start.remaining_s)
    share = uniform(line.given.seed, line.replication, unit.name, "remaining", 0)
    if unit.phase == SETTING_UP:
        last = unit.last_product
        return share * (unit.setup_s[last][part.product] if last >= 0 else 0.0)
    return share * unit.laws[part.product](unit.cycle.at(part.number))


def _part(line: Line, number: int, order_id: str, product: str, main: bool) -> Part:
    order = line.given.orders.index(order_id) if order_id else -1
    part = Part(number, order, line.given.model.products.index(product), main, -math.inf)
    tally = line.tally
    tally.in_process += 1
    if main:
        tally.main_left += 1
        if order >= 0:
            tally.order_left[order] += 1
            tally.order_started[order] = 0.0
    return part
