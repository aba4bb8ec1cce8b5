"""The reference engine: SimPy, written to be read. It is the specification of a run.

What is drawn when, and what comes first at equal times: docs/explanation/engine.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from twin.engine.agenda import END, RELEASE, WARM_UP, Agenda, Due
from twin.engine.entities import (
    BLOCKED,
    DOWN,
    EMPTY,
    HELD,
    OFF,
    PRODUCTION,
    REPAIR,
    SETTING_UP,
    SETUP,
    STARVED,
    WORKING,
    Launcher,
    Part,
    Unit,
    Zone,
)
from twin.engine.inputs import RunInput, run_input
from twin.engine.live import place
from twin.engine.measure import Log, Outcome, Tally, outcome, run_result
from twin.engine.types import Job, LiveState, PlannedMaintenance, RunResult
from twin.engine.upkeep import Upkeep, worked
from twin.errors import DataError
from twin.plant import FailureForecast, Plant

__all__ = ["Line", "run"]

_SHOWS = {EMPTY: STARVED, SETTING_UP: SETUP, WORKING: PRODUCTION, HELD: BLOCKED}
_TOO_MANY = 100_000
"""Parts launched at one instant after which a run is given up: nothing on the line takes time."""


def run(
    plant: Plant,
    *,
    start: datetime,
    horizon_s: float,
    jobs: Sequence[Job] | None,
    replications: int,
    seed: int,
    state: LiveState | None,
    forecasts: Sequence[FailureForecast],
    maintenance: Sequence[PlannedMaintenance],
    first_replication: int,
    warm_up_s: float,
    until_done: bool,
    trace: bool,
    mix: Mapping[str, int] | None,
) -> RunResult:
    """``twin.engine.simulate`` on this engine."""
    if replications < 1:
        raise DataError(f"replications is {replications}, it must be at least 1")
    given = run_input(
        plant,
        start=start,
        horizon_s=horizon_s,
        jobs=jobs,
        seed=seed,
        state=state,
        forecasts=forecasts,
        maintenance=maintenance,
        warm_up_s=warm_up_s,
        mix=mix,
    )
    numbers = range(first_replication, first_replication + replications)
    done = [Line(given, number, trace).run(until_done) for number in numbers]
    return run_result(given, first_replication, done, "reference")


class Line:
    """One replication: units pull parts down the line, and hold them while there is no room."""

    def __init__(self, given: RunInput, replication: int, trace: bool) -> None:
        model = given.model
        self.given = given
        self.replication = replication
        self.agenda = Agenda(len(model.units))
        self._env = self.agenda.env
        self.tally = Tally(given)
        self.log = Log() if trace else None
        self.units = [Unit(i, table, given, replication) for i, table in enumerate(model.units)]
        zones = [Zone(table, self.units) for table in model.zones]
        for unit in self.units:
            unit.zones = [zones[z] for z in unit.table.zones_in]
            unit.out = zones[unit.table.zone_out] if unit.table.zone_out >= 0 else None
        placed = place(self, given.live) if given.live else 0
        for unit in self.units:
            if not unit.zones:
                unit.launcher = Launcher(given, placed)
        for job in given.jobs or ():
            self.tally.order_left[job.order] += job.quantity
            self.tally.main_left += job.quantity
        for order in given.started:
            self.tally.order_started[order] = 0.0
        self.upkeep = Upkeep(self)
        self._launched_at = -1.0
        self._launched_now = 0
        self._done = False

    def run(self, until_done: bool) -> Outcome:
        """From time 0 to the horizon, or until every part has left."""
        self._begin()
        step, tally = self.agenda.step, self.tally
        while not self._done and not (until_done and tally.main_left == 0):
            step()
        end = self.agenda.now
        for unit in self.units:
            self._show(unit, unit.shown)
        self._refuse_if_stuck(end)
        return outcome(self.given, tally, self.units, end, self.log)

    def _begin(self) -> None:
        given, agenda = self.given, self.agenda
        for unit in self.units:
            for at in unit.table.edges_s:
                agenda.shift(at, unit, self._shift)
        for at in sorted(
            {j.release_s for j in given.jobs or () if 0 < j.release_s <= given.horizon_s}
        ):
            agenda.once(RELEASE, at, self.units[0], self._released)
        if given.warm_up_s > 0:
            agenda.once(WARM_UP, given.warm_up_s, self.units[0], self._warmed_up)
        agenda.once(END, given.horizon_s, self.units[0], self._ended)
        self.upkeep.begin()
        backwards = [self.units[i] for i in given.model.downstream_first]
        for unit in backwards:
            if unit.work is not None:
                self.upkeep.ask(unit, unit.work)
        for unit in backwards:
            if unit.phase == HELD:
                self._hand_over(unit)
            elif unit.due is None:
                self.go_on(unit)

    # Parts: work ends, the part goes on, whoever can take one takes one.

    def _work_ends(self, event: Due) -> None:
        unit = event.unit
        if unit.due is not event:
            return
        unit.due = None
        if unit.phase == SETTING_UP:
            self._work(unit)
            return
        unit.operated += unit.remaining
        part = unit.part
        assert part is not None  # noqa: S101 - a unit at work has a part
        if part.defective and unit.coverage and unit.detect.at(part.number) < unit.coverage:
            self._scrap(unit, part)
            return
        if unit.defect_probability and unit.defect.at(part.number) < unit.defect_probability:
            part.defective = True
        if self.log:
            self.log.add(self._env.now, unit, "finish", part)
        self._hand_over(unit)

    def _hand_over(self, unit: Unit) -> None:
        """The part goes on where there is room; then the next unit, then this one may take one."""
        zone, part = unit.out, unit.part
        if zone is None:
            assert part is not None  # noqa: S101 - only a unit with a part hands over
            self.tally.leave(self._env.now, part, True)
            unit.part, unit.phase = None, EMPTY
            self._seek([unit])
            return
        unit.phase = HELD
        idle = []
        if len(zone.parts) < zone.capacity:
            assert part is not None  # noqa: S101
            zone.parts.append(part)
            unit.part, unit.phase = None, EMPTY
            idle.append(unit)
        if zone.downstream.part is None:
            idle.insert(0, zone.downstream)
        self._seek(idle)
        if unit.phase == HELD:
            if self.log:
                self.log.add(self._env.now, unit, "blocked", part)
            self.show(unit)

    def _seek(self, idle: list[Unit]) -> None:
        """Let these units take a part, in this order, and then those whom that set free."""
        for unit in idle:  # grows on the way
            if unit.part is None and unit.on and not unit.down:
                part = self._take(unit, idle)
                if part is not None:
                    self._accept(unit, part)
                elif unit.shown != STARVED:
                    self._show(unit, STARVED)

    def _take(self, unit: Unit, freed: list[Unit]) -> Part | None:
        """One part out of every zone before the unit, if all have one; the first leads."""
        zones = unit.zones
        if not zones:
            return self._launch(unit)
        for zone in zones:
            if not zone.parts and zone.upstream.phase != HELD:
                return None
        lead = self._pull(zones[0], freed)
        if len(zones) > 1:
            for zone in zones[1:]:
                lead.defective |= self._pull(zone, freed).defective
            self.tally.enter(self._env.now, 1 - len(zones))
        return lead

    def _pull(self, zone: Zone, freed: list[Unit]) -> Part:
        upstream = zone.upstream
        if zone.parts:
            part = zone.parts.popleft()
            if upstream.phase != HELD or len(zone.parts) >= zone.capacity:
                return part
            assert upstream.part is not None  # noqa: S101 - it holds one
            zone.parts.append(upstream.part)
        else:
            assert upstream.part is not None  # noqa: S101
            part = upstream.part
        upstream.part, upstream.phase = None, EMPTY
        freed.append(upstream)
        return part

    def _launch(self, unit: Unit) -> Part | None:
        launcher = unit.launcher
        assert launcher is not None  # noqa: S101 - units without zones launch
        now = self._env.now
        following = launcher.next(now)
        if following is None:
            return None
        if now == self._launched_at:
            self._launched_now += 1
            if self._launched_now > _TOO_MANY:
                raise DataError(
                    f"{unit.name} launched {_TOO_MANY} parts at {now} s: no unit takes time; "
                    "give one of them a cycle_time above 0"
                )
        else:
            self._launched_at, self._launched_now = now, 0
        order, product = following
        part = Part(launcher.launched, order, product, unit.table.main, now)
        launcher.launched += 1
        self.tally.launch(part)
        return part

    def _accept(self, unit: Unit, part: Part) -> None:
        unit.part = part
        if part.order != unit.last_order or part.product != unit.last_product:
            last = unit.last_product
            unit.last_order, unit.last_product = part.order, part.product
            unit.remaining = unit.setup_s[last][part.product] if last >= 0 else 0.0
            if unit.remaining > 0.0:
                unit.phase = SETTING_UP
                if self.log:
                    self.log.add(self._env.now, unit, "setup", part)
                self._continue(unit)
                return
        self._work(unit)

    def _work(self, unit: Unit) -> None:
        part = unit.part
        assert part is not None  # noqa: S101
        unit.phase = WORKING
        unit.remaining = unit.laws[part.product](unit.cycle.at(part.number))
        unit.starts[part.product].append(self._env.now)
        if self.log:
            self.log.add(self._env.now, unit, "start", part)
        self._continue(unit)

    def _continue(self, unit: Unit) -> None:
        """Set the end of the present stretch: of setup, of work, or of a failure mode's life."""
        unit.began = self._env.now
        delay, action, shows = unit.remaining, self._work_ends, SETUP
        if unit.phase == WORKING:
            shows = PRODUCTION
            if unit.operates_until - unit.operated < delay:
                delay = max(0.0, unit.operates_until - unit.operated)
                action = self.upkeep.worn_out
        unit.due = self.agenda.work_end(delay, unit, action)
        if unit.shown != shows:
            self._show(unit, shows)

    def _scrap(self, unit: Unit, part: Part) -> None:
        """An inspection takes the part out; a component is launched again."""
        if self.log:
            self.log.add(self._env.now, unit, "reject", part)
        self.tally.leave(self._env.now, part, False)
        unit.part, unit.phase = None, EMPTY
        self._seek([unit])
        if not part.main:
            sources = [self.units[s] for s in unit.table.sources]
            for source in sources:
                assert source.launcher is not None  # noqa: S101
                source.launcher.again.append((part.order, part.product))
            self._seek(sources)

    # Units: they stop, go on, and show what they do.

    def pause(self, unit: Unit) -> None:
        """Stop setup or work where it stands; what is left stays with the unit."""
        if unit.due is not None:
            worked(unit, self._env.now)

    def go_on(self, unit: Unit) -> None:
        """Whatever the unit can do next: be struck, continue its part, or look for one."""
        if not unit.down and unit.waiting and (unit.on or unit.waiting[0].planned):
            self.upkeep.strike(unit, unit.waiting.pop(0))
        elif unit.down or not unit.on or unit.phase == HELD:
            self.show(unit)
        elif unit.part is None:
            self._seek([unit])
        else:
            self._continue(unit)

    def show(self, unit: Unit) -> None:
        """Account for the state that ends here, if it does."""
        if not unit.on:
            state = OFF
        elif unit.down:
            state = REPAIR if unit.repairing else DOWN
        else:
            state = _SHOWS[unit.phase]
        if state != unit.shown:
            self._show(unit, state)

    def _show(self, unit: Unit, state: int) -> None:
        now = self._env.now
        unit.seconds[unit.shown] += now - unit.since
        unit.since = now
        unit.shown = state

    def note(self, unit: Unit, kind: str, part: Part | None) -> None:
        """One row in the event log."""
        if self.log:
            self.log.add(self._env.now, unit, kind, part)

    # The calendar, the planner, the clock.

    def _shift(self, event: Due) -> None:
        unit = event.unit
        unit.on = not unit.on
        self.note(unit, "on" if unit.on else "off", unit.part)
        if unit.on:
            self.go_on(unit)
        else:
            self.pause(unit)
            self.show(unit)

    def _released(self, event: Due) -> None:
        self._seek([unit for unit in self.units if unit.launcher])

    def _warmed_up(self, event: Due) -> None:
        for unit in self.units:
            self._show(unit, unit.shown)
            unit.seconds = [0.0] * len(unit.seconds)
        self.tally.restart(self.agenda.now)

    def _ended(self, event: Due) -> None:
        self._done = True

    def _refuse_if_stuck(self, now: float) -> None:
        """Parts that wait for each other for ever are a fault of the input, not a result."""
        moves = any(u.due is not None or u.down or not u.on for u in self.units)
        launches = any(
            u.launcher and u.part is None and not u.launcher.exhausted for u in self.units
        )
        if self.given.jobs is None or self.tally.main_left == 0 or moves or launches:
            return
        raise DataError(
            f"the line cannot go on after {now:.0f} s, {self.tally.main_left} parts have not left: "
            + "; ".join(filter(None, map(_waits_for, self.units)))
        )


def _waits_for(unit: Unit) -> str:
    if unit.phase == HELD and unit.out:
        return f"{unit.name} waits for {unit.out.downstream.name} to take a part"
    empty = [z.name for z in unit.zones if not z.parts and z.upstream.phase != HELD]
    if empty:
        return f"{unit.name} waits for a part in {', '.join(empty)}"
    return "" if unit.zones else f"{unit.name} has no job left"
