"""Expected values: chi-square and t tables, closed forms, and coverage over many drawn samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.calibration.fits import (
    coefficient_of_variation,
    cycle_mean,
    life_mean,
    lognormal_mean,
    share,
)
from twin.plant import Exponential, Lognormal


def test_exponential_life_has_the_chi_square_interval_with_the_nominal_as_one_failure() -> None:
    """Two failures in 1000 s, nominal 500 s: three in 1500 s; chi-square table with 6 degrees."""
    fit = life_mean(np.array([300.0, 700.0]), np.array([True, True]), nominal_mean_s=500, shape=1)
    assert fit.value == pytest.approx(500.0)
    assert fit.low == pytest.approx(2 * 1500 / 12.592, rel=1e-4)
    assert fit.high == pytest.approx(2 * 1500 / 1.635, rel=1e-3)


def test_no_lives_at_all_give_the_nominal() -> None:
    fit = life_mean(np.zeros(0), np.zeros(0, np.bool_), nominal_mean_s=700.0, shape=4.0)
    assert fit.value == pytest.approx(700.0)
    assert fit.low < 700.0 < fit.high


def test_time_without_a_failure_lengthens_a_life() -> None:
    fit = life_mean(np.array([700.0]), np.array([False]), nominal_mean_s=700.0, shape=1.0)
    assert fit.value == pytest.approx(1400.0)


@given(st.floats(0.1, 10.0), st.floats(0.7, 5.0))
def test_a_life_in_other_units_is_the_same_life(factor: float, shape: float) -> None:
    ages, failed = np.array([80.0, 120.0, 40.0]), np.array([True, True, False])
    one = life_mean(ages, failed, nominal_mean_s=100.0, shape=shape)
    other = life_mean(ages * factor, failed, nominal_mean_s=100.0 * factor, shape=shape)
    assert other.value == pytest.approx(one.value * factor)
    assert other.high == pytest.approx(one.high * factor)


def test_weibull_interval_covers_the_true_mean_about_nine_times_in_ten() -> None:
    rng = np.random.default_rng(1)
    scale = 120.0 / math.gamma(1 + 1 / 4)
    inside = 0
    for _ in range(400):
        lives = scale * rng.weibull(4.0, 6)
        seen = np.minimum(lives, 130.0)
        fit = life_mean(seen, lives <= 130.0, nominal_mean_s=100.0, shape=4.0)
        inside += fit.low <= 120.0 <= fit.high
    assert 0.84 <= inside / 400 <= 0.96


def test_cycle_interval_covers_the_true_mean_about_nine_times_in_ten() -> None:
    rng = np.random.default_rng(2)
    draws = rng.lognormal(math.log(20.0) - 0.02, 0.2, (600, 40))
    inside = [fit.low <= 20.0 <= fit.high for fit in map(cycle_mean, draws)]
    assert 0.86 <= np.mean(inside) <= 0.94


def test_correlated_cycles_get_a_wider_interval_that_still_covers() -> None:
    rng = np.random.default_rng(3)
    inside = []
    for _ in range(200):
        noise = rng.normal(0, 1, 2500)
        wave = np.zeros(2500)
        for i in range(1, 2500):
            wave[i] = 0.8 * wave[i - 1] + noise[i]
        fit = cycle_mean(20.0 + wave)
        assert fit.correlated
        inside.append(fit.low <= 20.0 <= fit.high)
    assert 0.82 <= np.mean(inside) <= 0.96


def test_no_repairs_give_the_nominal_and_many_give_the_data() -> None:
    none = lognormal_mean(np.zeros(0), nominal_mean_s=480.0, nominal_cv=0.5)
    assert (none.value, none.cv) == (pytest.approx(480.0), pytest.approx(0.5))
    rng = np.random.default_rng(4)
    draws = rng.lognormal(math.log(600.0) - 0.5 * math.log(1.16), math.sqrt(math.log(1.16)), 4000)
    many = lognormal_mean(draws, nominal_mean_s=480.0, nominal_cv=0.5)
    assert many.value == pytest.approx(600.0, rel=0.02)
    assert many.cv == pytest.approx(0.4, rel=0.05)


def test_repair_interval_covers_the_true_mean_about_nine_times_in_ten() -> None:
    rng = np.random.default_rng(5)
    s2 = math.log1p(0.4**2)
    inside = 0
    for _ in range(400):
        draws = rng.lognormal(math.log(500.0) - s2 / 2, math.sqrt(s2), 6)
        fit = lognormal_mean(draws, nominal_mean_s=450.0, nominal_cv=0.5)
        inside += fit.low <= 500.0 <= fit.high
    assert 0.85 <= inside / 400 <= 0.97


def test_a_parameter_that_stood_at_zero_has_a_mean_of_zero() -> None:
    fit = cycle_mean(np.zeros(6))
    assert (fit.value, fit.low, fit.high, fit.cv) == (0.0, 0.0, 0.0, 0.0)


def test_a_share_covers_the_true_probability_about_nine_times_in_ten() -> None:
    counts = np.random.default_rng(6).binomial(2000, 0.006, 1000)
    fits = [share(int(count), 2000) for count in counts]
    assert 0.85 <= np.mean([fit.low <= 0.006 <= fit.high for fit in fits]) <= 0.95
    assert (share(3, 10).value, share(10, 10).high) == (0.3, 1.0)


def test_the_spread_of_a_law_comes_from_its_quantiles() -> None:
    assert coefficient_of_variation(Lognormal(mean_s=10, cv=0.3)) == pytest.approx(0.3, rel=0.02)
    assert coefficient_of_variation(Exponential(mean_s=5)) == pytest.approx(1.0, rel=0.03)
