"""The command line: JSON or a table, one clear line for an error, and nothing heavy to start it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

import connectors.runtime.compiling as compiling
from connectors.cli import main
from connectors.cli.output import DURATION, INSTANT
from connectors.cli.practice import PRACTICE_PLANT
from connectors.runtime.records import record_calibration
from connectors.store.ledger import Ledger
from tests.runtime_lab import NOW, bearing_alert, raise_alert
from tests.telemetry_lab import Log
from twin.calibration import calibrate
from twin.plant import load_plant

ALERT = bearing_alert().alert_id


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The practice plant's file with four orders, looking two days ahead in two futures."""
    folder = tmp_path_factory.mktemp("plant")
    for file in PRACTICE_PLANT.parent.iterdir():
        shutil.copy(file, folder)
    orders = (folder / "orders.csv").read_text(encoding="utf-8").splitlines()[:5]
    (folder / "orders.csv").write_text("\n".join(orders) + "\n", encoding="utf-8")
    text = (folder / "plant.toml").read_text(encoding="utf-8")
    for old, new in (
        ("horizon_d = 14", "horizon_d = 2"),
        ("replications = 20", "replications = 2"),
    ):
        assert old in text
        text = text.replace(old, new)
    (folder / "plant.toml").write_text(text, encoding="utf-8")
    return folder / "plant.toml"


@pytest.fixture(autouse=True)
def _at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Results are kept where the test ends, and nothing is compiled beside it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(compiling, "is_warm", lambda: True)


