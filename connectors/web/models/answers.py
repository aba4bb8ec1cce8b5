"""What experiments give: the documents that the commands print and that jobs carry."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from connectors.web.models.base import Strict

__all__ = [
    "BottleneckResult",
    "SelectionResult",
    "SimulationResult",
    "SweepResult",
    "WhatIfKpi",
    "WhatIfResult",
]

Better = Literal["higher", "lower", "neither"]
InstantText = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
_VERDICT = "better, worse, changed or no clear change"


class _Ran(Strict):
    engine: str
    engine_reason: str = Field(description="Why this engine ran")
    seed: int
    replications: int


class Interval(Strict):
    mean: float | None
    low: float | None
    high: float | None


class KpiInterval(Interval):
    unit: str


class OrderRun(Strict):
    started_s: float | None = Field(description="From the start of the run, mean")
    finished_s: float | None = Field(description="Mean over the replications that did finish")
    finished_interval_s: list[float | None] = Field(description="Low and high end, 90 %")
    finished_share: float = Field(description="Of the replications")
    good: float | None
    lateness_h: Interval | None = Field(
        description="After the due date, below 0 before it, where finished; null: it has none"
    )


class WarmUp(Strict):
    warm_up_s: float
    left_out: int
    observations: int
    too_short: bool
    message: str


class Reached(Interval):
    relative_half_width: float | None
    reached: bool


class Precision(Strict):
    message: str
    reached: bool
    relative_half_width: float
    level: float
    at_most: int
    kpis: dict[str, Reached]


class SimulationResult(_Ran):
    start: InstantText
    horizon_s: float
    warm_up_s: float
    kpis: dict[str, KpiInterval] = Field(description="Intervals of 90 %")
    unit_states: dict[str, dict[str, float | None]] = Field(
        description="Share of the measured time by work unit and state"
    )
    unit_state_intervals: dict[str, dict[str, list[float | None]]] = Field(
        description="Low and high end of the same shares, 90 %"
    )
    unit_energy_kwh: dict[str, dict[str, Interval]] = Field(
        description="Electrical energy by work unit and state; intervals of 90 %"
    )
    unit_kpis: dict[str, dict[str, Interval]] = Field(
        description="Availability, effectiveness, quality_ratio and oee after ISO 22400-2 by work unit; intervals of 90 %"
    )
    orders: dict[str, OrderRun]
    consumption: dict[str, list[float]] | None = Field(
        description="Components used by hour, in stock units, mean; null: the bill of material leaves open where"
    )
    calibration: str | None = Field(description="Version; null: the plant file's own numbers")
    warm_up: WarmUp
    precision: Precision | None


class WhatIfKpi(Strict):
    name: str
    unit: str
    better: Better
    baseline: float | None
    scenario: float | None
    delta: float | None
    delta_low: float | None
    delta_high: float | None
    verdict: str = Field(description=_VERDICT)
    variance_reduction: float | None


class WhatIfResult(_Ran):
    name: str = Field(description="Of the scenario; without one, its changes")
    changes: list[str]
    horizon_h: float
    warm_up_s: float
    level: float = Field(description="Coverage of the intervals of the differences")
    kpis: list[WhatIfKpi]


class SweepKpi(Strict):
    name: str
    unit: str
    better: Better


class SweepFigure(Interval):
    delta: float | None = Field(description="Against the line as it is, paired")
    delta_low: float | None
    delta_high: float | None
    verdict: str = Field(description=_VERDICT)


class SweepPoint(Strict):
    values: list[float | str] = Field(description="By path")
    changes: list[str]
    kpis: dict[str, SweepFigure]


class SweepResult(_Ran):
    paths: list[str]
    horizon_h: float
    warm_up_s: float
    level: float
    kpis: list[SweepKpi]
    baseline: dict[str, Interval] = Field(description="The line as it is")
    points: list[SweepPoint] = Field(description="The last path moves fastest")


class SelectionAlternative(Interval):
    name: str
    changes: list[str]
    state: Literal["selected", "eliminated", "in contention"]
    replications: int


class SelectionElimination(Strict):
    name: str
    by: str
    replications: int
    difference: float


class SelectionResult(_Ran):
    kpi: str
    unit: str
    better: Literal["higher", "lower"]
    best: str
    guaranteed: bool
    probability: float
    delta: float = Field(description="Smallest difference that matters, in the KPI's unit")
    verdict: str
    horizon_h: float
    warm_up_s: float
    alternatives: list[SelectionAlternative]
    history: list[SelectionElimination] = Field(description="In the order of giving up")


class StationShare(Strict):
    unit: str
    share: float
    low: float | None
    high: float | None
    kinds: dict[str, float] = Field(description="The same share by kind, largest first")


class CriticalPath(Strict):
    message: str
    replications: int
    level: float
    seconds: float = Field(description="Length of the critical path, mean")
    stations: list[StationShare] = Field(description="The largest share first; together 1")


class SensitivityRow(Strict):
    name: str
    paths: list[str]
    value: float | None
    counted: bool = Field(description="True: a whole number that moves by one")
    step: float | None = Field(
        description="How far one step up is, in the unit of the value; null: a share of what stands there"
    )
    unit: str
    elasticity: float | None
    elasticity_low: float | None
    elasticity_high: float | None
    effect: float | None = Field(description="Share by which the KPI moves with one step up")
    effect_low: float | None
    effect_high: float | None
    verdict: str = Field(description=_VERDICT + ", of the parameter going up")


class Sensitivities(Strict):
    message: str
    kpi: str
    baseline: float | None
    relative_step: float
    replications: int
    level: float
    rows: list[SensitivityRow] = Field(description="The largest effect first")


class BottleneckResult(_Ran):
    horizon_h: float
    warm_up: WarmUp
    critical_path: CriticalPath
    sensitivities: Sensitivities | None
