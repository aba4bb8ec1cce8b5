"""The line in fixed steps: work falls by the step, and what ends inside a step ends at its instant."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from simulators.physics.hidden import HiddenTruth
from simulators.physics.machine import IDLE, REPAIR, RUN, SETUP, WAIT, Machine, Mode, Part
from simulators.physics.orders import OrderBook
from simulators.physics.streams import Streams
from simulators.truth import Accounts
from twin.plant import Plant

__all__ = ["Line"]

INF = math.inf
STEP_S = 0.5


class Line:
    """Machines, the storage zones between them, and the crew that repairs.

    Every step takes ``STEP_S`` off what each machine has left to do. What falls to zero or
    below ended inside the step, so much before its end; what follows from it begins there.
    """

    def __init__(
        self,
        plant: Plant,
        truth: HiddenTruth,
        streams: Streams,
        epoch_us: int,
        report: Callable[[int, float], None],
        defect_probability: Callable[[int], float],
    ) -> None:
        self.plant, self.truth = plant, truth
        self.accounts = Accounts()
        self.now = 0.0
        self._report, self._defect_probability = report, defect_probability
        names = list(plant.work_units)
        zones = list(plant.storage_zones)
        self.capacity = [z.capacity for z in plant.storage_zones.values()]
        self.feeds = [names.index(z.downstream) for z in plant.storage_zones.values()]
        self.fed_by = [names.index(z.upstream) for z in plant.storage_zones.values()]
        self.zones: list[list[Part]] = [[] for _ in zones]
        self.machines = [_machine(plant, truth, streams, name, zones) for name in names]
        self.left = [INF] * len(names)
        self.books = {
            i: OrderBook(plant, streams, m.name, epoch_us)
            for i, m in enumerate(self.machines)
            if not m.inputs
        }
        self._walk = streams.uniform("crew/walk")
        self._crews = plant.maintenance.crews
        self._busy: list[int] = []
        self._queue: list[int] = []
        self._open_failure: dict[int, int] = {}
        self._end = 0.0
        self._touched: list[int] = []

    def run_to(self, end: float) -> None:
        """Step until ``end``, a whole number of steps away. [s]"""
        left, t = self.left, self.now
        while t < end:
            low = min(left)
            if low == INF:  # nothing is going on: one large step
                t = end
                break
            t += STEP_S
            left[:] = [x - STEP_S for x in left]
            if low <= STEP_S:
                self._end = t
                self._resolve()
        self.now = t

    def switch(self, i: int, on: bool) -> None:
        """The shift of a machine begins or ends, now. A repair is finished after its end."""
        m, self._end = self.machines[i], self.now
        m.on = on
        if not on and m.activity in (RUN, SETUP):
            m.paused_s, self.left[i] = self.left[i], INF
        elif on and m.activity in (RUN, SETUP):
            self.left[i] = m.paused_s
        elif on and m.activity == IDLE:
            self._start(i, self.now)
        self._touched.append(i)
        self._tell(self.now)

    def poll(self) -> None:
        """Let idle machines at the head of the line look for a released order."""
        for i in self.books:
            if self.machines[i].activity == IDLE and self.machines[i].on:
                self._end = self.now
                self._start(i, self.now)
                self._tell(self.now)

    def elapsed(self, i: int) -> float:
        """How long the present run has been going on. [s]"""
        m = self.machines[i]
        if m.activity != RUN:
            return 0.0
        return m.segment_s - (self.left[i] if m.on else m.paused_s)

    def settle(self, i: int, change: Callable[[Machine], None]) -> None:
        """Change the wear of a machine in the middle of a run."""
        m = self.machines[i]
        gone = self.elapsed(i)
        self._operate(m, gone)
        change(m)
        if m.activity == RUN:
            m.segment_s = min(m.work_s, m.failure_left_s())
            if m.on:
                self.left[i] = m.segment_s
            else:
                m.paused_s = m.segment_s

    def _resolve(self) -> None:
        left = self.left
        while (low := min(left)) <= 0.0:
            i = left.index(low)
            left[i] = INF
            now = self._end + low
            self._ended(i, now)
            self._tell(now)

    def _tell(self, now: float) -> None:
        for i in dict.fromkeys(self._touched):
            self._report(i, now)
        self._touched.clear()

    def _ended(self, i: int, now: float) -> None:
        m = self.machines[i]
        self._touched.append(i)
        if m.activity == RUN:
            self._operate(m, m.segment_s)
            if m.work_s <= 1e-9:
                self._complete(i, m, now)
            else:
                self._fail(i, m, now)
        elif m.activity == SETUP:
            self._run(i, m, now)
        elif m.activity == WAIT:
            mode = m.modes[m.failing]
            m.activity = REPAIR
            self.accounts.failures[self._open_failure[i]]["repair_began"] = now
            self._begin(i, mode.truth.repair.quantile(mode.repairs.next()), now)
        elif m.activity == REPAIR:
            self._repaired(i, m, now)

    def _begin(self, i: int, seconds: float, now: float) -> None:
        self.left[i] = seconds - (self._end - now)

    def _operate(self, m: Machine, seconds: float) -> None:
        m.work_s -= seconds
        m.operated_s += seconds
        for mode in m.modes:
            mode.left_s -= seconds
            mode.operated_s += seconds

    def _run(self, i: int, m: Machine, now: float) -> None:
        m.activity = RUN
        m.segment_s = min(m.work_s, m.failure_left_s())
        if m.on:
            self._begin(i, m.segment_s, now)
        else:
            m.paused_s = m.segment_s

    def _complete(self, i: int, m: Machine, now: float) -> None:
        part = m.part
        if part is None:
            raise AssertionError(f"{m.name} finished no part")
        self.accounts.cycle(m.name, part.product, now, m.mean_s, m.duration_s)
        m.activity, m.work_s, m.held = IDLE, 0.0, True
        if m.truth.defects is not None and m.chance.next() < self._defect_probability(i):
            part.defects.append(m.name)
            self.accounts.made[m.name] = self.accounts.made.get(m.name, 0) + 1
        if m.truth.coverage is not None and part.defects:
            rejected = m.chance.next() < m.truth.coverage
            self.accounts.inspected(m.name, part.defects, rejected)
            if rejected:
                self.accounts.order(part.order, part.product, "scrapped", now)
                m.bad += 1
                m.part, m.held = None, False
                self._start(i, now)
                return
        m.good += 1
        self._push(i, now)

    def _push(self, i: int, now: float) -> None:
        """Let a finished part leave, when there is room, and begin the next."""
        m = self.machines[i]
        part = m.part
        if not m.held or part is None:
            return
        if m.output is None:
            self.accounts.order(part.order, part.product, "good", now)
        elif self._room(m.output):
            self.zones[m.output].append(part)
        else:
            return
        m.part, m.held = None, False
        self._touched.append(i)
        if m.output is not None:
            self._start(self.feeds[m.output], now)
        self._start(i, now)

    def _room(self, zone: int) -> bool:
        if self.capacity[zone]:
            return len(self.zones[zone]) < self.capacity[zone]
        after = self.machines[self.feeds[zone]]
        return not self.zones[zone] and after.on and after.activity == IDLE and after.part is None

    def _start(self, i: int, now: float) -> None:
        """Begin the next part, when the machine is free and one is waiting."""
        m = self.machines[i]
        if m.activity != IDLE or m.part is not None or not m.on:
            return
        part = self._take(i, m, now)
        if part is None:
            return
        m.part = part
        self._touched.append(i)
        m.mean_s = m.truth.cycles[part.product].mean_s * m.truth.drift_at(now) * m.wear_factor()
        m.work_s = m.duration_s = m.mean_s * m.work[part.product].next()
        setup_s = self._setup_s(m, part)
        m.order, m.product = part.order, part.product
        if setup_s > 0.0:
            m.activity = SETUP
            self._begin(i, setup_s, now)
        else:
            self._run(i, m, now)
        for zone in m.inputs:
            self._push(self.fed_by[zone], now)

    def _take(self, i: int, m: Machine, now: float) -> Part | None:
        if not m.inputs:
            part = self.books[i].next_part(now)
            if part is not None and i == next(iter(self.books)):
                self.accounts.order(part.order, part.product, "started", now)
            return part
        if not all(self.zones[zone] for zone in m.inputs):
            for zone in m.inputs:  # places of capacity 0 are filled only on the way through
                if not self.capacity[zone] and not self.zones[zone]:
                    self._push(self.fed_by[zone], now)
            return None
        parts = [self.zones[zone].pop(0) for zone in m.inputs]
        for other in parts[1:]:
            parts[0].defects.extend(other.defects)
        return parts[0]

    def _setup_s(self, m: Machine, part: Part) -> float:
        if m.order == part.order or not m.order:
            return 0.0
        distance = self.plant.setup_distance(m.product, part.product)
        nominal = self.plant.work_units[m.name].setup.seconds(distance)
        if not nominal:
            return 0.0
        return (
            nominal
            * m.truth.setup_factor
            * max(0.5, 1 + self.truth.setup_cv * m.setup_noise.next())
        )

    def _fail(self, i: int, m: Machine, now: float) -> None:
        m.failing = min(range(len(m.modes)), key=lambda k: m.modes[k].left_s)
        mode = m.modes[m.failing]
        m.activity = WAIT
        self._open_failure[i] = self.accounts.failed(
            m.name, mode.name, now, mode.operated_s, mode.initial
        )
        self._queue.append(i)
        self._call_crew(now)

    def _call_crew(self, now: float) -> None:
        while self._queue and len(self._busy) < self._crews:
            i = self._queue.pop(0)
            self._busy.append(i)
            low, high = self.truth.walk_s
            self._begin(i, low + (high - low) * self._walk.next(), now)

    def _repaired(self, i: int, m: Machine, now: float) -> None:
        self.accounts.failures[self._open_failure.pop(i)]["repaired"] = now
        m.modes[m.failing].renew()
        m.failing = -1
        self._busy.remove(i)
        self._run(i, m, now)
        self._call_crew(now)

    def state(self) -> dict[str, Any]:
        """Everything that changes, as plain values."""
        return {
            "now": self.now,
            "machines": [m.state() for m in self.machines],
            "left": [None if x == INF else x for x in self.left],
            "zones": [[p.as_list() for p in zone] for zone in self.zones],
            "books": [book.state() for book in self.books.values()],
            "crew": [self._busy, self._queue, list(self._open_failure.items())],
            "accounts": self.accounts.state(),
        }

    def restore(self, plain: dict[str, Any]) -> None:
        """Put back what ``state`` gave."""
        self.now = self._end = plain["now"]
        for machine, saved in zip(self.machines, plain["machines"], strict=True):
            machine.restore(saved)
        self.left[:] = [INF if x is None else x for x in plain["left"]]
        self.zones[:] = [[Part(*p) for p in zone] for zone in plain["zones"]]
        for book, saved in zip(self.books.values(), plain["books"], strict=True):
            book.restore(saved)
        self._busy, self._queue, failures = plain["crew"]
        self._open_failure = dict(failures)
        self.accounts.restore(plain["accounts"])


def _machine(
    plant: Plant, truth: HiddenTruth, streams: Streams, name: str, zones: list[str]
) -> Machine:
    hidden = truth.units[name]
    downstream = plant.downstream(name)
    return Machine(
        name=name,
        truth=hidden,
        inputs=[zones.index(z) for z in plant.upstream(name)],
        output=zones.index(downstream[0]) if downstream else None,
        modes=[Mode(m, mode, streams, name) for m, mode in hidden.modes.items()],
        work={
            product: streams.relative(f"{name}/{product}/cycle", law.family, law.cv)
            for product, law in hidden.cycles.items()
        },
        setup_noise=streams.normal(f"{name}/setup"),
        chance=streams.uniform(f"{name}/chance"),
    )
