"""Failures, repairs, planned maintenance and the crews that do the work."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from twin.engine.entities import WORKING, Mode, Unit, Work
from twin.engine.lives import first_failure
from twin.errors import DataError
from twin.plant import residual_s

if TYPE_CHECKING:
    from twin.engine.agenda import Due
    from twin.engine.reference import Line

__all__ = ["Upkeep"]

_TOO_OFTEN = 1000
"""Failures of one mode at one instant after which the run is given up: its lives have no length."""


class Upkeep:
    """Takes units of a line down and brings them up again."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._crews = line.given.model.crews
        self._queue: list[tuple[Unit, Work]] = []
        """Who waits for a crew: planned work first, then first come, first served."""

    def begin(self) -> None:
        """First lives, and the planned work that lies ahead. Called at time 0."""
        line = self._line
        for unit in line.units:
            started = line.given.live.units.get(unit.name) if line.given.live else None
            ages = started.age_s if started else {}
            for m, mode in enumerate(unit.modes):
                if unit.work is None or unit.work.mode is not mode:
                    self._first_life(unit, m, mode, ages.get(mode.table.name, 0.0))
            _least(unit)
        for row in line.given.maintenance:
            unit = line.units[row.unit]
            work = Work(unit.modes[row.mode] if row.mode >= 0 else None, True, row.duration_s)
            line.agenda.maintenance_due(row.start_s, unit, work, self._planned)

    def _first_life(self, unit: Unit, m: int, mode: Mode, age_s: float) -> None:
        u = mode.life.at(0)
        mode.lives = 1
        forecast = self._line.given.forecasts.get((unit.index, m))
        if forecast is None:
            self._live(unit, mode, residual_s(mode.table.life, age_s, u))
            return
        since_s, curve = forecast
        first = first_failure(curve, since_s, u)
        if first.law_u is None:
            mode.due = self._line.agenda.failure_due(first.after_s, unit, mode, self._fails)
            return
        law_u = first.law_u

        def curve_ends(event: Due) -> None:
            if mode.due is event:
                self._line.pause(unit)
                age = age_s + (unit.operated if mode.operating else first.after_s)
                self._live(unit, mode, residual_s(mode.table.life, age, law_u))
                _least(unit)
                self._line.go_on(unit)

        mode.due = self._line.agenda.failure_due(first.after_s, unit, mode, curve_ends)

    def _live(self, unit: Unit, mode: Mode, life_s: float) -> None:
        if mode.operating:
            mode.fails_at = unit.operated + life_s
            mode.due = None
        else:
            mode.due = self._line.agenda.failure_due(life_s, unit, mode, self._fails)

    def worn_out(self, event: Due) -> None:
        """The unit has produced for as long as one of its modes lets it."""
        unit = event.unit
        if unit.due is not event:
            return
        unit.due = None
        unit.remaining = max(0.0, unit.remaining - max(0.0, unit.operates_until - unit.operated))
        unit.operated = max(unit.operated, unit.operates_until)
        mode = next(m for m in unit.modes if m.fails_at == unit.operates_until)
        self.strike(unit, Work(mode, False, None))

    def _fails(self, event: Due) -> None:
        unit, mode = event.unit, event.mode
        if mode is None or mode.due is not event:
            return
        mode.due = None
        work = Work(mode, False, None)
        if unit.down or not unit.on:
            unit.waiting.append(work)
        else:
            self._line.pause(unit)
            self.strike(unit, work)

    def _planned(self, event: Due) -> None:
        unit, work = event.unit, event.work
        if work is None:
            return
        if unit.down:
            unit.waiting.insert(sum(w.planned for w in unit.waiting), work)
        else:
            self._line.pause(unit)
            self.strike(unit, work)

    def strike(self, unit: Unit, work: Work) -> None:
        """The unit goes down and asks for a crew."""
        line, mode = self._line, work.mode
        unit.down = True
        unit.work = work
        if mode is not None:
            mode.fails_at, mode.due = math.inf, None
            unit.waiting = [w for w in unit.waiting if w.planned or w.mode is not mode]
            _least(unit)
            if not work.planned:
                mode.times.append(line.agenda.now)
                if mode.times[-_TOO_OFTEN:][0] == line.agenda.now and len(mode.times) >= _TOO_OFTEN:
                    raise DataError(
                        f"{unit.name} fails without end at {line.agenda.now} s: lives and repairs of "
                        f"{mode.table.name} take no time; give it a longer time_to_failure"
                    )
        line.note(unit, "maintenance" if work.planned else "failure", unit.part)
        self.ask(unit, work)

    def ask(self, unit: Unit, work: Work) -> None:
        """Give the unit a crew, or a place in the queue for one."""
        if self._crews:
            self._crews -= 1
            self._repair(unit, work)
            return
        place = sum(w.planned for _, w in self._queue) if work.planned else len(self._queue)
        self._queue.insert(place, (unit, work))
        self._line.show(unit)

    def _repair(self, unit: Unit, work: Work) -> None:
        unit.repairing = True
        duration = work.duration_s
        if duration is None:
            duration = work.mode.next_repair() if work.mode else 0.0
        self._line.note(unit, "repair", unit.part)
        self._line.agenda.repair_end(duration, unit, self._repaired)
        self._line.show(unit)

    def _repaired(self, event: Due) -> None:
        unit, mode = event.unit, event.unit.work.mode if event.unit.work else None
        if self._queue:
            self._repair(*self._queue.pop(0))
        else:
            self._crews += 1
        if mode is not None:
            self._live(unit, mode, mode.next_life())
            _least(unit)
        unit.down = unit.repairing = False
        unit.work = None
        self._line.note(unit, "up", unit.part)
        self._line.go_on(unit)


def _least(unit: Unit) -> None:
    unit.operates_until = min((m.fails_at for m in unit.modes), default=math.inf)


def worked(unit: Unit, now: float) -> None:
    """Book the stretch of setup or work that ends here."""
    done = now - unit.began
    unit.remaining = max(0.0, unit.remaining - done)
    if unit.phase == WORKING:
        unit.operated += done
    unit.due = None
