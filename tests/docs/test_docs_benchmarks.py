"""The page of benchmarks shows the run that is pinned, and what was pinned is what was sent."""

from __future__ import annotations

import json

import pytest

from tests.benchmarks import engine_report, ingest_report
from tests.benchmarks.ingest_values import checksum, expected, row
from tests.benchmarks.report import PAGE, Report, page_table, shown


@pytest.mark.parametrize(
    "report",
    [ingest_report.ingest_report(), engine_report.engine_report()],
    ids=["ingest", "engine"],
)
def test_the_page_shows_the_pinned_full_run(report: Report) -> None:
    runs = json.loads(report.pinned.read_text(encoding="utf-8"))
    page = PAGE.read_text(encoding="utf-8")
    assert shown(page, report.section) == page_table(runs["full"], report.notes)


def test_the_quick_run_stored_what_was_sent() -> None:
    runs = json.loads(ingest_report.PINNED.read_text(encoding="utf-8"))
    assert runs["quick"]["results"]["replay"] == list(expected(500, 1000))


def test_a_checksum_tells_values_that_changed_places() -> None:
    values = row(3, 10)
    assert checksum(values[::-1]) != checksum(values)
