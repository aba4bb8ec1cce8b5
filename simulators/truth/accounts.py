"""Running accounts of what really happened, kept in plain values so that they can be saved."""

from __future__ import annotations

from typing import Any

__all__ = ["Accounts"]

_DAY_S = 86_400.0


class Accounts:
    """Counts and records; times in seconds since the start of the history."""

    def __init__(self) -> None:
        self.cycles: dict[str, dict[str, dict[str, list[float]]]] = {}
        """unit -> product -> day -> [parts, sum of the law's means, sum of durations]"""
        self.failures: list[dict[str, Any]] = []
        self.made: dict[str, int] = {}
        """Defects made, by unit."""
        self.found: dict[str, dict[str, int]] = {}
        """Parts taken out, by inspecting unit and by the unit that made the (first) defect."""
        self.missed: dict[str, int] = {}
        """Defective parts that an inspection let pass."""
        self.orders: dict[str, dict[str, Any]] = {}
        self.energy_j: dict[str, float] = {}
        self.state_s: dict[str, dict[str, float]] = {}

    def cycle(self, unit: str, product: str, now: float, mean_s: float, duration_s: float) -> None:
        """A part ended."""
        days = self.cycles.setdefault(unit, {}).setdefault(product, {})
        sums = days.setdefault(str(int(now // _DAY_S)), [0, 0.0, 0.0])
        sums[0] += 1
        sums[1] += mean_s
        sums[2] += duration_s

    def inspected(self, unit: str, defects: list[str], rejected: bool) -> None:
        """A defective part was inspected."""
        if rejected:
            found = self.found.setdefault(unit, {})
            found[defects[0]] = found.get(defects[0], 0) + 1
        else:
            self.missed[unit] = self.missed.get(unit, 0) + 1

    def order(self, order: str, product: str, what: str, now: float) -> None:
        """A part of an order was ``started``, came out ``good``, or was ``scrapped``."""
        row = self.orders.setdefault(
            order,
            {"product": product, "started": 0, "good": 0, "scrapped": 0, "first": now, "last": now},
        )
        row[what] += 1
        row["last"] = now

    def failed(self, unit: str, mode: str, now: float, operated_s: float, initial: float) -> int:
        """A failure; returns its index for the repair."""
        self.failures.append(
            {
                "unit": unit, "mode": mode, "failed": now, "operated_s": operated_s,
                "initial_wear": initial, "repair_began": None, "repaired": None,
            }
        )  # fmt: skip
        return len(self.failures) - 1

    def spent(self, unit: str, state: str, seconds: float, energy_j: float) -> None:
        """Time in a state and the energy that it took."""
        states = self.state_s.setdefault(unit, {})
        states[state] = states.get(state, 0.0) + seconds
        self.energy_j[unit] = self.energy_j.get(unit, 0.0) + energy_j

    def state(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return dict(vars(self))

    def restore(self, plain: dict[str, Any]) -> None:
        """Put back what ``state`` gave."""
        vars(self).update(plain)
