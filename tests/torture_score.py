"""What was really written against what is stored, read by plain SQL and plain JSON."""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

Value = float | str
Truth = dict[str, dict[int, Value]]
"""Signal -> microseconds since 1970 -> value."""
Row = tuple[int, float | None, str | None, int]
"""Microseconds, number, text, quality (0 good, 1 uncertain, 2 bad)."""
Lost = tuple[str, int]


def read_truth(path: Path, signal_of: Mapping[str, str]) -> Truth:
    """The log of a writer, by signal; an address that no signal has counts as unknown."""
    truth: Truth = defaultdict(dict)
    for line in path.read_text().splitlines():
        address, at, said = line.split("\t")
        try:
            value: Value = float(said)
        except ValueError:
            value = said
        if (signal := signal_of.get(address)) is not None:
            assert int(at) not in truth[signal], "the writer says two values at one time"
            truth[signal][int(at)] = value
    return truth


def read_store(file: Path) -> dict[str, list[Row]]:
    """Every stored row by signal, in the order of their times; repeats stay."""
    with duckdb.connect(file, read_only=True) as store:
        rows = store.execute(
            "SELECT signal, epoch_us(measured_at), value, text, quality FROM telemetry "
            "ORDER BY signal, measured_at, quality"
        ).fetchall()
    found: dict[str, list[Row]] = defaultdict(list)
    for signal, *row in rows:
        found[signal].append(tuple(row))
    return found


def read_lines(folder: Path, pattern: str) -> list[dict[str, Any]]:
    """All objects of the JSONL files that match."""
    return [
        json.loads(line)
        for file in sorted(folder.rglob(pattern))
        for line in file.read_text().splitlines()
    ]


@dataclass
class Score:
    """What is wrong, each case by signal and time; `say` is the line for a person."""

    written: int = 0
    stored: int = 0
    lost: list[Lost] = field(default_factory=list)
    """Written, not stored, and no gap stands where it was."""
    in_gaps: list[Lost] = field(default_factory=list)
    """Written, not stored, but a gap stands where it was."""
    twice: list[Lost] = field(default_factory=list)
    wrong: list[tuple[str, int, object, object]] = field(default_factory=list)
    """Stored with another value."""
    strange: list[Lost] = field(default_factory=list)
    """A value that nobody wrote, or at a time when nobody did."""
    empty_gaps: list[Lost] = field(default_factory=list)
    """A gap of which nothing is missing."""
    gaps: list[Lost] = field(default_factory=list)
    uncertain: int = 0

    def say(self) -> str:
        """One line of counts, and the first cases of each fault."""
        counts = {
            name: len(getattr(self, name))
            for name in ("lost", "in_gaps", "twice", "wrong", "strange", "gaps", "empty_gaps")
        }
        first = {name: getattr(self, name)[:3] for name in ("lost", "twice", "wrong", "strange")}
        return f"written={self.written} stored={self.stored} {counts} {first}"

    def is_whole(self) -> bool:
        """Nothing is lost, doubled or changed; gaps stand where values are missing."""
        return not (self.lost or self.twice or self.wrong or self.strange)


def score(truth: Truth, rows: Mapping[str, list[Row]]) -> Score:
    """Hold the store against the truth, signal by signal."""
    found = Score()
    for signal in sorted(truth.keys() | rows.keys()):
        _score_signal(found, signal, truth.get(signal, {}), rows.get(signal, []))
    return found


def _score_signal(found: Score, signal: str, truth: dict[int, Value], rows: list[Row]) -> None:
    found.written += len(truth)
    found.stored += len(rows)
    times = [row[0] for row in rows]
    found.twice += [(signal, at) for at, n in Counter(times).items() if n > 1]
    stored: set[int] = set()
    for at, number, text, quality in rows:
        found.uncertain += quality == 1
        if number is None and text is None and quality == 2:
            found.gaps.append((signal, at))
        elif at not in truth:
            found.strange.append((signal, at))
        elif not _same(truth[at], number, text):
            found.wrong.append((signal, at, truth[at], text if number is None else number))
        else:
            stored.add(at)
    missing = sorted(truth.keys() - stored)
    for at in missing:
        before = bisect_right(times, at) - 1
        covered = before >= 0 and rows[before][3] == 2 and rows[before][1] is None
        (found.in_gaps if covered else found.lost).append((signal, at))
    _empty_gaps(found, signal, missing, rows)


def _empty_gaps(found: Score, signal: str, missing: list[int], rows: list[Row]) -> None:
    for i, (at, number, text, quality) in enumerate(rows):
        if number is None and text is None and quality == 2:
            end = next((r[0] for r in rows[i + 1 :] if r[3] != 2), None)
            inside = bisect_right(missing, math.inf if end is None else end)
            if inside == bisect_right(missing, at - 1):
                found.empty_gaps.append((signal, at))


def _same(value: Value, number: float | None, text: str | None) -> bool:
    return text == value if isinstance(value, str) else number == value
