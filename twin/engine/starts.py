"""Where a replication starts: parts and servers of a live state, and the first failures; for every engine."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from twin.engine.cards import loops_of_places
from twin.engine.inputs import RunInput
from twin.engine.lives import first_failure
from twin.engine.model import LEAVE
from twin.engine.streams import uniform
from twin.engine.types import UnitStart
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


@dataclass(frozen=True, slots=True)
class PlacedPart:
    number: int
    order: int
    product: int
    main: bool
    cards: tuple[int, ...]
    """Loops of which it holds a card."""


@dataclass(slots=True)
class PlacedServer:
    """One server that does not start empty, up and as new."""

    phase: int = EMPTY
    part: PlacedPart | None = None
    remaining_s: float = 0.0
    last_product: int = -1
    last_order: int = -1
    down: bool = False
    mode: int = -1
    """What it is down for; -1: nothing that has a mode."""
    repair_s: float = math.nan
    """Repair left; NaN: drawn as a crew begins."""


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
    number = 0
    servers: dict[int, PlacedServer] = {}
    zones: dict[int, list[PlacedPart]] = {}
    model = given.model

    of_units, of_zones = loops_of_places(model)

    def part(order_id: str | None, product: str, main: bool, cards: tuple[int, ...]) -> PlacedPart:
        nonlocal number
        order = given.orders.index(order_id) if order_id else -1
        number += 1
        return PlacedPart(number - 1, order, model.products.index(product), main, cards)

    for u in model.downstream_first:
        unit = model.units[u]
        known = state.servers_of(unit.name) if unit.name in state.names() else ()
        for s, start in enumerate(known):
            held = start.holds_part and start.product is not None
            inside = (
                part(start.order_id, start.product or "", unit.main, of_units[u]) if held else None
            )
            servers[unit.first_server + s] = _server(given, replication, u, s, start, inside)
        for z in unit.zones_in:
            main = unit.main and (z == unit.zones_in[0] or not unit.assembles)
            waiting = state.zones.get(model.zones[z].name, ())
            if waiting:
                zones[z] = [part(p.order_id, p.product, main, of_zones[z]) for p in waiting]
    return Placement(servers, zones, number)


def _server(
    given: RunInput, replication: int, u: int, s: int, start: UnitStart, part: PlacedPart | None
) -> PlacedServer:
    products = given.model.products
    server = PlacedServer()
    last_product = start.last_product or start.product
    if last_product:
        server.last_product = products.index(last_product)
    last_order = start.last_order_id or (start.order_id if not start.last_product else None)
    if last_order in given.orders:
        server.last_order = given.orders.index(last_order)
    if start.state in (WorkUnitState.DOWN, WorkUnitState.REPAIR):
        _down(given, u, start, server)
    if part is None:
        return server
    server.part, server.phase = part, _PHASE[start.state]
    table = given.model.units[u]
    if server.phase == HELD and LEAVE in (*table.by_product, *(zone for zone, _ in table.shares)):
        # Nothing can hold it where parts leave: its work ends at time 0.
        server.phase = WORKING
        return server
    server.remaining_s = _remaining(given, replication, u, s, start, server)
    if server.phase == SETTING_UP or start.last_product is None:
        server.last_order, server.last_product = part.order, part.product
    return server


def _down(given: RunInput, u: int, start: UnitStart, server: PlacedServer) -> None:
    modes = given.model.units[u].modes
    mode = next((m for m, t in enumerate(modes) if start.failure_mode in (None, t.name)), -1)
    if mode < 0 and start.repair_remaining_s is None:
        return
    server.down, server.mode = True, mode
    if start.repair_remaining_s is not None:
        server.repair_s = max(0.0, start.repair_remaining_s)


def _remaining(
    given: RunInput, replication: int, u: int, s: int, start: UnitStart, server: PlacedServer
) -> float:
    """What is left: given, or a uniform share of what a whole one would take."""
    part = server.part
    if part is None or server.phase == HELD:
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
