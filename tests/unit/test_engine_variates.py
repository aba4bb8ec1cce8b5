"""Variates: right by scipy, alike in NumPy and compiled, finite everywhere, quick to ask for."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special, stats

from twin.engine import arithmetic
from twin.engine.gamma import log_gamma, log_quantiles
from twin.engine.streams import BLOCK, Stream, stream_key, uniforms
from twin.engine.variates import LawTable, Sampler, law_table, quantiles
from twin.plant import (
    Constant,
    Empirical,
    Erlang,
    Exponential,
    Gamma,
    Geometric,
    Law,
    Lognormal,
    Triangular,
    Uniform,
    Weibull,
)

EDGES = np.array(
    [0.0, 2**-52, 2**-51, 0.075 - 2**-52, 0.075, 0.5, 0.925, 0.925 + 2**-52, 1 - 2**-51, 1 - 2**-52]
)
ENDS = np.concatenate([2.0 ** -np.arange(2, 53), 1.0 - 2.0 ** -np.arange(2, 53)])
KEY = stream_key(11, 3, "press", "cycle")

LAWS: list[Law] = [
    Constant(value_s=3.5),
    Uniform(low_s=1.0, high_s=7.0),
    Exponential(mean_s=12.0),
    Weibull(mean_s=100.0, shape=1.7),
    Weibull(mean_s=100.0, shape=0.5),
    Lognormal(mean_s=20.0, cv=0.4),
    Lognormal(mean_s=20.0, cv=3.0),
    Triangular(low_s=1.0, mode_s=2.0, high_s=9.0),
    Triangular(low_s=0.0, mode_s=0.0, high_s=5.0),
    Triangular(low_s=2.0, mode_s=5.0, high_s=5.0),
    Empirical(quantiles_s=(1.0, 2.0, 2.5, 4.0, 9.0)),
    Empirical(quantiles_s=(0.0, 0.0)),
    Gamma(mean_s=5.0, cv=0.05),
    Gamma(mean_s=5.0, cv=0.7),
    Gamma(mean_s=5.0, cv=3.0),
    Gamma(mean_s=5.0, cv=30.0),
    Erlang(mean_s=7.0, phases=1),
    Erlang(mean_s=7.0, phases=4),
    Geometric(mean_s=300.0, step_s=2.0),
    Geometric(mean_s=2.0, step_s=2.0),
    Geometric(mean_s=1e9, step_s=1.0),
]
NAMES = [str(law) for law in LAWS]


def uniforms_and_edges(n: int = 100_000) -> NDArray[np.float64]:
    return np.concatenate([uniforms(*KEY, 1000, n), EDGES, ENDS])


def by_scipy(law: Law, u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quantiles by scipy.stats, from the upper end where that keeps digits."""
    match law:
        case Exponential():
            given = stats.expon(scale=law.mean_s)
        case Weibull():
            unscaled = stats.weibull_min(law.shape)
            given = stats.weibull_min(law.shape, scale=law.mean_s / unscaled.mean())
        case Lognormal():
            variance = np.log1p(law.cv**2)
            median = law.mean_s * np.exp(-variance / 2)
            given = stats.lognorm(np.sqrt(variance), scale=median)
        case Gamma():
            given = stats.gamma(law.cv**-2, scale=law.mean_s * law.cv**2)
        case Erlang():
            given = stats.gamma(law.phases, scale=law.mean_s / law.phases)
        case Triangular():
            width = law.high_s - law.low_s
            given = stats.triang((law.mode_s - law.low_s) / width, law.low_s, width)
        case Uniform():
            given = stats.uniform(law.low_s, law.high_s - law.low_s)
        case _:
            raise AssertionError(law)
    x: NDArray[np.float64] = np.where(u < 0.5, given.ppf(u), given.isf(1.0 - u))
    return x


