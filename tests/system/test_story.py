"""The headless story: what it says of itself, and what the plant's records and the store say of it."""

from __future__ import annotations

import json
import math
import subprocess
import tomllib
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.system.product import PRACTICE, linetwin, with_history

pytestmark = [pytest.mark.slow, pytest.mark.alone]

LINKS = {
    "telemetry",
    "nothing lost",
    "calibration",
    "forecasts",
    "alerts",
    "schedule",
    "demand",
    "proposals",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, history: Path) -> Path:
    return with_history(tmp_path_factory.mktemp("story"), history)


@pytest.fixture(scope="module")
def told(folder: Path) -> subprocess.CompletedProcess[str]:
    return linetwin(
        *("demo", "--headless", "--seconds", "60", "--json", "--data", folder), timeout_s=300
    )


@pytest.fixture(scope="module")
def story(told: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(told.stdout)
    return document


@pytest.fixture(scope="module")
def truth(folder: Path, story: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "truth.json").read_text())
    return document


def test_the_story_ends_well_and_every_link_gave_something(
    told: subprocess.CompletedProcess[str], story: dict[str, Any]
) -> None:
    assert told.returncode == 0, told.stderr
    assert "Traceback" not in told.stderr
    assert story["ok"] is True
    assert story["links"] == dict.fromkeys(LINKS, True)


def test_every_source_says_that_it_lost_nothing(story: dict[str, Any]) -> None:
    assert [s["name"] for s in story["sources"]] == ["machines", "sensors", "meters"]
    for source in story["sources"]:
        assert source["stored"] > 0, source
        assert source["sent_good"] > 0, source
        assert (source["lost"], source["twice"]) == (0, 0), source


@pytest.fixture(scope="module")
def store(folder: Path, story: dict[str, Any]) -> duckdb.DuckDBPyConnection:
    """The store's own tables beside the plant's record of what it sent."""
    file = folder / "run" / "telemetry.duckdb"
    database = duckdb.connect(str(file), read_only=True)
    plant = tomllib.loads(PRACTICE.read_text(encoding="utf-8"))
    prefix = "/".join(plant[key] for key in ("site", "area", "line"))
    database.execute(
        "CREATE TEMP VIEW kept AS "
        "SELECT signal AS name, epoch_us(measured_at) AS measured_us, "
        "epoch_us(available_at) AS available_us, value, text, quality FROM telemetry"
    )
    database.execute(
        "CREATE TEMP TABLE sent AS "
        "SELECT source, ? || unit || '/' || signal AS name, measured_us, coalesce(value, '') AS value, good "
        "FROM read_csv(?, header = true, types = {'value': 'VARCHAR'})",
        [f"{prefix}/", str(folder / "sent.csv")],
    )
    return database


def numbers(
    store: duckdb.DuckDBPyConnection, query: str, *parameters: object
) -> list[tuple[Any, ...]]:
    return store.execute(query, parameters).fetchall()


def test_everything_sent_with_good_quality_is_stored_with_its_value(
    store: duckdb.DuckDBPyConnection, truth: dict[str, Any]
) -> None:
    lost = numbers(
        store,
        "SELECT * FROM sent ANTI JOIN kept USING (name, measured_us) WHERE good = 1 LIMIT 5",
    )
    assert lost == []
    changed = numbers(
        store,
        "SELECT s.name, s.measured_us, s.value, k.value, k.text FROM sent s "
        "JOIN kept k USING (name, measured_us) WHERE good = 1 AND NOT coalesce("
        "  k.text = s.value"
        "  OR abs(k.value - try_cast(s.value AS DOUBLE)) <= 1e-9 * (1 + abs(k.value)), false) LIMIT 5",
    )
    assert changed == []
    counts = dict(numbers(store, "SELECT source, count(*) FROM sent GROUP BY source"))
    assert set(counts) == {"machines", "sensors", "meters"}
    assert sum(counts.values()) == sum(e["good"] + e["bad"] for e in truth["sent"].values())


def test_nothing_is_stored_twice_and_nothing_that_was_not_sent(
    store: duckdb.DuckDBPyConnection, truth: dict[str, Any]
) -> None:
    assert numbers(store, "SELECT count(*) - count(DISTINCT (name, measured_us)) FROM kept") == [
        (0,)
    ]
    start_us = int(datetime.fromisoformat(truth["live_start"]).timestamp() * 1e6)
    invented = numbers(
        store,
        "SELECT * FROM kept ANTI JOIN sent USING (name, measured_us) WHERE measured_us > ? AND quality < 2 LIMIT 5",
        start_us,
    )
    assert invented == []
    # Nobody was listening between the history and the first birth: one mark for each Sparkplug signal.
    marks = numbers(
        store,
        "SELECT name, count(*) FROM kept ANTI JOIN sent USING (name, measured_us) WHERE measured_us > ? GROUP BY name",
        start_us,
    )
    meters = {
        name for (name,) in numbers(store, "SELECT DISTINCT name FROM sent WHERE source = 'meters'")
    }
    assert {name for name, _ in marks} <= meters
    assert all(count == 1 for _, count in marks)


