"""Component demand by time bucket as a distribution, and who it is for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from twin.engine.types import Floats, PlannedMaintenance, RunResult
from twin.errors import DataError
from twin.planning.buckets import Buckets
from twin.plant import Plant
from twin.plant.explosion import Usage, explode

__all__ = ["ComponentDemand", "ItemDemand", "Peg", "component_demand", "quantile"]

NO_ORDER = "no-order"
"""Parts that no order of the run was on the line for."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Peg:
    """What one order, or one failure mode, takes of an item."""

    kind: str
    """``order`` or ``failure``."""
    name: str
    """Order id, or ``work_unit.failure_mode``."""
    quantity: Floats
    """Mean over the futures. Shape (buckets,)"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ItemDemand:
    """Demand of one item, in its stock unit."""

    item_id: str
    samples: Floats
    """Shape (replications, buckets)."""
    pegs: tuple[Peg, ...]
    """Largest first; together they are the mean demand."""

    def quantile(self, share: float) -> Floats:
        """Demand of each bucket that ``share`` of the futures stay within. Shape (buckets,)"""
        return quantile(self.samples, share)

    def shares(self) -> dict[tuple[str, str], float]:
        """Share of the item's mean demand by (kind, name); empty without demand."""
        total = sum(float(peg.quantity.sum()) for peg in self.pegs)
        if total <= 0.0:
            return {}
        return {(peg.kind, peg.name): float(peg.quantity.sum()) / total for peg in self.pegs}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ComponentDemand:
    """Demand of every bought item that the line or its maintenance consumes."""

    start: datetime
    """When the run behind it starts."""
    buckets: Buckets
    bucket_h: float
    replications: int
    items: Mapping[str, ItemDemand]
    """In the order of the item table."""


def quantile(samples: Floats, share: float) -> Floats:
    """Smallest sampled value that at least ``share`` of the samples do not exceed.

    Args:
        samples: One row per future. Shape (replications, ...)
        share: 0 < share <= 1.

    Returns:
        By column; a value that did occur, never one between two. Shape (...)

    Source:
        Hyndman & Fan, Sample Quantiles in Statistical Packages (1996), definition 1; the
        newsvendor's answer for demand with equally likely values.

    Example:
        >>> quantile(np.array([[3.0], [1.0], [2.0], [4.0], [10.0]]), 0.8)
        array([4.])
    """
    rows = len(samples)
    rank = min(rows, max(1, int(np.ceil(share * rows - 1e-9))))
    found: Floats = np.partition(samples, rank - 1, axis=0)[rank - 1]
    return found


def component_demand(
    plant: Plant,
    run: RunResult,
    *,
    maintenance: Iterable[PlannedMaintenance] = (),
) -> ComponentDemand:
    """What the futures of a run consume.

    A part that starts at a unit consumes what the bill of material says for that unit. A
    failure, and planned maintenance of a failure mode, consumes the mode's spare part.

    Args:
        plant: Its bill of material, items, failure modes and planning policy.
        run: Simulated futures of the schedule.
        maintenance: Planned work that the run was given: certain demand for spare parts.

    Raises:
        DataError: The run has no replication, or buckets are shorter than an hour.
    """
    if run.replications < 1:
        raise DataError("a run without replications says nothing about demand")
    buckets = Buckets.covering(
        run.start, run.horizon_s, bucket_h=plant.planning.bucket_h, timezone=plant.timezone
    )
    usage = explode(plant)
    product_of = {order.order_id: order.product for order in plant.orders.values()}
    parts = _parts_by_order(run, buckets, usage, product_of)
    spares = _spare_parts(plant, run, buckets, maintenance)
    items = {}
    for item in plant.items:
        if item in usage or item in spares:
            items[item] = _item_demand(
                item, usage.get(item, {}), parts, spares.get(item, {}), run, buckets
            )
    return ComponentDemand(
        start=run.start,
        buckets=buckets,
        bucket_h=plant.planning.bucket_h,
        replications=run.replications,
        items=items,
    )


_Parts = dict[tuple[str, str], tuple[Floats, dict[str, Floats]]]
"""(unit, product) -> parts (replications, buckets), and their mean by order (buckets,)."""


