"""From telemetry to failure forecasts: train on a history, then one curve per failure mode."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from maintenance.features.lives import (
    BIN_H,
    Life,
    LifeMemory,
    ModeKey,
    Service,
    advance,
    begin,
)
from maintenance.features.table import (
    BASELINE_H,
    LEVEL_H,
    SLOPES_H,
    FeatureTable,
    life_features,
    life_table,
)
from maintenance.models.exposure import operating_ahead_h, utilisation, working_ahead_h
from maintenance.models.hazard import FEATURES, HazardModel, evidence, fit, probability
from twin.errors import DataError
from twin.plant import FailureForecast, Plant, residual_probability
from twin.telemetry import SampleBatch, from_us, refuse_look_ahead, to_us

__all__ = [
    "HORIZON_H",
    "SETTLE",
    "Assessment",
    "History",
    "Model",
    "assess",
    "carry_forward",
    "forecast_failures",
    "learn",
    "read_history",
    "train",
]

HORIZON_H = (1.0, 2.0, 4.0, 8.0, 12.0, 24.0, 48.0, 72.0)
"""Points of a forecast's curve. [h] Calendar time."""
SETTLE = timedelta(minutes=5)
"""Samples may arrive this late: what a model remembers ends so long before its ``as_of``."""

_STEP_H = 1.0
_GAP_H = 1.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class History:
    """Telemetry as a model learns from it."""

    as_of: datetime
    start: datetime
    table: FeatureTable
    """A row for each hour of the clock of each life of a wear mode."""
    memory: LifeMemory
    """Where every part stood at the end."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Model:
    """What was learned from a history, and where every part stood at its end."""

    as_of: datetime
    window_start: datetime
    hazard: HazardModel | None
    """None where there were too few failures to learn from: the plant's laws speak alone."""
    memory: LifeMemory
    """Lives up to shortly before ``as_of``; forecasts go on from here."""
    failures: int
    """Failures of wear modes in the history."""
    lives: int
    """Lives of wear modes in the history, running ones too."""
    version: str
    """Hash of the features' definition, the training rows and the window."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Assessment:
    """Everything that one look at the telemetry says about failures."""

    as_of: datetime
    forecasts: tuple[FailureForecast, ...]
    """One per failure mode, in the order of the plant file."""
    repaired: Mapping[ModeKey, datetime]
    """When each failure mode was last made fresh, where that was seen."""
    down: Mapping[ModeKey, datetime]
    """Failure modes that a unit is down with now, and since when."""


def train(
    plant: Plant, batch: SampleBatch, *, as_of: datetime, services: Sequence[Service] = ()
) -> Model:
    """Learn how failures announce themselves.

    Args:
        plant: Names signals, modes and laws; a calibrated plant gives better laws.
        batch: State, reason, fault and condition signals of the history; others are passed over.
        as_of: End of the history.
        services: Planned work in the history, which ends lives without a failure.

    Returns:
        The model. It depends on nothing that became available after ``as_of``.

    Raises:
        LookAheadError: A row of the batch became available after ``as_of``.
        DataError: The batch is empty.
    """
    return learn(plant, read_history(plant, batch, as_of=as_of, services=services))


def read_history(
    plant: Plant, batch: SampleBatch, *, as_of: datetime, services: Sequence[Service] = ()
) -> History:
    """The lives of a history and their features; arguments and errors as of `train`."""
    refuse_look_ahead(batch, as_of)
    if not len(batch):
        raise DataError("no telemetry to learn from; read a history of some failures")
    start = from_us(int(batch.measured_us.min()) - 1)
    memory, ended = advance(
        plant, begin(plant, start), batch, until=as_of - SETTLE, services=services
    )
    running = tuple(life for life in memory.running() if life.ended_us is None)
    table = life_table(plant, (*ended, *running), step_h=_STEP_H)
    return History(as_of=as_of, start=start, table=table, memory=memory)


def learn(plant: Plant, history: History) -> Model:
    """Learn from a history that was read."""
    table = history.table
    return Model(
        as_of=history.as_of,
        window_start=history.start,
        hazard=fit(plant, table),
        memory=history.memory,
        failures=len(np.unique(table.life[table.failed])),
        lives=len(np.unique(table.life)),
        version=_version(table, history.start, history.as_of),
    )


def forecast_failures(
    plant: Plant, model: Model, batch: SampleBatch, *, as_of: datetime
) -> tuple[FailureForecast, ...]:
    """A curve for every failure mode of every unit: `assess` without the rest."""
    return assess(plant, model, batch, as_of=as_of).forecasts


def assess(plant: Plant, model: Model, batch: SampleBatch, *, as_of: datetime) -> Assessment:
    """Forecast every failure mode from recent telemetry.

    Wear modes whose signals speak are forecast by the learned model; others, silent ones and
    those without enough history by their law, given the age that was reached. A mode that the
    unit is down with is forecast as a fresh part: its failure has come already.

    Args:
        plant: As in training; the laws may be newer.
        model: From `train` or `carry_forward`.
        batch: Telemetry from before where the model stands (``model.memory.until``) to ``as_of``.
        as_of: The present.

    Raises:
        LookAheadError: A row of the batch became available after ``as_of``.
        DataError: The batch begins so late that working time is missing before it.
    """
    refuse_look_ahead(batch, as_of)
    _refuse_gap(plant, model, batch, as_of)
    memory, _ = advance(plant, model.memory, batch, until=as_of)
    forecasts = []
    for unit, work_unit in plant.work_units.items():
        known = memory.units[unit]
        use = utilisation(known.production_h, known.working_h)
        operating_h = operating_ahead_h(plant, unit, as_of, HORIZON_H, use)
        for mode, definition in work_unit.failure_modes.items():
            calendar = definition.clock == "calendar"
            ahead_h = np.array(HORIZON_H) if calendar else operating_h
            forecasts.append(_forecast(plant, model, known.lives[mode], ahead_h, as_of))
    down = {
        (life.work_unit, life.failure_mode): from_us(life.ended_us)
        for life in memory.running()
        if life.ended_us is not None
    }
    return Assessment(
        as_of=as_of, forecasts=tuple(forecasts), repaired=memory.repaired(), down=down
    )


def carry_forward(plant: Plant, model: Model, batch: SampleBatch, *, as_of: datetime) -> Model:
    """The same learned model with its memory moved on, so that later windows may begin later.

    Raises:
        LookAheadError: A row of the batch became available after ``as_of``.
        DataError: The batch begins so late that working time is missing before it.
    """
    refuse_look_ahead(batch, as_of)
    _refuse_gap(plant, model, batch, as_of)
    memory, _ = advance(plant, model.memory, batch, until=as_of - SETTLE)
    return replace(model, memory=memory)


def _forecast(
    plant: Plant, model: Model, life: Life, ahead_h: Floats, as_of: datetime
) -> FailureForecast:
    unit, mode = life.work_unit, life.failure_mode
    chance, said, why = None, "", {}
    if model.hazard is not None and (unit, mode) in model.hazard.scales and life.ended_us is None:
        row = life_features(life, np.array([life.age_h]), signals=model.hazard.width)
        learned = probability(model.hazard, row, ahead_h[None, :])[0]
        if np.isfinite(learned).all():
            chance, said = learned, f"wear-loglogistic/{model.version}"
            why = evidence(model.hazard, row)[0]
    if chance is None:
        law = plant.work_units[unit].failure_modes[mode].time_to_failure
        age_s = life.age_h * 3600.0 if life.ended_us is None else 0.0
        chance, said = residual_probability(law, age_s, ahead_h * 3600.0), f"law-{law.law}"
        why = {"operating_age": 1.0}
    rising = np.maximum.accumulate(np.clip(chance, 0.0, 1.0))
    return FailureForecast(
        work_unit=unit,
        failure_mode=mode,
        made_at=as_of,
        horizon_h=HORIZON_H,
        probability=tuple(float(p) for p in rising),
        model=said,
        evidence=why,
    )


def _refuse_gap(plant: Plant, model: Model, batch: SampleBatch, as_of: datetime) -> None:
    stands = model.memory.until
    first = from_us(int(batch.measured_us.min())) if len(batch) else as_of
    gap_h = (first - stands).total_seconds() / 3600.0
    if gap_h <= _GAP_H:
        return
    missed = max(float(working_ahead_h(plant, u, stands, (gap_h,))[0]) for u in plant.work_units)
    if missed > _GAP_H:
        raise DataError(
            f"{missed:.1f} h of working time lie between {stands.isoformat()}, where the model "
            "stands, and the first sample; read from there, or carry the model forward"
        )


def _version(table: FeatureTable, start: datetime, as_of: datetime) -> str:
    digest = hashlib.sha256()
    digest.update(repr((BIN_H, BASELINE_H, LEVEL_H, SLOPES_H, FEATURES, _STEP_H)).encode())
    digest.update(repr((to_us(start), to_us(as_of))).encode())
    for names in (table.work_unit, table.failure_mode):
        digest.update("\n".join(names.tolist()).encode())
    for column in (table.level, table.baseline, table.slope, table.age_h, table.failed):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()[:12]
