"""The tables of a run as the recursion reads them; see ``recursion_layout`` for what stands where."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from twin.engine.compiled import recursion_layout as at
from twin.engine.compiled.recursion_lanes import WIDTH
from twin.engine.compiled.recursion_sweep import BLOCK
from twin.engine.counts import TICKS_PER_S, hours_of
from twin.engine.inputs import RunInput
from twin.engine.model import UNLIMITED, UnitTable
from twin.engine.streams import stream_key

__all__ = ["Memory", "memory"]

L = WIDTH
_MASK = (1 << 64) - 1
_WITHOUT_END = 1 << 60


@dataclass(frozen=True, slots=True)
class _Key:
    place: int
    """Where in q the starts of the lanes stand; gammas follow."""
    entity: str
    purpose: str
    first: int = 0
    step: int = 1
    """Index of the first draw, and from draw to draw."""
    running: bool = False
    """True: the state of the stream follows too."""


@dataclass(slots=True)
class Memory:
    """What every block of replications starts from, and where its random keys go."""

    m: list[float] = field(default_factory=lambda: [0.0] * at.FLOAT_HEAD_SIZE)
    q: list[int] = field(default_factory=lambda: [0] * at.HEAD_SIZE)
    keys: list[_Key] = field(default_factory=list)
    floats: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    ints: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def place_m(self, size: int, value: float = 0.0) -> int:
        """A new place in m. Lanes stand where one load fetches them."""
        self.m += [0.0] * (-len(self.m) % L)
        self.m += [value] * size
        return len(self.m) - size

    def put_m(self, values: list[float]) -> int:
        place = len(self.m)
        self.m += values
        return place

    def put_q(self, values: list[int]) -> int:
        place = len(self.q)
        self.q += values
        return place

    def block(
        self, seed: int, first: int, lanes: int
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Fresh arrays for replications ``first`` to ``first + lanes``."""
        raw = np.empty(len(self.floats) + L)
        skip = -(raw.ctypes.data // 8) % L
        m, q = raw[skip : skip + len(self.floats)], self.ints.copy()
        m[:] = self.floats
        rows: list[int] = []
        for key in self.keys:
            found = [stream_key(seed, first + lane, key.entity, key.purpose) for lane in range(L)]
            starts = [start + key.first * gamma & _MASK for start, gamma in found]
            rows += starts + [gamma * key.step & _MASK for _, gamma in found]
            rows += starts if key.running else []
        drawn = np.array(rows, np.uint64).view(np.int64)
        used = 0
        for key in self.keys:
            size = (3 if key.running else 2) * L
            q[key.place : key.place + size] = drawn[used : used + size]
            used += size
        self._silence(m, q, lanes)
        return m, q

    def _silence(self, m: NDArray[np.float64], q: NDArray[np.int64], lanes: int) -> None:
        """Lanes without a replication never take a part."""
        if lanes == L:
            return
        for p in range(q[at.UNITS]):
            u = q[at.TABLE] + p * at.TABLE_SIZE
            a, b = q[u + at.LANES_F], q[u + at.LANES_Q]
            for row, value in (
                (at.GONE, at.NEVER),
                (at.QUIET_UNTIL, math.inf),
                (at.HOUR_END, math.inf),
            ):
                m[a + row * L + lanes : a + (row + 1) * L] = value
            q[b + at.OVER * L + lanes : b + (at.OVER + 1) * L] = 1


def memory(given: RunInput, trace: bool) -> Memory:
    """Tables of this run."""
    found = Memory()
    order = _upstream_first(given)
    q, model = found.q, given.model
    q[at.UNITS], q[at.HEADS] = len(order), len(model.heads)
    q[at.HOURS], q[at.PRODUCTS] = hours_of(given), len(model.products)
    q[at.TRACE], q[at.UNTIL_DONE] = int(trace), int(given.until_done)
    q[at.MODES], q[at.ORDERS] = sum(len(u.modes) for u in model.units), len(given.orders)
    m = found.m
    m[at.LOW_TICK] = float(int(given.warm_up_s * TICKS_PER_S))
    m[at.HIGH_TICK] = float(int(given.horizon_s * TICKS_PER_S))
    m[at.HORIZON] = given.horizon_s
    m[at.COUNTED_FROM] = given.warm_up_s if given.warm_up_s > 0.0 else -1.0
    q[at.TABLE] = len(q)
    q += [0] * (at.TABLE_SIZE * len(order))
    q[at.INTS_OF_UNITS] = len(q)
    q += [0] * (at.UNIT_INTS * L * len(order))
    q[at.FLOATS_OF_UNITS] = found.place_m(at.UNIT_FLOATS * L * len(order))
    _parts(found, given)
    for p, u in enumerate(order):
        _unit(found, given, order, p, model.units[u])
    q[at.END_UNIT] = order.index(model.end)
    _heads(found, given, order)
    _loops(found, given, order)
    _defects(found, given, order)
    _results(found)
    _freeze(found)
    return found


def _freeze(found: Memory) -> None:
    """Arrays of all that; what is large and begins as 0 never stands in a list."""
    q = found.q
    q[at.WORK_SIZE] = BLOCK * L + L
    q[at.WORK_AT] = found.place_m(0)
    q[at.STARTS_AT] = len(q)
    by_product = L * q[at.UNITS] * q[at.PRODUCTS]
    q[at.MADE_AT] = q[at.STARTS_AT] + by_product * q[at.HOURS]
    q[at.FAILURES_AT] = q[at.MADE_AT] + by_product
    found.floats = np.zeros(len(found.m) + q[at.WORK_SIZE] * q[at.UNITS])
    found.floats[: len(found.m)] = found.m
    found.ints = np.zeros(q[at.FAILURES_AT] + L * q[at.MODES] * q[at.HOURS], np.int64)
    found.ints[: len(q)] = q


def _upstream_first(given: RunInput) -> list[int]:
    units, zones = given.model.units, given.model.zones
    found = list(given.model.heads)
    for u in found:  # grows on the way
        for z in units[u].zones_out:
            after = zones[z].downstream
            before = {zones[i].upstream for i in units[after].zones_in}
            if after not in found and before <= set(found):
                found.append(after)
    return found


def _parts(found: Memory, given: RunInput) -> None:
    """Which parts are launched, in their order."""
    q = found.q
    rows: list[tuple[int, int, int, float]]
    if given.jobs is None:
        rows = [(-1, lot.product, lot.quantity, 0.0) for lot in given.lots]
        q[at.PARTS] = _WITHOUT_END
        q[at.ORDER_AT] = q[at.RELEASE_AT] = -1
    else:
        rows = [(job.order, job.product, job.quantity, job.release_s) for job in given.jobs]
        q[at.PARTS] = sum(quantity for _, _, quantity, _ in rows)
        q[at.ORDER_AT] = found.put_q([order for order, _, n, _ in rows for _ in range(n)])
        q[at.RELEASE_AT] = found.put_m([release for _, _, n, release in rows for _ in range(n)])
    q[at.PERIOD] = sum(quantity for _, _, quantity, _ in rows)
    q[at.PRODUCT_AT] = found.put_q([product for _, product, n, _ in rows for _ in range(n)])
    fresh: list[int] = []
    before = None
    for order, product, n, _ in rows:
        fresh += [int(given.jobs is None or before != (order, product))] + [0] * (n - 1)
        before = (order, product)
    q[at.FRESH_AT] = found.put_q(fresh)


def _unit(found: Memory, given: RunInput, order: list[int], p: int, unit: UnitTable) -> None:
    q, model, u = found.q, given.model, order[p]
    t = q[at.TABLE] + p * at.TABLE_SIZE
    q[t + at.UNIT] = u
    q[t + at.LANES_F] = q[at.FLOATS_OF_UNITS] + p * at.UNIT_FLOATS * L
    q[t + at.LANES_Q] = q[at.INTS_OF_UNITS] + p * at.UNIT_INTS * L
    _lanes(found, unit, q[t + at.LANES_F], q[t + at.LANES_Q])
    q[t + at.HEAD] = model.heads.index(_lead_head(given, u))
    q[t + at.IS_HEAD], q[t + at.IS_END] = int(u in model.heads), int(not unit.zones_out)
    inputs, deepest = [], 0
    for z in unit.zones_in:
        zone = model.zones[z]
        places = -1 if zone.capacity == UNLIMITED else zone.capacity
        deepest = max(deepest, places)
        carried = found.put_m([zone.transport_s if zone.capacity > 0 else 0.0])
        inputs += [order.index(zone.upstream), places, carried]
    q[t + at.FIRST_INPUT], q[t + at.INPUTS] = found.put_q(inputs), len(unit.zones_in)
    deep = 1 << deepest.bit_length()
    q[t + at.MASK] = deep - 1
    q[t + at.RING] = found.place_m(deep * L)
    q[t + at.FIRST_LOOP] = found.put_q(list(unit.opens))
    q[t + at.OPENS] = len(unit.opens)
    _work_laws(found, given, t, u, unit)
    q[t + at.FIRST_EDGE], q[t + at.EDGES] = found.put_m(list(unit.edges_s)), len(unit.edges_s)
    q[t + at.SETUP_AT] = -1
    if any(s > 0.0 for row in unit.setup_s for s in row):
        q[t + at.SETUP_AT] = found.put_m([s for row in unit.setup_s for s in row])
    _modes(found, given, t, u, unit)
    _planned(found, given, t, u, unit)


def _lanes(found: Memory, unit: UnitTable, a: int, b: int) -> None:
    """Numbers that do not begin as 0."""
    for row, value in (
        (at.QUIET_UNTIL, -1.0),
        (at.OPERATES_UNTIL, math.inf),
        (at.NEXT, math.inf),
        (at.MENDED, math.inf),
    ):
        found.m[a + row * L : a + (row + 1) * L] = [value] * L
    found.q[b + at.ON * L : b + (at.ON + 1) * L] = [int(unit.on_at_start)] * L
    found.q[b + at.UNMEASURED * L : b + (at.UNMEASURED + 1) * L] = [-1] * L
    found.q[b + at.SHOWN * L : b + (at.SHOWN + 1) * L] = [2] * L
    found.q[b + at.LANE * L : b + (at.LANE + 1) * L] = list(range(L))


def _lead_head(given: RunInput, u: int) -> int:
    while given.model.units[u].zones_in:
        u = given.model.zones[given.model.units[u].zones_in[0]].upstream
    return u


def _law(given: RunInput, row: int) -> list[int]:
    table = given.laws.table
    return [int(table.code[row]), int(table.first[row])]


def _work_laws(found: Memory, given: RunInput, t: int, u: int, unit: UnitTable) -> None:
    q = found.q
    laws = [_law(given, row) for row in given.laws.cycle[u]]
    used = {q[q[at.PRODUCT_AT] + k] for k in range(q[at.PERIOD])}
    alike = len({tuple(laws[product]) for product in used}) == 1
    if alike:
        laws = [laws[min(used)]] * len(laws)
    q[t + at.VARIES] = (0 if laws[0][0] == 0 else 1) if alike else 2
    q[t + at.LAWS] = found.put_q([x for law in laws for x in law])
    q[t + at.KEYS] = found.put_q([0] * (3 * L))
    if q[t + at.VARIES]:
        heads = q[at.HEADS]
        found.keys.append(
            _Key(q[t + at.KEYS], unit.name, "cycle", q[t + at.HEAD], heads, running=True)
        )


def _modes(found: Memory, given: RunInput, t: int, u: int, unit: UnitTable) -> None:
    q = found.q
    q[t + at.FAILURE_ROW] = sum(len(one.modes) for one in given.model.units[:u])
    q[t + at.MODE_COUNT] = len(unit.modes)
    q[t + at.FIRST_MODE] = len(q)
    for i, mode in enumerate(unit.modes):
        life, repair = given.laws.life[u][i], given.laws.repair[u][i]
        floats = found.place_m(2 * L)
        row = [int(mode.operating), *_law(given, life), *_law(given, repair), floats]
        own = found.put_q(row + [0] * (6 * L)) + at.MODE_LANES
        found.keys.append(_Key(own + at.LIFE_START * L, unit.name, f"life/{mode.name}"))
        found.keys.append(_Key(own + at.REPAIR_START * L, unit.name, f"repair/{mode.name}"))


def _planned(found: Memory, given: RunInput, t: int, u: int, unit: UnitTable) -> None:
    """Kinds of planned work in the order in which they strike, and their dates."""
    q = found.q
    dates: list[tuple[float, int]] = []
    q[t + at.FIRST_WORK] = len(q)
    kinds = 0
    for row in given.maintenance:
        if row.unit == u:
            renews = 1 << row.mode if row.mode >= 0 else 0
            found.put_q([renews, -1, 0, found.put_m([row.duration_s]), *[0] * (3 * L)])
            dates.append((row.start_s, kinds))
            kinds += 1
    for i, upkeep in enumerate(unit.upkeep):
        renews = sum(1 << mode for mode in upkeep.renews)
        law = _law(given, given.laws.upkeep[u][i])
        own = found.put_q([renews, *law, 0, *[0] * (3 * L)]) + at.WORK_LANES
        found.keys.append(_Key(own + at.START * L, unit.name, f"upkeep/{upkeep.name}"))
        dates += [(due, kinds) for due in upkeep.due_s]
        kinds += 1
    dates.sort()
    q[t + at.WORKS], q[t + at.DATES] = kinds, len(dates)
    q[t + at.FIRST_DATE] = found.put_m([due for due, _ in dates])
    q[t + at.DATE_WORKS] = found.put_q([kind for _, kind in dates])


def _heads(found: Memory, given: RunInput, order: list[int]) -> None:
    """Heads, and where their parts end: at the end of the line, or in the part of another head."""
    units, zones = given.model.units, given.model.zones
    rows: list[int] = []
    for head in given.model.heads:
        u, joins = head, -1
        while units[u].zones_out and joins < 0:
            zone = units[u].zones_out[0]
            u = zones[zone].downstream
            joins = u if units[u].zones_in[0] != zone else -1
        rows += [order.index(head), order.index(joins) if joins >= 0 else -1]
    found.q[at.HEAD_TABLE] = found.put_q(rows)


def _loops(found: Memory, given: RunInput, order: list[int]) -> None:
    q, model = found.q, given.model
    rows: list[int] = []
    for i, loop in enumerate(model.loops):
        unit = next((u for u, one in enumerate(model.units) if i in one.closes), None)
        if unit is None:
            unit = next(zone.downstream for zone in model.zones if i in zone.closes)
        by_zone = any(i in zone.closes for zone in model.zones)
        rows += [loop.cards, found.place_m(loop.cards * L), int(by_zone), order.index(unit)]
    q[at.LOOPS], q[at.LOOP_TABLE] = len(model.loops), found.put_q(rows)
    for p in range(q[at.UNITS]):
        t = q[at.TABLE] + p * at.TABLE_SIZE
        for i in range(q[t + at.OPENS]):
            q[q[t + at.FIRST_LOOP] + i] = (
                q[at.LOOP_TABLE] + q[q[t + at.FIRST_LOOP] + i] * at.LOOP_SIZE
            )


def _defects(found: Memory, given: RunInput, order: list[int]) -> None:
    q = found.q
    q[at.DEFECT_TABLE] = len(q)
    for p, u in enumerate(order):
        unit = given.model.units[u]
        if unit.defect_probability > 0.0:
            place = found.put_q([p, found.put_m([unit.defect_probability]), *[0] * (2 * L)])
            found.keys.append(_Key(place + 2, unit.name, "defect"))
            q[at.DEFECTS] += 1


def _results(found: Memory) -> None:
    q = found.q
    orders = q[at.ORDERS] * L
    q[at.TALLY_AT] = found.place_m(4 * L)
    q[at.LAST_AT] = found.place_m(L)
    q[at.ORDER_STARTED_AT] = found.place_m(orders, math.nan)
    q[at.ORDER_FINISHED_AT] = found.place_m(orders, math.nan)
    q[at.ORDER_GOOD_AT] = found.place_m(orders)
