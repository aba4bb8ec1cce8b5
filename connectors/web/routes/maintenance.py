"""Maintenance teams: failure forecasts and the alert inbox."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter

from connectors.web.models.base import Decision
from connectors.web.models.maintenance import Alert, Alerts, Forecasts
from connectors.web.problems import documented
from connectors.web.service import Document, Service

__all__ = ["router"]


def router(service: Service) -> APIRouter:
    """Routes of maintenance teams."""
    routes = APIRouter(tags=["maintenance"])

    @routes.get("/forecasts", response_model=Forecasts, responses=documented(503))
    def forecasts() -> Document:
        """P(failure within t) for every work unit and failure mode."""
        return service.forecasts()

    @routes.get("/alerts", response_model=Alerts, responses=documented(422, 503))
    def alerts(state: Literal["raised", "acknowledged", "cleared"] | None = None) -> Document:
        """Alerts, newest first."""
        return service.alerts(state)

    @routes.post(
        "/alerts/{alert_id}/acknowledge",
        response_model=Alert,
        responses=documented(403, 404, 409, 422, 503),
    )
    def acknowledge(alert_id: str, decision: Decision) -> Document:
        """Say that somebody has seen the alert and takes care of it."""
        return service.acknowledge(alert_id, decision.who, decision.why)

    @routes.post(
        "/alerts/{alert_id}/clear",
        response_model=Alert,
        responses=documented(403, 404, 409, 422, 503),
    )
    def clear(alert_id: str, decision: Decision) -> Document:
        """Close an alert by hand, as after the work was done."""
        return service.clear(alert_id, decision.who, decision.why)

    return routes
