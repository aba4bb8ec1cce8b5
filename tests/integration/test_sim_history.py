from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from simulators.cli import main
from simulators.clock import LIVE_START, history_start
from simulators.history import live_plant
from simulators.physics import PracticePlant
from twin.plant import load_plant

PLANT_FILE = Path(__file__).parents[2] / "simulators" / "practice" / "plant.toml"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Friday, a weekend and half an hour of Monday, recorded."""
    folder = tmp_path_factory.mktemp("history")
    arguments = ["history", "--plant", str(PLANT_FILE), "--seed", "9", "--days", "3"]
    arguments += ["--out", str(folder / "it's.parquet"), "--truth", str(folder / "truth.json")]
    arguments += ["--history-cache", str(folder / "cache"), "--sent", str(folder / "sent.csv")]
    assert main(arguments) == 0
    return folder


def rows(folder: Path, question: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as db:
        db.read_parquet(str(folder / "it's.parquet")).create_view("recording")
        return db.execute(question).fetchall()


def test_the_recording_has_the_columns_that_the_product_replays(folder: Path) -> None:
    found = rows(folder, "DESCRIBE recording")
    assert [(name, kind) for name, kind, *_ in found] == [
        ("signal", "VARCHAR"),
        ("value", "DOUBLE"),
        ("text", "VARCHAR"),
        ("measured_at", "TIMESTAMP"),
        ("available_at", "TIMESTAMP"),
        ("quality", "UTINYINT"),
    ]


def test_every_sample_of_the_truth_is_recorded_once_and_arrives_later(folder: Path) -> None:
    truth = json.loads((folder / "truth.json").read_text())
    sent = sum(n for counts in truth["sent"].values() for n in counts.values())
    (found,) = rows(
        folder,
        "SELECT count(*), count(DISTINCT (signal, measured_at)), min(measured_at), "
        "max(measured_at), min(epoch_us(available_at) - epoch_us(measured_at)), "
        "max(epoch_us(available_at) - epoch_us(measured_at)) FROM recording",
    )
    assert found[0] == found[1] == sent > 10_000
    assert found[2] == history_start(3).replace(tzinfo=None)
    assert found[3] == LIVE_START.replace(tzinfo=None)
    assert 200_000 <= found[4] < found[5] <= 2_000_000


def test_a_row_has_a_number_a_text_or_a_bad_quality(folder: Path) -> None:
    kinds = rows(
        folder,
        "SELECT DISTINCT value IS NOT NULL, text IS NOT NULL, quality FROM recording ORDER BY ALL",
    )
    assert kinds == [(False, False, 2), (False, True, 0), (True, False, 0)]


def test_the_recorded_signals_are_those_of_the_plant_file(folder: Path) -> None:
    plant = load_plant(PLANT_FILE)
    assert {signal for (signal,) in rows(folder, "SELECT DISTINCT signal FROM recording")} == set(
        plant.signals()
    )


def test_the_live_plant_goes_on_from_the_saved_state_of_the_history(folder: Path) -> None:
    plant = load_plant(PLANT_FILE)
    saved = live_plant(plant, 9, days=3, cache=folder / "cache")
    anew = live_plant(plant, 9, days=3, cache=None)
    assert isinstance(saved, PracticePlant)
    minute = saved.now_us + 600_000_000
    assert saved.advance(minute) == anew.advance(minute) != []


def test_a_missing_plant_file_is_one_line_and_a_failure() -> None:
    command = [sys.executable, "-m", "simulators", "history", "--plant", "no.toml", "--out", "x"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stderr.count("\n") == 1
    assert "no.toml" in done.stderr
