"""The scheduling problem as plain data: orders, maintenance work, change-overs, working time."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from twin.plant import FailureForecast, JobOrder, Plant
from twin.schedule.rates import LineRate, change_over_s, line_rate
from twin.schedule.working_time import Span, WorkingAxis, line_working_time

__all__ = [
    "LATE_WEIGHT",
    "MaintenanceTask",
    "OrderTask",
    "ScheduleProblem",
    "build_problem",
    "maintenance_tasks",
]

LATE_WEIGHT = 100
"""A late working second of priority 1 costs as much as this many seconds of makespan or setup."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTask:
    """What is still to be started of one order."""

    order_id: str
    product: str
    quantity: int
    """Parts still to start."""
    release_at: datetime
    due_at: datetime
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceTask:
    """Planned work that stops the line, somewhere inside its window."""

    work_unit: str
    failure_mode: str
    duration_s: int
    """[s] of working time."""
    earliest_at: datetime
    latest_at: datetime
    """The work has ended by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleProblem:
    """One line as one resource.

    An order holds the line for its change-over and for ``quantity * seconds_per_part``,
    rounded up to whole seconds; its last part leaves ``tail_s`` later. Change-overs begin
    after the release. Maintenance holds the line too. Work waits while the line is closed.

    The objective, in working seconds, is smallest for the best schedule::

        LATE_WEIGHT * sum(priority * late) + end of the last work + sum of the change-overs
    """

    start: datetime
    """Whole second, UTC; nothing is placed before."""
    working: tuple[Span, ...]
    """When the whole line works; long enough for all the work."""
    orders: tuple[OrderTask, ...]
    maintenance: tuple[MaintenanceTask, ...]
    seconds_per_part: Mapping[str, float]
    """By product. [s]"""
    tail_s: Mapping[str, float]
    """By product. [s]"""
    setup_s: Mapping[tuple[str, str], float]
    """Change-over from the first product to the second. [s]"""
    last_product: str | None = None
    """What the line made last; None: the first change-over takes no time."""
    running: str | None = None
    """Order that the line is working on: it comes first, without a change-over."""
    notes: tuple[str, ...] = ()
    """What had to be decided to state the problem, in words."""

    @property
    def axis(self) -> WorkingAxis:
        """Working seconds from ``start``."""
        return WorkingAxis(self.working)


def build_problem(
    plant: Plant,
    *,
    start: datetime,
    orders: Iterable[JobOrder] | None = None,
    progress: Mapping[str, int] | None = None,
    forecasts: Iterable[FailureForecast] = (),
    horizon: timedelta | None = None,
    last_product: str | None = None,
    running: str | None = None,
    alerted: Collection[tuple[str, str]] = (),
) -> ScheduleProblem:
    """State the problem of the open orders on the line as it is.

    Args:
        plant: Plant file or calibrated plant: its laws give the pace.
        start: Nothing is placed before; rounded up to a whole second.
        orders: Orders to place; None takes all of the plant.
        progress: Parts already started by order; only the rest is placed, and an order of
            which everything is started is left out.
        forecasts: Those that reach the plant's alert probability within the alert horizon
            become maintenance work (see ``maintenance_tasks``).
        horizon: Leave out orders that are released later than this after ``start``.
        last_product: What the line made last.
        running: Order the line is working on; it stays first if something of it is left.
        alerted: (unit, failure mode) of open alerts; their work is wanted whatever the newest
            forecast says (see ``maintenance_tasks``).

    Raises:
        DataError: An order's product is not known, or the line never works.
    """
    start = _whole_second(start)
    done = progress or {}
    chosen = tuple(plant.orders.values() if orders is None else orders)
    tasks = tuple(
        _task(order, order.quantity - done.get(order.order_id, 0), start)
        for order in chosen
        if order.quantity > done.get(order.order_id, 0)
        and (horizon is None or order.release_at <= start + horizon)
    )
    products = sorted({t.product for t in tasks} | ({last_product} if last_product else set()))
    rates = {product: line_rate(plant, product) for product in products}
    setups = {(a, b): change_over_s(plant, a, b) for a in products for b in products}
    work_s, maintenance, notes = maintenance_tasks(plant, forecasts, start=start, alerted=alerted)
    work_s += _order_work_s(tasks, rates, max(setups.values(), default=0.0))
    last_release = max((t.release_at for t in tasks), default=start)
    closed_s = math.ceil((max(start, last_release) - start).total_seconds())
    return ScheduleProblem(
        start=start,
        working=line_working_time(plant, start, work_s + closed_s + 1),
        orders=tasks,
        maintenance=maintenance,
        seconds_per_part={p: rate.seconds_per_part for p, rate in rates.items()},
        tail_s={p: rate.tail_s for p, rate in rates.items()},
        setup_s=setups,
        last_product=last_product,
        running=running if running in {t.order_id for t in tasks} else None,
        notes=notes,
    )


def maintenance_tasks(
    plant: Plant,
    forecasts: Iterable[FailureForecast],
    *,
    start: datetime,
    alerted: Collection[tuple[str, str]] = (),
) -> tuple[int, tuple[MaintenanceTask, ...], tuple[str, ...]]:
    """Planned work for the failures that are coming.

    The forecast of a mode that wears, whose probability within ``maintenance.alert_horizon_h``
    reaches ``raise_probability``, becomes work (what strikes at random is not put off by work) that
    ends before the probability passes ``clear_probability``. So does one whose alert is open: on a
    Friday evening the probability falls because nobody works, and the part is as worn as before.
    Work that the line cannot do by then is given the time it needs, the most urgent first, and a
    note says so.

    Returns:
        Working time of all of it [s], the work, and the notes.
    """
    policy = plant.maintenance
    wanted = []
    for forecast in forecasts:
        mode = plant.unit(forecast.work_unit).failure_modes[forecast.failure_mode]
        coming = forecast.probability_within(policy.alert_horizon_h)
        open_alert = (forecast.work_unit, forecast.failure_mode) in alerted
        if not mode.wear or (coming < policy.raise_probability and not open_alert):
            continue
        duration_s = math.ceil(mode.planned_work_s or mode.repair.mean())
        safe_h = forecast.quantile_h(policy.clear_probability)
        if safe_h is None:
            safe_h = forecast.horizon_h[-1]
        latest = _whole_second(forecast.made_at + timedelta(hours=safe_h))
        wanted.append((latest, forecast.work_unit, forecast.failure_mode, duration_s))
    wanted.sort()
    total_s = sum(w[3] for w in wanted)
    axis = WorkingAxis(line_working_time(plant, start, total_s + 1))
    tasks, notes, load_s = [], [], 0
    for latest, unit, mode_id, duration_s in wanted:
        load_s += duration_s
        possible = axis.closes(load_s)
        if possible > latest:
            notes.append(
                f"{unit}.{mode_id}: wanted by {latest:%Y-%m-%d %H:%M} UTC, "
                f"the line can do it by {possible:%Y-%m-%d %H:%M} UTC"
            )
        tasks.append(
            MaintenanceTask(
                work_unit=unit,
                failure_mode=mode_id,
                duration_s=duration_s,
                earliest_at=start,
                latest_at=max(latest, possible),
            )
        )
    return total_s, tuple(tasks), tuple(notes)


def _task(order: JobOrder, remaining: int, start: datetime) -> OrderTask:
    return OrderTask(
        order_id=order.order_id,
        product=order.product,
        quantity=remaining,
        release_at=max(order.release_at.astimezone(UTC), start),
        due_at=order.due_at.astimezone(UTC),
        priority=order.priority,
    )


def _order_work_s(
    tasks: tuple[OrderTask, ...], rates: Mapping[str, LineRate], setup_s: float
) -> int:
    pieces = (
        t.quantity * rates[t.product].seconds_per_part + rates[t.product].tail_s + setup_s + 3.0
        for t in tasks
    )
    return math.ceil(sum(pieces))


def _whole_second(at: datetime) -> datetime:
    floor = at.astimezone(UTC).replace(microsecond=0)
    return floor if floor == at else floor + timedelta(seconds=1)
