"""Domain objects as the JSON documents that the API, the page and ``--json`` all show."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from twin.plant import FailureForecast, Plant, SignalId, SignalRole
from twin.telemetry import from_us

if TYPE_CHECKING:
    from connectors.jobs import Plan
    from connectors.runtime.board import Step
    from connectors.store.ledger import Entry
    from maintenance.alerts import Alert
    from twin.calibration import CalibratedPlant
    from twin.planning import PurchaseProposal
    from twin.schedule import Schedule
    from twin.telemetry import LineKpis, SampleBatch, UnitKpis

__all__ = [
    "alerts_document",
    "calibration_document",
    "decided_proposal",
    "demand_document",
    "forecasts_document",
    "health_document",
    "kpi_signals",
    "kpis_document",
    "ledger_document",
    "plant_document",
    "proposals_document",
    "samples_document",
    "schedule_document",
    "signals_document",
]

_KPI_ROLES = {
    SignalRole.STATE,
    SignalRole.REASON,
    SignalRole.PRODUCT,
    SignalRole.GOOD_COUNT,
    SignalRole.REJECT_COUNT,
}


def plant_document(plant: Plant) -> dict[str, Any]:
    """The plant file as the page needs it."""
    return {
        **{
            key: getattr(plant, key)
            for key in ("name", "site", "area", "line", "timezone", "currency")
        },
        "work_units": [
            {
                "id": unit_id,
                "name": unit.name,
                "role": unit.role,
                "servers": unit.servers,
                "parameters": {key: p.model_dump() for key, p in unit.parameters.items()},
            }
            for unit_id, unit in plant.work_units.items()
        ],
        "storage_zones": [
            {"id": zone_id, **zone.model_dump()} for zone_id, zone in plant.storage_zones.items()
        ],
        "crews": plant.maintenance.crews,
        "operators": [{"id": name, "count": team.count} for name, team in plant.operators.items()],
        "kanban": [{"id": name, "cards": loop.cards} for name, loop in plant.kanban.items()],
        "products": [
            {
                "id": product_id,
                "family": product.family,
                "description": plant.items[product_id].description
                if product_id in plant.items
                else None,
            }
            for product_id, product in plant.products.items()
        ],
    }


def signals_document(plant: Plant) -> dict[str, Any]:
    """Every signal of the plant file."""
    return {
        "signals": [
            {
                "id": signal_id,
                "work_unit": unit,
                "name": name,
                "role": str(signal.role),
                "unit": signal.unit,
                "source": signal.source,
                "low": signal.low,
                "high": signal.high,
            }
            for signal_id, (unit, name, signal) in plant.signals().items()
        ]
    }


def samples_document(signal: str, unit: str, batch: SampleBatch, limit: int) -> dict[str, Any]:
    """One signal over time, thinned evenly to ``limit``, the newest always among them."""
    n = len(batch)
    rows = range(n) if n <= limit else [n - 1 - (i * n) // limit for i in reversed(range(limit))]
    values = batch.value.tolist()
    return {
        "signal": signal,
        "unit": unit,
        "measured_at": [_us(int(batch.measured_us[i])) for i in rows],
        "value": [batch.text[i] if batch.text[i] is not None else finite(values[i]) for i in rows],
        "quality": [int(batch.quality[i]) for i in rows],
    }


def kpi_signals(plant: Plant) -> list[SignalId]:
    """Signals that ISO 22400 figures are computed from."""
    return [s for s, (_, _, signal) in plant.signals().items() if signal.role in _KPI_ROLES]


def kpis_document(plant: Plant, kpis: LineKpis, start: datetime, end: datetime) -> dict[str, Any]:
    """ISO 22400 figures of an interval."""
    return {
        "from": at(start),
        "to": at(end),
        "state_map": next((u.state_map for u in plant.work_units.values() if u.state_map), None),
        "line": {
            key: getattr(kpis, key)
            for key in (
                "throughput_per_h",
                "good",
                "rejected",
                "quality_ratio",
                "oee",
                "bottleneck",
            )
        },
        "units": [_unit_kpis(unit, figures) for unit, figures in kpis.units.items()],
    }


def _unit_kpis(unit: str, kpis: UnitKpis) -> dict[str, Any]:
    keys = (
        "availability",
        "effectiveness",
        "quality_ratio",
        "oee",
        "planned_busy_s",
        "production_s",
        "setup_s",
        "delay_s",
        "down_s",
        "off_s",
        "good",
        "rejected",
        "throughput_per_h",
    )
    return {"id": unit, **{key: getattr(kpis, key) for key in keys}}


def calibration_document(calibrated: CalibratedPlant) -> dict[str, Any]:
    """Fitted numbers beside the nominal ones."""
    keys = ("name", "value", "low", "high", "unit", "nominal", "n")
    return {
        "as_of": at(calibrated.as_of),
        "window_start": at(calibrated.window_start),
        "version": calibrated.version,
        "estimates": [
            {key: _number(getattr(e, key)) for key in keys} for e in calibrated.estimates
        ],
        "notes": list(calibrated.notes),
    }


def forecasts_document(forecasts: Iterable[FailureForecast], *, as_of: datetime) -> dict[str, Any]:
    """The failure curves."""
    return {
        "as_of": at(as_of),
        "forecasts": [
            {
                "work_unit": f.work_unit,
                "failure_mode": f.failure_mode,
                "made_at": at(f.made_at),
                "horizon_h": list(f.horizon_h),
                "probability": list(f.probability),
                "model": f.model,
                "evidence": dict(f.evidence),
            }
            for f in forecasts
        ],
    }


def alerts_document(
    alerts: Iterable[Alert],
    plan: Plan | None = None,
    *,
    state: str | None = None,
) -> dict[str, Any]:
    """Alerts, newest first, each with the slot that the schedule gives its work.

    A slot that has gone by stays until the next plan moves it: the work is then most urgent.
    """
    slots = {(m.work_unit, m.failure_mode): m for m in plan.schedule.maintenance} if plan else {}
    shown = []
    for alert in sorted(alerts, key=lambda a: a.raised_at, reverse=True):
        if state is not None and alert.state != state:
            continue
        slot = slots.get(alert.key) if alert.open else None
        window = slot and {"start_at": at(slot.start_at), "duration_s": float(slot.duration_s)}
        shown.append({**alert.as_dict(), "proposed_window": window})
    return {"alerts": shown}


def schedule_document(
    schedule: Schedule, violations: Sequence[str], *, as_of: datetime
) -> dict[str, Any]:
    """The schedule with its bound, its gap and what the checker says."""
    return {
        "as_of": at(as_of),
        "status": str(schedule.status),
        "objective": schedule.objective,
        "bound": schedule.bound,
        "gap": schedule.gap,
        "entries": [
            {
                "order_id": e.order_id,
                "product": e.product,
                "quantity": e.quantity,
                "start_at": at(e.start_at),
                "end_at": at(e.end_at),
                "setup_s": e.setup_s,
                "due_at": at(e.due_at),
                "late_h": e.late_h,
            }
            for e in schedule.entries
        ],
        "maintenance": [
            {
                "work_unit": m.work_unit,
                "failure_mode": m.failure_mode,
                "start_at": at(m.start_at),
                "end_at": at(m.end_at),
            }
            for m in schedule.maintenance
        ],
        "violations": list(violations),
    }


def demand_document(plant: Plant, plan: Plan, *, as_of: datetime) -> dict[str, Any]:
    """Component demand by time bucket, as a distribution with its pegging."""
    edges = plan.demand.buckets.edges
    return {
        "as_of": at(as_of),
        "bucket_h": plan.demand.bucket_h,
        "buckets": [at(edge) for edge in edges[:-1]],
        "items": [
            {
                "item_id": item_id,
                "description": plant.items[item_id].description,
                "unit": plant.items[item_id].unit,
                "on_hand": plan.netting.items[item_id].on_hand,
                **{
                    f"p{share:.0f}": demand.quantile(share / 100).round(6).tolist()
                    for share in (10, 50, 90)
                },
                "projected_on_hand": plan.netting.items[item_id]
                .projected_on_hand.round(6)
                .tolist(),
                "pegging": [
                    {"kind": kind, "name": name, "share": share}
                    for (kind, name), share in demand.shares().items()
                ],
            }
            for item_id, demand in plan.demand.items.items()
        ],
    }


def proposals_document(
    plan_proposals: Iterable[PurchaseProposal], decided: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Proposals that wait for a decision, most urgent first, then the decided ones."""
    keys = (
        *("proposal_id", "item_id", "description", "supplier_id", "quantity"),
        *("unit", "cost", "currency", "reason"),
    )
    waiting = [
        {
            **{key: getattr(p, key) for key in keys},
            "release_at": at(p.release_at),
            "due_at": at(p.due_at),
            "expected_at": at(p.expected_at),
            "state": "proposed",
            "decided_by": None,
            "pegging": [
                {"kind": g.kind, "name": g.name, "quantity": g.quantity} for g in p.pegging
            ],
            "stockout_probability": p.stockout_probability,
        }
        for p in plan_proposals
        if p.proposal_id not in decided
    ]
    return {"proposals": [*waiting, *(dict(p) for p in decided.values())]}


