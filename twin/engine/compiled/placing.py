"""What is in place when a replication of the event loop begins: parts, servers and first lives of a live state."""

from __future__ import annotations

import math
from typing import Any

from twin.engine.compiled.layout import (
    AGED,
    CURVE_ENDS,
    FAILED,
    FORECAST,
    UNDER_REPAIR,
    World,
)
from twin.engine.inputs import RunInput
from twin.engine.starts import (
    HELD,
    WORKING,
    PlacedPart,
    PlacedServer,
    first_lives,
    place,
)

__all__ = ["put_in_place"]


def put_in_place(world: World, given: RunInput, replication: int) -> None:
    """Into the tables of a replication that is otherwise at its beginning."""
    placement = place(given, replication)
    line = world.line[0]
    line["placed"] = placement.parts
    line["free_part"] = placement.parts
    line["free_parts"] -= placement.parts
    for z, rows in placement.zones.items():
        _parts(world, world.zone[z], rows)
    for index, start in placement.servers.items():
        _server(world, index, start)
        if given.model.cyclic and start.phase in (WORKING, HELD) and not start.fresh:
            world.visits[[row.number for row in start.parts], world.server[index]["unit"]] = 1
    _first_lives(world, given, replication)


def _server(world: World, index: int, start: PlacedServer) -> None:
    server = world.server[index]
    server["last_product"], server["last_order"] = start.last_product, start.last_order
    if start.down:
        server["down"], server["work"] = 1, FAILED
        server["repairing"] = start.mending
        server["work_at"], server["work_s"] = start.mode, start.repair_s
        if start.mode >= 0:
            world.mode[server["modes_at"] + start.mode]["first"] = UNDER_REPAIR
    for w, made in start.made.items():
        world.upkeep[server["upkeep_at"] + w]["parts"] = made
    if start.parts:
        _parts(world, server, start.parts)
        server["phase"], server["remaining"] = start.phase, start.remaining_s
        server["fresh"], server["team"] = start.fresh, start.team
        if start.team >= 0:
            world.counters[2, start.team] -= 1


def _first_lives(world: World, given: RunInput, replication: int) -> None:
    for life in first_lives(given, replication):
        mode = world.mode[world.server[life.server]["modes_at"] + life.mode]
        if mode["first"] == UNDER_REPAIR:
            continue
        mode["residual"], mode["law_u"], mode["age"] = life.after_s, life.law_u, life.age_s
        ends = FORECAST if math.isnan(life.law_u) else CURVE_ENDS
        mode["first"] = ends if life.forecast else AGED


def _parts(world: World, holder: Any, rows: list[PlacedPart]) -> None:
    """Into a zone or a server, in this order."""
    parts = [_part(world, row) for row in rows]
    world.part["next"][parts] = [*parts[1:], -1]
    holder["first"], holder["last"], holder["parts"] = parts[0], parts[-1], len(parts)


def _part(world: World, row: PlacedPart) -> int:
    part = world.part[row.number]
    part["number"] = part["index"] = row.number
    part["order"], part["product"], part["main"] = row.order, row.product, row.main
    part["reworks"], part["defective"], part["ready"] = row.reworks, row.defective, row.ready_s
    part["dest"] = part["next"] = -1
    part["cards"] = sum(1 << loop for loop in row.cards)
    for loop in row.cards:
        world.counters[0, loop] -= 1
    if row.main and row.order >= 0:
        world.line["main_left"] += 1
        world.order["left"][row.order] += 1
        world.order["started"][row.order] = 0.0
    return row.number
