"""A two-unit line and a log that writes its telemetry by hand, for tests of what reads telemetry."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from twin.plant import Plant
from twin.telemetry import Quality, Sample, SampleBatch

T0 = datetime.fromisoformat("2026-03-02T05:00:00+00:00")

_ROLES = ("state", "reason", "fault", "product", "order", "good_count", "reject_count")
_TEXTS = {"fault", "product", "order"}


def at(seconds: float) -> datetime:
    """So many seconds after T0."""
    return T0 + timedelta(seconds=seconds)


def small_plant(**changes: Any) -> Plant:
    """``maker`` (makes defects by its temperature) -> zone of 3 -> ``tester`` (inspects half)."""
    signals: dict[str, Any] = {
        role: {"source": "machines", "role": role, "text": role in _TEXTS} for role in _ROLES
    }
    heat = {"source": "machines", "role": "process", "unit": "degC", "parameter": "heat"}
    maker: dict[str, Any] = {
        "name": "Maker",
        "role": "maker",
        "calendar": "always",
        "state_map": "packml",
        "cycle_time": {"default": {"law": "lognormal", "mean_s": 10, "cv": 0.1}},
        "setup": {"same_product_s": 60, "same_family_s": 120, "other_family_s": 600},
        "parameters": {"heat": {"value": 200, "unit": "degC", "low": 180, "high": 220}},
        "defects": {"base": 0.05, "parameter": "heat", "center": 200, "quadratic": 0.01},
        "failure_modes": {
            "jam": {
                "time_to_failure": {"law": "exponential", "mean_s": 1000},
                "repair": {"law": "lognormal", "mean_s": 100, "cv": 0.5},
            },
            "wear": {
                "time_to_failure": {"law": "weibull", "mean_s": 5000, "shape": 4},
                "repair": {"law": "lognormal", "mean_s": 300, "cv": 0.3},
            },
        },
        "signals": {**signals, "heat": heat},
    }
    tester: dict[str, Any] = {
        "name": "Tester",
        "role": "inspection",
        "calendar": "always",
        "state_map": "packml",
        "cycle_time": {"default": {"law": "lognormal", "mean_s": 8, "cv": 0.1}},
        "inspection": {"coverage": 0.5},
        "signals": signals,
    }
    document: dict[str, Any] = {
        "site": "S",
        "area": "A",
        "line": "L",
        "name": "small",
        "timezone": "UTC",
        "currency": "EUR",
        "calendars": {"always": {"weekly": ["Mon-Sun 00:00-24:00"]}},
        "sources": {"machines": {"kind": "opcua", "url": "opc.tcp://h:1", "address": "{signal}"}},
        "state_maps": {
            "packml": {
                "states": {
                    "1": "repair",
                    "2": "off",
                    "5": "delay",
                    "6": "production",
                    "9": "down",
                    "15": "setup",
                },
                "reasons": {"1": "starved", "2": "blocked"},
            }
        },
        "products": {"P1": {"family": "f"}, "P2": {"family": "f"}, "P3": {"family": "g"}},
        "work_units": {"maker": maker, "tester": tester},
        "storage_zones": {"middle": {"upstream": "maker", "downstream": "tester", "capacity": 3}},
    }
    return Plant.model_validate({**document, **changes})


class Log:
    """Telemetry of the small plant, written by hand in any order, read as a historian gives it."""

    def __init__(self) -> None:
        self._samples: list[Sample] = []

    def say(
        self,
        unit: str,
        signal: str,
        *changes: tuple[float, float | str | None],
        late_s: float = 0.0,
        quality: Quality = Quality.GOOD,
    ) -> Log:
        """Values of one signal, each with its seconds after T0."""
        for seconds, value in changes:
            self._samples.append(
                Sample(
                    signal=small_plant().signal_id(unit, signal),
                    value=value,
                    measured_at=at(seconds),
                    available_at=at(seconds + late_s),
                    quality=quality,
                )
            )
        return self

    def batch(self) -> SampleBatch:
        """By signal name, then time."""
        return SampleBatch.of(sorted(self._samples, key=lambda s: (s.signal, s.measured_at)))
