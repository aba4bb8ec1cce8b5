"""Duration laws against SciPy, which has its own formulas for them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from scipy import stats

from twin.plant import (
    Constant,
    Empirical,
    Exponential,
    Gamma,
    Law,
    Lognormal,
    Triangular,
    Uniform,
    Weibull,
    probability_by,
    residual_probability,
    residual_s,
)

EMPIRICAL = Empirical(quantiles_s=(2.0, 3.0, 3.0, 7.0))

LAWS: list[Law] = [
    Constant(value_s=4.0),
    Exponential(mean_s=4.0),
    Gamma(mean_s=4.0, cv=0.5),
    Lognormal(mean_s=4.0, cv=0.3),
    Weibull(mean_s=4.0, shape=2.5),
    Triangular(low_s=1.0, mode_s=2.0, high_s=6.0),
    Uniform(low_s=1.0, high_s=6.0),
    EMPIRICAL,
]
by_name = pytest.mark.parametrize("law", LAWS, ids=lambda law: law.law)

SAME_IN_SCIPY = [
    (LAWS[1], stats.expon(scale=4.0)),
    (LAWS[2], stats.gamma(4.0, scale=1.0)),
    (
        LAWS[3],
        stats.lognorm(math.sqrt(math.log(1.09)), scale=4.0 * math.exp(-math.log(1.09) / 2)),
    ),
    (LAWS[4], stats.weibull_min(2.5, scale=4.0 / math.gamma(1.4))),
    (LAWS[5], stats.triang(0.2, loc=1.0, scale=5.0)),
    (LAWS[6], stats.uniform(1.0, 5.0)),
]


@pytest.mark.parametrize(("law", "known"), SAME_IN_SCIPY, ids=lambda x: getattr(x, "law", ""))
def test_quantiles_and_mean_are_those_of_scipy(law: Law, known: stats.rv_continuous) -> None:
    for u in (0.0, 0.001, 0.1, 0.2, 0.5, 0.9, 0.999):
        assert law.quantile(u) == pytest.approx(float(known.ppf(u)), rel=1e-9, abs=1e-9) or u == 0
    assert law.mean() == pytest.approx(float(known.mean()))


@by_name
def test_the_mean_is_the_integral_of_the_quantiles(law: Law) -> None:
    n = 20_000
    u = (np.arange(n) + 0.5) / n
    assert np.mean([law.quantile(float(x)) for x in u]) == pytest.approx(law.mean(), rel=1e-3)


@by_name
@given(u=st.floats(0, 1, exclude_max=True), v=st.floats(0, 1, exclude_max=True))
def test_quantiles_are_finite_not_negative_and_never_fall(law: Law, u: float, v: float) -> None:
    low, high = law.quantile(min(u, v)), law.quantile(max(u, v))
    assert 0.0 <= low <= high * (1 + 1e-12) < math.inf


@by_name
@given(factor=st.floats(0.01, 100), u=st.floats(0, 1, exclude_max=True))
def test_scaling_a_law_scales_its_quantiles_and_its_mean(law: Law, factor: float, u: float) -> None:
    scaled = law.scaled(factor)
    assert scaled.quantile(u) == pytest.approx(law.quantile(u) * factor, rel=1e-9, abs=1e-12)
    assert scaled.mean() == pytest.approx(law.mean() * factor)


def test_an_empirical_law_is_linear_between_its_quantiles() -> None:
    assert [EMPIRICAL.quantile(u) for u in (0.0, 1 / 6, 1 / 3, 0.5, 5 / 6)] == pytest.approx(
        [2.0, 2.5, 3.0, 3.0, 5.0]
    )
    assert EMPIRICAL.mean() == pytest.approx((2.5 + 3.0 + 5.0) / 3)


def test_a_gamma_law_of_cv_one_is_exponential() -> None:
    gamma, exponential = Gamma(mean_s=7.0, cv=1.0), Exponential(mean_s=7.0)
    for u in (0.01, 0.3, 0.99):
        assert gamma.quantile(u) == pytest.approx(exponential.quantile(u), rel=1e-12)


@by_name
def test_a_law_reads_back_what_it_writes(law: Law) -> None:
    assert TypeAdapter(Law).validate_python(law.model_dump()) == law


@pytest.mark.parametrize(
    "wrong",
    [
        {"law": "lognormal", "mean_s": 0.0, "cv": 0.1},
        {"law": "weibull", "mean_s": 1.0, "shape": -1.0},
        {"law": "triangular", "low_s": 2.0, "mode_s": 1.0, "high_s": 3.0},
        {"law": "uniform", "low_s": 2.0, "high_s": 2.0},
        {"law": "empirical", "quantiles_s": [2.0, 1.0]},
        {"law": "exponential", "mean_s": 1.0, "rate": 1.0},
        {"law": "normal", "mean_s": 1.0},
        {"law": "constant", "value_s": math.inf},
    ],
    ids=lambda wrong: wrong["law"],
)
def test_a_law_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Law).validate_python(wrong)


@pytest.mark.parametrize(
    ("law", "known"),
    [
        (Weibull(mean_s=100.0, shape=3.0), stats.weibull_min(3.0, scale=100 / math.gamma(4 / 3))),
        (Exponential(mean_s=100.0), stats.expon(scale=100.0)),
        (Gamma(mean_s=100.0, cv=0.5), stats.gamma(4.0, scale=25.0)),
    ],
    ids=["weibull", "exponential", "gamma"],
)
def test_the_life_left_at_an_age_is_the_conditional_law_of_scipy(
    law: Law, known: stats.rv_continuous
) -> None:
    for age in (0.0, 40.0, 150.0):
        for u in (0.05, 0.5, 0.95):
            exact = float(known.isf(known.sf(age) * (1 - u))) - age
            assert residual_s(law, age, u) == pytest.approx(exact, rel=1e-6)


def test_a_life_that_should_have_ended_ends_at_once() -> None:
    assert residual_s(Uniform(low_s=1.0, high_s=2.0), 5.0, 0.5) == 0.0


def test_the_chance_of_failing_ahead_is_that_of_those_who_reached_the_age() -> None:
    known = stats.weibull_min(4, scale=50.0 / math.gamma(1.25))
    ahead = np.array([1.0, 8.0, 30.0])
    wanted = 1.0 - known.sf(40.0 + ahead) / known.sf(40.0)
    found = residual_probability(Weibull(mean_s=50.0, shape=4.0), 40.0, ahead)
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


@pytest.mark.parametrize(("law", "known"), SAME_IN_SCIPY, ids=lambda x: getattr(x, "law", ""))
def test_the_chance_of_a_failure_by_an_age_is_that_of_scipy(
    law: Law, known: stats.rv_continuous
) -> None:
    ages = np.array([[0.0, 0.5, 2.0], [4.0, 5.5, 9.0]])
    np.testing.assert_allclose(probability_by(law, ages), known.cdf(ages), rtol=1e-7, atol=1e-12)


def test_an_age_that_cannot_be_is_a_failure_due_at_once() -> None:
    law = Uniform(low_s=1.0, high_s=2.0)
    assert probability_by(law, np.array([0.5, 5.0])).tolist() == [0.0, 1.0]
    assert residual_probability(law, 5.0, np.array([0.0, 1.0])).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("law", [law for law, _ in SAME_IN_SCIPY], ids=lambda law: law.law)
def test_the_life_left_is_the_inverse_of_the_chance_of_failing_ahead(law: Law) -> None:
    for u in (0.1, 0.5, 0.9):
        left = residual_s(law, 2.0, u)
        assert residual_probability(law, 2.0, np.array([left]))[0] == pytest.approx(u, abs=1e-6)
