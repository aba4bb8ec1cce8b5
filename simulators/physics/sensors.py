"""Slow wander of process values, and what sensors make of the machines."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

from simulators.physics.emission import BAD, GOOD
from simulators.physics.hidden import settings
from simulators.physics.line import Line
from simulators.physics.machine import REPAIR, RUN, SETUP, WAIT
from simulators.physics.streams import Stream, Streams
from twin.plant import Plant, Signal, SignalRole, WorkUnitState

__all__ = ["GRID_S", "Parameters", "Sensor", "Wander", "make_sensors"]

GRID_S = 10.0
"""How often process values take a step. [s]"""


class Wander:
    """First-order autoregression around 0, one step every GRID_S."""

    __slots__ = ("_keep", "_kick", "_noise", "value")

    def __init__(self, sd: float, tau_s: float, noise: Stream) -> None:
        self._keep = math.exp(-GRID_S / tau_s)
        self._kick = sd * math.sqrt(1.0 - self._keep**2)
        self._noise = noise
        self.value = sd * noise.next()

    def step(self) -> None:
        """Move on by GRID_S."""
        self.value = self._keep * self.value + self._kick * self._noise.next()


class Parameters:
    """Actual process parameters: the setpoint of the plant file plus slow wander."""

    def __init__(self, plant: Plant, streams: Streams) -> None:
        table = settings()["parameters"]
        self.setpoint: dict[tuple[str, str], float] = {}
        self.wander: dict[tuple[str, str], Wander] = {}
        for unit, work_unit in plant.work_units.items():
            for name, parameter in work_unit.parameters.items():
                law = table.get(
                    name, {"sd": 0.005 * (parameter.high - parameter.low), "tau_s": 1500.0}
                )
                key = (unit, name)
                self.setpoint[key] = parameter.value
                self.wander[key] = Wander(
                    law["sd"], law["tau_s"], streams.normal(f"{unit}/{name}/wander")
                )

    def actual(self, unit: str, name: str) -> float:
        """The value that the parts feel."""
        return self.setpoint[unit, name] + self.wander[unit, name].value


class Sensor(ABC):
    """One sampled signal of a machine."""

    def __init__(self, unit: str, name: str, signal: Signal, index: int, streams: Streams) -> None:
        self.unit, self.name, self.signal, self.index = unit, name, signal, index
        self.always = signal.role is not SignalRole.CONDITION
        self._noise = streams.normal(f"{unit}/{name}/noise")
        outage = settings()["outages"].get(f"{unit}.{name}")
        self._outage = outage
        self._lost = False
        self._toggle_s = math.inf
        if outage:
            self._gaps = streams.uniform(f"{unit}/{name}/outage")
            self._toggle_s = -outage["good_s"] * math.log1p(-self._gaps.next())

    def read(self, line: Line, now: float) -> tuple[float | None, int]:
        """Value and quality now."""
        value = self.true_value(line, now, self._noise.next())
        while now >= self._toggle_s:
            self._lost = not self._lost
            mean = self._outage["bad_s" if self._lost else "good_s"]
            self._toggle_s += -mean * math.log1p(-self._gaps.next())
        return (None, BAD) if self._lost else (value, GOOD)

    @abstractmethod
    def true_value(self, line: Line, now: float, noise: float) -> float:
        """The reading without outages; ``noise`` is standard normal."""

    def step(self) -> None:  # noqa: B027  most sensors have no process of their own
        """Move the sensor's own process on by GRID_S."""

    def state(self) -> dict[str, Any]:
        """Everything that changes, as plain values."""
        return {"lost": self._lost, "toggle": None if self._outage is None else self._toggle_s}

    def restore(self, plain: dict[str, Any]) -> None:
        """Put back what ``state`` gave."""
        self._lost = plain["lost"]
        self._toggle_s = math.inf if plain["toggle"] is None else plain["toggle"]


_SHOWN = {
    RUN: WorkUnitState.PRODUCTION,
    SETUP: WorkUnitState.SETUP,
    WAIT: WorkUnitState.DOWN,
    REPAIR: WorkUnitState.REPAIR,
}


