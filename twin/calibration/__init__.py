"""Laws of the line fitted to its telemetry, each with its evidence."""

from __future__ import annotations

from datetime import datetime

from twin.calibration.result import CalibratedPlant, Estimate
from twin.engine.live import LiveState
from twin.plant.model import Plant
from twin.telemetry.samples import SampleBatch

__all__ = ["CalibratedPlant", "Estimate", "calibrate", "live_state"]


def calibrate(
    plant: Plant, batch: SampleBatch, *, as_of: datetime, window_start: datetime
) -> CalibratedPlant:
    """Fit every law of the line to its telemetry: ``twin.calibration.fit.calibrate``.

    Raises:
        LookAheadError: The batch has samples that became available after ``as_of``.
        DataError: ``window_start`` is not before ``as_of``.
    """
    from twin.calibration.fit import calibrate as fit  # loads scipy

    return fit(plant, batch, as_of=as_of, window_start=window_start)


def live_state(plant: Plant, batch: SampleBatch, *, as_of: datetime) -> LiveState:
    """Where the line stands at ``as_of``: ``twin.calibration.live.live_state``.

    Raises:
        LookAheadError: The batch has samples that became available after ``as_of``.
    """
    from twin.calibration.live import live_state as estimate

    return estimate(plant, batch, as_of=as_of)
