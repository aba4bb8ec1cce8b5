"""Forecasts and alerts against the practice plant's truth, which the product never reads.

A model learns from two weeks of one plant and is judged on two weeks of another: every life that
it is judged on is new to it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from connectors.field.recording import read_recording
from maintenance.alerts import Alert, evaluate, replay
from maintenance.evaluation import Failure, WarningSpell, horizon_score, warning_score
from maintenance.features.lives import begin
from maintenance.forecast import Assessment, Model, assess, carry_forward, train
from twin.plant import FailureForecast, Plant, SignalRole, WorkUnitState, load_plant
from twin.telemetry import SampleBatch, to_us
from twin.telemetry.states import state_intervals

ROOT = Path(__file__).parents[2]
LEARN, JUDGE = 201, 202
FIRST = timedelta(hours=12)
"""A part of unknown age is watched this long before its forecasts are judged."""
EVERY = timedelta(hours=1)
ROLES = (SignalRole.STATE, SignalRole.REASON, SignalRole.FAULT, SignalRole.CONDITION)


@dataclass(frozen=True, kw_only=True)
class Story:
    """What the product said through two weeks, and what happened."""

    plant: Plant
    batch: SampleBatch
    end: datetime
    forecasts: tuple[FailureForecast, ...]
    alerts: tuple[Alert, ...]
    failures: tuple[Failure, ...]


def practise(plant: Plant, seed: int, folder: Path) -> tuple[SampleBatch, dict[str, Any]]:
    recording, truth = folder / f"{seed}.parquet", folder / f"{seed}.json"
    command = [sys.executable, "-m", "simulators", "history", "--seed", str(seed)]
    command += ["--out", str(recording), "--truth", str(truth)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)
    batch = SampleBatch.concat(list(read_recording(recording)))
    known = plant.signals()
    wanted = np.array([known[s][2].role in ROLES for s in batch.signals], np.bool_)
    return batch.take(wanted[batch.code]), json.loads(truth.read_text())


def watch(
    plant: Plant, model: Model, batch: SampleBatch, start: datetime, end: datetime
) -> tuple[tuple[FailureForecast, ...], tuple[Alert, ...]]:
    """Forecast and alert hour by hour from the last three days of what had arrived."""
    alerts: tuple[Alert, ...] = ()
    said: list[Assessment] = []
    at = start
    while at <= end:
        recent = batch.take(
            (batch.available_us <= to_us(at)) & (batch.measured_us > to_us(at - timedelta(days=3)))
        )
        said.append(assess(plant, model, recent, as_of=at))
        model = carry_forward(plant, model, recent, as_of=at)
        newest = [f for a in said[-plant.maintenance.confirm :] for f in a.forecasts]
        events = evaluate(
            alerts,
            newest,
            plant.maintenance,
            now=at,
            plant=plant,
            repaired=said[-1].repaired,
            down=said[-1].down,
        )
        alerts = (*(a for a in alerts if a.alert_id not in {e.alert.alert_id for e in events}),)
        alerts = (*alerts, *replay(events))
        at += EVERY
    wear = [
        f
        for a in said
        for f in a.forecasts
        if plant.work_units[f.work_unit].failure_modes[f.failure_mode].wear
    ]
    return tuple(wear), alerts


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("practice")
    plant = load_plant(ROOT / "simulators" / "practice" / "plant.toml")
    learn, _ = practise(plant, LEARN, folder)
    judge, truth = practise(plant, JUDGE, folder)
    start, end = (datetime.fromisoformat(truth[k]) for k in ("start", "end"))
    first = start + FIRST
    model = train(plant, learn.take(learn.available_us <= to_us(end)), as_of=end)
    model = replace(model, memory=begin(plant, start - timedelta(seconds=1)))
    seen = judge.take(judge.available_us <= to_us(first))
    model = carry_forward(plant, model, seen, as_of=first)
    forecasts, alerts = watch(plant, model, judge, first, end)
    failures = tuple(
        Failure(work_unit=f["unit"], failure_mode=f["mode"], at=at)
        for f in truth["failures"]
        if plant.work_units[f["unit"]].failure_modes[f["mode"]].wear
        and (at := datetime.fromisoformat(f["failed_at"])) > first
    )
    return Story(
        plant=plant, batch=judge, end=end, forecasts=forecasts, alerts=alerts, failures=failures
    )


def operating_h(story: Story, failure: Failure, lead_h: float) -> float:
    """Time that the unit produced between the alert and the failure. [h]"""
    since = failure.at - timedelta(hours=lead_h)
    found = state_intervals(story.plant, failure.work_unit, story.batch, since, failure.at)
    return found.seconds_in(WorkUnitState.PRODUCTION) / 3600.0


@pytest.mark.slow
def test_nine_of_ten_wear_failures_are_alerted_two_operating_hours_before(story: Story) -> None:
    score = warning_score(spells(story), story.failures)
    leads = [
        0.0 if lead is None else operating_h(story, failure, lead)
        for lead, failure in zip(score.lead_h, story.failures, strict=True)
    ]
    assert len(leads) >= 10
    assert np.mean(np.array(leads) >= 2.0) >= 0.9, leads


@pytest.mark.slow
def test_false_alerts_are_rarer_than_one_in_five_machine_months(story: Story) -> None:
    score = warning_score(spells(story), story.failures)
    months = len(story.plant.work_units) * 14 / 30
    assert score.false_alerts / months <= 0.2, story.alerts


@pytest.mark.slow
def test_probabilities_beat_the_base_rate_and_mean_what_they_say(story: Story) -> None:
    score = horizon_score(story.forecasts, story.failures, horizon_h=24.0, until=story.end)
    assert score.brier < 0.5 * score.brier_base_rate
    assert score.calibration_error < 0.05


def spells(story: Story) -> list[WarningSpell]:
    return [
        WarningSpell(
            work_unit=a.work_unit,
            failure_mode=a.failure_mode,
            raised_at=a.raised_at,
            cleared_at=a.cleared_at,
        )
        for a in story.alerts
    ]
