"""The serial line as a SimPy textbook writes it: a process for each station, a Store for each zone.

After SimPy's own examples "Process Communication" and "Machine Shop"; stops depend on operation.
"""

from __future__ import annotations

import random
from collections.abc import Generator
from typing import Any

import simpy

__all__ = ["run"]


def run(
    *,
    stations: int,
    places: int,
    cycle_s: float,
    horizon_s: float,
    seed: int,
    stop_every_s: float | None = None,
    stop_s: float = 300.0,
) -> list[int]:
    """[parts times stations, parts made] of one run with exponential cycles, stops and repairs."""
    env = simpy.Environment()
    rng = random.Random(seed)
    zones = [simpy.Store(env, capacity=places) for _ in range(stations - 1)]
    crew = simpy.Resource(env, capacity=stations)
    worked = [0] * stations
    made = 0

    def work(life_s: float) -> Generator[Any, Any, float]:
        """A cycle with the stops that fall into it; the life that is left."""
        left_s = rng.expovariate(1.0 / cycle_s)
        while left_s > life_s:
            yield env.timeout(life_s)
            left_s -= life_s
            with crew.request() as free:
                yield free
                yield env.timeout(rng.expovariate(1.0 / stop_s))
            life_s = rng.expovariate(1.0 / stop_every_s) if stop_every_s else float("inf")
        yield env.timeout(left_s)
        return life_s - left_s

    def station(i: int) -> Generator[Any, Any, None]:
        nonlocal made
        life_s = rng.expovariate(1.0 / stop_every_s) if stop_every_s else 0.0
        part = 0
        while True:
            part = (yield zones[i - 1].get()) if i else part + 1
            worked[i] += 1
            if stop_every_s:
                life_s = yield from work(life_s)
            else:
                yield env.timeout(rng.expovariate(1.0 / cycle_s))
            if i < stations - 1:
                yield zones[i].put(part)
            else:
                made += 1

    for i in range(stations):
        env.process(station(i))
    env.run(until=horizon_s)
    return [sum(worked), made]
