"""The chain of causes behind the last event of a replication, and how long each link took."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from twin.engine import LiveState, RunResult
from twin.errors import NotFoundError
from twin.plant import Plant
from twin.scenarios.event_log import History, Operation, Piece, Place
from twin.scenarios.operations import history

__all__ = ["KINDS", "CriticalPath", "PathStep", "critical_path"]

KINDS: Mapping[str, str] = {
    "service": "work on a part",
    "setup": "change-over to another order or product",
    "repair": "a crew mends it",
    "maintenance": "a crew does planned work",
    "down": "it waits for a crew",
    "operator": "it waits for an operator",
    "off": "it is off shift",
    "transport": "a conveyor brings the part to it",
    "release": "nothing to start: no job released, nothing arrived",
    "supply": "a component is missing",
    "other": "the log does not say",
}
"""What a link of the path can be, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathStep:
    """One link: what the last event waited for from ``begin_s`` to ``end_s``."""

    unit: str
    kind: str
    """A name of ``KINDS``."""
    part: int
    """-1: no part in particular."""
    begin_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticalPath:
    """The links behind the last event of a replication; they follow each other without a gap."""

    replication: int
    from_s: float
    """What lies before it is not looked at."""
    end_s: float
    """The last part left, or the run ended."""
    steps: tuple[PathStep, ...]
    """The first first."""

    @property
    def shares(self) -> dict[str, dict[str, float]]:
        """Seconds by unit and kind; together they are ``end_s - from_s``."""
        found: dict[tuple[str, str], list[float]] = defaultdict(list)
        for step in self.steps:
            found[step.unit, step.kind] += [step.end_s, -step.begin_s]
        table: dict[str, dict[str, float]] = {}
        for (unit, kind), seconds in found.items():
            table.setdefault(unit, {})[kind] = math.fsum(seconds)
        return table

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "replication": self.replication,
            "from_s": self.from_s,
            "end_s": self.end_s,
            "shares": self.shares,
        }


def critical_path(
    run: RunResult,
    plant: Plant,
    *,
    replication: int | None = None,
    state: LiveState | None = None,
    from_s: float = 0.0,
) -> CriticalPath:
    """Walk back from the last event through what each event waited for.

    Work begins when a server is free, a part is there and the unit is up and on shift: the one of these that
    came last, at that very instant, is the cause, and the walk goes on there. A server is free when
    its last part has left; where that was blocked, the cause lies downstream.

    Args:
        run: With its trace.
        plant: As it was simulated.
        replication: Its number; None: the first of the run.
        state: The live state the run began in, if any.
        from_s: Links before this are left out, as KPIs leave out a warm-up. [s]

    Returns:
        Links that follow each other without a gap from ``from_s`` to the end of the replication: when
        its last part left, or the horizon if parts were still in the line.

    Raises:
        DataError: The run kept no trace.
        NotFoundError: The replication is not in the run.

    Source:
        Li, Chang & Ni, Data driven bottleneck detection of manufacturing systems, Int. J. Production
        Research 47(18), 2009 (why blockage and starvation point to it); the path is that of the
        longest path of the event graph (Baccelli, Cohen, Olsder & Quadrat, Synchronization and Linearity, 1992).
    """
    number = run.first_replication if replication is None else replication
    row = number - run.first_replication
    if not 0 <= row < run.replications:
        last = run.first_replication + run.replications - 1
        raise NotFoundError(
            f"no replication {number} in this run; known are {run.first_replication} to {last}"
        )
    found = history(run, plant, number, state)
    stopped_s = float(run.measured_s[row]) + run.warm_up_s
    early = stopped_s < run.horizon_s * (1.0 - 1e-9)
    orders = [float(finished[row]) for finished in run.order_finished_s.values()]
    walk = _Walk(found, plant, from_s, bool(orders))
    done = early or (bool(orders) and not any(map(math.isnan, orders)))
    end_s = walk.back(None if done else run.horizon_s)
    return CriticalPath(
        replication=number, from_s=min(from_s, end_s), end_s=end_s, steps=tuple(walk.steps[::-1])
    )


@dataclass(frozen=True, slots=True)
class _Node:
    """An instant of the past: a part begins, is done or departs at a unit, or comes or goes in a zone."""

    what: Literal["begin", "finish", "depart", "ready", "take"]
    of: Operation | Place
    position: int = -1


