"""The reference engine: SimPy, written to be read. With docs/explanation/engine.md it is the specification."""

from __future__ import annotations

from twin.engine.counts import Counts, trace_of
from twin.engine.inputs import RunInput
from twin.engine.measure import run_result
from twin.engine.reference.line import Line
from twin.engine.types import RunResult

__all__ = ["run"]


def run(given: RunInput, first: int, replications: int, *, trace: bool, reason: str) -> RunResult:
    """These replications, one after the other."""
    counts = Counts.empty(given, replications)
    logs = []
    for row in range(replications):
        line = Line(given, first + row, counts, row, trace)
        line.run()
        if line.log is not None:
            logs.append(line.log.columns())
    found = trace_of(given, first, logs) if trace else None
    return run_result(given, first, counts, engine="reference", reason=reason, trace=found)
