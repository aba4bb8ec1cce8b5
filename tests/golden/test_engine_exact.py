"""The engines against exact answers, within three standard errors of independent replications."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from tests import exact_formulas as formulas
from tests.exact_cases import ENGINES, Case, Estimate, Fact, reference_relative
from tests.exact_lines import Loop, Station, chain, cycle_line, gershwin_line, serial_line
from tests.exact_table import CASES
from twin.engine.choose import Engine

PUBLISHED = [fact for case in CASES for fact in case.facts if fact.published]
RUNS = [
    pytest.param(case, engine, id=f"{case.name}, {engine}")
    for case in CASES
    for engine in ENGINES
    if engine != "recursion" or case.recursion
]


@pytest.mark.parametrize("fact", PUBLISHED, ids=lambda fact: fact.published)
def test_our_solution_is_the_published_one_to_all_its_digits(fact: Fact) -> None:
    assert f"{fact.exact:.6f}" == fact.published


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_page_lists_every_figure_with_its_exact_value(case: Case) -> None:
    page = (Path(__file__).parents[2] / "docs/explanation/engine-validation.md").read_text("utf-8")
    for fact in case.facts:
        assert f"| {case.name} | {fact.what} | {fact.exact:.6f} |" in page


@pytest.mark.slow
@pytest.mark.parametrize(("case", "engine"), RUNS)
def test_simulated_within_three_standard_errors_of_exact(case: Case, engine: Engine) -> None:
    run = case.run(engine)
    assert run.engine == engine
    for fact in case.facts:
        seen = Estimate.of(fact.reads(run))
        allowed = fact.relative if engine != "reference" else reference_relative(fact.relative)
        assert seen.error <= fact.exact * allowed, f"{fact.what}: the run is too short"
        assert abs(seen.mean - fact.exact) <= 3.0 * seen.error, fact.what


# The solutions themselves, each against another way to the same number.


@pytest.mark.parametrize("cards", [1, 2, 5, 9])
def test_conwip_chain_mean_values_and_convolution_agree(cards: int) -> None:
    rates = (1.0, 0.8, 1.25)
    line = serial_line([Station(rate) for rate in rates], cards, Loop(cards, 0))
    assert line.throughput() == pytest.approx(formulas.closed_throughput(rates, cards), rel=1e-12)
    assert formulas.normalising_throughput(rates, cards) == pytest.approx(
        formulas.closed_throughput(rates, cards), rel=1e-12
    )
    balanced = formulas.closed_throughput((1.0,) * 3, cards)
    assert balanced == pytest.approx(cards / (cards + 2), rel=1e-12)


@pytest.mark.parametrize("places", [2, 5, 8])
def test_our_zone_of_n_minus_2_places_is_gershwin_s_buffer_of_n(places: int) -> None:
    ours = cycle_line(0.02, 0.15, places)
    assert ours == pytest.approx(gershwin_line(0.02, 0.15, places + 2), rel=1e-12)


@pytest.mark.parametrize("cards", [1, 2, 4])
def test_kanban_pair_is_a_birth_and_death_process(cards: int) -> None:
    line = serial_line([Station()] * 2, 9, Loop(cards, 0, 0))
    assert line.throughput() == pytest.approx((cards + 1) / (cards + 2), rel=1e-12)


@pytest.mark.parametrize("places", [0, 1, 4])
def test_two_stations_are_hunt_s(places: int) -> None:
    """Hunt, Operations Research 4 (1956) 674-683: (b + 2) / (b + 3) at rate 1."""
    exact = (places + 2) / (places + 3)
    assert serial_line([Station()] * 2, places).throughput() == pytest.approx(exact, rel=1e-12)


def test_a_limited_queue_as_a_chain_is_the_closed_form() -> None:
    def moves(n: int) -> list[tuple[float, int, float]]:
        come = [(0.8, n + 1, 0.0)] if n < 5 else []
        return [*come, (1.0, n - 1, 1.0)] if n else come

    states, share, leaving = chain(0, moves)
    exact = formulas.mm1k(0.8, 1.0, 5)
    assert leaving == pytest.approx(exact["throughput"], rel=1e-12)
    assert float(share @ states) == pytest.approx(exact["in_system"], rel=1e-12)


def test_machines_as_a_chain_are_the_closed_form() -> None:
    def moves(down: int) -> list[tuple[float, int, float]]:
        fail = [((4 - down) * 0.01, down + 1, 0.0)] if down < 4 else []
        return [*fail, (min(down, 2) * 0.05, down - 1, 0.0)] if down else fail

    states, share, _ = chain(0, moves)
    assert 4.0 - float(share @ states) == pytest.approx(
        formulas.machines_up(4, 2, 0.01, 0.05), rel=1e-12
    )


def test_mean_squares_of_the_laws_by_integrating_their_quantiles() -> None:
    """Riemann sums over the inverse distribution functions of SciPy."""
    u = (np.arange(2_000_000) + 0.5) / 2_000_000
    weibull = stats.weibull_min(0.8, scale=1.0 / math.gamma(1.0 + 1.0 / 0.8))
    triangular = stats.triang(0.3 / 1.8, loc=0.3, scale=1.8)
    empirical = np.interp(u, np.linspace(0.0, 1.0, 5), (0.2, 0.7, 0.9, 1.3, 2.0))
    for law, values in (
        ({"law": "weibull", "mean_s": 1.0, "shape": 0.8}, weibull.ppf(u)),
        ({"law": "gamma", "mean_s": 1.0, "cv": 0.7}, stats.gamma(0.7**-2, scale=0.49).ppf(u)),
        ({"law": "triangular", "low_s": 0.3, "mode_s": 0.6, "high_s": 2.1}, triangular.ppf(u)),
        ({"law": "uniform", "low_s": 0.2, "high_s": 1.8}, 0.2 + 1.6 * u),
        ({"law": "empirical", "quantiles_s": (0.2, 0.7, 0.9, 1.3, 2.0)}, empirical),
        (
            {"law": "geometric", "mean_s": 1.0, "step_s": 0.25},
            0.25 * stats.geom(0.25).ppf(u),
        ),
    ):
        assert formulas.second_moment(law) == pytest.approx(float(np.mean(values**2)), rel=1e-4)
