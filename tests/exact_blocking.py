"""Lines with finite zones: every exact value out of a Markov chain of the line itself."""

from __future__ import annotations

from tests import exact_formulas as formulas
from tests.engine_lab import exponential, plant, serial, unit
from tests.exact_cases import Case, Fact, failing, geometric, kpi, throughput, with_parts
from tests.exact_lines import Loop, Station, cycle_line, fork_join, oven_throughput, serial_line
from twin.plant import Plant


def _hillier_boling() -> list[Case]:
    printed = {
        3: ("0.564103", "0.670466", "0.734017", "0.776712"),
        5: ("0.485798", "0.607583", "0.680489", "0.729948"),
    }
    return [
        Case(
            name=f"{stations} exponential stations, {places} places",
            source="Hillier & Boling, Operations Research 15 (1967) 286-303",
            line=lambda n=stations, b=places: serial([exponential(1.0)] * n, b),  # type: ignore[misc]
            facts=(
                throughput(serial_line([Station()] * stations, places).throughput(), published),
            ),
            horizon_s=760_000.0 if stations == 3 else 680_000.0,
            recursion=True,
        )
        for stations, row in printed.items()
        for places, published in enumerate(row)
    ]


def _unreliable_pair() -> Plant:
    modes = failing(exponential(100.0), exponential(10.0))
    units = {name: unit(exponential(1.0), **modes) for name in ("first", "second")}
    return plant(units, {"between": ("first", "second", 5)}, crews=2)


def _buzacott() -> Plant:
    modes = failing(geometric(100.0), geometric(10.0))
    units = {name: unit(1.0, **modes) for name in ("first", "second")}
    return plant(units, {"between": ("first", "second", 8)}, crews=2)


def _fork(pull: str) -> Plant:
    units = {name: unit(exponential(1.0)) for name in ("left", "right", "join")}
    units["join"]["pull"] = pull
    return plant(units, {"a": ("left", "join", 1), "b": ("right", "join", 1)})


def _scrap() -> Plant:
    units = {name: unit(exponential(1.0)) for name in ("press", "check", "pack")}
    units["press"]["defects"] = {"base": 0.2}
    units["check"]["inspection"] = {"coverage": 1.0}
    return plant(units, {"a": ("press", "check", 1), "b": ("check", "pack", 1)})


def _oven() -> Plant:
    units = {
        "load": unit(exponential(1.0)),
        "oven": unit(exponential(3.0), batch={"size": 3, "minimum": 2}),
    }
    return plant(units, {"rack": ("load", "oven", 4)})


CONWIP_RATES = (1.0, 0.8, 1.25, 0.9)


def _conwip() -> Plant:
    line = serial([exponential(1.0 / r) for r in CONWIP_RATES], 5)
    return with_parts(line, kanban={"line": {"cards": 5, "first": "u0", "last": "u3"}})


def _kanban() -> Plant:
    loops = {f"stage{i}": {"cards": 2, "first": f"u{i}", "last": f"z{i}"} for i in range(2)}
    return with_parts(
        serial([exponential(1.0), exponential(0.8), exponential(1.1)], 9), kanban=loops
    )


KANBAN = serial_line(
    [Station(1.0), Station(1.0 / 0.8), Station(1.0 / 1.1)], 9, Loop(2, 0, 0), Loop(2, 1, 1)
)
SCRAPPING = serial_line([Station(), Station(scraps=0.2), Station()], 1)


def _pairs() -> list[Case]:
    return [
        Case(
            name="two unreliable exponential machines, 5 places",
            source="Markov chain of this line; model of Gershwin & Berman, AIIE Transactions 13 (1981) 2-11",
            line=_unreliable_pair,
            facts=(
                throughput(serial_line([Station(1.0, 0.01, 0.1)] * 2, 5).throughput(), "0.756197"),
            ),
            horizon_s=3_000_000.0,
            recursion=True,
        ),
        Case(
            name="deterministic two-machine line, N = 10",
            source="Buzacott (1967); Gershwin, Manufacturing Systems Engineering (1994), 3.2",
            line=_buzacott,
            facts=(throughput(cycle_line(0.01, 0.1, 8), "0.856175"),),
            horizon_s=3_000_000.0,
            recursion=True,
        ),
        *(
            Case(
                name=f"fork and join, {pull}",
                source="Markov chain of this line",
                line=lambda p=pull: _fork(p),  # type: ignore[misc]
                facts=(
                    throughput(fork_join(2, 1, 1.0, eager=pull == "eager").throughput(), published),
                ),
                horizon_s=650_000.0,
                recursion=pull == "synchronous",
            )
            for pull, published in (("eager", "0.674974"), ("synchronous", "0.665385"))
        ),
    ]


def _scrap_and_oven() -> list[Case]:
    return [
        Case(
            name="scrap in the middle of three stations, 1 place",
            source="Markov chain of this line",
            line=_scrap,
            facts=(
                throughput(SCRAPPING.throughput(), relative=5e-4),
                Fact(what="yield", exact=0.8, reads=kpi("yield_ratio"), relative=3e-4),
            ),
            horizon_s=200_000.0,
        ),
        Case(
            name="oven of three that begins with two, 4 places",
            source="Markov chain of this line",
            line=_oven,
            facts=(throughput(oven_throughput(1.0, 1.0 / 3.0, 3, 2, 4), relative=5e-4),),
            horizon_s=240_000.0,
        ),
    ]


def _loops() -> list[Case]:
    return [
        Case(
            name="CONWIP, four stations, 5 cards",
            source="Buzen, Communications of the ACM 16 (1973) 527-531",
            line=_conwip,
            facts=(
                throughput(formulas.closed_throughput(CONWIP_RATES, 5), relative=5e-4),
                Fact(
                    what="flow time",
                    exact=formulas.closed_time(CONWIP_RATES, 5),
                    reads=kpi("flow_time_s"),
                    relative=7e-4,
                ),
            ),
            horizon_s=160_000.0,
            recursion=True,
        ),
        Case(
            name="kanban, three stations, 2 cards each",
            source="Markov chain of this line",
            line=_kanban,
            facts=(throughput(KANBAN.throughput(), relative=5e-4),),
            horizon_s=160_000.0,
            recursion=True,
        ),
    ]


LINES = (*_hillier_boling(), *_pairs(), *_scrap_and_oven(), *_loops())
