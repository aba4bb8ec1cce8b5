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
