"""What an event log says about each part at each unit: when it came, when it went, and behind what."""

from __future__ import annotations

import itertools
import math
from bisect import insort
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from datetime import datetime, timedelta

from twin.engine import LiveState, PartStart, RunResult, UnitStart
from twin.engine.inputs import VISIT
from twin.engine.streams import Stream
from twin.errors import DataError
from twin.plant import Plant, StorageZone, WorkUnitState, flow
from twin.scenarios.event_log import History, Operation, Place, Reader, Stop

__all__ = ["history"]

_Stood = dict[int, str]
"""Zones in which parts stood when the run began, by their numbers."""


def history(
    run: RunResult, plant: Plant, replication: int, state: LiveState | None = None
) -> History:
    """Read one replication of a log, and join what it says unit by unit along the zones.

    Raises:
        DataError: The run kept no trace.
    """
    if run.trace is None:
        raise DataError("a critical path is found in the event log: run with trace=True")
    off = [name for name in plant.work_units if _off_shift(plant, name, run.start)]
    read = Reader(run.trace, plant, replication, off)
    found = History(
        operations=read.operations,
        launched=read.launched,
        stops=read.stops,
        until={},
        places=_places(plant, state),
        last_s=read.last_s,
    )
    for unit, stops in read.stops.items():
        found.set_stops(unit, stops)
    stood = _stand(found, plant, state) if state is not None else {}
    for unit in plant.work_units:
        _send(found.operations[unit], plant, Stream(run.seed, replication, unit, "route"))
    _link(found, plant, stood)
    for unit in _last_first(plant):
        _depart(found, plant, unit)
        if plant.work_units[unit].servers > 1:
            found.set_stops(unit, _let_go(found.stops[unit], found.operations[unit]))
    return found


def _off_shift(plant: Plant, unit: str, at: datetime) -> bool:
    calendar = plant.calendars[plant.work_units[unit].calendar]
    second = timedelta(seconds=1)
    shifts = calendar.intervals(at - second, at + second, plant.timezone)
    return not any(begin <= at < end for begin, end in shifts)


def _stand(found: History, plant: Plant, state: LiveState) -> _Stood:
    """Parts that stood in units when the run began, as far as the log does not speak of it; and those in zones."""
    stood: _Stood = {}
    numbers = itertools.count()
    for unit in flow.downstream_first(plant):
        for one in state.servers_of(unit) if unit in state.names() else ():
            inside = [(next(numbers), part.product) for part in one.parts]
            for number, product in inside[::-1]:  # the first of a batch comes to stand first
                _stood(found.operations[unit], unit, number, product, one)
        for zone in plant.upstream(unit):
            stood |= {next(numbers): zone for _ in state.zones.get(zone, ())}
    return stood


def _stood(
    operations: list[Operation], unit: str, number: int, product: str, start: UnitStart
) -> None:
    """A part in a server when the run began: the first time that the unit has it."""
    held = start.state is WorkUnitState.BLOCKED  # the log may speak of a later visit alone
    known = next((o for o in operations if o.part == number and (o.live or not held)), None)
    operation = known or Operation(unit=unit, part=number, begin=0.0, product=product)
    operation.begin, operation.live = 0.0, True
    if not start.work_ahead:
        operation.start = 0.0
    if held and known is None:
        operation.finish, operation.outcome, operation.blocked = 0.0, "finish", True
    if known is not None:
        operations.remove(known)
    operations.insert(0, operation)


def _send(operations: list[Operation], plant: Plant, drawn: Stream) -> None:
    """Say of every part that a unit is done with where it went: by rework, by product, or as the engines drew it."""
    visits: Counter[int] = Counter()
    for operation in operations:
        unit, number = operation.unit, operation.part + visits[operation.part] * VISIT
        visits[operation.part] += 1
        if operation.outcome == "rework":
            operation.to = _rework(plant, unit)
        elif operation.outcome == "finish":
            shares = flow.shares_of(plant, unit)
            ways = (to for to, end in shares if drawn.at(number) < end)
            to = next(ways) if shares else flow.way_of(plant, unit, operation.product)
            operation.to = to if to in plant.storage_zones else None


def _places(plant: Plant, state: LiveState | None) -> dict[str, Place]:
    return {
        name: Place(
            name=name,
            upstream=zone.upstream,
            downstream=zone.downstream,
            capacity=zone.capacity,
            transport_s=zone.transport_s,
            eager=plant.work_units[zone.downstream].pull == "eager"
            and flow.assembles(plant, zone.downstream),
            before=len(state.zones.get(name, ())) if state else 0,
            brought=_brought(zone, state.zones.get(name, ())) if state else (),
        )
        for name, zone in plant.storage_zones.items()
    }


def _brought(zone: StorageZone, parts: Sequence[PartStart]) -> tuple[float, ...]:
    rest_s = (min(part.remaining_s, zone.transport_s) for part in parts)
    return tuple(itertools.accumulate(rest_s, max))


def _rework(plant: Plant, unit: str) -> str | None:
    inspection = plant.work_units[unit].inspection
    return inspection.rework if inspection else None


_Waiting = dict[str, dict[int, deque[Operation]]]
"""Parts that were sent to a zone, by zone and number."""


