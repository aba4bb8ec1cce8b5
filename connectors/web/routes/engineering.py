"""Process engineers: the calibrated twin."""

from __future__ import annotations

from fastapi import APIRouter

from connectors.web.models.engineering import Calibration
from connectors.web.problems import documented
from connectors.web.service import Document, Service

__all__ = ["router"]


def router(service: Service) -> APIRouter:
    """Routes of process engineers."""
    routes = APIRouter(tags=["process engineers"])

    @routes.get("/calibration", response_model=Calibration, responses=documented(503))
    def calibration() -> Document:
        """What the line really does beside its datasheet, with 90 % intervals."""
        return service.calibration()

    return routes
