"""The plant: everything that the plant file and its tables say, in one immutable value."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from twin.errors import NotFoundError
from twin.plant import flow
from twin.plant.base import Frozen
from twin.plant.calendars import Calendar
from twin.plant.equipment import (
    Hands,
    KanbanLoop,
    OperatorTeam,
    Route,
    SetupDistance,
    StorageZone,
    WorkUnit,
)
from twin.plant.material import (
    BillOfMaterialLine,
    JobOrder,
    MaterialDefinition,
    Product,
    PurchaseOrder,
    Stock,
    Supplier,
)
from twin.plant.signals import Signal, SignalId, StateMap
from twin.plant.sources import Source

__all__ = ["MaintenancePolicy", "PlanningPolicy", "Plant"]

Probability = Annotated[float, Field(gt=0.0, lt=1.0)]


class MaintenancePolicy(Frozen):
    """Who mends, and when a forecast becomes an alert."""

    crews: Hands = 1
    """Repairs that can run at the same time."""
    alert_horizon_h: Annotated[float, Field(gt=0.0)] = 24.0
    """An alert speaks about failures within this time. [h]"""
    raise_probability: Probability = 0.5
    """P(T <= alert_horizon_h) from which an alert is raised."""
    clear_probability: Probability = 0.2
    """P(T <= alert_horizon_h) below which it is cleared."""
    confirm: Annotated[int, Field(ge=1)] = 2
    """Forecasts in a row that must agree before an alert is raised or cleared."""


class PlanningPolicy(Frozen):
    """How the component plan is made."""

    service_level: Probability = 0.9
    """Demand quantile that proposals cover."""
    bucket_h: Annotated[float, Field(gt=0.0)] = 24.0
    """Length of a demand time bucket. [h]"""
    horizon_d: Annotated[float, Field(gt=0.0)] = 14.0
    """How far the plan looks. [d]"""
    replications: Annotated[int, Field(ge=1)] = 20
    """Simulated futures behind a distribution."""


class Plant(Frozen):
    """One production line, its material and its orders.

    ``work_units`` stand in the order of the file. A unit without an upstream zone starts
    parts, one with several assembles or merges, one without a downstream zone finishes them.
    """

    schema_version: Literal[1] = 1
    """Version of this format."""
    site: Annotated[str, Field(pattern=r"^[A-Za-z0-9_\-]+$")]
    """ISA-95 site; first part of every signal name."""
    area: Annotated[str, Field(pattern=r"^[A-Za-z0-9_\-]+$")]
    """ISA-95 area."""
    line: Annotated[str, Field(pattern=r"^[A-Za-z0-9_\-]+$")]
    """ISA-95 production line."""
    name: str
    """For people; the page shows it."""
    timezone: str
    """IANA name; shifts and time buckets follow its clock."""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    """ISO 4217 code of every cost."""
    calendars: dict[str, Calendar]
    """Working times by name."""
    sources: dict[str, Source] = {}
    """Servers and brokers by name."""
    state_maps: dict[str, StateMap] = {}
    """What state numbers mean, by name."""
    products: dict[str, Product]
    """Items that run down the line."""
    work_units: dict[str, WorkUnit]
    """Machines by name, in flow order."""
    storage_zones: dict[str, StorageZone]
    """Buffers between machines; they make the flow."""
    maintenance: MaintenancePolicy = MaintenancePolicy()
    planning: PlanningPolicy = PlanningPolicy()
    operators: dict[str, OperatorTeam] = {}
    """Teams that serve machines, by name."""
    kanban: Annotated[dict[str, KanbanLoop], Field(max_length=60)] = {}
    """Limits to the parts between two places of the line, by name."""
    items: dict[str, MaterialDefinition] = {}
    bill_of_material: tuple[BillOfMaterialLine, ...] = ()
    suppliers: dict[str, Supplier] = {}
    stock: dict[str, Stock] = {}
    orders: dict[str, JobOrder] = {}
    purchase_orders: dict[str, PurchaseOrder] = {}

    def equipment_id(self, work_unit: str) -> str:
        """``site/area/line/unit``."""
        return f"{self.site}/{self.area}/{self.line}/{work_unit}"

    def signal_id(self, work_unit: str, signal: str) -> SignalId:
        """``site/area/line/unit/signal``."""
        return SignalId(f"{self.equipment_id(work_unit)}/{signal}")

    def signals(self) -> dict[SignalId, tuple[str, str, Signal]]:
        """Every signal of the plant file: id -> (work unit, name, signal)."""
        return {
            self.signal_id(unit, name): (unit, name, signal)
            for unit, work_unit in self.work_units.items()
            for name, signal in work_unit.signals.items()
        }

    def address(self, work_unit: str, signal: str) -> str:
        """Where the signal is found at its source: its own address, or the source's template."""
        found = self.work_units[work_unit].signals[signal]
        template = found.address or self.sources[found.source].address
        return template.format(
            site=self.site, area=self.area, line=self.line, unit=work_unit, signal=signal
        )

    @cached_property
    def _zones_around(self) -> dict[str, tuple[list[str], list[str]]]:
        """Storage zones before and after every unit, in file order."""
        found: dict[str, tuple[list[str], list[str]]] = {u: ([], []) for u in self.work_units}
        for name, zone in self.storage_zones.items():
            if zone.downstream in found:
                found[zone.downstream][0].append(name)
            if zone.upstream in found:
                found[zone.upstream][1].append(name)
        return found

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As pydantic's; what was found out about the old plant is not taken over."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("_zones_around", None)
        return copied

    def upstream(self, work_unit: str) -> list[str]:
        """Storage zones that feed this unit."""
        return list(self._zones_around.get(work_unit, ((), ()))[0])

    def downstream(self, work_unit: str) -> list[str]:
        """Storage zones that this unit feeds."""
        return list(self._zones_around.get(work_unit, ((), ()))[1])

    def onward(self, work_unit: str) -> list[str]:
        """Storage zones that finished parts go into: those it feeds, without that of its rework."""
        return flow.onward(self, work_unit)

    def routes_of(self, work_unit: str) -> tuple[Route, ...]:
        """Its routes; where none are given, the one into the one zone after it, or ``leave``.

        Raises:
            DataError: Several zones follow, and no route says which.
        """
        return flow.routes_of(self, work_unit)

    def heads(self) -> list[str]:
        """Units without a storage zone before them: where parts start, in file order."""
        return flow.heads(self)

    def ends(self) -> list[str]:
        """Units at which finished parts leave the line, in file order.

        No zone follows them except for rework, or one of their routes is ``leave``.
        """
        return flow.ends(self)

    def main_path(self) -> frozenset[str]:
        """Units whose parts are those that orders count.

        Up from every end: at an assembly by the first of its zones in the file (the lead), at a
        merge by all. The others work on components.
        """
        return flow.main_path(self)

    def launchers_of(self, work_unit: str) -> list[str]:
        """Units that start the parts that come here, nearest first; of two as near, by zone in file order.

        A unit that starts parts is its own.
        """
        return flow.launchers_of(self, work_unit)

    def setup_distance(self, last: str, following: str) -> SetupDistance:
        """How far a product is from the one before it; every `Setup` has a time for it.

        Raises:
            NotFoundError: No such product; the message lists the known ones.
        """
        for product in (last, following):
            if product not in self.products:
                known = ", ".join(self.products)
                raise NotFoundError(f'no product "{product}"; known are {known}')
        if last == following:
            return "same_product_s"
        same = self.products[last].family == self.products[following].family
        return "same_family_s" if same else "other_family_s"

    def unit(self, work_unit: str) -> WorkUnit:
        """The work unit of this name.

        Raises:
            NotFoundError: No such unit; the message lists the known ones.
        """
        try:
            return self.work_units[work_unit]
        except KeyError:
            known = ", ".join(self.work_units)
            raise NotFoundError(f'no work unit "{work_unit}"; known are {known}') from None
