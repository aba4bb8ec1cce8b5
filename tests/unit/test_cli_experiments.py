"""The commands that run experiments: the same documents as the API, tables for people, clear refusals."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner, Result

import connectors.runtime.compiling as compiling
from connectors.cli import main
from connectors.cli.practice import PRACTICE_PLANT
from connectors.cli.questions import base_of
from connectors.runtime.experiments import Basis
from connectors.runtime.sweeps import sweep_csv
from connectors.web.models import experiments as web
from twin.engine import open_jobs, simulate
from twin.scenarios import Execution

WIDE = "buffer.aoi_in.capacity=12"
HOT = "station.reflow.peak_temperature=+3"
SHORT = ("--horizon", "20m", "--engine", "reference", "--seed", "7")
ASKED: dict[str, Any] = {"horizon_h": 1 / 3, "engine": "reference", "seed": 7}


@pytest.fixture(autouse=True)
def _at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def run(command: str, *arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [command, *map(str, (PRACTICE_PLANT, *arguments))])


QUESTIONS: list[tuple[tuple[str, ...], Any]] = [
    (("simulate", "--replications", "2"), web.Simulation(**ASKED, replications=2)),
    (
        ("simulate", "--precision", "0.2", "--warm-up", "5m", "--max-replications", "12"),
        web.Simulation(**ASKED, precision=0.2, warm_up_s=300, max_replications=12),
    ),
    (
        ("whatif", "--replications", "2", "--set", WIDE, "--set", HOT, "--name", "both"),
        web.WhatIf(**ASKED, replications=2, changes=[WIDE, HOT], name="both"),
    ),
    (
        (
            *("sweep", "--replications", "2", "--kpi", "good_parts", "--kpi", "energy_kwh"),
            *("--set", "buffer.aoi_in.capacity=2,12", "--set", "station.aoi.cycle_time=*0.9"),
        ),
        web.Sweep(
            **ASKED,
            replications=2,
            grid={"buffer.aoi_in.capacity": [2, 12], "station.aoi.cycle_time": ["*0.9"]},
            kpis=["good_parts", "energy_kwh"],
        ),
    ),
    (
        (
            *("best", "--scenario", "as it is:", "--scenario", f"wide: {WIDE}"),
            *("--kpi", "good_parts", "--delta", "40", "--max-replications", "16"),
        ),
        web.Selection(
            **ASKED,
            scenarios=[
                web.NamedScenario(name="as it is"),
                web.NamedScenario(name="wide", changes=[WIDE]),
            ],
            kpi="good_parts",
            delta=40,
            max_replications=16,
        ),
    ),
    (
        ("bottleneck", "--replications", "2", "--path-only", "--limited-supply"),
        web.Bottleneck(**ASKED, replications=2, sensitivities=False, limited_supply=True),
    ),
]


@pytest.mark.parametrize(("command", "body"), QUESTIONS, ids=lambda x: x[0] if isinstance(x, tuple) else "")  # fmt: skip
def test_a_command_and_the_api_give_the_same_document(command: tuple[str, ...], body: Any) -> None:
    name, *options = command
    printed = run(name, *options, *SHORT, "--json")
    assert (printed.exit_code, printed.stderr) == (0, "")
    base = base_of(PRACTICE_PLANT, None, None)
    answer = body.question().answer(Basis(plant=base.plant, outlook=base.outlook), Execution())
    assert printed.stdout == json.dumps(answer, indent=2, ensure_ascii=False) + "\n"
    model = {
        "simulation": web.SimulationJob,
        "whatif": web.WhatIfJob,
        "sweep": web.SweepJob,
        "selection": web.SelectionJob,
        "bottleneck": web.BottleneckJob,
    }[body.question().kind]
    result = model.model_fields["result"].annotation
    job = {"job_id": "x", "kind": body.question().kind, "state": "done", "progress": 1.0}
    times = {"submitted_at": "2026-03-16T06:00:00Z", "finished_at": None, "error": None}
    sent = model.model_validate({**job, **times, "result": answer}).model_dump(mode="json")
    assert result is not None
    assert sent["result"] == answer


def test_every_answer_has_a_table_that_says_which_engine_ran_and_why() -> None:
    for command, _ in QUESTIONS:
        name, *options = command
        said = run(name, *options, *SHORT)
        assert said.exit_code == 0, said.output
        assert "engine reference: asked for" in said.stdout.splitlines()


def test_the_best_point_of_a_sweep_is_marked_and_its_table_is_written(tmp_path: Path) -> None:
    table = tmp_path / "sweep.csv"
    slower = ("--set", "station.functional_test.cycle_time=*0.8,*1.2")
    said = run("sweep", *slower, *SHORT, "--replications", "2", "--csv", table)
    marked = [line for line in said.stdout.splitlines() if line.endswith("best")]
    assert [line.split()[0] for line in marked] == ["*0.8"]
    document = json.loads(run("sweep", *slower, *SHORT, "--replications", "2", "--json").stdout)
    assert table.read_text(encoding="utf-8") == sweep_csv(document)
    rows = list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8"))))
    assert [row["station.functional_test.cycle_time"] for row in rows] == ["*0.8", "*1.2"]
    mean = document["points"][0]["kpis"]["throughput_per_h"]["mean"]
    assert float(rows[0]["throughput_per_h"]) == mean


def test_results_are_kept_unless_told_otherwise(tmp_path: Path) -> None:
    kept = tmp_path / "cache" / "linetwin" / "runs"
    ask = ("simulate", *SHORT, "--replications", "2", "--json")
    fresh = run(*ask, "--no-cache").stdout
    assert not kept.exists()
    assert run(*ask).stdout == fresh
    assert len(list(kept.glob("*.npz"))) == 1
    assert run(*ask).stdout == fresh


def test_the_event_log_has_every_event_and_the_figures_stay(tmp_path: Path) -> None:
    ask = ("simulate", *SHORT, "--replications", "2", "--json")
    log = tmp_path / "log.csv"
    assert run(*ask, "--trace", log).stdout == run(*ask).stdout
    with log.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["replication"] for row in rows} == {"0", "1"}
    assert {"launch", "start", "finish"} <= {row["kind"] for row in rows}
    assert {row["unit"] for row in rows} <= set(
        base_of(PRACTICE_PLANT, None, None).plant.work_units
    )


def test_a_simulation_says_what_it_used_by_hour() -> None:
    """Every unit that leaves the packing station takes one carton with it."""
    said = json.loads(run("simulate", *SHORT, "--replications", "2", "--json").stdout)
    plant = base_of(PRACTICE_PLANT, None, None).plant
    found = simulate(
        plant,
        start=datetime.fromisoformat(said["start"]),
        horizon_s=1200.0,
        replications=2,
        seed=7,
        jobs=open_jobs(plant),
        engine="reference",
    )
    packed = sum(float(found.starts["packing", product].mean()) for product in plant.products)
    assert said["consumption"]["CARTON"] == [pytest.approx(packed)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sweep", "--set", "buffer.aoi_in.capacity="), "is no axis"),
        (("sweep", "--set", "a.b=1", "--set", "a.b=2"), "named twice"),
        (("sweep", "--set", "buffer.nowhere.capacity=1"), "nowhere"),
        (("sweep", "--set", WIDE, "--kpi", "happiness"), "happiness"),
        (("best", "--scenario", "as it is:"), "two scenarios"),
        (("best", "--scenario", "a:", "--scenario", "b:", "--kpi", "happiness"), "happiness"),
        (("whatif", "--set", WIDE, "--name", " "), "name"),
        (("simulate", "--trace", "log.xlsx"), "parquet"),
        (("simulate", "--cluster", "tcp://127.0.0.1:1"), "tcp://127.0.0.1:1"),
    ],
)
def test_what_cannot_be_asked_is_said_in_one_line(arguments: tuple[str, ...], said: str) -> None:
    command, *rest = arguments
    result = run(command, *rest, *SHORT)
    assert (result.exit_code, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert said in line


def test_a_machine_that_has_not_compiled_answers_with_the_reference_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[bool] = []
    monkeypatch.setattr(compiling, "is_warm", lambda: False)

    def begin() -> bool:
        begun.append(True)
        return True

    monkeypatch.setattr(compiling, "begin_compiling", begin)
    ask = ("simulate", "--horizon", "10m", "--replications", "1", "--json", "--no-cache")
    result = run(*ask)
    assert result.exit_code == 0
    assert "compiled in the background" in result.stderr
    assert begun == [True]
    assert run(*ask, "--engine", "reference").stderr == ""
    assert begun == [True]


def _is_at_work(pid: int) -> bool:
    """Every worker has used more time than it takes to start one."""
    children = psutil.Process(pid).children()
    workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    return bool(workers) and all(sum(w.cpu_times()[:2]) > 3.0 for w in workers)


@pytest.mark.slow
def test_ctrl_c_ends_a_long_run_with_one_line(tmp_path: Path) -> None:
    """Runs that were begun in processes end with it."""
    ask = ["simulate", str(PRACTICE_PLANT), "--replications", "2000", "--engine", "reference"]
    process = subprocess.Popen(
        [sys.executable, "-m", "connectors", *ask, "--no-cache"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        while not _is_at_work(process.pid):
            assert process.poll() is None, "it ended before its runs were in processes"
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out, err) == (130, "", "linetwin: cancelled\n")
