"""Around the practice plant: when its history is made anew, and what a program that ended says."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from connectors.cli.demo import STORY_FAULT, demo_settings
from connectors.cli.practice import PRACTICE_PLANT, PracticePlant
from twin.errors import SourceError, StoreError
from twin.plant import load_plant


def practice(data: Path, seed: int = 1) -> PracticePlant:
    return PracticePlant(data, seed=seed, speed=60.0, faults=())


def test_the_shipped_plant_is_there_and_without_faults() -> None:
    assert load_plant(PRACTICE_PLANT).name == "Practice electronics plant"


def test_the_story_is_about_a_failure_mode_that_the_plant_has() -> None:
    unit, mode, begins_h, lasts_h = STORY_FAULT.split(":")
    assert load_plant(PRACTICE_PLANT).work_units[unit].failure_modes[mode].wear
    assert 0.0 < float(begins_h) < float(lasts_h)


def test_each_seed_has_its_own_history_and_the_same_seed_the_same(tmp_path: Path) -> None:
    one, again, other = (practice(tmp_path, seed).history_truth for seed in (1, 1, 2))
    assert one == again != other


def test_a_history_counts_when_it_is_whole(tmp_path: Path) -> None:
    plant = practice(tmp_path)
    folder = plant.history_truth.parent
    folder.with_name(f"{folder.name}.part").mkdir()
    assert not plant.prepared
    folder.mkdir()
    assert plant.prepared


def test_the_demo_stays_on_this_computer_and_inside_its_directory(tmp_path: Path) -> None:
    settings = demo_settings(tmp_path, 0)
    assert (settings.host, settings.clock) == ("127.0.0.1", "telemetry")
    assert settings.data.is_relative_to(tmp_path)
    assert settings.data == practice(tmp_path).run_data


def test_a_plant_that_does_not_run_cannot_be_told_anything(tmp_path: Path) -> None:
    async def tell() -> None:
        plant = practice(tmp_path)
        await plant.end()  # nothing to end
        with pytest.raises(SourceError, match="is not running"):
            await plant.subscribed()
        assert not plant.started.is_set()

    asyncio.run(tell())


def test_a_demo_replaces_its_own_earlier_run_and_nothing_else(tmp_path: Path) -> None:
    plant = practice(tmp_path)
    made = plant.history_truth.parent / "data"
    made.mkdir(parents=True)
    (made / "ledger.sqlite").write_text("new")
    thesis = plant.run_data / "thesis.tex"
    plant.run_data.mkdir()
    thesis.write_text("years of work")
    with pytest.raises(StoreError, match="name another directory with --data"):
        plant._lay_copy()
    assert thesis.read_text() == "years of work"
    thesis.rename(plant.run_data / "ledger.sqlite")
    plant._lay_copy()
    assert (plant.run_data / "ledger.sqlite").read_text() == "new"
