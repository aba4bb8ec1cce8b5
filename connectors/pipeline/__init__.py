"""From what a source says to what the store keeps: normalise, batch, store, acknowledge."""

from connectors.pipeline.batcher import Batcher
from connectors.pipeline.ingest import Ingest, SourceStatus
from connectors.pipeline.normalise import SignalMap, normalise

__all__ = ["Batcher", "Ingest", "SignalMap", "SourceStatus", "normalise"]
