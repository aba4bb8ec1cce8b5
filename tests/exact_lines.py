"""Exact answers for small lines, worked out without the engine: Markov chains and closed forms.

Times are in seconds, rates per second. Nothing here imports the product.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import spsolve

State = TypeVar("State", bound=Hashable)
Moves = Callable[[State], Iterable[tuple[float, State, float]]]
"""From a state: (rate or probability, next state, parts that leave the line on the way)."""


def chain(start: State, moves: Moves[State]) -> tuple[list[State], NDArray[np.float64], float]:
    """States that can be reached, their stationary probabilities, and parts that leave per second.

    The balance equations hold alike for rates and for the probabilities of a chain in discrete time
    (a step to the same state cancels), so one solver serves both.
    """
    number = {start: 0}
    states = [start]
    rows, columns, rates, leaving = [], [], [], [0.0]
    for state in states:  # grows on the way
        here = number[state]
        for rate, following, parts in moves(state):
            if following not in number:
                number[following] = len(states)
                states.append(following)
                leaving.append(0.0)
            leaving[here] += rate * parts
            rows += [number[following], here]
            columns += [here, here]
            rates += [rate, -rate]
    n = len(states)
    balance = sparse.lil_matrix(sparse.coo_matrix((rates, (rows, columns)), shape=(n, n)))
    balance[n - 1, :] = 1.0  # one equation is redundant; probabilities add up to one
    right = np.zeros(n)
    right[n - 1] = 1.0
    share = np.asarray(spsolve(balance.tocsc(), right))
    return states, share, float(share @ np.array(leaving))


# Lines of exponential stations with finite zones, blocked after service.

EMPTY, BUSY, HELD, DOWN = range(4)


@dataclass(frozen=True)
class Station:
    """One exponential server; it fails only while it works."""

    rate: float = 1.0
    """``math.inf`` takes no time."""
    fails: float = 0.0
    mends: float = 0.0
    eager: bool = False
    """Takes each component as soon as it is there; else all of them at once."""
    scraps: float = 0.0
    """Share of the parts that leave the line here, and are not counted."""


@dataclass(frozen=True)
class Loop:
    """So many cards from the station that takes one with each part to where it comes back."""

    cards: int
    first: int
    zone: int | None = None
    """The card returns as the part leaves this zone; None: as it leaves the line."""


@dataclass(frozen=True)
class _Floor:
    phase: tuple[int, ...]
    zone: tuple[int, ...]
    loaded: tuple[bool, ...]
    """By zone: its component is in the eager station after it."""
    cards: tuple[int, ...]
    left: int = 0


@dataclass(frozen=True)
class Line:
    """Stations, and zones as (upstream, downstream, places).

    Stations without a zone before them never starve; repairs never wait for a crew.
    """

    stations: tuple[Station, ...]
    zones: tuple[tuple[int, int, int], ...]
    loops: tuple[Loop, ...] = ()

    def throughput(self) -> float:
        """Parts per second that leave the line."""
        return self.solved()[2]

    def solved(self) -> tuple[list[_Floor], NDArray[np.float64], float]:
        """States, their probabilities, and parts per second that leave the line."""
        nothing = _Floor(
            (EMPTY,) * len(self.stations),
            (0,) * len(self.zones),
            (False,) * len(self.zones),
            tuple(loop.cards for loop in self.loops),
        )
        return chain(self._settled(nothing), self._moves)

    def _moves(self, floor: _Floor) -> Iterable[tuple[float, _Floor, float]]:
        for i, station in enumerate(self.stations):
            if floor.phase[i] == DOWN:
                yield station.mends, _phase(floor, i, BUSY), 0.0
            elif floor.phase[i] == BUSY:
                after = self._settled(_phase(floor, i, HELD))
                good = station.rate * (1.0 - station.scraps)
                yield good, replace(after, left=0), float(after.left)
                if station.scraps:
                    after = self._settled(self._carded(_phase(floor, i, EMPTY), None))
                    yield station.rate * station.scraps, after, 0.0
                if station.fails:
                    yield station.fails, _phase(floor, i, DOWN), 0.0

    def _settled(self, floor: _Floor) -> _Floor:
        while True:
            before = floor
            for i in reversed(range(len(self.stations))):
                floor = self._handed_over(floor, i)
                floor = self._taken(floor, i)
            if floor == before:
                return floor

    def _handed_over(self, floor: _Floor, i: int) -> _Floor:
        if floor.phase[i] != HELD:
            return floor
        out = next((z for z, (a, _, _) in enumerate(self.zones) if a == i), None)
        if out is None:
            floor = self._carded(_phase(floor, i, EMPTY), None)
            return replace(floor, left=floor.left + 1)
        if floor.zone[out] < self.zones[out][2]:
            return _zone(_phase(floor, i, EMPTY), out, 1)
        return floor

    def _taken(self, floor: _Floor, i: int) -> _Floor:
        station = self.stations[i]
        if floor.phase[i] != EMPTY or any(
            loop.first == i and not floor.cards[k] for k, loop in enumerate(self.loops)
        ):
            return floor
        before = [z for z, (_, b, _) in enumerate(self.zones) if b == i]
        if not before:
            return self._begun(floor, i)
        if not station.eager:
            if all(self._offers(floor, z) for z in before):
                for z in before:
                    floor = self._pulled(floor, z)
                floor = self._begun(floor, i)
            return floor
        for z in before:
            if not floor.loaded[z] and self._offers(floor, z):
                floor = self._pulled(floor, z)
                floor = replace(floor, loaded=_put(floor.loaded, z, True))
        if all(floor.loaded[z] for z in before):
            for z in before:
                floor = replace(floor, loaded=_put(floor.loaded, z, False))
            floor = self._begun(floor, i)
        return floor

    def _begun(self, floor: _Floor, i: int) -> _Floor:
        for k, loop in enumerate(self.loops):
            if loop.first == i:
                floor = replace(floor, cards=_put(floor.cards, k, floor.cards[k] - 1))
        return _phase(floor, i, HELD if math.isinf(self.stations[i].rate) else BUSY)

    def _offers(self, floor: _Floor, z: int) -> bool:
        return floor.zone[z] > 0 or floor.phase[self.zones[z][0]] == HELD

    def _pulled(self, floor: _Floor, z: int) -> _Floor:
        floor = self._carded(floor, z)
        if floor.zone[z]:
            return _zone(floor, z, -1)
        return _phase(floor, self.zones[z][0], EMPTY)

    def _carded(self, floor: _Floor, zone: int | None) -> _Floor:
        """Cards that come back as a part leaves this zone, or the line."""
        for k, loop in enumerate(self.loops):
            if loop.zone == zone:
                floor = replace(floor, cards=_put(floor.cards, k, floor.cards[k] + 1))
        return floor


def _put(values: tuple[State, ...], i: int, value: State) -> tuple[State, ...]:
    return (*values[:i], value, *values[i + 1 :])


def _phase(floor: _Floor, i: int, phase: int) -> _Floor:
    return replace(floor, phase=_put(floor.phase, i, phase))


def _zone(floor: _Floor, z: int, more: int) -> _Floor:
    return replace(floor, zone=_put(floor.zone, z, floor.zone[z] + more))


def serial_line(stations: Sequence[Station], places: int, *loops: Loop) -> Line:
    """Stations in a row, as many places between each two."""
    zones = tuple((i, i + 1, places) for i in range(len(stations) - 1))
    return Line(tuple(stations), zones, loops)


def fork_join(feeders: int, places: int, rate: float, *, eager: bool) -> Line:
    """Unit-rate stations that never starve, each with a zone of its own into one assembly."""
    stations = (*[Station()] * feeders, Station(rate, eager=eager))
    return Line(stations, tuple((i, feeders, places) for i in range(feeders)))


def oven_throughput(feeds: float, heats: float, size: int, minimum: int, places: int) -> float:
    """Parts per second of an exponential station that feeds an oven through a zone.

    The oven begins with ``minimum`` waiting parts or more, takes ``size`` at most, and heats them all for
    one exponential time. ``places`` is at least ``minimum``.
    """

    def settled(waiting: int, held: bool, inside: int) -> tuple[int, bool, int]:
        while True:
            if held and waiting < places:
                waiting, held = waiting + 1, False
            elif not inside and waiting >= minimum:
                inside = min(waiting, size)
                waiting -= inside
            else:
                return waiting, held, inside

    def moves(
        state: tuple[int, bool, int],
    ) -> Iterable[tuple[float, tuple[int, bool, int], float]]:
        waiting, held, inside = state
        if not held:
            yield feeds, settled(waiting, True, inside), 0.0
        if inside:
            yield heats, settled(waiting, held, 0), float(inside)

    return chain((0, False, 0), moves)[2]


# Two machines whose work takes one cycle; lives and repairs are whole numbers of cycles.


def gershwin_line(fails: float, mends: float, places: int) -> float:
    """Parts per cycle of the deterministic two-machine line, from its definition.

    A machine that is neither starved nor blocked fails at the start of a cycle with probability
    ``fails``; a failed one is up again with probability ``mends``. ``places`` counts the part in
    the second machine.

    Source:
        Buzacott (1967); Gershwin, Manufacturing Systems Engineering (1994), section 3.2.
    """

    def following(up: int, can_work: bool) -> Sequence[tuple[float, int]]:
        if not up:
            return ((mends, 1), (1.0 - mends, 0))
        return ((fails, 0), (1.0 - fails, 1)) if can_work else ((1.0, 1),)

    def moves(state: tuple[int, int, int]) -> Iterable[tuple[float, tuple[int, int, int], float]]:
        stock, first, second = state
        for p, first_up in following(first, stock < places):
            for q, second_up in following(second, stock > 0):
                made = first_up if stock < places else 0
                used = second_up if stock > 0 else 0
                yield p * q, (stock + made - used, first_up, second_up), float(used)

    return chain((0, 1, 1), moves)[2]


def cycle_line(fails: float, mends: float, places: int) -> float:
    """Parts per second of our line of two units of cycle 1 s with a zone of ``places`` between them.

    From the rules of docs/explanation/engine.md: lives and repairs are geometric from 1 s on; a life
    that ends as work ends strikes as the next work begins; work done is blocked after service.
    """
    failed_or_not = ((fails, DOWN), (1.0 - fails, BUSY))

    def moves(state: tuple[int, int, int]) -> Iterable[tuple[float, tuple[int, int, int], float]]:
        a, stock, b = state
        for p, a_then in ((mends, BUSY), (1.0 - mends, DOWN)) if a == DOWN else ((1.0, HELD),):
            for q, b_then in ((mends, BUSY), (1.0 - mends, DOWN)) if b == DOWN else ((1.0, EMPTY),):
                a_now, stock_now, b_now, began = _settled_pair(a_then, stock, b_then, places)
                for f, a_next in failed_or_not if began[0] else ((1.0, a_now),):
                    for g, b_next in failed_or_not if began[1] else ((1.0, b_now),):
                        yield p * q * f * g, (a_next, stock_now, b_next), float(b == BUSY)

    return chain((BUSY, 0, EMPTY), moves)[2]


def _settled_pair(
    a: int, stock: int, b: int, places: int
) -> tuple[int, int, int, tuple[bool, bool]]:
    """After the ends of a cycle: parts move, and (did the first, did the second) begin new work."""
    b_began = b == EMPTY and (stock > 0 or a == HELD)
    if b_began:
        b = BUSY
        if stock:
            stock -= 1
        else:
            a = EMPTY
    if a == HELD and stock < places:
        stock, a = stock + 1, EMPTY
    a_began = a == EMPTY
    return BUSY if a_began else a, stock, b, (a_began, b_began)
