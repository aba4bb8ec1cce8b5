"""The chain kept going: calibrate, learn, forecast, alert, schedule, plan, again and again in plant time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import connectors.runtime.documents as documents
from connectors import jobs
from connectors.runtime.board import Board, Step
from connectors.runtime.desk import Desk
from connectors.runtime.events import EventHub
from connectors.runtime.records import (
    alerts_by_id,
    planning_plant,
    proposal_decisions,
    record_calibration,
    record_model,
    record_plan,
)
from connectors.store.ledger import Ledger
from maintenance.alerts import evaluate
from maintenance.forecast import Assessment
from twin.calibration import live_state
from twin.engine import LiveState
from twin.errors import DataError, LinetwinError
from twin.plant import Plant, SignalId, SignalRole
from twin.telemetry import Historian, SampleBatch

__all__ = ["Chain", "Pace", "live_since", "wholly_started"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often, and on how much history, in plant time."""

    forecast_every: timedelta = timedelta(minutes=10)
    plan_every: timedelta = timedelta(hours=1)
    calibrate_every: timedelta = timedelta(hours=2)
    learn_every: timedelta = timedelta(hours=24)
    calibrate_window: timedelta = timedelta(days=14)
    learn_window: timedelta = timedelta(days=28)


_HOLD_UP = timedelta(hours=1)
_LIVE_WINDOW = timedelta(days=7)
_OVERLAP = timedelta(minutes=30)
"""Forecasts read from so long before where their model stands, for samples that came late."""


