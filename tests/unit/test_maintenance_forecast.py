"""Lives, features, model and forecasts on telemetry that this file makes: wear that grows evenly."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maintenance.features.lives import Service, advance, begin
from maintenance.features.table import FeatureTable, feature_table
from maintenance.forecast import HORIZON_H, Model, assess, carry_forward, forecast_failures, train
from maintenance.models.exposure import steady_horizon_h, utilisation, working_ahead_h
from maintenance.models.hazard import HazardModel, fit, probability
from twin.errors import DataError, LookAheadError
from twin.plant import (
    FailureForecast,
    Plant,
    load_plant,
)
from twin.telemetry import Sample, SampleBatch, to_us

PLANT = load_plant(Path(__file__).parents[2] / "simulators" / "practice" / "plant.toml")
MONDAY = datetime(2026, 3, 2, 5, tzinfo=UTC)
"""06:00 in Berlin: the first shift begins."""
END = MONDAY + timedelta(days=14)
REPAIR = timedelta(minutes=30)
LIVES_H = {
    ("pick_place_1", "bearing", "vibration"): (21.3, 33.1, 40.7, 50.2, 99.0),
    ("pick_place_2", "bearing", "vibration"): (44.9, 27.2, 36.3, 99.0),
    ("packing", "bearing", "vibration"): (30.2, 52.6, 24.4, 99.0),
}


def made(signal: str, value: float | str, at: datetime, unit: str) -> Sample:
    return Sample(
        signal=PLANT.signal_id(unit, signal),
        value=value,
        measured_at=at,
        available_at=at + timedelta(seconds=1),
    )


def wearing(seed: int = 0, *, until: datetime = END, noise: float = 0.05) -> SampleBatch:
    """Units that produce all through their shifts; vibration grows from 1 to 5 over each life."""
    rng = np.random.default_rng(seed)
    samples: list[Sample] = []
    step = timedelta(minutes=5)
    for (unit, mode, signal), lives in LIVES_H.items():
        ages = iter(lives)
        life_h, age_h, mended_at = next(ages), 0.0, None
        for opens, closes in PLANT.calendars["two_shift"].intervals(MONDAY, until, PLANT.timezone):
            samples.append(made("state", 9.0 if mended_at else 6.0, opens, unit))
            at = opens
            while at + step <= closes:
                at += step
                if mended_at is None:
                    age_h += 5 / 60
                    level = 1.0 + 4.0 * min(age_h / life_h, 1.0) + noise * rng.standard_normal()
                    samples.append(made(signal, level, at - timedelta(seconds=30), unit))
                    if age_h >= life_h:
                        samples += [made("state", 9.0, at, unit), made("fault", mode, at, unit)]
                        mended_at = at + REPAIR
                elif at >= mended_at:
                    samples += [made("state", 6.0, at, unit), made("fault", "", at, unit)]
                    life_h, age_h, mended_at = next(ages), 0.0, None
            samples.append(made("state", 2.0, closes, unit))
    return SampleBatch.of(samples)


def until(batch: SampleBatch, as_of: datetime) -> SampleBatch:
    return batch.take(batch.available_us <= to_us(as_of))


@pytest.fixture(scope="module")
def history() -> SampleBatch:
    return wearing()


@pytest.fixture(scope="module")
def model(history: SampleBatch) -> Model:
    return train(PLANT, history, as_of=END)


def of(forecasts: tuple[FailureForecast, ...], unit: str, mode: str = "bearing") -> FailureForecast:
    return next(f for f in forecasts if (f.work_unit, f.failure_mode) == (unit, mode))


def test_a_life_lasts_as_many_operating_hours_as_the_unit_produced(history: SampleBatch) -> None:
    _, ended = advance(PLANT, begin(PLANT, MONDAY), history, until=END)
    found = {(life.work_unit, round(life.age_h, 1)) for life in ended if life.failed}
    # The generator lets a part fail at the first five-minute step past its life.
    wanted = {
        (unit, round(math.ceil(h * 12 - 1e-9) / 12, 1))
        for (unit, _, _), lives in LIVES_H.items()
        for h in lives[:-1]
    }
    assert found == wanted


def test_many_small_steps_end_in_the_state_of_one_long_step(history: SampleBatch) -> None:
    whole, ended = advance(PLANT, begin(PLANT, MONDAY), history, until=END)
    memory, at, pieces = begin(PLANT, MONDAY), MONDAY, []
    while at < END:
        at = min(at + timedelta(hours=5, minutes=7), END)
        recent = (history.measured_us > to_us(at - timedelta(hours=9))) & (
            history.measured_us <= to_us(at)
        )
        memory, some = advance(PLANT, memory, history.take(recent), until=at)
        pieces += some
    assert len(pieces) == len(ended)
    for one, other in zip(whole.running(), memory.running(), strict=True):
        assert other.age_h == pytest.approx(one.age_h, rel=1e-12)
        np.testing.assert_allclose(other.sums, one.sums, rtol=1e-12)
        np.testing.assert_array_equal(other.counts, one.counts)


def test_planned_work_ends_a_life_without_a_failure(history: SampleBatch) -> None:
    at = MONDAY + timedelta(hours=10)
    service = Service(work_unit="packing", failure_mode="bearing", at=at)
    memory, ended = advance(
        PLANT,
        begin(PLANT, MONDAY),
        history,
        until=at + timedelta(hours=3),
        services=[service],
    )
    assert [(life.work_unit, life.failed, round(life.age_h, 9)) for life in ended] == [
        ("packing", False, 10.0)
    ]
    assert memory.repaired() == {("packing", "bearing"): at}


def test_a_fault_without_a_stop_is_no_failure() -> None:
    batch = SampleBatch.of(
        [
            made("state", 6.0, MONDAY, "packing"),
            made("fault", "bearing", MONDAY + timedelta(hours=1), "packing"),
            made("fault", "", MONDAY + timedelta(hours=2), "packing"),
        ]
    )
    _, ended = advance(PLANT, begin(PLANT, MONDAY), batch, until=MONDAY + timedelta(hours=4))
    assert ended == ()


def test_slopes_and_baseline_of_an_even_ramp_are_its_own() -> None:
    rows = [made("state", 6.0, MONDAY, "packing")]
    for minute in range(1, 16 * 60):
        hours = minute / 60
        rows.append(
            made("vibration", 2.0 + 0.1 * hours, MONDAY + timedelta(hours=hours), "packing")
        )
    end = MONDAY + timedelta(hours=16)
    table = feature_table(PLANT, SampleBatch.of(rows), start=MONDAY, as_of=end)
    last = table.take(table.work_unit == "packing").take(np.array([-1]))
    assert last.age_h[0] == 15.0
    np.testing.assert_allclose(last.slope[0, 0], 0.1, rtol=0.01)
    assert last.baseline[0, 0] == pytest.approx(2.15, abs=0.01)
    assert last.level[0, 0] == pytest.approx(2.0 + 0.1 * 14.25, abs=0.01)


def test_features_do_not_change_when_the_future_does(history: SampleBatch) -> None:
    cut = MONDAY + timedelta(days=8)
    later = history.measured_us > to_us(cut)
    other = replace(history, value=np.where(later, 6.0, history.value))

    def before(batch: SampleBatch) -> FeatureTable:
        table = feature_table(PLANT, batch, start=MONDAY, as_of=END + timedelta(minutes=1))
        table = table.take(table.at_us < to_us(cut - timedelta(hours=1)))
        keys = (table.at_us, table.failure_mode.astype(str), table.work_unit.astype(str))
        return table.take(np.lexsort(keys))

    one, two = before(history), before(other)
    assert len(one) > 100
    for column in ("work_unit", "age_h", "at_us", "baseline", "level", "slope", "noise"):
        np.testing.assert_array_equal(getattr(one, column), getattr(two, column))


def test_reading_past_as_of_is_refused(history: SampleBatch, model: Model) -> None:
    early = END - timedelta(days=4)
    with pytest.raises(LookAheadError, match="read the history with as_of"):
        train(PLANT, history, as_of=early)
    with pytest.raises(LookAheadError):
        feature_table(PLANT, history, start=MONDAY, as_of=early)
    with pytest.raises(LookAheadError):
        forecast_failures(PLANT, model, history, as_of=early)


def test_a_worn_part_is_forecast_to_fail_and_a_fresh_one_is_not(history: SampleBatch) -> None:
    cut = MONDAY + timedelta(days=9, hours=2)
    trained = train(PLANT, until(history, cut), as_of=cut)
    assert trained.hazard is not None
    _, ended = advance(PLANT, begin(PLANT, MONDAY), history, until=END)
    soon = {
        life.work_unit: (life.ended_us or 0) - to_us(cut)
        for life in ended
        if (life.ended_us or 0) > to_us(cut) > life.started_us
    }
    forecasts = forecast_failures(PLANT, trained, until(history, cut), as_of=cut)
    for unit, ahead_us in soon.items():
        f = of(forecasts, unit)
        due = ahead_us / 3.6e9 <= 24.0
        assert (f.probability_within(24.0) > 0.5) == due, (unit, ahead_us / 3.6e9, f)
        assert sum(f.evidence.values()) == pytest.approx(1.0)


def test_shuffled_outcomes_teach_the_base_rate(history: SampleBatch) -> None:
    table = feature_table(PLANT, history, start=MONDAY, as_of=END + timedelta(minutes=1))
    other = feature_table(PLANT, wearing(9), start=MONDAY, as_of=END + timedelta(minutes=1))
    order = np.random.default_rng(3).permutation(len(table))
    shuffled = replace(table, follow_up_h=table.follow_up_h[order], failed=table.failed[order])

    def brier(trained: HazardModel | None) -> float:
        assert trained is not None
        said = probability(trained, other, np.full((len(other), 1), 8.0))[:, 0]
        known = np.isfinite(said) & (other.failed | (other.follow_up_h >= 8.0))
        seen = other.failed & (other.follow_up_h <= 8.0)
        base = seen[known].mean() * (1 - seen[known].mean())
        return float(np.mean((said[known] - seen[known]) ** 2) / base)

    assert brier(fit(PLANT, table)) < 0.5
    assert 0.9 < brier(fit(PLANT, shuffled)) < 1.3


@given(hours=st.lists(st.floats(0.0, 500.0), min_size=2, max_size=8))
def test_probability_never_falls_with_the_horizon(hours: list[float]) -> None:
    told = np.flatnonzero(np.isfinite(LEARNED[1].level[:, 0]))
    rows = LEARNED[1].take(told[[3, len(told) // 2]])
    said = probability(LEARNED[0], rows, np.tile(np.sort(hours), (2, 1)))
    assert (np.diff(said, axis=1) >= 0.0).all()
    assert ((said >= 0.0) & (said <= 1.0)).all()


def _learned() -> tuple[HazardModel, FeatureTable]:
    table = feature_table(PLANT, wearing(), start=MONDAY, as_of=END + timedelta(minutes=1))
    learned = fit(PLANT, table)
    assert learned is not None
    return learned, table


LEARNED = _learned()


def test_too_few_failures_leave_the_laws_to_speak() -> None:
    cut = MONDAY + timedelta(hours=20)
    few = until(wearing(until=cut), cut)
    trained = train(PLANT, few, as_of=cut)
    assert trained.hazard is None
    f = of(forecast_failures(PLANT, trained, few, as_of=cut), "packing")
    assert f.model == "law-weibull"


def test_a_memoryless_mode_is_forecast_by_its_law_over_the_working_time_ahead(
    history: SampleBatch, model: Model
) -> None:
    at = END + timedelta(minutes=1)
    f = of(forecast_failures(PLANT, model, history, as_of=at), "pick_place_1", "feeder")
    # 06:01 on a Monday; the unit produced nearly all of its working time; mean life 12 h.
    use = (32.0 + 0.6 * 4.0) / 36.0
    assert f.probability_within(8.0) == pytest.approx(-math.expm1(-8.0 * use / 12.0), abs=0.02)
    assert f.model == "law-exponential"


def test_a_silent_sensor_falls_back_to_the_law(history: SampleBatch) -> None:
    cut = MONDAY + timedelta(days=9, hours=2)
    silent = history.signals.index(PLANT.signal_id("packing", "vibration"))
    gone = (history.code == silent) & (history.measured_us > to_us(cut - timedelta(hours=12)))
    batch = until(history.take(~gone), cut)
    f = of(forecast_failures(PLANT, train(PLANT, batch, as_of=cut), batch, as_of=cut), "packing")
    assert f.model == "law-weibull"
    assert f.evidence == {"operating_age": 1.0}


def test_a_mode_that_is_down_is_named_and_forecast_as_a_fresh_part(history: SampleBatch) -> None:
    _, ended = advance(PLANT, begin(PLANT, MONDAY), history, until=END)
    failed = max((e for e in ended if e.work_unit == "packing"), key=lambda e: e.ended_us or 0)
    assert failed.ended_us is not None
    cut = datetime.fromtimestamp(failed.ended_us / 1e6, UTC) + timedelta(minutes=10)
    batch = until(history, cut)
    found = assess(PLANT, train(PLANT, batch, as_of=cut), batch, as_of=cut)
    assert {k: to_us(v) for k, v in found.down.items()} == {("packing", "bearing"): failed.ended_us}
    assert of(found.forecasts, "packing").probability_within(24.0) < 0.05


def test_working_time_that_nobody_read_is_refused(history: SampleBatch) -> None:
    cut = MONDAY + timedelta(days=3)
    trained = train(PLANT, until(history, cut), as_of=cut)
    later = history.take(history.measured_us > to_us(cut + timedelta(days=2)))
    with pytest.raises(DataError, match="carry the model forward"):
        forecast_failures(PLANT, trained, later, as_of=END + timedelta(minutes=1))
    moved = carry_forward(PLANT, trained, history, as_of=END + timedelta(minutes=1))
    recent = history.take(history.measured_us > to_us(END - timedelta(days=3)))
    assert len(forecast_failures(PLANT, moved, recent, as_of=END + timedelta(minutes=1))) == sum(
        len(u.failure_modes) for u in PLANT.work_units.values()
    )


def test_the_same_history_trains_the_same_model_and_it_can_travel(
    history: SampleBatch, model: Model
) -> None:
    again = train(PLANT, history, as_of=END)
    assert again.version == model.version
    at = END + timedelta(minutes=1)
    one = forecast_failures(PLANT, model, history, as_of=at)
    assert one == forecast_failures(PLANT, again, history, as_of=at)
    assert all(f.horizon_h == HORIZON_H for f in one)
    assert len(ForkingPickler.dumps(model)) < 1_000_000


def test_friday_evening_holds_no_work_until_monday() -> None:
    friday = datetime(2026, 3, 6, 21, tzinfo=UTC)  # 22:00 in Berlin
    assert working_ahead_h(PLANT, "packing", friday, (24.0, 57.0)).tolist() == [0.0, 1.0]
    # Four weeks hold 19 days of 16 h (Good Friday is closed): 10.86 h of work in 24 h on average,
    # and Monday's shift begins 56 h ahead.
    assert steady_horizon_h(PLANT, "packing", friday, 24.0) == 67.0


def test_utilisation_without_telemetry_is_the_prior() -> None:
    assert utilisation(np.zeros(0), 0.0) == 0.6


def test_a_plant_without_condition_signals_trains_and_forecasts_by_law() -> None:
    bare: Plant = PLANT.model_copy(update={"work_units": {"spi": PLANT.work_units["spi"]}})
    batch = SampleBatch.of([made("state", 6.0, MONDAY, "spi")])
    at = MONDAY + timedelta(hours=2)
    trained = train(bare, batch, as_of=at)
    assert [f.model for f in forecast_failures(bare, trained, batch, as_of=at)] == [
        "law-exponential"
    ]


def test_a_line_on_which_nothing_fails_has_a_model_and_no_forecasts(history: SampleBatch) -> None:
    units = {u: w.model_copy(update={"failure_modes": {}}) for u, w in PLANT.work_units.items()}
    plant = PLANT.model_copy(update={"work_units": units})
    sound = train(plant, history, as_of=END)
    assert (sound.lives, sound.hazard) == (0, None)
    assert forecast_failures(plant, sound, until(history, END), as_of=END) == ()
