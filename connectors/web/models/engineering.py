"""What process engineers ask: calibration, what-if and its jobs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from connectors.web.models.base import Instant, Strict

__all__ = ["Calibration", "Estimate", "Job", "Jobs", "WhatIf", "WhatIfKpi", "WhatIfResult"]


class Estimate(Strict):
    name: str
    value: float
    low: float | None
    high: float | None
    unit: str
    nominal: float | None
    n: int


class Calibration(Strict):
    as_of: Instant
    window_start: Instant
    version: str
    estimates: list[Estimate] = Field(description="Intervals hold 90 %")
    notes: list[str]


Change = Annotated[str, Field(min_length=3, max_length=200)]


class WhatIf(Strict):
    """What to compare with the line as it is now."""

    changes: list[Change] = Field(
        min_length=1, max_length=20, examples=[["station.reflow.peak_temperature=+3"]]
    )
    horizon_h: float = Field(default=8, gt=0, le=336)
    replications: int = Field(default=16, ge=2, le=256)
    seed: int = Field(default=0, ge=0, lt=2**63)


class WhatIfKpi(Strict):
    name: str
    unit: str
    better: Literal["higher", "lower", "neither"]
    baseline: float | None
    scenario: float | None
    delta: float | None
    delta_low: float | None
    delta_high: float | None
    verdict: str = Field(description="better, worse, changed or no clear change")
    variance_reduction: float | None


class WhatIfResult(Strict):
    name: str = Field(description="Of the scenario; without one, its changes")
    changes: list[str]
    engine: str
    seed: int
    replications: int
    horizon_h: float
    level: float = Field(description="Coverage of the intervals of the differences")
    kpis: list[WhatIfKpi]


JobState = Literal["queued", "running", "done", "failed", "cancelled"]


class Job(Strict):
    job_id: str
    kind: str
    state: JobState
    progress: float = Field(ge=0, le=1)
    submitted_at: Instant
    finished_at: Instant | None
    result: WhatIfResult | None
    error: str | None


class Jobs(Strict):
    jobs: list[Job]
