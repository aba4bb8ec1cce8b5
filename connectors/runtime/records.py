"""What people and the chain decide, to and from rows of the ledger."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from connectors.jobs import Outlook
from maintenance.alerts import Alert, AlertEvent, replay
from twin.calibration import CalibratedPlant, Estimate
from twin.engine import Job, LiveState, PartStart, PlannedMaintenance, UnitStart
from twin.planning import stock_after
from twin.plant import FailureForecast, Plant, PurchaseOrder, WorkUnitState

if TYPE_CHECKING:
    from connectors.jobs import Learned
    from connectors.store.ledger import Ledger

__all__ = [
    "WHO",
    "alerts_by_id",
    "last_calibration",
    "last_plan",
    "planning_plant",
    "proposal_decisions",
    "record_calibration",
    "record_model",
    "record_plan",
    "with_approved_orders",
]

WHO = "linetwin"
"""Who, where the chain decides by itself."""


def record_calibration(ledger: Ledger, calibrated: CalibratedPlant, *, why: str) -> None:
    """Write a calibration that is now in force, with its evidence."""
    body = {
        "as_of": calibrated.as_of.isoformat(),
        "window_start": calibrated.window_start.isoformat(),
        "work_units": calibrated.plant.model_dump(mode="json", include={"work_units"})[
            "work_units"
        ],
        "estimates": [
            {name: getattr(e, name) for name in Estimate.__dataclass_fields__}
            for e in calibrated.estimates
        ],
        "notes": list(calibrated.notes),
    }
    ledger.append(
        at=calibrated.as_of,
        kind="calibration",
        subject=calibrated.version,
        who=WHO,
        why=why,
        body=body,
    )


def record_model(ledger: Ledger, learned: Learned, *, why: str) -> None:
    """Write a model that forecasts from now on, with what it learned from and its score."""
    model, score = learned.model, learned.score
    body = {
        "as_of": model.as_of.isoformat(),
        "window_start": model.window_start.isoformat(),
        "lives": model.lives,
        "failures": model.failures,
        "score": asdict(score) if score else None,
        "not_scored": learned.not_scored,
    }
    ledger.append(at=model.as_of, kind="model", subject=model.version, who=WHO, why=why, body=body)


def last_calibration(ledger: Ledger, nominal: Plant) -> CalibratedPlant | None:
    """The calibration in force, laid over the plant file as it is now; None when there is none."""
    entry = ledger.newest("calibration")
    if entry is None:
        return None
    body = entry.body
    document = nominal.model_dump(mode="json")
    for name, unit in document["work_units"].items():
        _lay_over(unit, body["work_units"].get(name, {}), products=nominal.products)
    return CalibratedPlant(
        plant=Plant.model_validate(document),
        nominal=nominal,
        as_of=datetime.fromisoformat(body["as_of"]),
        window_start=datetime.fromisoformat(body["window_start"]),
        estimates=tuple(Estimate(**e) for e in body["estimates"]),
        version=entry.subject,
        notes=tuple(body["notes"]),
    )


def _lay_over(
    unit: dict[str, Any], fitted: Mapping[str, Any], *, products: Collection[str]
) -> None:
    """Put the fitted laws of a unit in the place of the nominal ones; the rest stays the file's."""
    laws = fitted.get("cycle_time", {})
    unit["cycle_time"].update({p: law for p, law in laws.items() if p in products})
    unit["setup"] = fitted.get("setup", unit["setup"])
    for mode_id, mode in unit["failure_modes"].items():
        laws = fitted.get("failure_modes", {}).get(mode_id, {})
        mode.update({key: laws[key] for key in ("time_to_failure", "repair") if key in laws})
    response = fitted.get("defects")
    if unit["defects"] and response and response["parameter"] == unit["defects"]["parameter"]:
        unit["defects"] = response


def record_plan(
    ledger: Ledger,
    schedule: Mapping[str, Any],
    proposals: Mapping[str, Any],
    *,
    at: datetime,
    calibration: str,
    outlook: Outlook,
    alerted: tuple[tuple[str, str], ...],
) -> None:
    """Write a schedule and its proposals with what they were made from."""
    body = {
        "calibration": calibration,
        "outlook": _outlook_body(outlook),
        "alerted": [list(key) for key in alerted],
        "schedule": {key: schedule[key] for key in ("status", "objective", "bound", "gap")},
        "proposals": [p["proposal_id"] for p in proposals["proposals"]],
    }
    ledger.append(
        at=at, kind="plan", subject=at.isoformat(), who=WHO, why="the plan in force", body=body
    )


def last_plan(ledger: Ledger) -> tuple[Outlook, tuple[tuple[str, str], ...]] | None:
    """What the last plan sees ahead, and the (unit, mode) of the alerts that were open; None when
    there is none."""
    entry = ledger.newest("plan")
    if entry is None or "outlook" not in entry.body:
        return None
    alerted = tuple((unit, mode) for unit, mode in entry.body["alerted"])
    return _outlook_of(entry.body["outlook"]), alerted


