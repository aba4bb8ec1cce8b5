"""Plant time: a fixed calendar for the history, and a speeded-up clock for the live phase."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

__all__ = ["LIVE_START", "PLANT_EPOCH", "LiveClock", "from_us", "history_start", "to_us"]

PLANT_EPOCH = datetime(2026, 3, 2, 5, 0, tzinfo=UTC)
"""Where two weeks of history begin: Monday 06:00 in Berlin, the start of a shift."""
LIVE_START = datetime(2026, 3, 16, 5, 30, tzinfo=UTC)
"""Where the live phase begins: Monday 06:30 in Berlin, half an hour into the shift."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_us(instant: datetime) -> int:
    """Microseconds since 1970 of an aware instant.

    Example:
        >>> to_us(LIVE_START) - to_us(PLANT_EPOCH) == (14 * 86_400 + 1_800) * 1_000_000
        True
    """
    return (instant - _EPOCH) // timedelta(microseconds=1)


def from_us(us: int) -> datetime:
    """The UTC instant so many microseconds after 1970."""
    return _EPOCH + timedelta(microseconds=us)


def history_start(days: int) -> datetime:
    """Where a history of so many days begins; it always ends at LIVE_START.

    Example:
        >>> history_start(14) == PLANT_EPOCH
        True
    """
    return LIVE_START - timedelta(minutes=30) - timedelta(days=days)


class LiveClock:
    """Plant time of the live phase: the origin plus wall time since then, times the speed.

    Args:
        speed: Plant seconds per wall second, > 0.
        wall: Monotonic wall clock. [s]
        origin_us: Plant time now; None for LIVE_START. [us since 1970]

    Example:
        >>> wall = iter([100.0, 102.0]).__next__
        >>> clock = LiveClock(60.0, wall)
        >>> (from_us(clock.now_us()) - LIVE_START).total_seconds()
        120.0
    """

    def __init__(
        self, speed: float, wall: Callable[[], float], origin_us: int | None = None
    ) -> None:
        self.speed = speed
        self._wall = wall
        self._began = wall()
        self._origin_us = to_us(LIVE_START) if origin_us is None else origin_us

    def now_us(self) -> int:
        """Plant time. [us since 1970]"""
        return self._origin_us + round((self._wall() - self._began) * self.speed * 1e6)
