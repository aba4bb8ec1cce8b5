"""What a benchmark found: the table, what is pinned of it, and the page that shows it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = ["PAGE", "Figure", "Report", "line", "number", "page_table", "shown", "tell"]

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "benchmarks.md"
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

    pinned: Path
    """File of the pinned runs."""
    section: str
    """Name of the place on the page where the table of the full run stands."""
    notes: str = "note"
    """Head of the last column."""
    figures: list[Figure] = field(default_factory=list)
    results: dict[str, list[int]] = field(default_factory=dict)
    """What must be the same in every run, such as counts."""
    wrong: list[str] = field(default_factory=list)

    def add(self, name: str, measured: float, unit: str, **more: Any) -> None:
        figure = Figure(name=name, measured=measured, unit=unit, **more)
        self.figures.append(figure)
        tell(line(figure))

    def check(self, name: str, found: tuple[int, int] | None, sent: tuple[int, int]) -> None:
        """Hold what was found against what it must be."""
        self.keep(name, list(found or (0, 0)))
        if found != sent:
            self.wrong.append(f"{name}: found {found}, not {sent}")

    def keep(self, name: str, found: list[int]) -> None:
        """A result that is held against the pinned one."""
        self.results[name] = found

    def compare(self, size: str) -> None:
        """Say what differs from the pinned run: another result is wrong, another cost is told."""
        pinned = self._runs().get(size, {})
        for name, result in self.results.items():
            before = pinned.get("results", {}).get(name)
            if before not in (None, result):
                self.wrong.append(f"{name}: found {result}, pinned {before}")
        costs = {
            f["name"]: f["measured"] for f in pinned.get("figures", ()) if f["unit"] in ("us", "ns")
        }
        found = [(f, costs[f.name]) for f in self.figures if f.name in costs]
        strange = [
            (f, cost) for f, cost in found if not 1 / TOLERATED <= f.measured / cost <= TOLERATED
        ]
        for f, cost in strange:
            tell(f"{f.name.strip()}: {f.measured / cost:.2f} times the pinned {cost:.3g} {f.unit}")
        if found:
            tell(f"{len(found) - len(strange)} of {len(found)} costs are as pinned")

    def pin(self, size: str, where: str) -> None:
        """Keep this run; a full one also on the page."""
        runs = self._runs()
        figures = [
            asdict(f) | {"measured": float(f"{f.measured:.4g}"), "met": f.met} for f in self.figures
        ]
        day = datetime.now(UTC).date().isoformat()
        runs[size] = {
            "day": day,
            "machine": where,
            "results": self.results,
            "figures": figures,
        }
        self.pinned.write_text(json.dumps(runs, indent=1) + "\n", encoding="utf-8")
        if size == "full" and PAGE.exists():
            text = PAGE.read_text(encoding="utf-8")
            before = shown(text, self.section)
            now = page_table(runs[size], self.notes)
            PAGE.write_text(text.replace(before, now, 1) if before else text, encoding="utf-8")

    def _runs(self) -> dict[str, Any]:
        if not self.pinned.exists():
            return {}
        return dict(json.loads(self.pinned.read_text(encoding="utf-8")))


def shown(page: str, section: str) -> str:
    """What stands on the page in this place; empty if there is none.

    Example:
        >>> shown("text <!-- pinned -->\\ntable\\n<!-- /pinned --> text", "pinned")
        'table\\n'
    """
    rest = page.partition(f"<!-- {section} -->\n")[2]
    return rest.partition(f"<!-- /{section} -->")[0]


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


def page_table(run: dict[str, Any], notes: str) -> str:
    """The pinned run as Markdown."""
    rows = [
        f"{run['machine']}. {run['day']}.",
        "",
        f"| figure | measured | bar | met | {notes} |",
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
