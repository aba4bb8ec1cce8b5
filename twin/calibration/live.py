"""The line as it stands at an instant, put together from its telemetry: where a simulation starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from twin.calibration.flow import content_now
from twin.calibration.history import UnitHistory, mode_ages, read_history
from twin.engine.live import LiveState, PartStart, UnitStart
from twin.plant.flow import counts_tell
from twin.plant.laws import Law
from twin.plant.model import Plant
from twin.plant.signals import SignalRole, WorkUnitState
from twin.telemetry.parts import text_at
from twin.telemetry.samples import SampleBatch, from_us, refuse_look_ahead
from twin.telemetry.states import SignalIndex, role_signal

__all__ = ["live_state"]

_OFF_OR_STOPPED = (
    WorkUnitState.OFF,
    WorkUnitState.DOWN,
    WorkUnitState.REPAIR,
    WorkUnitState.UNKNOWN,
)
_STEPS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _Now:
    """What one unit is doing."""

    state: WorkUnitState
    """As reported; UNKNOWN where it is not known."""
    before: WorkUnitState
    """The last state that was neither off nor stopped."""
    product: str | None
    order: str | None
    worked_s: float
    """Production time since the last completion. [s]"""
    setup_s: float
    """Setup time since the last completion. [s]"""

    @property
    def has_part(self) -> bool:
        """A part is in the unit that has not been counted yet."""
        begun = self.worked_s > 0.0 or self.before in (
            WorkUnitState.PRODUCTION,
            WorkUnitState.SETUP,
        )
        return begun and self.product is not None and self.before is not WorkUnitState.BLOCKED

    @property
    def holds(self) -> bool:
        """A finished part, already counted, is in the unit and cannot leave."""
        return self.before is WorkUnitState.BLOCKED and self.product is not None


def live_state(plant: Plant, batch: SampleBatch, *, as_of: datetime) -> LiveState:
    """States, parts in units and zones, and parts launched of each order, at ``as_of``.

    Zones are filled by counting: what the unit before counted good, less what the unit after
    counted at all, since the unit after was last starved and so the zone was empty; less the parts
    inside the units; within the zone's capacity. The parts are the last that the unit before made.
    Where parts merge, split or come back to be worked on again, counts do not tell, and the zone is
    taken to be empty.

    Args:
        plant: The calibrated plant: its laws tell how much work is left on a part or a repair.
        batch: The history, as ``Historian.read(..., as_of=as_of)`` gives it. It should reach back
            to the start of the orders on the line; ages of failure modes without a repair in it
            count from its beginning.
        as_of: The instant. Aware.

    Returns:
        A state that ``simulate`` can start from.

    Raises:
        LookAheadError: The batch has samples that became available after ``as_of``.
    """
    refuse_look_ahead(batch, as_of)
    if not len(batch):
        return LiveState(at=as_of)
    index = SignalIndex(batch)
    start = from_us(int(batch.measured_us.min()))
    end = max(as_of, start) + timedelta(microseconds=1)
    histories = read_history(plant, index, start, end)
    now = {unit: _now(plant, history, index) for unit, history in histories.items()}
    return LiveState(
        at=as_of,
        units={unit: _unit_start(plant, histories[unit], now[unit]) for unit in plant.work_units},
        zones={zone: _zone(plant, zone, histories, now) for zone in plant.storage_zones},
        started=_started(plant, histories, now),
    )


def _now(plant: Plant, history: UnitHistory, index: SignalIndex) -> _Now:
    states = history.states
    moving = [s for s in states.state if s not in _OFF_OR_STOPPED]
    state: WorkUnitState = states.state[-1]
    last = int(history.parts.finished_us[-1]) if len(history.parts) else history.start_us
    span = np.array([last, history.end_us], np.int64)
    worked = np.diff(states.elapsed_us(span, WorkUnitState.PRODUCTION))[0] / 1e6
    setup = np.diff(states.elapsed_us(span, WorkUnitState.SETUP))[0] / 1e6
    return _Now(
        state=state,
        before=moving[-1] if moving else WorkUnitState.UNKNOWN,
        product=_text(plant, history, index, SignalRole.PRODUCT, plant.products),
        order=_text(plant, history, index, SignalRole.ORDER, None),
        worked_s=float(worked),
        setup_s=float(setup),
    )


def _text(
    plant: Plant,
    history: UnitHistory,
    index: SignalIndex,
    role: SignalRole,
    known: Mapping[str, object] | None,
) -> str | None:
    signal = role_signal(plant, history.unit, role)
    rows = index.of(signal[0] if signal else None)
    value: str | None = text_at(rows, np.array([history.end_us], np.int64), before=True)[0]
    return value if known is None or value in known else None


def _unit_start(plant: Plant, history: UnitHistory, now: _Now) -> UnitStart:
    inside = now.has_part or now.holds
    open_event = next((e for e in reversed(history.failures) if e.mended_us is None), None)
    state = now.state
    if state not in (WorkUnitState.OFF, WorkUnitState.DOWN, WorkUnitState.REPAIR):
        state = now.before
        if not inside and state in (WorkUnitState.DELAY, WorkUnitState.UNKNOWN):
            state = WorkUnitState.STARVED
        elif state is WorkUnitState.UNKNOWN:
            state = WorkUnitState.PRODUCTION
    if state is WorkUnitState.OFF and open_event is not None:  # the stop goes on behind it
        state = WorkUnitState.REPAIR if open_event.repair_s > 0.0 else WorkUnitState.DOWN
    mending = state is WorkUnitState.REPAIR and open_event is not None
    repair_s = None
    if mending and open_event is not None:
        law = plant.unit(history.unit).failure_modes[open_event.failure_mode].repair
        repair_s = _rest_s(law, open_event.repair_s)
    return UnitStart(
        state=state,
        product=now.product if inside else None,
        order_id=now.order if inside else None,
        remaining_s=_remaining_s(plant, history, now) if inside else None,
        last_product=now.product,
        last_order_id=now.order,
        failure_mode=open_event.failure_mode if open_event is not None else None,
        repair_remaining_s=repair_s,
        age_s=_ages(plant, history),
    )


def _remaining_s(plant: Plant, history: UnitHistory, now: _Now) -> float:
    if now.holds or now.product is None:
        return 0.0
    unit = plant.unit(history.unit)
    work = _rest_s(unit.cycle_law(now.product), now.worked_s)
    if now.before is not WorkUnitState.SETUP:
        return work
    setup = max(0.0, _planned_setup_s(plant, history, now.product) - now.setup_s)
    return setup if now.state is WorkUnitState.SETUP else setup + work


def _planned_setup_s(plant: Plant, history: UnitHistory, product: str) -> float:
    setup = plant.unit(history.unit).setup
    last = history.parts.product[-1] if len(history.parts) else None
    return setup.seconds(plant.setup_distance(last if last in plant.products else product, product))


def _rest_s(law: Law, done_s: float) -> float:
    """Mean of what is left of a duration of which so much has passed."""
    whole = np.array([law.quantile((i + 0.5) / _STEPS) for i in range(_STEPS)])
    longer = whole[whole > done_s]
    return float(np.mean(longer) - done_s) if len(longer) else 0.0


def _ages(plant: Plant, history: UnitHistory) -> dict[str, float]:
    ages = {}
    for mode in plant.unit(history.unit).failure_modes:
        lives, failed = mode_ages(plant, history, mode, whole_lives=False)
        running = len(lives) > 0 and not failed[-1]
        ages[mode] = float(lives[-1]) if running else 0.0
    return ages


def _zone(
    plant: Plant, name: str, histories: Mapping[str, UnitHistory], now: Mapping[str, _Now]
) -> tuple[PartStart, ...]:
    if not counts_tell(plant, name):
        return ()
    zone = plant.storage_zones[name]
    before, after = histories[zone.upstream], histories[zone.downstream]
    alone = len(plant.upstream(zone.downstream)) == 1
    between = content_now(before.parts, after.parts, after.states if alone else None)
    held = int(now[zone.upstream].holds)
    here = between - int(now[zone.downstream].has_part) - held
    here = min(max(here, 0), zone.capacity)
    good = before.parts.take(before.parts.good)
    last = len(good) - held
    first = max(0, last - here)
    parts = []
    for i in range(first, last):
        product = good.product[i] or now[zone.upstream].product
        if product in plant.products:
            parts.append(PartStart(order_id=good.order[i] or "", product=product))
    return tuple(parts)


def _started(
    plant: Plant, histories: Mapping[str, UnitHistory], now: Mapping[str, _Now]
) -> dict[str, int]:
    """Most launched at any of the units that start parts."""
    started: dict[str, int] = {}
    for unit in plant.work_units:
        if plant.upstream(unit):
            continue
        counts = Counter(order for order in histories[unit].parts.order if order is not None)
        order = now[unit].order
        if now[unit].has_part and order is not None:
            counts[order] += 1
        for order_id, count in counts.items():
            started[order_id] = max(started.get(order_id, 0), count)
    return started
