"""The arguments of a run, checked against the plant and turned into tables of indices and seconds."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from twin.engine.from_plant import line_model
from twin.engine.live import LiveState, UnitStart
from twin.engine.model import LineModel
from twin.engine.types import Job, PlannedMaintenance
from twin.engine.variates import LawTable, law_table
from twin.errors import DataError
from twin.plant import FailureForecast, Law, Plant, WorkUnit
from twin.plant.checks import cross_faults
from twin.plant.explosion import explode

__all__ = [
    "VISIT",
    "JobRow",
    "Laws",
    "LotRow",
    "MaintenanceRow",
    "Receipt",
    "RunInput",
    "run_input",
]

DEFAULT_LOT = 100
_LAST = datetime(9999, 1, 1)  # noqa: DTZ001  the calendar of any zone still has days after it
VISIT = 1 << 40
"""Draws of a part's next visit to a unit lie this far from those of the last: a run has fewer parts than that."""


@dataclass(frozen=True, slots=True)
class JobRow:
    order: int
    product: int
    quantity: int
    release_s: float


@dataclass(frozen=True, slots=True)
class LotRow:
    product: int
    quantity: int


@dataclass(frozen=True, slots=True)
class MaintenanceRow:
    unit: int
    mode: int
    """-1: renews no mode."""
    start_s: float
    duration_s: float


@dataclass(frozen=True, slots=True)
class Receipt:
    at_s: float
    item: int
    quantity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Laws:
    """Every law of the line in one table; rows by unit, then by product, mode or upkeep."""

    table: LawTable
    cycle: tuple[tuple[int, ...], ...]
    life: tuple[tuple[int, ...], ...]
    repair: tuple[tuple[int, ...], ...]
    upkeep: tuple[tuple[int, ...], ...]
    interarrival: tuple[int, ...]
    """-1: nothing arrives at this unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInput:
    """Everything that a replication needs besides its number."""

    model: LineModel
    laws: Laws
    start: datetime
    horizon_s: float
    warm_up_s: float
    until_done: bool
    seed: int
    jobs: tuple[JobRow, ...] | None
    lots: tuple[LotRow, ...]
    """Used in turn, without end, when there are no jobs."""
    orders: tuple[str, ...]
    due_s: tuple[float, ...]
    """By order; NaN where the plant knows no due date."""
    started: frozenset[int]
    """Orders of which parts were launched before the run."""
    live: LiveState | None
    forecasts: Mapping[tuple[int, int], tuple[float, FailureForecast]]
    """(unit, mode) -> seconds from made_at to the start, curve."""
    maintenance: tuple[MaintenanceRow, ...]
    on_hand: tuple[float, ...]
    """By item that can run short."""
    receipts: tuple[Receipt, ...]
    """In the order of time."""


def run_input(
    plant: Plant,
    *,
    start: datetime,
    horizon_s: float,
    jobs: Sequence[Job] | None,
    seed: int,
    state: LiveState | None,
    forecasts: Sequence[FailureForecast],
    maintenance: Sequence[PlannedMaintenance],
    warm_up_s: float,
    until_done: bool,
    mix: Mapping[str, int] | None,
    limited_supply: bool,
) -> RunInput:
    """Check the arguments of ``simulate`` and index them.

    Raises:
        DataError: Everything that is wrong, in one message.
    """
    faults = [
        *map(str, cross_faults(plant, "plant")),
        *_times(start, horizon_s, warm_up_s),
        *_job_faults(plant, jobs, mix),
        *_state_faults(plant, state),
        *_work_faults(plant, forecasts, maintenance),
    ]
    if faults:
        raise DataError("; ".join(faults))
    model = line_model(plant, start, horizon_s, _consumption(plant) if limited_supply else None)
    products = list(plant.products)
    orders = {order: i for i, order in enumerate(_orders(jobs or (), state))}
    lots = dict.fromkeys(products, DEFAULT_LOT) if mix is None else mix
    return RunInput(
        model=model,
        laws=_laws(model),
        start=start,
        horizon_s=float(horizon_s),
        warm_up_s=float(warm_up_s),
        until_done=until_done,
        seed=seed,
        jobs=None if jobs is None else _job_rows(jobs, orders, products, start),
        lots=tuple(LotRow(products.index(p), n) for p, n in lots.items() if n > 0),
        orders=tuple(orders),
        due_s=tuple(
            (plant.orders[o].due_at - start).total_seconds() if o in plant.orders else math.nan
            for o in orders
        ),
        started=frozenset(i for i, o in enumerate(orders) if state and state.started.get(o, 0) > 0),
        live=state,
        forecasts={
            _place(plant, f.work_unit, f.failure_mode): ((start - f.made_at).total_seconds(), f)
            for f in forecasts
        },
        maintenance=tuple(_maintenance_rows(plant, maintenance, start)),
        on_hand=tuple(plant.stock[i].on_hand if i in plant.stock else 0.0 for i in model.items),
        receipts=_receipts(plant, model, start),
    )


def _consumption(plant: Plant) -> dict[tuple[str, str], dict[str, float]]:
    """(work unit, product) -> item -> quantity per part."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for item, used in explode(plant).items():
        for place, quantity in used.items():
            found.setdefault(place, {})[item] = quantity
    return found


