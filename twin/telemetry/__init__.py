"""Telemetry: samples, the promise of a store, states from signals, and ISO 22400 figures."""

from twin.telemetry.downsample import Downsampled, downsample
from twin.telemetry.historian import Historian, MemoryHistorian
from twin.telemetry.kpi import LineKpis, UnitKpis, line_kpis, unit_kpis
from twin.telemetry.parts import PartRecords, part_records
from twin.telemetry.samples import (
    Quality,
    Sample,
    SampleBatch,
    from_us,
    refuse_look_ahead,
    to_us,
)
from twin.telemetry.states import (
    FailureEvent,
    SignalIndex,
    StateIntervals,
    failure_events,
    state_intervals,
)

__all__ = [
    "Downsampled",
    "FailureEvent",
    "Historian",
    "LineKpis",
    "MemoryHistorian",
    "PartRecords",
    "Quality",
    "Sample",
    "SampleBatch",
    "SignalIndex",
    "StateIntervals",
    "UnitKpis",
    "downsample",
    "failure_events",
    "from_us",
    "line_kpis",
    "part_records",
    "refuse_look_ahead",
    "state_intervals",
    "to_us",
    "unit_kpis",
]
