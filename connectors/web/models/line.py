"""The plant and the line as it is: what everybody asks."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from connectors.web.models.base import Instant, Strict, Value

__all__ = [
    "Gap",
    "KpiLine",
    "KpiUnit",
    "Kpis",
    "Line",
    "LineSignal",
    "LineUnit",
    "LineZone",
    "Loop",
    "Parameter",
    "Plant",
    "PlantUnit",
    "PlantZone",
    "Product",
    "Samples",
    "Signal",
    "Signals",
    "Source",
    "Spool",
    "Store",
    "Team",
    "Telemetry",
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
    servers: int = Field(description="Identical machines side by side")
    parameters: dict[str, Parameter] = {}


class PlantZone(Strict):
    id: str
    upstream: str
    downstream: str
    capacity: int
    transport_s: float = Field(description="Time that a conveyor takes; 0: a buffer")


class Team(Strict):
    id: str
    count: int


class Loop(Strict):
    id: str
    cards: int


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
    crews: int = Field(description="Maintenance crews that all machines share")
    operators: list[Team]
    kanban: list[Loop]
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
    subscribed: bool = Field(description="Every wanted signal is subscribed")
    received: int = Field(description="Samples taken over from the source")
    durable: int = Field(description="Samples on disk, acknowledged to the source")
    stored: int = Field(description="Samples that were new to the store")
    duplicates: int = Field(description="Samples that the store already had")
    refused: int = Field(description="Samples that the store will never take: dead letters")
    rejected: int = Field(description="Messages and values that were not understood: dead letters")
    gaps: int = Field(description="Losses that were recorded")
    waiting: int = Field(description="Samples that the store has yet to take")
    last_at: Instant | None
    clock_skew_s: float | None = Field(
        description="By how much the clock of its devices is ahead, when it is off"
    )
    error: str | None


class Store(Strict):
    name: str
    behind: int = Field(description="Records of the spool that it has yet to take")
    error: str | None


class Spool(Strict):
    bytes: int
    quota_bytes: int = Field(description="From here on sources are held back")
    error: str | None = Field(description="Why nothing is taken now")


class Gap(Strict):
    at: Instant = Field(description="When it was recorded")
    source: str
    start: Instant | None = Field(description="First instant that is not known")
    end: Instant | None = Field(description="First instant that is known again")
    reason: str
    signals: int = Field(description="How many signals lost something")


class Telemetry(Strict):
    sources: list[Source]
    stores: list[Store] = Field(description="The first is the one that is read from")
    spool: Spool
    gaps: list[Gap] = Field(description="The latest losses that could not be recovered")
    dead_letters: int = Field(description="Kept for people to look at")


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
