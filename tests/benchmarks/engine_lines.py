"""The lines that the benchmark of the engine plays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.engine_lab import ALWAYS, exponential, plant, unit
from twin.plant import Plant

__all__ = ["CYCLE_S", "EXPONENTIAL", "LOGNORMAL", "PLACES", "TWO_SHIFT", "factory", "serial_line"]

CYCLE_S = 60.0
PLACES = 5
EXPONENTIAL = exponential(CYCLE_S)
LOGNORMAL = {"law": "lognormal", "mean_s": CYCLE_S, "cv": 0.15}
TWO_SHIFT = ("Mon-Fri 06:00-22:00",)

_STOPS = {
    "stop": {
        "name": "stop",
        "time_to_failure": exponential(4 * 3600.0),
        "repair": {"law": "lognormal", "mean_s": 300.0, "cv": 0.5},
    }
}
"""A stop every four hours of work, five minutes long."""


def serial_line(
    stations: int,
    cycle: Mapping[str, Any],
    *,
    failures: bool,
    weekly: Sequence[str] = ALWAYS,
) -> Plant:
    """Stations in a row, five places between two, a repairer for each: no crew is ever waited for."""
    more: dict[str, Any] = {"failure_modes": _STOPS} if failures else {}
    return plant(
        {f"u{i}": unit(cycle, **more) for i in range(stations)},
        {f"z{i}": (f"u{i}", f"u{i + 1}", PLACES) for i in range(stations - 1)},
        weekly=weekly,
        crews=stations,
    )


def factory() -> Plant:
    """Two branches and an assembly, rework, scrap, and one repairer for all ten stations."""

    def station(mean_s: float, **more: Any) -> dict[str, Any]:
        law = {"law": "lognormal", "mean_s": mean_s, "cv": 0.15}
        return unit(law, failure_modes=_STOPS, **more)

    units = {
        "saw": station(52),
        "mill": station(55, defects={"base": 0.03}),
        "check": station(40, inspection={"coverage": 0.95}),
        "print": station(50),
        "place": station(56),
        "join": station(54),
        "weld": station(50, defects={"base": 0.08}),
        "look": station(
            45, inspection={"coverage": 0.9, "rework": "weld_again", "rework_limit": 2}
        ),
        "test": station(50, defects={"base": 0.02}, inspection={"coverage": 1.0}),
        "pack": station(48),
    }
    ways = [
        ("saw", "mill"),
        ("mill", "check"),
        ("check", "join"),
        ("print", "place"),
        ("place", "join"),
        ("join", "weld"),
        ("weld", "look"),
        ("look", "test"),
        ("test", "pack"),
    ]
    zones = {f"{b}_from_{a}": (a, b, PLACES) for a, b in ways}
    units["weld"]["takes"] = "any"
    return plant(units, zones | {"weld_again": ("look", "weld", PLACES)}, crews=1)
