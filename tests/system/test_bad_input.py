"""Bad input: one clear line that says what would be right, an exit code, and nothing stored is lost."""

from __future__ import annotations

import json
import os
import re
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from tests.system.product import (
    PRACTICE,
    Product,
    environment,
    linetwin,
    practice_plant,
    until,
    with_history,
)

pytestmark = pytest.mark.slow

LOGGED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ [A-Z]+ ")
"""How a line of the log begins; it goes to standard error too."""
NOWHERE = '{"machines": "opc.tcp://127.0.0.1:%d", "sensors": "mqtt://127.0.0.1:%d", "meters": "mqtt://127.0.0.1:%d"}'


def says(done: subprocess.CompletedProcess[str], *parts: str | Path, code: int = 1) -> None:
    """It ended with this code and one line that has these parts."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    for part in parts:
        assert str(part) in lines[0]


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port on which nobody listens, and nobody else can."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


# The plant file.

ASKING = [
    ("check",),
    ("simulate",),
    ("whatif", "--set", "buffer.aoi_in.capacity=12"),
    ("schedule",),
    ("demand",),
]


@pytest.mark.parametrize("command", ASKING, ids=lambda command: command[0])
def test_a_plant_file_that_is_not_there(command: tuple[str, ...], tmp_path: Path) -> None:
    name, *options = command
    says(linetwin(name, tmp_path / "none.toml", *options), tmp_path / "none.toml")


def test_serve_without_its_plant_file(tmp_path: Path) -> None:
    none, data = tmp_path / "none.toml", tmp_path / "data"
    says(linetwin("serve", "--plant", none, "--data", data, "--port", "0"), none)
    assert not data.exists()


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"[plant\n", ["line 1"]),
        (b"\xff\xfe\x00", ["UTF-8"]),
        (PRACTICE.read_bytes() + b'\n[colour]\npaint = "red"\n', ["colour"]),
    ],
    ids=["not TOML", "not text", "unknown key"],
)
def test_a_plant_file_with_a_fault(content: bytes, parts: list[str], tmp_path: Path) -> None:
    for table in PRACTICE.parent.glob("*.csv"):
        (tmp_path / table.name).write_bytes(table.read_bytes())
    file = tmp_path / "plant.toml"
    file.write_bytes(content)
    says(linetwin("check", file), file.name, *parts)
    served = linetwin("serve", "--plant", file, "--data", tmp_path / "data", "--port", "0")
    says(served, file.name, *parts)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [('site = "PLT1"', "site = 1"), ("Europe/Berlin", "Europe/Atlantis")],
    ids=["a wrong value", "a contradiction"],
)
def test_every_fault_of_a_plant_file_has_a_line_of_its_own(
    right: str, wrong: str, tmp_path: Path
) -> None:
    for table in PRACTICE.parent.glob("*.csv"):
        (tmp_path / table.name).write_bytes(table.read_bytes())
    text = PRACTICE.read_text(encoding="utf-8").replace(right, wrong)
    text = text.replace("[planning]\n", "[planning]\nhope = 1\n")
    (tmp_path / "plant.toml").write_text(f'{text}\n[colour]\npaint = "red"\n', encoding="utf-8")
    with (tmp_path / "orders.csv").open("a", encoding="utf-8") as orders:
        orders.write("JO-9,FG-GW10,many,2026-03-16T06:00:00+01:00,2026-03-17T12:00:00+01:00,5\n")
    done = linetwin("check", tmp_path / "plant.toml")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    place = "[site]" if "site" in wrong else "Atlantis"
    for fault in (place, "[colour]", "[planning.hope]", "many"):
        assert sum(fault in line for line in done.stderr.splitlines()) == 1, done.stderr


# Addresses.


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        served = ("serve", "--plant", PRACTICE, "--data", tmp_path / "data", "--port", port)
        says(linetwin(*served), f"127.0.0.1:{port}", "--port")
        says(linetwin("demo", "--data", tmp_path / "demo", "--port", port), f":{port}", "--port")


def test_an_address_that_is_not_of_this_machine(tmp_path: Path) -> None:
    where = ("--host", "192.0.2.1", "--port", "0")  # of a network for documentation (RFC 5737)
    says(linetwin("serve", "--plant", PRACTICE, "--data", tmp_path, *where), "192.0.2.1")


def test_sources_that_cannot_be_reached(tmp_path: Path, closed_port: int) -> None:
    sources = NOWHERE % ((closed_port,) * 3)
    done = linetwin(
        *("serve", "--plant", PRACTICE, "--data", tmp_path / "data", "--port", "0"),
        env=environment(LINETWIN_SOURCE_URLS=sources),
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if not LOGGED.match(line)]
    for source, scheme in (("machines", "opc.tcp"), ("sensors", "mqtt"), ("meters", "mqtt")):
        (line,) = (line for line in lines if f'"{source}"' in line)
        assert f"{scheme}://127.0.0.1:{closed_port}" in line
        assert f"[sources.{source}]" in line  # the remedy
    assert len(lines) == 3, lines


def test_one_source_that_cannot_be_reached_leaves_the_others_alone(
    tmp_path: Path, history: Path, closed_port: int
) -> None:
    with practice_plant(tmp_path, history, "--speed", "60") as plant:
        urls = {
            "machines": plant["opcua_url"],
            "sensors": f"mqtt://127.0.0.1:{closed_port}",
            "meters": plant["mqtt_url"],
        }
        env = {"LINETWIN_SOURCE_URLS": json.dumps(urls), "LINETWIN_CLOCK": "telemetry"}
        arguments = ("serve", "--plant", PRACTICE, "--data", tmp_path / "data", "--port", "0")
        with Product(tmp_path, *arguments, "--json", env=env) as product:
            product.listening()
            time.sleep(12.0)  # longer than the first source may take
            found = {s["name"]: s for s in product.get("/telemetry")["sources"]}
            assert found["machines"]["stored"] > 0
            assert found["meters"]["stored"] > 0
            assert "nobody answers at that port" in found["sensors"]["error"]
            product.stop()
        assert product.errors.count("[sources.sensors]") == 1


def test_sources_that_are_waited_for(tmp_path: Path, closed_port: int) -> None:
    sources = NOWHERE % ((closed_port,) * 3)
    arguments = ("serve", "--wait", "--plant", PRACTICE, "--data", tmp_path / "data", "--json")
    with Product(
        tmp_path, *arguments, "--port", "0", env={"LINETWIN_SOURCE_URLS": sources}
    ) as product:
        product.listening()
        until(lambda: product.get("/health")["status"] == "degraded", "degraded health", 15)
        for source in ("machines", "sensors", "meters"):
            until(lambda name=source: f'"{name}"' in product.errors, "word of a source", 15)
        product.stop()
        assert all(product.errors.count(f'"{s}"') == 1 for s in ("machines", "sensors", "meters"))


@pytest.mark.parametrize("command", ["run", "run without a broker"])
def test_the_practice_plant_without_its_counterparts(closed_port: int, command: str) -> None:
    more = (
        ["--mqtt-url", f"mqtt://127.0.0.1:{closed_port}"]
        if command == "run without a broker"
        else []
    )
    more += ["--mqtt-password-file", "none", "--mqtt-user", "ada"] if command == "run" else []
    done = subprocess.run(
        [sys.executable, "-m", "simulators", "run", "--days", "1", "--no-hold", *more],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        timeout=60,
    )
    says(done, str(closed_port) if command != "run" else "password file none", code=2)


# Where the data goes.


def blocked(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "file").write_text("in the way")
    return {"a file": tmp_path / "file", "below a file": tmp_path / "file" / "data"}


@pytest.mark.parametrize("kind", ["a file", "below a file"])
@pytest.mark.parametrize("command", ["serve", "demo", "demo --headless"])
def test_a_data_directory_that_cannot_be(tmp_path: Path, kind: str, command: str) -> None:
    place = blocked(tmp_path)[kind]
    name, *options = command.split()
    if name == "serve":
        options += ["--plant", str(PRACTICE)]
    if "--headless" not in options:
        options += ["--port", "0"]
    done = linetwin(name, *options, "--data", place)
    assert done.returncode in {1, 2}
    assert "Traceback" not in done.stderr
    assert str(place) in done.stderr.splitlines()[-1]
    assert (tmp_path / "file").read_text() == "in the way"


def no_file_larger_than(size: int) -> Callable[[], None]:
    """As on a full disk: every write behind this offset of a file fails."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_a_full_disk_at_the_start(tmp_path: Path) -> None:
    done = linetwin(
        *("serve", "--plant", PRACTICE, "--data", tmp_path / "data", "--port", "0"),
        preexec_fn=no_file_larger_than(4096),
    )
    says(done, tmp_path / "data")


