"""Small plants drawn in a line of text, for the tests of the plant file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twin.plant import Plant
from twin.plant.checks import cross_faults

WORK = {"law": "constant", "value_s": 10.0}


def line(
    units: Mapping[str, Mapping[str, Any]], zones: str, products: str = "P", **more: Any
) -> Plant:
    """A plant of these units; zones are written ``name: from > to`` and hold 2 parts."""
    drawn = {}
    for text in filter(None, zones.split(", ")):
        name, way = text.split(": ")
        upstream, downstream = way.split(" > ")
        drawn[name] = {"upstream": upstream, "downstream": downstream, "capacity": 2}
    for name, keys in more.pop("zone_keys", {}).items():
        drawn[name].update(keys)
    document = {
        "site": "S",
        "area": "A",
        "line": "L",
        "name": "test line",
        "timezone": "UTC",
        "currency": "EUR",
        "calendars": {"shift": {"weekly": ("Mon-Sun 00:00-24:00",)}},
        "products": {p: {"family": "F"} for p in products},
        "work_units": {
            name: {
                "name": name,
                "role": "press",
                "calendar": "shift",
                "cycle_time": {"default": WORK},
                **keys,
            }
            for name, keys in units.items()
        },
        "storage_zones": drawn,
        **more,
    }
    return Plant.model_validate(document)


def units(names: str, **keys: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {name: keys.get(name, {}) for name in names}


def faults(plant: Plant) -> list[str]:
    return [str(fault).removeprefix("f [") for fault in cross_faults(plant, "f")]