def _receipts(plant: Plant, model: LineModel, start: datetime) -> tuple[Receipt, ...]:
    rows = [
        Receipt((po.due_at - start).total_seconds(), model.items.index(po.item_id), po.quantity)
        for po in plant.purchase_orders.values()
        if po.item_id in model.items
    ]
    return tuple(sorted(rows, key=lambda row: (row.at_s, row.item)))


def _laws(model: LineModel) -> Laws:
    laws: list[Law] = []

    def rows(found: Sequence[Law]) -> tuple[int, ...]:
        laws.extend(found)
        return tuple(range(len(laws) - len(found), len(laws)))

    cycle = tuple(rows(unit.cycle) for unit in model.units)
    life = tuple(rows([m.life for m in unit.modes]) for unit in model.units)
    repair = tuple(rows([m.repair for m in unit.modes]) for unit in model.units)
    upkeep = tuple(rows([w.duration for w in unit.upkeep]) for unit in model.units)
    arrivals = [[u.interarrival] if u.interarrival else [] for u in model.units]
    interarrival = tuple((*rows(found), -1)[0] for found in arrivals)
    return Laws(
        table=law_table(laws),
        cycle=cycle,
        life=life,
        repair=repair,
        upkeep=upkeep,
        interarrival=interarrival,
    )


def _job_rows(
    jobs: Sequence[Job], orders: Mapping[str, int], products: Sequence[str], start: datetime
) -> tuple[JobRow, ...]:
    return tuple(
        JobRow(
            orders[j.order_id],
            products.index(j.product),
            j.quantity,
            (j.release_at - start).total_seconds(),
        )
        for j in jobs
        if j.quantity > 0
    )


def _maintenance_rows(
    plant: Plant, maintenance: Sequence[PlannedMaintenance], start: datetime
) -> Iterator[MaintenanceRow]:
    """What is not over at the start; of work that is under way, the rest."""
    for m in maintenance:
        after_s = (m.start_at - start).total_seconds()
        if after_s + m.duration_s >= 0.0:
            unit, mode = _place(plant, m.work_unit, m.failure_mode)
            yield MaintenanceRow(unit, mode, max(0.0, after_s), m.duration_s + min(0.0, after_s))


def _place(plant: Plant, work_unit: str, failure_mode: str | None) -> tuple[int, int]:
    """Indices of a unit and of its mode; -1 for no mode."""
    modes = list(plant.work_units[work_unit].failure_modes)
    unit = list(plant.work_units).index(work_unit)
    return unit, modes.index(failure_mode) if failure_mode else -1


def _orders(jobs: Sequence[Job], state: LiveState | None) -> list[str]:
    """Orders in the line first, then those of the jobs, each once."""
    found: dict[str, None] = {}
    if state is not None:
        units = [u for name in state.names() for u in state.servers_of(name)]
        for parts in (*(unit.parts for unit in units), *state.zones.values()):
            for part in parts:
                if part.order_id:
                    found.setdefault(part.order_id)
    for job in jobs:
        if job.quantity > 0:
            found.setdefault(job.order_id)
    return list(found)