def test_a_disk_that_becomes_full_loses_nothing_that_was_stored(
    tmp_path: Path, history: Path
) -> None:
    data = with_history(tmp_path / "plant", history) / history.name / "data"
    store = data / "telemetry.duckdb"
    before = rows(store)
    lengthen_log(store, 60_000)  # so that the store is full first: a full spool brings it no more
    with practice_plant(tmp_path, history, "--speed", "200") as plant:
        urls = {"machines": plant["opcua_url"]} | dict.fromkeys(
            ("sensors", "meters"), plant["mqtt_url"]
        )
        with Product(
            *(tmp_path, "serve", "--plant", PRACTICE, "--data", data, "--port", "0", "--json"),
            env={"LINETWIN_SOURCE_URLS": json.dumps(urls), "LINETWIN_CLOCK": "telemetry"},
            preexec_fn=no_file_larger_than(100_000),
        ) as product:
            product.listening()

            def full() -> bool:
                status, telemetry = product.ask("/api/v1/telemetry")
                return (
                    status == 200
                    and telemetry["spool"]["error"] is not None
                    and telemetry["stores"][0]["error"] is not None
                )

            until(full, "full disk", 120)
            assert product.get("/health")["status"] == "degraded"
            sources = product.get("/line")["sources"]
            stored, received = (sum(s[key] for s in sources) for key in ("stored", "received"))
            assert received > stored
            product.signalled(15)
            assert product.process.returncode == 1
            assert "Traceback" not in product.errors
            assert "not on disk" in product.errors.splitlines()[-1]
    assert rows(store) >= before + stored


