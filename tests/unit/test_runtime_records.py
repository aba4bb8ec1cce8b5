"""Rows of the ledger and back: calibrations, plans, alerts, approved purchases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.jobs import Outlook, train_step
from connectors.runtime.records import (
    alerts_by_id,
    last_calibration,
    last_plan,
    planning_plant,
    proposal_decisions,
    record_calibration,
    record_model,
    record_plan,
    with_approved_orders,
)
from connectors.store.ledger import Ledger
from maintenance.alerts import Alert, AlertEvent, AlertState, EventKind, RemainingLife, acknowledge
from maintenance.evaluation import CrossValidation
from tests.engine_lab import practice
from tests.telemetry_lab import Log, at, small_plant
from twin.calibration import CalibratedPlant, calibrate
from twin.engine import Job, LiveState, PlannedMaintenance
from twin.engine.live import PartStart, UnitStart
from twin.plant import FailureForecast, Plant, WorkUnitState

NOON = datetime(2026, 3, 16, 12, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "ledger.sqlite")
    yield opened
    opened.close()


def worked(plant: Plant) -> CalibratedPlant:
    """Thirty parts of P1 at 12 s instead of 10 s, one setup of 90 s, one jam mended in 200 s."""
    log = Log().say("maker", "product", (0, "P1"), (400, "P2")).say("maker", "order", (0, "O1"))
    log.say("maker", "state", (0, 6.0), (370, 9.0), (380, 1.0), (580, 6.0), (600, 15.0), (690, 6.0))
    log.say("maker", "fault", (0, ""), (370, "jam"), (580, ""))
    log.say("maker", "good_count", *((12.0 * i, float(i)) for i in range(30)))
    return calibrate(plant, log.batch(), as_of=at(900), window_start=at(0))


def edited(plant: Plant, **units: Any) -> Plant:
    """The plant file read again after somebody changed these units, or took them out (None)."""
    document = plant.model_dump(mode="json")
    for name, change in units.items():
        document["work_units"][name].update(change)
    return Plant.model_validate(document)


def test_a_calibration_comes_back_from_the_ledger_as_it_was(ledger: Ledger) -> None:
    calibrated = worked(small_plant())
    assert calibrated.plant != calibrated.nominal
    record_calibration(ledger, calibrated, why="fitted")
    assert last_calibration(ledger, small_plant()) == calibrated


def test_every_fitted_law_comes_back_one_by_one(ledger: Ledger) -> None:
    calibrated = worked(small_plant())
    record_calibration(ledger, calibrated, why="fitted")
    restored = last_calibration(ledger, small_plant())
    assert restored is not None
    unit = restored.plant.work_units["maker"]
    assert unit.cycle_law("P1").mean() == pytest.approx(12.0)  # the file knows only "default"
    assert unit.setup.same_family_s > 0.0
    assert (
        unit.setup
        == calibrated.plant.work_units["maker"].setup
        != small_plant().unit("maker").setup
    )
    jam = unit.failure_modes["jam"]
    assert jam.repair.mean() == pytest.approx(calibrated.estimate("maker.repair.jam.mean_s").value)


def test_the_newest_calibration_counts(ledger: Ledger) -> None:
    assert last_calibration(ledger, small_plant()) is None
    calibrated = worked(small_plant())
    later = calibrate(small_plant(), Log().batch(), as_of=at(1800), window_start=at(0))
    record_calibration(ledger, calibrated, why="first")
    record_calibration(ledger, later, why="second")
    assert last_calibration(ledger, small_plant()) == later


def test_a_unit_that_is_new_in_the_file_keeps_what_the_file_says(ledger: Ledger) -> None:
    record_calibration(ledger, worked(small_plant()), why="fitted")
    document = small_plant().model_dump(mode="json")
    document["work_units"]["packer"] = {
        **document["work_units"]["tester"],
        "cycle_time": {"default": {"law": "constant", "value_s": 3.0}},
    }
    document["storage_zones"]["end"] = {"upstream": "tester", "downstream": "packer", "capacity": 2}
    restored = last_calibration(ledger, Plant.model_validate(document))
    assert restored is not None
    assert restored.plant.work_units["packer"].cycle_law("P1").mean() == 3.0
    assert restored.plant.work_units["maker"].cycle_law("P1").mean() == pytest.approx(12.0)
    assert restored.plant.storage_zones["end"].capacity == 2


def test_a_product_that_left_the_file_takes_its_cycle_time_with_it(ledger: Ledger) -> None:
    record_calibration(ledger, worked(small_plant()), why="fitted")
    plant = small_plant(products={"P2": {"family": "f"}, "P3": {"family": "g"}})
    restored = last_calibration(ledger, plant)
    assert restored is not None
    assert "P1" not in restored.plant.work_units["maker"].cycle_time


def test_what_the_file_says_anew_about_other_things_is_kept(ledger: Ledger) -> None:
    record_calibration(ledger, worked(small_plant()), why="fitted")
    jam = small_plant().model_dump(mode="json")["work_units"]["maker"]["failure_modes"]["jam"]
    plant = edited(
        small_plant(),
        maker={
            "name": "Maker 2",
            "failure_modes": {"jam": {**jam, "planned_work_s": 77.0}, "burn": jam},
            "parameters": {"speed": {"value": 5, "unit": "m/s", "low": 1, "high": 9}},
            "defects": {"base": 0.02, "parameter": "speed"},
            "signals": {},
        },
    )
    restored = last_calibration(ledger, plant)
    assert restored is not None
    unit = restored.plant.work_units["maker"]
    assert (unit.name, set(unit.failure_modes)) == ("Maker 2", {"jam", "burn"})
    assert unit.failure_modes["jam"].planned_work_s == 77.0
    assert unit.failure_modes["jam"].repair != unit.failure_modes["burn"].repair
    # The fitted response speaks about a parameter that is gone.
    assert unit.defects == plant.work_units["maker"].defects


def forecast() -> FailureForecast:
    return FailureForecast(
        work_unit="maker",
        failure_mode="wear",
        made_at=NOON,
        horizon_h=(1.0, 24.0),
        probability=(0.125, 1 / 3),
        model="wear-loglogistic/abc",
        evidence={"heat": 0.75, "operating_age": 0.25},
    )


def test_a_plan_comes_back_with_the_line_and_the_forecasts_it_was_made_from(ledger: Ledger) -> None:
    assert last_plan(ledger) is None
    state = LiveState(
        at=NOON,
        units={
            "maker": UnitStart(
                state=WorkUnitState.PRODUCTION,
                product="P1",
                order_id="O1",
                remaining_s=4.5,
                last_product="P1",
                more_parts=(PartStart(order_id="O2", product="P1", defective=True),),
                parts_since={"oil": 3},
            )
        },
        zones={"middle": (PartStart(order_id="O1", product="P1", remaining_s=1.5, reworks=1),)},
        started={"O1": 17},
    )
    outlook = Outlook(
        start=NOON,
        state=state,
        forecasts=(forecast(),),
        jobs=(Job(order_id="O1", product="P1", quantity=83, release_at=NOON),),
        maintenance=(
            PlannedMaintenance(
                work_unit="maker", start_at=NOON, duration_s=600.0, failure_mode="wear"
            ),
        ),
    )
    schedule = {"status": "optimal", "objective": 3, "bound": 3, "gap": 0.0, "entries": []}
    record_plan(
        ledger,
        schedule,
        {"proposals": []},
        at=NOON,
        calibration="c",
        outlook=outlook,
        alerted=(("maker", "wear"),),
    )
    assert last_plan(ledger) == (outlook, (("maker", "wear"),))


def test_an_alert_stands_as_its_newest_event_left_it(ledger: Ledger) -> None:
    alert = Alert(
        alert_id="maker:wear:1",
        work_unit="maker",
        failure_mode="wear",
        name="Worn",
        state=AlertState.RAISED,
        raised_at=NOON,
        probability=0.7,
        horizon_h=24.0,
        remaining_life_h=RemainingLife(p10=1.0, p50=2.0, p90=None),
    )
    raised = AlertEvent(kind=EventKind.RAISE, alert=alert, at=NOON, who="linetwin", why="")
    seen = acknowledge(alert, "ada", NOON + timedelta(hours=1))
    for event in (raised, seen):
        ledger.append(
            at=event.at, kind="alert", subject=alert.alert_id, who=event.who, body=event.as_dict()
        )
    assert alerts_by_id(ledger) == {alert.alert_id: seen.alert}


def decision(plant: Plant, state: str, **more: Any) -> dict[str, Any]:
    item_id, item = next((i, m) for i, m in plant.items.items() if m.suppliers)
    return {
        "proposal_id": "PP-1",
        "item_id": item_id,
        "supplier_id": item.suppliers[0],
        "quantity": 40.0,
        "expected_at": "2026-03-20T08:00:00+01:00",
        "state": state,
        **more,
    }


def test_an_approved_purchase_is_on_order_and_due_when_it_can_come(ledger: Ledger) -> None:
    plant = practice()
    ledger.append(
        at=NOON, kind="proposal", subject="PP-1", who="ada", body=decision(plant, "approved")
    )
    order = with_approved_orders(plant, proposal_decisions(ledger)).purchase_orders["PP-1"]
    assert (order.quantity, order.due_at) == (40.0, datetime(2026, 3, 20, 7, tzinfo=UTC))


def test_rejected_purchases_and_those_of_items_that_left_the_file_are_not_on_order() -> None:
    plant = practice()
    gone = decision(plant, "approved", item_id="IT-GONE")
    plan = with_approved_orders(plant, {"PP-1": decision(plant, "rejected"), "PP-2": gone})
    assert plan.purchase_orders == plant.purchase_orders


def test_planning_sees_purchases_and_what_started_orders_took() -> None:
    plant = practice()
    order = next(o for o in plant.orders.values() if o.product == "FG-DRV24")
    state = LiveState(at=NOON, started={order.order_id: 10})
    seen = planning_plant(plant, {"PP-1": decision(plant, "approved")}, state)
    assert "PP-1" in seen.purchase_orders
    # bill_of_material.csv: FG-DRV24,HS-DRV,1,packing,0 and FG-DRV24,SCREW,6,packing,0.02
    for item, taken in (("HS-DRV", 10.0), ("SCREW", 60 / 0.98)):
        assert plant.stock[item].on_hand - seen.stock[item].on_hand == pytest.approx(taken)


def test_a_model_is_written_with_its_window_and_its_score_or_why_it_has_none(
    ledger: Ledger,
) -> None:
    batch = Log().say("maker", "state", (0, 6.0), (3600, 2.0)).batch()
    learned = train_step(small_plant(), small_plant(), batch, at(7200))
    score = CrossValidation(
        horizon_h=24.0,
        folds=5,
        lives=12,
        n=300,
        base_rate=0.25,
        brier=0.03125,
        brier_base_rate=0.1875,
    )
    record_model(ledger, learned, why="learned from 2 samples")
    record_model(ledger, replace(learned, score=score, not_scored=""), why="later")
    first, second = ledger.entries(kind="model")
    assert (first.subject, first.at) == (learned.model.version, at(7200))
    assert first.body["as_of"] == at(7200).isoformat()
    assert (first.body["lives"], first.body["score"]) == (0, None)
    assert first.body["not_scored"] == "0 lives ended in a failure, 4 are needed"
    assert (second.body["score"]["brier"], second.body["score"]["lives"]) == (0.03125, 12)
