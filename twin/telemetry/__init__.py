"""Telemetry: samples, the promise of a store, states from signals, and ISO 22400 figures."""

from twin.telemetry.historian import Historian, MemoryHistorian
from twin.telemetry.samples import Quality, Sample, SampleBatch, from_us, to_us

__all__ = ["Historian", "MemoryHistorian", "Quality", "Sample", "SampleBatch", "from_us", "to_us"]
