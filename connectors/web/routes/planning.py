"""Planners: schedule, component demand and purchase proposals."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from connectors.business import demand_csv, proposals_csv, schedule_csv
from connectors.web.models.base import Decision
from connectors.web.models.planning import Decided, Demand, Proposal, Proposals, Schedule
from connectors.web.problems import documented
from connectors.web.routes.tables import csv_answer, csv_table
from connectors.web.service import Document, Service

__all__ = ["router"]


def router(service: Service) -> APIRouter:
    """Routes of planners."""
    routes = APIRouter(tags=["planners"])

    @routes.get("/schedule", response_model=Schedule, responses=documented(503))
    def schedule() -> Document:
        """Open orders around planned maintenance, with bound and gap."""
        return service.schedule()

    @routes.get("/demand", response_model=Demand, responses=documented(503))
    def demand() -> Document:
        """Component demand by item and time bucket as P10, P50 and P90, with pegging."""
        return service.demand()

    @routes.get("/proposals", response_model=Proposals, responses=documented(503))
    def proposals() -> Document:
        """Purchase proposals and what was decided about them."""
        return service.proposals()

    @routes.get("/schedule.csv", **csv_answer(503))
    def schedulecsv_table() -> Response:
        """The schedule for a spreadsheet: orders and maintenance by start."""
        return csv_table("schedule", schedule_csv(service.schedule()))

    @routes.get("/demand.csv", **csv_answer(503))
    def demandcsv_table() -> Response:
        """The demand for a spreadsheet: one row for each item and bucket."""
        return csv_table("demand", demand_csv(service.demand()))

    @routes.get("/proposals.csv", **csv_answer(503))
    def proposalscsv_table() -> Response:
        """The purchase proposals for a spreadsheet, decided ones too."""
        return csv_table("proposals", proposals_csv(service.proposals()))

    @routes.post(
        "/proposals/{proposal_id}/approve",
        response_model=Proposal,
        responses=documented(403, 404, 409, 422, 503),
    )
    def approve(proposal_id: str, decision: Decided) -> Document:
        """Approve a proposal, perhaps with another quantity."""
        return service.decide(proposal_id, "approve", decision.who, decision.why, decision.quantity)

    @routes.post(
        "/proposals/{proposal_id}/reject",
        response_model=Proposal,
        responses=documented(403, 404, 409, 422, 503),
    )
    def reject(proposal_id: str, decision: Decision) -> Document:
        """Reject a proposal."""
        return service.decide(proposal_id, "reject", decision.who, decision.why, None)

    return routes
