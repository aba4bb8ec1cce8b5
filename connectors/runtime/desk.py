"""What people ask and decide: every document of the API, and the acts that go into the ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import connectors.runtime.documents as documents
from connectors.jobs import Outlook
from connectors.runtime.board import Board
from connectors.runtime.events import Event, EventHub
from connectors.runtime.experiments import Basis, Question
from connectors.runtime.jobs import Jobs
from connectors.runtime.line import LineView
from connectors.runtime.records import proposal_decisions
from maintenance.alerts import Alert, AlertEvent, acknowledge, clear, find, refreshed
from twin.errors import ConflictError, DataError, NotFoundError, NotReadyError
from twin.plant import Plant, SignalId
from twin.telemetry import from_us, line_kpis

if TYPE_CHECKING:
    from connectors.store.ledger import Ledger
    from twin.telemetry import Historian

__all__ = ["Desk"]

_DAY = timedelta(days=1)


class Desk:
    """The service behind the API (see ``connectors.web.service``); every method is quick."""

    def __init__(
        self,
        plant: Plant,
        *,
        board: Board,
        line: LineView,
        hub: EventHub,
        jobs: Jobs,
        now: Callable[[], datetime],
        sources: Callable[[], list[dict[str, Any]]],
        telemetry: Callable[[], dict[str, Any]],
        historian: Callable[[], Historian],
        ledger: Callable[[], Ledger],
        speed: float,
        version: str,
    ) -> None:
        self._plant = plant
        self._board = board
        self._line = line
        self._hub = hub
        self._jobs = jobs
        self._now = now
        self._sources = sources
        self._telemetry = telemetry
        self._historian = historian
        self._ledger = ledger
        self._speed = speed
        self._version = version

    # Everybody: the line as it is.

    def plant(self) -> dict[str, Any]:
        return documents.plant_document(self._plant)

    def line(self) -> dict[str, Any]:
        if self._line.measured_us == 0:
            raise NotReadyError("no sample has arrived yet; ask again soon")
        return self._line.document(as_of=self._now(), speed=self._speed, sources=self._sources())

    def kpis(self, hours: float) -> dict[str, Any]:
        end = self._now()
        start = end - timedelta(hours=hours)
        wanted = documents.kpi_signals(self._plant)
        batch = self._historian().read(wanted, start - _DAY, end)
        return documents.kpis_document(
            self._plant, line_kpis(self._plant, batch, start, end), start, end
        )

    def telemetry(self) -> dict[str, Any]:
        return self._telemetry()

    def signals(self) -> dict[str, Any]:
        return documents.signals_document(self._plant)

    def samples(
        self, signal: str, start: datetime | None, end: datetime | None, limit: int
    ) -> dict[str, Any]:
        known = self._plant.signals().get(SignalId(signal))
        if known is None:
            raise NotFoundError(f'no signal "{signal}"; GET /api/v1/signals lists them')
        end = end or self._now() + timedelta(microseconds=1)
        start = start or end - _DAY
        if start >= end:
            raise DataError("start must be before end")
        batch = self._historian().read([SignalId(signal)], start, end)
        return documents.samples_document(signal, known[2].unit, batch, limit)

    # Process engineers.

    def calibration(self) -> dict[str, Any]:
        return documents.calibration_document(self._board.need("calibrated"))

    def submit(self, question: Question) -> dict[str, Any]:
        calibrated = self._board.need("calibrated")
        plan = self._board.plan
        outlook = (
            plan.outlook
            if plan
            else Outlook.unplanned(calibrated.plant, self._now(), self._board.state)
        )
        basis = Basis(plant=calibrated.plant, outlook=outlook, calibration=calibrated.version)
        return self._jobs.submit(question, basis)

    def jobs(self) -> dict[str, Any]:
        return {"jobs": self._jobs.documents()}

    def job(self, job_id: str) -> dict[str, Any]:
        return self._jobs.document(job_id)

    def cancel(self, job_id: str) -> dict[str, Any]:
        return self._jobs.cancel(job_id)

    # Maintenance.

    def forecasts(self) -> dict[str, Any]:
        forecasts = self._board.need("forecasts")
        return documents.forecasts_document(forecasts, as_of=self._board.need("forecasts_at"))

    def alerts(self, state: str | None) -> dict[str, Any]:
        return documents.alerts_document(self._current_alerts(), self._board.plan, state=state)

    def acknowledge(self, alert_id: str, who: str, why: str) -> dict[str, Any]:
        with self._board.deciding:
            found = self._in_ledger(alert_id)
            return self._alert(acknowledge(found, who, self._now(), why))

    def clear(self, alert_id: str, who: str, why: str) -> dict[str, Any]:
        with self._board.deciding:
            found = self._in_ledger(alert_id)
            return self._alert(clear(found, who, why, self._now()))

    # Planners.

    def schedule(self) -> dict[str, Any]:
        plan = self._board.need("plan")
        return documents.schedule_document(plan.schedule, plan.violations, as_of=plan.start)

    def demand(self) -> dict[str, Any]:
        plan = self._board.need("plan")
        return documents.demand_document(self._plant, plan, as_of=plan.start)

    def proposals(self) -> dict[str, Any]:
        plan = self._board.need("plan")
        decided = proposal_decisions(self._ledger())
        return documents.proposals_document(plan.proposals, decided)

    def decide(
        self,
        proposal_id: str,
        decision: Literal["approve", "reject"],
        who: str,
        why: str,
        quantity: float | None,
    ) -> dict[str, Any]:
        with self._board.deciding:
            listed = {p["proposal_id"]: p for p in self.proposals()["proposals"]}
            found = listed.get(proposal_id)
            if found is None:
                raise NotFoundError(f'no proposal "{proposal_id}"')
            if found["state"] != "proposed":
                raise ConflictError(f"proposal {proposal_id} is {found['state']} already")
            decided = documents.decided_proposal(found, decision, who, quantity)
            self._ledger().append(
                at=self._now(), kind="proposal", subject=proposal_id, who=who, why=why, body=decided
            )
        self._hub.publish("proposals", self.proposals())
        return decided

    # The product itself.

    def health(self) -> dict[str, Any]:
        return documents.health_document(
            self._board.steps, self._sources(), as_of=self._health_time(), version=self._version
        )

    def ledger(self, after: int, limit: int) -> dict[str, Any]:
        ledger = self._ledger()
        entries = ledger.entries(after=after, limit=limit)
        return documents.ledger_document(entries, intact=ledger.verify() is None)

    def subscribe(self, after_id: int | None) -> AsyncIterator[Event]:
        return self._hub.subscribe(after_id)

    def _current_alerts(self) -> list[Alert]:
        newest = {(f.work_unit, f.failure_mode): f for f in self._board.forecasts or ()}
        return [
            refreshed(alert, newest[alert.key]) if alert.key in newest else alert
            for alert in self._board.alerts.values()
        ]

    def _in_ledger(self, alert_id: str) -> Alert:
        """The alert as the ledger has it, where another process may have acted on it."""
        rows = self._ledger().entries(kind="alert", subject=alert_id)
        return find((AlertEvent.from_dict(row.body).alert for row in reversed(rows)), alert_id)

    def _alert(self, event: AlertEvent) -> dict[str, Any]:
        self._ledger().append(
            at=event.at,
            kind="alert",
            subject=event.alert.alert_id,
            who=event.who,
            why=event.why,
            body=event.as_dict(),
        )
        self._board.alerts = {**self._board.alerts, event.alert.alert_id: event.alert}
        self._hub.publish("alerts", self.alerts(None))
        shown: dict[str, Any] = documents.alerts_document([event.alert], self._board.plan)[
            "alerts"
        ][0]
        return shown

    def _health_time(self) -> datetime | None:
        newest = self._line.measured_us
        return from_us(newest) if newest else None
