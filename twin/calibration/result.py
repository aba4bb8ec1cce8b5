"""What calibration gives: a plant with fitted laws, and the evidence for every number in it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from twin.errors import NotFoundError
from twin.plant.model import Plant

__all__ = ["CalibratedPlant", "Estimate", "version_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One fitted number with its 90 % interval, beside what the plant file says."""

    name: str
    """For example ``printer.cycle_time.FG-DRV24.mean_s`` or ``printer.failure.clog.mean_s``."""
    value: float
    low: float
    high: float
    unit: str
    nominal: float
    """The plant file's number."""
    n: int
    """Observations behind it; 0: none, and the value is the nominal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibratedPlant:
    """A plant whose laws are what the line really does, and how we know."""

    plant: Plant
    """With the fitted laws; a plant like any other."""
    nominal: Plant
    """As its file says it."""
    as_of: datetime
    """Nothing that became available later was read. UTC."""
    window_start: datetime
    """First instant of the history that was used. UTC."""
    estimates: tuple[Estimate, ...]
    version: str
    """Hash of the fitted plant, its window and its estimates: equal when they are."""
    notes: tuple[str, ...]
    """What kept its nominal value and why, and where not to extrapolate."""

    def estimate(self, name: str) -> Estimate:
        """The estimate of this name.

        Raises:
            NotFoundError: No such estimate.
        """
        for estimate in self.estimates:
            if estimate.name == name:
                return estimate
        raise NotFoundError(f'no estimate "{name}"; there are {len(self.estimates)} others')


def version_of(
    plant: Plant, window_start: datetime, as_of: datetime, estimates: Sequence[Estimate]
) -> str:
    """Short content hash of a calibration."""
    digest = hashlib.sha256(plant.model_dump_json().encode())
    digest.update(f"{window_start.isoformat()} {as_of.isoformat()}".encode())
    for estimate in estimates:
        digest.update(repr(estimate).encode())
    return digest.hexdigest()[:16]