@pytest.mark.parametrize(
    ("law", "tolerance"),
    [(law, 1e-12) for law in LAWS if isinstance(law, Exponential | Weibull | Lognormal | Uniform)]
    + [(law, 1e-12) for law in LAWS if isinstance(law, Triangular)]
    + [(Gamma(mean_s=5.0, cv=cv), 1e-8) for cv in (0.05, 0.1, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0)]
    + [(Erlang(mean_s=7.0, phases=k), 1e-8) for k in (1, 2, 4, 50)],
    ids=str,
)
def test_quantiles_are_those_of_scipy(law: Law, tolerance: float) -> None:
    u = np.concatenate([uniforms(*KEY, 0, 20_000), ENDS])
    # A triangle is measured from its bounds: no digits are to be had far below them.
    near = 1e-15 * law.mean() if isinstance(law, Triangular) else 1e-290
    found = quantiles(law_table([law]), 0, u)
    np.testing.assert_allclose(found, by_scipy(law, u), rtol=tolerance, atol=near)


def test_the_normal_quantile_is_that_of_scipy() -> None:
    u = np.concatenate([uniforms(*KEY, 0, 50_000), ENDS])
    exact = np.where(u < 0.5, stats.norm.ppf(u), stats.norm.isf(1.0 - u))
    np.testing.assert_allclose(arithmetic.normal(u), exact, rtol=1e-14, atol=1e-16)


def test_log_and_exp_are_right_to_two_units_in_the_last_place() -> None:
    x = np.concatenate([uniforms(*KEY, 0, 200_000) + 2**-53, 2.0 ** np.arange(-1000.0, 1000.0)])
    assert (np.abs(arithmetic.log(x) - np.log(x)) <= 2 * np.spacing(np.abs(np.log(x)))).all()
    y = np.linspace(-599.0, 599.0, 200_001)
    assert (np.abs(arithmetic.exp(y) - np.exp(y)) <= 2 * np.spacing(np.exp(y))).all()
    assert arithmetic.log(np.array([1.0])).tolist() == [0.0]
    assert arithmetic.exp(np.array([0.0])).tolist() == [1.0]


@pytest.mark.parametrize("cv", [0.002, 0.02, 0.05, 0.3, 0.9, 1.0, 1.5, 3.0])
def test_the_points_of_a_gamma_curve_are_those_of_scipy(cv: float) -> None:
    z, shape = np.linspace(-8.25, 8.25, 301), cv**-2
    y, _ = log_quantiles(shape, z)
    low = special.gammaincinv(shape, special.ndtr(z))
    exact = np.where(z < 0.0, low, special.gammainccinv(shape, special.ndtr(-z)))
    np.testing.assert_allclose(y, np.log(exact), rtol=0, atol=2e-11)


@pytest.mark.parametrize("x", [0.01, 0.5, 1.0, 1.6, 2.0, 7.5, 40.0, 1e4])
def test_log_gamma_is_that_of_the_standard_library(x: float) -> None:
    assert log_gamma(x) == pytest.approx(math.lgamma(x), rel=1e-13, abs=1e-14)


def test_empirical_is_numpys_linear_interpolation() -> None:
    points = (1.0, 2.0, 2.5, 4.0, 9.0)
    u = uniforms_and_edges()
    found = quantiles(law_table([Empirical(quantiles_s=points)]), 0, u)
    np.testing.assert_allclose(found, np.interp(u, np.linspace(0, 1, 5), points), rtol=1e-15)


def test_geometric_counts_steps_and_each_number_has_its_probability() -> None:
    law = Geometric(mean_s=10.0, step_s=2.0)
    u = uniforms(*KEY, 0, 50_000)
    steps = quantiles(law_table([law]), 0, u) / 2.0
    assert steps.tolist() == stats.geom(0.2).ppf(u).tolist()
    assert quantiles(law_table([law]), 0, np.array([0.0])).tolist() == [2.0]


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_a_variate_is_finite_not_negative_and_rises_with_its_uniform(law: Law) -> None:
    u = np.sort(uniforms_and_edges())
    x = quantiles(law_table([law]), 0, u)
    assert np.isfinite(x).all()
    assert (x >= 0.0).all()
    assert not np.signbit(x).any()
    assert (np.diff(x) >= -4e-15 * x[1:]).all()


