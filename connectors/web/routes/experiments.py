"""Process engineers: experiments on the twin, and the jobs that they are."""

from __future__ import annotations

from typing import Any, TypeVar

from fastapi import APIRouter, Response

from connectors.runtime.sweeps import sweep_csv
from connectors.web.models.experiments import (
    Bottleneck,
    BottleneckJob,
    Job,
    Jobs,
    Selection,
    SelectionJob,
    Simulation,
    SimulationJob,
    Sweep,
    SweepJob,
    WhatIf,
    WhatIfJob,
)
from connectors.web.problems import documented
from connectors.web.routes.tables import csv_answer, csv_table
from connectors.web.service import Document, Service
from twin.errors import ConflictError

__all__ = ["router"]

_Asked = TypeVar("_Asked", Bottleneck, Selection, Simulation, Sweep, WhatIf)


def router(service: Service) -> APIRouter:
    """Routes of experiments and of jobs."""
    routes = APIRouter(tags=["process engineers"])
    _asking(routes, service)

    @routes.get("/jobs", response_model=Jobs, responses=documented(503))
    def jobs() -> Document:
        """Long work, newest first."""
        return service.jobs()

    @routes.get("/jobs/{job_id}", response_model=Job, responses=documented(404, 503))
    def job(job_id: str) -> Document:
        """One job: its progress and, once done, its result."""
        return service.job(job_id)

    @routes.get("/sweeps/{job_id}.csv", **csv_answer(404, 409, 503))
    def sweep_table(job_id: str) -> Response:
        """The answer to a sweep for a spreadsheet: one row for each point."""
        return csv_table(job_id, sweep_csv(_swept(service.job(job_id))))

    @routes.delete("/jobs/{job_id}", response_model=Job, responses=documented(403, 404, 409))
    def cancel(job_id: str) -> Document:
        """Cancel a job that has not ended."""
        return service.cancel(job_id)

    return routes


def _swept(job: Document) -> Document:
    """What a sweep has found.

    Raises:
        ConflictError: The job is no sweep, or is not done.
    """
    if job["kind"] != "sweep" or job["result"] is None:
        raise ConflictError(
            f"job {job['job_id']} has no table: it is a {job['kind']}, {job['state']}"
        )
    found: Document = job["result"]
    return found


def _asking(routes: APIRouter, service: Service) -> None:
    """The questions: each is answered 202 with a job."""
    how: dict[str, Any] = {"status_code": 202, "responses": documented(403, 422, 503)}

    def submit(asked: _Asked, response: Response) -> Document:
        job = service.submit(asked.question())
        response.headers["Location"] = f"/api/v1/jobs/{job['job_id']}"
        return job

    @routes.post("/whatif", response_model=WhatIfJob, **how)
    def whatif(question: WhatIf, response: Response) -> Document:
        """Compare the line with these changes against the line as it is, on the same random numbers."""
        return submit(question, response)

    @routes.post("/simulations", response_model=SimulationJob, **how)
    def simulation(question: Simulation, response: Response) -> Document:
        """Run the line into what lies ahead of it: every figure with its interval."""
        return submit(question, response)

    @routes.post("/sweeps", response_model=SweepJob, **how)
    def sweep(question: Sweep, response: Response) -> Document:
        """Run every combination of values, each paired with the line as it is."""
        return submit(question, response)

    @routes.post("/selections", response_model=SelectionJob, **how)
    def selection(question: Selection, response: Response) -> Document:
        """Find the best of several scenarios with a probability that is guaranteed."""
        return submit(question, response)

    @routes.post("/bottlenecks", response_model=BottleneckJob, **how)
    def bottleneck(question: Bottleneck, response: Response) -> Document:
        """What the end of the run waited for, station by station, and what would help most."""
        return submit(question, response)
