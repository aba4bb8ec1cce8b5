"""Calibration: history in, a plant with fitted laws and their evidence out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from twin.calibration.defects import defect_responses
from twin.calibration.history import read_history
from twin.calibration.laws import Findings, crew_wait, cycle_times, failures, setups
from twin.calibration.result import CalibratedPlant, version_of
from twin.errors import DataError
from twin.plant.model import Plant
from twin.telemetry.samples import SampleBatch, refuse_look_ahead, to_us
from twin.telemetry.states import SignalIndex

__all__ = ["calibrate"]


def calibrate(
    plant: Plant, batch: SampleBatch, *, as_of: datetime, window_start: datetime
) -> CalibratedPlant:
    """Fit cycle, setup, failure, repair and defect laws of every unit to its telemetry.

    What has no data keeps the plant file's value; its estimate says ``n = 0`` and a note says why.

    Args:
        plant: As its file says it; its numbers are also the weak priors where data are few.
        batch: The history, as ``Historian.read(..., as_of=as_of)`` gives it. Rows before
            ``window_start`` only tell the state at ``window_start``.
        as_of: The instant at which this knowledge is held. Aware.
        window_start: First instant of the history that counts. Aware.

    Returns:
        The fitted plant with 90 % intervals for each number.

    Raises:
        LookAheadError: The batch has samples that became available after ``as_of``.
        DataError: ``window_start`` is not before ``as_of``.

    Source:
        Method, assumptions and limits: docs/explanation/calibration.md.
    """
    refuse_look_ahead(batch, as_of)
    if to_us(window_start) >= to_us(as_of):
        raise DataError(f"the window starts at {window_start}, which is not before {as_of}")
    index = SignalIndex(batch)
    histories = read_history(plant, index, window_start, as_of)
    found = {unit: Findings() for unit in plant.work_units}
    for unit, history in histories.items():
        cycle_times(plant, history, found[unit])
        setups(plant, history, index, found[unit])
        failures(plant, history, found[unit])
    defect_responses(plant, histories, index, found)
    line = Findings()
    crew_wait(histories, line)
    fitted = _with_changes(plant, found)
    estimates = tuple(e for f in (*found.values(), line) for e in f.estimates)
    return CalibratedPlant(
        plant=fitted,
        nominal=plant,
        as_of=as_of.astimezone(UTC),
        window_start=window_start.astimezone(UTC),
        estimates=estimates,
        version=version_of(fitted, window_start, as_of, estimates),
        notes=tuple(note for f in found.values() for note in f.notes),
    )


def _with_changes(plant: Plant, found: Mapping[str, Findings]) -> Plant:
    """The plant with new values in its work units, validated again as a whole."""
    units = {
        unit: work_unit.model_copy(update=found[unit].changes).model_dump()
        for unit, work_unit in plant.work_units.items()
    }
    return Plant.model_validate({**plant.model_dump(), "work_units": units})
