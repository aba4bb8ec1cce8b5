"""The live line: the newest value of every signal, and what it says about units and buffers."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from twin.plant import Plant, SignalId, SignalRole, WorkUnitState
from twin.plant.flow import counters, counts_tell
from twin.telemetry import Quality, SampleBatch, from_us, to_us

__all__ = ["LineView"]

_HOUR_US = 3_600_000_000
_SHOWN = {SignalRole.CONDITION, SignalRole.PROCESS, SignalRole.ENERGY}
_HOLDING = {WorkUnitState.PRODUCTION, WorkUnitState.DOWN, WorkUnitState.REPAIR}


@dataclass(slots=True)
class _Newest:
    value: float | str | None
    measured_us: int
    quality: int
    changed_us: int


class LineView:
    """Newest values, fed by every batch that was stored; asked from any thread."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self._lock = threading.Lock()
        self._newest: dict[SignalId, _Newest] = {}
        self._by_role = {
            (unit, signal.role): signal_id
            for signal_id, (unit, _, signal) in reversed(plant.signals().items())
        }
        counts = [self._by_role.get((end, SignalRole.GOOD_COUNT)) for end in counters(plant)]
        self._finished: dict[SignalId, deque[tuple[int, float]]] = {
            signal: deque() for signal in counts if signal is not None
        }

    @property
    def measured_us(self) -> int:
        """Newest measured_at of all; 0 before the first sample. [us since 1970]"""
        with self._lock:
            return max((n.measured_us for n in self._newest.values()), default=0)

    def observe(self, batch: SampleBatch) -> None:
        """Take in samples, in any order; an older one than known changes nothing."""
        order = np.argsort(batch.measured_us, kind="stable")
        codes, times = batch.code[order].tolist(), batch.measured_us[order].tolist()
        values, texts = batch.value[order].tolist(), batch.text[order].tolist()
        qualities = batch.quality[order].tolist()
        with self._lock:
            for code, at, number, text, quality in zip(
                codes, times, values, texts, qualities, strict=True
            ):
                signal = batch.signals[code]
                value = text if text is not None else None if number != number else number
                known = self._newest.get(signal)
                if known is None:
                    self._newest[signal] = _Newest(value, at, quality, at)
                elif at < known.measured_us:
                    continue
                else:
                    if value != known.value:
                        known.changed_us = at
                    known.value, known.measured_us, known.quality = value, at, quality
                if signal in self._finished and isinstance(value, float):
                    _count(self._finished[signal], at, value)

    def document(
        self, *, as_of: datetime, speed: float, sources: list[dict[str, Any]]
    ) -> dict[str, Any]:
        """The line as people look at it."""
        with self._lock:
            states = {unit: self._state(unit) for unit in self._plant.work_units}
            return {
                "as_of": as_of.isoformat(),
                "speed": speed,
                "units": [self._unit(unit, *states[unit]) for unit in self._plant.work_units],
                "zones": [
                    {"id": zone, "level": self._level(zone, states), "capacity": z.capacity}
                    for zone, z in self._plant.storage_zones.items()
                ],
                "sources": sources,
                "throughput_per_h": self._throughput(to_us(as_of)),
            }

    def _throughput(self, as_of_us: int) -> float | None:
        """Good parts of the last hour at all ends, or since the first count where that is younger."""
        rates = [_per_hour(finished, as_of_us) for finished in self._finished.values()]
        known = [rate for rate in rates if rate is not None]
        return sum(known) if known else None

    def _of(self, unit: str, role: SignalRole) -> _Newest | None:
        signal = self._by_role.get((unit, role))
        return self._newest.get(signal) if signal is not None else None

    def _number(self, unit: str, role: SignalRole) -> float | None:
        found = self._of(unit, role)
        return found.value if found is not None and isinstance(found.value, float) else None

    def _text(self, unit: str, role: SignalRole) -> str | None:
        found = self._of(unit, role)
        return found.value or None if found is not None and isinstance(found.value, str) else None

    def _state(self, unit: str) -> tuple[WorkUnitState, int | None]:
        newest, map_id = self._of(unit, SignalRole.STATE), self._plant.work_units[unit].state_map
        if newest is None or map_id is None or newest.quality == Quality.BAD:
            return WorkUnitState.UNKNOWN, newest.measured_us if newest else None
        names = self._plant.state_maps[map_id]
        state = names.states.get(_key(newest.value), WorkUnitState.UNKNOWN)
        reason = self._of(unit, SignalRole.REASON)
        if state is WorkUnitState.DELAY and reason is not None:
            state = names.reasons.get(_key(reason.value), state)
            return state, max(newest.changed_us, reason.changed_us)
        return state, newest.changed_us

    def _level(
        self, zone_id: str, states: Mapping[str, tuple[WorkUnitState, int | None]]
    ) -> int | None:
        """Passed on upstream, less taken downstream; the parts inside the two units do not count."""
        if not counts_tell(self._plant, zone_id):
            return None
        zone = self._plant.storage_zones[zone_id]
        put = self._number(zone.upstream, SignalRole.GOOD_COUNT)
        good = self._number(zone.downstream, SignalRole.GOOD_COUNT)
        if put is None or good is None:
            return None
        taken = good + (self._number(zone.downstream, SignalRole.REJECT_COUNT) or 0.0)
        inside = states[zone.downstream][0] in _HOLDING
        waiting = states[zone.upstream][0] is WorkUnitState.BLOCKED
        return int(min(max(put - taken - inside - waiting, 0), zone.capacity))

    def _unit(self, unit: str, state: WorkUnitState, since_us: int | None) -> dict[str, Any]:
        work_unit = self._plant.work_units[unit]
        good = self._number(unit, SignalRole.GOOD_COUNT)
        rejected = self._number(unit, SignalRole.REJECT_COUNT)
        return {
            "id": unit,
            "name": work_unit.name,
            "state": str(state),
            "since": from_us(since_us).isoformat() if since_us else None,
            "product": self._text(unit, SignalRole.PRODUCT),
            "order": self._text(unit, SignalRole.ORDER),
            "good_count": None if good is None else int(good),
            "reject_count": None if rejected is None else int(rejected),
            "power_w": self._number(unit, SignalRole.ENERGY),
            "signals": {
                name: {
                    "value": newest.value,
                    "unit": signal.unit,
                    "measured_at": from_us(newest.measured_us).isoformat(),
                    "quality": newest.quality,
                    "role": str(signal.role),
                }
                for name, signal in work_unit.signals.items()
                if signal.role in _SHOWN
                and (newest := self._newest.get(self._plant.signal_id(unit, name))) is not None
            },
        }


def _key(value: float | str | None) -> str:
    return str(int(value)) if isinstance(value, float) else str(value)


def _count(finished: deque[tuple[int, float]], at: int, count: float) -> None:
    if finished and count < finished[-1][1]:
        finished.clear()  # the counter began again
    finished.append((at, count))
    while len(finished) > 1 and finished[1][0] <= at - _HOUR_US:
        finished.popleft()


def _per_hour(finished: deque[tuple[int, float]], as_of_us: int) -> float | None:
    if not finished:
        return None
    times, counts = [at for at, _ in finished], [n for _, n in finished]
    end = max(as_of_us, times[-1])
    begin = max(end - _HOUR_US, times[0])
    if end == begin or (len(times) == 1 and begin == times[0]):
        return None
    done = counts[-1] - float(np.interp(begin, times, counts))
    return done / (end - begin) * _HOUR_US
