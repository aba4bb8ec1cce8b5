"""The serial line in Ciw: nodes with finite queues, blocking after service.

Ciw has no source that never runs dry, so parts arrive half as often again as the first station can
work, and those that find its queue full are lost at once.
"""

from __future__ import annotations

import ciw

__all__ = ["run"]


def run(*, stations: int, places: int, cycle_s: float, horizon_s: float, seed: int) -> list[int]:
    """[parts times stations, parts made] of one run with exponential cycles."""
    ciw.seed(seed)
    network = ciw.create_network(
        arrival_distributions=[
            ciw.dists.Deterministic(cycle_s / 1.5),
            *[None] * (stations - 1),
        ],
        service_distributions=[ciw.dists.Exponential(1.0 / cycle_s)] * stations,
        number_of_servers=[1] * stations,
        queue_capacities=[places] * stations,
        routing=ciw.routing.NetworkRouting(
            routers=[
                *[ciw.routing.Direct(to=i + 2) for i in range(stations - 1)],
                ciw.routing.Leave(),
            ]
        ),
    )
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(horizon_s)
    done = simulation.get_all_records(only=["service"])
    return [len(done), sum(record.node == stations for record in done)]
