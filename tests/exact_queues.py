"""Lines that parts come to from outside: queues with closed forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests import exact_formulas as formulas
from tests.engine_lab import constant, exponential, plant, serial, unit
from tests.exact_cases import ROOMY, Case, Fact, kpi, share, throughput
from twin.plant import Plant

SLOW = 2e-3
"""Waiting times vary far more than rates: ten times the error for a hundredth of the length."""


def arrivals(rate: float, **more: Any) -> dict[str, Any]:
    return {
        "release": {"policy": "arrivals", "interarrival": exponential(1.0 / rate), **more},
    }


def station(cycle: Mapping[str, Any], rate: float, **more: Any) -> Plant:
    return plant({"server": unit(cycle, **arrivals(rate), **more)})


def _limited() -> Plant:
    return plant({"server": unit(exponential(1.0), **arrivals(0.8, places=4))})


def time_in_system(exact: float, relative: float = SLOW) -> Fact:
    return Fact(what="time in system", exact=exact, reads=kpi("flow_time_s"), relative=relative)


def in_system(exact: float, relative: float = SLOW) -> Fact:
    return Fact(what="in system", exact=exact, reads=kpi("work_in_process"), relative=relative)


def _markovian() -> list[Case]:
    single, several, limited = (
        formulas.mm1k(0.5, 1.0, 200),
        formulas.mmc(2.0, 1.0, 3),
        formulas.mm1k(0.8, 1.0, 5),
    )
    return [
        Case(
            name="M/M/1, load 0.5",
            source="Kleinrock, Queueing Systems I (1975), 3.2",
            line=lambda: station(exponential(1.0), 0.5),
            facts=(
                in_system(single["in_system"]),
                time_in_system(2.0),
                Fact(what="busy", exact=0.5, reads=share("server", "production"), relative=1e-3),
            ),
            horizon_s=300_000.0,
        ),
        Case(
            name="M/M/3, load 2/3",
            source="Kleinrock, Queueing Systems I (1975), 3.5",
            line=lambda: station(exponential(1.0), 2.0, servers=3),
            facts=(
                in_system(several["in_system"]),
                time_in_system(several["time_in_system"]),
            ),
            horizon_s=110_000.0,
        ),
        Case(
            name="M/M/1/5, load 0.8",
            source="Kleinrock, Queueing Systems I (1975), 3.6",
            line=_limited,
            facts=(
                Fact(
                    what="share lost",
                    exact=limited["lost"],
                    reads=lambda run: (
                        run.kpis["lost_parts"] / (run.kpis["lost_parts"] + run.kpis["good_parts"])
                    ),
                    relative=3e-3,
                ),
                in_system(limited["in_system"]),
                time_in_system(limited["time_in_system"]),
                throughput(limited["throughput"], relative=5e-4),
            ),
            horizon_s=290_000.0,
        ),
    ]


LAWS: tuple[Mapping[str, Any], ...] = (
    constant(1.0),
    {"law": "lognormal", "mean_s": 1.0, "cv": 1.5},
    {"law": "erlang", "mean_s": 1.0, "phases": 3},
    {"law": "gamma", "mean_s": 1.0, "cv": 0.7},
    {"law": "weibull", "mean_s": 1.0, "shape": 0.8},
    {"law": "uniform", "low_s": 0.2, "high_s": 1.8},
    {"law": "triangular", "low_s": 0.3, "mode_s": 0.6, "high_s": 2.1},
    {"law": "empirical", "quantiles_s": (0.2, 0.7, 0.9, 1.3, 2.0)},
    {"law": "geometric", "mean_s": 1.0, "step_s": 0.25},
)


def law_mean(law: Mapping[str, Any]) -> float:
    """Mean of the laws above that do not say it. [s]"""
    if law["law"] == "empirical":
        q = law["quantiles_s"]
        return float((sum(q) - (q[0] + q[-1]) / 2.0) / (len(q) - 1))
    return 1.0


def _general(law: Mapping[str, Any]) -> Case:
    rate, mean = 0.5, law_mean(law)
    waits = formulas.mg1_wait(rate, mean, formulas.second_moment(law))
    relative = 3e-3 if law["law"] == "lognormal" else SLOW
    return Case(
        name=f"M/G/1, {law['law']}",
        source="Pollaczek and Khinchine; Kleinrock, Queueing Systems I (1975), 5.6",
        line=lambda: station(law, rate),
        facts=(
            time_in_system(waits + mean, relative),
            in_system(rate * (waits + mean), relative),
        ),
        horizon_s={"lognormal": 850_000.0, "weibull": 390_000.0}.get(law["law"], 210_000.0),
    )


def _tandem() -> Plant:
    units = {f"u{i}": unit(exponential(1.0 / r)) for i, r in enumerate(TANDEM)}
    units["u0"] |= arrivals(0.5)
    return plant(units, {f"z{i}": (f"u{i}", f"u{i + 1}", ROOMY) for i in range(2)})


TANDEM = (1.0, 0.9, 1.25)
REWORKED = 0.25


def _rework(limit: int) -> Plant:
    units = {
        "enter": unit(exponential(0.5)) | arrivals(0.4),
        "solder": unit(exponential(1.0), takes="any", defects={"base": REWORKED}),
        "test": unit(
            exponential(0.8),
            inspection={"coverage": 1.0, "rework": "again", "rework_limit": limit},
        ),
    }
    zones = {
        "fresh": ("enter", "solder", ROOMY),
        "again": ("test", "solder", ROOMY),
        "soldered": ("solder", "test", ROOMY),
    }
    return plant(units, zones)


def _split() -> Plant:
    ways = [{"zone": "to_a", "share": 0.3}, {"zone": "to_b", "share": 0.7}]
    units = {
        "head": unit(exponential(0.5), routes=ways) | arrivals(0.8),
        "a": unit(exponential(2.0)),
        "b": unit(exponential(1.0)),
    }
    return plant(units, {"to_a": ("head", "a", ROOMY), "to_b": ("head", "b", ROOMY)})


def _merged() -> Plant:
    heads = {n: unit(exponential(0.5)) | arrivals(r) for n, r in (("a", 0.2), ("b", 0.4))}
    units = {**heads, "join": unit(exponential(1.0), takes="any")}
    return plant(units, {"of_a": ("a", "join", ROOMY), "of_b": ("b", "join", ROOMY)})


JACKSON = "Jackson, Operations Research 5 (1957) 518-521"


def _reworked() -> list[Case]:
    again = 1.0 / (1.0 - REWORKED)
    return [
        Case(
            name="rework without limit",
            source=JACKSON,
            line=lambda: _rework(1000),
            facts=(
                time_in_system(formulas.jackson_time(0.4, (2.0, 1.0, 1.25), (1.0, again, again))),
                Fact(
                    what="reworks per part",
                    exact=again - 1.0,
                    reads=lambda run: run.kpis["reworked_parts"] / run.kpis["good_parts"],
                    relative=1e-3,
                ),
                Fact(
                    what="solder busy",
                    exact=0.4 * again,
                    reads=share("solder", "production"),
                    relative=1e-3,
                ),
            ),
            horizon_s=300_000.0,
        ),
        Case(
            name="one rework, then scrap",
            source="traffic equations",
            line=lambda: _rework(1),
            facts=(
                Fact(what="yield", exact=1.0 - REWORKED**2, reads=kpi("yield_ratio")),
                Fact(
                    what="solder busy",
                    exact=0.4 * (1.0 + REWORKED),
                    reads=share("solder", "production"),
                    relative=1e-3,
                ),
            ),
            horizon_s=300_000.0,
        ),
    ]


def _branching() -> list[Case]:
    split_time = 1.0 / (2.0 - 0.8) + 0.3 / (0.5 - 0.24) + 0.7 / (1.0 - 0.56)
    merged_time = (0.2 / (2.0 - 0.2) + 0.4 / (2.0 - 0.4)) / 0.6 + 1.0 / (1.0 - 0.6)
    return [
        Case(
            name="three queues in a row",
            source=JACKSON,
            line=_tandem,
            facts=(time_in_system(formulas.jackson_time(0.5, TANDEM, (1.0, 1.0, 1.0))),),
            horizon_s=300_000.0,
        ),
        Case(
            name="split by probability",
            source=JACKSON,
            line=_split,
            facts=(
                time_in_system(split_time),
                Fact(
                    what="share of the first way",
                    exact=0.3,
                    reads=lambda run: (
                        run.starts["a", "P"].sum(axis=1)
                        / (run.starts["a", "P"] + run.starts["b", "P"]).sum(axis=1)
                    ),
                    relative=1e-3,
                ),
            ),
            horizon_s=300_000.0,
        ),
        Case(
            name="two queues into one",
            source=JACKSON,
            line=_merged,
            facts=(time_in_system(merged_time),),
            horizon_s=300_000.0,
        ),
    ]


QUEUES = (
    *_markovian(),
    *map(_general, LAWS),
    *_branching(),
    *_reworked(),
    Case(
        name="zero buffer pair of unequal rates",
        source="Hunt, Operations Research 4 (1956) 674-683",
        line=lambda: serial([exponential(1.0), exponential(2.0)], 0),
        facts=(throughput(0.5 * 1.5 / (1.0 + 0.5 + 0.25), relative=5e-4),),
        horizon_s=440_000.0,
        recursion=True,
    ),
)
