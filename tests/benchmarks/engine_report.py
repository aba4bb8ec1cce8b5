"""Where the benchmark of the engine ran, and where its table stands."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.report import Report

__all__ = ["NOTES", "PINNED", "SECTION", "engine_report", "machine"]

PINNED = Path(__file__).with_name("engine.json")
SECTION, NOTES = "pinned engine", "beside it"


def engine_report() -> Report:
    return Report(pinned=PINNED, section=SECTION, notes=NOTES)


def machine() -> str:
    """Where this runs, as far as it matters for the figures."""
    packages = ", ".join(f"{p} {version(p)}" for p in ("simpy", "numba", "numpy"))
    return (
        f"{os.cpu_count()} virtual cores ({_processor()}) shared with other work; "
        f"{platform.system()}, Python {platform.python_version()}, {packages}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [text.partition(":")[2].strip() for text in lines if text.startswith("model name")]
    return " ".join(names[0].split()) if names else platform.machine()
