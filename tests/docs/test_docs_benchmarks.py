"""The page of benchmarks shows the run that is pinned, and what was pinned is what was sent."""

from __future__ import annotations

import json

from tests.benchmarks.ingest_report import BEGIN, END, PAGE, PINNED, page_table
from tests.benchmarks.ingest_values import checksum, expected, row

RUNS = json.loads(PINNED.read_text(encoding="utf-8"))


def test_the_page_shows_the_pinned_full_run() -> None:
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(f"{BEGIN}\n")
    assert rest.partition(END)[0] == page_table(RUNS["full"])


def test_the_quick_run_stored_what_was_sent() -> None:
    assert RUNS["quick"]["results"]["replay"] == list(expected(500, 1000))


def test_a_checksum_tells_values_that_changed_places() -> None:
    values = row(3, 10)
    assert checksum(values[::-1]) != checksum(values)