class PowerSensor(Sensor):
    """Electrical power by state."""

    def __init__(self, *args: Any, plant: Plant, parameters: Parameters) -> None:
        super().__init__(*args)
        self._power = plant.work_units[self.unit].power
        self._parameters = parameters
        self._sd: float = settings()["power"]["noise"]
        self._setpoint = 0.0
        if self._power.parameter:
            self._setpoint = parameters.setpoint[self.unit, self._power.parameter]

    def true_value(self, line: Line, now: float, noise: float) -> float:
        m, power = line.machines[self.index], self._power
        if not m.on:
            base = power.off_w
        else:
            waits = WorkUnitState.BLOCKED if m.held else WorkUnitState.STARVED
            base = power.in_state(_SHOWN.get(m.activity, waits))
            if power.parameter:
                actual = self._parameters.actual(self.unit, power.parameter)
                base += power.slope_w * (actual - self._setpoint)
        spread = 1.0 + self._sd * noise
        return max(0.0, base * m.truth.power_factor * spread)


class ConditionSensor(Sensor):
    """A noisy, convex function of wear."""

    def __init__(self, *args: Any, modes: list[int], products: list[str]) -> None:
        super().__init__(*args)
        default = {"fresh": 1.0, "worn": 4.0, "power": 2.0, "noise": 0.03}
        law = settings()["conditions"].get(self.name, default)
        self._fresh, self._power, self._sd = law["fresh"], law["power"], law["noise"]
        self._span = law["worn"] - law["fresh"]
        self._modes = modes
        self._offset = {p: 0.008 * (k - (len(products) - 1) / 2) for k, p in enumerate(products)}

    def true_value(self, line: Line, now: float, noise: float) -> float:
        m = line.machines[self.index]
        elapsed = line.elapsed(self.index)
        wear = max((m.modes[k].wear(elapsed) for k in self._modes), default=0.0)
        level = self._fresh + self._span * wear**self._power
        return float(level * (1.0 + self._offset.get(m.product, 0.0) + self._sd * noise))


class ParameterSensor(Sensor):
    """Measures a process parameter."""

    def __init__(self, *args: Any, parameters: Parameters) -> None:
        super().__init__(*args)
        self._parameters = parameters
        signal_parameter = self.signal.parameter
        self._sd: float = settings()["parameters"].get(signal_parameter, {}).get("noise", 0.1)

    def true_value(self, line: Line, now: float, noise: float) -> float:
        return self._parameters.actual(self.unit, str(self.signal.parameter)) + self._sd * noise


class ProcessSensor(Sensor):
    """Any other process value: wanders slowly, swings with the day."""

    def __init__(self, *args: Any, streams: Streams) -> None:
        super().__init__(*args)
        signal = self.signal
        low, high = signal.low or 0.0, signal.high or 100.0
        middle = {"center": (low + high) / 2, "sd": (high - low) / 100, "tau_s": 3600.0}
        law = {"swing": 0.0, "noise": 0.0} | settings()["process"].get(self.name, middle)
        self._center, self._swing = float(law["center"]), float(law["swing"])
        self._sd = float(law["noise"])
        self._wander = Wander(
            law["sd"], law["tau_s"], streams.normal(f"{self.unit}/{self.name}/wander")
        )

    def true_value(self, line: Line, now: float, noise: float) -> float:
        day = self._swing * math.sin(2.0 * math.pi * (now / 86_400.0 - 0.1))
        return self._center + self._wander.value + day + self._sd * noise

    def step(self) -> None:
        self._wander.step()

    def state(self) -> dict[str, Any]:
        return {**super().state(), "wander": self._wander.value}

    def restore(self, plain: dict[str, Any]) -> None:
        super().restore(plain)
        self._wander.value = plain["wander"]


def make_sensors(plant: Plant, streams: Streams, parameters: Parameters) -> list[Sensor]:
    """A sensor for every signal of the plant file that is sampled, not sent on change."""
    sensors: list[Sensor] = []
    for index, (unit, work_unit) in enumerate(plant.work_units.items()):
        modes = list(work_unit.failure_modes)
        for name, signal in work_unit.signals.items():
            about = (unit, name, signal, index, streams)
            if signal.role is SignalRole.ENERGY:
                sensors.append(PowerSensor(*about, plant=plant, parameters=parameters))
            elif signal.role is SignalRole.CONDITION:
                shown = [modes.index(m) for m in signal.failure_modes]
                sensors.append(ConditionSensor(*about, modes=shown, products=list(plant.products)))
            elif signal.role is SignalRole.PROCESS and signal.parameter:
                sensors.append(ParameterSensor(*about, parameters=parameters))
            elif signal.role is SignalRole.PROCESS:
                sensors.append(ProcessSensor(*about, streams=streams))
    return sensors
