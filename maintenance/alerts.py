"""Alerts after ISA-18.2: raised by forecasts that agree, acknowledged by people, cleared by repair.

Pure: what is known goes in, events come out. Whoever calls records the events; `replay` rebuilds
the alerts from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from maintenance.models.exposure import steady_horizon_h
from twin.errors import ConflictError, DataError, NotFoundError
from twin.plant import FailureForecast, MaintenancePolicy, Plant

__all__ = [
    "SYSTEM",
    "Alert",
    "AlertEvent",
    "AlertState",
    "ClearReason",
    "EventKind",
    "RemainingLife",
    "acknowledge",
    "clear",
    "evaluate",
    "find",
    "refreshed",
    "replay",
]

ModeKey = tuple[str, str]

SYSTEM = "linetwin"
"""Who raises alerts, and clears them when nobody did."""


class AlertState(StrEnum):
    """Where an alert stands; acknowledged says that a person has seen it, not that it is over."""

    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"
    CLEARED = "cleared"


class ClearReason(StrEnum):
    """Why an alert ended."""

    REPAIRED = "repaired"
    RECEDED = "receded"
    MANUAL = "manual"


class EventKind(StrEnum):
    """What happened to an alert."""

    RAISE = "raise"
    ACKNOWLEDGE = "acknowledge"
    CLEAR = "clear"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemainingLife:
    """Quantiles of the time to failure, from the forecast. [h] None lies beyond its curve."""

    p10: float | None
    p50: float | None
    p90: float | None

    @classmethod
    def of(cls, forecast: FailureForecast) -> Self:
        """The quantiles of this curve, in calendar time from when it was made."""
        return cls(
            p10=forecast.quantile_h(0.1), p50=forecast.quantile_h(0.5), p90=forecast.quantile_h(0.9)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One failure that is coming, from when we said so until it is over."""

    alert_id: str
    """``unit:mode:raised_at``: the same facts give the same name."""
    work_unit: str
    failure_mode: str
    name: str
    """The failure mode in the words of the plant file."""
    state: AlertState
    raised_at: datetime
    probability: float
    """P(T <= horizon_h) when raised."""
    horizon_h: float
    """Calendar time that the probability speaks about. [h]"""
    remaining_life_h: RemainingLife
    evidence: Mapping[str, float] = field(default_factory=dict)
    """Share of the log-odds by signal."""
    model: str = ""
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    cleared_at: datetime | None = None
    clear_reason: ClearReason | None = None

    @property
    def key(self) -> ModeKey:
        """(work unit, failure mode): at most one alert of a key is open."""
        return self.work_unit, self.failure_mode

    @property
    def open(self) -> bool:
        """Raised or acknowledged, not cleared."""
        return self.state is not AlertState.CLEARED

    def as_dict(self) -> dict[str, Any]:
        """Plain values that JSON can say; `from_dict` reads them back."""
        return {
            "alert_id": self.alert_id,
            "work_unit": self.work_unit,
            "failure_mode": self.failure_mode,
            "name": self.name,
            "state": str(self.state),
            "raised_at": _text(self.raised_at),
            "acknowledged_at": _text(self.acknowledged_at),
            "acknowledged_by": self.acknowledged_by,
            "cleared_at": _text(self.cleared_at),
            "clear_reason": None if self.clear_reason is None else str(self.clear_reason),
            "probability": self.probability,
            "horizon_h": self.horizon_h,
            "remaining_life_h": {
                "p10": self.remaining_life_h.p10,
                "p50": self.remaining_life_h.p50,
                "p90": self.remaining_life_h.p90,
            },
            "evidence": dict(self.evidence),
            "model": self.model,
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """The alert of `as_dict`.

        Raises:
            DataError: A field is missing or unreadable.
        """
        try:
            reason = document["clear_reason"]
            return cls(
                alert_id=document["alert_id"],
                work_unit=document["work_unit"],
                failure_mode=document["failure_mode"],
                name=document["name"],
                state=AlertState(document["state"]),
                raised_at=datetime.fromisoformat(document["raised_at"]),
                acknowledged_at=_instant(document["acknowledged_at"]),
                acknowledged_by=document["acknowledged_by"],
                cleared_at=_instant(document["cleared_at"]),
                clear_reason=None if reason is None else ClearReason(reason),
                probability=document["probability"],
                horizon_h=document["horizon_h"],
                remaining_life_h=RemainingLife(**document["remaining_life_h"]),
                evidence=dict(document["evidence"]),
                model=document["model"],
            )
        except (KeyError, TypeError, ValueError) as e:
            raise DataError(f"not an alert: {e}") from e


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertEvent:
    """One change of one alert, as it stands in the ledger; ``alert`` is the alert after it."""

    kind: EventKind
    alert: Alert
    at: datetime
    who: str
    why: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values that JSON can say; `from_dict` reads them back."""
        return {
            "kind": str(self.kind),
            "alert": self.alert.as_dict(),
            "at": _text(self.at),
            "who": self.who,
            "why": self.why,
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """The event of `as_dict`.

        Raises:
            DataError: A field is missing or unreadable.
        """
        try:
            return cls(
                kind=EventKind(document["kind"]),
                alert=Alert.from_dict(document["alert"]),
                at=datetime.fromisoformat(document["at"]),
                who=document["who"],
                why=document["why"],
            )
        except (KeyError, TypeError, ValueError) as e:
            raise DataError(f"not an alert event: {e}") from e


def evaluate(
    alerts: Iterable[Alert],
    forecasts: Iterable[FailureForecast],
    policy: MaintenancePolicy,
    *,
    now: datetime,
    plant: Plant,
    repaired: Mapping[ModeKey, datetime] | None = None,
    down: Mapping[ModeKey, datetime] | None = None,
) -> tuple[AlertEvent, ...]:
    """What the newest forecasts change: alerts to raise and to clear.

    Only modes that wear raise alerts: where no signal announces a failure there is nothing to act
    on. ``policy.confirm`` forecasts in a row, all made after the last clear or repair, must reach
    ``raise_probability``. An open alert clears when the part was made fresh, or when as many
    forecasts lie below ``clear_probability``, both within the alert horizon and within the time
    that holds as much working time as that horizon does on average: a weekend is no recovery.

    Args:
        alerts: All alerts, cleared ones too.
        forecasts: The last ``policy.confirm`` forecasts of each mode, or more; any order.
        policy: Probabilities, horizon and number of forecasts that must agree.
        now: The present; later forecasts are not read.
        plant: Names the modes and the calendars.
        repaired: When each mode was last made fresh.
        down: Modes that a unit is down with now, and since when.

    Returns:
        Events in the order of the plant file; none when nothing changes.
    """
    book = sorted(alerts, key=lambda alert: alert.raised_at)
    made = sorted((f for f in forecasts if f.made_at <= now), key=lambda f: f.made_at)
    events = []
    for unit, work_unit in plant.work_units.items():
        for mode, definition in work_unit.failure_modes.items():
            key = (unit, mode)
            fresh_at = (repaired or {}).get(key)
            own = [f for f in made if (f.work_unit, f.failure_mode) == key]
            known = [a for a in book if a.key == key]
            last = known[-1] if known else None
            if last is not None and last.open:
                event = _cleared(last, own, policy, now, plant, fresh_at, key in (down or {}))
            elif definition.wear and key not in (down or {}):
                event = _raised(last, own, policy, now, definition.name or mode, fresh_at)
            else:
                event = None
            if event is not None:
                events.append(event)
    return tuple(events)


def acknowledge(alert: Alert, who: str, at: datetime, why: str = "") -> AlertEvent:
    """A person has seen the alert and takes it on.

    Raises:
        ConflictError: It is acknowledged or cleared already.
    """
    if alert.state is not AlertState.RAISED:
        raise ConflictError(f"alert {alert.alert_id} is {alert.state} already")
    seen = replace(alert, state=AlertState.ACKNOWLEDGED, acknowledged_at=at, acknowledged_by=who)
    return AlertEvent(kind=EventKind.ACKNOWLEDGE, alert=seen, at=at, who=who, why=why)


def clear(
    alert: Alert, who: str, why: str, at: datetime, *, reason: ClearReason = ClearReason.MANUAL
) -> AlertEvent:
    """The alert is over. After a manual clear the mode stays quiet for the alert's horizon.

    Raises:
        ConflictError: It is cleared already.
    """
    if not alert.open:
        raise ConflictError(f"alert {alert.alert_id} is cleared already")
    over = replace(alert, state=AlertState.CLEARED, cleared_at=at, clear_reason=reason)
    return AlertEvent(kind=EventKind.CLEAR, alert=over, at=at, who=who, why=why)


def replay(events: Iterable[AlertEvent]) -> tuple[Alert, ...]:
    """The alerts after these events, oldest first; a later event of an alert replaces it."""
    book: dict[str, Alert] = {}
    for event in events:
        book[event.alert.alert_id] = event.alert
    return tuple(sorted(book.values(), key=lambda alert: (alert.raised_at, alert.alert_id)))


def find(alerts: Iterable[Alert], alert_id: str) -> Alert:
    """The alert of this name.

    Raises:
        NotFoundError: There is none.
    """
    for alert in alerts:
        if alert.alert_id == alert_id:
            return alert
    raise NotFoundError(f'no alert "{alert_id}"')


def refreshed(alert: Alert, forecast: FailureForecast) -> Alert:
    """An open alert with the numbers of a newer forecast, for display; a cleared one as it was."""
    if not alert.open or (forecast.work_unit, forecast.failure_mode) != alert.key:
        return alert
    return replace(
        alert,
        probability=forecast.probability_within(alert.horizon_h),
        remaining_life_h=RemainingLife.of(forecast),
        evidence=dict(forecast.evidence),
        model=forecast.model,
    )


def _raised(
    last: Alert | None,
    forecasts: Sequence[FailureForecast],
    policy: MaintenancePolicy,
    now: datetime,
    name: str,
    fresh_at: datetime | None,
) -> AlertEvent | None:
    since = last.cleared_at if last is not None else None
    if since is not None and last is not None and _held(last, since, now, fresh_at):
        return None
    counted = [f for f in forecasts if all(x is None or f.made_at > x for x in (since, fresh_at))]
    newest = counted[-policy.confirm :]
    horizon_h = policy.alert_horizon_h
    if len(newest) < policy.confirm or any(
        f.probability_within(horizon_h) < policy.raise_probability for f in newest
    ):
        return None
    f = newest[-1]
    probability = f.probability_within(horizon_h)
    alert = Alert(
        alert_id=f"{f.work_unit}:{f.failure_mode}:{_text(now)}",
        work_unit=f.work_unit,
        failure_mode=f.failure_mode,
        name=name,
        state=AlertState.RAISED,
        raised_at=now,
        probability=probability,
        horizon_h=horizon_h,
        remaining_life_h=RemainingLife.of(f),
        evidence=dict(f.evidence),
        model=f.model,
    )
    why = (
        f"probability of failure within {horizon_h:g} h is {probability:.2f}, "
        f"{policy.confirm} forecasts in a row at or above {policy.raise_probability:g}"
    )
    return AlertEvent(kind=EventKind.RAISE, alert=alert, at=now, who=SYSTEM, why=why)


def _held(last: Alert, since: datetime, now: datetime, fresh_at: datetime | None) -> bool:
    """True while a manual clear keeps the mode quiet."""
    if last.clear_reason is not ClearReason.MANUAL or (fresh_at is not None and fresh_at > since):
        return False
    return (now - since).total_seconds() < last.horizon_h * 3600.0


def _cleared(
    alert: Alert,
    forecasts: Sequence[FailureForecast],
    policy: MaintenancePolicy,
    now: datetime,
    plant: Plant,
    fresh_at: datetime | None,
    is_down: bool,
) -> AlertEvent | None:
    if fresh_at is not None and fresh_at > alert.raised_at:
        why = f"{alert.name}: repaired at {_text(fresh_at)}"
        return clear(alert, SYSTEM, why, now, reason=ClearReason.REPAIRED)
    newest = [f for f in forecasts if f.made_at > alert.raised_at][-policy.confirm :]
    if is_down or len(newest) < policy.confirm:
        return None
    for f in newest:
        steady_h = steady_horizon_h(plant, alert.work_unit, f.made_at, policy.alert_horizon_h)
        within_h = max(policy.alert_horizon_h, steady_h)
        if f.probability_within(within_h) >= policy.clear_probability:
            return None
    why = (
        f"probability of failure fell below {policy.clear_probability:g} "
        f"in {policy.confirm} forecasts in a row"
    )
    return clear(alert, SYSTEM, why, now, reason=ClearReason.RECEDED)


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
