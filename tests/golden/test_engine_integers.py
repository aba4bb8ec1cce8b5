"""Lines without chance, worked out by hand: every engine gives these numbers exactly."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine_lab import START, constant, plant, serial, unit
from tests.exact_cases import ENGINES, with_parts
from twin.engine import RunResult, simulate
from twin.engine.choose import Engine
from twin.errors import DataError
from twin.plant import Plant


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    chosen: Engine = request.param
    return chosen


def played(
    line: Plant, horizon_s: float, engine: Engine, *, ordered: bool = True, **more: Any
) -> RunResult:
    """One run; where parts do not keep their order the recursion refuses, and the event loop plays."""
    arguments: dict[str, Any] = {"start": START, "horizon_s": horizon_s, "trace": True, **more}
    if engine == "recursion" and not ordered:
        with pytest.raises(DataError, match="the recursion cannot play this line"):
            simulate(line, engine=engine, **arguments)
        engine = "events"
    run = simulate(line, engine=engine, **arguments)
    assert run.engine == engine
    return run


def leaving(run: RunResult) -> list[float]:
    assert run.trace is not None
    rows = run.trace.kind == run.trace.kinds.index("leave")
    return [float(at) for at in run.trace.time_s[rows]]


def good(run: RunResult) -> float:
    return float(run.kpis["good_parts"][0])


def test_regular_arrivals_at_a_faster_server(engine: Engine) -> None:
    """A part every 5 s, 3 s of work: none waits, and each is 3 s in the line."""
    release = {"policy": "arrivals", "interarrival": constant(5.0)}
    run = played(plant({"u": unit(3.0, release=release)}), 103.0, engine, ordered=False)
    assert leaving(run) == [5.0 * n + 3.0 for n in range(1, 21)]
    assert run.kpis["flow_time_s"][0] == 3.0
    assert run.kpis["work_in_process"][0] == 60.0 / 103.0


def test_regular_arrivals_at_a_slower_server_with_one_place(engine: Engine) -> None:
    """Parts at 2, 4, 6...; 5 s of work: of five that come in 10 s, two are taken and three are lost.

    Work begins at 2, 7, 12, 17...: the server never rests, whoever waits came 1 to 2 s after it began.
    """
    release = {"policy": "arrivals", "interarrival": constant(2.0), "places": 1}
    run = played(plant({"u": unit(5.0, release=release)}), 52.0, engine, ordered=False)
    assert leaving(run) == [5.0 * n + 2.0 for n in range(1, 11)]
    # 26 came until 52 s; 10 have left, one is in work and one waits
    assert run.kpis["lost_parts"][0] == 14.0


def test_a_line_goes_at_the_pace_of_its_slowest_station(engine: Engine) -> None:
    run = played(serial([2.0, 5.0, 3.0], 1), 1000.0, engine)
    assert leaving(run) == [10.0 + 5.0 * n for n in range(199)]
    # blocked after service: from 2 s on it holds one, one waits, the next begins every 5 s
    assert run.unit_states["u1"]["production"][0] == 998.0 / 1000.0


def test_a_conveyor_delays_every_part_by_its_time(engine: Engine) -> None:
    line = serial([3.0, 2.0], 10)
    zones = {"z0": {"upstream": "u0", "downstream": "u1", "capacity": 10, "transport_s": 7.0}}
    run = played(with_parts(line, storage_zones=zones), 60.0, engine)
    assert leaving(run) == [3.0 * n + 7.0 + 2.0 for n in range(1, 18)]


def test_a_conveyor_with_few_places_is_the_bottleneck(engine: Engine) -> None:
    """Two places of 7 s each: two parts in 7 s, and a third of 3.5 s in the mean."""
    line = serial([1.0, 1.0], 2)
    zones = {"z0": {"upstream": "u0", "downstream": "u1", "capacity": 2, "transport_s": 7.0}}
    run = played(with_parts(line, storage_zones=zones), 71.0, engine)
    # parts go on at 1, 2; then places come free at 8, 9, 15, 16...: each leaves 8 s after it got on
    assert leaving(run) == [t for k in range(9) for t in (9.0 + 7.0 * k, 10.0 + 7.0 * k)][:18]


def test_a_full_oven_turns_out_its_batch_at_once(engine: Engine) -> None:
    """Four parts at 1, 2, 3, 4 s; 10 s of heat; four more are long there when the first are done."""
    line = plant(
        {"load": unit(1.0), "oven": unit(10.0, batch={"size": 4})}, {"z": ("load", "oven", 6)}
    )
    run = played(line, 54.0, engine, ordered=False)
    assert leaving(run) == [t for t in (14.0, 24.0, 34.0, 44.0, 54.0) for _ in range(4)]


def test_work_after_every_tenth_part_costs_its_time(engine: Engine) -> None:
    upkeep = {"clean": {"every_parts": 10, "duration": constant(5.0)}}
    run = played(plant({"u": unit(1.0, upkeep=upkeep)}), 150.0, engine, ordered=False)
    assert leaving(run) == [15.0 * k + n for k in range(10) for n in range(1, 11)]
    assert run.unit_states["u"]["repair"][0] == 50.0 / 150.0


def test_work_by_the_calendar_interrupts_the_part(engine: Engine) -> None:
    """Due every 6 min for 60 s: a part of 100 s begun at 300 s ends at 460 s."""
    upkeep = {"clean": {"every_h": 0.1, "duration": constant(60.0)}}
    run = played(plant({"u": unit(100.0, upkeep=upkeep)}), 1000.0, engine)
    assert leaving(run) == [100.0, 200.0, 300.0, 460.0, 560.0, 660.0, 820.0, 920.0]


def test_setups_alternate_with_the_products(engine: Engine) -> None:
    """The first part needs none; then 2 s of setup before each part of 3 s."""
    line = plant({"u": unit(3.0, setup={"other_family_s": 2.0})}, products={"P": "F", "Q": "G"})
    run = played(line, 103.0, engine, mix={"P": 1, "Q": 1})
    assert leaving(run) == [3.0 + 5.0 * n for n in range(21)]
    assert run.unit_states["u"]["setup"][0] == 40.0 / 103.0


def test_products_part_where_the_routes_say(engine: Engine) -> None:
    ways = [{"zone": "to_a", "products": ["P"]}, {"zone": "to_b"}]
    units = {"head": unit(1.0, routes=ways), "a": unit(1.0), "b": unit(2.0)}
    zones = {"to_a": ("head", "a", 5), "to_b": ("head", "b", 5)}
    run = played(
        plant(units, zones, products={"P": "F", "Q": "G"}),
        60.0,
        engine,
        ordered=False,
        mix={"P": 1, "Q": 1},
    )
    assert run.starts["a", "P"].sum() == 30
    assert run.starts["b", "Q"].sum() == 30  # the last one as it comes, at 60 s
    assert run.starts["a", "Q"].sum() == run.starts["b", "P"].sum() == 0


def test_an_assembly_waits_for_its_slower_component(engine: Engine) -> None:
    units = {"fast": unit(1.0), "slow": unit(4.0), "join": unit(2.0)}
    zones = {"a": ("fast", "join", 1), "b": ("slow", "join", 1)}
    for pull in ("synchronous", "eager"):
        units["join"]["pull"] = pull
        run = played(plant(units, zones), 50.0, engine, ordered=pull == "synchronous")
        assert leaving(run) == [4.0 * n + 2.0 for n in range(1, 13)]


def test_cards_limit_the_parts_on_the_line(engine: Engine) -> None:
    """Two cards, stations of 1 s and 3 s: the next part starts as one leaves."""
    loop = {"line": {"cards": 2, "first": "u0", "last": "u1"}}
    run = played(with_parts(serial([1.0, 3.0], 9), kanban=loop), 31.0, engine)
    assert leaving(run) == [1.0 + 3.0 * n for n in range(1, 11)]
    assert run.unit_states["u0"]["production"][0] == 11.0 / 31.0


def test_one_operator_works_two_machines_in_turn(engine: Engine) -> None:
    more: dict[str, Any] = {"operator": ["work"], "release": {"policy": "saturated"}}
    line = with_parts(
        plant({"a": unit(2.0, **more), "b": unit(3.0, **more)}),
        operators={"one": {"count": 1, "skills": ["a", "b"]}},
    )
    run = played(line, 50.0, engine, ordered=False)
    assert leaving(run) == [t for k in range(10) for t in (5.0 * k + 2.0, 5.0 * k + 5.0)]
    assert run.unit_states["a"]["delay"][0] == 30.0 / 50.0


def test_two_servers_of_one_unit_work_side_by_side(engine: Engine) -> None:
    run = played(serial([1.0, 4.0], 5), 41.0, engine)
    pair = played(
        plant({"u0": unit(1.0), "u1": unit(4.0, servers=2)}, {"z0": ("u0", "u1", 5)}),
        41.0,
        engine,
        ordered=False,
    )
    assert good(run) == 10.0
    assert leaving(pair) == [t for k in range(1, 11) for t in (4.0 * k + 1.0, 4.0 * k + 2.0)][:19]


def test_energy_is_power_times_time_in_each_state(engine: Engine) -> None:
    power = {"production_w": 3600.0, "idle_w": 360.0}
    line = plant({"u0": unit(5.0), "u1": unit(2.0, power=power)}, {"z0": ("u0", "u1", 1)})
    run = played(line, 1005.0, engine)
    # 199 parts of 2 s are done at 997, the 200th is at work from 1000 to 1002
    assert run.kpis["energy_kwh"][0] == pytest.approx(
        (400 * 3600.0 + 605 * 360.0) / 3.6e6, rel=1e-12
    )