def _link(found: History, plant: Plant, stood: _Stood) -> None:
    """Say of every operation out of which zones its parts came, and fill the zones."""
    waiting: _Waiting = {zone: defaultdict(deque) for zone in found.places}
    for operations in found.operations.values():
        for one in sorted((o for o in operations if o.to is not None), key=lambda o: o.finish):
            waiting[one.to or ""][one.part].append(one)
    for unit, operations in found.operations.items():
        zones = [found.places[z] for z in plant.upstream(unit)]
        lead = zones[:1] if flow.assembles(plant, unit) else zones
        if zones and zones[-1].eager:  # what was taken for a part that did not begin any more
            operations.append(Operation(unit=unit, part=-1, begin=math.inf))
        _batches(plant, unit, operations)
        for operation in operations:
            if operation.live or not zones:
                continue
            _take(operation, lead, waiting, stood)
            for place in zones[len(lead) :]:
                operation.inputs.append((place, len(place.takes)))
                place.takes.append(operation)
    for name, place in found.places.items():
        left = (one for row in waiting[name].values() for one in row)
        place.entries += sorted(left, key=lambda o: o.finish)


def _take(operation: Operation, zones: list[Place], waiting: _Waiting, stood: _Stood) -> None:
    """The zone that a part came from: of several that hold its number, the one that it is longest in."""
    part = operation.part
    rows = ((waiting[place.name][part], place) for place in zones) if part >= 0 else ()
    held = [(row, place) for row, place in rows if row and row[0].finish <= operation.begin]
    row, place = min(held, key=lambda one: one[0][0].finish, default=(None, zones[0]))
    if row:
        place.entries.append(row.popleft())
        place.before = len(place.takes) + 1 - len(place.entries)
    elif part in stood:
        place = next((one for one in zones if one.name == stood[part]), place)
    operation.inputs.append((place, len(place.takes)))
    place.takes.append(operation)


def _batches(plant: Plant, unit: str, operations: list[Operation]) -> None:
    """Say what was in the oven together: it turned to all of them as it did to the first."""
    together: list[Operation] = []
    for operation in operations:
        if not plant.work_units[unit].batch or not together or together[0].start != operation.start:
            together = []
        together.append(operation)
        operation.mates = together
        operation.begin = together[0].begin
    for operation in operations:
        operation.blocked = any(one.blocked for one in operation.mates)


def _last_first(plant: Plant) -> list[str]:
    """Every unit behind those that come after it, as far as rework lets it."""
    order: list[str] = []
    done: set[str] = set()
    for first in plant.work_units:
        way = [] if first in done else [first]
        while way:
            done.add(way[-1])
            ahead = next((u for u in flow.after(plant, way[-1]) if u not in done), None)
            if ahead is None:
                order.append(way.pop())
            else:
                way.append(ahead)
    return order


def _depart(found: History, plant: Plant, unit: str) -> None:
    """When each part left this unit, and behind what the next could begin; those after it are known."""
    inside = {id(o) for z in plant.downstream(unit) for o in found.places[z].entries}
    for operation in found.operations[unit]:
        if id(operation) not in inside:
            operation.depart = operation.finish
    for name in plant.downstream(unit):
        _leave_into(found, found.places[name])
    _servers(found.operations[unit], plant.work_units[unit].servers)


def _leave_into(found: History, place: Place) -> None:
    for position, operation in enumerate(place.entries, start=place.before):
        # Without places a part leaves as it is taken; else as the one that many places ahead is.
        place.taken += _taken(found, place, position - min(1, place.capacity))
        if not operation.blocked:
            operation.depart = operation.finish
        else:
            by = position - place.capacity
            if by < 0:  # held behind it are others of its batch: for it there was a place
                operation.depart = operation.finish
                continue
            at = place.taken[by] if by < len(place.taken) else math.inf
            operation.depart = max(operation.finish, at)
            operation.freed_by = (place, by)
    place.taken += _taken(found, place, len(place.takes))


def _taken(found: History, place: Place, position: int) -> list[float]:
    """When parts up to this position were taken, as far as that is not known yet."""
    times = []
    for i in range(len(place.taken), min(position + 1, len(place.takes))):
        taker = place.takes[i]
        at = taker.begin
        if place.eager:
            free = taker.previous.depart if taker.previous else 0.0
            at = min(at, found.up_from(place.downstream, max(free, place.ready(i))))
        times.append(at)
    return times


def _let_go(stops: list[Stop], operations: list[Operation]) -> list[Stop]:
    """Stops of servers, with no part from when it was taken out of the hand of one that stood."""
    visits: dict[int, list[Operation]] = defaultdict(list)
    for operation in operations:
        visits[operation.part].append(operation)
    found: list[Stop] = []
    for since, until, why, part in stops:
        held = (o.depart for o in visits[part][::-1] if o.begin <= since)
        gone = min(until, max(since, next(held, until)))
        found += [(since, gone, why, part)] if gone > since or gone == until else []
        found += [(gone, until, why, -1)] if gone < until else []
    return sorted(found)


def _servers(operations: list[Operation], servers: int) -> None:
    """Which departure made a server free for each: the last but ``servers`` - 1 of those before."""
    last: list[tuple[float, int]] = []
    first = 0
    for i, operation in enumerate(operations):
        if operation.mates[0] is operation:
            first = i
        elif operation.mates:
            operation.previous = operations[first].previous
            insort(last, (operation.depart, i))
            continue
        if len(last) >= servers:
            last = last[-servers:]
            operation.previous = operations[last[0][1]]
        insort(last, (operation.depart, i))
