from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from tests.telemetry_lab import T0, Log, at, small_plant
from twin.calibration import calibrate
from twin.errors import DataError, LookAheadError, NotFoundError
from twin.plant import Lognormal, Weibull
from twin.telemetry import SampleBatch, to_us

PLANT = small_plant()


def two_jams() -> Log:
    """1000 s of production before, between and after two jams; the crew took 20 s and 10 s."""
    log = Log().say("maker", "state", (0, 6), (1000, 9), (1020, 1), (1100, 6))
    log.say("maker", "state", (2100, 9), (2110, 1), (2230, 6), (3230, 2))
    return log.say("maker", "fault", (0, ""), (1000, "jam"), (1100, ""), (2100, "jam"), (2230, ""))


def test_an_empty_history_keeps_every_nominal_value_and_says_so() -> None:
    found = calibrate(PLANT, SampleBatch.empty(), as_of=at(3600), window_start=at(0))
    assert found.plant == PLANT
    assert {e.n for e in found.estimates} == {0}
    assert all(e.value == e.nominal for e in found.estimates)
    assert any("maker.cycle_time.P1.mean_s stays nominal" in note for note in found.notes)


def test_cycle_times_are_fitted_by_product_and_the_others_stay() -> None:
    log = Log().say("maker", "state", (0, 6)).say("maker", "product", (0, "P1"))
    ends = np.cumsum([10.0, 11, 13, 12, 11, 13, 12])
    log.say("maker", "good_count", (0, 0), *((float(t), i + 1) for i, t in enumerate(ends)))
    found = calibrate(PLANT, log.batch(), as_of=at(100), window_start=at(0))
    estimate = found.estimate("maker.cycle_time.P1.mean_s")
    assert (estimate.value, estimate.nominal, estimate.n) == (pytest.approx(12.0), 10.0, 6)
    # sd of 11, 13, 12, 11, 13, 12 is 0.8944; t(5; 0.95) is 2.015.
    assert estimate.high - estimate.value == pytest.approx(2.015 * 0.8944 / 6**0.5, rel=1e-3)
    law = found.plant.unit("maker").cycle_law("P1")
    assert isinstance(law, Lognormal)
    assert law.mean_s == pytest.approx(12.0)
    assert law.cv == pytest.approx(0.8944 / 12, rel=1e-3)
    assert found.plant.unit("maker").cycle_law("P2").mean() == 10.0
    assert found.nominal == PLANT


def test_failures_count_operating_time_and_repairs_leave_the_wait_out() -> None:
    found = calibrate(PLANT, two_jams().batch(), as_of=at(4000), window_start=at(0))
    life = found.estimate("maker.failure.jam.mean_s")
    assert (life.n, life.value) == (2, pytest.approx((3000 + 1000) / 3))
    repair = found.estimate("maker.repair.jam.mean_s")
    assert repair.n == 2
    assert 80.0 < repair.value < 120.0
    assert repair.low < 80.0
    assert found.plant.unit("maker").failure_modes["jam"].time_to_failure.mean() == life.value


def test_a_wearing_part_ignores_the_life_whose_beginning_was_not_seen() -> None:
    log = Log().say("maker", "state", (0, 6), (500, 1), (600, 6), (4600, 1), (4700, 6), (5700, 2))
    log.say("maker", "fault", (0, ""), (500, "wear"), (600, ""), (4600, "wear"), (4700, ""))
    found = calibrate(PLANT, log.batch(), as_of=at(6000), window_start=at(0))
    life = found.estimate("maker.failure.wear.mean_s")
    assert life.n == 1
    # Weibull of shape 4: one whole life of 4000 s, one running for 1000 s, one nominal of 5000 s.
    scale = 5000.0 / 0.906403
    exposure = (4000 / scale) ** 4 + (1000 / scale) ** 4 + 1
    assert life.value == pytest.approx(5000.0 * (exposure / 2) ** 0.25, rel=1e-5)
    law = found.plant.unit("maker").failure_modes["wear"].time_to_failure
    assert isinstance(law, Weibull)
    assert law.shape == 4


def test_setups_are_told_apart_by_family_and_leave_stops_out() -> None:
    log = Log().say("maker", "state", (0, 6), (100, 15), (400, 2), (1000, 15), (1400, 6))
    log.say("maker", "state", (1500, 15), (1590, 6), (1700, 15))
    log.say("maker", "product", (0, "P1"), (100, "P3"), (1500, "P3"), (1700, "P1"))
    found = calibrate(PLANT, log.batch(), as_of=at(2000), window_start=at(0))
    assert found.estimate("maker.setup.other_family.mean_s").n == 1
    assert 600.0 < found.estimate("maker.setup.other_family.mean_s").value < 700.0
    assert found.estimate("maker.setup.same_product.mean_s").n == 1
    assert 60.0 < found.plant.unit("maker").setup.same_product_s < 90.0
    assert found.plant.unit("maker").setup.same_family_s == 120.0


