"""Nominal 95 % intervals of a run cover the exact value in 93 to 97 % of 500 experiments."""

from __future__ import annotations

import pytest

from tests.engine_lab import START, exponential, serial
from tests.exact_lines import Station, serial_line
from twin.engine import simulate
from twin.engine.choose import Engine

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("engine", ["events", "recursion"])
@pytest.mark.parametrize("replications", [10, 5])
def test_intervals_cover_as_often_as_they_say(engine: Engine, replications: int) -> None:
    """Three exponential stations with one place between them, seeds 0 to 499 (Hillier & Boling)."""
    exact = serial_line([Station()] * 3, 1).throughput() * 3600.0
    line = serial([exponential(1.0)] * 3, 1)
    covered = 0
    for seed in range(500):
        run = simulate(
            line,
            start=START,
            horizon_s=2_200.0,
            warm_up_s=200.0,
            replications=replications,
            seed=seed,
            engine=engine,
        )
        assert run.engine == engine
        _, low, high = run.summary("throughput_per_h", level=0.95)
        covered += low <= exact <= high
    assert 465 <= covered <= 485
