"""Purchase proposals: what to order when, for which orders and failures, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from zoneinfo import ZoneInfo

import numpy as np

from twin.planning.demand import ComponentDemand, ItemDemand
from twin.planning.netting import ItemPlan, Netting, net
from twin.planning.reasons import Need, reason_text
from twin.plant import FailureForecast, MaterialDefinition, Plant

__all__ = ["ProposalPeg", "PurchaseProposal", "propose"]

_LONGEST_ID = 60
_SMALL = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalPeg:
    """Who consumes how much of a proposal."""

    kind: str
    """``order`` or ``failure``."""
    name: str
    """Order id, or ``work_unit.failure_mode``."""
    quantity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseProposal:
    """One order to a supplier that waits for a planner's decision."""

    proposal_id: str
    """Item and calendar week of the need (weekly), or its bucket: a plan made again for the
    same need gives the same id."""
    item_id: str
    description: str
    supplier_id: str | None
    quantity: float
    """In the item's stock unit, a lot that can be bought."""
    unit: str
    cost: float
    """Of the goods, in ``currency``."""
    currency: str
    release_at: datetime
    """When to order: ``due_at`` less the lead time that 90 % of deliveries keep. It may be past."""
    due_at: datetime
    """When it is needed."""
    expected_at: datetime
    """When it comes if ordered at ``release_at``, or now where that is past."""
    pegging: tuple[ProposalPeg, ...]
    """Largest first. What the lot has above the need is pegged to nobody."""
    reason: str
    stockout_probability: float
    """That the item runs out before the next planned lot if this one is not bought."""

    @property
    def late(self) -> bool:
        """True where it cannot come in time any more."""
        return self.expected_at > self.due_at


def propose(
    plant: Plant,
    demand: ComponentDemand,
    *,
    now: datetime,
    forecasts: Iterable[FailureForecast] = (),
    weekly: bool = True,
) -> tuple[PurchaseProposal, ...]:
    """Purchase proposals that keep the service level, the most urgent release first.

    Args:
        plant: Its stock, purchase orders, items and suppliers.
        demand: From ``component_demand``.
        now: A release that should have been earlier stays where it was, and says so.
        forecasts: Named in the reason of spare parts.
        weekly: One lot per item and calendar week of need, due at the first shortage of the
            week; else one per bucket.

    Returns:
        One proposal per lot.
    """
    netting = net(plant, demand, now=now, weekly=weekly)
    coming = {f"{f.work_unit}.{f.failure_mode}": f for f in forecasts}
    found = [
        _proposal(plant, demand.items[item], record, netting, bucket, coming)
        for item, record in netting.items.items()
        for bucket in np.flatnonzero(record.planned_receipts).tolist()
    ]
    return tuple(sorted(found, key=lambda p: (p.release_at, p.item_id, p.due_at)))


def _proposal(
    plant: Plant,
    demand: ItemDemand,
    record: ItemPlan,
    netting: Netting,
    bucket: int,
    coming: dict[str, FailureForecast],
) -> PurchaseProposal:
    item = plant.items[record.item_id]
    due_at = max(netting.buckets.edges[bucket], netting.now)
    release_at = due_at - timedelta(days=item.lead_time_p90_d)
    expected_at = max(release_at, netting.now) + timedelta(days=item.lead_time_p90_d)
    until = _next_lot(record, bucket)
    pegging = _pegging(demand, record, bucket, until)
    risk = _risk(demand, record, bucket, until)
    quantity = float(record.planned_receipts[bucket])
    supplier = plant.suppliers.get(item.suppliers[0]) if item.suppliers else None
    need = Need(
        plant=plant,
        item=item,
        supplier=supplier,
        record=record,
        netting=netting,
        bucket=bucket,
        quantity=quantity,
        release_at=release_at,
        due_at=due_at,
        expected_at=expected_at,
        pegs=tuple((peg.kind, peg.name, peg.quantity) for peg in pegging),
        risk=risk,
        forecasts=coming,
    )
    return PurchaseProposal(
        proposal_id=_proposal_id(plant, item, netting, bucket),
        item_id=item.item_id,
        description=item.description,
        supplier_id=supplier.supplier_id if supplier else None,
        quantity=quantity,
        unit=item.unit,
        cost=round(quantity * item.unit_cost, 2),
        currency=plant.currency,
        release_at=release_at,
        due_at=due_at,
        expected_at=expected_at,
        pegging=pegging,
        reason=reason_text(need),
        stockout_probability=risk,
    )


def _next_lot(record: ItemPlan, bucket: int) -> int:
    later = np.flatnonzero(record.planned_receipts[bucket + 1 :])
    return bucket + 1 + int(later[0]) if len(later) else len(record.planned_receipts)


def _pegging(
    demand: ItemDemand, record: ItemPlan, bucket: int, until: int
) -> tuple[ProposalPeg, ...]:
    """Who consumes the lot: in every bucket in which the shortage deepens, its consumers."""
    bought_before = float(record.planned_receipts[:bucket].sum())
    left = record.projected_on_hand[bucket:until] + bought_before
    depth = np.maximum.accumulate(np.maximum(0.0, -left))
    depth = np.minimum(depth, record.planned_receipts[bucket])
    deeper = np.diff(depth, prepend=0.0)
    taken = [(peg, peg.quantity[bucket:until]) for peg in demand.pegs]
    everybody = sum((quantity for _, quantity in taken), np.zeros(until - bucket))
    per_unit = np.divide(deeper, everybody, out=np.zeros_like(deeper), where=everybody > 0.0)
    pegs = [
        ProposalPeg(kind=peg.kind, name=peg.name, quantity=float(quantity @ per_unit))
        for peg, quantity in taken
    ]
    smallest = _SMALL * float(depth[-1])
    return tuple(
        sorted((p for p in pegs if p.quantity > smallest), key=lambda p: (-p.quantity, p.name))
    )


def _risk(demand: ItemDemand, record: ItemPlan, bucket: int, until: int) -> float:
    supply = record.on_hand + np.cumsum(record.scheduled_receipts)
    supply = supply + record.planned_receipts[:bucket].sum()
    left = supply[bucket:until] - np.cumsum(demand.samples, axis=1)[:, bucket:until]
    return float((left.min(axis=1) < -_SMALL).mean())


def _proposal_id(plant: Plant, item: MaterialDefinition, netting: Netting, bucket: int) -> str:
    """A further need beside an order already made of the same proposal gets a number."""
    at = netting.buckets.edges[bucket].astimezone(ZoneInfo(plant.timezone))
    week = at.isocalendar()
    need = f"{week.year}W{week.week:02}" if netting.weekly else f"{at:%Y%m%dT%H%M}"
    name = f"PP-{item.item_id}-{need}"
    if len(name) > _LONGEST_ID:
        name = f"PP-{blake2b(name.encode(), digest_size=12).hexdigest()}"
    made = 1
    while (name if made == 1 else f"{name}-{made}") in plant.purchase_orders:
        made += 1
    return name if made == 1 else f"{name}-{made}"
