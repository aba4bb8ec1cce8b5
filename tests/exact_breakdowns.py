"""Lines that stand still at times: failures, crews, operators, setups, planned work."""

from __future__ import annotations

from tests import exact_formulas as formulas
from tests.engine_lab import exponential, plant, unit
from tests.exact_cases import Case, Fact, failing, share, throughput, with_parts
from twin.plant import Plant

SATURATED = {"release": {"policy": "saturated"}}


def _one(clock: str) -> Plant:
    modes = failing(exponential(4.0), exponential(1.0), clock=clock)
    return plant({"press": unit(1.0, **modes)})


def _wearing() -> Plant:
    life = {"law": "weibull", "mean_s": 4.0, "shape": 3.0}
    repair = {"law": "lognormal", "mean_s": 1.0, "cv": 1.0}
    return plant({"press": unit(1.0, **failing(life, repair))})


def _two_modes() -> Plant:
    modes = {
        "jam": {"time_to_failure": exponential(10.0), "repair": exponential(1.0)},
        "wear": {
            "time_to_failure": {"law": "erlang", "mean_s": 40.0, "phases": 4},
            "repair": {"law": "uniform", "low_s": 2.0, "high_s": 6.0},
        },
    }
    return plant({"press": unit(1.0, failure_modes=modes)})


def _machines(crews: int) -> Plant:
    modes = failing(exponential(10.0), exponential(2.0))
    return plant({"bank": unit(1.0, servers=4, **modes)}, crews=crews)


def _palm() -> Plant:
    modes = failing(exponential(10.0), exponential(5.0), clock="calendar")
    units = {name: unit(5.0, **modes, **SATURATED) for name in ("left", "right")}
    return plant(units, crews=1)


TENDING, RUNNING = 1.0, 3.0


def _tended() -> Plant:
    tended = {"setup": {"other_family_s": TENDING}, "operator": ["setup"], **SATURATED}
    line = plant(
        {name: unit(exponential(RUNNING), **tended) for name in ("left", "right")},
        products={"P": "F", "Q": "G"},
    )
    return with_parts(line, operators={"one": {"count": 1, "skills": ["left", "right"]}})


def _shared() -> Plant:
    units = {
        "left": unit(exponential(2.0), operator=["work"], **SATURATED),
        "right": unit(
            {"law": "uniform", "low_s": 1.0, "high_s": 5.0}, operator=["work"], **SATURATED
        ),
    }
    return with_parts(plant(units), operators={"one": {"count": 1, "skills": ["left", "right"]}})


def availability(exact: float, unit_name: str = "press", relative: float = 2e-4) -> Fact:
    return Fact(
        what="share in production",
        exact=exact,
        reads=share(unit_name, "production"),
        relative=relative,
    )


def _single() -> list[Case]:
    source = "Barlow & Proschan, Mathematical Theory of Reliability (1965): renewal reward"
    lines = {
        "fails as it operates": lambda: _one("operating"),
        "fails by the clock": lambda: _one("calendar"),
        "Weibull life, lognormal repair": _wearing,
    }
    return [
        *(
            Case(
                name=f"one station, {name}",
                source=source,
                line=line,
                facts=(throughput(0.8), availability(0.8)),
                horizon_s=400_000.0,
                recursion=True,
            )
            for name, line in lines.items()
        ),
        Case(
            name="one station, two failure modes",
            source=source,
            line=_two_modes,
            facts=(throughput(1.0 / (1.0 + 1.0 / 10.0 + 4.0 / 40.0)),),
            horizon_s=360_000.0,
            recursion=True,
        ),
    ]


BREAKDOWNS = (
    *_single(),
    *(
        Case(
            name=f"four machines, {crews} crew{'s' if crews > 1 else ''}",
            source="Cox & Smith, Queues (1961), 3.3",
            line=lambda c=crews: _machines(c),  # type: ignore[misc]
            facts=(throughput(formulas.machines_up(4, crews, 1 / 10.0, 1 / 2.0), relative=5e-4),),
            horizon_s=150_000.0,
        )
        for crews in (1, 2)
    ),
    Case(
        name="two machines that fail by the clock, one crew",
        source="Cox & Smith, Queues (1961), 3.3",
        line=_palm,
        facts=(
            Fact(
                what="machines up",
                exact=formulas.machines_up(2, 1, 1 / 10.0, 1 / 5.0),
                reads=lambda run: (
                    share("left", "production")(run) + share("right", "production")(run)
                ),
                relative=5e-4,
            ),
        ),
        horizon_s=800_000.0,
    ),
    Case(
        name="two machines, one operator who sets up",
        source="Takacs, Introduction to the Theory of Queues (1962), 5",
        line=_tended,
        facts=(throughput(formulas.tended_pair(RUNNING, TENDING), relative=5e-4),),
        horizon_s=170_000.0,
        options={"mix": {"P": 1, "Q": 1}},
    ),
    Case(
        name="two machines, one operator who works",
        source="one works while the other waits: 2 / (2 + 3)",
        line=_shared,
        facts=(
            throughput(2.0 / 5.0, relative=5e-4),
            Fact(
                what="operator at left",
                exact=0.4,
                reads=share("left", "production"),
                relative=1e-3,
            ),
        ),
        horizon_s=300_000.0,
    ),
)
