"""Working time: weekly shifts in the plant's time zone, less closed days."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from twin.plant.base import Frozen

__all__ = ["Calendar"]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_SHIFT = re.compile(rf"({'|'.join(_DAYS)})(?:-({'|'.join(_DAYS)}))? (\d\d):(\d\d)-(\d\d):(\d\d)")


class Calendar(Frozen):
    """Weekly shifts such as ``Mon-Fri 06:00-22:00``, in the plant's time zone."""

    weekly: Annotated[tuple[str, ...], Field(min_length=1)]
    closed: tuple[date, ...] = ()

    @model_validator(mode="after")
    def _readable(self) -> Self:
        for shift in self.weekly:
            _parse(shift)
        return self

    def intervals(
        self, start: datetime, end: datetime, timezone: str
    ) -> list[tuple[datetime, datetime]]:
        """Working time between two instants, merged and in order.

        Args:
            start: First instant, aware.
            end: Last instant, aware.
            timezone: IANA name of the plant's time zone.

        Returns:
            Pairs of UTC instants that neither touch nor overlap.

        Example:
            >>> day = datetime(2026, 3, 2, tzinfo=UTC)
            >>> [(a.hour, b.hour) for a, b in Calendar(weekly=("Mon-Fri 06:00-22:00",)).intervals(
            ...     day, day + timedelta(days=1), "UTC")]
            [(6, 22)]
        """
        zone = ZoneInfo(timezone)
        found: list[tuple[datetime, datetime]] = []
        day = start.astimezone(zone).date() - timedelta(days=1)
        last = end.astimezone(zone).date()
        while day <= last:
            if day not in self.closed:
                for shift in self.weekly:
                    days, opens_s, closes_s = _parse(shift)
                    if day.weekday() in days:
                        a, b = _instant(day, opens_s, zone), _instant(day, closes_s, zone)
                        if max(a, start) < min(b, end):
                            found.append((max(a, start), min(b, end)))
            day += timedelta(days=1)
        return _merged(sorted(found))


@cache
def _parse(shift: str) -> tuple[frozenset[int], int, int]:
    match = _SHIFT.fullmatch(shift)
    if match is None:
        raise ValueError(f'"{shift}" is not a shift; write one as "Mon-Fri 06:00-22:00"')
    first, last = match[1], match[2] or match[1]
    i, j = _DAYS.index(first), _DAYS.index(last)
    days = frozenset(range(i, j + 1) if i <= j else (*range(i, 7), *range(j + 1)))
    opens = int(match[3]) * 3600 + int(match[4]) * 60
    closes = int(match[5]) * 3600 + int(match[6]) * 60
    if int(match[4]) > 59 or int(match[6]) > 59 or opens >= 86400 or closes > 86400:
        raise ValueError(f'"{shift}" has no such time of day; the last one is 24:00')
    return days, opens, closes if closes > opens else closes + 86400


def _instant(day: date, seconds: int, zone: ZoneInfo) -> datetime:
    extra, seconds = divmod(seconds, 86400)
    at = time(seconds // 3600, seconds % 3600 // 60)
    return datetime.combine(day + timedelta(days=extra), at, zone).astimezone(UTC)


def _merged(spans: list[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    merged: list[tuple[datetime, datetime]] = []
    for a, b in spans:
        if merged and a <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(b, merged[-1][1]))
        else:
            merged.append((a, b))
    return merged
