"""What planners ask: schedule, component demand and purchase proposals."""

from __future__ import annotations

from pydantic import Field

from connectors.web.models.base import Decision, Instant, Strict

__all__ = [
    "Decided",
    "Demand",
    "DemandItem",
    "DemandPegging",
    "MaintenanceTask",
    "Proposal",
    "ProposalPegging",
    "Proposals",
    "Schedule",
    "ScheduleEntry",
]


class ScheduleEntry(Strict):
    order_id: str
    product: str
    quantity: float
    start_at: Instant
    end_at: Instant
    setup_s: float
    due_at: Instant | None
    late_h: float


class MaintenanceTask(Strict):
    work_unit: str
    failure_mode: str | None
    start_at: Instant
    end_at: Instant


class Schedule(Strict):
    as_of: Instant
    status: str
    objective: float | None
    bound: float | None
    gap: float | None
    entries: list[ScheduleEntry]
    maintenance: list[MaintenanceTask]
    violations: list[str]


class DemandPegging(Strict):
    kind: str = Field(description="order or failure")
    name: str
    share: float


class DemandItem(Strict):
    item_id: str
    description: str
    unit: str
    on_hand: float
    p10: list[float]
    p50: list[float]
    p90: list[float]
    projected_on_hand: list[float]
    pegging: list[DemandPegging]


class Demand(Strict):
    as_of: Instant
    bucket_h: float
    buckets: list[Instant] = Field(description="Start of each bucket")
    items: list[DemandItem]


class ProposalPegging(Strict):
    kind: str
    name: str
    quantity: float


class Proposal(Strict):
    proposal_id: str
    item_id: str
    description: str
    supplier_id: str | None
    quantity: float
    unit: str
    cost: float | None
    currency: str
    release_at: Instant
    due_at: Instant = Field(description="When it is needed")
    expected_at: Instant = Field(
        description="When it comes if ordered at release_at, or now where that is past"
    )
    state: str = Field(description="proposed, approved or rejected")
    decided_by: str | None
    pegging: list[ProposalPegging]
    reason: str
    stockout_probability: float | None


class Proposals(Strict):
    proposals: list[Proposal]


class Decided(Decision):
    """A decision on a proposal; `quantity` overrides what was proposed."""

    quantity: float | None = Field(default=None, gt=0)
