"""Working time of the whole line, and the axis on which closed time has no length."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate

from twin.errors import DataError
from twin.plant import Plant

__all__ = ["Span", "WorkingAxis", "line_working_time"]

Span = tuple[datetime, datetime]
"""From one instant to a later one, both UTC."""

_LONGEST_LOOK = timedelta(days=3660)


def line_working_time(plant: Plant, start: datetime, work_s: int) -> tuple[Span, ...]:
    """Spans from ``start`` on in which every unit of the line works, for at least ``work_s``.

    Args:
        plant: Its calendars say when a unit works.
        start: First instant, aware.
        work_s: How much working time is wanted. [s]

    Returns:
        Spans in order; the last one is not cut.

    Raises:
        DataError: The units share too little working time within ten years.
    """
    names = {unit.calendar for unit in plant.work_units.values()}
    look = timedelta(days=14) + timedelta(seconds=3 * work_s)
    while True:
        look = min(look, _LONGEST_LOOK)
        spans: list[Span] = [(start, start + look)]
        for name in sorted(names):
            calendar = plant.calendars[name].intervals(start, start + look, plant.timezone)
            spans = _common(spans, calendar)
        if sum((b - a).total_seconds() for a, b in spans) >= work_s:
            return tuple(spans)
        if look == _LONGEST_LOOK:
            raise DataError(
                f"the units of {plant.line} share less than {work_s / 3600:.1f} working hours in "
                f"ten years from {start:%Y-%m-%d}; let their calendars overlap"
            )
        look *= 2


def _common(left: Sequence[Span], right: Sequence[Span]) -> list[Span]:
    found, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        a, b = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if a < b:
            found.append((a, b))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return found


@dataclass(frozen=True, slots=True)
class WorkingAxis:
    """Whole seconds of working time since the first span opened.

    Position 0 is the opening of the first span. An instant in closed time has the position
    of the next opening, which is also the position of the last closing.

    Example:
        >>> from datetime import UTC
        >>> monday = datetime(2026, 3, 2, tzinfo=UTC)
        >>> hour = timedelta(hours=1)
        >>> axis = WorkingAxis(((monday + 6 * hour, monday + 22 * hour),
        ...                     (monday + 30 * hour, monday + 46 * hour)))
        >>> axis.position(monday + 25 * hour) / 3600
        16.0
        >>> axis.opens(16 * 3600).hour, axis.closes(16 * 3600).hour
        (6, 22)
    """

    spans: tuple[Span, ...]

    def position(self, at: datetime, *, up: bool = False) -> int:
        """Working seconds before ``at``, rounded down, or up; 0 before the first span. [s]"""
        before = bisect_right(self.spans, at, key=lambda span: span[0])
        worked = sum((min(b, at) - a).total_seconds() for a, b in self.spans[:before])
        return math.ceil(worked) if up else math.floor(worked)

    def opens(self, position: int) -> datetime:
        """The instant at which work that starts at ``position`` starts."""
        return self._instant(position, bisect_right(self._ends(), position))

    def closes(self, position: int) -> datetime:
        """The instant at which work that ends at ``position`` ends."""
        return self._instant(position, bisect_left(self._ends(), position))

    def _ends(self) -> list[float]:
        return list(accumulate((b - a).total_seconds() for a, b in self.spans))

    def _instant(self, position: int, index: int) -> datetime:
        if index >= len(self.spans):
            raise DataError("the working time ends before the work")
        before = sum((b - a).total_seconds() for a, b in self.spans[:index])
        return self.spans[index][0] + timedelta(seconds=position - before)