def test_what_was_not_available_at_as_of_is_refused() -> None:
    batch = Log().say("maker", "state", (0, 6)).say("maker", "state", (5, 9), late_s=60).batch()
    with pytest.raises(LookAheadError, match="1 samples became available after"):
        calibrate(PLANT, batch, as_of=at(30), window_start=at(0))
    calibrate(PLANT, batch, as_of=at(65), window_start=at(0))


def test_a_window_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(DataError, match="not before"):
        calibrate(PLANT, SampleBatch.empty(), as_of=at(0), window_start=at(0))


def test_the_same_history_gives_the_same_version_and_another_one_another() -> None:
    one, again, other = (
        calibrate(PLANT, two_jams().batch(), as_of=at(t), window_start=at(0))
        for t in (4000, 4000, 4001)
    )
    assert one.version == again.version != other.version
    with pytest.raises(NotFoundError):
        one.estimate("no.such.number")


def drawn_line(parts: int, seed: int) -> SampleBatch:
    """Defects drawn at logit p = logit(0.04) + 0.02 z + 0.012 z^2, z = heat - 200; half are found."""
    rng = np.random.default_rng(seed)
    made = (np.arange(parts) + 1) * 10.0
    hours = np.arange(0, parts * 10.0, 600.0)
    heat = 203.0 + 9.0 * np.sin(hours / 20_000)
    z = np.interp(made, hours, heat) - 200.0
    p = 1 / (1 + np.exp(-(np.log(0.04 / 0.96) + 0.02 * z + 0.012 * z**2)))
    bad = (rng.random(parts) < p) & (rng.random(parts) < 0.5)
    columns = {
        ("maker", "good_count"): (made, np.arange(parts) + 1.0),
        ("maker", "heat"): (hours, heat),
        ("tester", "good_count"): (made[~bad] + 8.0, np.arange((~bad).sum()) + 1.0),
        ("tester", "reject_count"): (made[bad] + 8.0, np.arange(bad.sum()) + 1.0),
    }
    batches = []
    for (unit, signal), (seconds, value) in columns.items():
        start = 0.0 if signal.endswith("count") else float(value[0])
        times = to_us(T0) + (np.concatenate(([0.0], seconds)) * 1e6).astype(np.int64)
        n = len(times)
        batches.append(
            SampleBatch(
                signals=(PLANT.signal_id(unit, signal),),
                code=np.zeros(n, np.int32),
                value=np.concatenate(([start], value)),
                text=np.full(n, None, np.object_),
                measured_us=times,
                available_us=times,
                quality=np.zeros(n, np.int8),
            )
        )
    return SampleBatch.concat(batches)


def test_a_defect_response_is_recovered_from_what_the_inspection_found() -> None:
    parts = 60_000
    found = calibrate(
        PLANT,
        drawn_line(parts, 7),
        as_of=T0 + timedelta(seconds=parts * 10 + 60),
        window_start=T0,
    )
    for name, true in (("linear", 0.02), ("quadratic", 0.012)):
        estimate = found.estimate(f"maker.defects.{name}")
        assert estimate.low < true < estimate.high
    response = found.plant.unit("maker").defects
    assert response is not None
    # What a what-if asks: the mean defect rate with the whole course of the heat moved along.
    z = 3.0 + 9.0 * np.sin(np.arange(0, parts * 10.0, 600.0) / 20_000)
    for moved in (-4.0, 0.0, 4.0):
        logit = np.log(0.04 / 0.96) + 0.02 * (z + moved) + 0.012 * (z + moved) ** 2
        true = float(np.mean(1 / (1 + np.exp(-logit))))
        assert response.probability(200.0 + moved) == pytest.approx(true, rel=0.1)
    scrap = found.estimate("tester.scrap.ratio")
    assert scrap.n == pytest.approx(parts, abs=60)
    assert any("extrapolation" in note for note in found.notes)


def test_without_spread_of_the_parameter_the_shape_stays_near_the_nominal() -> None:
    found = calibrate(
        PLANT, drawn_line(600, 8), as_of=T0 + timedelta(seconds=6060), window_start=T0
    )
    quadratic = found.estimate("maker.defects.quadratic")
    assert quadratic.low < 0.01 < quadratic.high
    assert quadratic.value == pytest.approx(0.01, rel=0.8)
