"""The best of several, with the probability that is promised."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tests.engine_lab import START, exponential, plant, serial, unit
from twin.errors import DataError, FileFaults, NotFoundError
from twin.plant import Plant
from twin.scenarios import Scenario, Selection, select_best
from twin.scenarios.screening import boundary, screen


def machine() -> Plant:
    """One saturated exponential machine: 3600 / mean parts an hour, exactly."""
    return plant({"u": unit(exponential(60.0))})


def mean_s(seconds: float) -> Scenario:
    return Scenario.of(f"{seconds:g} s", f"station.u.cycle_time.default.mean_s={seconds}")


def run(*scenarios: Scenario, kpi: str = "throughput_per_h", **more: Any) -> Selection:
    arguments: dict[str, Any] = {"start": START, "horizon_s": 3600, "seed": 1}
    return select_best(machine(), scenarios, kpi, **(arguments | more))


def test_the_fastest_of_three_machines_is_selected() -> None:
    found = run(mean_s(60), mean_s(50), mean_s(70), delta=2.0)
    assert (found.best, found.guaranteed) == ("50 s", True)
    assert [a.state for a in found.alternatives] == ["eliminated", "selected", "eliminated"]
    assert {one.name for one in found.history} == {"60 s", "70 s"}
    assert all(one.difference < 0 for one in found.history)
    assert "selected" in found.verdict
    assert "probability 0.95" in found.verdict


def test_the_smallest_is_selected_where_less_is_better() -> None:
    found = run(mean_s(60), mean_s(50), mean_s(70), kpi="flow_time_s", delta=2.0)
    assert (found.best, found.better) == ("50 s", "lower")
    assert all(one.difference > 0 for one in found.history)
    more = run(mean_s(60), mean_s(90), kpi="flow_time_s", delta=2.0, better="higher")
    assert more.best == "90 s"


def test_what_is_clearly_worse_stops_after_the_first_replications() -> None:
    found = race([60.0, 60.0, 20.0], delta=1.0, max_replications=100)
    used = [a.replications for a in found.alternatives]
    assert used[2] == 16
    assert min(used[:2]) > 16
    assert (found.history[0].name, found.history[0].replications) == ("2", 16)
    assert found.replications == sum(used)


def test_without_replications_left_nothing_is_guaranteed_and_it_says_so() -> None:
    found = race([60.0, 60.0], delta=0.001, max_replications=24)
    assert not found.guaranteed
    assert "nothing is guaranteed" in found.verdict
    assert {a.state for a in found.alternatives} == {"in contention"}
    assert [a.replications for a in found.alternatives] == [24, 24]


def test_of_two_that_are_the_same_to_the_last_bit_the_first_stays() -> None:
    same = [Scenario.of("one"), Scenario.of("two")]
    found = run(*same)
    assert (found.best, found.guaranteed, found.replications) == ("one", True, 32)
    assert found.history[0].difference == 0.0


def test_a_line_without_chance_is_decided_at_once() -> None:
    constant = plant({"u": unit(10.0)})
    found = select_best(
        constant,
        [Scenario.of("now"), Scenario.of("faster", "station.u.cycle_time=*0.9")],
        "throughput_per_h",
        start=START,
        horizon_s=3600,
        first=5,
    )
    assert (found.best, found.replications) == ("faster", 10)


def test_the_default_difference_is_a_percent_of_the_best_mean() -> None:
    found = run(mean_s(60), mean_s(80), first=64)
    assert found.delta == pytest.approx(0.60, rel=0.05)


def test_blocks_and_progress_change_nothing() -> None:
    told: list[float] = []
    found = run(mean_s(60), mean_s(58), delta=0.5, block=3, progress=told.append)
    assert found.as_dict() == run(mean_s(60), mean_s(58), delta=0.5).as_dict()
    assert (told[0], told[-1]) == (0.0, 1.0)
    assert told == sorted(told)


def test_the_document_is_plain() -> None:
    found = run(mean_s(60), mean_s(80)).as_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["alternatives"][0]["name"] == "60 s"
    assert found["verdict"]


def test_questions_that_cannot_be_answered_are_refused_before_anything_runs() -> None:
    two = (mean_s(60), mean_s(80))
    for wrong, message in (
        ({"delta": 0.0}, "delta is 0"),
        ({"probability": 0.5}, "must lie between 1/2 and 1"),
        ({"first": 4}, "at least 5"),
        ({"max_replications": 8}, "not below first"),
        ({"kpi": "energy_kwh"}, "say which you want"),
        ({"kpi": "scrapped_parts"}, "give delta"),
        ({"kpi": "tardiness_h"}, "no KPI"),
    ):
        with pytest.raises((DataError, NotFoundError), match=message):
            run(*two, **wrong)
    with pytest.raises(DataError, match="at least two"):
        run(mean_s(60))
    with pytest.raises(DataError, match="same name: 60 s"):
        run(mean_s(60), mean_s(60))
    with pytest.raises(FileFaults) as refused:
        run(Scenario.of("a", "x=1"), Scenario.of("b", "y=1"))
    assert len(refused.value.faults) == 2


def test_a_replication_without_a_value_is_named() -> None:
    with pytest.raises(DataError, match="flow_time_s has no value in replication 0 of 9000 s"):
        run(mean_s(60), mean_s(9000), kpi="flow_time_s", horizon_s=600)


def test_the_boundary_is_that_of_kim_and_nelson() -> None:
    # eta = ((2 beta)^(-2/(n-1)) - 1) / 2, h^2 = 2 eta (n - 1), beta = alpha / (k - 1), by hand:
    assert boundary(10, 2, 0.95) == pytest.approx(9 * (0.1 ** (-2 / 9) - 1))
    assert boundary(24, 5, 0.95) == pytest.approx(23 * (0.025 ** (-2 / 23) - 1))
    # Many observations: the known-variance limit -2 ln(2 beta)
    assert boundary(10**7, 5, 0.95) == pytest.approx(-2 * np.log(0.025), rel=1e-5)


def test_a_mean_below_another_by_more_than_the_margin_is_out_and_not_by_less() -> None:
    # Differences 1 and 3: mean 2, S^2 = 2, n = 2. With h^2 = 6, delta = 1 the margin is (12 - 2) / 4 = 2.5.
    two = np.array([[0.0, 0.0], [1.0, 3.0]])
    assert screen(two, 1.0, 6.0).out == {}
    assert screen(two, 1.0, 6.0).needed == 12.0
    assert screen(two, 1.0, 4.0).out == {0: 1}


@pytest.mark.parametrize("correlation", [0.0, 0.7])
def test_the_promise_holds_for_normal_figures_whether_tied_together_or_not(
    correlation: float,
) -> None:
    # Four, the first ahead by exactly delta = 1. Of 300 with probability 0.95, binomial(300, 0.95) has 277 or more
    # right with 97 %.
    draw = np.random.default_rng(20260302)

    def figures(n: int) -> Any:
        shared, own = draw.normal(size=n), draw.normal(size=(4, n))
        noise = 2.0 * (np.sqrt(correlation) * shared + np.sqrt(1.0 - correlation) * own)
        return noise + np.array([[1.0], [0.0], [0.0], [0.0]])

    def winner() -> int:
        left, seen = np.arange(4), figures(16)
        while len(left) > 1:
            n = seen.shape[1]
            out = screen(seen[left], 1.0, boundary(n, 4, 0.95)).out
            left = np.array([row for i, row in enumerate(left) if i not in out])
            seen = np.hstack([seen, figures(8)])
        return int(left[0])

    assert sum(winner() == 0 for _ in range(300)) >= 277


@pytest.mark.slow
def test_the_best_is_found_as_often_as_promised_where_it_is_just_ahead_by_delta() -> None:
    # Delta is the true difference, and the streams are independent: the hardest case. Of 100 experiments
    # with probability 0.9, binomial(100, 0.9) has 83 or more right with 99 %.
    right, replications = 0, 0
    for seed in range(100):
        found = race([57.0, 60.0], delta=3.0, probability=0.9, seed=seed, first=8, step=1)
        assert found.guaranteed
        right += found.best == "1"
        replications += found.replications
    assert right >= 83
    assert replications > 100 * 2 * 10  # it was not decided at once


@pytest.mark.slow
def test_the_promise_holds_among_four_and_those_far_behind_cost_little() -> None:
    right, used = 0, np.zeros(4)
    for seed in range(40):
        found = race([56.0, 56.0, 60.0, 30.0], delta=4.0, probability=0.9, seed=seed, first=8)
        right += found.best == "2"
        used += [a.replications for a in found.alternatives]
    assert right >= 31  # binomial(40, 0.9): 98 %
    assert used[3] < 40 * 10
    assert used[2] > 2 * used[3]


def race(rates_per_h: list[float], **more: Any) -> Selection:
    """Scenario i makes machine i of a row the only slow one: its rate is that of the line, on a stream of its own."""
    row = serial([exponential(0.001)] * len(rates_per_h), 1)
    scenarios = [
        Scenario.of(str(i), f"unit.u{i}.cycle_time.default.mean_s={3600.0 / rate}")
        for i, rate in enumerate(rates_per_h)
    ]
    arguments: dict[str, Any] = {"start": START, "horizon_s": 3600, "seed": 1}
    return select_best(row, scenarios, "throughput_per_h", **(arguments | more))
