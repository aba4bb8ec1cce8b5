"""The line as flat tables: what every engine runs from. Indices follow the order of the plant file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from twin.plant import Law

__all__ = [
    "LEAVE",
    "STATES",
    "UNLIMITED",
    "LineModel",
    "LoopTable",
    "ModeTable",
    "Supply",
    "UnitTable",
    "UpkeepTable",
    "ZoneTable",
]

STATES = ("production", "setup", "starved", "blocked", "delay", "down", "repair", "off")
"""Values of WorkUnitState that a simulated unit can show; engines use the index."""

LEAVE = -1
"""In place of a zone: the part leaves the line."""

UNLIMITED = 2**31 - 1
"""Capacity of a zone without a limit."""

Supply = Mapping[tuple[str, str], Mapping[str, float]]
"""(work unit, product) -> item -> quantity that a part consumes as its work begins there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeTable:
    """One failure mode of one unit."""

    name: str
    operating: bool
    """True: its age grows only in production."""
    life: Law
    repair: Law


@dataclass(frozen=True, slots=True, kw_only=True)
class UpkeepTable:
    """Planned maintenance that comes again: after so many parts, or at instants of the run."""

    name: str
    every_parts: int
    """0: by the clock."""
    due_s: tuple[float, ...]
    """Instants within the horizon."""
    duration: Law
    renews: tuple[int, ...]
    """Failure modes of the unit that are as new afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneTable:
    """One storage zone; the arrivals before a head of the line stand in one of their own."""

    name: str
    upstream: int
    """-1: parts arrive from outside."""
    downstream: int
    capacity: int
    transport_s: float
    closes: tuple[int, ...]
    """Card loops whose card returns when the part is taken out of here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopTable:
    """Cards that go round: a part gets one as ``first`` takes it."""

    name: str
    cards: int
    first: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitTable:
    """One work unit: all its servers."""

    name: str
    servers: int
    first_server: int
    """Number of its first server among all servers of the line."""
    zones_in: tuple[int, ...]
    """Empty: the unit launches parts. The first is the lead."""
    zones_out: tuple[int, ...]
    assembles: bool
    """True: one part of every zone; False: from the zone whose part has waited longest."""
    eager: bool
    batch: int
    """Most parts at once."""
    batch_minimum: int
    shares: tuple[tuple[int, float], ...]
    """(zone or LEAVE, upper end of its share): drawn for every part. Empty: by product."""
    by_product: tuple[int, ...]
    """Zone or LEAVE by product."""
    rework: int
    """Zone for parts that the inspection finds defective; LEAVE: they are scrapped."""
    rework_limit: int
    main: bool
    """True on the way of the parts that orders count; False on a branch of components."""
    sources: tuple[int, ...]
    """Units that launch what comes here."""
    cycle: tuple[Law, ...]
    """By product."""
    setup_s: tuple[tuple[float, ...], ...]
    """From product, to product; the diagonal is another order of the same product."""
    defect_probability: float
    coverage: float
    modes: tuple[ModeTable, ...]
    upkeep: tuple[UpkeepTable, ...]
    work_needs: bool
    """True: an operator stays with the part while the unit works."""
    setup_needs: bool
    teams: tuple[int, ...]
    """Operator teams with the skill, in the order in which they are asked."""
    opens: tuple[int, ...]
    """Card loops that begin here."""
    closes: tuple[int, ...]
    """Card loops whose card returns when the part leaves the unit."""
    saturated: bool
    """True: launches without end, whatever the jobs."""
    interarrival: Law | None
    arriving: tuple[float, ...]
    """Upper end of the share of each product among arrivals."""
    consumes: tuple[tuple[tuple[int, float], ...], ...]
    """(item, quantity) by product. Empty tuples: nothing that can run short."""
    on_at_start: bool
    edges_s: tuple[float, ...]
    """Instants within the horizon at which the shift ends or begins, in turn."""
    power_w: tuple[float, ...]
    """By state, as in ``STATES``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineModel:
    """The whole line over one horizon."""

    products: tuple[str, ...]
    units: tuple[UnitTable, ...]
    zones: tuple[ZoneTable, ...]
    loops: tuple[LoopTable, ...]
    teams: tuple[int, ...]
    """People in each operator team."""
    items: tuple[str, ...]
    """What can run short."""
    downstream_first: tuple[int, ...]
    """Units from the ends of the line backwards, breadth first."""
    heads: tuple[int, ...]
    """Units that launch or receive parts from outside."""
    end: int
    """The first unit at which parts leave; throughput counts its time on shift."""
    servers: int
    cyclic: bool
    """True: a part can come to a unit again."""
    crews: int