def _times(start: datetime, horizon_s: float, warm_up_s: float) -> Iterator[str]:
    if start.tzinfo is None:
        yield "start has no time zone"
    if not 0.0 < horizon_s < math.inf:
        yield f"horizon_s is {horizon_s}, it must be above 0 and finite"
    elif not 0.0 <= warm_up_s < horizon_s:
        yield f"warm_up_s is {warm_up_s}, it must be at least 0 and below horizon_s"
    elif horizon_s >= (_LAST - start.replace(tzinfo=None)).total_seconds():
        yield f"horizon_s is {horizon_s}, it ends after the year 9998"


def _unknown(what: str, found: Collection[str], known: Collection[str]) -> Iterator[str]:
    strange = sorted(set(found) - set(known))
    if strange:
        yield f"{what} not known: {', '.join(strange)}; known are {', '.join(known) or '(none)'}"


def _job_faults(
    plant: Plant, jobs: Sequence[Job] | None, mix: Mapping[str, int] | None
) -> Iterator[str]:
    yield from _unknown("products of jobs", [j.product for j in jobs or ()], plant.products)
    for job in jobs or ():
        if job.quantity < 0:
            yield f"job of order {job.order_id} has quantity {job.quantity}"
        if job.release_at.tzinfo is None:
            yield f"job of order {job.order_id} is released at a time without a zone"
    parts = sum(job.quantity for job in jobs or ()) + sum((mix or {}).values())
    if parts >= VISIT:
        yield f"{parts} parts are to be made, the most are {VISIT - 1}"
    if mix is not None:
        yield from _unknown("products of the mix", mix, plant.products)
        if not any(n > 0 for n in mix.values()):
            yield "the mix holds no part"


def _state_faults(plant: Plant, state: LiveState | None) -> Iterator[str]:
    if state is None:
        return
    yield from _unknown("work units of the live state", state.names(), plant.work_units)
    yield from _unknown("storage zones of the live state", state.zones, plant.storage_zones)
    servers = [(name, u) for name in state.names() for u in state.servers_of(name)]
    products = [p for _, u in servers for p in (u.product, u.last_product) if p]
    parts = [part for parts in state.zones.values() for part in parts]
    parts += [part for _, u in servers for part in u.more_parts]
    products += [part.product for part in parts]
    yield from _unknown("products of the live state", products, plant.products)
    for name in state.names():
        if (
            name in plant.work_units
            and len(state.servers_of(name)) > plant.work_units[name].servers
        ):
            yield f"the live state has more servers of {name} than the plant"
    for name, unit in servers:
        if name in plant.work_units:
            yield from _batch_faults(name, plant.work_units[name], unit)
            modes = [*unit.age_s, *([unit.failure_mode] if unit.failure_mode else [])]
            yield from _unknown(
                f"failure modes of {name} in the live state",
                modes,
                plant.work_units[name].failure_modes,
            )
    if not all(0.0 <= part.remaining_s < math.inf for part in parts):
        yield "a part of the live state has a transport time that is not a number of at least 0"


def _batch_faults(name: str, unit: WorkUnit, start: UnitStart) -> Iterator[str]:
    size = unit.batch.size if unit.batch else 1
    if start.more_parts and not start.holds_part:
        yield f"the live state has more parts in {name}, which holds none"
    elif len(start.more_parts) >= size:
        yield f"the live state has {1 + len(start.more_parts)} parts in {name}, which holds {size}"
    counted = [upkeep for upkeep, one in unit.upkeep.items() if one.every_parts]
    yield from _unknown(f"upkeep of {name} by parts in the live state", start.parts_since, counted)


def _work_faults(
    plant: Plant, forecasts: Sequence[FailureForecast], maintenance: Sequence[PlannedMaintenance]
) -> Iterator[str]:
    for what, named in (
        ("forecasts", [(f.work_unit, f.failure_mode) for f in forecasts]),
        ("planned maintenance", [(m.work_unit, m.failure_mode) for m in maintenance]),
    ):
        yield from _unknown(f"work units of {what}", [u for u, _ in named], plant.work_units)
        for unit, mode in named:
            if unit in plant.work_units and mode:
                known = plant.work_units[unit].failure_modes
                yield from _unknown(f"failure modes of {unit} in {what}", [mode], known)
    for m in maintenance:
        if not 0.0 <= m.duration_s < math.inf:
            yield f"planned maintenance of {m.work_unit} takes {m.duration_s} s"
        if m.start_at.tzinfo is None:
            yield f"planned maintenance of {m.work_unit} starts at a time without a zone"
