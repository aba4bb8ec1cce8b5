"""The event log of one replication, read row by row: parts at units, and what stopped units."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from twin.engine import EventTrace
from twin.plant import Plant

__all__ = ["History", "Operation", "Piece", "Place", "Reader", "Stop"]

_FIRST = ("off", "maintenance", "repair", "down", "operator")
"""Of what stops a unit at the same time, the first of these is said."""
Stop = tuple[float, float, str, int]
"""From, to, why, part of the server that stood (-1: none)."""
Piece = tuple[str | None, float, float]
"""What stopped a unit (None: nothing), from, to."""


@dataclass(slots=True, eq=False)
class Operation:
    """One part at one unit, once."""

    unit: str
    part: int
    begin: float
    """The unit turns to the part: setup or work begins. [s]"""
    product: str = ""
    start: float = math.inf
    """Work begins. [s]"""
    finish: float = math.inf
    """Work ends; inf while it is under way. [s]"""
    depart: float = math.inf
    """The part is out of the unit. [s]"""
    outcome: str = ""
    to: str | None = None
    """The zone that it was sent to as its work ended; None: it left the line, or its work has not ended."""
    blocked: bool = False
    leaves: bool = False
    live: bool = False
    """It stood in the unit when the run began."""
    inputs: list[tuple[Place, int]] = field(default_factory=list)
    """Zones that its parts were taken from, and the how-many-th each was there."""
    mates: list[Operation] = field(default_factory=list)
    """What began with it in one batch, itself too."""
    previous: Operation | None = None
    """What left the server before it could take this part."""
    freed_by: tuple[Place, int] | None = None
    """Where it was blocked: the taking that made place for it."""


@dataclass(slots=True, eq=False)
class Place:
    """A storage zone as a row of parts in the order in which they went in, and so came out."""

    name: str
    upstream: str
    downstream: str
    capacity: int
    transport_s: float
    eager: bool
    """Its unit takes a component before it has all of them."""
    before: int = 0
    """Parts that stood there when the run began."""
    brought: tuple[float, ...] = ()
    """When the conveyor had brought each of them. [s]"""
    entries: list[Operation] = field(default_factory=list)
    """What put them in, without those that stood there."""
    takes: list[Operation] = field(default_factory=list)
    """What took them out."""
    taken: list[float] = field(default_factory=list)
    """When each was taken. [s]"""

    @property
    def next(self) -> int:
        """Position of the part that is taken next, after all that began."""
        return len(self.takes) - (bool(self.takes) and self.takes[-1].part < 0)

    def entry(self, position: int) -> Operation | None:
        """What put in the part at a position; None: it stood there from the beginning."""
        i = position - self.before
        return self.entries[i] if 0 <= i < len(self.entries) else None

    def ready(self, position: int) -> float:
        """When the part at a position could be taken. [s] inf: not in this run."""
        if position < self.before:
            return self.brought[position] if position < len(self.brought) else 0.0
        put = self.entry(position)
        if put is None:
            return math.inf
        return put.finish if self.capacity == 0 else put.depart + self.transport_s


@dataclass(slots=True, eq=False)
class History:
    """One replication, read."""

    operations: dict[str, list[Operation]]
    """By unit, in the order in which they began."""
    launched: dict[tuple[str, int], float]
    stops: dict[str, list[Stop]]
    """By unit, by their beginning."""
    until: dict[str, list[float]]
    """The latest end of each stop and those before it. [s]"""
    places: dict[str, Place]
    last_s: float
    """Time of the last event. [s]"""

    def set_stops(self, unit: str, stops: list[Stop]) -> None:
        """These are the stops of the unit, in order."""
        self.stops[unit] = stops
        self.until[unit] = list(itertools.accumulate((stop[1] for stop in stops), max))

    def pieces(self, unit: str, begin: float, end: float, part: int | None) -> list[Piece]:
        """The time from begin to end, latest first, by what stopped the unit; off shift first of all.

        Args:
            unit: Whose stops count.
            begin, end: Seconds of the run.
            part: Only stops of the server that holds this part. None: all.
        """
        stops = [
            (a, b, why)
            for a, b, why, held in self._around(unit, begin, end)
            if part is None or why == "off" or held == part
        ]
        if not stops:
            return [(None, begin, end)] if end > begin else []
        inside = {t for a, b, _ in stops for t in (a, b) if begin < t < end}
        cuts = sorted({begin, end} | inside)
        found: list[Piece] = []
        for a, b in itertools.pairwise(cuts):
            whys = [why for x, y, why in stops if x <= a and b <= y]
            found.append((min(whys, key=_FIRST.index, default=None), a, b))
        return found[::-1]

    def up_from(self, unit: str, at: float) -> float:
        """The first instant from ``at`` on at which nothing stops the unit. [s]"""
        while True:
            later = [
                b
                for a, b, why, _ in self._around(unit, at, math.nextafter(at, math.inf))
                if why != "operator"
            ]
            if not later:
                return at
            at = max(later)

    def _around(self, unit: str, begin: float, end: float) -> Iterator[Stop]:
        stops, until = self.stops[unit], self.until[unit]
        i = bisect_left(stops, (end,))
        while i > 0 and until[i - 1] > begin:
            i -= 1
            if stops[i][1] > begin:
                yield stops[i]


class Reader:
    """Rows of one replication, one after the other, into operations and stops.

    Args:
        trace: The log.
        plant: As it was simulated.
        replication: Its number.
        off: Units that are off shift as the run begins, which no row says.
    """

    def __init__(
        self, trace: EventTrace, plant: Plant, replication: int, off: Iterable[str]
    ) -> None:
        self.operations: dict[str, list[Operation]] = {name: [] for name in plant.work_units}
        self.stops: dict[str, list[Stop]] = {name: [] for name in plant.work_units}
        self.launched: dict[tuple[str, int], float] = {}
        self._servers = {name: unit.servers for name, unit in plant.work_units.items()}
        self._open: dict[tuple[str, int], Operation] = {}
        self._turned: set[tuple[str, int]] = set()
        self._last: dict[tuple[str, int], Operation] = {}
        self._delayed: dict[tuple[str, int], float] = {}
        self._off = dict.fromkeys(off, 0.0)
        self._stopped: dict[str, list[tuple[int, float, str, bool]]] = defaultdict(list)
        rows = np.flatnonzero(trace.replication == replication)
        self.last_s = float(trace.time_s[rows[-1]]) if len(rows) else 0.0
        columns = (trace.time_s, trace.unit, trace.kind, trace.part, trace.product)
        names = (*trace.products, "")
        for at, unit, kind, part, product in zip(*(c[rows].tolist() for c in columns), strict=True):
            self._product = names[product]
            self._row(at, trace.units[unit], trace.kinds[kind], part)
        self._close()

    def _row(self, at: float, unit: str, kind: str, part: int) -> None:
        key = (unit, part)
        if kind == "launch":
            self.launched.setdefault(key, at)
        elif kind in ("delay", "setup", "start", "resume"):
            self._turn(at, key, kind)
        elif kind in ("finish", "reject", "rework"):
            self._end(at, key, kind)
        elif kind == "blocked" and key in self._last:
            self._last[key].blocked = True
        elif kind == "leave" and key in self._last:
            self._last[key].leaves = True
        elif kind in ("off", "on", "failure", "maintenance", "repair", "up"):
            self._stop(at, unit, kind, part)

    def _turn(self, at: float, key: tuple[str, int], kind: str) -> None:
        """The unit turns to a part: it sets up and works, and may wait for an operator before and in between."""
        unit, part = key
        if key in self._delayed and kind != "delay":
            insort(self.stops[unit], (self._delayed.pop(key), at, "operator", part))
        operation = self._open.get(key)
        if operation is None:
            operation = self._open[key] = self._operation(key, at)
            self.operations[unit].append(operation)
        if kind == "delay":
            self._delayed.setdefault(key, at)  # it may be stopped while it waits
        elif kind == "start":
            operation.start = at
        elif kind == "resume" and key not in self._turned:  # what goes on began before the run did
            self.operations[unit].remove(operation)
            self.operations[unit].insert(0, operation)
            operation.begin, operation.live = 0.0, True
        if kind != "delay":
            self._turned.add(key)

    def _operation(self, key: tuple[str, int], begin: float) -> Operation:
        return Operation(unit=key[0], part=key[1], begin=begin, product=self._product)

    def _end(self, at: float, key: tuple[str, int], kind: str) -> None:
        operation = self._open.pop(key, None)
        self._turned.discard(key)
        if operation is None:
            last = self._last.get(key)
            if last is not None and last.finish == at:  # finish and what became of it
                last.outcome = kind
                return
            operation = self._operation(key, 0.0)
            operation.live = True
            self.operations[key[0]].insert(0, operation)
        operation.finish, operation.outcome = at, kind
        if operation.start == math.inf:  # no setup that a live start found was under way
            operation.start = operation.begin
        self._last[key] = operation

    def _stop(self, at: float, unit: str, kind: str, part: int) -> None:
        if kind in ("off", "on"):
            self._shift(at, unit, kind)
        elif kind in ("failure", "maintenance"):
            self._stopped[unit].append((part, at, "down", kind == "maintenance"))
        else:
            self._go_on(at, unit, kind, part)

    def _shift(self, at: float, unit: str, kind: str) -> None:
        """All servers of a unit have its shifts, and each has a row."""
        if kind == "off":
            self._off[unit] = at
        elif unit in self._off:
            insort(self.stops[unit], (self._off.pop(unit), at, "off", -1))

    def _go_on(self, at: float, unit: str, kind: str, part: int) -> None:
        """A crew has come, or has gone: what the stop was until now is over."""
        waiting = self._stopped[unit]
        wanted = "down" if kind == "repair" else "mending"
        ours = [s for s in waiting if s[2] == wanted]
        same = ours if self._servers[unit] == 1 else [s for s in ours if s[0] == part]
        # What it held as it went down may have been taken out of its hand meanwhile.
        same = same or [s for s in ours if s[0] >= 0 and (unit, s[0]) not in self._open]
        if not same:  # it stood so when the run began
            self._stopped[unit] += [(part, at, "mending", False)] if kind == "repair" else []
            insort(self.stops[unit], (0.0, at, "down" if kind == "repair" else "repair", part))
            return
        held, since, was, planned = same[0]
        waiting.remove(same[0])
        why = "down" if was == "down" else "maintenance" if planned else "repair"
        insort(self.stops[unit], (since, at, why, held))
        if kind == "repair":
            waiting.append((held, at, "mending", planned))

    def _close(self) -> None:
        for (unit, part), at in self._delayed.items():
            insort(self.stops[unit], (at, math.inf, "operator", part))
        for unit, at in self._off.items():
            insort(self.stops[unit], (at, math.inf, "off", -1))
        for unit, waiting in self._stopped.items():
            for held, since, was, planned in waiting:
                why = "down" if was == "down" else "maintenance" if planned else "repair"
                insort(self.stops[unit], (since, math.inf, why, held))
