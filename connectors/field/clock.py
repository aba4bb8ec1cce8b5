"""The time of the plant: the wall's, or a practice plant's that runs faster."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from twin.errors import DataError

__all__ = ["Clock", "ScaledClock", "WallClock"]


class Clock(Protocol):
    """Tells plant time."""

    def now(self) -> datetime:
        """The instant it is at the plant; aware, UTC."""
        ...


class WallClock:
    """The clock of a real plant."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class ScaledClock:
    """A plant whose time runs ``speed`` times as fast as the wall's.

    Example:
        >>> clock = ScaledClock(datetime(2026, 3, 16, tzinfo=UTC), 100.0, 60.0, lambda: 102.0)
        >>> clock.now().isoformat()
        '2026-03-16T00:02:00+00:00'
    """

    def __init__(
        self,
        origin_plant: datetime,
        origin_wall_s: float,
        speed: float,
        wall_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the clock.

        Args:
            origin_plant: What it showed at ``origin_wall_s``, aware.
            origin_wall_s: The value of ``wall_s`` at that moment. [s]
            speed: Plant seconds in a second of the wall, > 0.
            wall_s: A clock that never goes back. [s]

        Raises:
            DataError: The origin has no time zone, or the speed is not > 0.
        """
        if origin_plant.tzinfo is None:
            raise DataError(f"{origin_plant.isoformat()} has no time zone")
        if not speed > 0:
            raise DataError(f"a clock cannot run at speed {speed}; use a number above 0")
        self.speed = speed
        self._origin_plant = origin_plant.astimezone(UTC)
        self._origin_wall_s = origin_wall_s
        self._wall_s = wall_s

    def now(self) -> datetime:
        passed_s = (self._wall_s() - self._origin_wall_s) * self.speed
        return self._origin_plant + timedelta(seconds=passed_s)
