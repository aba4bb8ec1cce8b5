"""How fast telemetry comes in: source to disk to store, each figure a ratio or CPU time a value.

Run from the repository: ``make bench-ingest``, or ``make bench-ingest ARGS=--quick`` for a run of
a minute. Exit code 1 when something was lost, stored twice or changed on the way, never for a time. Page:
docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.benchmarks.ingest_report import ingest_report, machine
from tests.benchmarks.ingest_rig import (
    NAMESPACE,
    ROOT,
    Ingest,
    Process,
    Rig,
    Unit,
    free_port,
    measure,
)
from tests.benchmarks.ingest_values import expected, stored
from tests.benchmarks.report import Report, tell

REPEATS = 3
SIGNALS, JSON_SIGNALS = 1000, 100
SUSTAINED_ROWS, SLOW_ROWS = 25.0, 2.5
"""Rows of each of two sources in a second: 50,000 and 5,000 values together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is sent."""

    burst: int
    """Rows of 1,000 values, each time."""
    stock: int
    messages: int
    """Rows of 100 single values, each time."""
    sustained_s: float
    slow_s: float
    bulk: int
    """Rows of backlog and recording."""
    store: int


QUICK = Size(
    burst=60,
    stock=6,
    messages=15,
    sustained_s=20,
    slow_s=4,
    bulk=500_000,
    store=200_000,
)
FULL = Size(
    burst=1000,
    stock=50,
    messages=300,
    sustained_s=300,
    slow_s=60,
    bulk=10_000_000,
    store=10_000_000,
)


def opcua_unit(port: int, more: str = 'opcua.security = "none"') -> Unit:
    nodes = [f"nsu={NAMESPACE};s=v{i}" for i in range(SIGNALS)]
    url = f"opc.tcp://127.0.0.1:{port}/torture"
    return Unit("opc", "opcua", url, nodes, more)


def sparkplug_unit(port: int) -> Unit:
    metrics = [f"torture/edge/d{i // 20}:m{i}" for i in range(SIGNALS)]
    return Unit("spb", "sparkplug", f"mqtt://127.0.0.1:{port}", metrics, "")


def json_unit(port: int, version: str) -> Unit:
    topics = [f"torture/jsn/v{i}" for i in range(JSON_SIGNALS)]
    return Unit(
        "jsn", "mqtt-json", f"mqtt://127.0.0.1:{port}", topics, f'mqtt.version = "{version}"'
    )


def bursts(process: Process, writer: Process, rows: int, signals: int) -> list[dict[str, Any]]:
    return [measure(process, rows * signals, (writer, f"burst {rows}")) for _ in range(REPEATS)]


def cpu_us(found: dict[str, Any]) -> float:
    return float(found["cpu_s"] / found["values"] * 1e6)


def cost(found: list[dict[str, Any]]) -> tuple[float, str]:
    """Median CPU time a value, and where it went. [us]"""
    each = [cpu_us(f) for f in found]
    middle = sorted(found, key=cpu_us)[len(found) // 2]
    spent = {name: s / middle["values"] * 1e6 for name, s in middle["threads_s"].items()}
    names = {"MainThread": "source", "spool-writer": "spool", "drain-telemetry": "store"}
    parts = " ".join(
        f"{names.get(name, name)} {us:.2f}"
        for name, us in sorted(spent.items(), key=lambda kv: -kv[1])
        if us >= 0.01
    )
    rate = max(f["values"] / f["wall_s"] for f in found)
    return statistics.median(each), f"min {min(each):.2f}; {rate:,.0f}/s; {parts}"


@contextmanager
def ingesting(rig: Rig, *units: Unit, **more: Any) -> Iterator[Ingest]:
    running = rig.ingest(*units, **more)
    yield running
    running.process.end()


def opcua(rig: Rig, size: Size, report: Report) -> None:
    port = free_port()
    server = rig.peer("opcua", port, SIGNALS)
    with ingesting(rig, opcua_unit(port)) as running:
        ours = bursts(running.process, server, size.burst, SIGNALS)
    sent = expected(REPEATS * size.burst, SIGNALS)
    report.check("opcua", stored(running.file).get("opc"), sent)
    ours_us, note = cost(ours)
    report.add("OPC UA to durable DuckDB, CPU a value", ours_us, "us", bar=1.5, note=note)
    stock = rig.other("asyncua", f"opc.tcp://127.0.0.1:{port}/torture", SIGNALS)
    theirs_us, note = cost(bursts(stock, server, size.stock, SIGNALS))
    stock.end()
    server.kill()
    report.add("  stock asyncua handler, values into a list", theirs_us, "us", note=note)
    report.add("  how many times cheaper", theirs_us / ours_us, "x", bar=6, least=True)
    secure_opcua(rig, size, report)


def secure_opcua(rig: Rig, size: Size, report: Report) -> None:
    port, pki = free_port(), rig.folder / "server-pki"
    server = rig.peer("opcua", port, SIGNALS, "--pki", pki)
    with ingesting(rig, opcua_unit(port, ""), trusted=pki / "server.der") as running:
        found = bursts(running.process, server, size.burst, SIGNALS)
    server.kill()
    sent = expected(REPEATS * size.burst, SIGNALS)
    report.check("opcua secured", stored(running.file).get("opc"), sent)
    us, note = cost(found)
    report.add("  ours, signed and encrypted (Basic256Sha256)", us, "us", bar=1.5, note=note)


def sparkplug(rig: Rig, size: Size, report: Report, broker: int) -> None:
    node = rig.peer("sparkplug", broker, SIGNALS)
    with ingesting(rig, sparkplug_unit(broker)) as running:
        found = bursts(running.process, node, size.burst, SIGNALS)
    node.kill()
    sent = expected(REPEATS * size.burst, SIGNALS)
    report.check("sparkplug", stored(running.file).get("spb"), sent)
    us, note = cost(found)
    report.add("Sparkplug, 20 metrics a message, CPU a value", us, "us", bar=3, note=note)


def single_json(rig: Rig, size: Size, report: Report, broker: int) -> None:
    device = rig.peer("json", broker, JSON_SIGNALS)
    done = 0
    for version in ("3.1.1", "5"):
        with ingesting(rig, json_unit(broker, version)) as running:
            found = bursts(running.process, device, size.messages, JSON_SIGNALS)
        before, done = done, done + REPEATS * size.messages
        last, first = expected(done, JSON_SIGNALS), expected(before, JSON_SIGNALS)
        sent = (last[0] - first[0], last[1] - first[1])
        report.check(f"json {version}", stored(running.file).get("jsn"), sent)
        us, note = cost(found)
        report.add(f"JSON, QoS 1, MQTT {version}, CPU a message", us, "us", bar=25, note=note)
    for kind, words in (
        ("paho", "  floor: bare paho, which does nothing"),
        ("socket", "  floor: plain socket that cuts and acknowledges"),
    ):
        other = rig.other(kind, broker, "torture/jsn/#")
        us, note = cost(bursts(other, device, size.messages, JSON_SIGNALS))
        other.end()
        report.add(words, us, "us", note=note)
    device.kill()


def both(
    rig: Rig, report: Report, broker: int, rate: float, seconds: float, name: str
) -> dict[str, Any]:
    """OPC UA and Sparkplug at a rate, into one store."""
    port = free_port()
    server, node = rig.peer("opcua", port, SIGNALS), rig.peer("sparkplug", broker, SIGNALS)
    rows = round(rate * seconds)
    with ingesting(
        rig, opcua_unit(port), sparkplug_unit(broker), watch=rate == SLOW_ROWS
    ) as running:
        words = f"rate {rate} {seconds}"
        found = measure(running.process, 2 * rows * SIGNALS, (server, words), (node, words))
    server.kill()
    node.kill()
    there = stored(running.file)
    for unit in ("opc", "spb"):
        report.check(f"{name} {unit}", there.get(unit), expected(rows, SIGNALS))
    return found | {"lost": 2 * rows * SIGNALS - sum(count for count, _ in there.values())}


def sustained(rig: Rig, size: Size, report: Report, broker: int) -> None:
    found = both(rig, report, broker, SUSTAINED_ROWS, size.sustained_s, "sustained")
    rate = found["values"] / found["wall_s"]
    _, note = cost([found])
    report.add(f"sustained {size.sustained_s:g} s: values a second", rate, "/s", note=note)
    report.add(
        "  behind the last value that was sent", found["wall_s"] - size.sustained_s, "s", bar=2
    )
    report.add("  lost", found["lost"], "values", bar=0)
    memory = found["memory"]
    at = min(len(memory) // 3, 11)
    totals = [total for total, _ in memory]
    whole = statistics.median(totals[-3:]) / totals[at]
    report.add("  memory, end against a minute in", whole, "x", bar=1.15)
    own = [total - cached for total, cached in memory]
    name = "  memory without DuckDB's cache, end against a minute in"
    note = f"MB every 5 s: {' '.join(f'{mb:.0f}' for mb in own[:: max(1, len(own) // 12)])}"
    report.add(name, statistics.median(own[-3:]) / own[at], "x", note=note)
    cached = max(cached for _, cached in memory)
    report.add("  DuckDB's cache at most, limit 128 MB", cached, "MB")
    report.add("  memory at most", max(totals), "MB")
    report.add("  part of one core", found["cpu_s"] / found["wall_s"], "cores")


def delay(rig: Rig, size: Size, report: Report, broker: int) -> None:
    found = both(rig, report, broker, SLOW_ROWS, size.slow_s, "5,000 a second")
    median, most, worst = found["queryable_ms"]
    note = f"median {median:g}, longest {worst:g}"
    report.add("source to queryable at 5,000 values/s, 99 %", most, "ms", bar=1000, note=note)
    median, most, worst = found["stored_ms"]
    note = f"median {median:g}, longest {worst:g}; every value"
    report.add("  source to stored, 99 %", most, "ms", note=note)


def child(*words: object) -> dict[str, Any]:
    command = [sys.executable, "-m", *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{words[0]}: {done.stderr.strip().splitlines()[-1:]}")
    return dict(json.loads(done.stdout))


def backlog(rig: Rig, size: Size, report: Report) -> None:
    folder = rig.folder / "backlog"
    found = child("tests.benchmarks.ingest_bulk", "backlog", folder, size.bulk)
    there = stored(folder / "data" / "telemetry.duckdb").get("spb")
    report.check("backlog", there, expected(size.bulk // SIGNALS, SIGNALS))
    _, note = cost([found | {"values": size.bulk}])
    times = size.bulk / found["wall_s"] / 50_000
    name = f"backlog of {size.bulk:,} values against 50,000/s"
    report.add(name, times, "x", bar=10, least=True, note=note)
    report.add("  CPU a value", found["cpu_s"] / size.bulk * 1e6, "us")
    report.add("  to look through it at the start", found["open_s"], "s")
    report.add("  on disk", found["spool_bytes_a_row"], "B/value")


def recording(rig: Rig, size: Size, report: Report) -> None:
    folder = rig.folder / "recording"
    found = child("tests.benchmarks.ingest_bulk", "replay", folder, size.bulk)
    there = stored(folder / "replayed.duckdb").get("spb")
    report.check("replay", there, expected(size.bulk // SIGNALS, SIGNALS))
    cpu = {kind: found[kind]["cpu_s"] / size.bulk * 1e6 for kind in ("replay", "append", "raw")}
    ratio = cpu["replay"] / cpu["append"]
    note = f"{size.bulk / found['replay']['wall_s']:,.0f} rows/s; CPU a row {cpu['replay']:.2f} us"
    name = f"replay of {size.bulk:,} rows against appending them"
    # Opening the file is half the cost of a short recording.
    bar = 1.5 if size.bulk >= 1_000_000 else None
    report.add(name, ratio, "x", bar=bar, note=note)
    raw = cpu["replay"] / cpu["raw"]
    note = (
        f"CPU a row: store {cpu['append']:.2f} us, DuckDB alone, nothing sorted {cpu['raw']:.2f} us"
    )
    report.add("  against DuckDB alone, which keeps repeats and order", raw, "x", note=note)


def store(rig: Rig, size: Size, report: Report) -> None:
    words = ("--rows", size.store, "--folder", rig.folder)
    found = child("tests.benchmarks.bench_store", *words)
    last, day = (
        found["answers"][k]["median_ms"]
        for k in ("last value of all signals", "one signal, 24 h by minute")
    )
    note = "100 M rows: python -m tests.benchmarks.bench_store --rows 100000000"
    name = f"store of {size.store:,} rows: last value of all"
    report.add(name, last, "ms", bar=10, note=note)
    report.add("  one signal, 24 h by minute", day, "ms", bar=100)
    # A file of few rows is mostly empty blocks.
    bar = 10 if size.store >= 5_000_000 else None
    report.add("  bytes a row", found["bytes_a_row"], "B", bar=bar)


PARTS: dict[str, Callable[..., None]] = {
    "opcua": opcua,
    "sparkplug": sparkplug,
    "json": single_json,
    "sustained": sustained,
    "delay": delay,
    "backlog": backlog,
    "replay": recording,
    "store": store,
}
AT_BROKER = {"sparkplug", "json", "sustained", "delay"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a minute in place of ten")
    parser.add_argument("--pin", action="store_true", help="keep this run to compare with")
    parser.add_argument("--only", choices=PARTS, action="append", help="some of the parts")
    parser.add_argument("--folder", help="a disk with room; default the system's for such files")
    given = parser.parse_args()
    size, kind = (QUICK, "quick") if given.quick else (FULL, "full")
    report, began = ingest_report(), time.monotonic()
    with TemporaryDirectory(dir=given.folder) as folder, Rig(Path(folder)) as rig:
        where, parts = machine(Path(folder)), given.only or list(PARTS)
        tell(where)
        broker = [rig.broker()] if AT_BROKER & set(parts) else []
        for part in parts:
            PARTS[part](rig, size, report, *(broker if part in AT_BROKER else ()))
    report.compare(kind)
    if given.pin:
        report.pin(kind, where)
    tell(f"{time.monotonic() - began:.0f} s")
    for wrong in report.wrong:
        tell(f"WRONG {wrong}")
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
