"""The work of the chain as steps: plain functions of their arguments, run in worker processes, safe to repeat."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import CancelledError, Executor, Future, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

from twin.engine import (
    Job,
    LiveState,
    PlannedMaintenance,
    RunResult,
    open_jobs,
    simulate,
)
from twin.errors import DataError
from twin.plant import FailureForecast, Plant
from twin.telemetry import SampleBatch

if TYPE_CHECKING:
    from maintenance.evaluation import CrossValidation
    from maintenance.forecast import Assessment, Model
    from twin.calibration import CalibratedPlant
    from twin.planning import ComponentDemand, Netting, PurchaseProposal
    from twin.scenarios import CriticalPath, Execution, RunArguments
    from twin.schedule import Schedule

__all__ = [
    "Learned",
    "Outlook",
    "Plan",
    "calibrate_step",
    "forecast_step",
    "gathered",
    "outlook_arguments",
    "path_step",
    "plan_step",
    "schedule_orders",
    "simulate_ahead",
    "train_step",
]

_DAY_S = 86_400.0
_ASK_S = 0.25
"""While a piece is awaited, how often ``cancelled`` is asked. [s]"""
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What lies ahead of the line: one for every question about its future."""

    start: datetime
    state: LiveState | None = None
    """Where the line stands at ``start``; None: empty."""
    forecasts: tuple[FailureForecast, ...] = ()
    jobs: tuple[Job, ...] | None = None
    """What to make, in this order; None: a saturated line."""
    maintenance: tuple[PlannedMaintenance, ...] = ()

    @classmethod
    def unplanned(cls, plant: Plant, start: datetime, state: LiveState | None = None) -> Outlook:
        """The open orders by due date; a plant without orders is a saturated line."""
        jobs = open_jobs(plant, state.started if state else None) if plant.orders else None
        return cls(start=start, state=state, jobs=jobs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One pass of the planning kernel: schedule, simulated futures of it, demand, proposals."""

    start: datetime
    outlook: Outlook
    """What lies ahead when the schedule is followed; what-ifs start from it."""
    schedule: Schedule
    violations: tuple[str, ...]
    """What the independent checker refuses; empty when it agrees."""
    demand: ComponentDemand
    netting: Netting
    proposals: tuple[PurchaseProposal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """A model of how failures announce themselves, with what it is worth."""

    model: Model
    score: CrossValidation | None
    """On whole lives of its own history, held out in turn."""
    not_scored: str = ""
    """Why there is no score."""

    def __str__(self) -> str:
        return str(self.score) if self.score else f"not cross-validated: {self.not_scored}"


def calibrate_step(
    plant: Plant, batch: SampleBatch, as_of: datetime, window_start: datetime
) -> CalibratedPlant:
    """Fit the line's laws to its telemetry."""
    from twin.calibration import calibrate

    return calibrate(plant, batch, as_of=as_of, window_start=window_start)


def train_step(plant: Plant, nominal: Plant, batch: SampleBatch, as_of: datetime) -> Learned:
    """Learn from the history how failures announce themselves, and how well that foresees.

    Args:
        plant: Its laws enter the model; calibrated ones are better.
        nominal: As its file says it: the score must not know the lives that it holds out.
        batch: The history.
        as_of: Its end.
    """
    from maintenance.evaluation import cross_validate
    from maintenance.forecast import learn, read_history

    history = read_history(plant, batch, as_of=as_of)
    model = learn(plant, history)
    try:
        return Learned(model=model, score=cross_validate(nominal, history.table))
    except DataError as e:
        return Learned(model=model, score=None, not_scored=str(e))


def forecast_step(
    plant: Plant, model: Model, batch: SampleBatch, as_of: datetime
) -> tuple[Assessment, Model]:
    """When each failure mode will strike, and the model moved on to where the next look begins."""
    from maintenance.forecast import assess, carry_forward

    assessment = assess(plant, model, batch, as_of=as_of)
    return assessment, carry_forward(plant, model, batch, as_of=as_of)


def schedule_orders(
    plant: Plant,
    *,
    start: datetime,
    state: LiveState | None = None,
    forecasts: Sequence[FailureForecast] = (),
    alerted: Collection[tuple[str, str]] = (),
    time_limit_s: float = 5.0,
) -> tuple[Schedule, tuple[str, ...]]:
    """The open orders in their best order, and what the independent checker says of it.

    ``alerted`` are the (unit, failure mode) of open alerts; what is being repaired needs no plan.
    """
    from twin.schedule import build_problem, check, solve

    started: Mapping[str, int] = state.started if state else {}
    first = next((u for u in plant.work_units if not plant.upstream(u)), None)
    unit = state.units.get(first) if state and first else None
    mending = {(u, s.failure_mode) for u, s in state.units.items()} if state else set()
    problem = build_problem(
        plant,
        start=start,
        progress=started,
        forecasts=forecasts,
        horizon=timedelta(days=plant.planning.horizon_d),
        last_product=(unit.last_product or unit.product) if unit else None,
        running=(unit.order_id or unit.last_order_id) if unit else None,
        alerted={key for key in alerted if key not in mending},
    )
    schedule = solve(problem, time_limit_s=time_limit_s)
    return schedule, check(problem, schedule)


def plan_step(
    plant: Plant,
    state: LiveState | None,
    forecasts: Sequence[FailureForecast],
    start: datetime,
    seed: int,
    *,
    alerted: Collection[tuple[str, str]] = (),
    time_limit_s: float = 3.0,
    executor: Executor | None = None,
    pieces: int = 1,
) -> Plan:
    """Schedule the orders, play the schedule in many futures, and buy what they need.

    Args:
        plant: Calibrated or nominal, with its stock and open purchase orders.
        state: Where the line stands at ``start``.
        forecasts: Failures that are coming.
        start: First instant of the plan.
        seed: Names the futures.
        alerted: (unit, failure mode) of open alerts.
        time_limit_s: For the solver. [s]
        executor: Where the heavy parts run; None: here. It changes no result.
        pieces: Into how many parts the futures are cut. It changes no result.
    """
    from twin.planning import component_demand, net, propose
    from twin.schedule import schedule_jobs, schedule_maintenance

    run_here: Executor = executor or _Here()
    schedule, violations = run_here.submit(
        schedule_orders,
        plant,
        start=start,
        state=state,
        forecasts=forecasts,
        alerted=alerted,
        time_limit_s=time_limit_s,
    ).result()
    work = schedule_maintenance(schedule)
    outlook = Outlook(
        start=start,
        state=state,
        forecasts=tuple(forecasts),
        jobs=tuple(schedule_jobs(schedule)),
        maintenance=tuple(work),
    )
    run = _futures(plant, outlook, seed, run_here, pieces)
    demand = component_demand(plant, run, maintenance=work)
    return Plan(
        start=start,
        outlook=outlook,
        schedule=schedule,
        violations=violations,
        demand=demand,
        netting=net(plant, demand, now=start),
        proposals=propose(plant, demand, now=start, forecasts=forecasts),
    )


def _futures(
    plant: Plant, outlook: Outlook, seed: int, executor: Executor, pieces: int
) -> RunResult:
    """The simulated futures that the component plan rests on."""
    from twin.engine.measure import joined

    runs = [
        executor.submit(
            simulate_ahead,
            plant,
            outlook,
            horizon_s=plant.planning.horizon_d * _DAY_S,
            replications=len(part),
            first_replication=part[0],
            seed=seed,
            until_done=True,
        )
        for part in _parts(plant.planning.replications, pieces)
    ]
    return joined([run.result() for run in runs])


def _parts(replications: int, pieces: int) -> list[range]:
    cuts = [replications * i // pieces for i in range(pieces + 1)]
    return [range(a, b) for a, b in pairwise(cuts) if b > a]


class _Here(Executor):
    """Runs what is submitted at once, in this thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


def simulate_ahead(
    plant: Plant, outlook: Outlook, *, horizon_s: float, **arguments: Any
) -> RunResult:
    """The line run into what lies ahead of it; as ``twin.engine.simulate``."""
    return simulate(plant, **{**outlook_arguments(outlook, horizon_s=horizon_s), **arguments})


def outlook_arguments(outlook: Outlook, *, horizon_s: float) -> RunArguments:
    """The arguments of a run, as ``twin.scenarios`` takes them, into what lies ahead of the line."""
    return {
        "start": outlook.start,
        "horizon_s": horizon_s,
        "state": outlook.state,
        "forecasts": outlook.forecasts,
        "jobs": outlook.jobs,
        "maintenance": outlook.maintenance,
    }


def path_step(plant: Plant, replication: int, run: RunArguments) -> tuple[str, str, CriticalPath]:
    """The engine, why it ran, and what the end of one replication waited for."""
    from twin.scenarios import critical_path

    played = simulate(plant, first_replication=replication, trace=True, **run)
    warm_up_s = run.get("warm_up_s", 0.0)
    path = critical_path(played, plant, state=run.get("state"), from_s=warm_up_s)
    return played.engine, played.reason, path


def gathered(
    how: Execution, work: Callable[..., _Answer], pieces: Sequence[tuple[Any, ...]]
) -> list[_Answer]:
    """The answers of all pieces, in their order.

    Raises:
        CancelledError: ``how.cancelled`` said so. (concurrent.futures)
    """
    run_here: Executor = how.executor or _Here()
    answers: list[_Answer] = []
    flight: deque[Future[_Answer]] = deque()
    try:
        for piece in pieces:
            flight.append(run_here.submit(work, *piece))
            while flight and flight[0].done():
                answers.append(flight.popleft().result())
            _tell(how, len(answers) / len(pieces))
        while flight:
            if wait([flight[0]], timeout=_ASK_S).done:
                answers.append(flight.popleft().result())
            _tell(how, len(answers) / len(pieces))
    finally:
        for future in flight:
            future.cancel()
    return answers


def _tell(how: Execution, share: float) -> None:
    if how.progress is not None:
        how.progress(share)
    if how.cancelled is not None and share < 1.0 and how.cancelled():
        raise CancelledError
