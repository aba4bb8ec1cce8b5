"""Demand against stock and scheduled receipts: the MRP record of every item, from a distribution."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

from twin.engine.types import Floats
from twin.planning.buckets import Buckets
from twin.planning.demand import ComponentDemand, ItemDemand, quantile
from twin.plant import MaterialDefinition, Plant, PurchaseOrder

__all__ = ["ItemPlan", "Netting", "lot_quantity", "net"]

_NOTHING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ItemPlan:
    """The MRP record of one item. Every series has shape (buckets,), in the item's stock unit."""

    item_id: str
    on_hand: float
    """When the plan starts."""
    gross_requirement: Floats
    """Growth of the demand since the start that ``service_level`` of the futures stay within."""
    scheduled_receipts: Floats
    """Open purchase orders; those past due count in the first bucket."""
    projected_on_hand: Floats
    """At the service level, at the end of the bucket, without planned orders."""
    net_requirement: Floats
    """What is missing when planned orders of earlier buckets have come; with weekly lots, the
    most that is missing in the rest of the week."""
    planned_receipts: Floats
    """Lots that cover the net requirements, in the bucket of the need."""
    stockout_probability: Floats
    """Share of the futures that have run out by the end of the bucket, without planned orders."""
    late_orders: tuple[PurchaseOrder, ...]
    """Scheduled receipts that should be here already."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Netting:
    """The records of all items at one instant."""

    now: datetime
    buckets: Buckets
    service_level: float
    weekly: bool
    """One lot per calendar week of need."""
    items: Mapping[str, ItemPlan]


def net(plant: Plant, demand: ComponentDemand, *, now: datetime, weekly: bool = False) -> Netting:
    """Net the demand of every item against its stock and open purchase orders.

    With ``D(t)`` the demand of a future up to bucket ``t`` and ``Q(t)`` its quantile over the
    futures at ``planning.service_level``, the gross requirement of ``t`` is ``Q(t) - Q(t-1)``:
    the requirements up to any bucket add up to what the service level asks for, which sums of
    bucket quantiles would not. From there on it is the textbook's record, with minimum order
    and multiple; receipts are there at the beginning of their bucket.

    Args:
        plant: Its stock, open purchase orders, items and planning policy.
        demand: From ``component_demand``.
        now: Open orders due before are late.
        weekly: One lot covers what is missing until the end of its calendar week (fixed period
            requirements); else every bucket has its own lot (lot for lot).

    Source:
        Vollmann, Berry & Whybark, Manufacturing Planning and Control Systems, "The basic MRP
        record"; the quantile of demand is the newsvendor's.
    """
    level = plant.planning.service_level
    week_of = _weeks(plant, demand.buckets) if weekly else list(range(len(demand.buckets)))
    return Netting(
        now=now,
        buckets=demand.buckets,
        service_level=level,
        weekly=weekly,
        items={
            item: _record(plant, one, demand.buckets, now, week_of)
            for item, one in demand.items.items()
        },
    )


def lot_quantity(item: MaterialDefinition, quantity: float) -> float:
    """The least that can be bought to have ``quantity``: minimum order, then whole multiples.

    Example:
        >>> from twin.plant import ItemKind
        >>> reel = MaterialDefinition(item_id="R", description="", kind=ItemKind.BUY, unit="EA",
        ...                           minimum_order=250, order_multiple=25)
        >>> lot_quantity(reel, 30), lot_quantity(reel, 251)
        (250.0, 275.0)
    """
    wanted = max(quantity, item.minimum_order)
    if item.order_multiple > 0.0:
        return math.ceil(wanted / item.order_multiple - _NOTHING) * item.order_multiple
    return wanted


def _record(
    plant: Plant, demand: ItemDemand, buckets: Buckets, now: datetime, periods: Sequence[int]
) -> ItemPlan:
    item, level = plant.items[demand.item_id], plant.planning.service_level
    stock = plant.stock.get(item.item_id)
    on_hand = stock.on_hand if stock else 0.0
    receipts, late = _receipts(plant, item.item_id, buckets, now)
    cumulative = np.cumsum(demand.samples, axis=1)
    supply = on_hand + np.cumsum(receipts)
    needed = quantile(cumulative, level)
    short = np.maximum.accumulate(cumulative > supply + _NOTHING, axis=1)
    gross = np.diff(needed, prepend=0.0)
    missing, lots = _lots(item, on_hand + np.cumsum(receipts - gross), periods)
    return ItemPlan(
        item_id=item.item_id,
        on_hand=on_hand,
        gross_requirement=gross,
        scheduled_receipts=receipts,
        projected_on_hand=supply - needed,
        net_requirement=missing,
        planned_receipts=lots,
        stockout_probability=short.mean(axis=0),
        late_orders=late,
    )


def _receipts(
    plant: Plant, item_id: str, buckets: Buckets, now: datetime
) -> tuple[Floats, tuple[PurchaseOrder, ...]]:
    receipts, late = np.zeros(len(buckets)), []
    for order in plant.purchase_orders.values():
        if order.item_id != item_id:
            continue
        if order.due_at < now:
            late.append(order)
        bucket = max(0, buckets.index(max(order.due_at, now)))
        if bucket < len(buckets):
            receipts[bucket] += order.quantity
    return receipts, tuple(late)


def _lots(
    item: MaterialDefinition, available: Floats, periods: Sequence[int]
) -> tuple[Floats, Floats]:
    """Net requirements and lots: at the first shortage of a period, for the deepest one in it."""
    missing, lots = np.zeros(len(available)), np.zeros(len(available))
    bought = 0.0
    for bucket, period in enumerate(periods):
        if available[bucket] + bought >= -_NOTHING:
            continue
        until = bucket + periods[bucket:].count(period)
        missing[bucket] = -(float(available[bucket:until].min()) + bought)
        lots[bucket] = lot_quantity(item, float(missing[bucket]))
        bought += float(lots[bucket])
    return missing, lots


def _weeks(plant: Plant, buckets: Buckets) -> list[int]:
    zone = ZoneInfo(plant.timezone)
    weeks = (edge.astimezone(zone).isocalendar() for edge in buckets.edges[:-1])
    return [week.year * 100 + week.week for week in weeks]
