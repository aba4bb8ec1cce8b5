"""Lines that cannot go on: parts that wait for each other, and lines on which nothing takes time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from twin.engine.inputs import RunInput
from twin.engine.model import LEAVE, UnitTable
from twin.engine.prospects import Prospects, ServerSnapshot, Snapshot, Ways
from twin.engine.starts import EMPTY, HELD
from twin.errors import DataError

__all__ = ["StandstillCheck", "endless", "too_much_at_once"]


def too_much_at_once(given: RunInput) -> int:
    """Grants at one instant after which a run is given up: nothing takes time."""
    return 100_000 + 100 * given.model.servers


def endless(name: str, now_s: float) -> DataError:
    """The error of a line on which things happen without end at one instant."""
    return DataError(
        f"without end at {now_s:.0f} s: no unit takes time, {name} goes on and on; give one of them a "
        "cycle_time above 0, and failures a time_to_failure or repair above 0"
    )


class StandstillCheck:
    """Parts that wait for each other for ever are a fault of the input, not a result.

    Made once for a run, asked at the end of every replication.
    """

    def __init__(self, given: RunInput) -> None:
        self._given = given
        self._ways = Ways(given)
        self._unit_of = [unit for unit in given.model.units for _ in range(unit.servers)]

    @property
    def may_stand(self) -> bool:
        """False: parts can never wait for each other, so the line goes on as long as anything moves."""
        return self._ways.may_stand

    def refuse(self, at: Snapshot) -> None:
        """Refuse a replication that ended with parts that can never go on.

        Raises:
            DataError: Who waits for whom, and since when.
        """
        prospects = Prospects(self._ways, at) if self.may_stand else None
        if prospects is not None and (prospects.held() or prospects.left()):
            raise _refusal(at, ", deadlock", self._deadlocked(at, prospects))
        if any(s.moves for s in at.servers) or at.more_to_come:
            return
        jobs = self._given.jobs is not None
        if jobs and at.main_left == 0:
            return
        parts = f", {at.main_left} parts have not left" if jobs else ""
        now = _Now(at)
        everybody = ((s, self._wait(at, now, s)) for s in range(len(at.servers)))
        raise _refusal(at, parts, {s: text for s, (text, _) in everybody if text})

    def _deadlocked(self, at: Snapshot, prospects: Prospects) -> dict[int, str]:
        """Whose parts never go on, and whom they wait for: sentences by server, in the order of the file."""
        units, held = self._given.model.units, set(prospects.held())
        found = dict.fromkeys(held, "")
        asked = [*sorted(prospects.left())]
        for s in sorted(held):
            found[s], after = self._wait(at, prospects, s)
            asked += after
        for u in asked:  # grows on the way from those who wait to those whom they wait for
            first = units[u].first_server
            for s in range(first, first + units[u].servers):
                stands = at.servers[s].phase == EMPTY and u not in prospects.begins
                if s not in found and (stands or u in prospects.left()):
                    found[s], after = self._wait(at, prospects, s)
                    asked += (v for v in after if v not in asked)
        return {s: found[s] for s in sorted(found) if found[s]}

    def _wait(self, at: Snapshot, facts: _Facts, s: int) -> tuple[str, list[int]]:
        """What a server waits for, and the units that would have to act; empty: for nothing."""
        unit, server = self._unit_of[s], at.servers[s]
        zones = self._given.model.zones
        if server.phase == HELD and server.dest != LEAVE:
            after = zones[server.dest].downstream
            name = self._given.model.units[after].name
            return f"{unit.name} waits for {name} to take a part", [after]
        if server.phase != EMPTY:
            return "", []
        what, missing = self._wants(facts, unit, server)
        before = [zones[z].upstream for z in missing if zones[z].upstream >= 0]
        return f"{unit.name} {what}" if what else "", before

    def _wants(
        self, facts: _Facts, unit: UnitTable, server: ServerSnapshot
    ) -> tuple[str, Iterable[int]]:
        """What an empty server lacks to begin, and the zones in which it lacks it."""
        model, zones = self._given.model, unit.zones_in
        kit = server.kit or (False,) * len(zones)
        missing = [
            z for z, there in zip(zones, kit, strict=True) if not (there or facts.has_part(z))
        ]
        if missing and (unit.assembles or len(missing) == len(zones)):
            return f"waits for a part in {', '.join(model.zones[z].name for z in missing)}", missing
        cards = [model.loops[loop].name for loop in unit.opens if not facts.has_card(loop)]
        if cards:
            return f"waits for a card of {', '.join(cards)}", ()
        if not zones:
            return "has no job left", ()
        if unit.batch > 1:
            return f"waits for {unit.batch_minimum} parts", zones
        return "", ()


class _Facts(Protocol):
    """What there is for those who are empty; or may be, some day."""

    def has_part(self, zone: int) -> bool: ...
    def has_card(self, loop: int) -> bool: ...


class _Now:
    """What there is at this instant."""

    def __init__(self, at: Snapshot) -> None:
        self._at = at
        self._held_for = {s.dest for s in at.servers if s.phase == HELD}

    def has_part(self, zone: int) -> bool:
        return self._at.waiting[zone] > 0 or zone in self._held_for

    def has_card(self, loop: int) -> bool:
        return self._at.cards[loop] > 0


def _refusal(at: Snapshot, what: str, waits: Mapping[int, str]) -> DataError:
    """Dated with the instant at which the last of them began to wait."""
    since_s = max((at.servers[s].since_s for s in waits), default=at.now_s)
    return DataError(
        f"the line cannot go on after {since_s:.0f} s in replication {at.replication}{what}: "
        + "; ".join(dict.fromkeys(waits.values()))
    )
