"""Where a replication starts: parts and servers of a live state, and the first failures; for every engine."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from twin.engine.cards import loops_of_places
from twin.engine.inputs import RunInput
from twin.engine.live import PartStart, UnitStart
from twin.engine.lives import first_failure
from twin.engine.model import LEAVE, UnitTable
from twin.engine.streams import uniform
from twin.engine.variates import quantiles
from twin.plant import WorkUnitState, residual_s

__all__ = [
    "EMPTY",
    "HELD",
    "SETTING_UP",
    "WORKING",
    "FirstLife",
    "PlacedPart",
    "PlacedServer",
    "Placement",
    "entity",
    "first_lives",
    "place",
]

EMPTY, SETTING_UP, WORKING, HELD = range(4)
"""How far a server is with its part."""

_PHASE = {
    WorkUnitState.PRODUCTION: WORKING,
    WorkUnitState.SETUP: SETTING_UP,
    WorkUnitState.BLOCKED: HELD,
    WorkUnitState.DELAY: WORKING,
    WorkUnitState.DOWN: WORKING,
    WorkUnitState.REPAIR: WORKING,
    WorkUnitState.OFF: WORKING,
}


@dataclass(slots=True, kw_only=True)
class PlacedPart:
    number: int
    order: int
    product: int
    main: bool
    cards: tuple[int, ...]
    """Loops of which it holds a card."""
    reworks: int
    defective: bool
    ready_s: float
    """When it can be taken out of its zone."""


@dataclass(slots=True)
class PlacedServer:
    """One server that does not start empty, up and as new."""

    phase: int = EMPTY
    parts: list[PlacedPart] = field(default_factory=list)
    fresh: bool = False
    """True: its setup or work has not begun, and the log says so when it does."""
    busy: bool = False
    """True: it sets up or works, so that it has the operator that it needs."""
    team: int = -1
    """Operator team of which one person is here."""
    remaining_s: float = 0.0
    last_product: int = -1
    last_order: int = -1
    down: bool = False
    mending: bool = False
    """A crew is at it."""
    mode: int = -1
    """What it is down for; -1: nothing that has a mode."""
    repair_s: float = math.nan
    """Repair left; NaN: drawn as a crew begins."""
    made: dict[int, int] = field(default_factory=dict)
    """Parts since the last time, by upkeep of the unit."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Parts are numbered from 0: from the ends of the line backwards, the parts in a unit, then
    its zones in order, each from the first to leave."""

    servers: dict[int, PlacedServer] = field(default_factory=dict)
    zones: dict[int, list[PlacedPart]] = field(default_factory=dict)
    parts: int = 0


@dataclass(frozen=True, slots=True)
class FirstLife:
    """A first life that is not simply the first draw of its law.

    With ``law_u``: ``after_s`` is the end of a forecast curve, where the law of the mode takes
    over at the age that it then has, at that uniform.
    """

    server: int
    mode: int
    after_s: float
    forecast: bool
    """True: ``after_s`` counts by the clock, whatever the clock of the mode."""
    law_u: float = math.nan
    age_s: float = 0.0


def entity(unit: str, server: int) -> str:
    """Name of one server of a unit in its random streams; the first has the name of the unit."""
    return f"{unit}#{server + 1}" if server else unit


def place(given: RunInput, replication: int) -> Placement:
    """Parts and servers at time 0. Nothing moves yet."""
    state = given.live
    if state is None:
        return Placement()
    servers: dict[int, PlacedServer] = {}
    zones: dict[int, list[PlacedPart]] = {}
    model = given.model
    of_units, of_zones = loops_of_places(model)
    numbers = count()

    def put(parts: tuple[PartStart, ...], main: bool, cards: tuple[int, ...]) -> list[PlacedPart]:
        return [_part(given, next(numbers), part, main, cards) for part in parts]

    for u in model.downstream_first:
        unit = model.units[u]
        known = state.servers_of(unit.name) if unit.name in state.names() else ()
        for s, start in enumerate(known):
            inside = put(start.parts, unit.main, of_units[u])
            servers[unit.first_server + s] = _server(given, replication, u, s, start, inside)
        for z in unit.zones_in:
            main = unit.main and (z == unit.zones_in[0] or not unit.assembles)
            table = model.zones[z]
            if waiting := state.zones.get(table.name, ()):
                zones[z] = put(waiting, main, of_zones[z])
                _transported(zones[z], table.transport_s)
    _with_operators(given, servers)
    return Placement(servers, zones, next(numbers))


def _part(
    given: RunInput, number: int, start: PartStart, main: bool, cards: tuple[int, ...]
) -> PlacedPart:
    return PlacedPart(
        number=number,
        order=given.orders.index(start.order_id) if start.order_id else -1,
        product=given.model.products.index(start.product),
        main=main,
        cards=cards,
        reworks=start.reworks,
        defective=start.defective,
        ready_s=start.remaining_s,
    )


def _transported(parts: list[PlacedPart], transport_s: float) -> None:
    """On a conveyor nobody overtakes, and nobody has further to go than its length."""
    least_s = 0.0
    for part in parts:
        least_s = part.ready_s = max(least_s, min(part.ready_s, transport_s))


def _with_operators(given: RunInput, servers: dict[int, PlacedServer]) -> None:
    """Servers that are at it have an operator, as far as there are enough of them."""
    free = list(given.model.teams)
    for table in given.model.units:
        for s in range(table.first_server, table.first_server + table.servers):
            server = servers.get(s)
            if server is None or not server.busy or not table.on_at_start:
                continue
            if table.work_needs if server.phase == WORKING else table.setup_needs:
                server.team = next((t for t in table.teams if free[t]), -1)
                if server.team >= 0:
                    free[server.team] -= 1


def _server(
    given: RunInput, replication: int, u: int, s: int, start: UnitStart, parts: list[PlacedPart]
) -> PlacedServer:
    products, table = given.model.products, given.model.units[u]
    server = PlacedServer()
    last_product = start.last_product or start.product
    if last_product:
        server.last_product = products.index(last_product)
    last_order = start.last_order_id or (start.order_id if not start.last_product else None)
    if last_order in given.orders:
        server.last_order = given.orders.index(last_order)
    for w, upkeep in enumerate(table.upkeep):
        server.made[w] = start.parts_since.get(upkeep.name, 0)
    if start.state in (WorkUnitState.DOWN, WorkUnitState.REPAIR):
        _down(given, u, start, server)
    if not parts:
        return server
    server.parts, server.phase = parts, _PHASE[start.state]
    server.busy = start.state in (WorkUnitState.PRODUCTION, WorkUnitState.SETUP)
    if start.state is WorkUnitState.DELAY and start.remaining_s is None:
        _begins(table, server)
        return server
    if server.phase == HELD and LEAVE in (*table.by_product, *(zone for zone, _ in table.shares)):
        # Nothing can hold it where parts leave: its work ends at time 0.
        server.phase = WORKING
        return server
    server.remaining_s = _remaining(given, replication, u, s, start, server)
    if server.phase == SETTING_UP or start.last_product is None:
        server.last_order, server.last_product = parts[0].order, parts[0].product
    return server


def _begins(table: UnitTable, server: PlacedServer) -> None:
    """All of its work lies ahead, and the setup before it, if there is one."""
    first, last = server.parts[0], server.last_product
    server.fresh = True
    if (first.order, first.product) != (server.last_order, last):
        server.last_order, server.last_product = first.order, first.product
        server.remaining_s = table.setup_s[last][first.product] if last >= 0 else 0.0
        server.phase = SETTING_UP if server.remaining_s > 0.0 else WORKING


def _down(given: RunInput, u: int, start: UnitStart, server: PlacedServer) -> None:
    modes = given.model.units[u].modes
    mode = next((m for m, t in enumerate(modes) if start.failure_mode in (None, t.name)), -1)
    if mode < 0 and start.repair_remaining_s is None:
        return
    server.down, server.mode = True, mode
    server.mending = start.state is WorkUnitState.REPAIR
    if start.repair_remaining_s is not None:
        server.repair_s = max(0.0, start.repair_remaining_s)


def _remaining(
    given: RunInput, replication: int, u: int, s: int, start: UnitStart, server: PlacedServer
) -> float:
    """What is left: given, or a uniform share of what a whole one would take."""
    part = server.parts[0]
    if server.phase == HELD:
        return 0.0
    if start.remaining_s is not None:
        return max(0.0, start.remaining_s)
    unit = given.model.units[u]
    share = uniform(given.seed, replication, entity(unit.name, s), "remaining", 0)
    if server.phase == SETTING_UP:
        last = server.last_product
        return share * (unit.setup_s[last][part.product] if last >= 0 else 0.0)
    row = given.laws.cycle[u][part.product]
    drawn = np.array([uniform(given.seed, replication, unit.name, "cycle", part.number)])
    return share * float(quantiles(given.laws.table, row, drawn)[0])


def first_lives(given: RunInput, replication: int) -> list[FirstLife]:
    """First lives of modes that have an age or a forecast."""
    found: list[FirstLife] = []
    state = given.live
    for u, unit in enumerate(given.model.units):
        starts = state.servers_of(unit.name) if state else ()
        for m, mode in enumerate(unit.modes):
            for s in range(unit.servers):
                age_s = starts[s].age_s.get(mode.name, 0.0) if s < len(starts) else 0.0
                forecast = given.forecasts.get((u, m)) if s == 0 else None
                if forecast is None and age_s <= 0.0:
                    continue
                server = unit.first_server + s
                draw = uniform(
                    given.seed, replication, entity(unit.name, s), f"life/{mode.name}", 0
                )
                if forecast is None:
                    left_s = residual_s(mode.life, age_s, draw)
                    found.append(FirstLife(server, m, left_s, False))
                    continue
                first = first_failure(forecast[1], forecast[0], draw)
                law_u = math.nan if first.law_u is None else first.law_u
                found.append(FirstLife(server, m, first.after_s, True, law_u, age_s))
    return found
