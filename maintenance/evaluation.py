"""How good past forecasts were: Brier score, calibration, and the warning that they gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from twin.errors import DataError
from twin.plant import FailureForecast

__all__ = [
    "Failure",
    "HorizonScore",
    "WarningScore",
    "WarningSpell",
    "horizon_score",
    "warning_score",
]

Floats = NDArray[np.float64]
ModeKey = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A failure that really happened."""

    work_unit: str
    failure_mode: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HorizonScore:
    """Forecasts at one horizon against what happened."""

    horizon_h: float
    n: int
    """Forecasts whose horizon was followed to its end."""
    base_rate: float
    """Share of them that a failure followed."""
    brier: float
    """Mean squared error of the probability; 0 is best."""
    brier_base_rate: float
    """What always saying the base rate would score."""
    calibration_error: float
    """Mean distance of said and seen probability, over ten bins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningSpell:
    """A time in which an alert of a failure mode was open."""

    work_unit: str
    failure_mode: str
    raised_at: datetime
    cleared_at: datetime | None
    """None: still open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningScore:
    """Alerts against failures."""

    lead_h: tuple[float | None, ...]
    """Calendar time from alert to failure, by failure in their order. [h] None: no warning."""
    false_alerts: int
    """Alerts that were cleared without a failure."""
    pending: int
    """Open alerts whose failure has not come."""

    def warned_share(self, at_least_h: float) -> float:
        """Share of the failures with at least this much warning; nan without failures."""
        leads = [lead is not None and lead >= at_least_h for lead in self.lead_h]
        return float(np.mean(leads)) if leads else float("nan")


def horizon_score(
    forecasts: Sequence[FailureForecast],
    failures: Sequence[Failure],
    *,
    horizon_h: float,
    until: datetime,
) -> HorizonScore:
    """Score P(T <= horizon_h) of forecasts that lie far enough back to be judged.

    Args:
        forecasts: Past forecasts of any modes.
        failures: Every failure of those modes up to ``until``.
        horizon_h: Calendar horizon. [h]
        until: How far the plant was followed.

    Raises:
        DataError: No forecast was followed to the end of its horizon.

    Source:
        Brier, Verification of forecasts expressed in terms of probability, 1950.
    """
    span = timedelta(hours=horizon_h)
    judged = [f for f in forecasts if f.made_at + span <= until]
    if not judged:
        raise DataError(
            f"no forecast was followed for {horizon_h:g} h; wait, or shorten the horizon"
        )
    times = _by_mode(failures)
    said = np.array([f.probability_within(horizon_h) for f in judged])
    seen = np.array(
        [
            any(
                f.made_at < t <= f.made_at + span
                for t in times.get((f.work_unit, f.failure_mode), ())
            )
            for f in judged
        ],
        np.float64,
    )
    base = float(seen.mean())
    return HorizonScore(
        horizon_h=horizon_h,
        n=len(judged),
        base_rate=base,
        brier=float(np.mean((said - seen) ** 2)),
        brier_base_rate=base * (1.0 - base),
        calibration_error=_calibration_error(said, seen),
    )


def warning_score(warnings: Sequence[WarningSpell], failures: Sequence[Failure]) -> WarningScore:
    """What alerts were worth: the warning before each failure, and the alerts for nothing.

    A failure was warned of when an alert of its mode was open as it came.

    Example:
        >>> from datetime import UTC
        >>> noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
        >>> spell = WarningSpell(work_unit="reflow", failure_mode="fan", raised_at=noon, cleared_at=None)
        >>> failure = Failure(work_unit="reflow", failure_mode="fan", at=noon + timedelta(hours=9))
        >>> warning_score([spell], [failure]).lead_h
        (9.0,)
    """
    used: set[int] = set()
    leads: list[float | None] = []
    for failure in failures:
        lead: float | None = None
        for i, w in enumerate(warnings):
            same = (w.work_unit, w.failure_mode) == (failure.work_unit, failure.failure_mode)
            held = w.cleared_at is None or failure.at <= w.cleared_at
            if same and held and w.raised_at <= failure.at:
                used.add(i)
                lead = (failure.at - w.raised_at).total_seconds() / 3600.0
        leads.append(lead)
    idle = [w for i, w in enumerate(warnings) if i not in used]
    false_alerts = sum(w.cleared_at is not None for w in idle)
    return WarningScore(
        lead_h=tuple(leads), false_alerts=false_alerts, pending=len(idle) - false_alerts
    )


def _by_mode(failures: Sequence[Failure]) -> dict[ModeKey, list[datetime]]:
    times: dict[ModeKey, list[datetime]] = {}
    for failure in failures:
        times.setdefault((failure.work_unit, failure.failure_mode), []).append(failure.at)
    return times


def _calibration_error(said: Floats, seen: Floats) -> float:
    bins = np.minimum((said * 10).astype(np.int64), 9)
    error = 0.0
    for b in np.unique(bins):
        inside = bins == b
        error += float(inside.mean()) * abs(float(said[inside].mean() - seen[inside].mean()))
    return error
