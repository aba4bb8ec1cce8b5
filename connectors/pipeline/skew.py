"""Whether the clock of a source's devices goes wrong: compared with the time of arrival."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["ClockCheck"]

AHEAD_S = 5.0
"""A sample that says it was measured so long after it came has a wrong time. [s]"""
BEHIND_S = 60.0
"""A source whose newest sample is always at least so old has a slow clock, or a slow way. [s]"""
WINDOW_S = 60.0
"""How long "always" is; two of them in a row. [s]"""
STEADY_S = 5.0
"""A delay that shrinks by so much from one of them to the next is a backlog being caught up. [s]"""


class ClockCheck:
    """Follows the smallest delay between measuring and arrival.

    A single late sample is late, not wrong: a broker hands on what it kept. Only when the newest
    samples of two windows in a row are all old, and equally so, is the clock said to be behind.
    Samples are marked, never thrown away.

    Example:
        >>> check = ClockCheck()
        >>> check.off(np.array([3_600_000_000]), now_us=0)
        array([ True])
        >>> check.skew_s
        3600.0
    """

    def __init__(self) -> None:
        self._ahead_s = 0.0
        self._ahead_us: int | None = None
        """When a sample last claimed to be of the future."""
        self._behind_s: float | None = None
        self._began_us: int | None = None
        self._least_us: int | None = None
        self._last_us: int | None = None

    @property
    def skew_s(self) -> float | None:
        """By how much the devices' clock is ahead, when it is off; negative when it is behind. [s]

        One device of several may be ahead, so it counts as off until a window after the last time.
        """
        if self._ahead_us is not None:
            return self._ahead_s
        return None if self._behind_s is None else -self._behind_s

    def off(self, measured_us: NDArray[np.int64], now_us: int) -> NDArray[np.bool_] | None:
        """Which samples have a time that cannot be believed; None when every one can.

        Args:
            measured_us: What the devices say. Shape (n,), n > 0.
            now_us: When the samples came.
        """
        delay_us = now_us - int(measured_us.max())
        if delay_us < -AHEAD_S * 1e6:
            self._ahead_us, self._ahead_s = now_us, -delay_us / 1e6
            return np.asarray(measured_us > now_us + int(AHEAD_S * 1e6), np.bool_)
        if self._ahead_us is not None and now_us - self._ahead_us >= WINDOW_S * 1e6:
            self._ahead_us = None
        self._follow(delay_us, now_us)
        if self._behind_s is None:
            return None
        return np.asarray(measured_us < now_us - int(BEHIND_S * 1e6), np.bool_)

    def _follow(self, delay_us: int, now_us: int) -> None:
        if delay_us < BEHIND_S * 1e6:
            self._behind_s = None
        if self._began_us is None or now_us < self._began_us:
            self._began_us, self._least_us = now_us, delay_us
        self._least_us = delay_us if self._least_us is None else min(delay_us, self._least_us)
        if now_us - self._began_us >= WINDOW_S * 1e6:
            before_us, least_us = self._last_us, self._least_us
            self._behind_s = None
            if before_us is not None and before_us - least_us < STEADY_S * 1e6:
                least_us = min(before_us, least_us)
                self._behind_s = least_us / 1e6 if least_us > BEHIND_S * 1e6 else None
            self._last_us, self._least_us, self._began_us = self._least_us, None, now_us
