"""Faults on demand: one failure mode wears out when the demonstration wants it."""

from __future__ import annotations

from dataclasses import dataclass, field

from simulators.physics.line import Line
from twin.errors import DataError, NotFoundError

__all__ = ["InjectedFault"]

_OPERATING_SHARE = 0.75
"""Share of plant time that machines run, until the fault has seen better."""


@dataclass(slots=True)
class InjectedFault:
    """Wear that begins to race after some hours and reaches failure at about a chosen time.

    Before ``after_h`` the mode hardly wears; then its rate is steered every few seconds so
    that wear reaches 1 at ``fail_after_h``, both counted in plant hours from the injection.
    """

    unit: str
    mode: str
    after_h: float
    fail_after_h: float
    _machine: int = field(default=-1, init=False)
    _mode: int = field(default=-1, init=False)
    _began_s: float = field(default=0.0, init=False)
    _operated_s: float = field(default=0.0, init=False)
    _lives: int = field(default=0, init=False)

    @classmethod
    def parse(cls, text: str) -> InjectedFault:
        """From ``UNIT:MODE:after_h:fail_after_h``.

        Raises:
            DataError: The text is not of that form, or the times do not rise from 0.

        Example:
            >>> InjectedFault.parse("pick_place_2:bearing:0.3:3.5").fail_after_h
            3.5
        """
        try:
            unit, mode, after, fail = text.split(":")
            fault = cls(unit, mode, float(after), float(fail))
        except ValueError:
            raise DataError(
                f'fault "{text}" is not readable; write UNIT:MODE:after_h:fail_after_h'
            ) from None
        if not 0.0 <= fault.after_h < fault.fail_after_h:
            raise DataError(f'fault "{text}": the hours must rise, 0 <= after_h < fail_after_h')
        return fault

    def bind(self, line: Line) -> None:
        """Find the machine and the mode; time counts from now."""
        names = [m.name for m in line.machines]
        if self.unit not in names:
            raise NotFoundError(f'no work unit "{self.unit}"; known are {", ".join(names)}')
        self._machine = names.index(self.unit)
        machine = line.machines[self._machine]
        modes = [m.name for m in machine.modes if m.truth.wear]
        if self.mode not in modes:
            known = ", ".join(modes) or "(none)"
            raise NotFoundError(f'{self.unit} has no wear mode "{self.mode}"; known are {known}')
        self._mode = [m.name for m in machine.modes].index(self.mode)
        self._began_s, self._operated_s = line.now, machine.operated_s
        self._lives = machine.modes[self._mode].lives.position

    def steer(self, line: Line) -> None:
        """Set the wear rate; does nothing once the mode has been repaired."""
        machine = line.machines[self._machine]
        mode = machine.modes[self._mode]
        if mode.lives.position != self._lives or not machine.on or machine.failing == self._mode:
            return
        gone_s = line.now - self._began_s
        if gone_s < self.after_h * 3600.0:
            least = (self.after_h * 3600.0 - gone_s) * 10.0
            if mode.left_s < least:
                line.settle(self._machine, lambda m: m.modes[self._mode].hasten(least))
            return
        ran = machine.operated_s + line.elapsed(self._machine) - self._operated_s
        share = (ran + 3600.0 * _OPERATING_SHARE) / (gone_s + 3600.0)
        left_s = max(1.0, (self.fail_after_h * 3600.0 - gone_s) * share)
        line.settle(self._machine, lambda m: m.modes[self._mode].hasten(left_s))
