"""The truth export: everything that the plant really did and sent, as one JSON document."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from simulators.clock import LIVE_START
from simulators.physics.machine import Mode
from simulators.physics.plant import PracticePlant
from simulators.truth.sent import Sent

__all__ = ["truth_document", "write_truth"]


def write_truth(path: Path, plant: PracticePlant, sent: Sent) -> None:
    """Write the document as JSON; the file appears whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(truth_document(plant, sent), indent=1), "utf-8")
    part.replace(path)


def truth_document(plant: PracticePlant, sent: Sent) -> dict[str, Any]:
    """What is true of this plant until now. Times are ISO instants, durations seconds."""
    line, accounts = plant.line, plant.line.accounts
    return {
        "plant": plant.plant.name,
        "seed": plant.seed,
        "start": plant.start.isoformat(),
        "live_start": LIVE_START.isoformat(),
        "end": plant.when(line.now),
        "cycles": _cycles(plant),
        "modes": _modes(plant),
        "failures": [_failure(plant, f) for f in accounts.failures],
        "defects": _defects(plant),
        "orders": _orders(plant),
        "parts": _parts(plant),
        "units": _units(plant),
        "faults": [
            {"unit": f.unit, "mode": f.mode, "after_h": f.after_h, "fail_after_h": f.fail_after_h}
            for f in plant.faults
        ],
        "sent": sent.counts,
    }


def _cycles(plant: PracticePlant) -> dict[str, Any]:
    """unit -> product -> the mean of the laws that its parts were drawn from, whole and by day."""
    found: dict[str, Any] = {}
    for unit, products in plant.line.accounts.cycles.items():
        law = plant.truth.units[unit]
        found[unit] = {
            product: {
                **_mean(days.values()),
                "family": law.cycles[product].family,
                "cv": law.cycles[product].cv,
                "drift_two_weeks": law.drift,
                "days": {
                    str(plant.when(int(day) * 86_400.0))[:10]: _mean([sums])
                    for day, sums in days.items()
                },
            }
            for product, days in products.items()
        }
    return found


def _mean(sums: Iterable[list[float]]) -> dict[str, Any]:
    n, means, durations = (sum(column) for column in zip(*sums, strict=True))
    return {"n": int(n), "mean_s": means / n, "realised_mean_s": durations / n}


def _modes(plant: PracticePlant) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for i, machine in enumerate(plant.line.machines):
        elapsed = plant.line.elapsed(i)
        found[machine.name] = {
            mode.name: {
                "wear": mode.truth.wear,
                "life": mode.truth.life.model_dump(),
                "repair": mode.truth.repair.model_dump(),
                "initial_wear": mode.truth.initial_wear,
                "lives": _lives(plant, machine.name, mode, elapsed),
            }
            for mode in machine.modes
        }
    return found


def _lives(plant: PracticePlant, unit: str, mode: Mode, elapsed: float) -> list[dict[str, Any]]:
    """Every life: whole operating time, and the wear it began and (if it is not over) stands at."""
    lives: list[dict[str, Any]] = []
    began: str | None = plant.start.isoformat()
    for failure in plant.line.accounts.failures:
        if failure["unit"] == unit and failure["mode"] == mode.name:
            ended = plant.when(failure["failed"])
            lives.append(
                {
                    "began_at": began, "failed_at": ended,
                    "initial_wear": failure["initial_wear"],
                    "operated_s": failure["operated_s"], "wear": 1.0,
                }
            )  # fmt: skip
            began = plant.when(failure["repaired"])
    if began is not None:
        lives.append(
            {
                "began_at": began, "failed_at": None, "initial_wear": mode.initial,
                "operated_s": mode.operated_s + elapsed, "wear": mode.wear(elapsed),
            }
        )  # fmt: skip
    return lives


def _failure(plant: PracticePlant, failure: dict[str, Any]) -> dict[str, Any]:
    began, ended = failure["repair_began"], failure["repaired"]
    return {
        "unit": failure["unit"],
        "mode": failure["mode"],
        "failed_at": plant.when(failure["failed"]),
        "repair_began_at": plant.when(began),
        "repaired_at": plant.when(ended),
        "repair_s": None if ended is None else ended - began,
    }


def _defects(plant: PracticePlant) -> dict[str, Any]:
    accounts = plant.line.accounts
    found: dict[str, Any] = {}
    for name, truth in plant.truth.units.items():
        if truth.defects is not None:
            found[name] = {
                "law": truth.defects.model_dump(),
                "made": accounts.made.get(name, 0),
            }
            if truth.defects.parameter:
                middle = plant.plant.work_units[name].parameters[truth.defects.parameter].value
                at = [middle + step for step in range(-10, 11)]
                curve = [[x, truth.defects.probability(x)] for x in at]
                found[name]["curve"] = curve
        if truth.coverage is not None:
            found[name] = found.get(name, {}) | {
                "coverage": truth.coverage,
                "found": accounts.found.get(name, {}),
                "missed": accounts.missed.get(name, 0),
            }
    return found


def _orders(plant: PracticePlant) -> list[dict[str, Any]]:
    return [
        {
            "order_id": order,
            "product": row["product"],
            "started": row["started"],
            "good": row["good"],
            "scrapped": row["scrapped"],
            "first_start_at": plant.when(row["first"]),
            "last_event_at": plant.when(row["last"]),
            "finished": _finished(plant, order, row),
        }
        for order, row in plant.line.accounts.orders.items()
    ]


def _finished(plant: PracticePlant, order: str, row: dict[str, Any]) -> bool:
    wanted = plant.plant.orders[order].quantity if order in plant.plant.orders else row["started"]
    return bool(row["good"] + row["scrapped"] >= wanted)


def _parts(plant: PracticePlant) -> dict[str, int]:
    rows = plant.line.accounts.orders.values()
    waiting = sum(map(len, plant.line.zones))
    inside = sum(m.part is not None for m in plant.line.machines)
    return {
        "started": sum(r["started"] for r in rows),
        "good": sum(r["good"] for r in rows),
        "scrapped": sum(r["scrapped"] for r in rows),
        "in_process": waiting + inside,
    }


def _units(plant: PracticePlant) -> dict[str, Any]:
    """By unit; times and energy up to now, the stretch that is not over included."""
    accounts = plant.line.accounts
    found: dict[str, Any] = {}
    for i, m in enumerate(plant.line.machines):
        state_s = dict(accounts.state_s.get(m.name, {}))
        energy_j = accounts.energy_j.get(m.name, 0.0)
        if (open_stretch := plant.unbooked(i)) is not None:
            state, seconds, joules = open_stretch
            state_s[state] = state_s.get(state, 0.0) + seconds
            energy_j += joules
        found[m.name] = {
            "good_count": m.good,
            "reject_count": m.bad,
            "operated_s": m.operated_s + plant.line.elapsed(i),
            "state_s": state_s,
            "energy_kwh": energy_j / 3.6e6,
            "setup_factor": m.truth.setup_factor,
        }
    return found
