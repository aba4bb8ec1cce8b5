"""The practice plant: the line, its shifts and its sensors, moved on to an instant at a time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from simulators.clock import PLANT_EPOCH, from_us, to_us
from simulators.physics.emission import Emission
from simulators.physics.faults import InjectedFault
from simulators.physics.hidden import hidden_truth
from simulators.physics.line import STEP_S, Line
from simulators.physics.machine import REPAIR, RUN, SETUP, WAIT, Machine
from simulators.physics.sensors import GRID_S, Parameters, make_sensors
from simulators.physics.streams import Streams
from twin.plant import Plant, SignalRole, StateMap, WorkUnitState

__all__ = ["PracticePlant"]

_PACKML = {
    WorkUnitState.REPAIR: 1, WorkUnitState.OFF: 2, WorkUnitState.DELAY: 5,
    WorkUnitState.PRODUCTION: 6, WorkUnitState.DOWN: 9, WorkUnitState.SETUP: 15,
}  # fmt: skip
_REASONS = {WorkUnitState.STARVED: 1, WorkUnitState.BLOCKED: 2}
_ON_CHANGE = (
    SignalRole.STATE, SignalRole.REASON, SignalRole.FAULT, SignalRole.PRODUCT, SignalRole.ORDER,
    SignalRole.GOOD_COUNT, SignalRole.REJECT_COUNT,
)  # fmt: skip
_CALENDAR_DAYS = 90


class PracticePlant:
    """A running plant whose insides only the truth export shows.

    Args:
        plant: Its description; true laws differ from it.
        seed: Same seed, same plant, same history.
        start: Where its life begins; all machines are off and the line is empty.
        sample_period_s: How often sampled signals are read; a multiple of 10. [s] It moves
            no event of the line.
    """

    def __init__(
        self,
        plant: Plant,
        seed: int,
        start: datetime = PLANT_EPOCH,
        *,
        sample_period_s: float = 60.0,
    ) -> None:
        self.plant, self.seed, self.start = plant, seed, start
        self.sample_period_s = sample_period_s
        self.epoch_us = to_us(start)
        self.truth = hidden_truth(plant, seed)
        self.streams = Streams(seed)
        self.parameters = Parameters(plant, self.streams)
        self.line = Line(
            plant, self.truth, self.streams, self.epoch_us, self._report, self._defect_probability
        )
        self.sensors = make_sensors(plant, self.streams, self.parameters)
        self.faults: list[InjectedFault] = []
        self._latest: dict[tuple[str, str], Emission] = {}
        self._out: list[Emission] = []
        self._codes = [_codes(plant, name) for name in plant.work_units]
        self._names = [_signal_names(plant, name) for name in plant.work_units]
        self._power = [u.power for u in plant.work_units.values()]
        self._since = [0.0] * len(self.line.machines)
        self._edges = self._shift_edges()
        self._edge = 0
        self._begun = False

    @property
    def now_us(self) -> int:
        """How far it has moved. [us since 1970, plant time]"""
        return self.epoch_us + round(self.line.now * 1e6)

    def advance(self, to_us: int) -> list[Emission]:
        """Move on to an instant, by whole steps; what was said on the way, in order of steps."""
        target = (to_us - self.epoch_us) // round(STEP_S * 1e6) * STEP_S
        if not self._begun:
            self._begin()
        line = self.line
        while line.now < target:
            grid = (line.now // GRID_S + 1.0) * GRID_S
            edge = self._edges[self._edge][0]
            line.run_to(min(target, grid, edge))
            while line.now >= self._edges[self._edge][0]:
                _, unit, on = self._edges[self._edge]
                line.switch(unit, on)
                self._edge += 1
            if line.now == grid:
                self._on_grid()
        out, self._out = self._out, []
        return out

    def latest(self) -> list[Emission]:
        """The last thing said by every signal that has said something."""
        return list(self._latest.values())

    def _begin(self) -> None:
        self._begun = True
        for i, m in enumerate(self.line.machines):
            m.shown, m.shown_us = [None] * len(_ON_CHANGE), [0] * len(_ON_CHANGE)
            self._report(i, 0.0)
        while self._edges[self._edge][0] <= 0.0:
            _, unit, on = self._edges[self._edge]
            self.line.switch(unit, on)
            self._edge += 1
        self._sample()

    def _on_grid(self) -> None:
        for wander in self.parameters.wander.values():
            wander.step()
        for sensor in self.sensors:
            sensor.step()
        self.line.poll()
        for fault in self.faults:
            fault.steer(self.line)
        if self.line.now % self.sample_period_s == 0.0:
            self._sample()

    def _sample(self) -> None:
        now, us, line = self.line.now, self.now_us, self.line
        for sensor in self.sensors:
            if sensor.always or line.machines[sensor.index].on:
                value, quality = sensor.read(line, now)
                said = Emission(sensor.unit, sensor.name, value, us, quality)
                self._out.append(said)
                self._latest[sensor.unit, sensor.name] = said

    def _defect_probability(self, unit: int) -> float:
        m = self.line.machines[unit]
        response = m.truth.defects
        if response is None:
            return 0.0
        if response.parameter is None:
            return response.base
        return response.probability(self.parameters.actual(m.name, response.parameter))

    def _report(self, i: int, now: float) -> None:
        """Say what has changed on a machine at this instant."""
        m = self.line.machines[i]
        state, reason = self._state(m)
        values: tuple[int | str, ...] = (
            self._codes[i][0][state],
            self._codes[i][1].get(reason, 0),
            m.modes[m.failing].name if m.activity in (WAIT, REPAIR) else "",
            m.product,
            m.order,
            m.good,
            m.bad,
        )
        shown = m.shown
        if shown[0] != values[0]:
            self._account(i, m, now)
        us = self.epoch_us + round(now * 1e6)
        for k, value in enumerate(values):
            if value != shown[k]:
                shown[k] = value
                m.shown_us[k] = at = max(us, m.shown_us[k] + 1)
                name = self._names[i][k]
                if name is not None:
                    told = float(value) if isinstance(value, int) else value
                    said = Emission(m.name, name, told, at)
                    self._out.append(said)
                    self._latest[m.name, name] = said

    def _state(self, m: Machine) -> tuple[WorkUnitState, WorkUnitState | None]:
        if m.activity == WAIT:
            return WorkUnitState.DOWN, None
        if m.activity == REPAIR:
            return WorkUnitState.REPAIR, None
        if not m.on:
            return WorkUnitState.OFF, None
        if m.activity == RUN:
            return WorkUnitState.PRODUCTION, None
        if m.activity == SETUP:
            return WorkUnitState.SETUP, None
        return WorkUnitState.DELAY, WorkUnitState.BLOCKED if m.held else WorkUnitState.STARVED

    def _account(self, i: int, m: Machine, now: float) -> None:
        """Book the time and the energy of the state that has just ended."""
        spent = self._spent(i, m, now)
        self._since[i] = now
        if spent is not None:
            self.line.accounts.spent(m.name, *spent)

    def unbooked(self, i: int) -> tuple[str, float, float] | None:
        """State, time [s] and energy [J] of the stretch that a machine is in, which no account has yet."""
        return self._spent(i, self.line.machines[i], self.line.now)

    def _spent(self, i: int, m: Machine, now: float) -> tuple[str, float, float] | None:
        shown = m.shown[0] if m.shown else None
        state = next((s for s, code in self._codes[i][0].items() if code == shown), None)
        if state is None:
            return None
        watt = self._power[i].in_state(state) * m.truth.power_factor
        seconds = now - self._since[i]
        return state.value, seconds, watt * seconds

    def _shift_edges(self) -> list[tuple[float, int, bool]]:
        edges: list[tuple[float, int, bool]] = []
        end = self.start + timedelta(days=_CALENDAR_DAYS)
        for i, unit in enumerate(self.plant.work_units.values()):
            calendar = self.plant.calendars[unit.calendar]
            for a, b in calendar.intervals(self.start, end, self.plant.timezone):
                edges.append(((a - self.start).total_seconds(), i, True))
                edges.append(((b - self.start).total_seconds(), i, False))
        return [*sorted(edges), (float("inf"), 0, False)]

    def state(self) -> dict[str, Any]:
        """The whole state as JSON values; ``restore`` on a new plant of the same seed continues it."""
        return {
            "streams": self.streams.positions(),
            "line": self.line.state(),
            "parameters": [w.value for w in self.parameters.wander.values()],
            "sensors": [s.state() for s in self.sensors],
            "latest": [list(e) for e in self._latest.values()],
            "since": self._since,
            "edge": self._edge,
        }

    def restore(self, plain: dict[str, Any]) -> None:
        """Put back what ``state`` gave."""
        self.streams.restore(plain["streams"])
        self.line.restore(plain["line"])
        for wander, value in zip(self.parameters.wander.values(), plain["parameters"], strict=True):
            wander.value = value
        for sensor, saved in zip(self.sensors, plain["sensors"], strict=True):
            sensor.restore(saved)
        self._latest = {(e[0], e[1]): Emission(*e) for e in plain["latest"]}
        self._since, self._edge, self._begun = plain["since"], plain["edge"], True

    def inject(self, fault: InjectedFault) -> None:
        """Let one failure mode wear out at a chosen time, counted from now.

        Raises:
            NotFoundError: The unit or the mode does not exist.
        """
        fault.bind(self.line)
        self.faults.append(fault)

    def when(self, seconds: float | None) -> str | None:
        """ISO instant of so many seconds after the start."""
        if seconds is None:
            return None
        return from_us(self.epoch_us + round(seconds * 1e6)).isoformat()


def _codes(
    plant: Plant, unit: str
) -> tuple[dict[WorkUnitState, int], dict[WorkUnitState | None, int]]:
    name = plant.work_units[unit].state_map
    if name is None:
        return dict(_PACKML), dict(_REASONS.items())
    states: StateMap = plant.state_maps[name]
    codes = {state: int(code) for code, state in states.states.items()}
    reasons: dict[WorkUnitState | None, int] = {s: int(c) for c, s in states.reasons.items()}
    return _PACKML | codes, reasons


def _signal_names(plant: Plant, unit: str) -> list[str | None]:
    signals = plant.work_units[unit].signals
    names: list[str | None] = []
    for role in _ON_CHANGE:
        names.append(next((n for n, s in signals.items() if s.role is role), None))
    return names
