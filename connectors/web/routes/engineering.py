"""Process engineers: the calibrated twin, what-if and its jobs."""

from __future__ import annotations

from fastapi import APIRouter, Response

from connectors.web.models.engineering import Calibration, Job, Jobs, WhatIf
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

    @routes.post(
        "/whatif",
        response_model=Job,
        status_code=202,
        responses=documented(403, 422, 503),
    )
    def whatif(question: WhatIf, response: Response) -> Document:
        """Compare the line with these changes against the line as it is, on the same random numbers."""
        job = service.submit_whatif(
            question.changes, question.horizon_h, question.replications, question.seed
        )
        response.headers["Location"] = f"/api/v1/jobs/{job['job_id']}"
        return job

    @routes.get("/jobs", response_model=Jobs, responses=documented(503))
    def jobs() -> Document:
        """Long work, newest first."""
        return service.jobs()

    @routes.get("/jobs/{job_id}", response_model=Job, responses=documented(404, 503))
    def job(job_id: str) -> Document:
        """One job: its progress and, once done, its result."""
        return service.job(job_id)

    @routes.delete("/jobs/{job_id}", response_model=Job, responses=documented(403, 404, 409))
    def cancel(job_id: str) -> Document:
        """Cancel a job that has not ended."""
        return service.cancel(job_id)

    return routes
