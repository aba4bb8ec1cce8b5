"""How telemetry is doing: one document for the API, the status file and the metrics."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from connectors.pipeline import Ingest, SourceStatus

__all__ = [
    "METRICS",
    "Document",
    "StatusFile",
    "TelemetryCollector",
    "metrics_text",
    "source_document",
    "telemetry_document",
]

Document = dict[str, Any]
LATEST_GAPS = 20
STATUS_EVERY_S = 1.0


def telemetry_document(ingest: Ingest) -> Document:
    """Sources, stores, spool, and what was lost."""
    gaps = ingest.journals["gap"]
    letters = ingest.journals["letter"]
    return {
        "sources": [source_document(status) for status in ingest.status()],
        "stores": [asdict(store) for store in ingest.stores()],
        "spool": {
            "bytes": ingest.spool.bytes_held,
            "quota_bytes": ingest.quota_bytes,
            "error": ingest.error,
        },
        "gaps": [_gap(row) for row in gaps.latest[-LATEST_GAPS:]],
        "dead_letters": letters.count,
    }


def source_document(status: SourceStatus) -> Document:
    """One source."""
    last = status.last_at
    return {**asdict(status), "last_at": last.astimezone(UTC).isoformat() if last else None}


def _gap(row: Document) -> Document:
    keys = ("at", "source", "start", "end", "reason")
    return {key: row.get(key) for key in keys} | {"signals": len(row.get("signals", ()))}


METRICS: dict[str, tuple[str, str, str, Callable[[Document], Any]]] = {
    "linetwin_source_connected": ("gauge", "source", "1 while connected", lambda s: s["connected"]),
    "linetwin_source_subscribed": (
        "gauge",
        "source",
        "1 while every wanted signal is subscribed",
        lambda s: s["subscribed"],
    ),
    "linetwin_source_received_samples": (
        "counter",
        "source",
        "Samples taken over from the source",
        lambda s: s["received"],
    ),
    "linetwin_source_durable_samples": (
        "counter",
        "source",
        "Samples on disk, acknowledged to the source",
        lambda s: s["durable"],
    ),
    "linetwin_source_stored_samples": (
        "counter",
        "source",
        "Samples that were new to the store",
        lambda s: s["stored"],
    ),
    "linetwin_source_duplicate_samples": (
        "counter",
        "source",
        "Samples that the store already had",
        lambda s: s["duplicates"],
    ),
    "linetwin_source_refused_samples": (
        "counter",
        "source",
        "Samples that the store will never take",
        lambda s: s["refused"],
    ),
    "linetwin_source_rejected_messages": (
        "counter",
        "source",
        "Messages and values that were not understood",
        lambda s: s["rejected"],
    ),
    "linetwin_source_gaps": (
        "counter",
        "source",
        "Losses that were recorded",
        lambda s: s["gaps"],
    ),
    "linetwin_source_waiting_samples": (
        "gauge",
        "source",
        "Samples that the store has yet to take",
        lambda s: s["waiting"],
    ),
    "linetwin_source_last_sample_timestamp_seconds": (
        "gauge",
        "source",
        "When the newest stored sample was measured",
        lambda s: _seconds(s["last_at"]),
    ),
    "linetwin_source_clock_skew_seconds": (
        "gauge",
        "source",
        "By how much the devices' clock is ahead; 0 while it is right",
        lambda s: s["clock_skew_s"] or 0.0,
    ),
    "linetwin_store_behind_records": (
        "gauge",
        "store",
        "Records of the spool that the store has yet to take",
        lambda s: s["behind"],
    ),
    "linetwin_store_refusing": (
        "gauge",
        "store",
        "1 while the store takes nothing",
        lambda s: s["error"] is not None,
    ),
    "linetwin_spool_bytes": ("gauge", "", "Bytes of the spool", lambda s: s["bytes"]),
    "linetwin_spool_quota_bytes": (
        "gauge",
        "",
        "Bytes from which sources are held back",
        lambda s: s["quota_bytes"],
    ),
    "linetwin_dead_letters": ("gauge", "all", "Dead letters kept", lambda d: d["dead_letters"]),
}
"""Name -> kind, what it is of, description, and its value in the part of the document."""


def metrics_text(document: Document) -> bytes:
    """The document in the text format of Prometheus."""
    registry = CollectorRegistry()
    registry.register(TelemetryCollector(lambda: document))
    return generate_latest(registry)


class TelemetryCollector(Collector):
    """``METRICS`` of a document that is asked for at every scrape."""

    def __init__(self, document: Callable[[], Document]) -> None:
        self._document = document

    def collect(self) -> Iterable[Metric]:
        document = self._document()
        parts = {
            "source": document["sources"],
            "store": document["stores"],
            "": [document["spool"]],
            "all": [document],
        }
        for name, (kind, of, help_text, value) in METRICS.items():
            family = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
            labels = [of] if of in ("source", "store") else []
            metric = family(name, help_text, labels=labels)
            for part in parts[of]:
                found = value(part)
                if found is not None:
                    metric.add_metric([part["name"]] if labels else [], float(found))
            yield metric


def _seconds(instant: str | None) -> float | None:
    return None if instant is None else datetime.fromisoformat(instant).timestamp()


class StatusFile:
    """The document in a file of the data directory, for ``linetwin status``."""

    def __init__(self, data: Path) -> None:
        self._path = data / "status.json"

    def write(self, document: Document, now: datetime) -> None:
        """Replace the file; a full disk leaves the old one."""
        text = json.dumps({"at": now.isoformat(), "pid": os.getpid(), **document})
        fresh = self._path.with_suffix(".new")
        with contextlib.suppress(OSError):
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(self._path)

    async def keep(self, document: Callable[[], Document], now: Callable[[], datetime]) -> None:
        """Write it every second, for ever."""
        while True:
            self.write(document(), now())
            await asyncio.sleep(STATUS_EVERY_S)

    def read(self) -> Document | None:
        """What was written last; None when nothing was."""
        with contextlib.suppress(OSError, ValueError):
            found: Document = json.loads(self._path.read_text(encoding="utf-8"))
            return found
        return None
