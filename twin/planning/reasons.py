"""The reason of a proposal in the words of a planner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from twin.planning.netting import ItemPlan, Netting
from twin.plant import FailureForecast, MaterialDefinition, Plant, Supplier

__all__ = ["Need", "reason_text"]

_NAMED_PEGS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Everything that the reason of one proposal speaks about."""

    plant: Plant
    item: MaterialDefinition
    supplier: Supplier | None
    record: ItemPlan
    netting: Netting
    bucket: int
    quantity: float
    release_at: datetime
    due_at: datetime
    expected_at: datetime
    pegs: tuple[tuple[str, str, float], ...]
    """(kind, name, quantity), largest first."""
    risk: float
    forecasts: Mapping[str, FailureForecast]
    """By ``work_unit.failure_mode``."""


def reason_text(need: Need) -> str:
    """Why, for whom, when, and what happens otherwise, in a few sentences."""
    parts = (_shortage(need), _consumers(need), _timing(need), _lot(need), _hints(need))
    return " ".join(part for part in parts if part)


def _shortage(need: Need) -> str:
    record, bucket, unit = need.record, need.bucket, need.item.unit
    received = float(record.scheduled_receipts[: bucket + 1].sum())
    planned = float(record.planned_receipts[:bucket].sum())
    supply = [f"{_amount(record.on_hand)} {unit} on hand"]
    if received:
        supply.append(f"{_amount(received)} on order by then")
    if planned:
        supply.append(f"{_amount(planned)} proposed before")
    return (
        f"Short of up to {_amount(record.net_requirement[bucket])} {unit} from "
        f"{_day(need, need.due_at)} on at {need.netting.service_level:.0%} service "
        f"({', '.join(supply)})."
        f" Without this order the item runs out with {need.risk:.0%} probability."
    )


def _consumers(need: Need) -> str:
    named = [_consumer(need, *peg) for peg in need.pegs[:_NAMED_PEGS]]
    more = len(need.pegs) - len(named)
    if more > 0:
        named.append(f"{more} more")
    return f"Needed for {', '.join(named)}." if named else ""


def _consumer(need: Need, kind: str, name: str, quantity: float) -> str:
    amount = f"({_amount(quantity)} {need.item.unit})"
    if kind == "order":
        return f"{name} {amount}"
    unit, _, mode = name.partition(".")
    text = need.plant.work_units[unit].failure_modes[mode].name or mode
    hours = need.plant.maintenance.alert_horizon_h
    forecast = need.forecasts.get(name)
    chance = f", {forecast.probability_within(hours):.0%} within {hours:g} h" if forecast else ""
    return f"{text} on {unit}{chance} {amount}"


def _timing(need: Need) -> str:
    days = f"{need.item.lead_time_p90_d:g} d"
    who = f" from {need.supplier.name}" if need.supplier else ""
    if need.expected_at <= need.due_at:
        return (
            f"Order{who} by {_day(need, need.release_at)}: 9 of 10 deliveries take {days} or less."
        )
    late_d = (need.expected_at - need.due_at).total_seconds() / 86400
    return (
        f"LATE: should have been ordered{who} by {_day(need, need.release_at)}; ordered now it "
        f"comes around {_day(need, need.expected_at)} ({days}), {late_d:.1f} d after the need. "
        f"Expedite or re-plan the orders."
    )


def _lot(need: Need) -> str:
    spare = need.quantity - sum(quantity for _, _, quantity in need.pegs)
    if spare <= 0.005 * need.quantity:
        return ""
    item, rules = need.item, []
    if item.minimum_order:
        rules.append(f"minimum {_amount(item.minimum_order)}")
    if item.order_multiple:
        rules.append(f"multiples of {_amount(item.order_multiple)}")
    return f"The lot ({', '.join(rules)}) leaves {_amount(spare)} {item.unit} in stock."


def _hints(need: Need) -> str:
    hints = []
    later = need.record.scheduled_receipts[need.bucket + 1 :]
    if later.any():
        bucket = need.bucket + 1 + int(later.nonzero()[0][0])
        arrives = need.netting.buckets.edges[bucket]
        hints.append(
            f"An open order of {_amount(need.record.scheduled_receipts[bucket])} comes "
            f"{_day(need, arrives)}; bringing it forward helps too."
        )
    for order in need.record.late_orders:
        hints.append(f"{order.purchase_order_id} was due {_day(need, order.due_at)}: ask for it.")
    supplier = need.supplier
    if supplier is not None:
        hints.append(f"{supplier.name} delivers on time {supplier.on_time:.0%} of the time.")
        value = need.quantity * need.item.unit_cost
        if value < supplier.minimum_order_value:
            hints.append(
                f"Below the supplier's minimum of {supplier.minimum_order_value:g} "
                f"{need.plant.currency}: order it together with other items."
            )
    return " ".join(hints)


def _day(need: Need, at: datetime) -> str:
    return f"{at.astimezone(ZoneInfo(need.plant.timezone)):%a %Y-%m-%d %H:%M}"


def _amount(quantity: float) -> str:
    return f"{quantity:,.0f}" if quantity >= 100 else f"{quantity:.3g}"