def decided_proposal(
    proposal: Mapping[str, Any], decision: str, who: str, quantity: float | None
) -> dict[str, Any]:
    """A proposal after its decision; another quantity changes its cost in proportion."""
    state = {"approve": "approved", "reject": "rejected"}[decision]
    wanted = proposal["quantity"] if quantity is None else quantity
    return {
        **proposal,
        "state": state,
        "decided_by": who,
        "quantity": wanted,
        "cost": proposal["cost"] * wanted / proposal["quantity"],
    }


def health_document(
    steps: Mapping[str, Step],
    sources: Sequence[Mapping[str, Any]],
    *,
    as_of: datetime | None,
    version: str,
) -> dict[str, Any]:
    """How the product is doing."""
    states = {step.state for step in steps.values()}
    failed = [f"{name}: {step.detail}" for name, step in steps.items() if step.state == "failed"]
    problems = [*(source["error"] for source in sources if source["error"]), *failed]
    status = "running"
    if problems:
        status = "degraded"
    elif "waiting" in states or any(step.at is None for step in steps.values()):
        status = "starting"
    return {
        "status": status,
        "problems": problems,
        "as_of": at(as_of) if as_of else None,
        "version": version,
        "steps": {
            name: {
                "state": step.state,
                "at": at(step.at) if step.at else None,
                "took_s": step.took_s,
                "detail": step.detail,
            }
            for name, step in steps.items()
        },
    }


def ledger_document(entries: Iterable[Entry], *, intact: bool) -> dict[str, Any]:
    """Rows of the ledger."""
    return {
        "entries": [
            {
                "seq": e.seq,
                "at": at(e.at),
                "kind": e.kind,
                "subject": e.subject,
                "who": e.who,
                "why": e.why,
                "body": dict(e.body),
                "digest": e.digest,
            }
            for e in entries
        ],
        "intact": intact,
    }


def at(instant: datetime) -> str:
    """An instant as ISO 8601."""
    return instant.isoformat()


def finite(value: float | None) -> float | None:
    """The number, or None where JSON has no word for it."""
    return None if value is None or not math.isfinite(value) else float(value)


def _number(value: Any) -> Any:
    return finite(value) if isinstance(value, float) else value


def _us(us: int) -> str:
    return from_us(us).isoformat()
