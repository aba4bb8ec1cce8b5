"""A small day on the practice line and a whole product around it, without sources or a chain."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connectors.jobs import Plan, plan_step
from connectors.runtime.board import Board
from connectors.runtime.desk import Desk
from connectors.runtime.events import EventHub
from connectors.runtime.jobs import Jobs
from connectors.runtime.line import LineView
from connectors.store.ledger import Ledger
from maintenance.alerts import Alert, AlertEvent, AlertState, EventKind, RemainingLife
from tests.engine_lab import practice
from twin.plant import FailureForecast, JobOrder, Plant
from twin.telemetry import MemoryHistorian

NOW = datetime(2026, 3, 16, 5, 30, tzinfo=UTC)
"""Monday 06:30 in Berlin, half an hour into the shift."""


def small_practice(replications: int = 4) -> Plant:
    """The practice plant with three small orders, an empty store and a short look ahead."""
    plant = practice()
    orders = {
        name: JobOrder(
            order_id=name,
            product=product,
            quantity=n,
            release_at=NOW,
            due_at=NOW + timedelta(hours=8),
        )
        for name, product, n in (
            ("A", "FG-PSU60", 40),
            ("B", "FG-DRV24", 30),
            ("C", "FG-PSU60", 20),
        )
    }
    planning = plant.planning.model_copy(update={"replications": replications, "horizon_d": 1.0})
    stock = {item: row.model_copy(update={"on_hand": 10.0}) for item, row in plant.stock.items()}
    return plant.model_copy(
        update={"orders": orders, "planning": planning, "stock": stock, "purchase_orders": {}}
    )


def bearing_forecast(made_at: datetime = NOW) -> FailureForecast:
    """A head bearing that will fail today."""
    return FailureForecast(
        work_unit="pick_place_2",
        failure_mode="bearing",
        made_at=made_at,
        horizon_h=(4.0, 8.0, 24.0),
        probability=(0.1, 0.6, 0.9),
        model="wear-loglogistic/test",
        evidence={"vibration": 0.8, "operating_age": 0.2},
    )


def bearing_alert() -> Alert:
    """The alert of that forecast."""
    return Alert(
        alert_id="pick_place_2:bearing:2026-03-16T05:30:00Z",
        work_unit="pick_place_2",
        failure_mode="bearing",
        name="Head bearing worn",
        state=AlertState.RAISED,
        raised_at=NOW,
        probability=0.9,
        horizon_h=24.0,
        remaining_life_h=RemainingLife.of(bearing_forecast()),
        evidence={"vibration": 0.8, "operating_age": 0.2},
        model="wear-loglogistic/test",
    )


def raise_alert(ledger: Ledger, alert: Alert) -> None:
    """Write the alert into the ledger as the chain does."""
    event = AlertEvent(
        kind=EventKind.RAISE, alert=alert, at=alert.raised_at, who="linetwin", why=""
    )
    ledger.append(
        at=event.at, kind="alert", subject=alert.alert_id, who=event.who, body=event.as_dict()
    )


def small_plan(plant: Plant) -> Plan:
    """The plan of that day."""
    return plan_step(plant, None, (bearing_forecast(),), NOW, 7, time_limit_s=30.0)


@dataclass(slots=True)
class Office:
    """A desk with a real board, hub, ledger and historian, at a time that stands still."""

    plant: Plant
    ledger: Ledger
    board: Board = field(default_factory=Board)
    hub: EventHub = field(default_factory=EventHub)
    historian: MemoryHistorian = field(default_factory=MemoryHistorian)
    executor: Executor = field(default_factory=lambda: ThreadPoolExecutor(1))
    line: LineView = field(init=False)
    jobs: Jobs = field(init=False)
    desk: Desk = field(init=False)

    def __post_init__(self) -> None:
        now: Callable[[], datetime] = lambda: NOW  # noqa: E731
        self.line = LineView(self.plant)
        self.jobs = Jobs(self.hub, executor=lambda: self.executor, now=now)
        self.desk = Desk(
            self.plant,
            board=self.board,
            line=self.line,
            hub=self.hub,
            jobs=self.jobs,
            now=now,
            sources=list,
            telemetry=dict,
            historian=lambda: self.historian,
            ledger=lambda: self.ledger,
            speed=60.0,
            version="0.0.0",
        )

    def close(self) -> None:
        self.jobs.close()
        self.executor.shutdown(cancel_futures=True)
        self.ledger.close()


def office(folder: Path, plant: Plant) -> Office:
    """An office with its ledger in a folder."""
    return Office(plant=plant, ledger=Ledger(folder / "ledger.sqlite"))
