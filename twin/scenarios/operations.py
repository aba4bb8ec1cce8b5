"""What an event log says about each part at each unit: when it came, when it went, and behind what."""

from __future__ import annotations

import itertools
import math
from bisect import insort
from collections import defaultdict, deque

from twin.engine import EventTrace, LiveState
from twin.plant import Plant, WorkUnitState, flow
from twin.scenarios.event_log import History, Operation, Place, Reader

__all__ = ["history"]

_HELD = -2
"""In place of the number of a part that was held when the run began."""


def history(
    trace: EventTrace, plant: Plant, replication: int, state: LiveState | None = None
) -> History:
    """Read one replication of a log, and join what it says unit by unit along the zones."""
    read = Reader(trace, plant, replication)
    found = History(
        operations=read.operations,
        launched=read.launched,
        stops=read.stops,
        until={
            unit: list(itertools.accumulate((stop[1] for stop in stops), max))
            for unit, stops in read.stops.items()
        },
        places=_places(plant, state),
        last_s=read.last_s,
    )
    if state is not None:
        _stand(found, state)
    _link(found, plant)
    for unit in _last_first(plant):
        _depart(found, plant, unit)
    return found


def _stand(found: History, state: LiveState) -> None:
    """Parts that stood in units when the run began, as far as the log does not speak of it."""
    for unit, operations in found.operations.items():
        for one in state.servers_of(unit):
            if one.state is WorkUnitState.BLOCKED and one.holds_part:
                held = Operation(unit=unit, part=_HELD, begin=0.0, start=0.0, finish=0.0)
                held.outcome, held.blocked, held.live = "finish", True, True
                operations.insert(0, held)
            elif one.state is WorkUnitState.SETUP and one.holds_part and operations:
                operations[0].begin, operations[0].live = 0.0, True


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
        )
        for name, zone in plant.storage_zones.items()
    }


def _rework(plant: Plant, unit: str) -> str | None:
    inspection = plant.work_units[unit].inspection
    return inspection.rework if inspection else None


_Waiting = dict[tuple[str, bool], dict[int, deque[Operation]]]


def _link(found: History, plant: Plant) -> None:
    """Say of every operation out of which zones its parts came, and fill the zones."""
    waiting: _Waiting = defaultdict(lambda: defaultdict(deque))
    for unit, operations in found.operations.items():
        passed = [o for o in operations if o.finish < math.inf and not o.leaves]
        for one in sorted(passed, key=lambda o: o.finish):
            if one.outcome != "reject":
                waiting[unit, one.outcome == "rework"][one.part].append(one)
    for unit, operations in found.operations.items():
        zones = [found.places[z] for z in plant.upstream(unit)]
        lead = zones[:1] if flow.assembles(plant, unit) else zones
        if zones and zones[-1].eager:  # what was taken for a part that did not begin any more
            operations.append(Operation(unit=unit, part=-1, begin=math.inf))
        _batches(plant, unit, operations)
        for operation in operations:
            if operation.live or not zones:
                continue
            _take(operation, lead, waiting, plant)
            for place in zones[len(lead) :]:
                operation.inputs.append((place, len(place.takes)))
                place.takes.append(operation)
    for place in found.places.values():
        _untaken(place, waiting, plant)


def _take(operation: Operation, zones: list[Place], waiting: _Waiting, plant: Plant) -> None:
    """The zone that a part came from: of several that hold its number, the one that it is longest in."""
    if operation.part < 0:
        operation.inputs.append((zones[0], len(zones[0].takes)))
        zones[0].takes.append(operation)
        return
    held: list[tuple[float, int]] = []
    part = operation.part
    for i, place in enumerate(zones):
        row = waiting[place.upstream, place.name == _rework(plant, place.upstream)][part]
        if row and row[0].finish <= operation.begin:
            held.append((row[0].finish, i))
    stood = len(zones[0].takes) < zones[0].before
    if not (held or stood) and waiting[zones[0].upstream, False][_HELD]:
        held, part = [(0.0, 0)], _HELD
    place = zones[min(held)[1]] if held else zones[0]
    if held:
        key = (place.upstream, place.name == _rework(plant, place.upstream))
        place.entries.append(waiting[key][part].popleft())
        place.before = len(place.takes) + 1 - len(place.entries)
    operation.inputs.append((place, len(place.takes)))
    place.takes.append(operation)


def _untaken(place: Place, waiting: _Waiting, plant: Plant) -> None:
    """Parts that nobody took by their own number: components, and what is left at the end."""
    rework = _rework(plant, place.upstream)
    if place.name != rework and len(plant.onward(place.upstream)) != 1:
        return
    rows = waiting[place.upstream, place.name == rework].values()
    left = sorted((one for row in rows for one in row), key=lambda o: o.finish)
    place.entries += left
    for row in rows:
        row.clear()


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
        if id(operation) not in inside and not operation.blocked:
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
            at = place.taken[by] if 0 <= by < len(place.taken) else math.inf
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
