"""The best of several scenarios, with a guaranteed probability and as few runs as that needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal, Unpack

import numpy as np

from twin.engine import KPIS, RunResult, t_interval
from twin.engine.types import Floats
from twin.errors import DataError, Fault, FileFaults, NotFoundError
from twin.plant import Plant
from twin.scenarios.arguments import Execution, RunArguments, run_arguments
from twin.scenarios.blocks import run_plants
from twin.scenarios.pairs import check_kpis
from twin.scenarios.played import Played, played
from twin.scenarios.scenario import Scenario, scenario_of
from twin.scenarios.screening import Screening, boundary, screen
from twin.scenarios.selection import Alternative, Direction, Elimination, Selection

if TYPE_CHECKING:
    from twin.scenarios.cache import RunCache

__all__ = ["check_selection", "select_best"]


def select_best(
    plant: Plant,
    scenarios: Sequence[Scenario | Sequence[str]],
    kpi: str,
    *,
    delta: float | None = None,
    probability: float = 0.95,
    first: int = 16,
    step: int = 8,
    max_replications: int = 1000,
    better: Direction | None = None,
    block: int | None = None,
    executor: Executor | None = None,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    cache: RunCache | None = None,
    **run: Unpack[RunArguments],
) -> Selection:
    """Find the best scenario by one KPI: procedure KN++, on common random numbers.

    All scenarios run ``first`` replications; then, ``step`` by ``step``, those go on that are not yet clearly
    behind another one. Where one scenario is ahead of all others by ``delta`` or more it is selected
    with at least ``probability`` (asymptotically, as ``delta`` becomes small).

    Args:
        plant: The line as it is.
        scenarios: At least two, each with a name of its own; one without changes is the line as it is.
        kpi: A name of ``twin.engine.KPIS``.
        delta: Smallest difference that matters, in the KPI's unit, > 0. None: one percent of the best mean
            of the first replications.
        probability: Of the right choice, above ``1 / len(scenarios)``.
        first: Replications before anything is given up, at least 5.
        step: Replications between two looks; more of them use more processors at once.
        max_replications: Of one scenario. When they are used up the answer says that it guarantees nothing.
        better: Which way is good. None: as the KPI declares.
        block, executor, progress, cancelled, cache: As in `compare`; they change no result.
        run: As in `compare`, for every scenario.

    Returns:
        The selected scenario, what was seen of each, and when it was given up.

    Raises:
        DataError: An argument is out of its range, or a replication has no value for the KPI.
        NotFoundError: There is no such KPI.
        FileFaults: Everything that is wrong in any scenario; nothing has run.
        CancelledError: ``cancelled`` said so. (concurrent.futures)

    Source:
        Kim & Nelson, On the asymptotic validity of fully sequential selection procedures for
        steady-state simulation, Operations Research 54 (2006) 475-488; with common random numbers: Malone,
        Kim, Goldsman & Batur, Winter Simulation Conference 2005.

    Example:
        >>> from datetime import UTC, datetime
        >>> plant = Plant.model_validate({
        ...     "site": "S", "area": "A", "line": "L", "name": "one unit", "timezone": "UTC",
        ...     "currency": "EUR", "calendars": {"always": {"weekly": ["Mon-Sun 00:00-24:00"]}},
        ...     "products": {"P": {"family": "F"}}, "storage_zones": {}, "work_units": {"cut": {
        ...         "name": "cut", "role": "press", "calendar": "always",
        ...         "cycle_time": {"default": {"law": "exponential", "mean_s": 30}}}}})
        >>> found = select_best(plant, [["station.cut.cycle_time=*0.9"], ["station.cut.cycle_time=*1.2"]],
        ...     "throughput_per_h", start=datetime(2026, 3, 2, tzinfo=UTC), horizon_s=3600.0)
        >>> found.best, found.guaranteed, found.replications
        ('station.cut.cycle_time=*0.9', True, 32)
    """
    named = [scenario_of(one) for one in scenarios]
    direction = _direction(kpi, better)
    _check(named, delta, probability, first, step, max_replications)
    execution = Execution(block=block, executor=executor, cancelled=cancelled, cache=cache)
    race = _Race(
        names=[one.name for one in named],
        plants=_plants(plant, named),
        run=run_arguments(run),
        kpi=kpi,
        sign=1.0 if direction == "higher" else -1.0,
        execution=execution,
        left=list(range(len(named))),
        observed=[np.empty(0)] * len(named),
    )
    tell = progress or (lambda share: None)
    tell(0.0)
    race.advance(min(first, max_replications))
    size = _default_delta(race) if delta is None else delta
    share = 0.0
    while (seen := race.look(size, probability)) is not None:
        if race.n >= max_replications:
            break
        share = max(share, min(0.99, race.n / min(max_replications, max(seen.needed, race.n))))
        tell(share)
        race.advance(min(race.n + step, max_replications))
    tell(1.0)
    return _selection(race, named, kpi, direction, size, probability)


def check_selection(
    plant: Plant,
    scenarios: Sequence[Scenario],
    kpi: str,
    *,
    delta: float | None,
    probability: float,
    first: int,
    max_replications: int,
    better: Direction | None,
) -> None:
    """Refuse what `select_best` refuses, before anything runs; arguments and errors as there."""
    _direction(kpi, better)
    _check(scenarios, delta, probability, first, 1, max_replications)
    _plants(plant, scenarios)


@dataclass(slots=True, kw_only=True)
class _Race:
    """Scenarios that are still in, and what was observed of all."""

    names: list[str]
    plants: list[Plant]
    run: RunArguments
    kpi: str
    sign: float
    execution: Execution
    left: list[int]
    observed: list[Floats]
    """By scenario and replication; the larger, the better."""
    history: list[Elimination] = field(default_factory=list)
    n: int = 0
    played: list[Played] = field(default_factory=list)
    seed: int = 0
    horizon_s: float = 0.0

    def advance(self, n: int) -> None:
        """Run those that are left up to ``n`` replications."""
        plants = [partial(_same, self.plants[i]) for i in self.left]
        new = run_plants(plants, self.run, range(self.n, n), self.execution, self._kept)
        for i, values in zip(self.left, new, strict=True):
            if np.isnan(values).any():
                at = self.n + int(np.argmax(np.isnan(values)))
                raise DataError(
                    f"{self.kpi} has no value in replication {at} of {self.names[i]}; a longer horizon may give one"
                )
            self.observed[i] = np.concatenate([self.observed[i], self.sign * values])
        self.n = n

    def _kept(self, result: RunResult) -> Floats:
        self.played.append((result.engine, result.reason, result.replications))
        self.seed, self.horizon_s = result.seed, result.horizon_s
        if self.kpi not in result.kpis:
            raise NotFoundError(
                f'no KPI "{self.kpi}" in these runs; known are {", ".join(result.kpis)}'
            )
        return result.kpis[self.kpi]

    def look(self, delta: float, probability: float) -> Screening | None:
        """Give up those that are clearly behind; None: it is decided."""
        table = np.stack([self.observed[i] for i in self.left])
        seen = screen(table, delta, boundary(self.n, len(self.names), probability))
        for row, by in seen.out.items():
            self._give_up(self.left[row], self.left[by])
        left = [i for row, i in enumerate(self.left) if row not in seen.out]
        if len(left) > 1 and self.n >= seen.needed:  # equal to the last bit: the first one stays
            for i in left[1:]:
                self._give_up(i, left[0])
            left = left[:1]
        self.left = left
        return seen if len(left) > 1 else None

    def _give_up(self, i: int, by: int) -> None:
        difference = float(np.mean(self.observed[i]) - np.mean(self.observed[by]))
        self.history.append(
            Elimination(
                name=self.names[i],
                by=self.names[by],
                replications=self.n,
                difference=self.sign * difference + 0.0,
            )
        )


def _same(plant: Plant) -> Plant:
    return plant


def _selection(
    race: _Race,
    named: Sequence[Scenario],
    kpi: str,
    direction: Direction,
    delta: float,
    probability: float,
) -> Selection:
    best = max(race.left, key=lambda i: float(np.mean(race.observed[i])))
    decided = len(race.left) == 1
    engine, reason = played(race.played)
    alternatives = []
    for i, scenario in enumerate(named):
        mean, low, high = t_interval(race.sign * race.observed[i], probability)
        left: Literal["selected", "in contention"] = "selected" if decided else "in contention"
        alternatives.append(
            Alternative(
                scenario=scenario,
                replications=len(race.observed[i]),
                mean=mean,
                low=low,
                high=high,
                state=left if i in race.left else "eliminated",
            )
        )
    return Selection(
        kpi=kpi,
        unit=KPIS[kpi].unit,
        better=direction,
        best=named[best].name,
        guaranteed=decided,
        probability=probability,
        delta=delta,
        engine=engine,
        reason=reason,
        seed=race.seed,
        horizon_s=race.horizon_s,
        warm_up_s=race.run.get("warm_up_s", 0.0),
        replications=sum(one.replications for one in alternatives),
        alternatives=tuple(alternatives),
        history=tuple(race.history),
    )


def _default_delta(race: _Race) -> float:
    best = max(float(np.mean(race.observed[i])) for i in race.left)
    if best == 0.0:
        raise DataError(
            f"{race.kpi} is 0 in the best scenario, so a percent of it says nothing; give delta, the smallest "
            "difference that matters"
        )
    return abs(best) / 100.0


def _direction(kpi: str, better: Direction | None) -> Direction:
    check_kpis([kpi])
    found = better or KPIS[kpi].better
    if found == "neither":
        raise DataError(f"{kpi} is neither better when higher nor when lower; say which you want")
    return found


def _check(
    named: Sequence[Scenario],
    delta: float | None,
    probability: float,
    first: int,
    step: int,
    max_replications: int,
) -> None:
    names = [one.name for one in named]
    twice = sorted({name for name in names if names.count(name) > 1})
    faults = []
    if len(named) < 2:
        faults.append("a selection needs at least two scenarios")
    if twice:
        faults.append(
            f"scenarios have the same name: {', '.join(twice)}; give each a name of its own"
        )
    if delta is not None and not delta > 0.0:
        faults.append(f"delta is {delta}, it must be above 0")
    if len(named) > 1 and not 1.0 / len(named) < probability < 1.0:
        faults.append(f"probability is {probability}, it must lie between 1/{len(named)} and 1")
    if first < 5 or step < 1 or max_replications < first:
        faults.append(
            f"first is {first}, step {step} and max_replications {max_replications}; first must be at least "
            "5, step at least 1, and max_replications not below first"
        )
    if faults:
        raise DataError("; ".join(faults))


def _plants(plant: Plant, named: Sequence[Scenario]) -> list[Plant]:
    """All plants, or every fault of every scenario."""
    plants: list[Plant] = []
    faults: list[Fault] = []
    for scenario in named:
        try:
            plants.append(scenario.applied(plant))
        except FileFaults as e:
            faults += e.faults
    if faults:
        raise FileFaults(faults)
    return plants
