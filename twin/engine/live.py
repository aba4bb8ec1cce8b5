"""Where a line stands as a run begins: what its units are doing, and which parts are where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from twin.plant import WorkUnitState

__all__ = ["LiveState", "PartStart", "UnitStart"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartStart:
    """A part that stands in a storage zone when the run starts, or with others in a batch."""

    order_id: str
    product: str
    remaining_s: float = 0.0
    """On a conveyor: transport left. [s] At most that of the zone; no less than that of the part before it."""
    reworks: int = 0
    """How often an inspection has sent it to rework."""
    defective: bool = False
    """It has a defect that no inspection has found yet."""


_WITH_PART = frozenset(
    {
        WorkUnitState.PRODUCTION,
        WorkUnitState.SETUP,
        WorkUnitState.BLOCKED,
        WorkUnitState.DELAY,
        WorkUnitState.DOWN,
        WorkUnitState.REPAIR,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitStart:
    """What a work unit is doing when the run starts."""

    state: WorkUnitState = WorkUnitState.STARVED
    product: str | None = None
    order_id: str | None = None
    remaining_s: float | None = None
    """Work left on the part, or setup left in state setup. [s] None: drawn; in state delay all of it,
    with the setup before it where one is due."""
    reworks: int = 0
    """How often an inspection has sent the part to rework."""
    defective: bool = False
    """The part has a defect that no inspection has found yet."""
    more_parts: tuple[PartStart, ...] = ()
    """The other parts of a batch, the first to leave first; what is left is left of all of them."""
    last_product: str | None = None
    """Product the unit is set up for; None: the product in it, or no setup before the next part."""
    last_order_id: str | None = None
    failure_mode: str | None = None
    """What it is down or under repair for; None: the unit's first mode."""
    repair_remaining_s: float | None = None
    """Repair left in state down or repair. [s] None: drawn."""
    age_s: Mapping[str, float] = field(default_factory=dict)
    """Age of a failure mode on its own clock; a mode not named is as new. [s]"""
    parts_since: Mapping[str, int] = field(default_factory=dict)
    """Parts made since the last upkeep, by upkeep that comes after so many; one not named has just been."""

    @property
    def holds_part(self) -> bool:
        """A part is in the unit: it has a product, and its state needs one.

        Production, setup, blocked, delay, down and repair do; off does when ``remaining_s`` is
        given, for the product of an idle unit is the last one it made.
        """
        if self.product is None:
            return False
        if self.state is WorkUnitState.OFF:
            return self.remaining_s is not None
        return self.state in _WITH_PART

    @property
    def work_ahead(self) -> bool:
        """It holds a part on which no work has been done: in setup, or in delay with all of it left."""
        waits = self.state is WorkUnitState.DELAY and self.remaining_s is None
        return self.holds_part and (waits or self.state is WorkUnitState.SETUP)

    @property
    def parts(self) -> tuple[PartStart, ...]:
        """The parts in it, the first to leave first."""
        if self.product is None or not self.holds_part:
            return ()
        first = PartStart(
            order_id=self.order_id or "",
            product=self.product,
            reworks=self.reworks,
            defective=self.defective,
        )
        return (first, *self.more_parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveState:
    """Where the line stands: the state from which a run starts."""

    at: datetime
    units: Mapping[str, UnitStart] = field(default_factory=dict)
    """By work unit; the first of its servers."""
    more_servers: Mapping[str, tuple[UnitStart, ...]] = field(default_factory=dict)
    """The other servers of units that have several."""
    zones: Mapping[str, tuple[PartStart, ...]] = field(default_factory=dict)
    """Parts by storage zone, the first to leave first."""
    started: Mapping[str, int] = field(default_factory=dict)
    """Parts of each order that have been launched so far."""

    def names(self) -> list[str]:
        """Work units of which something is known."""
        return list(dict.fromkeys((*self.units, *self.more_servers)))

    @property
    def any_defective(self) -> bool:
        """A part of it has a defect that an inspection may find."""
        units = [unit.parts for name in self.names() for unit in self.servers_of(name)]
        return any(part.defective for parts in (*units, *self.zones.values()) for part in parts)

    def servers_of(self, unit: str) -> tuple[UnitStart, ...]:
        """Its servers; one of which nothing is known is empty and as new."""
        first = self.units.get(unit, UnitStart())
        return (first, *self.more_servers.get(unit, ()))
