"""Counts, and if wanted keeps, every sample that was sent."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from simulators.physics.emission import GOOD, Emission
from twin.plant import Plant

__all__ = ["Sent"]


class Sent:
    """Samples sent, per source and quality; with a path, every one as a row of a CSV file.

    The values are in the plant file's stored unit, whatever unit travelled.
    """

    def __init__(self, plant: Plant, path: Path | None = None) -> None:
        self._source = {
            (unit, name): signal.source
            for unit, work_unit in plant.work_units.items()
            for name, signal in work_unit.signals.items()
        }
        self.counts = {source: {"good": 0, "bad": 0} for source in plant.sources}
        self._file = path.open("w", newline="", encoding="utf-8") if path else None
        self._writer = csv.writer(self._file) if self._file else None
        if self._writer:
            self._writer.writerow(("source", "unit", "signal", "measured_us", "value", "good"))

    def source(self, emission: Emission) -> str:
        """Which source sends this."""
        return self._source[emission.unit, emission.signal]

    def add(self, emissions: Iterable[Emission]) -> None:
        """Count these as sent."""
        rows = []
        for e in emissions:
            source = self._source[e.unit, e.signal]
            good = e.quality == GOOD
            self.counts[source]["good" if good else "bad"] += 1
            rows.append((source, e.unit, e.signal, e.measured_us, e.value, int(good)))
        if self._writer:
            self._writer.writerows(rows)

    def close(self) -> None:
        """Write what is left and close the file; a second call does nothing."""
        if self._file:
            self._file.close()

    def __enter__(self) -> Sent:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
