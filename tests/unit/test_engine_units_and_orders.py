"""What a run tells of each unit and each order: energy by state, OEE and its factors, completion, lateness."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from tests.engine_lab import START, constant, job, plant, practice, unit
from tests.sameness import simulate
from twin.engine import open_jobs
from twin.plant import Plant


def test_energy_is_told_by_unit_and_state_each_with_its_own_power() -> None:
    power = {"production_w": 3600.0, "idle_w": 360.0, "setup_w": 720.0, "starved_w": 36.0}
    more = {"power": power, "setup": {"other_family_s": 50.0}}
    line = plant({"u": unit(10.0, **more)}, products={"P": "F", "Q": "G"})
    jobs = [job("A", 1), job("B", 1, "Q")]
    run = simulate(line, start=START, horizon_s=100, jobs=jobs, replications=2)
    # 20 s of work, 50 s of setup between the two, then 30 s without a part
    joules = {"production": 72_000.0, "setup": 36_000.0, "starved": 1080.0}
    for state, energy in run.unit_energy_kwh["u"].items():
        assert energy == pytest.approx(joules.get(state, 0.0) / 3.6e6, rel=1e-12)
    assert run.kpis["energy_kwh"][0] == pytest.approx(sum(joules.values()) / 3.6e6, rel=1e-12)
    told = run.as_dict()["unit_energy_kwh"]["u"]["setup"]
    assert told == pytest.approx({"mean": 0.01, "low": 0.01, "high": 0.01})


def test_a_state_without_a_power_of_its_own_draws_that_of_an_idle_unit() -> None:
    modes = {"m": {"time_to_failure": constant(10.0), "repair": constant(5.0)}}
    power = {"idle_w": 720.0, "repair_w": 3600.0}
    line = plant({"u": unit(100.0, failure_modes=modes, power=power)})
    run = simulate(line, start=START, horizon_s=30)
    assert run.unit_energy_kwh["u"]["repair"][0] == pytest.approx(10 * 3600.0 / 3.6e6)
    power = {"idle_w": 720.0}
    line = plant({"u": unit(100.0, failure_modes=modes, power=power)})
    run = simulate(line, start=START, horizon_s=30)
    assert run.unit_energy_kwh["u"]["repair"][0] == pytest.approx(10 * 720.0 / 3.6e6)


def reworking() -> Plant:
    """Every part is defective when it is made (but one in a million), found, mended, and looked at again."""
    return plant(
        {
            "make": unit(5.0, defects={"base": 0.999999}),
            "test": unit(10.0, inspection={"coverage": 1.0, "rework": "again"}, takes="any"),
            "mend": unit(20.0),
        },
        {
            "z": ("make", "test", 9),
            "again": ("test", "mend", 9),
            "back": ("mend", "test", 9),
        },
    )


def test_oee_of_a_unit_is_availability_times_effectiveness_times_quality_ratio() -> None:
    # test works from 5 to 25 on two parts, both found defective; from 35 to 45 on the first again, good; from 55 on
    # the second. In 60 s: 35 s of production for 3 parts of 10 s, of which one is good.
    run = simulate(reworking(), start=START, horizon_s=60, jobs=[job("A", 2)], replications=2)
    found = {name: values[0] for name, values in run.unit_kpis["test"].items()}
    assert found == pytest.approx(
        {
            "availability": 35 / 60,
            "effectiveness": 30 / 35,
            "quality_ratio": 1 / 3,
            "oee": 1 / 6,
        }
    )
    assert run.unit_kpis["make"]["oee"][0] == pytest.approx(10 / 60)
    told = run.as_dict()["unit_kpis"]["test"]["oee"]
    assert told == pytest.approx({"mean": 1 / 6, "low": 1 / 6, "high": 1 / 6})


def test_oee_of_a_unit_is_of_the_measured_time() -> None:
    # From 20 to 60: 5 + 10 + 5 s of production; the second part found defective at 25, the first good at 45.
    run = simulate(reworking(), start=START, horizon_s=60, jobs=[job("A", 2)], warm_up_s=20)
    found = {name: values[0] for name, values in run.unit_kpis["test"].items()}
    assert found == pytest.approx(
        {"availability": 0.5, "effectiveness": 1.0, "quality_ratio": 0.5, "oee": 0.25}
    )
    assert math.isnan(run.unit_kpis["make"]["effectiveness"][0])


def test_what_is_produced_after_the_warm_up_is_counted_by_product_on_every_engine() -> None:
    # P takes 5 s, Q 3 s, in turn, a part each: ends at 5, 8, 13, 16, 21, 24. From 8 to 22: P, Q, P in 13 of 14 s.
    laws = {"P": constant(5.0), "Q": constant(3.0)}
    line = plant({"u": unit(1.0) | {"cycle_time": laws}}, products={"P": "F", "Q": "F"})
    jobs = [job("A", 1), job("B", 1, "Q")] * 3
    run = simulate(line, start=START, horizon_s=22, jobs=jobs, warm_up_s=8)
    assert run.unit_kpis["u"]["availability"][0] == pytest.approx(1.0)
    assert run.unit_kpis["u"]["effectiveness"][0] == pytest.approx(13 / 14)


def test_an_oven_that_is_not_full_is_less_effective() -> None:
    # Two parts in an oven for four, at work for 20 s: half of what could have been made.
    oven = unit(20.0, batch={"size": 4, "minimum": 2})
    line = plant({"a": unit(1.0), "o": oven}, {"z": ("a", "o", 4)})
    run = simulate(line, start=START, horizon_s=40, jobs=[job("A", 2)])
    assert run.unit_kpis["o"]["availability"][0] == pytest.approx(0.5)
    assert run.unit_kpis["o"]["effectiveness"][0] == pytest.approx(0.5)


@pytest.mark.parametrize("after_h", [-240, 0])
def test_lateness_is_signed_and_each_order_has_its_own(after_h: int) -> None:
    line = practice()
    jobs = open_jobs(line)[:2]
    due = {one.order_id: line.orders[one.order_id].due_at for one in jobs}
    start = due[jobs[0].order_id] + timedelta(hours=after_h)
    run = simulate(line, start=start, horizon_s=2e6, jobs=jobs, until_done=True, replications=2)
    for order, at in due.items():
        ahead_s = (at - start).total_seconds()
        expected = (run.order_finished_s[order] - ahead_s) / 3600
        assert run.order_lateness_h[order] == pytest.approx(expected)
    first = run.order_lateness_h[jobs[0].order_id]
    assert bool(first[0] < 0.0) == (after_h < 0)
    told = run.as_dict()["orders"][jobs[0].order_id]
    assert told["lateness_h"]["low"] <= told["lateness_h"]["mean"] <= told["lateness_h"]["high"]
    low, high = told["finished_interval_s"]
    assert low <= told["finished_s"] <= high


def test_an_order_that_is_not_finished_is_neither_late_nor_early() -> None:
    line = practice()
    jobs = open_jobs(line)[:1]
    run = simulate(line, start=line.orders[jobs[0].order_id].due_at, horizon_s=600, jobs=jobs)
    told = run.as_dict()["orders"][jobs[0].order_id]
    assert told["lateness_h"] == {"mean": None, "low": None, "high": None}
    assert (told["finished_s"], told["finished_interval_s"]) == (None, [None, None])
