"""Cross-validation of the wear model on lives made by hand: honest, whole lives, and never too early."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.base import clone

from maintenance.evaluation import cross_validate
from maintenance.features.lives import BIN_H, Life
from maintenance.features.table import FeatureTable, life_table
from maintenance.models.estimator import WearClassifier
from maintenance.models.hazard import fit, probability
from tests.engine_lab import practice
from tests.runtime_lab import NOW
from twin.errors import DataError
from twin.telemetry import to_us

PLANT = practice()
HOUR_US = 3_600_000_000
LIVES_H = (31.0, 44.0, 26.0, 52.0, 38.0, 29.0)
"""Of each unit; the last one still runs."""


def part(
    unit: str, hours: float, begun_h: float, *, failed: bool, rng: np.random.Generator, wears: bool
) -> Life:
    """One bearing; its vibration grows from 1 to 5 mm/s, or says nothing."""
    x = (np.arange(int(hours / BIN_H)) + 0.5) * BIN_H
    level = 1.0 + (4.0 * x / hours if wears else 0.0) + 0.05 * rng.standard_normal(len(x))
    begun_us = to_us(NOW) + int(begun_h * HOUR_US)
    return Life(
        work_unit=unit,
        failure_mode="bearing",
        started_us=begun_us,
        fresh=True,
        age_h=hours,
        ended_us=begun_us + int(hours * HOUR_US) if failed else None,
        failed=failed,
        sums=level[None, :],
        counts=np.ones((1, len(x))),
        entered_us=begun_us + (x * HOUR_US).astype(np.int64),
    )


def table(
    lives_h: Sequence[float] = LIVES_H, *, wears: bool = True, running_h: float = 20.0
) -> FeatureTable:
    """The lives one after the other on two units, then one that runs."""
    rng = np.random.default_rng(4)
    lives = []
    for unit in ("pick_place_1", "pick_place_2"):
        begun_h = 0.0
        for hours in lives_h:
            lives.append(part(unit, hours, begun_h, failed=True, rng=rng, wears=wears))
            begun_h += hours
        lives.append(part(unit, running_h, begun_h, failed=False, rng=rng, wears=wears))
    return life_table(PLANT, lives, step_h=1.0)


def test_wear_that_shows_is_foreseen_on_lives_that_were_held_out() -> None:
    score = cross_validate(PLANT, table())
    assert score.brier < 0.3 * score.brier_base_rate
    assert (score.folds, score.horizon_h) == (5, 24.0)


def test_signals_that_say_nothing_score_like_nothing() -> None:
    told, silent = cross_validate(PLANT, table()), cross_validate(PLANT, table(wears=False))
    assert silent.brier > 3 * told.brier
    assert silent.brier > 0.4 * silent.brier_base_rate  # age alone knows a little


def test_every_life_is_judged_by_a_model_that_never_saw_it() -> None:
    rows = table()
    lives = np.unique(rows.life)
    score = cross_validate(PLANT, rows, folds=len(lives), horizon_h=8.0)
    # The same by hand: one life left out at a time. All but the last lives are followed 8 h on.
    errors = []
    for life in lives:
        model = fit(PLANT, rows.take(rows.life != life))
        assert model is not None
        own = rows.take((rows.life == life) & (rows.failed | (rows.follow_up_h >= 8.0)))
        said = probability(model, own, np.full((len(own), 1), 8.0))[:, 0]
        told = np.isfinite(said)
        seen = own.failed & (own.follow_up_h <= 8.0)
        errors += list(np.square(said[told] - seen[told]))
    assert score.n - len(errors) <= len(lives)  # in its first hour a part may be silent
    assert score.brier == pytest.approx(np.mean(errors), rel=0.05)


def test_only_moments_that_were_followed_to_the_end_of_the_horizon_are_judged() -> None:
    # On each unit lives of 30 h, 30 h and a part that runs for 10 h; a moment each hour, 24 h ahead.
    # First life: 29 moments, 24 of them in its last 24 h. Second: 40 h - age >= 24 h leaves the
    # moments 1 to 16, of which 6 to 16 lie in its last 24 h. The running part: none.
    score = cross_validate(PLANT, table((30.0, 30.0), running_h=10.0))
    assert (score.n, score.lives) == (2 * (29 + 16), 4)
    assert score.base_rate == pytest.approx((24 + 11) / (29 + 16))
    p = score.base_rate
    assert score.brier_base_rate == pytest.approx(p * (1 - p))


@pytest.mark.parametrize(
    ("rows", "horizon_h", "why"),
    [
        (table((30.0,)), 24.0, "2 lives ended in a failure, 4 are needed"),
        (table((30.0, 30.0)), 0.5, "lives without one are needed"),
        (table((30.0, 30.0)), 500.0, "lives without one are needed"),
    ],
)
def test_too_little_to_judge_is_said(rows: FeatureTable, horizon_h: float, why: str) -> None:
    with pytest.raises(DataError, match=why):
        cross_validate(PLANT, rows, horizon_h=horizon_h)


def test_where_a_fold_leaves_too_few_failures_the_law_speaks() -> None:
    score = cross_validate(PLANT, table((30.0, 30.0)))  # four failures, three without a fold
    assert 0.0 <= score.brier <= 1.0


def test_the_same_history_scores_the_same() -> None:
    assert cross_validate(PLANT, table()) == cross_validate(PLANT, table())


def test_the_estimator_is_one_that_scikit_learn_can_copy_and_ask() -> None:
    rows = table()
    numbers = np.arange(len(rows))[:, None]
    original = WearClassifier(PLANT, rows, 8.0)
    copy = clone(original).fit(numbers)
    chances = copy.predict_proba(numbers)
    np.testing.assert_allclose(chances.sum(axis=1), 1.0)
    assert not hasattr(original, "model_")
    assert copy.get_params()["horizon_h"] == 8.0
    np.testing.assert_array_equal(copy.predict(numbers), chances[:, 1] > 0.5)


def test_scikit_learn_is_loaded_only_to_score() -> None:
    code = "import sys, connectors.jobs, maintenance.evaluation, maintenance.forecast; "
    code += "assert 'sklearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
