"""From what a source says to what the store keeps: stamp, normalise, spool, acknowledge, store."""

from connectors.pipeline.ingest import Ingest, StoreStatus
from connectors.pipeline.lane import SourceStatus
from connectors.pipeline.normalise import SignalMap, normalise

__all__ = ["Ingest", "SignalMap", "SourceStatus", "StoreStatus", "normalise"]
