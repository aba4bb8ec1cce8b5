"""The plant and the line as it is: what everybody asks."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from connectors.web.models.base import Instant, Strict, Value

__all__ = [
    "KpiLine",
    "KpiUnit",
    "Kpis",
    "Line",
    "LineSignal",
    "LineUnit",
    "LineZone",
    "Parameter",
    "Plant",
    "PlantUnit",
    "PlantZone",
    "Product",
    "Samples",
    "Signal",
    "Signals",
    "Source",
]


class Parameter(Strict):
    value: float
    unit: str
    low: float | None
    high: float | None


class PlantUnit(Strict):
    id: str
    name: str
    role: str
    parameters: dict[str, Parameter] = {}


class PlantZone(Strict):
    id: str
    upstream: str
    downstream: str
    capacity: int


class Product(Strict):
    id: str
    family: str | None
    description: str | None = None


class Plant(Strict):
    name: str
    site: str
    area: str
    line: str
    timezone: str
    currency: str
    work_units: list[PlantUnit]
    storage_zones: list[PlantZone]
    products: list[Product]


class LineSignal(Strict):
    value: Value
    unit: str | None
    measured_at: Instant | None
    quality: int = Field(description="0 good, 1 uncertain, 2 bad")
    role: str


class LineUnit(Strict):
    id: str
    name: str
    state: str = Field(
        description="production, setup, starved, blocked, delay, down, repair, off or unknown"
    )
    since: Instant | None
    product: str | None
    order: str | None
    good_count: int | None
    reject_count: int | None
    power_w: float | None
    signals: dict[str, LineSignal]


class LineZone(Strict):
    id: str
    level: int | None = Field(description="Parts in the buffer; null while it is not known")
    capacity: int


class Source(Strict):
    name: str
    kind: str
    connected: bool
    received: int
    stored: int
    duplicates: int
    last_at: Instant | None
    error: str | None


class Line(Strict):
    as_of: Instant
    speed: float = Field(description="Plant seconds in one second of the wall clock")
    units: list[LineUnit] = Field(description="In flow order")
    zones: list[LineZone]
    sources: list[Source]
    throughput_per_h: float | None


class KpiLine(Strict):
    throughput_per_h: float | None
    good: int
    rejected: int
    quality_ratio: float | None
    oee: float | None
    bottleneck: str | None


class KpiUnit(Strict):
    id: str
    availability: float | None
    effectiveness: float | None
    quality_ratio: float | None
    oee: float | None
    planned_busy_s: float
    production_s: float
    setup_s: float
    delay_s: float
    down_s: float
    off_s: float
    good: int
    rejected: int
    throughput_per_h: float | None


class Kpis(Strict):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, populate_by_name=True)

    from_: Instant = Field(alias="from")
    to: Instant
    state_map: str | None = Field(description="The state map that the time elements were read with")
    line: KpiLine
    units: list[KpiUnit]


class Signal(Strict):
    id: str
    work_unit: str
    name: str
    role: str
    unit: str | None
    source: str
    low: float | None
    high: float | None


class Signals(Strict):
    signals: list[Signal]


class Samples(Strict):
    signal: str
    unit: str | None
    measured_at: list[Instant]
    value: list[Value]
    quality: list[int]
