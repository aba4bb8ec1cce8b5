"""What the asking commands need: the plant, as its file says it or as it was last calibrated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from connectors.jobs import Outlook
from twin.engine import LiveState
from twin.errors import NotFoundError
from twin.plant import Plant, load_plant

if TYPE_CHECKING:
    from connectors.store.ledger import Ledger
    from maintenance.alerts import Alert, AlertEvent

__all__ = ["Base", "act_on_alert", "alerts_of", "base_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The line that a question is asked about."""

    plant: Plant
    outlook: Outlook
    alerted: tuple[tuple[str, str], ...] = ()
    """(unit, failure mode) of the alerts that were open."""
    decisions: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    """Decided proposals by id."""
    version: str | None = None
    """Of the calibration; None: the plant file's own numbers."""


def base_of(file: Path, data: Path | None, start: datetime | None) -> Base:
    """The plant of a file; with a data directory, as it was last calibrated and planned there.

    Raises:
        FileFaults: The plant file has faults.
        NotFoundError: The data directory has no calibration.
        StoreError: Its ledger cannot be read.
    """
    plant = load_plant(file)
    if data is None:
        return Base(plant=plant, outlook=Outlook.unplanned(plant, start or _first(plant)))
    from connectors.runtime.records import (
        last_calibration,
        last_plan,
        planning_plant,
        proposal_decisions,
    )

    ledger = _ledger_of(data)
    try:
        calibrated, planned = last_calibration(ledger, plant), last_plan(ledger)
        decisions = proposal_decisions(ledger)
    finally:
        ledger.close()
    if calibrated is None:
        raise NotFoundError(
            f"{data} has no calibration yet; leave out --data, or run linetwin serve"
        )
    if planned is None:
        return Base(
            plant=calibrated.plant,
            outlook=Outlook.unplanned(calibrated.plant, start or calibrated.as_of),
            version=calibrated.version,
        )
    outlook, alerted = planned
    if start is not None and start != outlook.start:
        started = outlook.state.started if outlook.state else {}
        state = LiveState(at=start, started=started)
        outlook, alerted = Outlook.unplanned(calibrated.plant, start, state), ()
    state = outlook.state or LiveState(at=outlook.start)
    return Base(
        plant=planning_plant(calibrated.plant, decisions, state),
        outlook=outlook,
        alerted=alerted,
        decisions=decisions,
        version=calibrated.version,
    )


def alerts_of(data: Path, state: str | None) -> dict[str, Any]:
    """The alerts in the ledger of a data directory."""
    from connectors.runtime.documents import alerts_document

    ledger = _ledger_of(data)
    try:
        return alerts_document(_alerts(ledger), state=state)
    finally:
        ledger.close()


def act_on_alert(
    data: Path, alert_id: str, act: Literal["acknowledge", "clear"], who: str, why: str
) -> dict[str, Any]:
    """Acknowledge or clear an alert in the ledger; a running product sees it at its next forecast.

    The act is dated by the ledger's newest entry: the plant's time need not be the computer's.

    Raises:
        NotFoundError: No such alert.
        ConflictError: It is not in a state that allows this.
    """
    from connectors.runtime.documents import alerts_document
    from maintenance.alerts import acknowledge, clear, find

    ledger = _ledger_of(data)
    try:
        alert = find(_alerts(ledger), alert_id)
        newest = ledger.newest()
        at = newest.at if newest else alert.raised_at
        event: AlertEvent = (
            acknowledge(alert, who, at, why) if act == "acknowledge" else clear(alert, who, why, at)
        )
        ledger.append(at=at, kind="alert", subject=alert_id, who=who, why=why, body=event.as_dict())
        document: dict[str, Any] = alerts_document([event.alert])["alerts"][0]
        return document
    finally:
        ledger.close()


def _alerts(ledger: Ledger) -> tuple[Alert, ...]:
    from maintenance.alerts import AlertEvent, replay

    return replay(AlertEvent.from_dict(row.body) for row in ledger.entries(kind="alert"))


def _ledger_of(data: Path) -> Ledger:
    from connectors.store.ledger import Ledger

    file = data / "ledger.sqlite"
    if not file.exists():
        raise NotFoundError(f"there is no ledger in {data}; name a data directory with --data")
    return Ledger(file)


def _first(plant: Plant) -> datetime:
    """When the first order is released; now, where there are no orders."""
    return min((o.release_at for o in plant.orders.values()), default=datetime.now(UTC))
