"""What moves and changes during one replication: parts, zones, units, and what strikes units."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from twin.engine.inputs import JobRow, LotRow, RunInput
from twin.engine.model import STATES, ModeTable, UnitTable, ZoneTable
from twin.engine.streams import Stream

if TYPE_CHECKING:
    import simpy

__all__ = [
    "BLOCKED",
    "DOWN",
    "EMPTY",
    "HELD",
    "OFF",
    "PRODUCTION",
    "REPAIR",
    "SETTING_UP",
    "SETUP",
    "STARVED",
    "WORKING",
    "Launcher",
    "Mode",
    "Part",
    "Unit",
    "Work",
    "Zone",
]

PRODUCTION, SETUP, STARVED, BLOCKED, DOWN, REPAIR, OFF = range(len(STATES))
"""What a unit shows."""
EMPTY, SETTING_UP, WORKING, HELD = range(4)
"""How far a unit is with its part; the order matters: PHASE_STATE is indexed by it."""


class Part:
    """One part; ``order`` is negative for parts that no order counts."""

    __slots__ = ("defective", "launched_s", "main", "number", "order", "product")

    def __init__(self, number: int, order: int, product: int, main: bool, at: float) -> None:
        self.number = number
        self.order = order
        self.product = product
        self.main = main
        self.launched_s = at
        self.defective = False


class Zone:
    """Parts between two units, the first to leave first."""

    __slots__ = ("capacity", "downstream", "name", "parts", "upstream")

    def __init__(self, table: ZoneTable, units: list[Unit]) -> None:
        self.name = table.name
        self.capacity = table.capacity
        self.upstream = units[table.upstream]
        self.downstream = units[table.downstream]
        self.parts: deque[Part] = deque()


class Mode:
    """One failure mode of one unit: its present life and the counters of its streams."""

    __slots__ = (
        "due",
        "fails_at",
        "life",
        "lives",
        "operating",
        "repair",
        "repairs",
        "table",
        "times",
    )

    def __init__(self, table: ModeTable, unit: str, seed: int, replication: int) -> None:
        self.table = table
        self.operating = table.operating
        self.life = Stream(seed, replication, unit, f"life/{table.name}")
        self.repair = Stream(seed, replication, unit, f"repair/{table.name}")
        self.lives = 0
        self.repairs = 0
        self.fails_at = math.inf
        """Operating seconds of the unit at which it strikes; inf while nothing is known."""
        self.due: simpy.Event | None = None
        """The event at which it strikes by the clock."""
        self.times: list[float] = []

    def next_life(self) -> float:
        self.lives += 1
        return self.table.life.quantile(self.life.at(self.lives - 1))

    def next_repair(self) -> float:
        self.repairs += 1
        return self.table.repair.quantile(self.repair.at(self.repairs - 1))


class Work:
    """Something that takes a unit down until a crew has done it: a failure, or planned work."""

    __slots__ = ("duration_s", "mode", "planned")

    def __init__(self, mode: Mode | None, planned: bool, duration_s: float | None) -> None:
        self.mode = mode
        self.planned = planned
        self.duration_s = duration_s
        """None: drawn from the mode's repair law when a crew begins."""


class Unit:
    """One work unit as it runs."""

    __slots__ = (
        "began",
        "coverage",
        "cycle",
        "defect",
        "defect_probability",
        "detect",
        "down",
        "due",
        "index",
        "last_order",
        "last_product",
        "launcher",
        "laws",
        "modes",
        "name",
        "on",
        "operated",
        "operates_until",
        "out",
        "part",
        "phase",
        "remaining",
        "repairing",
        "seconds",
        "setup_s",
        "shown",
        "since",
        "starts",
        "table",
        "waiting",
        "work",
        "zones",
    )

    def __init__(self, index: int, table: UnitTable, given: RunInput, replication: int) -> None:
        seed = given.seed
        self.index = index
        self.table = table
        self.name = table.name
        self.laws = [law.quantile for law in table.cycle]
        self.setup_s = table.setup_s
        self.coverage = table.coverage
        self.defect_probability = table.defect_probability
        self.cycle = Stream(seed, replication, table.name, "cycle")
        self.defect = Stream(seed, replication, table.name, "defect")
        self.detect = Stream(seed, replication, table.name, "detect")
        self.modes = [Mode(m, table.name, seed, replication) for m in table.modes]
        self.zones: list[Zone] = []
        self.out: Zone | None = None
        self.launcher: Launcher | None = None

        self.part: Part | None = None
        self.phase = EMPTY
        self.remaining = 0.0
        """Work or setup left when it last began or went on. [s]"""
        self.began = 0.0
        self.due: simpy.Event | None = None
        """The one pending end of setup, work, or operating life."""
        self.last_product = -1
        self.last_order = -1

        self.on = table.on_at_start
        self.down = False
        self.repairing = False
        self.work: Work | None = None
        self.waiting: list[Work] = []
        """What strikes as soon as the unit is up again, and on shift unless planned."""
        self.operated = 0.0
        """Seconds of production, without the present stretch."""
        self.operates_until = math.inf
        """Least ``fails_at`` of its modes."""

        self.shown = STARVED
        self.since = 0.0
        self.seconds = [0.0] * len(STATES)
        self.starts: list[list[float]] = [[] for _ in table.cycle]


class Launcher:
    """What a unit at the head of the line starts next."""

    __slots__ = ("_jobs", "_left", "_lots", "_position", "again", "launched")

    def __init__(self, given: RunInput, first_number: int) -> None:
        self._jobs: tuple[JobRow, ...] | None = given.jobs
        self._lots: tuple[LotRow, ...] = given.lots
        self._position = -1
        self._left = 0
        self.again: deque[tuple[int, int]] = deque()
        """(order, product) of components to replace, before anything else."""
        self.launched = first_number

    def next(self, now: float) -> tuple[int, int] | None:
        """(order, product) of the next part; None: nothing is released."""
        if self.again:
            return self.again.popleft()
        if self._jobs is None:
            if self._left == 0:
                self._position += 1
                self._left = self._lots[self._position % len(self._lots)].quantity
            self._left -= 1
            return -2 - self._position, self._lots[self._position % len(self._lots)].product
        job = self.head()
        if job is None or job.release_s > now:
            return None
        if self._left == 0:
            self._left = job.quantity
        self._left -= 1
        if self._left == 0:
            self._position += 1
        return job.order, job.product

    def head(self) -> JobRow | None:
        """The job whose part comes next; None when all have been started, or there are no jobs."""
        if self._jobs is None:
            return None
        self._position = max(self._position, 0)
        return self._jobs[self._position] if self._position < len(self._jobs) else None

    @property
    def exhausted(self) -> bool:
        return self._jobs is not None and self.head() is None and not self.again
