"""The wear model as scikit-learn sees it, so that its tools split, fit and predict for us.

scikit-learn is slow to load: whoever needs this module imports it inside a function.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from maintenance.features.table import FeatureTable
from maintenance.models.hazard import HazardModel, fit, probability
from twin.plant import Plant, residual_probability

__all__ = ["WearClassifier"]

Floats = NDArray[np.float64]


class WearClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Does the part fail within a horizon? Rows of a feature table, named by their number.

    A table has texts and a third dimension, so it cannot be the matrix ``X`` itself. What
    scikit-learn hands over as ``y`` is not learned from: the table knows, also of lives that have
    not ended, how long they were followed. Where the model is silent the plant's law speaks, as
    it does in a forecast.
    """

    def __init__(self, plant: Plant, table: FeatureTable, horizon_h: float) -> None:
        self.plant = plant
        self.table = table
        self.horizon_h = horizon_h

    def __sklearn_clone__(self) -> Self:
        """Plant and table are immutable, so a copy for each fold may share them."""
        return type(self)(self.plant, self.table, self.horizon_h)

    def fit(self, X: NDArray[np.int64], y: Any = None) -> Self:  # noqa: N803
        """Learn from the rows with these numbers. Shape (n, 1)"""
        self.model_: HazardModel | None = fit(self.plant, self.table.take(X[:, 0]))
        self.classes_ = np.array([False, True])
        return self

    def predict_proba(self, X: NDArray[np.int64]) -> Floats:  # noqa: N803
        """P(life goes on beyond the horizon), P(it fails within). Shape (n, 2)"""
        rows = self.table.take(X[:, 0])
        ahead_h = np.full((len(rows), 1), self.horizon_h)
        chance = np.full(len(rows), np.nan)
        if self.model_ is not None:
            known = np.array([key in self.model_.scales for key in _keys(rows)], np.bool_)
            chance[known] = probability(self.model_, rows.take(known), ahead_h[known])[:, 0]
        for i in np.flatnonzero(np.isnan(chance)):
            unit, mode = rows.work_unit[i], rows.failure_mode[i]
            law = self.plant.work_units[unit].failure_modes[mode].time_to_failure
            chance[i] = residual_probability(
                law, float(rows.age_h[i]) * 3600.0, ahead_h[i] * 3600.0
            )[0]
        chance = np.clip(chance, 0.0, 1.0)
        return np.stack((1.0 - chance, chance), axis=1)

    def predict(self, X: NDArray[np.int64]) -> NDArray[np.bool_]:  # noqa: N803
        """More likely than not."""
        return np.asarray(self.predict_proba(X)[:, 1] > 0.5)


def _keys(rows: FeatureTable) -> zip[tuple[str, str]]:
    return zip(rows.work_unit, rows.failure_mode, strict=True)
