"""The engine against exact results of queueing theory, within three standard errors.

SimPy is slow, so runs are short: the standard error is about half a percent, no better.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.engine_lab import START, exponential, job, plant, serial, unit
from twin.engine import RunResult, simulate


def assert_within_three_standard_errors(values: np.ndarray, exact: float) -> None:
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    assert error < 0.01 * exact, "the run is too short to say anything"
    assert abs(float(np.mean(values)) - exact) <= 3.0 * error


def saturated(cycles: list[dict[str, object]], capacity: int) -> RunResult:
    return simulate(
        serial(cycles, capacity),
        start=START,
        horizon_s=10_000,
        warm_up_s=500,
        replications=8,
        seed=1,
    )


@pytest.mark.parametrize(("capacity", "rate"), [(0, 0.564103), (1, 0.670466), (2, 0.734017)])
def test_three_exponential_stations_hillier_boling_1967(capacity: int, rate: float) -> None:
    """Hillier & Boling, Operations Research 15 (1967) 286-303; three stations of rate 1."""
    run = saturated([exponential(1.0)] * 3, capacity)
    assert_within_three_standard_errors(run.kpis["throughput_per_h"] / 3600.0, rate)


@pytest.mark.parametrize("capacity", [0, 3])
def test_two_exponential_stations_hunt_1956(capacity: int) -> None:
    """Hunt, Operations Research 4 (1956) 674-683: (b + 2) / (b + 3) at rate 1 and b places."""
    run = saturated([exponential(1.0)] * 2, capacity)
    exact = (capacity + 2) / (capacity + 3)
    assert_within_three_standard_errors(run.kpis["throughput_per_h"] / 3600.0, exact)


def test_zero_buffer_pair_of_unequal_rates_hunt_1956() -> None:
    """Two stations, no place between them: a b (a + b) / (a^2 + a b + b^2) for rates a, b."""
    a, b = 1.0, 0.5
    run = saturated([exponential(1 / a), exponential(1 / b)], 0)
    exact = a * b * (a + b) / (a * a + a * b + b * b)
    assert_within_three_standard_errors(run.kpis["throughput_per_h"] / 3600.0, exact)


def test_single_server_queue_kleinrock_1975() -> None:
    """Kleinrock, Queueing Systems I (1975), chapter 3: M/M/1 time in system is 1 / (mu - lambda)."""
    arrivals, service, n = 0.5, 1.0, 12_000
    times = []
    for replication in range(8):
        gaps = np.random.default_rng(replication).exponential(1 / arrivals, n)
        release = np.cumsum(gaps)
        run = simulate(
            plant({"server": unit(exponential(1 / service))}),
            start=START,
            horizon_s=float(release[-1]) + 1000.0,
            jobs=[job(f"{i}", 1, release_s=float(t)) for i, t in enumerate(release)],
            seed=2,
            first_replication=replication,
        )
        finished = np.array([run.order_finished_s[f"{i}"][0] for i in range(n)])
        times.append(float(np.mean((finished - release)[200:])))
    assert_within_three_standard_errors(np.array(times), 1 / (service - arrivals))


def test_availability_of_one_unreliable_station() -> None:
    """Barlow & Proschan, Mathematical Theory of Reliability (1965): renewal reward.

    A part of 1 s on a unit that fails every 200 s of production for 50 s: 200 / 250 parts a second.
    """
    line = plant(
        {
            "press": unit(
                1.0,
                failure_modes={
                    "jam": {"time_to_failure": exponential(200.0), "repair": exponential(50.0)}
                },
            )
        }
    )
    run = simulate(line, start=START, horizon_s=100_000, replications=8, seed=3)
    assert_within_three_standard_errors(run.kpis["throughput_per_h"] / 3600.0, 0.8)
    assert_within_three_standard_errors(run.unit_states["press"]["production"], 0.8)


def test_machines_that_share_one_crew_are_palm_s_machine_interference() -> None:
    """Cox & Smith, Queues (1961): finite-source M/M/1 queue.

    Two stations far apart (neither starves nor blocks) fail by the calendar clock at rate
    a = 1/200 and are mended at rate r = 1/100 by one crew. With p = a / r the probability that
    n are down is proportional to 1, 2 p, 2 p^2: mean number down = (2 p + 4 p^2) / (1 + 2 p + 2 p^2).
    """
    mode = {
        "jam": {
            "clock": "calendar",
            "time_to_failure": exponential(200.0),
            "repair": exponential(100.0),
        }
    }
    line = plant(
        {
            "left": unit(50.0, failure_modes=mode),
            "right": unit(50.0, failure_modes=mode),
            "join": unit(1.0),
        },
        {"a": ("left", "join", 5), "b": ("right", "join", 5)},
        crews=1,
    )
    run = simulate(line, start=START, horizon_s=200_000, warm_up_s=1000, replications=8, seed=4)
    down = sum(run.unit_states[u]["down"] + run.unit_states[u]["repair"] for u in ("left", "right"))
    p = 0.5
    assert_within_three_standard_errors(
        np.asarray(down), (2 * p + 4 * p * p) / (1 + 2 * p + 2 * p * p)
    )
