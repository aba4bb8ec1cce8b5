"""Where the ingest benchmark ran, and where its table stands."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.report import Report

__all__ = ["NOTES", "PINNED", "SECTION", "ingest_report", "machine"]

PINNED = Path(__file__).with_name("ingest.json")
SECTION, NOTES = "pinned", "where it went"


def ingest_report() -> Report:
    return Report(pinned=PINNED, section=SECTION, notes=NOTES)


def machine(folder: Path) -> str:
    """Where this runs, as far as it matters for the figures."""
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    mosquitto = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    said = subprocess.run([mosquitto, "-h"], capture_output=True, text=True, check=False).stdout
    broker = said.partition("\n")[0].replace(" version", "")
    packages = ", ".join(f"{p} {version(p)}" for p in ("duckdb", "asyncua", "paho-mqtt", "numpy"))
    return (
        f"{os.cpu_count()} virtual cores ({platform.machine()}) shared with other work, "
        f"{memory_gb:.0f} GB; one fdatasync {fdatasync_ms(folder):.1f} ms; {platform.system()}, "
        f"Python {platform.python_version()}, {packages}, {broker}"
    )


def fdatasync_ms(folder: Path) -> float:
    """Median time of a small durable write."""
    taken = []
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(30):
            file.write(bytes(4096))
            t = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append((time.perf_counter() - t) * 1000)
    return statistics.median(taken)
