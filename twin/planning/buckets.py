"""Time buckets that start with the plant's day, so that a plan made later today has the same ones."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from twin.errors import DataError

__all__ = ["Buckets"]


@dataclass(frozen=True, slots=True)
class Buckets:
    """Time from ``edges[0]`` to ``edges[-1]``, cut into ``len(edges) - 1`` buckets."""

    edges: tuple[datetime, ...]
    """Rising, UTC."""

    def __len__(self) -> int:
        return len(self.edges) - 1

    @classmethod
    def covering(
        cls, start: datetime, horizon_s: float, *, bucket_h: float, timezone: str
    ) -> Buckets:
        """Buckets of ``bucket_h`` by the plant's clock, the first one holding ``start``.

        They count from midnight of the first day; a day of 23 or 25 hours keeps its midnights.

        Raises:
            DataError: Buckets shorter than an hour: runs count by the hour.

        Example:
            >>> start = datetime(2026, 3, 27, 5, 30, tzinfo=UTC)
            >>> days = Buckets.covering(start, 3 * 86400, bucket_h=24, timezone="Europe/Berlin")
            >>> [f"{edge:%d %H:%M}" for edge in days.edges]
            ['26 23:00', '27 23:00', '28 23:00', '29 22:00', '30 22:00']
        """
        if bucket_h < 1.0:
            raise DataError(f"planning.bucket_h is {bucket_h}; use at least 1")
        zone, end = ZoneInfo(timezone), start + timedelta(seconds=horizon_s)
        day = start.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
        edges, step = [day.astimezone(UTC)], timedelta(hours=bucket_h)
        while edges[-1] < end:
            day += step  # by the clock on the wall: arithmetic inside one zone
            edge = day.astimezone(UTC)
            if edge > edges[-1]:  # an hour that summer time leaves out is no bucket
                edges.append(edge)
        first = max(i for i, edge in enumerate(edges) if edge <= start)
        return cls(tuple(edges[first:]))

    def index(self, at: datetime) -> int:
        """The bucket that holds ``at``; -1 before the first, ``len`` after the last."""
        if at >= self.edges[-1]:
            return len(self)
        return bisect_right(self.edges, at) - 1

    def of_hours(self, start: datetime, hours: int) -> NDArray[np.int64]:
        """The bucket in which each hour from ``start`` on begins. Shape (hours,)"""
        return np.array([self.index(start + timedelta(hours=h)) for h in range(hours)])
