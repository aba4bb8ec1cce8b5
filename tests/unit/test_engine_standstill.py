"""Parts that are found to wait for each other for ever never move again, however long the line is watched."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.engine_lab import practice
from tests.plant_runs import Case, cases
from twin.engine import open_jobs
from twin.engine.counts import Counts
from twin.engine.inputs import RunInput, run_input
from twin.engine.prospects import Prospects, Ways
from twin.engine.reference.line import Line
from twin.errors import DataError

LONG = int(os.environ.get("TEST_FUZZ", "0"))


class Watched(Line):
    """A line of which every settled instant is judged, and every judgement held against what comes after."""

    def __init__(self, given: RunInput, replication: int) -> None:
        super().__init__(given, replication, Counts.empty(given, 1), 0, False)
        self.ways = Ways(given)
        self.dead: dict[str, list[int]] = {}

    def _settle(self, now: float) -> None:
        super()._settle(now)
        future = Prospects(self.ways, self.snapshot())
        dead = {f"in server {s}": [id(self.servers[s].parts[0])] for s in future.held()}
        for zone in self.zones:
            if zone.parts and zone.index not in future.taken:
                dead[f"in {zone.name}"] = [id(part) for part in zone.parts]
        for u in future.left() - future.begins:
            for i, server in enumerate(self.units[u].servers):
                for place, part in enumerate(server.kit):
                    if part is not None:
                        dead[f"in place {place} of kit {i} of unit {u}"] = [id(part)]
        for place, parts in self.dead.items():
            assert dead.get(place, [])[: len(parts)] == parts, f"{place} a part moved at {now} s"
        assert self.ways.may_stand or not dead, "parts wait on a line on which none can"
        self.dead = dead


def watched(case: Case) -> Watched | None:
    """The run, judged at every instant; None if it is refused for another reason."""
    arguments: dict[str, Any] = {
        "jobs": None, "seed": 1, "state": None, "forecasts": (), "maintenance": (), "warm_up_s": 0.0,
        "until_done": False, "mix": None, "limited_supply": False, **case.arguments,
    }  # fmt: skip
    for name in ("trace", "replications"):
        arguments.pop(name, None)
    replication = arguments.pop("first_replication", 0)
    line = Watched(run_input(case.plant, **arguments), replication)
    said = ""
    try:
        line.run()
    except DataError as e:
        said = str(e)
    if said and "cannot go on" not in said:
        return None
    assert bool(line.dead) == ("deadlock" in said)
    return line


@pytest.mark.slow
@settings(
    max_examples=LONG or 300,
    derandomize=not LONG,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(cases())
def test_what_is_found_to_stand_never_moves_again(case: Case) -> None:
    horizon_s = min(5 * case.arguments["horizon_s"], 7300.0)
    watched(Case(case.plant, {**case.arguments, "horizon_s": horizon_s}))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["jobs", "saturated"])
def test_the_practice_plant_stands_at_no_instant_of_two_days(name: str) -> None:
    """Every instant is a horizon: in the shift and after it, parts in repair, machines down, orders done."""
    plant = practice()
    jobs = open_jobs(plant) if name == "jobs" else None
    start = min(order.release_at for order in plant.orders.values())
    line = watched(Case(plant, {"start": start, "horizon_s": 172_800.0, "jobs": jobs}))
    assert line is not None
    assert line.failures.sum() > 0