class Chain:
    """Runs the steps in worker processes, puts results on the board and decisions in the ledger.

    Fits and forecasts have a process of their own (``quick``), so that no plan holds up an alert.
    """

    def __init__(
        self,
        plant: Plant,
        *,
        board: Board,
        desk: Desk,
        hub: EventHub,
        historian: Historian,
        ledger: Ledger,
        quick: Executor,
        pool: Executor,
        now: Callable[[], datetime],
        pace: Pace,
        seed: int = 0,
    ) -> None:
        self._plant = plant
        self._board = board
        self._desk = desk
        self._hub = hub
        self._historian = historian
        self._ledger = ledger
        self._quick = quick
        self._pool = pool
        self._now = now
        self._pace = pace
        self._seed = seed
        self._recent: list[Any] = []
        self._learned = ""
        self._replan = asyncio.Event()

    async def run(self) -> None:
        """Keep every link fresh until cancelled. A step that fails says so and is tried again."""
        await asyncio.gather(
            self._watch(),
            self._keep("schedule", self._plan, self._pace.plan_every, wake=self._replan),
        )

    async def _watch(self) -> None:
        """Calibration, learning and forecasts, in this order, each when it is due."""
        due = dict.fromkeys(("calibration", "learning", "forecast"), self._now())
        if self._board.calibrated is not None:
            due["calibration"] = self._board.calibrated.as_of + self._pace.calibrate_every
        while True:
            if self._now() >= due["calibration"]:
                done = await self._attempt("calibration", self._calibrate)
                due["calibration"] = self._now() + (
                    self._pace.calibrate_every if done else _HOLD_UP
                )
            if self._now() >= due["learning"]:
                done = await self._attempt("forecast", self._learn, last=False)
                due["learning"] = self._now() + (self._pace.learn_every if done else _HOLD_UP)
            if self._now() >= due["forecast"] and self._board.model is not None:
                await self._attempt("forecast", self._forecast)
                due["forecast"] = self._now() + self._pace.forecast_every
            await asyncio.sleep(0.1)

    async def _keep(
        self, name: str, step: Callable[[], Any], every: timedelta, *, wake: asyncio.Event
    ) -> None:
        due = self._now()
        while True:
            ready = self._board.calibrated is not None and self._board.forecasts is not None
            if ready and (wake.is_set() or self._now() >= due):
                wake.clear()
                await self._attempt(name, step)
                due = self._now() + every
            await asyncio.sleep(0.1)

    async def _attempt(self, name: str, step: Callable[[], Any], *, last: bool = True) -> bool:
        """Run a step; True when it was done. Not the ``last`` of its name: it stays running."""
        before = self._board.steps[name]
        self._board.step(name, Step(state="running", at=before.at, took_s=before.took_s))
        begun = time.monotonic()
        try:
            detail = await step()
        except LinetwinError as e:
            logger.warning("%s: %s", name, e)
            self._finish(name, "failed", begun, str(e))
            return False
        except Exception as e:
            logger.exception("%s broke", name)
            self._finish(name, "failed", begun, f"{type(e).__name__}: {e}")
            return False
        if last:
            self._finish(name, "done", begun, detail)
        return True

    def _finish(self, name: str, state: Any, begun: float, detail: str) -> None:
        took_s = round(time.monotonic() - begun, 3)
        self._board.step(name, Step(state=state, at=self._now(), took_s=took_s, detail=detail))

    async def _calibrate(self) -> str:
        as_of = self._now()
        start = as_of - self._pace.calibrate_window
        batch = await self._read(_roles(self._plant, *_CALIBRATION), start, as_of)
        calibrated = await self._work(jobs.calibrate_step, self._plant, batch, as_of, start)
        why = f"fitted to {len(batch)} samples of {self._pace.calibrate_window.days} days"
        await asyncio.to_thread(record_calibration, self._ledger, calibrated, why=why)
        self._board.calibrated = calibrated
        fitted = sum(e.n > 0 for e in calibrated.estimates)
        return f"{fitted} of {len(calibrated.estimates)} numbers fitted to {len(batch)} samples"

    async def _learn(self) -> str:
        as_of = self._now()
        signals = _roles(self._plant, *_CONDITION)
        batch = await self._read(signals, as_of - self._pace.learn_window, as_of)
        plant = self._board.calibrated.plant if self._board.calibrated else self._plant
        learned = await self._work(jobs.train_step, plant, self._plant, batch, as_of)
        why = f"learned from {len(batch)} samples, {learned.model.lives} lives"
        await asyncio.to_thread(record_model, self._ledger, learned, why=why)
        self._board.model = learned.model
        self._learned = f"{why}; {learned}"
        return self._learned

    async def _forecast(self) -> str:
        as_of = self._now()
        signals = _roles(self._plant, *_CONDITION)
        begin = self._board.need("model").memory.until - _OVERLAP
        batch = await self._read(signals, begin, as_of)
        plant = self._board.calibrated.plant if self._board.calibrated else self._plant
        assessment, self._board.model = await self._work(
            jobs.forecast_step, plant, self._board.model, batch, as_of
        )
        forecasts = assessment.forecasts
        self._board.forecasts, self._board.forecasts_at = forecasts, as_of
        kept = self._plant.maintenance.confirm
        self._recent = [*self._recent[-(kept - 1) :], forecasts] if kept > 1 else [forecasts]
        raised = await asyncio.to_thread(self._alert, assessment)
        return f"{len(forecasts)} curves, {raised} alerts changed; {self._learned}"

    def _alert(self, assessment: Assessment) -> int:
        """Evaluate alerts against the ledger's, where other processes may have acted meanwhile."""
        with self._board.deciding:
            alerts = alerts_by_id(self._ledger)
            events = evaluate(
                alerts.values(),
                [f for forecasts in self._recent for f in forecasts],
                self._plant.maintenance,
                now=assessment.as_of,
                plant=self._plant,
                repaired=assessment.repaired,
                down=assessment.down,
            )
            for event in events:
                alerts[event.alert.alert_id] = event.alert
                self._ledger.append(
                    at=event.at,
                    kind="alert",
                    subject=event.alert.alert_id,
                    who=event.who,
                    why=event.why,
                    body=event.as_dict(),
                )
            changed = alerts != self._board.alerts
            self._board.alerts = alerts
        if changed:
            self._hub.publish("alerts", self._desk.alerts(None))
        if events:
            self._replan.set()
        return len(events)

    async def _plan(self) -> str:
        as_of = self._now()
        calibrated, forecasts = self._board.need("calibrated"), self._board.need("forecasts")
        self._board.state = state = await self._stands(calibrated.plant, as_of)
        alerted = tuple(a.key for a in self._board.alerts.values() if a.open)
        decisions = await asyncio.to_thread(proposal_decisions, self._ledger)
        plant = planning_plant(calibrated.plant, decisions, state)
        self._board.step("demand", Step(state="running", at=self._board.steps["demand"].at))
        begun = time.monotonic()
        try:
            plan = await asyncio.to_thread(
                jobs.plan_step,
                plant,
                state,
                forecasts,
                as_of,
                self._seed,
                alerted=alerted,
                executor=self._pool,
                pieces=4,
            )
            _refuse(plan)
            schedule = documents.schedule_document(plan.schedule, plan.violations, as_of=plan.start)
            proposals = documents.proposals_document(plan.proposals, decisions)
            await asyncio.to_thread(
                record_plan,
                self._ledger,
                schedule,
                proposals,
                at=as_of,
                calibration=calibrated.version,
                outlook=plan.outlook,
                alerted=alerted,
            )
        except Exception as e:
            self._finish("demand", "failed", begun, str(e))
            raise
        self._board.plan = plan
        self._hub.publish("proposals", self._desk.proposals())
        self._hub.publish("alerts", self._desk.alerts(None))
        items, proposed = len(plan.demand.items), len(plan.proposals)
        self._finish("demand", "done", begun, f"{items} items, {proposed} proposals")
        return f"{schedule['status']}, {len(schedule['entries'])} orders, gap {schedule['gap']:.1%}"

    async def _stands(self, plant: Plant, as_of: datetime) -> LiveState:
        """Where the line stands, and what was started of every order."""
        done = wholly_started(self._plant, self._board.state)
        since = live_since(self._plant, done, as_of)
        batch = await self._read(_roles(self._plant, *_LIVE), since, as_of)
        state = await asyncio.to_thread(live_state, plant, batch, as_of=as_of)
        return replace(state, started={**state.started, **done})

    async def _read(
        self, signals: Sequence[SignalId], start: datetime, as_of: datetime
    ) -> SampleBatch:
        end = as_of + timedelta(microseconds=1)
        return await asyncio.to_thread(self._historian.read, signals, start, end, as_of=as_of)

    async def _work(self, step: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._quick, step, *arguments)


