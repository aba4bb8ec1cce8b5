"""What process engineers look at: the calibrated twin."""

from __future__ import annotations

from pydantic import Field

from connectors.web.models.base import Instant, Strict

__all__ = ["Calibration", "Estimate"]


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
