"""What moves and changes during one replication: parts, zones, servers, and what strikes servers."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twin.engine.inputs import JobRow, Laws, RunInput
from twin.engine.model import STATES, ModeTable, UnitTable, UpkeepTable, ZoneTable
from twin.engine.starts import EMPTY, entity
from twin.engine.streams import Stream
from twin.engine.variates import Sampler

if TYPE_CHECKING:
    from twin.engine.reference.agenda import Due

__all__ = [
    "BLOCKED",
    "DELAY",
    "DOWN",
    "OFF",
    "PRODUCTION",
    "REPAIR",
    "SETUP",
    "STARVED",
    "Launcher",
    "Mode",
    "Part",
    "Queue",
    "Server",
    "Unit",
    "Upkeep",
    "Work",
    "Zone",
]

PRODUCTION, SETUP, STARVED, BLOCKED, DELAY, DOWN, REPAIR, OFF = range(len(STATES))
"""What a server shows."""


class Part:
    """One part; ``order`` is negative for parts that no order counts."""

    __slots__ = (
        "cards",
        "defective",
        "dest",
        "entered",
        "index",
        "launched",
        "main",
        "number",
        "order",
        "product",
        "ready_s",
        "reworks",
        "visits",
    )

    def __init__(self, number: int, order: int, product: int, main: bool, entered: int) -> None:
        self.number = number
        self.order = order
        self.product = product
        self.main = main
        self.entered = entered
        """Tick at which it came into the line; 0 if before the run."""
        self.launched = True
        """False: it was in the line before the run, and its flow time is not known."""
        self.defective = False
        self.reworks = 0
        self.cards: set[int] = set()
        self.dest = -1
        """Zone that it is to go to, once its work has ended."""
        self.ready_s = 0.0
        """When it can be taken out of its zone."""
        self.index = number
        """Index of its draws at the unit that works on it."""
        self.visits: dict[int, int] = {}


class Zone:
    """Parts between two units, the first to leave first."""

    __slots__ = ("capacity", "closes", "downstream", "index", "name", "parts", "table", "upstream")

    def __init__(self, index: int, table: ZoneTable, units: list[Unit]) -> None:
        self.index = index
        self.table = table
        self.name = table.name
        self.capacity = table.capacity
        self.closes = table.closes
        self.upstream = units[table.upstream] if table.upstream >= 0 else None
        """None: parts arrive from outside."""
        self.downstream = units[table.downstream]
        self.parts: deque[Part] = deque()


class Draws:
    """The random streams of one unit or server."""

    __slots__ = ("_entity", "_given", "_replication")

    def __init__(self, given: RunInput, replication: int, entity: str) -> None:
        self._given, self._replication, self._entity = given, replication, entity

    def uniforms(self, purpose: str) -> Stream:
        return Stream(self._given.seed, self._replication, self._entity, purpose)

    def of_law(self, row: int, purpose: str) -> Sampler:
        """Variates of a row of the table of laws."""
        return Sampler(self._given.laws.table, row, self.uniforms(purpose))


class Mode:
    """One failure mode of one server: its present life, and the draws that follow."""

    __slots__ = ("due", "fails_at", "index", "life", "lives", "operating", "repair", "repairs")

    def __init__(self, index: int, table: ModeTable, life: Sampler, repair: Sampler) -> None:
        self.index = index
        self.operating = table.operating
        self.life = life
        self.repair = repair
        self.lives = 0
        self.repairs = 0
        self.fails_at = math.inf
        """Operating seconds of the server at which it strikes; inf while nothing is known."""
        self.due: Due | None = None
        """The event at which it strikes by the clock."""

    def next_life(self) -> float:
        self.lives += 1
        return self.life.at(self.lives - 1)

    def next_repair(self) -> float:
        self.repairs += 1
        return self.repair.at(self.repairs - 1)


class Upkeep:
    """One planned maintenance of one server that comes again."""

    __slots__ = ("duration", "index", "parts", "table", "times")

    def __init__(self, index: int, table: UpkeepTable, duration: Sampler) -> None:
        self.index = index
        self.table = table
        self.duration = duration
        self.times = 0
        self.parts = 0
        """Made since the last time."""


@dataclass(slots=True)
class Work:
    """What takes a server down until a crew has done it."""

    planned: bool
    renews: tuple[int, ...] = ()
    """Failure modes that are as new afterwards; of a failure, its own."""
    duration_s: float | None = None
    """None: drawn as a crew begins."""
    upkeep: Upkeep | None = None


class Server:
    """One machine of a unit as it runs."""

    __slots__ = (
        "again_s",
        "asked_crew_s",
        "asked_s",
        "began_s",
        "down",
        "due",
        "fresh",
        "idle_s",
        "index",
        "kit",
        "last_order",
        "last_product",
        "modes",
        "on",
        "operated_s",
        "operates_until_s",
        "parts",
        "phase",
        "remaining_s",
        "repairing",
        "shown",
        "since",
        "team",
        "unit",
        "upkeep",
        "waiting_modes",
        "waiting_planned",
        "waiting_upkeep",
        "wants_operator",
        "work",
    )

    def __init__(self, unit: Unit, place: int, given: RunInput, replication: int) -> None:
        table = unit.table
        draws = Draws(given, replication, entity(table.name, place))
        self.unit = unit
        self.index = table.first_server + place
        self.modes = _modes(unit, given.laws, draws)
        self.upkeep = _upkeep(unit, given.laws, draws)
        self.parts: list[Part] = []
        """In the unit; more than one only in a batch."""
        self.kit: list[Part | None] = [None] * len(table.zones_in) if table.eager else []
        """Components taken before all are there, by zone."""
        self.phase = EMPTY
        self.fresh = False
        """True: setup or work has not begun yet."""
        self.remaining_s = 0.0
        """Work or setup left when it last began or went on."""
        self.began_s = 0.0
        self.due: Due | None = None
        """The one pending end of setup, work, or operating life."""
        self.asked_s = 0.0
        """Since when it wants a part, a place for its part, or an operator."""
        self.again_s = -1.0
        """When it asked again, empty, as it was up or on shift; it has been empty since ``idle_s``."""
        self.idle_s = 0.0
        self.asked_crew_s = 0.0
        self.wants_operator = False
        self.team = -1
        """Operator team of which one person is here."""
        self.last_product = -1
        self.last_order = -1

        self.on = table.on_at_start
        self.down = False
        self.repairing = False
        self.work: Work | None = None
        self.waiting_planned: dict[int, Work] = {}
        """Planned work of the run, by its place in the arguments: it strikes once the server is up."""
        self.waiting_upkeep: set[int] = set()
        self.waiting_modes: set[int] = set()
        """Failures that fell due while the server was down or off: they strike once it is up and on."""
        self.operated_s = 0.0
        """Production, without the present stretch."""
        self.operates_until_s = math.inf
        """Least ``fails_at`` of its modes."""

        self.shown = STARVED
        self.since = 0
        """Tick from which on it shows that."""

    def waits_since(self) -> float:
        """When it was emptied, or the work on what it holds ended."""
        again = self.phase == EMPTY and self.asked_s == self.again_s
        return self.idle_s if again else self.asked_s


def _modes(unit: Unit, laws: Laws, draws: Draws) -> list[Mode]:
    rows = zip(unit.table.modes, laws.life[unit.index], laws.repair[unit.index], strict=True)
    return [
        Mode(
            m,
            mode,
            draws.of_law(life, f"life/{mode.name}"),
            draws.of_law(repair, f"repair/{mode.name}"),
        )
        for m, (mode, life, repair) in enumerate(rows)
    ]


def _upkeep(unit: Unit, laws: Laws, draws: Draws) -> list[Upkeep]:
    rows = zip(unit.table.upkeep, laws.upkeep[unit.index], strict=True)
    return [
        Upkeep(w, one, draws.of_law(duration, f"upkeep/{one.name}"))
        for w, (one, duration) in enumerate(rows)
    ]


class Unit:
    """One work unit: its servers, and the draws that they share."""

    __slots__ = (
        "arrivals",
        "arrived",
        "arriving",
        "cycle",
        "defect",
        "detect",
        "index",
        "launcher",
        "name",
        "needs_more",
        "route",
        "servers",
        "table",
        "zones",
    )

    def __init__(self, index: int, table: UnitTable, given: RunInput, replication: int) -> None:
        draws = Draws(given, replication, table.name)
        self.index = index
        self.table = table
        self.name = table.name
        self.cycle = [draws.of_law(row, "cycle") for row in given.laws.cycle[index]]
        self.defect = draws.uniforms("defect")
        self.detect = draws.uniforms("detect")
        self.route = draws.uniforms("route")
        row = given.laws.interarrival[index]
        self.arrivals = draws.of_law(row, "arrival") if row >= 0 else None
        self.arriving = draws.uniforms("product")
        self.arrived = 0
        self.launcher: Launcher | None = None
        self.zones: list[Zone] = []
        """Those before it."""
        self.needs_more = bool(table.opens) or any(table.consumes)
        """It takes a part only with a card or with components."""
        self.servers = [Server(self, s, given, replication) for s in range(table.servers)]


class Queue:
    """What is to be launched, in its order: jobs, or lots without end."""

    __slots__ = ("_jobs", "_left", "_lots", "_position")

    def __init__(self, given: RunInput, jobs: tuple[JobRow, ...] | None) -> None:
        self._jobs = jobs
        self._lots = given.lots
        self._position = -1 if jobs is None else 0
        self._left = 0

    def peek(self, now: float) -> tuple[int, int] | None:
        """(order, product) of the next part; None: nothing is released."""
        if self._jobs is None:
            position = self._position + (self._left == 0)
            return -2 - position, self._lots[position % len(self._lots)].product
        if self._position >= len(self._jobs) or self._jobs[self._position].release_s > now:
            return None
        return self._jobs[self._position].order, self._jobs[self._position].product

    def take(self) -> bool:
        """The next part has been launched; True if another job is next now."""
        if self._left == 0:
            if self._jobs is None:
                self._position += 1
                self._left = self._lots[self._position % len(self._lots)].quantity
            else:
                self._left = self._jobs[self._position].quantity
        self._left -= 1
        if self._left > 0 or self._jobs is None:
            return False
        self._position += 1
        return True


class Launcher:
    """What a unit at the head of the line starts next."""

    __slots__ = ("again", "launched", "queue")

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.again: deque[tuple[int, int]] = deque()
        """(order, product) of components to replace, before anything else."""
        self.launched = 0

    def peek(self, now: float) -> tuple[int, int] | None:
        """(order, product) of the next part; None: nothing is released."""
        return self.again[0] if self.again else self.queue.peek(now)

    def take(self) -> bool:
        """The next part has been launched; True if another job is next now."""
        self.launched += 1
        if self.again:
            self.again.popleft()
            return False
        return self.queue.take()
