"""Failures, repairs, crews, forecasts and planned maintenance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.engine_lab import START, constant, exponential, job, later, plant, unit
from tests.sameness import simulate
from twin.engine import EventTrace, LiveState, PlannedMaintenance, UnitStart
from twin.plant import (
    FailureForecast,
    Plant,
    WorkUnitState,
)


def mode(life_s: float, repair_s: float, **more: Any) -> dict[str, Any]:
    return {"time_to_failure": constant(life_s), "repair": constant(repair_s), **more}


def one(cycle_s: float = 10.0, *, weekly: tuple[str, ...] | None = None, **modes: Any) -> Plant:
    more = {"weekly": weekly} if weekly else {}
    return plant({"u": unit(cycle_s, failure_modes=modes)}, **more)


def events(trace: EventTrace | None, kind: str, name: str | None = None) -> list[float]:
    assert trace is not None
    rows = trace.kind == trace.kinds.index(kind)
    if name is not None:
        rows &= trace.unit == trace.units.index(name)
    return [float(t) for t in trace.time_s[rows]]


def forecast(
    hours: tuple[float, ...], p: tuple[float, ...], made_at_s: float = 0
) -> FailureForecast:
    return FailureForecast(
        work_unit="u",
        failure_mode="jam",
        made_at=later(made_at_s),
        horizon_h=hours,
        probability=p,
        model="test",
    )


def test_a_failure_interrupts_the_part_and_its_work_goes_on_after_the_repair() -> None:
    run = simulate(one(jam=mode(25.0, 100.0)), start=START, horizon_s=135, trace=True)
    assert events(run.trace, "failure") == [25.0]
    assert events(run.trace, "finish") == [10.0, 20.0, 130.0]
    assert run.unit_states["u"]["repair"][0] == pytest.approx(100 / 135)


def test_an_operating_life_does_not_pass_while_the_unit_starves() -> None:
    run = simulate(
        one(jam=mode(25.0, 5.0)),
        start=START,
        horizon_s=5000,
        jobs=[job("A", 2), job("B", 1, release_s=4000)],
        trace=True,
    )
    assert events(run.trace, "failure") == [4005.0]


def test_a_calendar_life_passes_all_the_time_and_strikes_a_starved_unit() -> None:
    run = simulate(
        one(jam=mode(25.0, 5.0, clock="calendar")), start=START, horizon_s=40, jobs=[], trace=True
    )
    assert events(run.trace, "failure") == [25.0]


def test_a_calendar_failure_off_shift_strikes_when_the_shift_begins() -> None:
    line = one(jam=mode(1800.0, 60.0, clock="calendar"), weekly=("Mon-Sun 01:00-02:00",))
    run = simulate(line, start=START, horizon_s=3 * 3600, trace=True)
    assert events(run.trace, "failure")[0] == 3600.0


def test_one_crew_mends_one_unit_after_the_other() -> None:
    modes = {"jam": mode(50.0, 100.0, clock="calendar")}
    line = plant(
        {"a": unit(10.0, failure_modes=modes), "b": unit(10.0, failure_modes=modes)},
        {"z": ("a", "b", 1)},
    )
    run = simulate(line, start=START, horizon_s=260, jobs=[job("A", 99)], trace=True)
    # a was asked for first: its repair ends at 150, b's at 250
    assert events(run.trace, "repair") == [50.0, 150.0, 250.0]
    assert run.unit_states["b"]["down"][0] == pytest.approx(100 / 260)


def test_planned_maintenance_removes_the_forecast_failure() -> None:
    line = one(jam=mode(1e6, 3000.0))
    curve = forecast((2.0, 3.0), (0.0, 1.0))
    planned = PlannedMaintenance(
        work_unit="u", start_at=later(3600), duration_s=600, failure_mode="jam"
    )
    arguments: dict[str, Any] = {"start": START, "horizon_s": 4 * 3600, "forecasts": [curve]}
    arguments |= {"replications": 5, "trace": True}
    without = simulate(line, **arguments)
    with_it = simulate(line, maintenance=[planned], **arguments)
    assert without.failures["u", "jam"].sum(axis=1).tolist() == [1] * 5
    assert with_it.failures["u", "jam"].sum() == 0
    assert events(with_it.trace, "maintenance") == [3600.0] * 5
    assert events(with_it.trace, "up") == [4200.0] * 5


def test_planned_maintenance_of_one_mode_leaves_the_age_of_another() -> None:
    line = one(jam=mode(100.0, 10.0), leak=mode(120.0, 10.0))
    planned = PlannedMaintenance(
        work_unit="u", start_at=later(95), duration_s=5, failure_mode="jam"
    )
    run = simulate(line, start=START, horizon_s=130, maintenance=[planned])
    assert run.failures["u", "jam"].sum() == 0
    assert run.failures["u", "leak"].sum() == 1


def test_planned_maintenance_waits_for_the_repair_under_way_and_works_off_shift() -> None:
    line = one(jam=mode(100.0, 500.0), weekly=("Mon-Sun 00:00-01:00",))
    planned = [
        PlannedMaintenance(work_unit="u", start_at=later(s), duration_s=100) for s in (200, 7200)
    ]
    run = simulate(line, start=START, horizon_s=8000, maintenance=planned, trace=True)
    assert events(run.trace, "maintenance") == [600.0, 7200.0]
    assert events(run.trace, "up")[:2] == [600.0, 700.0]
    assert events(run.trace, "up")[-1] == 7300.0


def test_a_certain_forecast_makes_the_unit_fail_within_its_hour() -> None:
    run = simulate(
        one(jam=mode(1e9, 60.0)),
        start=START,
        horizon_s=7200,
        forecasts=[forecast((1.0,), (1.0,))],
        replications=50,
    )
    assert run.failures["u", "jam"][:, 0].tolist() == [1] * 50
    assert run.failures["u", "jam"][:, 1].sum() == 0


def test_a_forecast_made_earlier_is_conditioned_on_no_failure_since() -> None:
    run = simulate(
        one(jam=mode(1e9, 60.0)),
        start=START,
        horizon_s=7200,
        forecasts=[forecast((1.0, 2.0), (0.5, 1.0), made_at_s=-3600.0)],
        replications=50,
    )
    assert run.failures["u", "jam"][:, 0].tolist() == [1] * 50


def test_failures_follow_the_curve_and_beyond_it_the_law() -> None:
    run = simulate(
        plant(
            {
                "u": unit(
                    600.0,
                    failure_modes={
                        "jam": {"time_to_failure": exponential(3600.0), "repair": constant(1e6)}
                    },
                )
            }
        ),
        start=START,
        horizon_s=4 * 3600,
        forecasts=[forecast((1.0,), (0.25,))],
        replications=2000,
    )
    share = run.failures["u", "jam"].cumsum(axis=1).mean(axis=0)
    # 1/4 within the curve's hour, then an exponential life of one hour
    exact = [0.25] + [0.25 + 0.75 * (1 - np.exp(-t)) for t in (1, 2, 3)]
    assert share == pytest.approx(exact, abs=4 * np.sqrt(0.25 / 2000))


def test_an_older_part_fails_sooner() -> None:
    line = one(jam=mode(1000.0, 60.0))
    state = LiveState(
        at=START, units={"u": UnitStart(state=WorkUnitState.STARVED, age_s={"jam": 900.0})}
    )
    run = simulate(line, start=START, horizon_s=999, state=state, trace=True)
    assert events(run.trace, "failure") == pytest.approx([100.0])
