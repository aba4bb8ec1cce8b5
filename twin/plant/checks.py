"""Faults that only show when the parts of a plant file are held against each other."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from twin.errors import Fault, UnitError
from twin.plant.checks_flow import flow_faults
from twin.plant.checks_line import line_faults
from twin.plant.faults import Found, known
from twin.plant.material import ItemKind
from twin.plant.model import Plant
from twin.units import unit

__all__ = ["cross_faults", "planning_notes"]


def cross_faults(plant: Plant, file: str) -> list[Fault]:
    """Every fault between the parts of this plant; empty when it is consistent."""
    checks: tuple[Callable[[Plant], Found], ...] = (
        _site,
        flow_faults,
        _units,
        line_faults,
        _signals,
        _material,
        _orders,
    )
    return [Fault(file, *found) for check in checks for found in check(plant)]


def planning_notes(plant: Plant) -> list[str]:
    """What is no fault, but worth knowing before the plan says so: items that are always late."""
    horizon_d = plant.planning.horizon_d
    late = [
        f"{item.item_id} ({item.lead_time_p90_d:g})"
        for item in plant.items.values()
        if item.kind is ItemKind.BUY and item.lead_time_p90_d > horizon_d
    ]
    if not late:
        return []
    return [
        f"planning.horizon_d sees {horizon_d:g} days ahead; what takes longer to come is ordered "
        f"late (lead_time_p90_d): {', '.join(late)}"
    ]


def _site(plant: Plant) -> Found:
    try:
        ZoneInfo(plant.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        yield (
            "timezone",
            f'"{plant.timezone}" is not known',
            'use an IANA name such as "Europe/Berlin"',
        )
    for product in plant.products:
        if plant.items:
            yield from known(f"products.{product}", "item", product, plant.items)
    if plant.maintenance.clear_probability >= plant.maintenance.raise_probability:
        yield "maintenance.clear_probability", "is not below raise_probability", "make it smaller"


def _units(plant: Plant) -> Found:
    for name, work_unit in plant.work_units.items():
        place = f"work_units.{name}"
        yield from known(f"{place}.calendar", "calendar", work_unit.calendar, plant.calendars)
        for product in work_unit.cycle_time:
            if product != "default":
                yield from known(
                    f"{place}.cycle_time.{product}", "product", product, plant.products
                )
        for product in plant.products:
            if product not in work_unit.cycle_time and "default" not in work_unit.cycle_time:
                yield (
                    f"{place}.cycle_time",
                    f"says nothing for {product}",
                    f"add {product} or default",
                )
        for key, parameter in work_unit.parameters.items():
            yield from _unit_code(f"{place}.parameters.{key}.unit", parameter.unit)
        for key, user in (("defects", work_unit.defects), ("power", work_unit.power)):
            if user is not None and user.parameter is not None:
                yield from known(
                    f"{place}.{key}.parameter", "parameter", user.parameter, work_unit.parameters
                )
        for key, mode in work_unit.failure_modes.items():
            if mode.spare_part is not None:
                yield from known(
                    f"{place}.failure_modes.{key}.spare_part", "item", mode.spare_part, plant.items
                )


def _signals(plant: Plant) -> Found:
    for name, work_unit in plant.work_units.items():
        for key, signal in work_unit.signals.items():
            place = f"work_units.{name}.signals.{key}"
            yield from known(f"{place}.source", "source", signal.source, plant.sources)
            yield from _unit_code(f"{place}.unit", signal.unit)
            if signal.sent_unit is not None:
                yield from _unit_code(f"{place}.sent_unit", signal.sent_unit, signal.unit)
            if signal.parameter is not None:
                yield from known(
                    f"{place}.parameter", "parameter", signal.parameter, work_unit.parameters
                )
            for mode in signal.failure_modes:
                yield from known(
                    f"{place}.failure_modes", "failure mode", mode, work_unit.failure_modes
                )
            if signal.role == "state" and work_unit.state_map is None:
                yield (
                    f"work_units.{name}.state_map",
                    "is missing, but there is a state signal",
                    "name a state map",
                )
        if work_unit.state_map is not None:
            yield from known(
                f"work_units.{name}.state_map", "state map", work_unit.state_map, plant.state_maps
            )
    for name, source in plant.sources.items():
        try:
            source.address.format(site="", area="", line="", unit="", signal="")
        except (KeyError, IndexError, ValueError):
            place = f"sources.{name}.address"
            yield (
                place,
                f'found "{source.address}"',
                "use only {site} {area} {line} {unit} {signal}",
            )


def _unit_code(place: str, code: str, like: str | None = None) -> Found:
    try:
        found = unit(code)
        if like is not None and unit(like).dimension != found.dimension:
            yield place, f'"{code}" cannot become "{like}"', f"use a unit of {unit(like).dimension}"
    except UnitError as e:
        found_text, remedy = str(e).split("; ", 1)
        yield place, found_text, remedy


def _material(plant: Plant) -> Found:
    for line in plant.bill_of_material:
        place = f"bill_of_material: {line.parent} -> {line.component}"
        yield from known(place, "parent", line.parent, plant.items)
        yield from known(place, "component", line.component, plant.items)
        if line.work_unit is not None:
            yield from known(place, "work unit", line.work_unit, plant.work_units)
    children: dict[str, list[str]] = {}
    for line in plant.bill_of_material:
        children.setdefault(line.parent, []).append(line.component)
    for parent in children:
        if _contains_itself(parent, children):
            yield f"bill_of_material: {parent}", "contains itself", "break the circle"
    for item_id, item in plant.items.items():
        for supplier in item.suppliers:
            yield from known(f"items: {item_id}", "supplier", supplier, plant.suppliers)
        if item.kind is ItemKind.BUY and not item.suppliers:
            yield f"items: {item_id}", "is bought, but from nobody", "name a supplier"
    for item_id in plant.stock:
        yield from known(f"stock: {item_id}", "item", item_id, plant.items)


def _contains_itself(item: str, children: dict[str, list[str]]) -> bool:
    seen: set[str] = set()
    todo = list(children.get(item, ()))
    while todo:
        here = todo.pop()
        if here == item:
            return True
        if here not in seen:
            seen.add(here)
            todo += children.get(here, ())
    return False


def _orders(plant: Plant) -> Found:
    for order in plant.orders.values():
        place = f"orders: {order.order_id}"
        yield from known(place, "product", order.product, plant.products)
        if order.due_at <= order.release_at:
            yield place, "is due before it is released", "set due_at after release_at"
    for po in plant.purchase_orders.values():
        place = f"purchase_orders: {po.purchase_order_id}"
        yield from known(place, "item", po.item_id, plant.items)
        yield from known(place, "supplier", po.supplier_id, plant.suppliers)
