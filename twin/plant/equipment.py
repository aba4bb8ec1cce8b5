"""Equipment after ISA-95: work units, the storage zones between them, and what they do to a part."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from twin.plant.base import Frozen
from twin.plant.laws import Law
from twin.plant.reliability import FailureMode
from twin.plant.signals import Signal, WorkUnitState

__all__ = [
    "LEAVE",
    "Batch",
    "DefectResponse",
    "Inspection",
    "KanbanLoop",
    "OperatorTeam",
    "Power",
    "ProcessParameter",
    "Release",
    "Route",
    "Setup",
    "SetupDistance",
    "StorageZone",
    "Upkeep",
    "WorkUnit",
]

LEAVE = "leave"
"""As the zone of a `Route`: the part leaves the line."""

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Hands = Annotated[int, Field(ge=1, le=1000)]
"""Machines side by side, or people: a run has a place for each."""
Watts = Annotated[float, Field(ge=0.0)]
Parts = Annotated[int, Field(ge=1, le=100_000)]


SetupDistance = Literal["same_product_s", "same_family_s", "other_family_s"]
"""How far the next product is from the last one: the field of `Setup` that holds."""


class Setup(Frozen):
    """Change-over time by how far the next product is from the last one. [s]"""

    same_product_s: Annotated[float, Field(ge=0.0)] = 0.0
    """Between two orders of one product."""
    same_family_s: Annotated[float, Field(ge=0.0)] = 0.0
    other_family_s: Annotated[float, Field(ge=0.0)] = 0.0

    def seconds(self, distance: SetupDistance) -> float:
        """Change-over time over this distance. [s]"""
        found: float = getattr(self, distance)
        return found


class ProcessParameter(Frozen):
    """A setpoint that process engineers may change."""

    value: float
    unit: str
    low: float
    high: float
    """What the machine can be set to; a what-if outside is refused."""

    @model_validator(mode="after")
    def _within(self) -> Self:
        if not self.low <= self.value <= self.high:
            raise ValueError(
                f"{self.value:g} {self.unit} must lie between {self.low:g} and {self.high:g}"
            )
        return self


class DefectResponse(Frozen):
    """Probability of a defect made here, on the log-odds scale, against a process parameter.

    ``logit p = logit(base) + linear * (x - center) + quadratic * (x - center)**2``
    """

    base: Annotated[float, Field(gt=0.0, lt=1.0)]
    parameter: str | None = None
    center: float = 0.0
    linear: float = 0.0
    quadratic: float = 0.0

    def probability(self, x: float | None) -> float:
        """Defect probability when the parameter stands at ``x``, in the parameter's unit."""
        logit = math.log(self.base / (1.0 - self.base))
        if x is not None:
            logit += self.linear * (x - self.center) + self.quadratic * (x - self.center) ** 2
        return 1.0 / (1.0 + math.exp(-max(-700.0, min(700.0, logit))))


class Inspection(Frozen):
    """Finds defects made upstream and takes the part out of the line, or sends it to rework."""

    coverage: Probability
    """Share of the defective parts that are found."""
    rework: str | None = None
    """Storage zone after this unit, and in none of its routes, that parts found defective go into; they come
    out of it without their defect, to be worked on again. None: they are scrap."""
    rework_limit: Parts = 1
    """A part that is found defective again after so many reworks is scrap."""


class Power(Frozen):
    """Electrical power by what the unit does. [W]"""

    production_w: Watts = 0.0
    idle_w: Watts = 0.0
    """In every other state that has no power of its own below."""
    off_w: Watts = 0.0
    """Off shift."""
    setup_w: Watts | None = None
    starved_w: Watts | None = None
    blocked_w: Watts | None = None
    delay_w: Watts | None = None
    """While it waits for an operator."""
    down_w: Watts | None = None
    """While it waits for a crew."""
    repair_w: Watts | None = None
    """Under repair or planned maintenance."""
    parameter: str | None = None
    """Process parameter that moves the power while the unit is on."""
    slope_w: float = 0.0
    """Extra power per unit of that parameter above its value in the plant file. [W]"""

    def in_state(self, state: WorkUnitState) -> float:
        """Power in this state. [W]

        Example:
            >>> Power(idle_w=300.0, setup_w=500.0).in_state(WorkUnitState.DOWN)
            300.0
        """
        own: float | None = getattr(self, f"{state.value}_w", None)
        return self.idle_w if own is None else own


class StorageZone(Frozen):
    """A finite buffer between two work units."""

    upstream: str
    """Work unit that puts parts in."""
    downstream: str
    """Work unit that takes them out."""
    capacity: Annotated[int, Field(ge=0)]
    """Places for parts; 0 hands a part over only when the next unit is free."""
    transport_s: Annotated[float, Field(ge=0.0)] = 0.0
    """A conveyor: a part can be taken this long after it was put in. [s] Needs a place or more."""


