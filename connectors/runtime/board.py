"""What the chain knows now: each link's newest result, and how each step is doing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from twin.errors import NotReadyError

if TYPE_CHECKING:
    from connectors.jobs import Plan
    from maintenance.alerts import Alert
    from maintenance.forecast import Model
    from twin.calibration import CalibratedPlant
    from twin.engine import LiveState
    from twin.plant import FailureForecast

__all__ = ["STEPS", "Board", "Step"]

STEPS = ("history", "calibration", "forecast", "schedule", "demand")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How one step of the chain is doing."""

    state: Literal["waiting", "running", "done", "failed"] = "waiting"
    at: datetime | None = None
    """Plant time of its last change."""
    took_s: float | None = None
    detail: str = ""


@dataclass(slots=True)
class Board:
    """Newest results. Each is immutable and replaced whole, so any thread may read."""

    calibrated: CalibratedPlant | None = None
    model: Model | None = None
    state: LiveState | None = None
    forecasts: tuple[FailureForecast, ...] | None = None
    forecasts_at: datetime | None = None
    alerts: Mapping[str, Alert] = field(default_factory=dict)
    deciding: threading.Lock = field(default_factory=threading.Lock)
    """Held from reading what was decided to writing the next decision into the ledger."""
    plan: Plan | None = None
    steps: dict[str, Step] = field(default_factory=lambda: {name: Step() for name in STEPS})
    told: Callable[[], None] = lambda: None
    """Called when a step changed."""

    def step(self, name: str, step: Step) -> None:
        """Replace the state of one step."""
        self.steps = {**self.steps, name: step}
        self.told()

    def need(self, what: str) -> Any:
        """A result, or NotReadyError while it has not been computed once."""
        found = getattr(self, what)
        if found is None:
            raise NotReadyError(f"the {what} is being computed for the first time; ask again soon")
        return found
