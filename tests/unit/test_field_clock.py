"""Facts of plant time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connectors.field.clock import ScaledClock, WallClock
from twin.errors import DataError

MONDAY = datetime(2026, 3, 16, 5, 30, tzinfo=UTC)


def test_scaled_clock_runs_so_many_times_as_fast() -> None:
    wall_s = 1000.0
    clock = ScaledClock(MONDAY, 1000.0, 300.0, lambda: wall_s)
    assert clock.now() == MONDAY
    wall_s += 2.5
    assert clock.now() == MONDAY + timedelta(seconds=750)


def test_wall_clock_is_aware() -> None:
    assert WallClock().now().utcoffset() == timedelta(0)


def test_clock_that_would_stand_or_has_no_zone_is_refused() -> None:
    with pytest.raises(DataError):
        ScaledClock(MONDAY, 0.0, 0.0)
    with pytest.raises(DataError):
        ScaledClock(MONDAY.replace(tzinfo=None), 0.0, 1.0)
