"""Warm-up by MSER-5, on series whose transient is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.engine import EventTrace
from twin.errors import DataError
from twin.scenarios.warmup import mser5, warm_up


def log(departures: Sequence[Sequence[float]], kinds: tuple[str, ...] = ("leave",)) -> EventTrace:
    """A log that holds nothing but departures, by replication."""
    rows = [(r, t) for r, times in enumerate(departures) for t in times]
    none = np.full(len(rows), -1)
    return EventTrace(
        replication=np.array([r for r, _ in rows], dtype=np.int64),
        time_s=np.array([t for _, t in rows], dtype=np.float64),
        unit=np.zeros(len(rows), dtype=np.int32),
        kind=np.zeros(len(rows), dtype=np.int8),
        part=none.astype(np.int64),
        order=none.astype(np.int32),
        product=none.astype(np.int32),
        units=("end",),
        kinds=kinds,
        orders=(),
        products=(),
    )


def autoregressive(rng: np.random.Generator, n: int, phi: float) -> np.ndarray:
    noise = rng.normal(size=n)
    x = np.zeros(n)
    x[0] = noise[0] / np.sqrt(1 - phi**2)
    for i in range(1, n):
        x[i] = phi * x[i - 1] + noise[i]
    return x


def test_a_flat_series_has_no_warm_up() -> None:
    found = mser5([0.1] * 500)
    assert (found.index, found.standard_error, found.at_limit) == (0, 0.0, False)
    assert "no warm-up" in found.message


def test_figures_of_a_short_series_by_hand() -> None:
    # Means of five: 8, 2, 4, 2, 4, 2, 4, 2, 4, 2. Kept whole: mean 3.4, squares 32.4, over 100: 0.324.
    # Without the first: mean 26/9, squares 80/9, over 81: 0.10974. Without two: 8 over 64: 0.125.
    means = [8, 2, 4, 2, 4, 2, 4, 2, 4, 2]
    found = mser5([float(m) for m in means for _ in range(5)])
    assert found.index == 5
    assert found.standard_error**2 == pytest.approx(80 / 9 / 81)


def test_a_step_is_cut_where_it_is() -> None:
    rng = np.random.default_rng(1)
    series = rng.normal(size=1000)
    series[:150] += 20.0
    assert mser5(series).index == 150


def test_an_initial_bias_that_dies_out_is_taken_away() -> None:
    # AR(1) around 0 with a bias of 10 that halves every 20 observations.
    rng = np.random.default_rng(7)
    bias = 10.0 * 0.5 ** (np.arange(2000) / 20)
    errors, cut_errors, cuts = [], [], []
    for _ in range(40):
        series = autoregressive(rng, 2000, 0.5) + bias
        found = mser5(series)
        errors.append(series.mean())
        cut_errors.append(series[found.index :].mean())
        cuts.append(found.index)
    assert np.mean(errors) == pytest.approx(10 / (1 - 0.5 ** (1 / 20)) / 2000, abs=0.03)
    assert abs(np.mean(cut_errors)) < 0.03
    assert 40 <= np.median(cuts) <= 160


def test_waiting_times_of_a_queue_that_began_empty_lose_their_bias() -> None:
    # M/M/1 at 80 % load: the mean wait in the queue is 0.8 / (1 - 0.8) = 4 service times. (Gross & Harris)
    rng = np.random.default_rng(3)
    steps = rng.exponential(size=(2000, 400)) - rng.exponential(1 / 0.8, size=(2000, 400))
    wait = np.zeros((2000, 400))
    for i in range(1, 400):
        wait[:, i] = np.maximum(0.0, wait[:, i - 1] + steps[:, i - 1])
    series = wait.mean(axis=0)  # averaged over replications, as Welch does
    found = mser5(series)
    assert 0 < found.index <= 200
    assert abs(series[found.index :].mean() - 4.0) < abs(series.mean() - 4.0) / 2


@given(st.lists(st.floats(-1e3, 1e3), max_size=200))
def test_no_more_than_the_first_half_is_left_out(series: list[float]) -> None:
    assert mser5(series).index <= len(series) / 2


@given(st.lists(st.floats(-50, 50), min_size=10, max_size=200))
def test_another_unit_or_sign_is_cut_at_the_same_place(series: list[float]) -> None:
    values = np.round(np.array(series), 6)
    assert mser5(values * 4.0).index == mser5(values).index
    assert mser5(-values).index == mser5(values).index


def test_a_series_that_never_settles_is_called_too_short() -> None:
    found = mser5([float(i) for i in range(1000)])
    assert found.at_limit
    assert found.index == 500
    assert "too short" in found.message


def test_a_handful_of_values_is_too_short() -> None:
    assert mser5([1.0, 2.0, 3.0]).at_limit
    assert mser5([1.0] * 45).at_limit
    assert not mser5([1.0] * 50).at_limit


@pytest.mark.parametrize("series", [[1.0, float("nan")], [[1.0, 2.0]]])
def test_what_is_no_series_of_numbers_is_refused(series: list[float]) -> None:
    with pytest.raises(DataError, match="finite"):
        mser5(series)


def test_the_warm_up_of_a_line_ends_with_the_last_departure_left_out() -> None:
    # The first ten parts come every 30 s and all others every 10 s: 300 s. The other one is 3 s later.
    slow_then_steady = np.concatenate([np.full(10, 30.0), np.full(190, 10.0)])
    one = np.cumsum(slow_then_steady)
    found = warm_up(log([list(one), list(one + 3.0)]))
    assert found.seconds == pytest.approx(301.5)
    assert found.truncation is not None
    assert found.truncation.index == 10
    assert found.as_dict()["left_out"] == 10


def test_a_line_that_is_steady_from_the_first_part_has_no_warm_up() -> None:
    assert warm_up(log([[10.0 * (i + 1) for i in range(100)]])).seconds == 0.0


def test_a_line_that_nothing_leaves_has_no_warm_up_and_says_why() -> None:
    found = warm_up(log([[], []]))
    assert (found.seconds, found.truncation) == (0.0, None)
    assert "no part left" in found.message