def _outlook_body(outlook: Outlook) -> dict[str, Any]:
    return {
        "start": outlook.start.isoformat(),
        "state": _state_body(outlook.state) if outlook.state else None,
        "forecasts": [
            {
                "work_unit": f.work_unit,
                "failure_mode": f.failure_mode,
                "made_at": f.made_at.isoformat(),
                "horizon_h": list(f.horizon_h),
                "probability": list(f.probability),
                "model": f.model,
                "evidence": dict(f.evidence),
            }
            for f in outlook.forecasts
        ],
        "jobs": [
            [job.order_id, job.product, job.quantity, job.release_at.isoformat()]
            for job in outlook.jobs or ()
        ],
        "maintenance": [
            [work.work_unit, work.start_at.isoformat(), work.duration_s, work.failure_mode]
            for work in outlook.maintenance
        ],
    }


def _outlook_of(body: Mapping[str, Any]) -> Outlook:
    return Outlook(
        start=datetime.fromisoformat(body["start"]),
        state=_state_of(body["state"]) if body["state"] else None,
        forecasts=tuple(
            FailureForecast(
                **{
                    **f,
                    "made_at": datetime.fromisoformat(f["made_at"]),
                    "horizon_h": tuple(f["horizon_h"]),
                    "probability": tuple(f["probability"]),
                }
            )
            for f in body["forecasts"]
        ),
        jobs=tuple(
            Job(
                order_id=order,
                product=product,
                quantity=quantity,
                release_at=datetime.fromisoformat(release),
            )
            for order, product, quantity, release in body["jobs"]
        ),
        maintenance=tuple(
            PlannedMaintenance(
                work_unit=unit,
                start_at=datetime.fromisoformat(start),
                duration_s=duration_s,
                failure_mode=mode,
            )
            for unit, start, duration_s, mode in body["maintenance"]
        ),
    )


def _state_body(state: LiveState) -> dict[str, Any]:
    return {
        "at": state.at.isoformat(),
        "units": {
            unit: {name: getattr(start, name) for name in UnitStart.__dataclass_fields__}
            | {
                "state": str(start.state),
                "age_s": dict(start.age_s),
                "parts_since": dict(start.parts_since),
                "more_parts": [asdict(part) for part in start.more_parts],
            }
            for unit, start in state.units.items()
        },
        "zones": {zone: [asdict(part) for part in parts] for zone, parts in state.zones.items()},
        "started": dict(state.started),
    }


def _state_of(body: Mapping[str, Any]) -> LiveState:
    return LiveState(
        at=datetime.fromisoformat(body["at"]),
        units={
            unit: UnitStart(
                **{
                    **start,
                    "state": WorkUnitState(start["state"]),
                    "more_parts": tuple(PartStart(**p) for p in start.get("more_parts", ())),
                }
            )
            for unit, start in body["units"].items()
        },
        zones={
            zone: tuple(_part_of(part) for part in parts) for zone, parts in body["zones"].items()
        },
        started=body["started"],
    )


def _part_of(body: Mapping[str, Any] | Sequence[str]) -> PartStart:
    if isinstance(body, Mapping):
        return PartStart(**body)
    order, product = body  # as in plans recorded when this was all that was known of a part
    return PartStart(order_id=order, product=product)


def alerts_by_id(ledger: Ledger) -> dict[str, Alert]:
    """Every alert as the ledger's newest event of it leaves it, oldest first."""
    rows = ledger.entries(kind="alert")
    return {a.alert_id: a for a in replay(AlertEvent.from_dict(row.body) for row in rows)}


def proposal_decisions(ledger: Ledger) -> dict[str, dict[str, Any]]:
    """The decided proposals as documents, by id."""
    return {entry.subject: dict(entry.body) for entry in ledger.entries(kind="proposal")}


def planning_plant(
    plant: Plant, decisions: Mapping[str, Mapping[str, Any]], state: LiveState
) -> Plant:
    """The plant as planning sees it: approved purchases on order, used-up stock gone."""
    return stock_after(with_approved_orders(plant, decisions), state)


def with_approved_orders(plant: Plant, decisions: Mapping[str, Mapping[str, Any]]) -> Plant:
    """The plant with every approved proposal as an open purchase order, due when it can come."""
    approved = {
        proposal_id: PurchaseOrder(
            purchase_order_id=proposal_id,
            item_id=p["item_id"],
            supplier_id=p["supplier_id"],
            quantity=p["quantity"],
            due_at=datetime.fromisoformat(p["expected_at"]),
        )
        for proposal_id, p in decisions.items()
        if p["state"] == "approved" and p["item_id"] in plant.items
    }
    return plant.model_copy(update={"purchase_orders": {**plant.purchase_orders, **approved}})