def test_what_the_product_counts_as_stored_is_in_the_store(
    store: duckdb.DuckDBPyConnection, history: Path, story: dict[str, Any]
) -> None:
    before = duckdb.connect(str(history / "data" / "telemetry.duckdb"), read_only=True)
    ((old,),) = before.execute("SELECT count(*) FROM telemetry").fetchall()
    ((now,),) = numbers(store, "SELECT count(*) FROM kept")
    assert now - old == sum(s["stored"] for s in story["sources"])
    for source in story["sources"]:
        assert source["received"] == source["stored"] + source["duplicates"]


def test_no_sample_was_known_before_it_was_measured(store: duckdb.DuckDBPyConnection) -> None:
    assert numbers(store, "SELECT count(*) FROM kept WHERE available_us < measured_us") == [(0,)]


def test_calibrated_cycle_times_cover_the_true_means(history: Path, story: dict[str, Any]) -> None:
    true = json.loads((history / "truth.json").read_text())["cycles"]
    rows = story["calibration"]["cycle_times"]
    assert len(rows) >= 20
    covered = []
    for row in rows:
        mean = true[row["work_unit"]][row["product"]]["mean_s"]
        assert row["low"] <= row["value"] <= row["high"]
        covered.append(row["low"] <= mean <= row["high"])
    share = sum(covered) / len(covered)
    assert 0.8 <= share <= 1.0
    assert math.isclose(share, story["calibration"]["coverage_90"])


def test_the_bearing_is_announced_before_it_fails(
    story: dict[str, Any], truth: dict[str, Any]
) -> None:
    start = datetime.fromisoformat(truth["live_start"])
    failures = [
        datetime.fromisoformat(f["failed_at"])
        for f in truth["failures"]
        if (f["unit"], f["mode"]) == ("pick_place_1", "bearing")
    ]
    failed = next(t for t in failures if t > start)
    alert = next(a for a in story["alerts"] if a["alert_id"].startswith("pick_place_1:bearing:"))
    raised = datetime.fromisoformat(alert["raised_at"])
    assert start < raised < failed
    lead_h = (failed - raised).total_seconds() / 3600
    assert alert["lead_time_h"] == pytest.approx(lead_h)
    assert datetime.fromisoformat(alert["true_failure_at"]) == failed
    assert alert["evidence"]


def test_the_schedule_has_a_bound_and_passes_its_check(story: dict[str, Any]) -> None:
    schedule = story["schedule"]
    assert schedule["status"] in {"optimal", "feasible"}
    assert schedule["orders"] > 0
    assert schedule["bound"] <= schedule["objective"]
    assert 0.0 <= schedule["gap"] <= 1.0
    assert schedule["violations"] == []


def test_demand_is_a_distribution_of_every_component(story: dict[str, Any]) -> None:
    items = story["demand"]["items"]
    assert len(items) >= 30
    for item in items:
        assert 0.0 <= item["p10"] <= item["p50"] <= item["p90"], item
    assert any(item["p10"] < item["p90"] for item in items)


def test_every_proposal_says_why(story: dict[str, Any]) -> None:
    assert story["proposals"]
    for proposal in story["proposals"]:
        assert proposal["quantity"] > 0
        assert proposal["reason"]
        assert proposal["pegging"], proposal["proposal_id"]
        assert {p["kind"] for p in proposal["pegging"]} <= {"order", "failure"}
    ids = Counter(p["proposal_id"] for p in story["proposals"])
    assert set(ids.values()) == {1}


def test_a_story_in_which_a_link_gave_nothing_ends_with_1(
    folder: Path, told: subprocess.CompletedProcess[str]
) -> None:
    """At real speed no alert can be confirmed: two forecasts lie ten minutes of plant time apart."""
    short = linetwin(
        *("demo", "--headless", "--seconds", "10", "--speed", "1", "--json", "--data", folder),
        timeout_s=200,
    )
    assert short.returncode == 1, short.stderr
    story = json.loads(short.stdout)
    assert story["ok"] is False
    assert [link for link, works in story["links"].items() if not works] == ["alerts"]
