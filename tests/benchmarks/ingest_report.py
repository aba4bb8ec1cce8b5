"""What the ingest benchmark found: the table, what is pinned of it, and the page that shows it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

__all__ = ["Figure", "Report", "line", "machine", "page_table", "tell"]

PINNED = Path(__file__).with_name("ingest.json")
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "benchmarks.md"
BEGIN, END = "<!-- pinned -->", "<!-- /pinned -->"
TOLERATED = 1.6
"""A cost that differs from the pinned one by less is no news on a shared machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table."""

    name: str
    measured: float
    unit: str
    bar: float | None = None
    least: bool = False
    """The bar is a minimum."""
    note: str = ""

    @property
    def met(self) -> bool | None:
        if self.bar is None:
            return None
        return self.measured >= self.bar if self.least else self.measured <= self.bar


@dataclass(slots=True)
class Report:
    """What was found so far; says it as it comes."""

    figures: list[Figure] = field(default_factory=list)
    results: dict[str, list[int]] = field(default_factory=dict)
    """Count and checksum of what is stored."""
    wrong: list[str] = field(default_factory=list)

    def add(self, name: str, measured: float, unit: str, **more: Any) -> None:
        figure = Figure(name=name, measured=measured, unit=unit, **more)
        self.figures.append(figure)
        tell(line(figure))

    def check(self, name: str, found: tuple[int, int] | None, sent: tuple[int, int]) -> None:
        """Hold what is stored against what was sent."""
        self.results[name] = list(found or (0, 0))
        if found != sent:
            self.wrong.append(f"{name}: stored {found}, sent {sent} (count, checksum)")

    def compare(self, size: str) -> None:
        """Say what differs from the pinned run: another result is wrong, another cost is told."""
        pinned = _pinned().get(size, {})
        for name, result in self.results.items():
            before = pinned.get("results", {}).get(name)
            if before not in (None, result):
                self.wrong.append(f"{name}: stored {result}, pinned {before} (count, checksum)")
        costs = {f["name"]: f["measured"] for f in pinned.get("figures", ()) if f["unit"] == "us"}
        found = [(f, costs[f.name]) for f in self.figures if f.name in costs]
        strange = [(f, us) for f, us in found if not 1 / TOLERATED <= f.measured / us <= TOLERATED]
        for f, us in strange:
            tell(f"{f.name.strip()}: {f.measured / us:.2f} times the pinned {us:.3g} us")
        if found:
            tell(f"{len(found) - len(strange)} of {len(found)} costs are as pinned")

    def pin(self, size: str, where: str) -> None:
        """Keep this run; a full one also on the page."""
        pinned = _pinned()
        figures = [
            asdict(f) | {"measured": float(f"{f.measured:.4g}"), "met": f.met} for f in self.figures
        ]
        day = datetime.now(UTC).date().isoformat()
        pinned[size] = {
            "day": day,
            "machine": where,
            "results": self.results,
            "figures": figures,
        }
        PINNED.write_text(json.dumps(pinned, indent=1) + "\n", encoding="utf-8")
        if size == "full" and PAGE.exists():
            before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
            after = rest.partition(END)[2]
            text = f"{before}{BEGIN}\n{page_table(pinned[size])}{END}{after}"
            PAGE.write_text(text, encoding="utf-8")


def _pinned() -> dict[str, Any]:
    return dict(json.loads(PINNED.read_text(encoding="utf-8"))) if PINNED.exists() else {}


def tell(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def line(f: Figure) -> str:
    met = {None: "", True: "met", False: "MISSED"}[f.met]
    measured = f"{number(f.measured)} {f.unit}"
    return f"{f.name:<58} {measured:>16} {_bar(asdict(f)):>8} {met:<7}{f.note}".rstrip()


def number(found: float) -> str:
    """Three digits that count.

    Example:
        >>> number(49247.3), number(0.1387), number(12.97), number(0)
        ('49,247', '0.139', '13.0', '0')
    """
    if not found or abs(found) >= 100:
        return f"{found:,.0f}"
    return f"{found:#.3g}"


def page_table(run: dict[str, Any]) -> str:
    """The pinned run as Markdown."""
    rows = [
        f"{run['machine']}. {run['day']}.",
        "",
        "| figure | measured | bar | met | where it went |",
        "| --- | ---: | ---: | --- | --- |",
    ]
    for f in run["figures"]:
        met = {None: "", True: "yes", False: "**no**"}[f["met"]]
        name = f["name"].replace("  ", "&emsp;", 1) if f["name"].startswith("  ") else f["name"]
        measured = f"{number(f['measured'])} {f['unit']}"
        rows.append(f"| {name} | {measured} | {_bar(f)} | {met} | {f['note']} |")
    return "\n".join([*rows, ""])


def _bar(f: dict[str, Any]) -> str:
    return "" if f["bar"] is None else f"{'≥' if f['least'] else '≤'} {f['bar']:g}"


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
