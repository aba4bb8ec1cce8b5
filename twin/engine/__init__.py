"""The discrete-event engine of the twin: one door, ``simulate``; what it means: docs/explanation/engine.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from twin.engine.choose import Engine, run
from twin.engine.consumption import component_consumption
from twin.engine.inputs import run_input
from twin.engine.live import LiveState, PartStart, UnitStart
from twin.engine.types import (
    KPIS,
    EventTrace,
    Job,
    KpiMeaning,
    PlannedMaintenance,
    RunResult,
    t_interval,
)
from twin.errors import DataError
from twin.plant import FailureForecast, Plant

__all__ = [
    "KPIS",
    "Engine",
    "EventTrace",
    "Job",
    "KpiMeaning",
    "LiveState",
    "PartStart",
    "PlannedMaintenance",
    "RunResult",
    "UnitStart",
    "component_consumption",
    "open_jobs",
    "simulate",
    "t_interval",
]


def simulate(
    plant: Plant,
    *,
    start: datetime,
    horizon_s: float,
    jobs: Sequence[Job] | None = None,
    replications: int = 1,
    seed: int = 0,
    state: LiveState | None = None,
    forecasts: Sequence[FailureForecast] = (),
    maintenance: Sequence[PlannedMaintenance] = (),
    first_replication: int = 0,
    warm_up_s: float = 0.0,
    until_done: bool = False,
    trace: bool = False,
    mix: Mapping[str, int] | None = None,
    limited_supply: bool = False,
    engine: Engine = "auto",
) -> RunResult:
    """Run the line from an instant over a horizon.

    A replication is a pure function of the arguments, the seed and its own number: ten
    replications at once, or five and five with ``first_replication=5``, are the same ten.

    Args:
        plant: The line.
        start: First instant, aware.
        horizon_s: Length of the run; what happens at its last instant still counts. [s]
        jobs: What to start, in this order; parts already launched are not subtracted. None:
            the first unit never starves; orders follow each other as ``mix`` says.
        replications: How many futures.
        seed: Names the random streams.
        state: Where the line stands at ``start``. None: empty, all units as new.
        forecasts: Curves for the first failure of the modes that they name; the others
            follow their law.
        maintenance: Planned work; it renews its failure mode.
        first_replication: Number of the first replication.
        warm_up_s: Time at the beginning that KPIs leave out. [s]
        until_done: Stop a replication as soon as every part has left; ``horizon_s`` is the limit.
        trace: Keep the event log.
        mix: Lot size by product when ``jobs`` is None. None: 100 parts of each product in turn.
        limited_supply: True: units starve when the components that the bill of material names
            run out: the stock of the plant, and its purchase orders at their due dates.
        engine: Which engine runs. They give the same result to the last bit; auto takes the
            fastest that can play this line and is compiled on this machine.

    Returns:
        KPIs, state shares and counts by replication.

    Raises:
        DataError: An argument names what the plant does not have (all are named), is out of
            range, or the line cannot go on (the message says who waits for whom).

    Example:
        >>> from datetime import UTC, datetime
        >>> from twin.plant import Plant
        >>> plant = Plant.model_validate({
        ...     "site": "S", "area": "A", "line": "L", "name": "two units", "timezone": "UTC",
        ...     "currency": "EUR", "calendars": {"always": {"weekly": ["Mon-Sun 00:00-24:00"]}},
        ...     "products": {"P": {"family": "F"}}, "storage_zones": {
        ...         "between": {"upstream": "cut", "downstream": "bend", "capacity": 2}},
        ...     "work_units": {name: {"name": name, "role": "press", "calendar": "always",
        ...         "cycle_time": {"default": {"law": "constant", "value_s": s}}}
        ...         for name, s in (("cut", 30), ("bend", 36))}})
        >>> run = simulate(plant, start=datetime(2026, 3, 2, tzinfo=UTC), horizon_s=3630)
        >>> float(run.kpis["good_parts"][0])
        100.0
    """
    if replications < 1:
        raise DataError(f"replications is {replications}, it must be at least 1")
    given = run_input(
        plant,
        start=start,
        horizon_s=horizon_s,
        jobs=jobs,
        seed=seed,
        state=state,
        forecasts=forecasts,
        maintenance=maintenance,
        warm_up_s=warm_up_s,
        until_done=until_done,
        mix=mix,
        limited_supply=limited_supply,
    )
    return run(given, first_replication, replications, trace=trace, engine=engine)


def open_jobs(plant: Plant, started: Mapping[str, int] | None = None) -> tuple[Job, ...]:
    """Jobs for what is left of the plant's orders, earliest due date first.

    Args:
        plant: Its orders are used.
        started: Parts of each order that have been launched, as in ``LiveState.started``.

    Returns:
        One job per order with parts left to start; ties: higher priority, then order id.
    """
    orders = sorted(plant.orders.values(), key=lambda o: (o.due_at, -o.priority, o.order_id))
    left = [(o, o.quantity - (started or {}).get(o.order_id, 0)) for o in orders]
    return tuple(
        Job(order_id=o.order_id, product=o.product, quantity=n, release_at=o.release_at)
        for o, n in left
        if n > 0
    )