@pytest.fixture
def data(tmp_path: Path, plant: Path) -> Path:
    """A data directory with a calibration and one raised alert."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    calibrated = calibrate(
        load_plant(plant), Log().batch(), as_of=NOW, window_start=NOW - timedelta(days=1)
    )
    record_calibration(ledger, calibrated, why="test")
    raise_alert(ledger, bearing_alert())
    ledger.close()
    return tmp_path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def answered(*arguments: str | Path) -> Any:
    """The JSON document of a command that succeeds and says nothing else."""
    result = run(*arguments, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    return json.loads(result.stdout, parse_constant=pytest.fail)


def refused(code: int, *arguments: str | Path) -> list[str]:
    """The lines on standard error of a command that fails with this code."""
    result = run(*arguments)
    assert isinstance(result.exception, SystemExit), result.exception
    assert (result.exit_code, result.stdout) == (code, "")
    assert "Traceback" not in result.stderr
    return result.stderr.splitlines()


def columns(result: Result, first: str) -> list[str]:
    """The heading of the table that begins with this column."""
    assert result.exit_code == 0
    line = next(one for one in result.stdout.splitlines() if one.startswith(first))
    return [cell.strip() for cell in line.split("  ") if cell]


def questions(plant: Path) -> list[Sequence[str | Path]]:
    return [
        ("check", plant),
        ("schema",),
        ("simulate", plant, "--horizon", "30min", "--replications", "2"),
        (
            *("whatif", plant, "--set", "buffer.aoi_in.capacity=12"),
            *("--horizon", "30min", "--replications", "2"),
        ),
        ("schedule", plant),
        ("demand", plant),
    ]


def test_every_question_has_a_json_answer(plant: Path) -> None:
    check, schema, simulate, whatif, schedule, demand = (answered(*q) for q in questions(plant))
    assert check == {**check, "ok": True, "orders": 4}
    assert ["IC-MCU1 (15.2)" in note for note in check["notes"]] == [True]
    assert schema["title"] == "Plant"
    assert simulate["replications"] == 2
    assert "throughput_per_h" in simulate["kpis"]
    assert [len(k) for k in (whatif["changes"], whatif["kpis"])] == [1, 13]
    assert len(schedule["entries"]) == 4
    assert len(demand["buckets"]) == 3  # two days from 06:00 touch three dates
    assert {p["state"] for p in demand["proposals"]} <= {"proposed"}


def test_every_question_has_a_table_for_people(plant: Path) -> None:
    results = [run(*q) for q in questions(plant)]
    assert results[0].stdout.startswith("Practice electronics plant: no faults")
    assert columns(results[2], "kpi") == ["kpi", "mean", "5 %", "95 %", "unit"]
    assert "verdict" in columns(results[3], "kpi")
    assert columns(results[4], "order")[-1] == "late [h]"
    assert columns(results[5], "item")[-1] == "unit"


def test_times_in_tables_are_utc_as_they_say(plant: Path) -> None:
    # orders.csv: JO-1001 is due 2026-03-17T12:00:00+01:00.
    line = next(
        one for one in run("schedule", plant).stdout.splitlines() if one.startswith("JO-1001")
    )
    assert "Tue 17 Mar 11:00Z" in line


def test_one_second_has_no_flow_time_and_the_answer_is_still_json(plant: Path) -> None:
    kpis = answered("simulate", plant, "--horizon", "1s", "--replications", "1")["kpis"]
    assert kpis["flow_time_s"]["mean"] is None


def test_the_same_seed_gives_the_same_answer(plant: Path) -> None:
    ask = ("simulate", plant, "--horizon", "20min", "--replications", "1", "--seed", "5")
    assert answered(*ask) == answered(*ask)


def test_with_a_data_directory_the_last_calibration_answers(plant: Path, data: Path) -> None:
    ask = ("simulate", plant, "--horizon", "10min", "--replications", "1")
    assert answered(*ask)["calibration"] is None
    calibrated = answered(*ask, "--data", data)
    assert calibrated["calibration"] is not None
    assert calibrated["start"] == NOW.isoformat()


def test_alerts_are_listed_acknowledged_and_cleared(data: Path) -> None:
    assert "Head bearing worn" in run("alerts", "--data", data).stdout
    act = ("alerts", "--data", data)
    (seen,) = answered(*act, "ack", ALERT, "--who", "ada")["alerts"]
    assert (seen["state"], seen["acknowledged_by"]) == ("acknowledged", "ada")
    (line,) = refused(1, *act, "ack", ALERT, "--who", "bob")
    assert line == f"linetwin: alert {ALERT} is acknowledged already"
    answered(*act, "clear", ALERT, "--who", "ada", "--why", "replaced")
    assert answered(*act, "--state", "raised") == {"alerts": []}
    assert run(*act, "--state", "raised").stdout == "no alerts\n"
    ledger = Ledger(data / "ledger.sqlite")
    kinds = [row.body["kind"] for row in ledger.entries(kind="alert")]
    ledger.close()
    assert kinds == ["raise", "acknowledge", "clear"]


@pytest.mark.parametrize("act", [("ack",), ("clear", "--why", "replaced")])
def test_a_decision_on_an_alert_needs_a_name(data: Path, act: tuple[str, ...]) -> None:
    command, *why = act
    *_, line = refused(2, "alerts", "--data", data, command, ALERT, "--who", " ", *why)
    assert line == "Error: Invalid value for '--who': say who"


@pytest.mark.parametrize("command", ["check", "simulate", "schedule", "demand"])
def test_a_plant_file_that_is_not_there_is_said_in_one_line(command: str, tmp_path: Path) -> None:
    (line,) = refused(1, command, tmp_path / "none.toml")
    assert "none.toml" in line


def test_every_fault_of_a_plant_file_has_its_line_or_its_json(plant: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(plant.parent, tmp_path / "broken")
    text = plant.read_text(encoding="utf-8")
    text = text.replace('currency = "EUR"', 'currency = "euro"').replace("crews = 1", "crews = 0")
    (folder / "plant.toml").write_text(text, encoding="utf-8")
    lines = refused(1, "check", folder / "plant.toml")
    assert len(lines) == 2
    assert all(line.startswith("plant.toml [") for line in lines)
    result = run("check", folder / "plant.toml", "--json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["ok"]) == (1, False)
    assert [f["place"] for f in document["faults"]] == ["currency", "maintenance.crews"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("buffer.nowhere.capacity=3", "nowhere"),
        ("station.reflow.peak_temperature=9999", "peak_temperature"),
        ("faster", "faster"),
    ],
)
def test_a_change_that_cannot_be_made_is_refused(plant: Path, change: str, said: str) -> None:
    (line,) = refused(1, "whatif", plant, "--set", change, "--horizon", "1min")
    assert said in line


def test_a_data_directory_without_a_ledger_or_a_calibration_is_refused(
    plant: Path, tmp_path: Path
) -> None:
    (line,) = refused(1, "simulate", plant, "--data", tmp_path)
    assert "there is no ledger" in line
    Ledger(tmp_path / "ledger.sqlite").close()
    (line,) = refused(1, "simulate", plant, "--data", tmp_path)
    assert "no calibration yet" in line
    (line,) = refused(1, "alerts", "--data", tmp_path, "ack", "x", "--who", "ada")
    assert line == 'linetwin: no alert "x"'


def test_a_wrong_setting_ends_serve_with_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINETWIN_PROT", "1")
    (line,) = refused(1, "serve")
    assert "LINETWIN_PROT" in line


@pytest.mark.parametrize(
    "arguments",
    [
        ("nothing",),
        ("simulate",),
        ("simulate", "p.toml", "--horizon", "eight hours"),
        ("simulate", "p.toml", "--horizon", "0h"),
        ("simulate", "p.toml", "--replications", "0"),
        ("simulate", "p.toml", "--start", "2026-03-16T06:00:00"),
        ("whatif", "p.toml"),
        ("schedule", "p.toml", "--time-limit", "5"),
        ("alerts", "--state", "open"),
        ("alerts", "clear", "x", "--who", "ada"),
        ("serve", "--port", "70000"),
        ("demo", "--speed", "0"),
        ("check", "p.toml", "--verbose"),
    ],
)
def test_wrong_options_are_told_with_exit_code_2(arguments: tuple[str, ...]) -> None:
    assert refused(2, *arguments)[-1].startswith("Error: ")


def _spoken(group: click.Group) -> list[tuple[str, ...]]:
    """Every command line that does something by itself."""
    lines: list[tuple[str, ...]] = []
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            lines += [(name, *rest) for rest in _spoken(command)]
        if not isinstance(command, click.Group) or command.invoke_without_command:
            lines.append((name,))
    return lines


@pytest.mark.parametrize("command", _spoken(main), ids=" ".join)
def test_every_command_has_help_and_json(command: tuple[str, ...]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout


def test_durations_and_instants() -> None:
    wanted = {
        "90s": 90.0,
        "90min": 5400.0,
        "30m": 1800.0,
        "1.5h": 5400.0,
        "2d": 172_800.0,
        "1w": 604_800.0,
    }
    assert {text: DURATION.convert(text, None, None) for text in wanted} == wanted
    with pytest.raises(click.BadParameter, match="8h, 90min or 2d"):
        DURATION.convert("-1h", None, None)
    instant = INSTANT.convert("2026-03-16T06:30:00+01:00", None, None)
    assert instant == NOW


def test_the_command_line_starts_without_anything_heavy() -> None:
    program = [sys.executable, "-X", "importtime", "-c", "import connectors.cli"]
    told = subprocess.run(program, capture_output=True, text=True, check=True).stderr
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in told.splitlines()}
    assert "click" in loaded
    heavy = {"numpy", "pandas", "scipy", "sklearn", "simpy", "ortools", "duckdb", "fastapi"}
    assert loaded & (heavy | {"sqlalchemy", "pydantic", "asyncua", "paho", "uvicorn"}) == set()
