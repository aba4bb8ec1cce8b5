"""The time of the plant."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

__all__ = ["Clock", "WallClock"]


class Clock(Protocol):
    """Tells plant time."""

    def now(self) -> datetime:
        """The instant it is at the plant; aware, UTC."""
        ...


class WallClock:
    """The clock of a real plant."""

    def now(self) -> datetime:
        return datetime.now(UTC)
