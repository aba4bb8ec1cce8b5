"""How good past forecasts were: Brier score, calibration, and the warning that they gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from maintenance.features.table import FeatureTable
from maintenance.models.hazard import MIN_FAILURES
from twin.errors import DataError
from twin.plant import FailureForecast, Plant

__all__ = [
    "CrossValidation",
    "Failure",
    "HorizonScore",
    "WarningScore",
    "WarningSpell",
    "cross_validate",
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
class CrossValidation:
    """How well a model foresees the lives of its own history that it did not learn from."""

    horizon_h: float
    """On the clock of each failure mode. [h]"""
    folds: int
    lives: int
    """Lives that were judged: rows of one life resemble each other, so these are what counts."""
    n: int
    """Moments of them, an hour apart."""
    base_rate: float
    """Share of the moments that a failure followed within the horizon."""
    brier: float
    """Mean squared error of the probability; 0 is best."""
    brier_base_rate: float
    """What always saying the base rate would score."""

    def __str__(self) -> str:
        return (
            f"Brier {self.brier:.3f} against base rate {self.brier_base_rate:.3f} "
            f"at {self.horizon_h:g} h by grouped cross-validation over {self.lives} lives"
        )


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


def cross_validate(
    plant: Plant, table: FeatureTable, *, horizon_h: float = 24.0, folds: int = 5
) -> CrossValidation:
    """Score the wear model on the history that it learns from, whole lives held out in turn.

    Everything that is learned, also the scale from fresh to worn, is learned anew without the lives
    of a fold. A moment is judged when the part, or its successors, were followed to the end of the
    horizon: leaving out only what had not failed yet would make failures seem more frequent.

    Args:
        plant: Its laws speak where the model is silent, and enter the model. As its file says it,
            since calibrated laws have seen the lives that are held out.
        table: The rows that a model learns from.
        horizon_h: On the clock of each failure mode. [h]
        folds: Into how many parts the lives are cut; at most one for each life.

    Raises:
        DataError: Too few lives, or none or all of their moments were followed by a failure.

    Source:
        scikit-learn, GroupKFold and brier_score_loss; Brier, 1950.
    """
    failures = len(np.unique(table.life[table.failed]))
    if failures < MIN_FAILURES:
        raise DataError(f"{failures} lives ended in a failure, {MIN_FAILURES} are needed")
    within = table.failed & (table.follow_up_h <= horizon_h)
    told = (table.failed | (table.follow_up_h >= horizon_h)) & (_followed_h(table) >= horizon_h)
    if not within[told].any() or within[told].all():
        raise DataError(f"failures within {horizon_h:g} h and lives without one are needed")
    from sklearn.metrics import brier_score_loss
    from sklearn.model_selection import GroupKFold, cross_val_predict

    from maintenance.models.estimator import WearClassifier

    folds = min(folds, len(np.unique(table.life)))
    said = cross_val_predict(
        WearClassifier(plant, table, horizon_h),
        np.arange(len(table))[:, None],
        within,
        groups=table.life,
        cv=GroupKFold(folds),
        method="predict_proba",
    )[told, 1]
    seen = within[told]
    base = float(seen.mean())
    return CrossValidation(
        horizon_h=horizon_h,
        folds=folds,
        lives=len(np.unique(table.life[told])),
        n=len(seen),
        base_rate=base,
        brier=float(brier_score_loss(seen, said)),
        brier_base_rate=float(brier_score_loss(seen, np.full(len(seen), base))),
    )


def _followed_h(table: FeatureTable) -> Floats:
    """How long after each row its mode was followed, through the part's successors. [h]"""
    followed = table.follow_up_h.copy()
    _, first, life = np.unique(table.life, return_index=True, return_inverse=True)
    whole_h = table.age_h[first] + table.follow_up_h[first]
    for i, begin in enumerate(first):
        same = (table.work_unit[first] == table.work_unit[begin]) & (
            table.failure_mode[first] == table.failure_mode[begin]
        )
        later = same & (table.at_us[first] > table.at_us[begin])
        followed[life == i] += whole_h[later].sum()
    return followed


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
