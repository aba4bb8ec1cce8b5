"""When the clock of devices is said to be off, and when samples are only late."""

from __future__ import annotations

import numpy as np

from connectors.pipeline.skew import ClockCheck

SECOND_US = 1_000_000


def _off(check: ClockCheck, delay_s: float, now_s: float) -> bool:
    """A sample that comes at an instant, and was measured so long before."""
    now_us = int(now_s * SECOND_US)
    off = check.off(np.array([now_us - int(delay_s * SECOND_US)]), now_us)
    return off is not None and bool(off.any())


def test_a_clock_that_is_an_hour_behind_is_found_within_three_minutes() -> None:
    check = ClockCheck()
    found = [_off(check, 3600 + now_s % 3, now_s) for now_s in range(180)]
    assert not any(found[:100])
    assert all(found[125:])
    assert check.skew_s == -3600


def test_what_a_broker_kept_during_an_outage_is_late_and_its_clock_is_right() -> None:
    for speed in (1.2, 2.0, 20.0):
        check = ClockCheck()
        delays = [max(0.1, 7200 - (speed - 1) * now_s) for now_s in range(600)]
        assert not any(_off(check, delay, now_s) for now_s, delay in enumerate(delays))
        assert check.skew_s is None


def test_samples_without_a_time_show_that_the_late_ones_beside_them_are_only_late() -> None:
    check = ClockCheck()
    for now_s in range(0, 600, 2):
        assert not _off(check, 0.0, now_s)
        assert not _off(check, 7200.0, now_s + 1)


def test_a_clock_that_is_put_right_is_believed_at_once() -> None:
    check = ClockCheck()
    for now_s in range(200):
        _off(check, 3600, now_s)
    assert check.skew_s is not None
    assert not _off(check, 0.2, 200)
    assert not _off(check, 3600, 201)


def test_one_device_that_is_ahead_among_others_is_said_until_it_is_quiet_for_a_minute() -> None:
    check = ClockCheck()
    said = []
    for now_s in range(100):
        is_ahead = now_s % 10 == 0 and now_s < 30
        assert _off(check, -3600 if is_ahead else 0.1, now_s) == is_ahead
        said.append(check.skew_s)
    assert said[:80] == [3600.0] * 80
    assert said[80:] == [None] * 20
