"""The serial line in salabim: a component for each station, a Store for each zone, nothing animated or monitored."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import salabim as sim

__all__ = ["run"]


def run(*, stations: int, places: int, cycle_s: float, horizon_s: float, seed: int) -> list[int]:
    """[parts times stations, parts made] of one run with exponential cycles."""
    env = sim.Environment(yieldless=False, random_seed=seed, trace=False, do_reset=True)
    zones = [sim.Store(f"z{i}", capacity=places, monitor=False) for i in range(stations - 1)]
    cycle = sim.Exponential(cycle_s)
    worked = [0] * stations
    made = [0]

    class Part(sim.Component):  # type: ignore[misc]
        pass

    class Station(sim.Component):  # type: ignore[misc]
        def setup(self, i: int) -> None:
            self.i = i
            self.mode.monitor(False)
            self.status.monitor(False)

        def process(self) -> Generator[Any, Any, None]:
            i = self.i
            while True:
                if i:
                    part = yield self.from_store(zones[i - 1])
                else:
                    part = Part()
                worked[i] += 1
                yield self.hold(cycle.sample())
                if i < stations - 1:
                    yield self.to_store(zones[i], part)
                else:
                    made[0] += 1

    for i in range(stations):
        Station(i=i)
    env.run(till=horizon_s)
    return [sum(worked), made[0]]
