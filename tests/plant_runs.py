"""Random runs of random plants: what they start from, what is planned, what is forecast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from tests.engine_lab import START
from tests.plants import instant, plants, rarely
from twin.engine import Job, LiveState, PartStart, PlannedMaintenance, UnitStart
from twin.plant import FailureForecast, Plant, WorkUnit, WorkUnitState

__all__ = ["Case", "cases", "changed", "runs"]


class Case:
    """A plant and the arguments of a run of it."""

    def __init__(self, plant: Plant, arguments: Mapping[str, Any]) -> None:
        self.plant = plant
        self.arguments = arguments

    def __repr__(self) -> str:
        shown = self.plant.model_dump(mode="json", exclude_defaults=True, exclude_unset=True)
        lines = [f"    {key}: {value!r}" for key, value in shown.items() if key not in _DULL]
        lines += [f"  {key} = {value!r}" for key, value in self.arguments.items()]
        return "\n".join(["Case(", *lines, ")"])


_DULL = {"site", "area", "line", "name", "timezone", "currency"}


@st.composite
def runs(draw: st.DrawFn, plant: Plant, ordered: bool = False) -> dict[str, Any]:
    """Arguments of ``simulate`` for this plant, without the engine."""
    horizon_s = draw(st.sampled_from([60.0, 20.0, 200.0, 333.3]))
    if rarely(draw, 16):
        horizon_s = 7300.0  # counts by hour
    found: dict[str, Any] = {
        "start": START,
        "horizon_s": horizon_s,
        "seed": draw(st.integers(0, 3)),
        "replications": draw(st.sampled_from([1, 1, 2, 3, 9] if ordered else [1, 1, 2, 3])),
        "trace": True,
    }
    if draw(st.booleans()):
        found["jobs"] = _jobs(draw, plant)
        found["until_done"] = draw(st.booleans())
    elif rarely(draw, 12):
        found["until_done"] = True  # nothing is counted, so it ends at once
    elif rarely(draw):
        found["mix"] = {p: draw(st.integers(1, 3)) for p in plant.products}
    if rarely(draw):
        found["first_replication"] = draw(st.integers(1, 5))
    if rarely(draw, 3) and not (ordered and found.get("until_done")):
        found["warm_up_s"] = draw(st.sampled_from([10.0, 19.9, 5.0]))
    if plant.items:
        found["limited_supply"] = draw(st.booleans())
    found["maintenance"] = _planned(draw, plant)
    if ordered:
        return found
    found["forecasts"] = _forecasts(draw, plant)
    if rarely(draw, 3):
        found["state"] = _state(draw, plant)
    return found


def _jobs(draw: st.DrawFn, plant: Plant) -> list[Job]:
    one = st.builds(
        Job,
        order_id=st.sampled_from(["A", "B", "C"]),
        product=st.sampled_from(list(plant.products)),
        quantity=st.sampled_from([1, 3, 10, 40, 0]),
        release_at=st.sampled_from([0, 10, -5, 60]).map(instant),
    )
    return draw(st.lists(one, max_size=4))


def _state(draw: st.DrawFn, plant: Plant) -> LiveState:
    units, more = {}, {}
    for name, unit in plant.work_units.items():
        if unit.batch or draw(st.booleans()):
            units[name] = draw(_starts(plant, unit))
        if unit.servers > 1 and draw(st.booleans()):
            more[name] = tuple(draw(_starts(plant, unit)) for _ in range(unit.servers - 1))
    zones = {
        name: tuple(draw(st.lists(_parts(plant), max_size=max(1, zone.capacity))))
        for name, zone in plant.storage_zones.items()
        if draw(st.booleans())
    }
    return LiveState(
        at=START,
        units=units,
        more_servers=more,
        zones=zones,
        started={"A": draw(st.integers(0, 2))},
    )


def _parts(plant: Plant) -> st.SearchStrategy[PartStart]:
    return st.builds(
        PartStart,
        order_id=st.sampled_from(["A", "old", ""]),
        product=st.sampled_from(list(plant.products)),
        remaining_s=st.sampled_from([0.0, 0.0, 1.0, 0.3]),
        reworks=st.sampled_from([0, 0, 1]),
        defective=st.booleans(),
    )


def _starts(plant: Plant, unit: WorkUnit) -> st.SearchStrategy[UnitStart]:
    modes = list(unit.failure_modes)
    counted = [name for name, one in unit.upkeep.items() if one.every_parts]
    products = st.sampled_from([None, *plant.products])
    orders = st.sampled_from([None, "A", "old"])
    found = st.builds(
        UnitStart,
        state=st.sampled_from(list(WorkUnitState)),
        product=products,
        order_id=orders,
        remaining_s=st.sampled_from([None, 1.0, 0.0, 7.5]),
        last_product=products,
        last_order_id=orders,
        failure_mode=st.sampled_from([None, *modes]),
        repair_remaining_s=st.sampled_from([None, 4.0, 0.0]),
        age_s=st.fixed_dictionaries({}, optional={m: st.sampled_from([0.0, 12.5]) for m in modes}),
        reworks=st.sampled_from([0, 0, 1]),
        defective=st.booleans(),
        parts_since=st.fixed_dictionaries({}, optional={w: st.integers(0, 5) for w in counted}),
    )
    if unit.batch is None:
        return found
    others = st.lists(_parts(plant), min_size=1, max_size=unit.batch.size - 1).map(tuple)
    return st.tuples(found, others).map(
        lambda both: replace(both[0], more_parts=both[1]) if both[0].holds_part else both[0]
    )


def _planned(draw: st.DrawFn, plant: Plant) -> list[PlannedMaintenance]:
    if not rarely(draw, 3):
        return []
    found = []
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(list(plant.work_units)))
        found.append(
            PlannedMaintenance(
                work_unit=name,
                start_at=instant(draw(st.sampled_from([10, 0, 60, -2, 11]))),
                duration_s=draw(st.sampled_from([5.0, 0.0, 30.0])),
                failure_mode=draw(st.sampled_from([None, *plant.work_units[name].failure_modes])),
            )
        )
    return found


def _forecasts(draw: st.DrawFn, plant: Plant) -> list[FailureForecast]:
    places = [(u, m) for u, unit in plant.work_units.items() for m in unit.failure_modes]
    if not places or not rarely(draw, 3):
        return []
    chosen = draw(st.lists(st.sampled_from(places), min_size=1, max_size=2, unique=True))
    return [
        FailureForecast(
            work_unit=unit,
            failure_mode=mode,
            made_at=instant(draw(st.sampled_from([0, -10]))),
            horizon_h=(10 / 3600.0, 30 / 3600.0),
            probability=draw(st.sampled_from([(0.2, 0.5), (0.0, 0.0), (0.5, 1.0)])),
            model="",
        )
        for unit, mode in chosen
    ]


@st.composite
def cases(draw: st.DrawFn, ordered: bool = False) -> Case:
    """A plant and a run of it."""
    plant = draw(plants(ordered))
    return Case(plant, draw(runs(plant, ordered)))


def changed(case: Case, **arguments: Any) -> Case:
    """The same plant, run with other arguments."""
    return Case(case.plant, {**case.arguments, **arguments})
