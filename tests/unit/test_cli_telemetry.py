"""``linetwin record``, ``replay``, ``deadletter`` and ``status`` on a small store."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner, Result

from connectors.cli.main import main
from connectors.field.clock import WallClock
from connectors.pipeline.journal import Journal
from connectors.runtime.ownership import owned
from connectors.runtime.report import StatusFile
from connectors.store.duckdb_historian import DuckdbHistorian
from twin.plant import SignalId
from twin.telemetry import Quality, Sample, SampleBatch, from_us

START = datetime(2026, 3, 2, 5, tzinfo=UTC)
POWER, ORDER = SignalId("s/a/l/u/power"), SignalId("s/a/l/u/order")
PLANT = "simulators/practice/plant.toml"
HUMIDITY = "PLT1/electronics/line1/printer/humidity"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    samples = [
        Sample(signal=POWER, value=float(i), measured_at=at, available_at=at)
        for i in range(180)
        for at in [START + timedelta(minutes=i)]
    ]
    at = START + timedelta(hours=1)
    samples.append(Sample(signal=ORDER, value="JO-1", measured_at=at, available_at=at))
    store = DuckdbHistorian(tmp_path / "data" / "telemetry.duckdb")
    store.append(SampleBatch.of(samples))
    store.close()
    return tmp_path / "data"


@pytest.mark.parametrize("name", ["r.parquet", "r.csv", "r.csv.gz"])
def test_what_is_recorded_and_replayed_elsewhere_is_the_same(data: Path, name: str) -> None:
    file, other = data.parent / name, data.parent / "other"
    window = ("--from", "2026-03-02T05:00Z", "--to", "2026-03-02T07:00Z")
    made = run("record", str(file), *window, "--data", str(data), "--json")
    assert json.loads(made.stdout) == {"file": str(file), "samples": 121}
    stored = json.loads(run("replay", str(file), "--data", str(other), "--json").stdout)
    assert (stored["samples"], stored["new"]) == (121, 121)
    again = json.loads(run("replay", str(file), "--data", str(other), "--json").stdout)
    assert (again["samples"], again["new"]) == (121, 0)
    query = "SELECT * FROM telemetry WHERE measured_at < TIMESTAMP '2026-03-02 07:00' ORDER BY ALL"
    rows = []
    for folder in (data, other):
        with duckdb.connect(folder / "telemetry.duckdb", read_only=True) as connection:
            rows.append(connection.execute(query).fetchall())
    assert rows[0] == rows[1]
    assert len(rows[0]) == 121


def test_signals_are_chosen_by_pattern(data: Path) -> None:
    file = data.parent / "r.csv"
    window = ("--from", "2026-03-02T05:00Z", "--to", "2026-03-03T05:00Z")
    made = run("record", str(file), *window, "--signal", "*/order", "--data", str(data))
    assert made.stdout == f"1 samples in {file}\n"
    refused = run("record", str(file), *window, "--signal", "nothing*", "--data", str(data))
    assert refused.exit_code == 1
    assert refused.stderr == "linetwin: no signal fits nothing*; the store has 2\n"


@pytest.mark.parametrize(
    "arguments", [(), ("--live", "--from", "2026-03-02T05:00Z"), ("--live", "--signal", "x")]
)
def test_a_recording_is_of_the_store_or_live(arguments: tuple[str, ...]) -> None:
    refused = run("record", "r.csv", *arguments)
    assert refused.exit_code == 2
    assert "--from" in refused.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("record", "r.csv", "--from", "2026-03-02T05:00Z"),
        ("deadletter", "list"),
        ("deadletter", "replay", "--plant", "simulators/practice/plant.toml"),
    ],
)
def test_a_data_directory_that_is_named_wrong_is_told_and_not_made(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    missing = tmp_path / "dta"
    refused = run(*arguments, "--data", str(missing))
    assert refused.exit_code == 1
    assert refused.stderr == f"linetwin: no data directory {missing}; name it with --data\n"
    assert not missing.exists()


def _letter(i: int, source: str, payload: bytes, address: str, **more: str) -> dict[str, Any]:
    return {
        "id": f"1:{i}",
        "source": source,
        "kind": "letter",
        "at": "2026-03-16T06:00:00+00:00",
        "address": address,
        "reason": "once not understood",
        "size": len(payload),
        "payload": base64.b64encode(payload).decode(),
        **more,
    }


def test_letters_without_a_time_that_came_together_are_all_stored_and_known_from_now_on(
    tmp_path: Path,
) -> None:
    data, began = tmp_path / "data", WallClock().now()
    journal = Journal(data / "deadletter")
    payloads = (b"40", b"[41, 42]", b'{"value": 43, "timestamp": "2999-01-01T00:00:00Z"}', b"44")
    journal.append([_letter(i, "sensors", said, HUMIDITY) for i, said in enumerate(payloads)])
    journal.close()
    arguments = ("deadletter", "replay", "--plant", PLANT, "--data", str(data), "--json")
    first, again = (json.loads(run(*arguments).stdout) for _ in range(2))
    store = DuckdbHistorian(data / "telemetry.duckdb")
    came = datetime(2026, 3, 16, 6, tzinfo=UTC)
    kept = list(store.read(None, came, came + timedelta(seconds=1)).samples())
    store.close()
    assert {40.0, 43.0, 44.0} <= {s.value for s in kept}
    assert len(kept) == first["stored"] == again["known"]
    assert all(s.available_at >= began for s in kept)


def test_dead_letters_are_listed_and_stored_once_they_are_understood(tmp_path: Path) -> None:
    data, began = tmp_path / "data", WallClock().now()
    journal = Journal(data / "deadletter")
    sample = {"signal": HUMIDITY, "value": 41.0, "measured_us": 5, "available_us": 6, "quality": 0}
    letters = [
        ("sensors", HUMIDITY, b'{"value": 40, "timestamp": "2026-03-16T05:30:00Z"}', {}),
        ("sensors", HUMIDITY, b"{", {}),
        ("meters", "spBv1.0/g/NDATA/n", b"\x08\x01", {}),
        ("machines", HUMIDITY, json.dumps(sample).encode(), {"form": "sample"}),
    ]
    journal.append(
        [
            _letter(i, source, payload, address, **more)
            for i, (source, address, payload, more) in enumerate(letters)
        ]
    )
    journal.close()
    listed = json.loads(run("deadletter", "list", "--data", str(data), "--json").stdout)
    assert (listed["count"], listed["letters"][1]["source"]) == (4, "sensors")
    shown = run("deadletter", "list", "--data", str(data)).stdout.splitlines()
    assert shown[1].rstrip().endswith('  {"value": 40, "timestamp": "2026-03-16T05:30:00Z"}')
    assert shown[3].rstrip().endswith("  (binary)")
    assert (
        "the newest 1 of 2"
        in run(
            "deadletter", "list", "--source", "sensors", "--last", "1", "--data", str(data)
        ).stdout
    )
    arguments = ("deadletter", "replay", "--plant", PLANT, "--data", str(data), "--json")
    assert json.loads(run(*arguments).stdout) == {
        "letters": 4,
        "stored": 2,
        "known": 0,
        "refused": 2,
    }
    assert json.loads(run(*arguments).stdout)["known"] == 2
    store = DuckdbHistorian(data / "telemetry.duckdb")
    kept = [(s.value, s.measured_at.year, s.quality) for s in store.latest().samples()]
    assert kept == [(40.0, 2026, Quality.GOOD)]
    (refused,) = store.read([SignalId(HUMIDITY)], from_us(0), from_us(10)).samples()
    assert refused.available_at >= began
    assert store.count() == 2
    store.close()


def test_status_says_what_was_when_nothing_runs(tmp_path: Path) -> None:
    nothing = run("status", "--data", str(tmp_path))
    assert nothing.exit_code == 1
    assert "name the directory of a running product with --data" in nothing.stderr
    source = {
        "name": "sensors",
        "connected": False,
        "subscribed": False,
        "received": 7,
        "stored": 5,
        "duplicates": 1,
        "waiting": 1,
        "rejected": 2,
        "refused": 1,
        "gaps": 1,
        "last_at": "2026-03-16T05:30:00+00:00",
        "clock_skew_s": None,
        "error": "nobody answers",
    }
    gap = {"source": "sensors", "signals": 2, "start": None, "end": None, "reason": "it restarted"}
    document = {
        "sources": [source],
        "stores": [{"name": "telemetry", "behind": 3, "error": None}],
        "spool": {"bytes": 1 << 20, "quota_bytes": 4 << 30, "error": None},
        "gaps": [gap],
        "dead_letters": 2,
    }
    StatusFile(tmp_path).write(document, WallClock().now())
    said = run("status", "--data", str(tmp_path))
    assert said.exit_code == 1
    assert said.stdout.startswith("not running; as it was at ")
    for line in ("store telemetry: 3 records behind", "wrong: nobody answers", "it restarted"):
        assert line in said.stdout
    found = json.loads(run("status", "--data", str(tmp_path), "--json").stdout)
    assert (found["running"], found["well"], found["sources"]) == (False, False, [source])


def test_status_says_what_is_off_in_words_and_once(tmp_path: Path) -> None:
    usual: dict[str, Any] = {
        "subscribed": True,
        "received": 0,
        "stored": 0,
        "duplicates": 0,
        "waiting": 0,
        "rejected": 0,
        "refused": 0,
        "gaps": 0,
        "last_at": None,
        "clock_skew_s": None,
        "error": None,
    }
    document = {
        "sources": [
            usual | {"name": "a", "connected": False},
            usual | {"name": "b", "connected": False, "error": "nobody answers"},
            usual | {"name": "c", "connected": True, "clock_skew_s": -21_573_715.0},
        ],
        "stores": [{"name": "telemetry", "behind": 1, "error": "it is away"}],
        "spool": {"bytes": 0, "quota_bytes": 1, "error": "the store takes nothing: it is away"},
        "gaps": [],
        "dead_letters": 3,
    }
    with owned(tmp_path):
        StatusFile(tmp_path).write(document, WallClock().now())
        said = run("status", "--data", str(tmp_path)).stdout.splitlines()
    assert [re.split(r" {2,}", line)[1] for line in said[2:5]] == [
        "connecting",
        "not connected",
        "clock 250 d behind",
    ]
    assert "dead letters: 3; linetwin deadletter list shows them" in said
    assert [line for line in said if "away" in line] == [
        "wrong: the store takes nothing: it is away"
    ]


def test_a_status_that_is_old_is_not_well_although_the_process_lives(tmp_path: Path) -> None:
    document = {
        "sources": [],
        "stores": [],
        "spool": {"bytes": 0, "quota_bytes": 1, "error": None},
        "gaps": [],
        "dead_letters": 0,
    }
    with owned(tmp_path):  # a lock that this process holds is somebody's for the command
        for age_s, code in ((1, 0), (60, 1)):
            StatusFile(tmp_path).write(document, WallClock().now() - timedelta(seconds=age_s))
            said = run("status", "--data", str(tmp_path))
            assert said.exit_code == code, said.output
            assert said.stdout.startswith("running as process ")
    assert "whether the disk is full" in said.stdout
