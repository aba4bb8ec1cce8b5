"""Calibration against the practice plant's truth, which the product never reads."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.field.recording import read_recording
from twin.calibration import CalibratedPlant, calibrate, live_state
from twin.plant import Plant, load_plant
from twin.telemetry import SampleBatch, to_us

ROOT = Path(__file__).parents[2]
SEEDS = range(101, 106)
DAYS = 7
"""The nine working shifts of one week; two weeks cover alike and take twice as long."""


@pytest.fixture(scope="module")
def plant() -> Plant:
    return load_plant(ROOT / "simulators" / "practice" / "plant.toml")


def practise(seed: int, folder: Path) -> tuple[SampleBatch, dict[str, Any]]:
    """Telemetry that had arrived when the history ends, and what really happened."""
    recording, truth = folder / f"{seed}.parquet", folder / f"{seed}.json"
    command = [sys.executable, "-m", "simulators", "history", "--seed", str(seed)]
    command += ["--days", str(DAYS), "--out", str(recording), "--truth", str(truth)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)
    happened = json.loads(truth.read_text())
    batch = SampleBatch.concat(list(read_recording(recording)))
    return batch.take(
        batch.available_us <= to_us(datetime.fromisoformat(happened["end"]))
    ), happened


def covered(found: CalibratedPlant, truth: dict[str, Any]) -> list[bool]:
    """For each unit and product: whether the interval contains the true mean cycle time."""
    inside = []
    for unit, products in truth["cycles"].items():
        for product, law in products.items():
            estimate = found.estimate(f"{unit}.cycle_time.{product}.mean_s")
            inside.append(estimate.low <= law["mean_s"] <= estimate.high)
    return inside


@pytest.mark.slow
def test_intervals_of_mean_cycle_times_contain_the_truth_as_often_as_they_say(
    plant: Plant, tmp_path: Path
) -> None:
    inside: list[bool] = []
    for seed in SEEDS:
        batch, truth = practise(seed, tmp_path)
        start, end = (datetime.fromisoformat(truth[k]) for k in ("start", "end"))
        found = calibrate(plant, batch, as_of=end, window_start=start)
        inside += covered(found, truth)
        state = live_state(found.plant, batch, as_of=end)
        for zone, parts in state.zones.items():
            assert len(parts) <= plant.storage_zones[zone].capacity
        in_units = sum(u.product is not None for u in state.units.values())
        in_line = in_units + sum(map(len, state.zones.values()))
        # The last second has not arrived yet: one part may stand on either side of each end.
        assert abs(in_line - truth["parts"]["in_process"]) <= 2
    assert len(inside) == len(SEEDS) * len(plant.work_units) * len(plant.products)
    assert 0.80 <= sum(inside) / len(inside) <= 0.98