def lengthen_log(store: Path, size: int) -> None:
    """Leave in the log of a store so many bytes that mean nothing to it."""
    with duckdb.connect(str(store), config={"checkpoint_threshold": "1GB"}) as database:
        database.execute("PRAGMA disable_checkpoint_on_shutdown")
        database.execute("CREATE TABLE ballast (bytes BLOB)")
        database.execute("INSERT INTO ballast VALUES (?)", [os.urandom(size)])
        database.execute("DROP TABLE ballast")
    assert store.with_name(f"{store.name}.wal").stat().st_size > size


def rows(store: Path) -> int:
    with duckdb.connect(str(store)) as database:
        ((count,),) = database.execute("SELECT count(*) FROM telemetry").fetchall()
    return int(count)


def test_a_damaged_store(tmp_path: Path) -> None:
    (tmp_path / "telemetry.duckdb").write_bytes(b"no database, but words. " * 1000)
    done = linetwin("serve", "--plant", PRACTICE, "--data", tmp_path, "--port", "0")
    says(done, tmp_path / "telemetry.duckdb")
    assert (tmp_path / "telemetry.duckdb").read_bytes().startswith(b"no database")


def test_a_damaged_ledger(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"no ledger, but words. " * 1000)
    says(linetwin("alerts", "--data", tmp_path), "ledger")
    served = linetwin("serve", "--plant", PRACTICE, "--data", tmp_path, "--port", "0")
    says(served, "ledger")


@pytest.mark.parametrize("command", [("alerts",), ("simulate", PRACTICE), ("demand", PRACTICE)])
def test_a_data_directory_without_a_ledger(tmp_path: Path, command: tuple[str, ...]) -> None:
    says(linetwin(*command, "--data", tmp_path), tmp_path)


# Settings and options.


def test_a_setting_that_does_not_exist(tmp_path: Path) -> None:
    done = linetwin(
        *("serve", "--plant", PRACTICE, "--data", tmp_path, "--port", "0"),
        env=environment(LINETWIN_PROT="8765"),
    )
    says(done, "LINETWIN_PROT", "LINETWIN_PORT")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LINETWIN_PORT", "many"),
        ("LINETWIN_SOURCE_URLS", "machines=opc.tcp://"),
        ("LINETWIN_CLOCK", "sundial"),
        ("LINETWIN_HISTORIAN_URL", "http://127.0.0.1:8086"),
    ],
)
def test_a_setting_of_the_wrong_kind(variable: str, value: str, tmp_path: Path) -> None:
    done = linetwin(
        *("serve", "--plant", PRACTICE, "--data", tmp_path),
        env=environment(**{variable: value}),
    )
    says(done)
    assert variable in done.stderr or variable.removeprefix("LINETWIN_").lower() in done.stderr


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("demo", "--seconds", "1", "--headless"), ["--seconds", "1"]),
        (("demo", "--speed", "0"), ["--speed", "0"]),
        (("demo", "--seed", "-1"), ["--seed", "-1"]),
        (("serve", "--port", "99999"), ["--port", "99999"]),
        (("simulate", PRACTICE, "--horizon", "soon"), ["--horizon", "soon", "8h"]),
        (("simulate", PRACTICE, "--start", "monday"), ["--start", "monday"]),
        (("simulate", PRACTICE, "--replications", "0"), ["--replications", "0"]),
        (("whatif", PRACTICE), ["--set"]),
        (("alerts", "--state", "asleep"), ["--state", "asleep", "raised"]),
        (("dance",), ["dance"]),
    ],
    ids=lambda value: " ".join(map(str, value)).replace(str(PRACTICE), "FILE"),
)
def test_an_option_of_the_wrong_kind(arguments: tuple[str, ...], parts: list[str]) -> None:
    """Said the way command lines say it: how to call it, then the line that counts. Exit code 2."""
    done = linetwin(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("Usage: ")
    for part in parts:
        assert part in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ("buffer.nowhere.capacity=12", "nowhere"),
        ("station.reflow.peak_temperature=+9000", "peak_temperature"),
        ("buffer.aoi_in.capacity=much", "much"),
        ("capacity", "capacity"),
    ],
)
def test_a_change_that_cannot_be_made(change: str, part: str) -> None:
    says(linetwin("whatif", PRACTICE, "--set", change), part)


def test_an_alert_that_does_not_exist(tmp_path: Path, history: Path) -> None:
    data = with_history(tmp_path / "plant", history) / history.name / "data"
    done = linetwin("alerts", "--data", data, "ack", "no:such:alert", "--who", "ada")
    says(done, "no:such:alert")
