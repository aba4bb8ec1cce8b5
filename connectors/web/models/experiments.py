"""What process engineers ask of the twin, and what jobs are: the questions and how they run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from connectors.runtime.experiments import Choice, Question, Runs, Search
from connectors.runtime.experiments import Simulation as AskedSimulation
from connectors.runtime.experiments import SweepGrid as AskedSweep
from connectors.runtime.experiments import WhatIf as AskedWhatIf
from connectors.web.models.answers import (
    BottleneckResult,
    SelectionResult,
    SimulationResult,
    SweepResult,
    WhatIfResult,
)
from connectors.web.models.base import Instant, Strict
from twin.engine import KPIS
from twin.scenarios import Scenario, scenario_of

__all__ = [
    "Bottleneck",
    "BottleneckJob",
    "Job",
    "Jobs",
    "Selection",
    "SelectionJob",
    "Simulation",
    "SimulationJob",
    "Sweep",
    "SweepJob",
    "WhatIf",
    "WhatIfJob",
]

_MOST_POINTS = 400


def _kpi(name: str) -> str:
    if name not in KPIS:
        raise ValueError(f"there is no such KPI; known are {', '.join(KPIS)}")
    return name


Change = Annotated[str, Field(min_length=3, max_length=200)]
Kpi = Annotated[str, AfterValidator(_kpi)]
Name = Annotated[str, Field(min_length=1, max_length=100)]
Values = Annotated[list[float | Annotated[str, Field(max_length=100)]], Field(min_length=1)]


class _Asked(Strict):
    horizon_h: float = Field(default=8, gt=0, le=336)
    seed: int = Field(default=0, ge=0, lt=2**63)
    engine: Literal["auto", "reference", "events", "recursion"] = Field(
        default="auto", description="All give the same to the last bit; auto takes the fastest"
    )
    warm_up_s: Annotated[float, Field(ge=0)] | Literal["auto"] = Field(
        default=0.0, description="Time at the beginning that is not measured; auto: by MSER-5"
    )
    limited_supply: bool = Field(
        default=False, description="Units starve when their components run out"
    )

    @property
    def runs(self) -> Runs:
        return Runs(
            horizon_s=self.horizon_h * 3600.0,
            seed=self.seed,
            engine=self.engine,
            warm_up=self.warm_up_s,
            limited_supply=self.limited_supply,
        )


class Simulation(_Asked):
    """Run the line as it is."""

    replications: int = Field(default=8, ge=1, le=1000)
    precision: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Replications are added until every interval is within this share of its mean",
    )
    kpis: list[Kpi] = Field(
        default=["throughput_per_h"], min_length=1, description="Those that are to be so precise"
    )
    max_replications: int = Field(default=1000, ge=2, le=10_000)

    def question(self) -> Question:
        return AskedSimulation(
            runs=self.runs,
            replications=self.replications,
            precision=self.precision,
            kpis=tuple(self.kpis),
            max_replications=self.max_replications,
        )


class WhatIf(_Asked):
    """What to compare with the line as it is now."""

    changes: list[Change] = Field(
        min_length=1, max_length=20, examples=[["station.reflow.peak_temperature=+3"]]
    )
    name: Name | None = Field(default=None, description="Of the scenario; its changes without one")
    replications: int = Field(default=16, ge=2, le=256)

    def question(self) -> Question:
        return AskedWhatIf(
            scenario=_scenario(self.name, self.changes),
            runs=self.runs,
            replications=self.replications,
        )


def _points(grid: Mapping[str, list[Any]]) -> Mapping[str, list[Any]]:
    points = 1
    for values in grid.values():
        points *= len(values)
    if points > _MOST_POINTS:
        raise ValueError(f"the grid has {points} points, more than {_MOST_POINTS}")
    return grid


class Sweep(_Asked):
    """Every combination of these values."""

    grid: Annotated[dict[str, Values], AfterValidator(_points)] = Field(
        min_length=1,
        max_length=10,
        description="Values by path: numbers are set, texts are what stands after the = of a change. 400 points at most",
        examples=[{"buffer.aoi_in.capacity": [4, 8, "+6"]}],
    )
    kpis: list[Kpi] | None = Field(default=None, description="Those that are kept; all without it")
    replications: int = Field(default=16, ge=2, le=256)

    def question(self) -> Question:
        return AskedSweep(
            grid={path: tuple(values) for path, values in self.grid.items()},
            runs=self.runs,
            replications=self.replications,
            kpis=None if self.kpis is None else tuple(self.kpis),
        )


class NamedScenario(Strict):
    """Changes that are made together; none is the line as it is."""

    name: Name | None = None
    changes: list[Change] = Field(default=[], max_length=20)


class Selection(_Asked):
    """Which scenario is the best by one KPI."""

    scenarios: list[NamedScenario] = Field(min_length=2, max_length=50)
    kpi: Kpi = "throughput_per_h"
    delta: float | None = Field(
        default=None,
        gt=0,
        description="Smallest difference that matters, in the KPI's unit; without it a percent",
    )
    probability: float = Field(default=0.95, gt=0, lt=1, description="Of the right choice")
    max_replications: int = Field(default=1000, ge=5, le=10_000, description="Of one scenario")
    better: Literal["higher", "lower"] | None = Field(
        default=None, description="Which way is good; without it as the KPI declares"
    )

    def question(self) -> Question:
        return Choice(
            scenarios=tuple(_scenario(one.name, one.changes) for one in self.scenarios),
            kpi=self.kpi,
            runs=self.runs,
            delta=self.delta,
            probability=self.probability,
            max_replications=self.max_replications,
            better=self.better,
        )


class Bottleneck(_Asked):
    """What holds the line up, and what would help most."""

    replications: int = Field(default=16, ge=1, le=256)
    kpi: Kpi = "throughput_per_h"
    sensitivities: bool = Field(
        default=True, description="False: only the critical path, a fraction of the work"
    )
    relative_step: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="Share by which times and lives are moved, and set-points of their range",
    )

    def question(self) -> Question:
        return Search(
            runs=self.runs,
            replications=self.replications,
            kpi=self.kpi,
            sensitivities=self.sensitivities,
            relative_step=self.relative_step,
        )


def _scenario(name: str | None, changes: list[str]) -> Scenario:
    return scenario_of(changes) if name is None else Scenario.of(name, *changes)


class _Job(Strict):
    job_id: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    progress: float = Field(ge=0, le=1)
    submitted_at: Instant
    finished_at: Instant | None
    error: str | None


class SimulationJob(_Job):
    kind: Literal["simulation"]
    result: SimulationResult | None


class WhatIfJob(_Job):
    kind: Literal["whatif"]
    result: WhatIfResult | None


class SweepJob(_Job):
    kind: Literal["sweep"]
    result: SweepResult | None


class SelectionJob(_Job):
    kind: Literal["selection"]
    result: SelectionResult | None


class BottleneckJob(_Job):
    kind: Literal["bottleneck"]
    result: BottleneckResult | None


Job = Annotated[
    SimulationJob | WhatIfJob | SweepJob | SelectionJob | BottleneckJob,
    Field(discriminator="kind"),
]


class Jobs(Strict):
    jobs: list[Job]
