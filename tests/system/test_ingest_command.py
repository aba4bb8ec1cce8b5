"""``linetwin ingest``, ``status`` and ``record --live`` on a plant that speaks real OPC UA and MQTT."""

from __future__ import annotations

import csv
import json
import re
import shutil
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from tests.system.product import (
    PRACTICE,
    Product,
    environment,
    linetwin,
    practice_plant,
    until,
)

pytestmark = pytest.mark.slow


def sources(plant: Mapping[str, Any]) -> dict[str, str]:
    urls = {"machines": plant["opcua_url"]} | dict.fromkeys(
        ("sensors", "meters"), plant["mqtt_url"]
    )
    return {"LINETWIN_SOURCE_URLS": json.dumps(urls), "LINETWIN_CLOCK": "telemetry"}


def status(data: Path) -> dict[str, Any] | None:
    done = linetwin("status", "--data", data, "--json")
    return json.loads(done.stdout) if done.stdout else None


def received(data: Path, at_least: int) -> dict[str, dict[str, Any]] | None:
    found = status(data)
    if found is None or any(s["stored"] < at_least for s in found["sources"]):
        return None
    return {s["name"]: s for s in found["sources"]}


def test_ingest_is_watched_changed_and_stopped(tmp_path: Path, history: Path) -> None:
    own = shutil.copytree(PRACTICE.parent, tmp_path / "own")
    data, file = tmp_path / "data", own / "plant.toml"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    with practice_plant(tmp_path, history, "--speed", "60") as plant:
        arguments = ("ingest", "--plant", file, "--data", data, "--metrics-port", port, "--json")
        with Product(tmp_path, *arguments, env=sources(plant)) as ingest:
            before = until(lambda: received(data, 30), "samples of every source", 60)
            assert all(s["connected"] and s["error"] is None for s in before.values())
            assert linetwin("status", "--data", data).returncode == 0

            metrics = httpx.get(f"http://127.0.0.1:{port}/metrics").text
            told = re.search(
                r'linetwin_source_stored_samples_total\{source="sensors"\} ([\d.]+)', metrics
            )
            assert told is not None
            assert float(told[1]) >= before["sensors"]["stored"]

            owned = linetwin("ingest", "--plant", file, "--data", data, env=environment())
            assert owned.returncode == 1
            assert "is used by another linetwin" in owned.stderr.splitlines()[-1]

            text = file.read_text(encoding="utf-8")
            changed = text.replace(
                "[sources.sensors]\n", '[sources.sensors]\nmqtt.version = "3.1.1"\nmqtt.qos = 2\n'
            )
            assert changed != text
            file.write_text(changed, encoding="utf-8")
            until(lambda: "sensors begun anew" in ingest.errors, "reload", 30)
            file.write_text("[sources", encoding="utf-8")
            until(lambda: "is not taken over" in ingest.errors, "refused reload", 30)

            def more() -> bool:
                now = received(data, 30)
                return now is not None and all(
                    now[name]["stored"] > before[name]["stored"] for name in now
                )

            until(more, "samples after the reloads", 60)
            ingest.stop()
    for line in ingest.errors.splitlines()[1:]:
        assert json.loads(line)["level"] in {"warning", "error"}
    after = status(data)
    assert after is not None
    assert (after["running"], after["well"]) == (False, False)
    lost, twice = scored(data / "telemetry.duckdb", tmp_path / "sent.csv")
    assert (lost, twice) == (0, 0)


def test_a_live_recording_runs_beside_the_product(tmp_path: Path, history: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "live.parquet"
    with practice_plant(tmp_path, history, "--speed", "60") as plant:
        env = sources(plant)
        with Product(tmp_path, "ingest", "--plant", PRACTICE, "--data", data, env=env) as ingest:
            until(lambda: received(data, 10), "samples of every source", 60)
            done = linetwin(
                *("record", file, "--live", "--for", "4s", "--plant", PRACTICE, "--data", data),
                *("--json",),
                env=environment(**env),
            )
            assert done.returncode == 0, done.stderr
            count = json.loads(done.stdout)["samples"]
            time.sleep(1.0)  # the product stores what the recording has already
            ingest.stop()
    assert not file.with_name("live.parquet.partial").exists()
    with duckdb.connect(str(data / "telemetry.duckdb"), read_only=True) as database:
        ((rows, shared),) = database.execute(
            "SELECT count(*), count(t.signal) FROM read_parquet(?) r LEFT JOIN telemetry t "
            "ON r.signal = t.signal AND r.measured_at = t.measured_at AND "
            "r.value IS NOT DISTINCT FROM t.value AND r.text IS NOT DISTINCT FROM t.text "
            "WHERE r.quality < 2",
            [str(file)],
        ).fetchall()
    assert count >= rows > 100
    assert shared == rows


def scored(
    store: Path, sent: Path, of: tuple[str, ...] = ("machines", "sensors", "meters")
) -> tuple[int, int]:
    """Samples that were sent well between the first and last stored one and are not there; rows twice."""
    with duckdb.connect(str(store), read_only=True) as database:
        kept = database.execute(
            "SELECT signal, epoch_us(measured_at), quality FROM telemetry"
        ).fetchall()
    with sent.open(newline="") as lines:
        truth = [
            (f"{row['unit']}/{row['signal']}", int(row["measured_us"]))
            for row in csv.DictReader(lines)
            if row["good"] == "1" and row["source"] in of
        ]
    assert len(truth) > 300
    there = {("/".join(name.split("/")[3:]), us) for name, us, _ in kept}
    reach: dict[str, list[int]] = {}
    for name, us in there:
        reach.setdefault(name, []).append(us)
    lost = [
        (name, us)
        for name, us in truth
        if name in reach and min(reach[name]) < us < max(reach[name]) and (name, us) not in there
    ]
    return len(lost), len(kept) - len(there)


def test_a_server_that_is_away_keeps_ingest_from_nothing(tmp_path: Path, history: Path) -> None:
    data, token = tmp_path / "data", tmp_path / "token"
    token.write_text("t", encoding="utf-8")
    with socket.socket() as closed, practice_plant(tmp_path, history, "--speed", "60") as plant:
        closed.bind(("127.0.0.1", 0))  # nobody listens, and nobody else can
        env = sources(plant) | {
            "LINETWIN_HISTORIAN_URL": f"http://127.0.0.1:{closed.getsockname()[1]}",
            "LINETWIN_HISTORIAN_TOKEN_FILE": str(token),
        }
        arguments = ("ingest", "--plant", PRACTICE, "--data", data)
        with Product(tmp_path, *arguments, env=env) as ingest:

            def waiting() -> bool:
                found = status(data)
                return found is not None and all(s["durable"] > 10 for s in found["sources"])

            until(waiting, "samples of every source on disk", 60)
            found = status(data)
            assert found is not None
            assert (found["running"], found["well"]) == (True, False)
            assert all(s["stored"] == 0 and s["waiting"] > 0 for s in found["sources"])
            ingest.stop()
        assert "the store is away, samples wait on disk" in ingest.errors
        with Product(tmp_path, *arguments, env=sources(plant)) as ingest:  # now into DuckDB
            until(lambda: received(data, 20), "what had waited, and more", 60)
            ingest.stop()
    # Sparkplug travels with QoS 0: what was sent between the two is a gap, and not scored here.
    kept = ("machines", "sensors")
    assert scored(data / "telemetry.duckdb", tmp_path / "sent.csv", kept) == (0, 0)
