"""Questions about the line, each with its answer as one JSON document; the commands and the API ask the same ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from connectors.jobs import Outlook, gathered, outlook_arguments, path_step
from twin.engine import component_consumption, simulate
from twin.errors import DataError

if TYPE_CHECKING:
    from twin.engine import Engine, EventTrace, RunResult
    from twin.plant import Plant
    from twin.scenarios import Execution, PreciseRun, RunArguments, Scenario, WarmUp

__all__ = [
    "Basis",
    "Choice",
    "Question",
    "Runs",
    "Search",
    "Simulation",
    "SweepGrid",
    "WhatIf",
]

_PATHS = 0.3
"""Share of the work of a bottleneck that is done when its critical paths are there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """The line that is asked about, and what lies ahead of it."""

    plant: Plant
    outlook: Outlook
    calibration: str | None = None
    """Version of the calibration; None: the plant file's own numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """What all runs of a question share."""

    horizon_s: float = 8 * 3600.0
    seed: int = 0
    engine: Engine = "auto"
    warm_up: float | Literal["auto"] = 0.0
    """Seconds; ``auto``: as MSER-5 finds it."""
    limited_supply: bool = False


class Question(Protocol):
    """What somebody wants to know; its answer is a document of ``connectors.web.models.experiments``."""

    kind: ClassVar[str]

    def check(self, plant: Plant) -> None:
        """Refuse what cannot be asked of this plant, before anything runs.

        Raises:
            DataError, FileFaults, NotFoundError: What is wrong.
        """
        ...

    def answer(self, basis: Basis, how: Execution) -> dict[str, Any]:
        """Run what is needed; the document.

        Raises:
            LinetwinError: It cannot be answered.
            CancelledError: ``how.cancelled`` said so. (concurrent.futures)
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """How does the line do?"""

    kind: ClassVar[str] = "simulation"
    runs: Runs = Runs()
    replications: int = 8
    precision: float | None = None
    """Half-width of each interval over its mean that is enough; replications are added until then."""
    kpis: tuple[str, ...] = ("throughput_per_h",)
    """Those that are to be so precise."""
    max_replications: int = 1000

    def check(self, plant: Plant) -> None:
        """There are such figures."""
        from twin.scenarios.pairs import check_kpis

        check_kpis(self.kpis)

    def answer(self, basis: Basis, how: Execution) -> dict[str, Any]:
        """Figures with intervals, shares of states, orders."""
        return self.played(basis, how)[0]

    def played(
        self, basis: Basis, how: Execution, *, trace: bool = False
    ) -> tuple[dict[str, Any], EventTrace | None]:
        """The answer; with ``trace`` also the event log of all its replications."""
        warm, arguments = _arguments(basis, self.runs)
        precise = self._precise(basis, how, warm, arguments) if self.precision else None
        n = precise.run.replications if precise else self.replications
        if trace:
            run = simulate(basis.plant, replications=n, trace=True, **arguments)
        else:
            run = precise.run if precise else _run(basis, n, how, arguments)
        document = {
            **run.as_dict(),
            "consumption": _consumption(basis.plant, run),
            "calibration": basis.calibration,
            "warm_up": warm.as_dict(),
            "precision": _precision(precise) if precise else None,
        }
        return document, run.trace

    def _precise(
        self, basis: Basis, how: Execution, warm: WarmUp, arguments: RunArguments
    ) -> PreciseRun:
        from twin.scenarios import run_until

        rest: dict[str, Any] = {k: v for k, v in arguments.items() if k != "warm_up_s"}
        return run_until(
            basis.plant,
            relative_half_width=self.precision or 0.0,
            kpi=self.kpis,
            first=min(10, self.max_replications),
            at_most=self.max_replications,
            warm_up=warm.seconds,
            **_how(how),
            **rest,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """What would these changes do?"""

    kind: ClassVar[str] = "whatif"
    scenario: Scenario
    runs: Runs = Runs()
    replications: int = 16

    def check(self, plant: Plant) -> None:
        """The changes can be made."""
        self.scenario.applied(plant)

    def answer(self, basis: Basis, how: Execution) -> dict[str, Any]:
        """Every figure with its paired difference, interval and verdict."""
        from twin.scenarios import compare

        _, arguments = _arguments(basis, self.runs)
        found = compare(
            basis.plant,
            self.scenario,
            replications=self.replications,
            **_how(how),
            **arguments,
        )
        return found.as_dict()


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepGrid:
    """What does each combination of these values do?"""

    kind: ClassVar[str] = "sweep"
    grid: Mapping[str, tuple[float | str, ...]]
    """Values by path: numbers are set, texts are what stands after the ``=`` of a change."""
    runs: Runs = Runs()
    replications: int = 16
    kpis: tuple[str, ...] | None = None
    """Those that are kept; None: all."""

    def check(self, plant: Plant) -> None:
        """Every point can be made."""
        from twin.scenarios import sweep_points

        sweep_points(plant, self.grid)

    def answer(self, basis: Basis, how: Execution) -> dict[str, Any]:
        """Every point with its figures, each paired with the line as it is."""
        from twin.scenarios import sweep

        _, arguments = _arguments(basis, self.runs)
        found = sweep(
            basis.plant,
            self.grid,
            replications=self.replications,
            kpis=self.kpis,
            **_how(how),
            **arguments,
        )
        return found.as_dict()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which of these scenarios is best?"""

    kind: ClassVar[str] = "selection"
    scenarios: tuple[Scenario, ...]
    kpi: str = "throughput_per_h"
    runs: Runs = Runs()
    delta: float | None = None
    """Smallest difference that matters, in the figure's unit; None: a percent of the best mean."""
    probability: float = 0.95
    max_replications: int = 1000
    """Of one scenario."""
    better: Literal["higher", "lower"] | None = None
    """None: as the figure declares."""

    def check(self, plant: Plant) -> None:
        """Every scenario can be made and has a name of its own, and the best of them can be told."""
        from twin.scenarios.best import check_selection

        check_selection(plant, self.scenarios, self.kpi, **self._race)

    def answer(self, basis: Basis, how: Execution) -> dict[str, Any]:
        """The best, what is guaranteed, and what was seen of each."""
        from twin.scenarios import select_best

        _, arguments = _arguments(basis, self.runs)
        found = select_best(
            basis.plant,
            self.scenarios,
            self.kpi,
            **self._race,
            **_how(how),
            **arguments,
        )
        return found.as_dict()

    @property
    def _race(self) -> dict[str, Any]:
        return {
            "delta": self.delta,
            "probability": self.probability,
            "first": min(16, self.max_replications),
            "max_replications": self.max_replications,
            "better": self.better,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What holds the line up, and what would help most?"""

    kind: ClassVar[str] = "bottleneck"
    runs: Runs = Runs()
    replications: int = 16
    kpi: str = "throughput_per_h"
    sensitivities: bool = True
    """False: only the critical path, which is a fraction of the work."""
    relative_step: float = 0.05

    def check(self, plant: Plant) -> None:
        """There is such a figure."""
        from twin.scenarios.pairs import check_kpis

        check_kpis([self.kpi])

    def answer(self, basis: Basis, how: Execution) -> dict[str, Any]:
        """Shares of the critical path by station, and what the line answers to each parameter."""
        from twin.scenarios import sensitivities
        from twin.scenarios.bottleneck import averaged
        from twin.scenarios.played import played

        warm, arguments = _arguments(basis, self.runs)
        share = _PATHS if self.sensitivities else 1.0
        pieces = gathered(
            _within(how, 0.0, share),
            path_step,
            [(basis.plant, n, arguments) for n in range(self.replications)],
        )
        engine, reason = played((engine, reason, 1) for engine, reason, _ in pieces)
        found = averaged([path for _, _, path in pieces], basis.plant)
        moved = None
        if self.sensitivities:
            moved = sensitivities(
                basis.plant,
                kpi=self.kpi,
                relative_step=self.relative_step,
                replications=self.replications,
                **_how(_within(how, share, 1.0)),
                **arguments,
            ).as_dict()
        return {
            "engine": engine,
            "engine_reason": reason,
            "seed": self.runs.seed,
            "replications": self.replications,
            "horizon_h": self.runs.horizon_s / 3600.0,
            "warm_up": warm.as_dict(),
            "critical_path": found.as_dict(),
            "sensitivities": moved,
        }


def _arguments(basis: Basis, runs: Runs) -> tuple[WarmUp, RunArguments]:
    """How long the warm-up is and why, and the arguments of every run."""
    from twin.scenarios import choose_warm_up

    arguments = outlook_arguments(basis.outlook, horizon_s=runs.horizon_s)
    arguments["seed"] = runs.seed
    arguments["engine"] = runs.engine
    arguments["limited_supply"] = runs.limited_supply
    found = choose_warm_up(basis.plant, runs.warm_up, arguments)
    arguments["warm_up_s"] = found.seconds
    return found, arguments


def _run(basis: Basis, replications: int, how: Execution, arguments: RunArguments) -> RunResult:
    from twin.scenarios import run_plants

    plants = [lambda: basis.plant]
    (run,) = run_plants(plants, arguments, range(replications), how, lambda result: result)
    return run


def _consumption(plant: Plant, run: RunResult) -> dict[str, list[float]] | None:
    """Mean over the replications of what each component is used by hour."""
    try:
        used = component_consumption(plant, run)
    except DataError:  # the bill of material leaves open at which unit: nothing to tell, no fault
        return None
    return {item: table.mean(axis=0).tolist() for item, table in used.items()}


def _precision(precise: PreciseRun) -> dict[str, Any]:
    said = precise.as_dict()
    keys = ("message", "reached", "relative_half_width", "level", "at_most")
    return {**{key: said[key] for key in keys}, "kpis": said["precision"]}


def _how(how: Execution) -> dict[str, Any]:
    """An execution as the arguments of an experiment."""
    names = ("executor", "progress", "cancelled", "cache")
    return {name: getattr(how, name) for name in names}


def _within(how: Execution, begin: float, end: float) -> Execution:
    """The same, whose progress goes from one share to another."""
    tell = how.progress
    if tell is None:
        return how
    return replace(how, progress=lambda share: tell(begin + (end - begin) * share))