def wholly_started(plant: Plant, state: LiveState | None) -> dict[str, int]:
    """Parts launched of the orders of which nothing is left to start."""
    started = state.started if state else {}
    orders = ((o.order_id, o.quantity) for o in plant.orders.values())
    return {o: started[o] for o, quantity in orders if started.get(o, 0) >= quantity}


def live_since(plant: Plant, done: Collection[str], as_of: datetime) -> datetime:
    """From when telemetry must be read to know where the line stands and what was started.

    A week, for the parts on the line, before the first order that is not done: read from later,
    an order of last month would be open again, and its components back in stock.
    """
    open_from = (o.release_at for o in plant.orders.values() if o.order_id not in done)
    return min((as_of, *open_from)) - _LIVE_WINDOW


def _refuse(plan: jobs.Plan) -> None:
    """Refuse a plan that the independent checker does not accept.

    Raises:
        DataError: What the checker found.
    """
    if plan.violations:
        raise DataError(f"the checker refuses the schedule: {'; '.join(plan.violations)}")


_COUNTS = (
    SignalRole.STATE,
    SignalRole.REASON,
    SignalRole.FAULT,
    SignalRole.PRODUCT,
    SignalRole.GOOD_COUNT,
    SignalRole.REJECT_COUNT,
)
_CALIBRATION = (*_COUNTS, SignalRole.PROCESS)
_LIVE = (*_COUNTS, SignalRole.ORDER)
_CONDITION = (
    SignalRole.STATE,
    SignalRole.REASON,
    SignalRole.FAULT,
    SignalRole.PRODUCT,
    SignalRole.CONDITION,
)


def _roles(plant: Plant, *roles: SignalRole) -> list[SignalId]:
    return [s for s, (_, _, signal) in plant.signals().items() if signal.role in roles]
