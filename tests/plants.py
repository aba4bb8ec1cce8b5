"""Random plants, small and valid, with whatever the plant file can describe."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from tests.engine_lab import START
from twin.plant import Plant
from twin.plant.checks import cross_faults

__all__ = ["instant", "laws", "plants", "rarely"]

Table = dict[str, Any]

PRODUCTS = ("P", "Q", "R")
ROUND = (2.0, 1.0, 3.0, 5.0, 0.5, 10.0)
"""Durations that tie with each other. [s]"""


def rarely(draw: st.DrawFn, one_in: int = 4) -> bool:
    """True once in so many draws; shrinks to False."""
    return draw(st.integers(0, one_in - 1)) == one_in - 1


def laws(mean_s: float = 3.0, *, zero: bool = True) -> st.SearchStrategy[Table]:
    """Every kind of law with means about this, most of them constant and round. Shrinks to constant."""
    scale = mean_s / 3.0
    values = [v * scale for v in ROUND] + ([0.0] if zero else [])
    constant = st.sampled_from(values).map(lambda v: {"law": "constant", "value_s": v})
    mean = st.sampled_from([mean_s, mean_s / 2, mean_s * 2])
    least = 0.0 if zero else scale
    drawn = st.one_of(
        mean.map(lambda m: {"law": "exponential", "mean_s": m}),
        mean.map(lambda m: {"law": "erlang", "mean_s": m, "phases": 3}),
        mean.map(lambda m: {"law": "gamma", "mean_s": m, "cv": 0.7}),
        mean.map(lambda m: {"law": "geometric", "mean_s": m, "step_s": m / 3}),
        mean.map(lambda m: {"law": "lognormal", "mean_s": m, "cv": 0.5}),
        mean.map(lambda m: {"law": "weibull", "mean_s": m, "shape": 1.5}),
        mean.map(lambda m: {"law": "uniform", "low_s": least, "high_s": 2 * m}),
        mean.map(lambda m: {"law": "triangular", "low_s": least, "mode_s": m, "high_s": 2 * m}),
        mean.map(lambda m: {"law": "empirical", "quantiles_s": (least, least, m, m, 3 * m)}),
    )
    return st.one_of(constant, constant, drawn)


CALENDARS: Table = {
    "always": {"weekly": ["Mon-Sun 00:00-24:00"]},
    "breaks": {"weekly": ["Mon-Sun 00:00-00:01", "Mon-Sun 00:02-00:03", "Mon-Sun 00:05-24:00"]},
    "late": {"weekly": ["Mon-Sun 00:01-24:00"]},
}


class _Draft:
    """A plant file in the making: which unit feeds which, and what else must fit together."""

    def __init__(self, draw: st.DrawFn, ordered: bool) -> None:
        self.draw = draw
        self.ordered = ordered
        self.products = PRODUCTS[: draw(st.sampled_from([1, 1, 2, 3]))]
        count = draw(st.integers(1, 6))
        self.names = [f"u{i}" for i in range(count)]
        self.units: dict[str, Table] = {
            name: {"role": "press", "name": name} for name in self.names
        }
        self.zones: dict[str, Table] = {}
        for j in range(1, count):
            if ordered:
                near = draw(st.sampled_from([True, True, True, False]))
                self.zone(f"u{j}", f"u{j - 1 if near else draw(st.integers(0, j - 1))}")
                continue
            for i in self._feeders(j):
                self.zone(f"u{i}", f"u{j}")

    def _feeders(self, j: int) -> list[int]:
        """Units before unit ``j``: usually the last one alone; sometimes none, or several."""
        how = self.draw(st.sampled_from(["last", "last", "last", "any", "two", "none"]))
        if how == "last":
            return [j - 1]
        if how == "any":
            return [self.draw(st.integers(0, j - 1))]
        if how == "two":
            return [self.draw(st.integers(0, j - 1)) for _ in range(2)]
        return []

    def zone(self, upstream: str, downstream: str) -> str:
        name = f"z{len(self.zones)}"
        capacity = self.draw(st.integers(0, 3))
        zone: Table = {"upstream": upstream, "downstream": downstream, "capacity": capacity}
        if capacity and rarely(self.draw, 6):
            zone["transport_s"] = self.draw(st.sampled_from([1.0, 2.5, 0.1]))
        self.zones[name] = zone
        return name

    def before(self, name: str) -> list[str]:
        return [z for z, zone in self.zones.items() if zone["downstream"] == name]

    def after(self, name: str) -> list[str]:
        return [z for z, zone in self.zones.items() if zone["upstream"] == name]

    def reach(self, name: str) -> list[str]:
        """Units to which parts of this one can come, itself first."""
        found = [name]
        for here in found:
            for zone in self.after(here):
                if self.zones[zone]["downstream"] not in found:
                    found.append(self.zones[zone]["downstream"])
        return found

    # What units do.

    def flow(self) -> None:
        """Merges, assemblies, rework and routes; in this order, for each needs the one before."""
        if self.ordered:
            for unit in self.units.values():
                if rarely(self.draw):
                    unit["defects"] = {"base": 0.5}
            return
        for name, unit in self.units.items():
            if len(self.before(name)) > 1:
                unit["takes"] = self.draw(st.sampled_from(["any", "all"]))
                if unit["takes"] == "all":
                    unit["pull"] = self.draw(st.sampled_from(["synchronous", "eager"]))
        onward = {name: self.after(name) for name in self.names}
        for name in self.names:
            self._quality(name)
        for name, zones in onward.items():
            if len(zones) > 1 or (zones and rarely(self.draw, 8)):
                self.units[name]["routes"] = self._routes(zones)

    def _quality(self, name: str) -> None:
        unit, draw = self.units[name], self.draw
        if rarely(draw, 3):
            unit["defects"] = {"base": draw(st.sampled_from([0.5, 0.1, 0.9]))}
        if not rarely(draw, 3):
            return
        unit["inspection"] = {"coverage": draw(st.sampled_from([1.0, 0.5]))}
        ahead = [
            other
            for other in self.names
            if self.before(other)
            and self.units[other].get("takes") != "all"
            and not any(
                self.before(other) == [z] and self.zones[z]["upstream"] == other for z in self.zones
            )
        ]
        if ahead and draw(st.booleans()):
            to = draw(st.sampled_from(ahead))
            self.units[to]["takes"] = "any"
            unit["inspection"]["rework"] = self.zone(name, to)
            unit["inspection"]["rework_limit"] = draw(st.integers(1, 3))

    def _routes(self, zones: Sequence[str]) -> list[Table]:
        ways = [*zones, *(["leave"] if rarely(self.draw) else [])]
        if len(self.products) >= len(ways) > 1 and self.draw(st.booleans()):
            named = [
                {"zone": w, "products": [p]} for w, p in zip(ways, self.products, strict=False)
            ]
            named[-1].pop("products")
            return named
        shares = {1: [1.0], 2: [0.5, 0.5], 3: [0.5, 0.25, 0.25]}
        found = shares.get(len(ways), [1.0 / len(ways)] * len(ways))
        return [{"zone": w, "share": s} for w, s in zip(ways, found, strict=True)]

    def work(self, name: str) -> None:
        """Servers, batches, durations, setups, calendar."""
        unit, draw = self.units[name], self.draw
        unit["calendar"] = draw(st.sampled_from(["always", "always", "always", "breaks", "late"]))
        unit["cycle_time"] = {"default": draw(laws())}
        if len(self.products) > 1 and rarely(draw):
            unit["cycle_time"][self.products[-1]] = draw(laws(zero=False))
        zones = self.before(name)
        if self.ordered:
            pass
        elif len(zones) == 1 and rarely(draw, 5):
            unit["batch"] = {"size": draw(st.integers(2, 3)), "minimum": draw(st.integers(1, 2))}
            zone = self.zones[zones[0]]
            zone["capacity"] = max(zone["capacity"], unit["batch"]["minimum"])
        else:
            unit["servers"] = draw(st.sampled_from([1, 1, 1, 2, 3]))
        if rarely(draw, 3):
            unit["setup"] = {
                "same_product_s": draw(st.sampled_from([0.0, 1.0])),
                "same_family_s": draw(st.sampled_from([2.0, 0.0])),
                "other_family_s": 3.5,
            }
        unit["power"] = {"production_w": 1000.0, "idle_w": 300.0, "off_w": 7.0, "down_w": 77.7}

    def trouble(self, name: str) -> None:
        """Failures and upkeep."""
        unit, draw = self.units[name], self.draw
        modes = {}
        for mode in ("jam", "wear")[: draw(st.sampled_from([0, 0, 1, 2]))]:
            modes[mode] = {
                "time_to_failure": draw(laws(30.0)),
                "repair": draw(laws(6.0)),
                "clock": draw(st.sampled_from(["operating", "calendar"])),
            }
            life, mend = modes[mode]["time_to_failure"], modes[mode]["repair"]
            if life.get("value_s") == 0.0 and mend.get("value_s") == 0.0:
                mend["value_s"] = 1.0
        unit["failure_modes"] = modes
        for which in ("grease", "check")[: draw(st.sampled_from([0, 0, 0, 1, 2]))]:
            one: Table = {"duration": draw(laws())}
            if not self.ordered and draw(st.booleans()):
                one["every_parts"] = draw(st.integers(1, 4))
            else:
                one["every_h"] = draw(st.sampled_from([20.0, 7.0])) / 3600.0
                if draw(st.booleans()):
                    first = draw(st.sampled_from([0, 10, -3, 60]))
                    one["first_at"] = (START + timedelta(seconds=first)).isoformat()
            if modes and draw(st.booleans()):
                one["renews"] = [draw(st.sampled_from(sorted(modes)))]
            unit.setdefault("upkeep", {})[which] = one

    def release(self, name: str) -> None:
        """How a head comes by parts."""
        draw = self.draw
        policies = ["jobs"] if self.ordered else ["jobs", "jobs", "saturated", "arrivals"]
        policy = draw(st.sampled_from(policies))
        found: Table = {"policy": policy}
        if policy == "arrivals":
            found["interarrival"] = draw(laws(4.0, zero=False))
            found["places"] = draw(st.sampled_from([None, 0, 1, 2]))
            if len(self.products) == 2 and draw(st.booleans()):
                found["products"] = {"P": 0.25, "Q": 0.75}
        self.units[name]["release"] = found

    # What is shared.

    def operators(self) -> Table:
        draw, teams = self.draw, {}
        for team in ("red", "blue")[: draw(st.sampled_from([0, 0, 1, 2]))]:
            skills = draw(
                st.lists(st.sampled_from(self.names), min_size=1, max_size=3, unique=True)
            )
            teams[team] = {"count": draw(st.integers(1, 2)), "skills": skills}
        for name in dict.fromkeys(s for team in teams.values() for s in team["skills"]):
            self.units[name]["operator"] = draw(
                st.sampled_from([["work"], ["setup"], ["work", "setup"], []])
            )
        return teams

    def kanban(self) -> Table:
        draw, loops = self.draw, {}
        for loop in ("ring", "stage")[: draw(st.sampled_from([0, 0, 0, 1, 2]))]:
            first = draw(st.sampled_from(self.names))
            way = self.reach(first)
            last = [*way, *(z for z, zone in self.zones.items() if zone["upstream"] in way)]
            cards = draw(st.integers(1, 4))
            loops[loop] = {"first": first, "last": draw(st.sampled_from(last)), "cards": cards}
        return loops

    def material(self) -> Table:
        """Components of one kind or two, their stock, and what is on order."""
        draw = self.draw
        if not rarely(draw):
            return {}
        made: Table = {"description": "", "kind": "make", "unit": "pcs"}
        items = {p: {**made, "item_id": p} for p in self.products}
        rows, stock, orders = [], {}, {}
        for item in ("screw", "glue")[: draw(st.integers(1, 2))]:
            items[item] = {**made, "item_id": item, "kind": "buy", "suppliers": ["S"]}
            rows.append(
                {
                    "parent": draw(st.sampled_from(self.products)),
                    "component": item,
                    "quantity": draw(st.sampled_from([1.0, 2.0, 0.3])),
                    "work_unit": draw(st.sampled_from(self.names)),
                }
            )
            stock[item] = {"item_id": item, "on_hand": draw(st.sampled_from([3.0, 10.0, 0.0]))}
            for k in range(draw(st.integers(0, 2))):
                orders[f"{item}{k}"] = {
                    "purchase_order_id": f"{item}{k}",
                    "item_id": item,
                    "supplier_id": "S",
                    "quantity": 4.0,
                    "due_at": instant(draw(st.sampled_from([20, 0, 60, -5, 1000]))).isoformat(),
                }
        supplier = {"supplier_id": "S", "name": "S", "on_time": 1.0, "lead_time_cv": 0.0}
        return {
            "items": items,
            "bill_of_material": rows,
            "suppliers": {"S": supplier},
            "stock": stock,
            "purchase_orders": orders,
        }

    def file(self) -> Table:
        """The whole of it."""
        self.flow()
        for name in self.names:
            self.work(name)
            self.trouble(name)
            if not self.before(name):
                self.release(name)
        order = self.draw(st.permutations(self.names))
        zones = self.draw(st.permutations(list(self.zones)))
        families = {"P": "F", "Q": "F", "R": "G"}
        return {
            "operators": {} if self.ordered else self.operators(),
            "kanban": self.kanban(),
            **({} if self.ordered else self.material()),
            "maintenance": {"crews": len(order) if self.ordered else self.draw(st.integers(1, 2))},
            "products": {p: {"family": families[p]} for p in self.products},
            "work_units": {name: self.units[name] for name in order},
            "storage_zones": {name: self.zones[name] for name in zones},
        }


def instant(seconds: float) -> Any:
    return START + timedelta(seconds=seconds)


@st.composite
def plants(draw: st.DrawFn, ordered: bool = False) -> Plant:
    """A small line of one to six units with whatever the plant file knows.

    ``ordered``: only what keeps parts in a fixed order everywhere, which the recursion can play.
    """
    names = {"site": "S", "area": "A", "line": "L", "name": "fuzz", "timezone": "UTC"}
    found = Plant.model_validate(
        {**names, "currency": "EUR", "calendars": CALENDARS, **_Draft(draw, ordered).file()}
    )
    faults = [str(fault) for fault in cross_faults(found, "plant")]
    assert not faults, faults
    return found
