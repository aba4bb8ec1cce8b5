"""Which engine played the runs of an experiment, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from twin.engine import Engine, RunResult
from twin.engine.choose import ASKED
from twin.engine.measure import joined
from twin.engine.warm import is_warm

__all__ = ["Played", "joined_pieces", "played", "reused"]

_KEPT = "kept from an earlier run"

Played = tuple[str, str, int]
"""Engine, reason, replications."""


def played(runs: Iterable[Played]) -> tuple[str, str]:
    """One engine and reason for many runs; where several played, it says which and how much.

    Args:
        runs: At least one.

    Returns:
        The engine that played most replications, of two alike the first; and its first reason.

    Example:
        >>> played([("recursion", "parts keep their order", 16), ("events", "undecided tie", 8)])
        ('recursion', 'parts keep their order; 8 of 24 replications on events: undecided tie')
    """
    count: dict[str, int] = {}
    why: dict[str, str] = {}
    for engine, reason, replications in runs:
        count[engine] = count.get(engine, 0) + replications
        why.setdefault(engine, reason)
    first, *others = sorted(count, key=lambda engine: -count[engine])
    total = sum(count.values())
    said = [f"{count[one]} of {total} replications on {one}: {why[one]}" for one in others]
    return first, "; ".join([why[first], *said])


def joined_pieces(parts: Sequence[RunResult]) -> RunResult:
    """One result of pieces, which says so if not all of them were played by one engine."""
    whole = joined(parts)
    ordered = sorted(parts, key=lambda part: part.first_replication)
    engine, reason = played((p.engine, p.reason, p.replications) for p in ordered)
    return replace(whole, engine=engine, reason=reason)


def reused(kept: RunResult, asked: Engine) -> RunResult | None:
    """A kept result with the reason that it has here; None: another engine was asked for by name.

    What somebody else asked for is no reason, nor that nothing was compiled once.
    """
    if asked != "auto":
        return replace(kept, reason=ASKED) if kept.engine == asked else None
    stale = kept.reason == ASKED or (kept.engine == "reference" and is_warm())
    return replace(kept, reason=_KEPT) if stale else kept
