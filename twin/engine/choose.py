"""Which engine plays a line: the fastest that can, if it is compiled on this machine."""

from __future__ import annotations

from typing import Literal

from twin.engine.inputs import RunInput
from twin.engine.types import RunResult

__all__ = ["Engine", "run"]

Engine = Literal["auto", "reference", "events", "recursion"]


def run(
    given: RunInput, first: int, replications: int, *, trace: bool, engine: Engine
) -> RunResult:
    """These replications, on the engine asked for or the best one."""
    if engine == "events":
        from twin.engine.compiled import events

        return events.run(given, first, replications, trace=trace, reason="asked for")
    from twin.engine import reference

    return reference.run(given, first, replications, trace=trace, reason="asked for")
