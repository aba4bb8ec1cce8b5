from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from simulators.clock import PLANT_EPOCH, to_us
from simulators.physics import Emission, PracticePlant
from simulators.truth.export import truth_document, write_truth
from simulators.truth.sent import Sent
from twin.plant import Plant, load_plant

PLANT_FILE = Path(__file__).parents[2] / "simulators" / "practice" / "plant.toml"
HOUR_US = 3_600_000_000


@pytest.fixture(scope="module")
def plant() -> Plant:
    return load_plant(PLANT_FILE)


@pytest.fixture(scope="module")
def run(plant: Plant) -> tuple[PracticePlant, list[Emission]]:
    practice = PracticePlant(plant, 11)
    return practice, practice.advance(to_us(PLANT_EPOCH) + 60 * HOUR_US)


@pytest.fixture(scope="module")
def truth(plant: Plant, run: tuple[PracticePlant, list[Emission]]) -> dict[str, Any]:
    sent = Sent(plant)
    sent.add(run[1])
    document: dict[str, Any] = json.loads(json.dumps(truth_document(run[0], sent)))
    return document


def test_counters_and_parts_of_the_truth_are_those_that_were_said(
    run: tuple[PracticePlant, list[Emission]], truth: dict[str, Any]
) -> None:
    last = {(e.unit, e.signal): e.value for e in run[1]}
    for unit, account in truth["units"].items():
        assert account["good_count"] == last[unit, "good_count"]
        assert account["reject_count"] == last[unit, "reject_count"]
    parts = truth["parts"]
    assert parts["good"] == last["packing", "good_count"]
    assert parts["started"] == parts["good"] + parts["scrapped"] + parts["in_process"]
    rejects = last["aoi", "reject_count"], last["functional_test", "reject_count"]
    assert parts["scrapped"] == sum(float(r or 0) for r in rejects)


def test_states_of_a_unit_fill_its_time_also_the_one_that_is_not_over(
    truth: dict[str, Any],
) -> None:
    for unit, account in truth["units"].items():
        assert sum(account["state_s"].values()) == pytest.approx(60 * 3600), unit
        assert account["state_s"]["production"] == pytest.approx(account["operated_s"]), unit


def test_true_mean_cycle_is_near_what_was_drawn_and_counts_every_part(
    truth: dict[str, Any],
) -> None:
    for unit, products in truth["cycles"].items():
        counted = truth["units"][unit]["good_count"] + truth["units"][unit]["reject_count"]
        assert sum(cycle["n"] for cycle in products.values()) == counted
        for cycle in products.values():
            assert sum(day["n"] for day in cycle["days"].values()) == cycle["n"]
            spread = 5 * cycle["cv"] * cycle["mean_s"] / cycle["n"] ** 0.5
            assert cycle["realised_mean_s"] == pytest.approx(cycle["mean_s"], abs=spread)


def test_every_life_but_the_last_ends_in_a_failure_that_was_said(
    run: tuple[PracticePlant, list[Emission]], truth: dict[str, Any]
) -> None:
    told = Counter((e.unit, e.value) for e in run[1] if e.signal == "fault" and e.value)
    for unit, modes in truth["modes"].items():
        for name, mode in modes.items():
            ended = [life for life in mode["lives"] if life["failed_at"]]
            assert len(ended) == told[unit, name]
            for life in mode["lives"]:
                assert 0.0 <= life["wear"] <= 1.0
                assert life["operated_s"] >= 0.0
    assert truth["modes"]["printer"]["squeegee"]["wear"]
    assert not truth["modes"]["printer"]["clog"]["wear"]


def test_defects_found_and_missed_are_defects_made(truth: dict[str, Any]) -> None:
    defects = truth["defects"]
    made = sum(d.get("made", 0) for d in defects.values())
    found = sum(sum(d.get("found", {}).values()) for d in defects.values())
    assert 0 < found <= made
    curve = dict(map(tuple, defects["reflow"]["curve"]))
    assert min(curve, key=curve.__getitem__) in (245.0, 246.0)


def test_sent_counts_and_rows_are_the_emissions(
    plant: Plant, run: tuple[PracticePlant, list[Emission]], tmp_path: Path
) -> None:
    with Sent(plant, tmp_path / "sent.csv") as sent:
        sent.add(run[1])
    write_truth(tmp_path / "truth.json", run[0], sent)
    document = json.loads((tmp_path / "truth.json").read_text())
    total = sum(n for counts in document["sent"].values() for n in counts.values())
    assert total == len(run[1])
    assert document["sent"]["sensors"]["bad"] == sum(
        e.value is None for e in run[1] if e.signal == "vibration"
    )
    with (tmp_path / "sent.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == total
    assert Counter((r["unit"], r["signal"]) for r in rows) == Counter(
        (e.unit, e.signal) for e in run[1]
    )
    assert {r["good"] for r in rows if r["value"] == "" and r["signal"] == "vibration"} <= {"0"}
