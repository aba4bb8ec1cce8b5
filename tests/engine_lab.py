"""Small lines for the tests of the engine and of scenarios."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from twin.engine import Job, RunResult
from twin.plant import Plant, load_plant

START = datetime(2026, 3, 2, tzinfo=UTC)
"""A Monday, 00:00 UTC."""
ALWAYS = ("Mon-Sun 00:00-24:00",)


_ZONE = ("upstream", "downstream", "capacity", "transport_s")


def later(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def job(order: str, quantity: int, product: str = "P", release_s: float = 0.0) -> Job:
    return Job(order_id=order, product=product, quantity=quantity, release_at=later(release_s))


def constant(seconds: float) -> dict[str, Any]:
    return {"law": "constant", "value_s": seconds}


def exponential(mean_s: float) -> dict[str, Any]:
    return {"law": "exponential", "mean_s": mean_s}


def unit(cycle: Mapping[str, Any] | float, **more: Any) -> dict[str, Any]:
    law = constant(cycle) if isinstance(cycle, float | int) else cycle
    return {"role": "press", "calendar": "shift", "cycle_time": {"default": law}, **more}


def plant(
    units: Mapping[str, dict[str, Any]],
    zones: Mapping[str, tuple[str, str, int] | tuple[str, str, int, float]] | None = None,
    *,
    products: Mapping[str, str] | None = None,
    weekly: Sequence[str] = ALWAYS,
    crews: int = 1,
    **tables: Any,
) -> Plant:
    """A plant of these units; zones are (upstream, downstream, capacity), conveyors with their seconds behind."""
    return Plant.model_validate(
        {
            "site": "S",
            "area": "A",
            "line": "L",
            "name": "test line",
            "timezone": "UTC",
            "currency": "EUR",
            "calendars": {"shift": {"weekly": tuple(weekly)}},
            "products": {p: {"family": f} for p, f in (products or {"P": "F"}).items()},
            "maintenance": {"crews": crews},
            "work_units": {name: {"name": name, **one} for name, one in units.items()},
            "storage_zones": {
                name: dict(zip(_ZONE, zone, strict=False)) for name, zone in (zones or {}).items()
            },
            **tables,
        }
    )


def serial(cycles: Sequence[Mapping[str, Any] | float], capacity: int, **more: Any) -> Plant:
    """Units u0, u1, ... in a row with zones z0, z1, ... of one capacity between them."""
    return plant(
        {f"u{i}": unit(cycle) for i, cycle in enumerate(cycles)},
        {f"z{i}": (f"u{i}", f"u{i + 1}", capacity) for i in range(len(cycles) - 1)},
        **more,
    )


def told(run: RunResult, unit: str, *kinds: str) -> list[tuple[float, str, int]]:
    """(time, kind, part) of what the log says about a unit; with kinds, about these alone."""
    trace = run.trace
    assert trace is not None
    rows = zip(trace.time_s, trace.unit, trace.kind, trace.part, strict=True)
    return [
        (float(t), trace.kinds[k], int(part))
        for t, u, k, part in rows
        if trace.units[u] == unit and (not kinds or trace.kinds[k] in kinds)
    ]


def times(run: RunResult, unit: str, kind: str) -> list[float]:
    """When the log says so about a unit."""
    return [t for t, _, _ in told(run, unit, kind)]


def practice() -> Plant:
    """The practice plant that ships with the product."""
    root = Path(__file__).resolve().parents[1]
    return load_plant(root / "simulators" / "practice" / "plant.toml")
