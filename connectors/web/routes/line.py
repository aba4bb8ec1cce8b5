"""Everybody: the plant, the line as it is, its figures and its signals."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from connectors.web.models.line import Kpis, Line, Plant, Samples, Signals, Telemetry
from connectors.web.problems import documented
from connectors.web.service import Document, Service

__all__ = ["router"]


def router(service: Service) -> APIRouter:
    """Routes of the line."""
    routes = APIRouter(tags=["line"])

    @routes.get("/plant", response_model=Plant, responses=documented(503))
    def plant() -> Document:
        """The plant: work units in flow order, buffers, products, parameters that a what-if may change."""
        return service.plant()

    @routes.get("/line", response_model=Line, responses=documented(503))
    def line() -> Document:
        """The line now: states, counters, signals, buffers and sources."""
        return service.line()

    @routes.get("/kpis", response_model=Kpis, responses=documented(422, 503))
    def kpis(hours: Annotated[float, Query(gt=0, le=744)] = 8) -> Document:
        """ISO 22400 time elements and OEE over the last hours of plant time."""
        return service.kpis(hours)

    @routes.get("/telemetry", response_model=Telemetry, responses=documented(503))
    def telemetry() -> Document:
        """How telemetry reaches the stores: sources, stores, spool, and what was lost on the way."""
        return service.telemetry()

    @routes.get("/signals", response_model=Signals, responses=documented(503))
    def signals() -> Document:
        """Every signal of the plant file."""
        return service.signals()

    @routes.get(
        "/signals/{signal:path}/samples",
        response_model=Samples,
        responses=documented(404, 422, 503),
    )
    def samples(
        signal: str,
        start: AwareDatetime | None = None,
        end: AwareDatetime | None = None,
        limit: Annotated[int, Query(ge=2, le=20_000)] = 1000,
    ) -> Document:
        """Samples of one signal, oldest first; more than `limit` are thinned evenly."""
        return service.samples(signal, start, end, limit)

    return routes