@pytest.mark.parametrize(
    "law", [law for law in LAWS if law != LAWS[15]], ids=str
)  # cv 30: its mean is made by draws that never come
def test_the_mean_is_the_laws(law: Law) -> None:
    x = quantiles(law_table([law]), 0, uniforms(*KEY, 0, 400_000))
    assert abs(x.mean() - law.mean()) <= 4.5 * x.std() / np.sqrt(x.size) + 1e-12 * law.mean()


def test_the_law_itself_gives_the_same_quantiles_to_rounding() -> None:
    u = uniforms(*KEY, 0, 200)
    table = law_table(LAWS)
    for row, law in enumerate(LAWS):
        said = [law.quantile(float(v)) for v in u]
        found = quantiles(table, row, u)
        np.testing.assert_allclose(found, said, rtol=1e-7, atol=1e-250, err_msg=str(law))


def test_equal_laws_share_their_parameters_and_one_shape_its_curve() -> None:
    laws: list[Law] = [Erlang(mean_s=m, phases=4) for m in (1.0, 2.0, 2.0)]
    table = law_table([*laws, Gamma(mean_s=8.0, cv=0.5)])
    assert table.first[1] == table.first[2]
    assert table.params.size == 2 * arithmetic.TABLE_POINTS + 3 * 2
    u = uniforms(*KEY, 0, 100)
    # Powers of two scale without rounding.
    assert (quantiles(table, 3, u) == 8.0 * quantiles(table, 0, u)).all()


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_a_sampler_gives_the_quantiles_of_its_stream_in_any_order(law: Law) -> None:
    table = law_table([law])
    stream = Stream(4, 2, "oven", "cycle")
    sampler = Sampler(table, 0, stream)
    asked = [0, 1, BLOCK, 5, (1 << 40) + 3, 2, *range(250, 270), (3 << 40), 7 * BLOCK - 1, 3]
    u = np.array([stream.at(i) for i in asked])
    assert [sampler.at(i) for i in asked] == quantiles(table, 0, u).tolist()


def test_a_constant_law_never_touches_its_stream() -> None:
    table = law_table([Constant(value_s=3.5)])
    sampler = Sampler(table, 0, None)  # type: ignore[arg-type]
    assert [sampler.at(i) for i in (0, 5, 1 << 40)] == [3.5, 3.5, 3.5]


def test_no_heavy_library_is_loaded_for_any_law() -> None:
    program = (
        "import sys; from twin.engine.variates import law_table; from twin.plant import Gamma;"
        "law_table([Gamma(mean_s=1.0, cv=0.5)]);"
        "assert not {'scipy', 'numba', 'llvmlite'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.fixture(scope="module")
def table() -> LawTable:
    return law_table(LAWS)


@pytest.mark.slow
@pytest.mark.parametrize("row", range(len(LAWS)), ids=NAMES)
def test_compiled_variates_are_those_of_numpy_bit_for_bit(row: int, table: LawTable) -> None:
    from numba import njit

    from twin.engine.compiled.variates import fill, quantile_at

    @njit
    def one_by_one(code, first, params, u, out):  # type: ignore[no-untyped-def]
        for i in range(u.size):
            out[i] = quantile_at(code, first, params, u[i])

    law = (table.code[row], table.first[row], table.params)
    u = uniforms_and_edges(100_003)
    expected = quantiles(table, row, u)
    alone, block = np.empty(u.size), np.empty(100_003)
    one_by_one(*law, u, alone)
    assert alone.tobytes() == expected.tobytes()
    start, gamma = np.array(KEY, np.uint64)
    fill(*law, start, gamma, 1000, block)
    assert block.tobytes() == expected[:100_003].tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("first", [0, 1000, 5 << 40, 2**63 - 3])
def test_compiled_uniforms_are_those_of_numpy_bit_for_bit(first: int) -> None:
    from twin.engine.compiled.variates import fill_uniforms, uniform_at

    start, gamma = np.array(KEY, np.uint64)
    expected = uniforms(*KEY, first, 1001)
    block = np.empty(1001)
    fill_uniforms(start, gamma, np.uint64(first), block)
    assert block.tobytes() == expected.tobytes()
    alone = [uniform_at(start, gamma, np.uint64(first + i)) for i in range(3)]
    assert alone == expected[:3].tolist()
