"""Which engine plays a line: the fastest that can, once the fast ones are compiled on this machine."""

from __future__ import annotations

from pickle import UnpicklingError
from typing import Literal

from twin.engine import warm
from twin.engine.classify import UndecidedTie, why_not_recursion
from twin.engine.inputs import RunInput
from twin.engine.types import RunResult
from twin.errors import DataError

__all__ = ["ASKED", "Engine", "run"]

Engine = Literal["auto", "reference", "events", "recursion"]

ASKED = "asked for"
"""The reason of an engine that was named."""
_COLD = "the fast engines are not compiled on this machine yet; linetwin compile does it, once"
_FIXED_ORDER = "parts keep their order, so a recursion over them gives every time"


def run(
    given: RunInput, first: int, replications: int, *, trace: bool, engine: Engine
) -> RunResult:
    """These replications, on the engine asked for or the best one.

    Raises:
        DataError: The recursion was asked for and cannot play this line; the message says why.
    """
    if engine == "reference" or (engine == "auto" and not warm.is_warm()):
        from twin.engine import reference

        reason = ASKED if engine == "reference" else _COLD
        return reference.run(given, first, replications, trace=trace, reason=reason)
    if engine == "auto":
        try:
            return _fastest(given, first, replications, trace=trace, asked=False)
        except (EOFError, UnpicklingError):
            # A power cut while it was written, say. The reference needs none of it.
            warm.forget()
            return run(given, first, replications, trace=trace, engine="auto")
    if engine == "events":
        from twin.engine.compiled import events

        return events.run(given, first, replications, trace=trace, reason=ASKED)
    return _fastest(given, first, replications, trace=trace, asked=True)


def _fastest(
    given: RunInput, first: int, replications: int, *, trace: bool, asked: bool
) -> RunResult:
    """By recursion; where it cannot be and was not asked for, by the event loop."""
    why_not = why_not_recursion(given)
    if why_not is None:
        from twin.engine.compiled import recursion

        try:
            reason = ASKED if asked else _FIXED_ORDER
            return recursion.run(given, first, replications, trace=trace, reason=reason)
        except UndecidedTie as e:
            why_not = str(e)
    if asked:
        raise DataError(f"the recursion cannot play this line: {why_not}")
    from twin.engine.compiled import events

    return events.run(
        given, first, replications, trace=trace, reason=f"not by recursion: {why_not}"
    )
