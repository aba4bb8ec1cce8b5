"""The desk: what is asked before it is known, and decisions, which are made once and written down."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.jobs import Plan
from connectors.runtime.experiments import Simulation
from connectors.store.ledger import Ledger
from connectors.web.models import line, maintenance, planning, system
from maintenance.alerts import acknowledge
from tests.runtime_lab import (
    NOW,
    Office,
    bearing_alert,
    bearing_forecast,
    office,
    raise_alert,
    small_plan,
    small_practice,
)
from twin.errors import ConflictError, DataError, NotFoundError, NotReadyError
from twin.plant import Plant
from twin.telemetry import Sample, SampleBatch

ALERT = bearing_alert().alert_id


@pytest.fixture(scope="module")
def plant() -> Plant:
    return small_practice()


@pytest.fixture(scope="module")
def plan(plant: Plant) -> Plan:
    return small_plan(plant)


@pytest.fixture
def empty(tmp_path: Path, plant: Plant) -> Iterator[Office]:
    opened = office(tmp_path, plant)
    yield opened
    opened.close()


@pytest.fixture
def busy(empty: Office, plan: Plan) -> Office:
    """An office with a plan, and an alert that was raised."""
    raise_alert(empty.ledger, bearing_alert())
    empty.board.alerts = {ALERT: bearing_alert()}
    empty.board.plan = plan
    return empty


def first_proposal(busy: Office) -> str:
    found: str = busy.desk.proposals()["proposals"][0]["proposal_id"]
    return found


@pytest.mark.parametrize(
    "what", ["line", "calibration", "forecasts", "schedule", "demand", "proposals"]
)
def test_what_is_not_computed_yet_is_not_ready(empty: Office, what: str) -> None:
    with pytest.raises(NotReadyError):
        getattr(empty.desk, what)()
    with pytest.raises(NotReadyError):
        empty.desk.submit(Simulation())


def test_the_plant_its_signals_and_health_are_there_from_the_beginning(empty: Office) -> None:
    line.Plant.model_validate(empty.desk.plant())
    line.Signals.model_validate(empty.desk.signals())
    health = system.Health.model_validate(empty.desk.health())
    assert (health.status, health.as_of) == ("starting", None)


def test_samples_are_those_of_the_last_day_unless_asked_otherwise(empty: Office) -> None:
    signal = empty.plant.signal_id("printer", "power")
    for hours in (30, 23, 1):
        at = NOW - timedelta(hours=hours)
        one = Sample(signal=signal, value=float(hours), measured_at=at, available_at=at)
        empty.historian.append(SampleBatch.of([one]))
    day = line.Samples.model_validate(empty.desk.samples(signal, None, None, 100))
    assert (day.value, day.unit) == ([23.0, 1.0], "W")
    older = empty.desk.samples(signal, NOW - timedelta(hours=31), NOW - timedelta(hours=2), 100)
    assert older["value"] == [30.0, 23.0]
    with pytest.raises(NotFoundError, match="no signal"):
        empty.desk.samples("PLT1/electronics/line1/printer/nothing", None, None, 100)
    with pytest.raises(DataError, match="before end"):
        empty.desk.samples(signal, NOW, NOW, 100)


def test_kpis_of_a_line_that_nobody_has_seen(empty: Office) -> None:
    assert line.Kpis.model_validate(empty.desk.kpis(8.0)).line.good == 0


def test_an_alert_is_acknowledged_once_and_cleared_once_and_both_are_written_down(
    busy: Office,
) -> None:
    shown = busy.desk.acknowledge(ALERT, "ada", "bearing ordered")
    maintenance.Alert.model_validate(shown)
    assert (shown["state"], shown["acknowledged_by"]) == ("acknowledged", "ada")
    with pytest.raises(ConflictError, match="acknowledged already"):
        busy.desk.acknowledge(ALERT, "bob", "")
    assert busy.desk.clear(ALERT, "ada", "replaced")["clear_reason"] == "manual"
    with pytest.raises(ConflictError, match="cleared already"):
        busy.desk.clear(ALERT, "bob", "")
    rows = busy.ledger.entries(kind="alert", subject=ALERT)
    assert [(r.body["kind"], r.who, r.why) for r in rows[1:]] == [
        ("acknowledge", "ada", "bearing ordered"),
        ("clear", "ada", "replaced"),
    ]
    assert [a["state"] for a in busy.desk.alerts(None)["alerts"]] == ["cleared"]
    assert busy.desk.alerts("raised")["alerts"] == []


def test_an_alert_that_another_program_acknowledged_is_not_acknowledged_again(busy: Office) -> None:
    event = acknowledge(bearing_alert(), "carl", NOW)
    busy.ledger.append(at=NOW, kind="alert", subject=ALERT, who="carl", body=event.as_dict())
    with pytest.raises(ConflictError, match="acknowledged already"):
        busy.desk.acknowledge(ALERT, "ada", "")


def test_an_alert_that_was_never_raised_is_not_found(busy: Office) -> None:
    with pytest.raises(NotFoundError):
        busy.desk.acknowledge("reflow:fan:now", "ada", "")


def test_an_open_alert_shows_the_newest_forecast(busy: Office) -> None:
    busy.board.forecasts = (bearing_forecast(),)
    (shown,) = busy.desk.alerts(None)["alerts"]
    assert (shown["probability"], shown["remaining_life_h"]["p50"]) == (0.9, pytest.approx(7.2))


def test_work_whose_slot_has_gone_by_keeps_it_until_the_next_plan(busy: Office, plan: Plan) -> None:
    (work,) = plan.schedule.maintenance
    begun = NOW - timedelta(days=1)
    past = replace(work, start_at=begun, end_at=begun + (work.end_at - work.start_at))
    busy.board.plan = replace(plan, schedule=replace(plan.schedule, maintenance=(past,)))
    (shown,) = maintenance.Alerts.model_validate(busy.desk.alerts(None)).alerts
    assert shown.proposed_window is not None
    assert shown.proposed_window.start_at == begun


def test_a_proposal_is_approved_with_another_quantity_at_its_cost(busy: Office) -> None:
    name = first_proposal(busy)
    before = next(p for p in busy.desk.proposals()["proposals"] if p["proposal_id"] == name)
    wanted = 3 * before["quantity"]
    decided = busy.desk.decide(name, "approve", "eve", "price is good", wanted)
    planning.Proposal.model_validate(decided)
    assert (decided["state"], decided["decided_by"]) == ("approved", "eve")
    assert (decided["quantity"], decided["cost"]) == (wanted, pytest.approx(3 * before["cost"]))
    (row,) = busy.ledger.entries(kind="proposal")
    assert (row.subject, row.who, row.why) == (name, "eve", "price is good")
    assert row.body["quantity"] == wanted
    listed = [p for p in busy.desk.proposals()["proposals"] if p["proposal_id"] == name]
    assert listed == [decided]


@pytest.mark.parametrize("again", ["approve", "reject"])
def test_a_proposal_is_decided_once(busy: Office, again: str) -> None:
    name = first_proposal(busy)
    busy.desk.decide(name, "reject", "eve", "", None)
    with pytest.raises(ConflictError, match="rejected already"):
        busy.desk.decide(name, again, "eve", "", None)  # type: ignore[arg-type]
    assert len(busy.ledger.entries(kind="proposal")) == 1
    with pytest.raises(NotFoundError):
        busy.desk.decide("PP-NOTHING", "approve", "eve", "", None)


def test_of_many_who_decide_at_once_one_does(busy: Office) -> None:
    name = first_proposal(busy)

    def approve(who: int) -> str:
        try:
            busy.desk.decide(name, "approve", str(who), "", None)
        except ConflictError:
            return "refused"
        return "approved"

    with ThreadPoolExecutor(8) as people:
        answers = sorted(people.map(approve, range(8)))
    assert answers == ["approved", *["refused"] * 7]
    assert len(busy.ledger.entries(kind="proposal")) == 1


def test_of_many_who_acknowledge_at_once_one_does(busy: Office) -> None:
    def take(who: int) -> str:
        try:
            return str(busy.desk.acknowledge(ALERT, str(who), "")["state"])
        except ConflictError:
            return "refused"

    with ThreadPoolExecutor(8) as people:
        assert sorted(people.map(take, range(8))) == ["acknowledged", *["refused"] * 7]


def test_decisions_are_told_to_listeners(busy: Office) -> None:
    async def first_two() -> list[str]:
        stream = busy.hub.subscribe(None)
        return [(await anext(stream)).name for _ in range(2)]

    busy.desk.acknowledge(ALERT, "ada", "")
    busy.desk.decide(first_proposal(busy), "approve", "eve", "", None)
    assert asyncio.run(asyncio.wait_for(first_two(), 2.0)) == ["alerts", "proposals"]


def test_the_ledger_is_read_in_pages_and_says_that_it_is_intact(busy: Office) -> None:
    for i in range(5):
        busy.ledger.append(at=NOW, kind="note", subject=str(i), who="ada")
    page = system.Ledger.model_validate(busy.desk.ledger(2, 3))
    assert [e.seq for e in page.entries] == [3, 4, 5]
    assert page.intact


def test_what_other_programs_write_is_read_at_once(busy: Office, tmp_path: Path) -> None:
    other = Ledger(tmp_path / "ledger.sqlite")
    other.append(at=NOW, kind="note", subject="s", who="carl")
    other.close()
    assert busy.desk.ledger(0, 100)["entries"][-1]["who"] == "carl"
