"""From a run's tables to the flat tables of the event loop, and from one replication to the next."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from twin.engine.compiled import layout
from twin.engine.compiled.layout import World
from twin.engine.compiled.placing import put_in_place
from twin.engine.counts import TALLIES, hours_of
from twin.engine.inputs import RunInput
from twin.engine.model import STATES, LineModel, UnitTable
from twin.engine.starts import entity
from twin.engine.streams import stream_key
from twin.engine.stuck import too_much_at_once
from twin.engine.variates import CONSTANT

__all__ = ["Stage"]

_key = lru_cache(maxsize=200_000)(stream_key)


class _Lists:
    """Lists of numbers, one after the other; every list is known by where it begins."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def add(self, values: Any) -> int:
        self.values += values
        return len(self.values) - len(values)


class Stage:
    """The tables of one run: what never changes, and a fresh state for every replication."""

    def __init__(self, given: RunInput, log_rows: int) -> None:
        self.given = given
        self.room = 16
        """How many requests and events there is room for, in units of the size of the line."""
        model = given.model
        self._ints, self._floats = _Lists(), _Lists()
        self.unit = np.zeros(len(model.units), layout.UNIT)
        self.server = np.zeros(model.servers, layout.SERVER)
        self.zone = np.zeros(len(model.zones), layout.ZONE)
        modes = sum(len(u.modes) * u.servers for u in model.units)
        self.mode = np.zeros(modes, layout.MODE)
        self.upkeep = np.zeros(sum(len(u.upkeep) * u.servers for u in model.units), layout.UPKEEP)
        self._kits = sum(len(u.zones_in) * u.servers for u in model.units if u.eager)
        self._streams: dict[tuple[str, str], list[tuple[int, str, str]]] = {}
        """(table, prefix of the columns) -> place in the table, entity, purpose."""
        self._fill_zones()
        self._fill_units()
        self._fill_jobs()
        batch = max(u.batch for u in model.units)
        sources = max((len(u.sources) for u in model.units), default=0)
        self._reserve = 2 + batch * max(1, sources)
        self.line = self._line()
        room = sum(min(zone.capacity, 64) for zone in model.zones) + model.servers * batch
        self.parts = 64 + room + 2 * self._reserve + self._placed()
        self.log_rows = log_rows
        self._receipts = [r for r in given.receipts if r.at_s > 0.0]
        self._on_hand = list(given.on_hand)
        for receipt in given.receipts:
            if receipt.at_s <= 0.0:
                self._on_hand[receipt.item] += receipt.quantity

    def grow(self) -> None:
        """Make twice the room for whatever may have been too small."""
        self.room *= 2
        self.parts *= 2

    def _placed(self) -> int:
        live = self.given.live
        if live is None:
            return 0
        units = [unit for name in live.names() for unit in live.servers_of(name)]
        return sum(map(len, live.zones.values())) + sum(len(unit.parts) for unit in units)

    # What never changes.

    def _line(self) -> Any:
        given, model = self.given, self.given.model
        line = np.zeros(1, layout.LINE)
        leaves = 1 << max(1, (model.servers - 1).bit_length())
        values = {
            "horizon": given.horizon_s,
            "grant_limit": too_much_at_once(given),
            "crews": model.crews,
            "until_done": given.until_done,
            "curve_mode": -1,
            "heads": len(model.heads),
            "leaves": leaves,
            "cyclic": model.cyclic,
            "servers": model.servers,
            "hours": hours_of(given),
            "hour_ends": 3600.0 if hours_of(given) > 1 else math.inf,
            "products": len(model.products),
            "jobs": len(given.jobs or ()),
            "lots": len(given.lots),
            "reserve": self._reserve,
        }
        for name, value in values.items():
            line[name] = value
        return line

    def _fill_zones(self) -> None:
        for row, table in zip(self.zone, self.given.model.zones, strict=True):
            row["transport"] = table.transport_s
            row["upstream"], row["downstream"] = table.upstream, table.downstream
            row["capacity"] = table.capacity
            row["closes"] = len(table.closes)
            row["closes_at"] = self._ints.add(table.closes)
            row["first"] = row["last"] = -1

    def _fill_units(self) -> None:
        failures = modes = upkeep = kits = 0
        for u, table in enumerate(self.given.model.units):
            row = self.unit[u]
            self._fill_unit(u, row, table)
            row["failures_at"] = failures
            failures += len(table.modes)
            edges = self._floats.add(table.edges_s)
            for s in range(table.servers):
                server = self.server[table.first_server + s]
                server["unit"] = u
                server["on"] = table.on_at_start
                server["shown"] = STATES.index("starved")
                server["edge"], server["edges_end"] = edges, edges + len(table.edges_s)
                server["until"] = math.inf
                server["again"] = -1.0
                for name in ("team", "first", "last", "last_product", "last_order"):
                    server[name] = -1
                server["modes_at"], server["upkeep_at"], server["kit_at"] = modes, upkeep, kits
                self._fill_modes(u, s, modes)
                self._fill_upkeep(u, s, upkeep)
                modes += len(table.modes)
                upkeep += len(table.upkeep)
                kits += len(table.zones_in) if table.eager else 0

    def _fill_unit(self, u: int, row: Any, table: UnitTable) -> None:
        given, ints, floats = self.given, self._ints, self._floats
        model = given.model
        heads = list(model.heads)
        values = {
            "defect_probability": table.defect_probability,
            "coverage": table.coverage,
            "first_server": table.first_server,
            "servers": table.servers,
            "zones": len(table.zones_in),
            "zones_at": ints.add(table.zones_in),
            "assembles": table.assembles,
            "eager": table.eager,
            "batch": table.batch,
            "batch_minimum": table.batch_minimum,
            "shares": len(table.shares),
            "shares_at": ints.add([zone for zone, _ in table.shares]),
            "share_ends_at": floats.add([end for _, end in table.shares]),
            "by_product_at": ints.add(table.by_product),
            "rework": table.rework,
            "rework_limit": table.rework_limit,
            "main": table.main,
            "sources": len(table.sources),
            "sources_at": ints.add(table.sources),
            "cycle_at": ints.add(given.laws.cycle[u]),
            "setup_at": floats.add([t for times in table.setup_s for t in times]),
            "modes": len(table.modes),
            "upkeep": len(table.upkeep),
            "work_needs": table.work_needs,
            "setup_needs": table.setup_needs,
            "teams": len(table.teams),
            "teams_at": ints.add(table.teams),
            "opens": len(table.opens),
            "opens_at": ints.add(table.opens),
            "closes": len(table.closes),
            "closes_at": ints.add(table.closes),
            "consumes": any(table.consumes),
            "consumes_at": self._consumption(table),
            "head": heads.index(u) if u in heads else -1,
            "launches": self._launches(table),
            "queue": self._queue(u, table),
            "interarrival": given.laws.interarrival[u],
            "arriving_at": floats.add(table.arriving),
            "again_first": -1,
            "again_last": -1,
            "position": 0 if given.jobs is not None and not table.saturated else -1,
        }
        for name, value in values.items():
            row[name] = value
        self._needs_streams(u, table)

    def _launches(self, table: UnitTable) -> int:
        if table.zones_in:
            return 0
        return 1 if self.given.jobs is not None and not table.saturated else 2

    def _queue(self, u: int, table: UnitTable) -> int:
        """The first of the heads that share the jobs; any other unit has its own."""
        if not table.main or self._launches(table) != 1:
            return u
        shared = (h for h in self.given.model.heads)
        units = self.given.model.units
        return next(h for h in shared if units[h].main and self._launches(units[h]) == 1)

    def _consumption(self, table: UnitTable) -> int:
        if not any(table.consumes):
            return 0
        begins = []
        for used in table.consumes:
            row = [x for item, n in used for x in (item, self._floats.add([n]))]
            begins.append(self._ints.add(row))
        return self._ints.add([*begins, begins[-1] + 2 * len(table.consumes[-1])])

    def _needs_streams(self, u: int, table: UnitTable) -> None:
        laws = self.given.laws
        drawn = any(laws.table.code[row] != CONSTANT for row in laws.cycle[u])
        for needed, purpose in (
            (drawn, "cycle"),
            (table.defect_probability > 0.0, "defect"),
            (table.coverage > 0.0, "detect"),
            (bool(table.shares), "route"),
            (table.interarrival is not None, "arrival"),
            (table.interarrival is not None and len(table.arriving) > 1, "product"),
        ):
            if needed:
                self._stream("unit", f"{purpose}_", u, table.name, purpose)

    def _fill_modes(self, u: int, s: int, at: int) -> None:
        laws, table = self.given.laws, self.given.model.units[u]
        name = entity(table.name, s)
        for m, mode in enumerate(table.modes):
            row = self.mode[at + m]
            row["fails_at"] = row["due"] = math.inf
            row["operating"] = mode.operating
            row["life"], row["repair"] = laws.life[u][m], laws.repair[u][m]
            row["server"] = table.first_server + s
            self._stream("mode", "life_", at + m, name, f"life/{mode.name}")
            self._stream("mode", "repair_", at + m, name, f"repair/{mode.name}")

    def _fill_upkeep(self, u: int, s: int, at: int) -> None:
        table = self.given.model.units[u]
        for w, one in enumerate(table.upkeep):
            row = self.upkeep[at + w]
            row["every"] = one.every_parts
            row["law"] = self.given.laws.upkeep[u][w]
            row["renews"], row["renews_at"] = len(one.renews), self._ints.add(one.renews)
            row["due_at"] = self._floats.add(one.due_s)
            row["due_end"] = row["due_at"] + len(one.due_s)
            name = entity(table.name, s)
            self._stream("upkeep", "", at + w, name, f"upkeep/{one.name}")

    def _stream(self, table: str, prefix: str, at: int, who: str, purpose: str) -> None:
        self._streams.setdefault((table, prefix), []).append((at, who, purpose))

    def _fill_jobs(self) -> None:
        given = self.given
        jobs, lots = given.jobs or (), given.lots
        self.job = np.array(
            [(j.release_s, j.order, j.product, j.quantity) for j in jobs], layout.RELEASE_ROW
        )
        self.lot = np.array(
            [(0.0, 0, lot.product, lot.quantity) for lot in lots], layout.RELEASE_ROW
        )
        self.row = np.array(
            [(m.start_s, m.duration_s, m.unit, m.mode) for m in given.maintenance], layout.ROW
        )
        self.releases = np.array(sorted({j.release_s for j in jobs if j.release_s > 0}), np.float64)
        self.order = np.zeros(len(given.orders), layout.ORDER)
        self.order["started"] = self.order["finished"] = math.nan
        self.order["started"][sorted(given.started)] = 0.0
        for job in jobs:
            self.order["left"][job.order] += job.quantity

    # What every replication begins with.

    def world(self, replication: int, counts: Any, row: int) -> World:
        """The tables of one replication at time 0; what it counts goes into these counts."""
        given = self.given
        model = given.model
        line = self.line.copy()
        line["main_left"] = sum(job.quantity for job in given.jobs or ())
        line["receipts"] = len(self._receipts)
        line["log_on"] = self.log_rows > 0
        line["free_parts"] = self.parts
        leaves = int(line["leaves"][0])
        world = World(
            line=line,
            server=self.server.copy(),
            unit=self.unit.copy(),
            zone=self.zone.copy(),
            part=_free_parts(self.parts),
            mode=self.mode.copy(),
            upkeep=self.upkeep.copy(),
            event=np.zeros(self._events(), layout.QUEUED),
            ask=np.zeros(self.room * (model.servers + 4), layout.QUEUED),
            order=self.order.copy(),
            job=self.job,
            lot=self.lot,
            row=self.row,
            receipt=np.array([(r.at_s, r.quantity, r.item, 0) for r in self._receipts], layout.ROW),
            ints=np.array(self._ints.values, np.int32),
            floats=np.array(self._floats.values, np.float64),
            law_code=given.laws.table.code,
            law_first=given.laws.table.first,
            law_params=given.laws.table.params,
            tally=np.zeros(TALLIES, np.int64),
            ticks=np.zeros((len(model.units), len(STATES)), np.int64),
            made=counts.made[row],
            rejected=counts.rejected[row],
            starts=counts.starts[row],
            failures=counts.failures[row],
            counters=_counters(model),
            on_hand=np.array(self._on_hand, np.float64),
            row_waiting=np.zeros((len(self.row), model.servers), np.int8),
            drawn=np.empty((len(model.units) * len(model.products), layout.BLOCK)),
            drawn_block=np.full(len(model.units) * len(model.products), -1, np.int64),
            visits=np.zeros((self.parts, len(model.units)) if model.cyclic else (1, 1), np.int32),
            kit=np.full(self._kits, -1, np.int32),
            touched=np.zeros(model.servers, np.int32),
            releases=self.releases,
            timer=np.full(2 * leaves, math.inf).view(np.int64),
            timer_rank=_ranks(leaves),
            log=np.zeros(self.log_rows, layout.LOG),
        )
        self._draw_keys(world, replication)
        put_in_place(world, given, replication)
        return world

    def _events(self) -> int:
        model = self.given.model
        n = 8 + self.room * (len(self.mode) + len(model.units)) // 4
        n += model.servers + len(self.upkeep) + len(self.row) * model.servers
        if any(zone.transport_s > 0.0 for zone in model.zones):
            n += self.parts
        return n

    def _draw_keys(self, world: World, replication: int) -> None:
        seed = self.given.seed
        for (table, prefix), rows in self._streams.items():
            array = getattr(world, table)
            keys = np.array([_key(seed, replication, who, why) for _, who, why in rows], np.uint64)
            at = [place for place, _, _ in rows]
            array[f"{prefix}start"][at] = keys[:, 0]
            array[f"{prefix}gamma"][at] = keys[:, 1]


def _free_parts(count: int) -> Any:
    """No part is in use; each leads to the next."""
    part = np.zeros(count, layout.PART)
    part["next"] = np.arange(1, count + 1)
    part["next"][-1] = -1
    return part


def _counters(model: LineModel) -> Any:
    """Cards of every loop, the unit where it begins, people of every team."""
    counters = np.zeros((3, max(1, len(model.loops), len(model.teams))), np.int64)
    counters[0, : len(model.loops)] = [loop.cards for loop in model.loops]
    counters[1, : len(model.loops)] = [loop.first for loop in model.loops]
    counters[2, : len(model.teams)] = model.teams
    return counters


def _ranks(leaves: int) -> Any:
    """A tree of timers none of which runs: every node shows its leftmost leaf."""
    ranks = np.zeros(2 * leaves, np.int64)
    ranks[leaves:] = np.arange(leaves)
    for node in range(leaves - 1, 0, -1):
        ranks[node] = ranks[2 * node]
    return ranks
