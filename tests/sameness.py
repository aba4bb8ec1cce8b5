"""Two results of a run, compared bit for bit; the first difference is shown with what is around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from twin import engine as twin_engine
from twin.engine import Engine, EventTrace, RunResult
from twin.engine.measure import joined
from twin.errors import DataError
from twin.plant import Plant

__all__ = ["assert_same", "glued", "played", "simulate"]

COLUMNS = ("replication", "time_s", "unit", "kind", "part", "order", "product")
AROUND = 8
"""Rows of the event log shown before the first that differs."""


_NOT_BY_RECURSION = "the recursion cannot play this line"


def simulate(plant: Plant, **arguments: Any) -> RunResult:
    """The result of the reference, once the compiled engines have given the same.

    Raises:
        DataError: That of the reference; the event loop has raised the same.
    """
    expected = played(plant, "reference", **arguments)
    for engine in ("events", "recursion"):
        found = played(plant, engine, **arguments)
        if isinstance(found, DataError) and str(found).startswith(_NOT_BY_RECURSION):
            continue
        if isinstance(expected, DataError) or isinstance(found, DataError):
            assert str(expected) == str(found), f"{engine} says {found}, not {expected}"
        else:
            assert_same(expected, found)
    if isinstance(expected, DataError):
        raise expected
    return expected


def played(plant: Plant, engine: Engine, **arguments: Any) -> RunResult | DataError:
    """What one engine says: a result, or why there is none."""
    try:
        return twin_engine.simulate(plant, **arguments, engine=engine)
    except DataError as e:
        return e


def assert_same(a: RunResult, b: RunResult) -> None:
    """Every number of two results is the same to the last bit, and so is every event.

    The name of the engine and its reason may differ. The log is compared first, for the first
    event that differs says most.
    """
    assert (a.trace is None) == (b.trace is None), "one result has an event log, the other none"
    if a.trace is not None and b.trace is not None:
        _same_trace(a.trace, b.trace)
    for field in fields(RunResult):
        if field.name in ("engine", "reason", "trace"):
            continue
        left = dict(_flat(field.name, getattr(a, field.name)))
        right = dict(_flat(field.name, getattr(b, field.name)))
        assert list(left) == list(right), f"{field.name}: {list(left)} and {list(right)}"
        for name, x in left.items():
            assert _bits(x) == _bits(right[name]), f"{name}: {x!r} and {right[name]!r}"


def glued(parts: Sequence[RunResult]) -> RunResult:
    """One result of blocks of one replication or more, with the whole event log."""
    traces = [part.trace for part in parts if part.trace is not None]
    whole = {name: np.concatenate([getattr(trace, name) for trace in traces]) for name in COLUMNS}
    return replace(joined(parts), trace=replace(traces[0], **whole))


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _flat(f"{name}[{key!r}]", one)
    else:
        yield name, value


def _bits(value: Any) -> Any:
    """Shape, type and bytes of an array, every NaN the same; anything else as it is."""
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.kind == "f":
        value = np.where(np.isnan(value), np.nan, value)
    return value.shape, value.dtype, value.tobytes()


def _same_trace(a: EventTrace, b: EventTrace) -> None:
    for name in ("units", "kinds", "orders", "products"):
        assert getattr(a, name) == getattr(b, name), f"{name} of the trace"
    n = min(len(a), len(b))
    unlike = np.zeros(n, bool)
    for name in COLUMNS:
        x, y = getattr(a, name), getattr(b, name)
        assert x.dtype == y.dtype, f"{name} of the trace is {x.dtype} and {y.dtype}"
        unlike |= x[:n] != y[:n]
    if unlike.any() or len(a) != len(b):
        row = int(np.argmax(unlike)) if unlike.any() else n
        raise AssertionError(_difference(a, b, row))


def _difference(a: EventTrace, b: EventTrace, row: int) -> str:
    both = row < min(len(a), len(b))
    names = [name for name in COLUMNS if both and getattr(a, name)[row] != getattr(b, name)[row]]
    before = [f"    {_row(a, i)}" for i in range(max(0, row - AROUND), row)]
    return "\n".join(
        [
            f"trace row {row} differs in {', '.join(names) or 'length'}",
            *before,
            *(f"  a {_row(a, i)}" for i in range(row, min(row + 3, len(a)))),
            *(f"  b {_row(b, i)}" for i in range(row, min(row + 3, len(b)))),
        ]
    )


def _row(trace: EventTrace, i: int) -> str:
    order = trace.orders[trace.order[i]] if trace.order[i] >= 0 else "-"
    what = f"{trace.units[trace.unit[i]]} {trace.kinds[trace.kind[i]]} part {trace.part[i]}"
    return f"[{trace.replication[i]}] {float(trace.time_s[i])!r} {what} order {order} {trace.product[i]}"
