"""What a machine or sensor says at an instant."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["BAD", "GOOD", "Emission"]

GOOD, BAD = 0, 2


class Emission(NamedTuple):
    """One value said by the plant, in the plant file's stored unit."""

    unit: str
    signal: str
    value: float | str | None
    """None where the sensor had no reading."""
    measured_us: int
    """Microseconds since 1970, UTC, plant time."""
    quality: int = GOOD
    """0 good, 2 bad."""
