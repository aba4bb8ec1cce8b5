"""Lines that cannot go on: parts that wait for each other, and lines on which nothing takes time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from twin.engine.inputs import RunInput
from twin.engine.model import LEAVE
from twin.engine.starts import EMPTY, HELD
from twin.errors import DataError

__all__ = ["ServerSnapshot", "Snapshot", "endless", "refuse_if_stuck", "too_much_at_once"]


@dataclass(frozen=True, slots=True)
class ServerSnapshot:
    phase: int
    moves: bool
    """It works, or it is off, down, or waiting for an operator: time or people will free it."""
    dest: int
    """Zone that the part it holds is to go to; LEAVE when it holds none."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where a replication stands at its end."""

    now_s: float
    servers: tuple[ServerSnapshot, ...]
    waiting: tuple[int, ...]
    """Parts by zone."""
    main_left: int
    """Parts of orders that have not left."""
    more_to_come: bool
    """Something is still due from outside: an arrival, a release, a delivery, transport; or some
    unit starves because a component has run out."""


def too_much_at_once(given: RunInput) -> int:
    """Grants at one instant after which a run is given up: nothing takes time."""
    return 100_000 + 100 * given.model.servers


def endless(name: str, now_s: float) -> DataError:
    """The error of a line on which things happen without end at one instant."""
    return DataError(
        f"without end at {now_s:.0f} s: no unit takes time, {name} goes on and on; give one of them a "
        "cycle_time above 0, and failures a time_to_failure or repair above 0"
    )


def refuse_if_stuck(given: RunInput, at: Snapshot) -> None:
    """Parts that wait for each other for ever are a fault of the input, not a result.

    Raises:
        DataError: Who waits for whom.
    """
    held = _in_a_circle(given, at)
    names = [unit.name for unit in given.model.units for _ in range(unit.servers)]
    if held:
        raise DataError(
            f"the line cannot go on after {at.now_s:.0f} s, deadlock: "
            + "; ".join(f"{names[s]} waits for {_after(given, at, s)} to take a part" for s in held)
        )
    if any(s.moves for s in at.servers) or at.more_to_come:
        return
    if given.jobs is not None and at.main_left == 0:
        return
    parts = f", {at.main_left} parts have not left" if given.jobs is not None else ""
    waits = dict.fromkeys(_waits(given, at, names))
    raise DataError(f"the line cannot go on after {at.now_s:.0f} s{parts}: {'; '.join(waits)}")


def _full(given: RunInput, at: Snapshot, zone: int) -> bool:
    return zone != LEAVE and at.waiting[zone] >= given.model.zones[zone].capacity


def _in_a_circle(given: RunInput, at: Snapshot) -> list[int]:
    """Servers that hold parts for full zones before units all of whose servers do so too; the next shift frees none."""
    units = given.model.units
    stuck = {
        s
        for s, server in enumerate(at.servers)
        if server.phase == HELD and _full(given, at, server.dest)
    }
    while True:
        free = {
            s
            for s in stuck
            for after in [units[given.model.zones[at.servers[s].dest].downstream]]
            if any(after.first_server + i not in stuck for i in range(after.servers))
        }
        if not free:
            return sorted(stuck)
        stuck -= free


def _after(given: RunInput, at: Snapshot, server: int) -> str:
    return given.model.units[given.model.zones[at.servers[server].dest].downstream].name


def _waits(given: RunInput, at: Snapshot, names: list[str]) -> Iterator[str]:
    model = given.model
    for s, server in enumerate(at.servers):
        unit = next(u for u in model.units if u.first_server <= s < u.first_server + u.servers)
        if server.phase == HELD and server.dest != LEAVE:
            yield f"{names[s]} waits for {_after(given, at, s)} to take a part"
        elif server.phase == EMPTY:
            held_for = {x.dest for x in at.servers if x.phase == HELD}
            empty = [
                model.zones[z].name
                for z in unit.zones_in
                if at.waiting[z] == 0 and z not in held_for
            ]
            if empty:
                yield f"{names[s]} waits for a part in {', '.join(empty)}"
            elif unit.opens:
                loops = ", ".join(model.loops[c].name for c in unit.opens)
                yield f"{names[s]} waits for a card of {loops}"
            elif not unit.zones_in:
                yield f"{names[s]} has no job left"
            elif unit.batch > 1:
                yield f"{names[s]} waits for {unit.batch_minimum} parts"