class Batch(Frozen):
    """An oven: parts that are worked on together, with one cycle time for all."""

    size: Annotated[int, Field(ge=2, le=100_000)]
    """Parts that it holds at most."""
    minimum: Annotated[int, Field(ge=1)] | None = None
    """It starts when so many are waiting. None: when it can be filled."""

    @property
    def starts_at(self) -> int:
        """Parts that must be waiting before it starts: `minimum`, or `size` where none is given."""
        return self.size if self.minimum is None else self.minimum


class Route(Frozen):
    """One of the ways on which finished parts go: by a share of all parts, or by product."""

    zone: str
    """Storage zone after this unit, or ``leave``: the part leaves the line here."""
    share: Probability | None = None
    """Share of the parts that go this way; the shares of a unit's routes add up to 1."""
    products: tuple[str, ...] = ()
    """Products that go this way. Empty, and no share: all that no other route names."""


class Upkeep(Frozen):
    """Planned maintenance by count or by calendar; it needs a crew."""

    every_parts: Parts | None = None
    """Due each time a server of the unit has finished so many parts since its last one ended."""
    every_h: Annotated[float, Field(ge=0.001)] | None = None
    """Due once in this period by the clock. [h] Either this or ``every_parts``."""
    first_at: AwareDatetime | None = None
    """With ``every_h``: when it is due first. None: one period after the start of a run."""
    duration: Law
    """How long the work takes once a crew has begun."""
    renews: tuple[str, ...] = ()
    """Failure modes of this unit whose life begins anew with it."""


class Release(Frozen):
    """How a unit without a storage zone before it comes by the parts that it starts."""

    policy: Literal["jobs", "saturated", "arrivals"] = "jobs"
    """Orders from their release on (a line without orders is never short of parts), always a part at hand, or
    parts that arrive from outside."""
    interarrival: Law | None = None
    """Arrivals: time from one part to the next."""
    products: dict[str, Probability] = {}
    """Arrivals: share of each product, adding up to 1. Empty: all alike."""
    places: Annotated[int, Field(ge=0)] | None = None
    """Arrivals: parts that can wait before the unit; one that finds them taken is lost. None: no limit."""


class OperatorTeam(Frozen):
    """People who can each serve one work unit at a time."""

    count: Hands
    """How many they are."""
    skills: Annotated[tuple[str, ...], Field(min_length=1)]
    """Work units that each of them can serve."""


class KanbanLoop(Frozen):
    """So many cards, and no more parts than cards between two places of the line.

    From the first unit of a line to its last this is CONWIP; from a unit to the zone after it, the kanban
    of one stage.
    """

    cards: Parts
    """Parts that can be inside at the same time."""
    first: str
    """Work unit: a part gets a card as this unit takes it."""
    last: str
    """Work unit or storage zone: the card returns as the part leaves it."""


class WorkUnit(Frozen):
    """One machine of the line, or several identical ones under one name."""

    name: str
    """For people."""
    role: str
    """What kind of machine it is, in a word."""
    calendar: str
    """When it works."""
    cycle_time: Annotated[dict[str, Law], Field(min_length=1)]
    """Duration law by product, or ``default`` for the others."""
    setup: Setup = Setup()
    """Change-over times."""
    parameters: dict[str, ProcessParameter] = {}
    """Setpoints by name."""
    defects: DefectResponse | None = None
    """Defects that it makes."""
    inspection: Inspection | None = None
    """Defects that it finds."""
    failure_modes: dict[str, FailureMode] = {}
    """How it fails, by name."""
    power: Power = Power()
    """Electrical power by state."""
    state_map: str | None = None
    """How to read its state signal."""
    signals: dict[str, Signal] = {}
    """What it reports, by name."""
    servers: Hands = 1
    """Identical machines side by side, fed from the same zones; each fails on its own."""
    takes: Literal["all", "any"] = "all"
    """With several storage zones before it. ``all``: assembles one part of each; ``any``: merges, taking the part
    that has waited longest, of two alike that of the zone that comes first in the file."""
    pull: Literal["synchronous", "eager"] = "synchronous"
    """Assembly. ``synchronous``: takes all components at one instant, when every zone has one; ``eager``: takes each
    as soon as it is there, while the unit has no work."""
    batch: Batch | None = None
    """Parts worked on together. Only with one server and one zone before it."""
    routes: tuple[Route, ...] = ()
    """Where a finished part goes, when several zones follow; all by share, or all by product. With one zone after it, none
    is needed."""
    operator: tuple[Literal["work", "setup"], ...] = ()
    """Tasks for which it needs an operator with the skill for this unit."""
    upkeep: dict[str, Upkeep] = {}
    """Planned maintenance by count or calendar, by name."""
    release: Release = Release()
    """How it comes by parts. Only for a unit without a zone before it."""

    def cycle_law(self, product: str) -> Law:
        """Duration law of one part of this product."""
        return self.cycle_time[product if product in self.cycle_time else "default"]
