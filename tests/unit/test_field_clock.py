"""Facts of plant time."""

from __future__ import annotations

from datetime import timedelta

from connectors.field.clock import WallClock


def test_wall_clock_is_aware() -> None:
    assert WallClock().now().utcoffset() == timedelta(0)