class _Walk:
    """From effect to cause, back to the beginning of the run."""

    def __init__(self, found: History, plant: Plant, from_s: float, jobs: bool) -> None:
        self.steps: list[PathStep] = []
        self._history = found
        self._plant = plant
        self._from_s = from_s
        self._now = 0.0
        self._at = ""
        self._seen: set[tuple[str, int, int]] = set()
        self._returns: dict[str, list[tuple[float, int, _Node]]] = {}
        policies = ("jobs", "arrivals") if jobs else ("arrivals",)
        self._fed = {n for n, unit in plant.work_units.items() if unit.release.policy in policies}
        self._consumers = {line.work_unit for line in plant.bill_of_material}

    def back(self, horizon_s: float | None) -> float:
        """Collect the links from the horizon, or from the last part that left; give the instant."""
        node = self._last(horizon_s)
        end_s = self._now
        while node is not None and self._now > self._from_s:
            self._seen.add((node.what, id(node.of), node.position))
            node = self._cause(node)
        self._book("other", self._at, -1, 0.0)
        return end_s

    def _book(self, kind: str, unit: str, part: int, begin: float) -> None:
        """The time from ``begin`` until now went into this; now it is ``begin``."""
        self._at = unit
        at = max(begin, self._from_s)
        if at < self._now:
            step = PathStep(unit=unit, kind=kind, part=part, begin_s=at, end_s=self._now)
            self.steps.append(step)
            self._now = at
            self._seen.clear()

    def _cause(self, node: _Node) -> _Node | None:
        if isinstance(node.of, Place):
            ways = self._ready if node.what == "ready" else self._taken
            return ways(node.of, node.position)
        if node.what == "begin":
            return self._begun(node.of)
        return self._worked(node.of) if node.what == "finish" else _departed(node.of)

    # One instant, and what came before it.

    def _worked(self, operation: Operation) -> _Node | None:
        """Back through work and setup, with all that interrupted them."""
        begin = operation.begin
        self._stopped(operation, max(begin, min(operation.start, self._now)), "service", True)
        self._stopped(operation, begin, "setup", True)
        return None if operation.live else _Node("begin", operation.mates[0])

    def _stopped(self, operation: Operation, begin: float, base: str, held: bool) -> None:
        """Book the time of a unit from ``begin`` until now: what stopped it, and ``base`` for the rest."""
        for why, at, _ in self._stops(operation, begin, held):
            self._book(why or base, operation.unit, operation.part if held else -1, at)

    def _stops(self, operation: Operation, begin: float, held: bool) -> list[Piece]:
        if begin >= self._now:
            return []
        one = self._plant.work_units[operation.unit].servers == 1
        part = None if one else operation.mates[0].part if held else -1
        return self._history.pieces(operation.unit, begin, self._now, part)

    def _ready(self, place: Place, position: int) -> _Node | None:
        """A part can be taken out of a zone since it was put in, or since the conveyor has brought it."""
        put = place.entry(position)
        if put is None:
            if place.transport_s > 0.0:
                self._book("transport", place.downstream, -1, 0.0)
            return None
        if place.capacity == 0:
            return _Node("finish", put)
        self._book("transport", place.downstream, put.part, put.depart)
        return _Node("depart", put)

    def _taken(self, place: Place, position: int) -> _Node | None:
        taker = place.takes[position]
        if place.taken[position] == taker.begin:
            return _Node("begin", taker)
        free = taker.previous
        since = max(free.depart if free else 0.0, place.ready(position))
        self._stopped(taker, since, "other", False)
        if free is not None and free.depart == since:
            return _Node("depart", free)
        return _Node("ready", place, position)

    def _begun(self, operation: Operation) -> _Node | None:
        """A part could begin once a server was free, all parts were there, and nothing stopped the unit."""
        free = operation.previous
        causes = [(free.depart, _Node("depart", free))] if free else []
        for mate in operation.mates:
            for place, position in mate.inputs:
                causes.append((place.ready(position), _Node("ready", place, position)))
        launched = self._history.launched.get((operation.unit, operation.part), math.inf)
        known = [(at, node) for at, node in causes if at <= self._now and self._new(node)]
        at, node = max(known, key=lambda cause: cause[0], default=(0.0, None))
        if node is not None and at == self._now:
            return node
        if not operation.inputs and at < launched < self._now:
            self._stopped(operation, launched, "other", False)
            self._released(operation)
            return None
        return self._waited(operation, at, node)

    def _new(self, node: _Node) -> bool:
        """Not visited at this instant: parts that take no time can make a ring of causes."""
        return (node.what, id(node.of), node.position) not in self._seen

    def _waited(self, operation: Operation, since: float, node: _Node | None) -> _Node | None:
        """Server and part were there, and still it did not begin."""
        pieces = self._stops(operation, since, False)
        idle_s = next((end for why, _, end in pieces if why is None), math.inf)
        returned = self._returned(operation.unit, idle_s)
        if returned is not None and returned[0] <= self._now:
            self._stopped(operation, returned[0], "other", False)
            return returned[1]
        for why, begin, _ in pieces:
            if why is None and not operation.inputs and operation.unit in self._fed:
                self._released(operation)
                return None
            base = "supply" if operation.unit in self._consumers else "other"
            self._book(why or base, operation.unit, operation.part, begin)
        return node

    def _released(self, operation: Operation) -> None:
        """Nothing on the line made it come: what lies before had no part in it."""
        self._book("release", operation.unit, operation.part, 0.0)

    def _returned(self, unit: str, since: float) -> tuple[float, _Node] | None:
        """The first card that came back to a unit, or component to be replaced, from an instant on."""
        rows = self._returns.get(unit)
        if rows is None:
            rows = self._returns[unit] = sorted(_returns(self._history, self._plant, unit))
        for at, _, node in rows[bisect_left(rows, (since, -1)) :]:
            if self._new(node):
                return at, node
        return None

    # Where the walk begins.

    def _last(self, horizon_s: float | None) -> _Node | None:
        ends = [unit for unit in self._plant.work_units if not self._plant.onward(unit)]
        left = [
            o
            for unit, operations in self._history.operations.items()
            for o in operations
            if o.leaves or o.outcome == "reject" or (o.outcome == "finish" and unit in ends)
        ]
        last = max(left, key=lambda o: o.finish, default=None)
        if horizon_s is None and last is not None:
            self._now = last.finish
            return _Node("finish", last)
        self._now = self._history.last_s if horizon_s is None else horizon_s
        return self._waits(last.unit if last else self._plant.ends()[0])

    def _waits(self, unit: str) -> _Node | None:
        """What a unit is at when the run ends, or what it waits for."""
        passed: set[str] = set()
        while unit not in passed:
            passed.add(unit)
            inside = [
                o for o in self._history.operations[unit] if o.depart == math.inf and o.part >= 0
            ]
            for operation in inside:
                if operation.finish == math.inf:
                    return _Node("finish", operation)
            lacking = self._lacking(unit)
            freed_by = next((o.freed_by for o in inside if o.freed_by), None)
            if freed_by is not None:
                unit = freed_by[0].downstream
            elif lacking is None:
                return _Node("begin", self._next(unit))
            elif lacking.entry(lacking.next) is not None:
                return _Node("ready", lacking, lacking.next)
            else:
                unit = lacking.upstream
        return None

    def _lacking(self, unit: str) -> Place | None:
        """A zone that keeps a unit waiting; None: it has all that it needs, or needs none."""
        zones = [self._history.places[z] for z in self._plant.upstream(unit)]
        empty = [z for z in zones if z.ready(z.next) > self._now]
        enough = self._plant.work_units[unit].takes == "any" and len(empty) < len(zones)
        return empty[0] if empty and not enough else None

    def _next(self, unit: str) -> Operation:
        """What would begin if the run did not end."""
        zones = [self._history.places[z] for z in self._plant.upstream(unit)]
        there = [z for z in zones if z.ready(z.next) <= self._now]
        operation = Operation(unit=unit, part=-1, begin=self._now)
        operation.inputs = [(z, z.next) for z in there]
        operation.mates = [operation]
        gone = [o for o in self._history.operations[unit] if o.part >= 0]
        gone.sort(key=lambda o: o.depart)
        servers = self._plant.work_units[unit].servers
        operation.previous = gone[-servers] if len(gone) >= servers else None
        return operation


def _departed(operation: Operation) -> _Node:
    if operation.freed_by is None or operation.depart == operation.finish:
        return _Node("finish", operation)
    return _Node("take", *operation.freed_by)


def _returns(found: History, plant: Plant, unit: str) -> Iterator[tuple[float, int, _Node]]:
    """Whatever lets a unit start one more part: cards that come back, and parts that are scrapped."""
    loops = [loop for loop in plant.kanban.values() if loop.first == unit]
    if not loops and plant.upstream(unit):
        return
    numbers = itertools.count()
    for operations in found.operations.values():
        for o in operations:
            if o.outcome == "reject":
                yield o.finish, next(numbers), _Node("finish", o)
    for loop in loops:
        if loop.last in plant.work_units:
            for o in found.operations[loop.last]:
                yield o.depart, next(numbers), _Node("depart", o)
        else:
            place = found.places[loop.last]
            for i, at in enumerate(place.taken):
                yield at, next(numbers), _Node("take", place, i)
