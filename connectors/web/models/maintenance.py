"""What maintenance teams ask: forecasts and alerts."""

from __future__ import annotations

from pydantic import Field

from connectors.web.models.base import Instant, Strict, Value

__all__ = ["Alert", "Alerts", "Forecast", "Forecasts", "RemainingLife", "Window"]


class Forecast(Strict):
    work_unit: str
    failure_mode: str
    made_at: Instant
    horizon_h: list[float]
    probability: list[float] = Field(description="P(failure within the horizon beside it)")
    model: str
    evidence: dict[str, Value] = Field(description="What the forecast rests on")


class Forecasts(Strict):
    as_of: Instant
    forecasts: list[Forecast]


class RemainingLife(Strict):
    p10: float | None
    p50: float | None
    p90: float | None


class Window(Strict):
    start_at: Instant
    duration_s: float


class Alert(Strict):
    alert_id: str
    work_unit: str
    failure_mode: str
    name: str
    state: str = Field(description="raised, acknowledged or cleared")
    raised_at: Instant
    acknowledged_at: Instant | None
    acknowledged_by: str | None
    cleared_at: Instant | None
    clear_reason: str | None
    probability: float
    horizon_h: float
    remaining_life_h: RemainingLife
    evidence: dict[str, float] = Field(description="Share of each signal in the forecast")
    model: str
    proposed_window: Window | None


class Alerts(Strict):
    alerts: list[Alert]
