"""Equipment after ISA-95: work units, the storage zones between them, and what they do to a part."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from twin.plant.base import Frozen
from twin.plant.laws import Law
from twin.plant.reliability import FailureMode
from twin.plant.signals import Signal

__all__ = [
    "DefectResponse",
    "Inspection",
    "Power",
    "ProcessParameter",
    "Setup",
    "SetupDistance",
    "StorageZone",
    "WorkUnit",
]

Probability = Annotated[float, Field(ge=0.0, le=1.0)]


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
    """Finds defects made upstream and takes the part out of the line."""

    coverage: Probability
    """Share of the defective parts that are found."""


class Power(Frozen):
    """Electrical power by what the unit does. [W]"""

    production_w: Annotated[float, Field(ge=0.0)] = 0.0
    idle_w: Annotated[float, Field(ge=0.0)] = 0.0
    off_w: Annotated[float, Field(ge=0.0)] = 0.0
    parameter: str | None = None
    """Process parameter that moves the power while the unit is on."""
    slope_w: float = 0.0
    """Extra power per unit of that parameter above its value in the plant file. [W]"""


class StorageZone(Frozen):
    """A finite buffer between two work units."""

    upstream: str
    """Work unit that puts parts in."""
    downstream: str
    """Work unit that takes them out."""
    capacity: Annotated[int, Field(ge=0)]
    """Places for parts; 0 hands a part over only when the next unit is free."""


class WorkUnit(Frozen):
    """One machine of the line."""

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

    def cycle_law(self, product: str) -> Law:
        """Duration law of one part of this product."""
        return self.cycle_time[product if product in self.cycle_time else "default"]
