"""Every document is what the API declares, and plain JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from connectors.jobs import Plan
from connectors.runtime import documents
from connectors.runtime.board import STEPS, Step
from connectors.store.ledger import Ledger
from connectors.web.models import answers, engineering, line, maintenance, planning, system
from tests.runtime_lab import NOW, bearing_alert, bearing_forecast, small_plan, small_practice
from tests.telemetry_lab import T0, Log, at, small_plant
from twin.calibration import calibrate
from twin.plant import Plant
from twin.scenarios import compare
from twin.telemetry import Quality, line_kpis


@pytest.fixture(scope="module")
def plant() -> Plant:
    return small_practice()


@pytest.fixture(scope="module")
def plan(plant: Plant) -> Plan:
    return small_plan(plant)


def declared(document: Mapping[str, Any], model: type[BaseModel]) -> Any:
    """The document after the wire, held against what the API says it is."""
    return model.model_validate_json(json.dumps(document, allow_nan=False))


def test_the_plant_and_its_signals(plant: Plant) -> None:
    said = declared(documents.plant_document(plant), line.Plant)
    assert [u.id for u in said.work_units] == list(plant.work_units)
    assert {z.id: z.capacity for z in said.storage_zones} == {
        name: zone.capacity for name, zone in plant.storage_zones.items()
    }
    signals = declared(documents.signals_document(plant), line.Signals).signals
    assert {s.id for s in signals} == set(plant.signals())


def test_kpis_of_an_hour_in_which_nothing_was_seen() -> None:
    plant = small_plant()
    kpis = line_kpis(plant, Log().batch(), T0, T0 + timedelta(hours=1))
    said = declared(documents.kpis_document(plant, kpis, T0, T0 + timedelta(hours=1)), line.Kpis)
    assert said.line.good == 0
    assert [u.id for u in said.units] == ["maker", "tester"]


def test_a_calibration_without_data() -> None:
    plant = small_plant()
    calibrated = calibrate(plant, Log().batch(), as_of=at(60), window_start=at(0))
    said = declared(documents.calibration_document(calibrated), engineering.Calibration)
    assert {e.n for e in said.estimates} == {0}
    assert said.version == calibrated.version


def test_a_what_if_whose_numbers_do_not_exist_says_null(plant: Plant) -> None:
    # In one second no part is finished, so there is no flow time.
    comparison = compare(
        plant, ["buffer.aoi_in.capacity=9"], start=NOW, horizon_s=1.0, replications=2
    )
    said = declared(comparison.as_dict(), answers.WhatIfResult)
    flow = next(k for k in said.kpis if k.name == "flow_time_s")
    assert (flow.baseline, flow.delta) == (None, None)


def test_forecasts() -> None:
    document = documents.forecasts_document([bearing_forecast()], as_of=NOW)
    (curve,) = declared(document, maintenance.Forecasts).forecasts
    assert curve.probability == [0.1, 0.6, 0.9]


def test_an_open_alert_shows_when_the_schedule_places_its_work(plan: Plan) -> None:
    (work,) = plan.schedule.maintenance
    document = documents.alerts_document([bearing_alert()], plan)
    (alert,) = declared(document, maintenance.Alerts).alerts
    assert alert.proposed_window is not None
    assert alert.proposed_window.start_at == work.start_at
    assert alert.proposed_window.duration_s == work.duration_s


def test_alerts_of_one_state(plan: Plan) -> None:
    document = documents.alerts_document([bearing_alert()], plan, state="cleared")
    assert declared(document, maintenance.Alerts).alerts == []


def test_schedule_demand_and_proposals(plant: Plant, plan: Plan) -> None:
    schedule = declared(
        documents.schedule_document(plan.schedule, plan.violations, as_of=NOW), planning.Schedule
    )
    assert {e.order_id for e in schedule.entries} == {"A", "B", "C"}
    assert schedule.violations == []
    demand = declared(documents.demand_document(plant, plan, as_of=NOW), planning.Demand)
    buckets = len(demand.buckets)
    assert {len(row) for i in demand.items for row in (i.p10, i.p50, i.p90)} == {buckets}
    proposals = declared(documents.proposals_document(plan.proposals, {}), planning.Proposals)
    assert {p.state for p in proposals.proposals} == {"proposed"}


def test_a_decided_proposal_is_listed_once_and_costs_in_proportion(plan: Plan) -> None:
    first = documents.proposals_document(plan.proposals, {})["proposals"][0]
    decided = documents.decided_proposal(first, "approve", "ada", 2 * first["quantity"])
    assert decided["cost"] == pytest.approx(2 * first["cost"])
    listed = declared(
        documents.proposals_document(plan.proposals, {first["proposal_id"]: decided}),
        planning.Proposals,
    ).proposals
    assert len(listed) == len(plan.proposals)
    assert [(p.state, p.decided_by) for p in listed if p.proposal_id == first["proposal_id"]] == [
        ("approved", "ada")
    ]


def test_the_ledger(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    entry = ledger.append(at=NOW, kind="note", subject="s", who="ada", body={"n": [1, None]})
    document = documents.ledger_document(ledger.entries(), intact=ledger.verify() is None)
    ledger.close()
    said = declared(document, system.Ledger)
    assert (said.intact, said.entries[0].digest) == (True, entry.digest)


@pytest.mark.parametrize(
    ("changes", "error", "status"),
    [
        ({}, None, "starting"),
        (dict.fromkeys(STEPS, "done"), None, "running"),
        ({**dict.fromkeys(STEPS, "done"), "schedule": "failed"}, None, "degraded"),
        (dict.fromkeys(STEPS, "done"), "no route to host", "degraded"),
        ({**dict.fromkeys(STEPS, "done"), "schedule": "running"}, None, "running"),
    ],
)
def test_health_is_that_of_its_worst_part(
    changes: dict[str, Any], error: str | None, status: str
) -> None:
    steps = {n: Step(state=changes[n], at=NOW) if n in changes else Step() for n in STEPS}
    document = documents.health_document(steps, [{"error": error}], as_of=None, version="1")
    assert declared(document, system.Health).status == status


def test_samples_are_thinned_evenly_and_the_newest_stays() -> None:
    log = Log().say("maker", "heat", *((float(i), float(i)) for i in range(100)))
    log.say("maker", "heat", (100, None), quality=Quality.BAD)
    document = documents.samples_document("x", "degC", log.batch(), 11)
    said = declared(document, line.Samples)
    assert len(said.value) == 11
    assert (said.value[-1], said.quality[-1]) == (None, 2)
    seconds = [(m - T0).total_seconds() for m in said.measured_at]
    steps = {b - a for a, b in pairwise(seconds)}
    assert steps <= {9.0, 10.0}


def test_texts_are_samples_too() -> None:
    batch = Log().say("maker", "product", (0, "P1"), (9, "")).batch()
    assert declared(documents.samples_document("x", "", batch, 5), line.Samples).value == ["P1", ""]
