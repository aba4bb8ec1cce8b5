"""Laws of the line fitted to its telemetry, each with its evidence."""

from twin.calibration.fit import calibrate
from twin.calibration.live import live_state
from twin.calibration.result import CalibratedPlant, Estimate

__all__ = ["CalibratedPlant", "Estimate", "calibrate", "live_state"]
