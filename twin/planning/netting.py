"""Demand against stock and scheduled receipts: the MRP record of every item, from a distribution."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

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
    """What is missing when planned orders of earlier buckets have come."""
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
    items: Mapping[str, ItemPlan]


def net(plant: Plant, demand: ComponentDemand, *, now: datetime) -> Netting:
    """Net the demand of every item against its stock and open purchase orders.

    With ``D(t)`` the demand of a future up to bucket ``t`` and ``Q(t)`` its quantile over the
    futures at ``planning.service_level``, the gross requirement of ``t`` is ``Q(t) - Q(t-1)``:
    the requirements up to any bucket add up to what the service level asks for, which sums of
    bucket quantiles would not. From there on it is the textbook's record, lot for lot with
    minimum and multiple; receipts are there at the beginning of their bucket.

    Args:
        plant: Its stock, open purchase orders, items and planning policy.
        demand: From ``component_demand``.
        now: Open orders due before are late.

    Source:
        Vollmann, Berry & Whybark, Manufacturing Planning and Control Systems, "The basic MRP
        record"; the quantile of demand is the newsvendor's.
    """
    level = plant.planning.service_level
    return Netting(
        now=now,
        buckets=demand.buckets,
        service_level=level,
        items={
            item: _record(plant, plant.items[item], one, demand.buckets, now, level)
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
    plant: Plant,
    item: MaterialDefinition,
    demand: ItemDemand,
    buckets: Buckets,
    now: datetime,
    level: float,
) -> ItemPlan:
    stock = plant.stock.get(item.item_id)
    on_hand = stock.on_hand if stock else 0.0
    receipts, late = _receipts(plant, item.item_id, buckets, now)
    cumulative = np.cumsum(demand.samples, axis=1)
    supply = on_hand + np.cumsum(receipts)
    needed = quantile(cumulative, level)
    short = np.maximum.accumulate(cumulative > supply + _NOTHING, axis=1)
    gross = np.diff(needed, prepend=0.0)
    missing, lots = _lot_for_lot(item, on_hand, gross, receipts)
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


def _lot_for_lot(
    item: MaterialDefinition, on_hand: float, gross: Floats, receipts: Floats
) -> tuple[Floats, Floats]:
    missing, lots = np.zeros(len(gross)), np.zeros(len(gross))
    available = on_hand
    for bucket in range(len(gross)):
        available += receipts[bucket] - gross[bucket]
        if available < -_NOTHING:
            missing[bucket] = -available
            lots[bucket] = lot_quantity(item, -available)
            available += lots[bucket]
    return missing, lots
