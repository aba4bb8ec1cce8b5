"""The serial line in simantha: machines and buffers between a source and a sink, no data collected."""

from __future__ import annotations

import random
from typing import Any

from simantha import Buffer, Machine, Sink, Source, System

__all__ = ["run"]


class _Exponential(Machine):  # type: ignore[misc]
    mean_s = 60.0

    def get_cycle_time(self) -> float:
        return random.expovariate(1.0 / self.mean_s)


def run(*, stations: int, places: int, cycle_s: float, horizon_s: float, seed: int) -> list[int]:
    """[parts times stations, parts made] of one run with exponential cycles."""
    random.seed(seed)
    machines: list[Any] = [_Exponential(f"u{i}") for i in range(stations)]
    buffers = [Buffer(f"z{i}", capacity=places) for i in range(stations - 1)]
    source, sink = Source(), Sink()
    for machine in machines:
        machine.mean_s = cycle_s
    ways: list[Any] = [source]
    for i, machine in enumerate(machines):
        ways += [machine, buffers[i] if i < stations - 1 else sink]
    source.define_routing(downstream=[machines[0]])
    sink.define_routing(upstream=[machines[-1]])
    for before, at, after in zip(ways, ways[1:], ways[2:], strict=False):
        at.define_routing(upstream=[before], downstream=[after])
    system = System(ways)
    system.simulate(simulation_time=horizon_s, verbose=False, collect_data=False)
    return [sum(machine.parts_made for machine in machines), sink.level]
