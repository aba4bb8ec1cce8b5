"""The bottleneck of a run: critical paths averaged, ranked and said in a sentence."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.engine_lab import START, constant, exponential, job, plant, serial, unit
from twin.engine import simulate
from twin.errors import DataError
from twin.scenarios.bottleneck import bottleneck


def test_the_slowest_unit_of_a_line_without_chance_has_all_of_the_share() -> None:
    line = serial([3.0, 5.0, 4.0], 2)
    run = simulate(line, start=START, horizon_s=1008.0, warm_up_s=8.0, trace=True)
    found = bottleneck(run, line)
    assert [(s.unit, s.share) for s in found.stations] == [("u1", 1.0)]
    assert found.seconds == 1000.0
    assert found.message == (
        "the bottleneck is u1: 100% of the time that decided the end, 100% in service"
    )


def test_the_sentence_says_what_the_bottleneck_does() -> None:
    # 5 s of work a part, and after every 50 s of work a repair of 25 s: two thirds to one third.
    modes = {"m": {"time_to_failure": constant(50.0), "repair": constant(25.0)}}
    line = plant({"a": unit(1.0), "b": unit(5.0, failure_modes=modes)}, {"z": ("a", "b", 2)})
    run = simulate(line, start=START, horizon_s=15001.0, trace=True)
    found = bottleneck(run, line)
    assert found.stations[0].unit == "b"
    assert found.stations[0].kinds["service"] == pytest.approx(2 / 3, abs=0.005)
    assert found.message.endswith("67% in service, 33% in repair")


def test_a_line_that_is_short_of_orders_says_so() -> None:
    line = serial([3.0, 5.0], 1)
    jobs = [job("a", 1), job("b", 1, release_s=992.0)]
    run = simulate(line, start=START, horizon_s=1e6, jobs=jobs, until_done=True, trace=True)
    assert bottleneck(run, line).message == (
        "the line waits for parts to start at u0: 99% waiting for something to start"
    )


def test_shares_are_means_over_replications_with_an_interval() -> None:
    line = serial([exponential(5.0), exponential(9.0)], 2)
    run = simulate(line, start=START, horizon_s=20000.0, replications=8, seed=2, trace=True)
    found = bottleneck(run, line)
    assert sum(s.share for s in found.stations) == pytest.approx(1.0)
    first = found.stations[0]
    assert first.unit == "u1"
    assert first.low < first.share < first.high
    assert sum(first.kinds.values()) == pytest.approx(first.share)


def test_a_balanced_line_without_buffers_shares_the_blame_alike() -> None:
    # Reversed in time a line is the line backwards (Muth 1979), so both ends have the same share.
    line = serial([exponential(5.0)] * 3, 0)
    run = simulate(line, start=START, horizon_s=10000.0, replications=12, seed=5, trace=True)
    share = {s.unit: s for s in bottleneck(run, line, level=0.99).stations}
    assert share["u0"].low < share["u2"].high
    assert share["u2"].low < share["u0"].high
    assert share["u1"].share > max(share["u0"].share, share["u2"].share)


def test_the_finding_is_plain_json() -> None:
    line = serial([3.0, 5.0], 1)
    run = simulate(line, start=START, horizon_s=100.0, trace=True)
    plain = json.loads(json.dumps(bottleneck(run, line).as_dict()))
    assert plain["stations"][0]["unit"] == "u1"
    assert plain["stations"][0]["low"] is None  # one replication has no interval
    assert np.isclose(sum(s["share"] for s in plain["stations"]), 1.0)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_level_that_is_none_is_refused(level: float) -> None:
    line = serial([3.0], 1)
    run = simulate(line, start=START, horizon_s=100.0, trace=True)
    with pytest.raises(DataError, match="level"):
        bottleneck(run, line, level=level)
