"""CPU time of runs that take turns, and what they counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.engine_lab import START
from twin.engine import Engine, RunResult, simulate
from twin.errors import LinetwinError
from twin.plant import Plant

__all__ = ["Timed", "counted", "difference", "playing", "refused", "take_turns"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """The least CPU time of some rounds of one case."""

    cpu_s: float
    work: int
    """Parts times stations: how often work on a part began."""
    counts: list[int]
    """What was counted: the same in every round."""

    @property
    def ns(self) -> float:
        """CPU time a part and station."""
        return self.cpu_s / self.work * 1e9


Case = Callable[[], list[int]]
"""Runs once; [parts times stations, good parts]."""


def counted(run: RunResult) -> list[int]:
    work = sum(int(by_hour.sum()) for by_hour in run.starts.values())
    return [work, int(run.kpis["good_parts"].sum())]


def playing(plant: Plant, horizon_s: float, replications: int, engine: Engine) -> Case:
    """One call of the product's door, all that it does included."""

    def case() -> list[int]:
        run = simulate(
            plant, start=START, horizon_s=horizon_s, replications=replications, engine=engine
        )
        if run.engine != engine:
            raise RuntimeError(f"{run.engine} ran in place of {engine}: {run.reason}")
        return counted(run)

    return case


def take_turns(cases: Mapping[str, Case], rounds: int) -> dict[str, Timed]:
    """Every case once unmeasured, then all in turn, round after round; the fastest of each."""
    counts = {name: case() for name, case in cases.items()}
    least = dict.fromkeys(cases, float("inf"))
    for _ in range(rounds):
        for name, case in cases.items():
            began = time.process_time()
            found = case()
            least[name] = min(least[name], time.process_time() - began)
            if found != counts[name]:
                raise RuntimeError(f"{name} counted {found} after {counts[name]}")
    return {
        name: Timed(cpu_s=least[name], work=found[0], counts=found)
        for name, found in counts.items()
    }


def refused(plant: Plant, engine: Engine) -> str:
    """Why this engine does not play this line; empty if it does. Compiles it, too."""
    try:
        run = simulate(plant, start=START, horizon_s=600.0, engine=engine)
    except LinetwinError as e:
        return str(e)
    return "" if run.engine == engine else f"{run.engine} ran: {run.reason}"


def difference(plant: Plant, horizon_s: float, engine: Engine) -> str:
    """KPIs of the first replication that are not the reference's to the last bit."""
    one, other = (
        simulate(plant, start=START, horizon_s=horizon_s, engine=e) for e in ("reference", engine)
    )
    return ", ".join(
        name for name, values in one.kpis.items() if values.tobytes() != other.kpis[name].tobytes()
    )