def _item_demand(
    item: str,
    usage: Mapping[tuple[str, str], float],
    parts: _Parts,
    spares: Mapping[str, Floats],
    run: RunResult,
    buckets: Buckets,
) -> ItemDemand:
    samples = np.zeros((run.replications, len(buckets)))
    by_order: dict[str, Floats] = {}
    for at, quantity in usage.items():
        if at not in parts:
            continue
        started, orders = parts[at]
        samples += quantity * started
        for order, mean in orders.items():
            by_order[order] = by_order.get(order, 0.0) + quantity * mean
    for counts in spares.values():
        samples += counts
    pegs = [Peg(kind="order", name=n, quantity=q) for n, q in by_order.items()]
    pegs += [Peg(kind="failure", name=n, quantity=c.mean(axis=0)) for n, c in spares.items()]
    pegs = [peg for peg in pegs if peg.quantity.any()]
    pegs.sort(key=lambda peg: (-float(peg.quantity.sum()), peg.name))
    return ItemDemand(item_id=item, samples=samples, pegs=tuple(pegs))


def _parts_by_order(
    run: RunResult, buckets: Buckets, usage: Usage, product_of: Mapping[str, str]
) -> _Parts:
    wanted = {at for by_unit in usage.values() for at in by_unit}
    hours = max((counts.shape[1] for counts in run.starts.values()), default=0)
    bucket_of = buckets.of_hours(run.start, hours)
    share = _order_shares(run, hours, product_of)
    parts: _Parts = {}
    for at, counts in run.starts.items():
        if at not in wanted:
            continue
        hourly = counts.astype(np.float64)
        orders = {
            order: _bucketed(hourly * part, bucket_of, len(buckets)).mean(axis=0)
            for order, part in share.get(at[1], {}).items()
        }
        started = _bucketed(hourly, bucket_of, len(buckets))
        rest = started.mean(axis=0) - sum(orders.values())
        if np.any(rest > 1e-6):
            orders[NO_ORDER] = np.maximum(rest, 0.0)
        parts[at] = started, orders
    return parts


def _order_shares(
    run: RunResult, hours: int, product_of: Mapping[str, str]
) -> dict[str, dict[str, Floats]]:
    """By product and order: its share of the product's parts, by the time it was on the line.

    Shape of each share: (replications, hours).
    """
    begins = 3600.0 * np.arange(hours)
    on_line: dict[str, dict[str, Floats]] = {}
    for order, started in run.order_started_s.items():
        product = product_of.get(order)
        if product is None:
            continue
        first = np.where(np.isnan(started), np.inf, started)[:, None]
        finished = run.order_finished_s[order]
        last = np.where(np.isnan(finished), np.inf, finished)[:, None]
        time = np.minimum(last, begins + 3600.0) - np.maximum(first, begins)
        on_line.setdefault(product, {})[order] = np.clip(time, 0.0, None)
    shares = {}
    for product, orders in on_line.items():
        total = np.maximum(sum(orders.values()), 1e-9)
        shares[product] = {order: time / total for order, time in orders.items()}
    return shares


def _bucketed(hourly: Floats, bucket_of: NDArray[np.int64], buckets: int) -> Floats:
    found = np.zeros((len(hourly), buckets))
    for bucket in range(buckets):
        found[:, bucket] = hourly[:, bucket_of == bucket].sum(axis=1)
    return found


def _spare_parts(
    plant: Plant, run: RunResult, buckets: Buckets, maintenance: Iterable[PlannedMaintenance]
) -> dict[str, dict[str, Floats]]:
    """Spare part -> ``unit.mode`` -> pieces, shape (replications, buckets)."""
    found: dict[str, dict[str, Floats]] = {}
    planned: Sequence[PlannedMaintenance] = tuple(maintenance)
    for unit_id, unit in plant.work_units.items():
        for mode_id, mode in unit.failure_modes.items():
            if mode.spare_part is None:
                continue
            pieces = np.zeros((run.replications, len(buckets)))
            failures = run.failures.get((unit_id, mode_id))
            if failures is not None:
                bucket_of = buckets.of_hours(run.start, failures.shape[1])
                pieces += _bucketed(failures.astype(np.float64), bucket_of, len(buckets))
            for work in planned:
                bucket = buckets.index(work.start_at)
                ours = (work.work_unit, work.failure_mode) == (unit_id, mode_id)
                if ours and 0 <= bucket < len(buckets):
                    pieces[:, bucket] += 1.0
            found.setdefault(mode.spare_part, {})[f"{unit_id}.{mode_id}"] = pieces
    return found
