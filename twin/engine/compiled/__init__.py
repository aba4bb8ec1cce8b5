"""The engine compiled by Numba: the reference's results, bit for bit, in far less time."""

from __future__ import annotations

__all__ = ["rehearse"]


def rehearse() -> None:
    """Play a small line on every compiled engine, which compiles all of it."""
    from datetime import UTC, datetime

    from twin.engine import simulate
    from twin.plant import Plant

    units = {
        name: {
            "name": name,
            "role": "press",
            "calendar": "always",
            "cycle_time": {"default": {"law": "exponential", "mean_s": 30.0}},
            "failure_modes": {
                "jam": {
                    "time_to_failure": {"law": "exponential", "mean_s": 900.0},
                    "repair": {"law": "exponential", "mean_s": 60.0},
                }
            },
        }
        for name in ("cut", "bend")
    }
    plant = Plant.model_validate(
        {
            "site": "S",
            "area": "A",
            "line": "L",
            "name": "rehearsal",
            "timezone": "UTC",
            "currency": "EUR",
            "calendars": {"always": {"weekly": ("Mon-Sun 00:00-24:00",)}},
            "products": {"P": {"family": "F"}},
            "maintenance": {"crews": 2},
            "work_units": units,
            "storage_zones": {"between": {"upstream": "cut", "downstream": "bend", "capacity": 2}},
        }
    )
    for engine in ("events", "recursion"):
        for trace in (False, True):
            simulate(
                plant,
                start=datetime(2026, 3, 2, tzinfo=UTC),
                horizon_s=3600.0,
                engine=engine,
                trace=trace,
            )
