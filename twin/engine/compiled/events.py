"""The event loop as an engine: replications one after the other, on flat tables."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from twin.engine.compiled.layout import World
from twin.engine.compiled.loop import DONE, ENDLESS, RESIDUAL, advance, close
from twin.engine.compiled.opening import prepare
from twin.engine.compiled.pointers import addresses
from twin.engine.compiled.world import Stage
from twin.engine.counts import Counts, EventColumns, trace_of
from twin.engine.inputs import RunInput
from twin.engine.measure import run_result
from twin.engine.model import LEAVE
from twin.engine.prospects import ServerSnapshot, Snapshot
from twin.engine.starts import EMPTY, HELD
from twin.engine.stuck import StandstillCheck, endless
from twin.engine.types import RunResult
from twin.plant import residual_s

__all__ = ["run"]

_LOG_ROWS = 10_000


def run(given: RunInput, first: int, replications: int, *, trace: bool, reason: str) -> RunResult:
    """These replications, one after the other."""
    counts = Counts.empty(given, replications)
    stage = Stage(given, _LOG_ROWS if trace else 0)
    check = StandstillCheck(given)
    logs = [_replication(stage, check, first + row, counts, row) for row in range(replications)]
    found = trace_of(given, first, logs) if trace else None
    return run_result(given, first, counts, engine="events", reason=reason, trace=found)


def _replication(
    stage: Stage, check: StandstillCheck, replication: int, counts: Counts, row: int
) -> EventColumns:
    """One replication; again with more room, if it was too little."""
    while True:
        world = stage.world(replication, counts, row)
        table = addresses(world)
        done = _play(stage.given, world, table)
        rows = int(world.line["log_n"][0])
        if (done and rows <= stage.log_rows) or (stage.log_rows == 0 and done):
            break
        if done:
            stage.log_rows = rows
        else:
            stage.grow()
        counts.made[row] = 0
        counts.rejected[row] = 0
        counts.starts[row] = 0
        counts.failures[row] = 0
    close(table)
    counts.end_s[row] = world.line["now"][0]
    counts.tallies[row] = world.tally
    counts.state_ticks[row] = world.ticks
    counts.order_started_s[row] = world.order["started"]
    counts.order_finished_s[row] = world.order["finished"]
    counts.order_good[row] = world.order["good"]
    if check.may_stand or not _moves(world).any():
        check.refuse(_snapshot(stage.given, world, replication))
    return _columns(world, rows)


def _play(given: RunInput, world: World, table: Any) -> bool:
    """From time 0 to the end; False if there was too little room."""
    prepare(table, given.warm_up_s)
    while True:
        status = advance(table)
        if status == RESIDUAL:
            _find_residual(given, world)
            continue
        if status == ENDLESS:
            at = world.server["unit"][world.line["stuck_server"][0]]
            raise endless(given.model.units[at].name, float(world.line["now"][0]))
        return bool(status == DONE)


def _find_residual(given: RunInput, world: World) -> None:
    """The life that a mode has left at the end of its forecast's curve."""
    k = int(world.line["curve_mode"][0])
    mode = world.mode[k]
    server = world.server[mode["server"]]
    law = given.model.units[server["unit"]].modes[k - server["modes_at"]].life
    mode["residual"] = residual_s(law, float(mode["age"]), float(mode["law_u"]))


def _moves(world: World) -> Any:
    """By server: time or people will free it."""
    server = world.server
    return (server["running"] + server["down"] + server["wants"] > 0) | (server["on"] == 0)


def _snapshot(given: RunInput, world: World, replication: int) -> Snapshot:
    server = world.server
    phase = server["phase"]
    dest = np.where(phase == HELD, world.part["dest"][server["first"]], LEAVE)
    again = (phase == EMPTY) & (server["asked"] == server["again"])
    since = np.where(again, server["idle"], server["asked"])
    columns = (phase, _moves(world), dest, server["parts"] > 1, since)
    rows = zip(*(column.tolist() for column in columns), _kits(given, world), strict=True)
    return Snapshot(
        replication=replication,
        now_s=float(world.line["now"][0]),
        servers=tuple(ServerSnapshot(*row) for row in rows),
        waiting=tuple(world.zone["parts"].tolist()),
        cards=tuple(world.counters[0, : len(given.model.loops)].tolist()),
        main_left=int(world.line["main_left"][0]),
        more_to_come=_more_to_come(given, world),
    )


def _kits(given: RunInput, world: World) -> Iterator[tuple[bool, ...]]:
    """By server: which components it has, where it takes them as they come."""
    there = iter((world.kit >= 0).tolist())
    for unit in given.model.units:
        for _ in range(unit.servers):
            yield tuple(islice(there, len(unit.zones_in))) if unit.eager else ()


def _more_to_come(given: RunInput, world: World) -> bool:
    line = world.line[0]
    if line["moving"] or line["receipts"] or any(u.interarrival for u in given.model.units):
        return True
    if any(job.release_s > line["now"] for job in given.jobs or ()):
        return True
    return any(
        world.on_hand[item] < n
        for unit in given.model.units
        for used in unit.consumes
        for item, n in used
    )


def _columns(world: World, rows: int) -> EventColumns:
    log = world.log[:rows]
    return EventColumns(
        log["time"].copy(),
        log["unit"].astype(np.int32),
        log["kind"].astype(np.int8),
        log["part"].copy(),
        log["order"].astype(np.int32),
        log["product"].astype(np.int32),
    )
