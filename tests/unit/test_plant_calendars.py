"""Working time: shifts, closed days, nights and the change to summer time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from twin.plant import Calendar


def hours(calendar: Calendar, start: datetime, days: int, timezone: str) -> float:
    spans = calendar.intervals(start, start + timedelta(days=days), timezone)
    return sum((b - a).total_seconds() for a, b in spans) / 3600


def test_two_shifts_make_eighty_hours_a_week() -> None:
    calendar = Calendar(weekly=("Mon-Fri 06:00-22:00",))
    assert hours(calendar, datetime(2026, 3, 2, tzinfo=UTC), 7, "Europe/Berlin") == 80


def test_a_closed_day_is_not_worked() -> None:
    calendar = Calendar(weekly=("Mon-Fri 06:00-22:00",), closed=(date(2026, 4, 3),))
    assert hours(calendar, datetime(2026, 3, 30, tzinfo=UTC), 7, "Europe/Berlin") == 64


def test_round_the_clock_is_one_interval() -> None:
    start = datetime(2026, 3, 2, 12, tzinfo=UTC)
    calendar = Calendar(weekly=("Mon-Sun 00:00-24:00",))
    end = start + timedelta(days=3)
    assert calendar.intervals(start, end, "UTC") == [(start, end)]


def test_a_night_shift_ends_the_next_morning() -> None:
    calendar = Calendar(weekly=("Sun 22:00-06:00",))
    found = calendar.intervals(
        datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC), "UTC"
    )
    assert found == [(datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 2, 6, tzinfo=UTC))]


def test_the_night_of_summer_time_is_an_hour_short() -> None:
    calendar = Calendar(weekly=("Mon-Sun 00:00-24:00",))
    shift = Calendar(weekly=("Sun 00:00-06:00",))
    start = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert hours(shift, start, 1, "Europe/Berlin") == 5
    assert hours(calendar, start, 1, "Europe/Berlin") == 24


def test_days_may_wrap_around_the_weekend() -> None:
    calendar = Calendar(weekly=("Sat-Mon 08:00-12:00",))
    assert hours(calendar, datetime(2026, 3, 2, tzinfo=UTC), 7, "UTC") == 12
