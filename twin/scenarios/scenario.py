"""A scenario: changes to a plant under one name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from twin.errors import DataError, Fault, FileFaults
from twin.plant import Plant
from twin.scenarios.changes import Change, apply_changes, parse_change

__all__ = ["Scenario", "parse_scenario", "scenario_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Changes that are made together, and what people call them."""

    name: str
    changes: tuple[Change, ...] = ()
    """Made in this order; none is the line as it is."""

    @classmethod
    def of(cls, name: str, *changes: Change | str) -> Self:
        """A scenario of changes as people write them.

        Raises:
            DataError: The name is empty, or a text is not a change.

        Example:
            >>> Scenario.of("wide", "buffer.aoi_in.capacity=12").as_dict()
            {'name': 'wide', 'changes': ['buffer.aoi_in.capacity=12']}
        """
        if not name.strip():
            raise DataError("a scenario needs a name")
        read = tuple(parse_change(c) if isinstance(c, str) else c for c in changes)
        return cls(name=name.strip(), changes=read)

    def applied(self, plant: Plant) -> Plant:
        """The plant with the changes.

        Raises:
            FileFaults: As `apply_changes`; every fault says the name, if the scenario was given one.
        """
        try:
            return apply_changes(plant, self.changes)
        except FileFaults as e:
            if self.name == _usual_name(self.changes):
                raise
            raise FileFaults([_named(fault, self.name) for fault in e.faults]) from None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"name": self.name, "changes": [str(change) for change in self.changes]}


def _named(fault: Fault, name: str) -> Fault:
    return Fault(f"scenario {name}", fault.place, fault.found, fault.remedy)


def scenario_of(changes: Scenario | Sequence[Change | str]) -> Scenario:
    """A scenario as it is; a list of changes under the name that they make.

    Raises:
        DataError: A text is not a change.

    Example:
        >>> scenario_of(["maintenance.crews=2", "buffer.aoi_in.capacity=12"]).name
        'maintenance.crews=2, buffer.aoi_in.capacity=12'
        >>> scenario_of([]).name
        'as it is'
    """
    if isinstance(changes, Scenario):
        return changes
    read = tuple(parse_change(c) if isinstance(c, str) else c for c in changes)
    return Scenario(name=_usual_name(read), changes=read)


def _usual_name(changes: Sequence[Change]) -> str:
    return ", ".join(map(str, changes)) or "as it is"


def parse_scenario(text: str) -> Scenario:
    """Read a scenario as people write it: ``name: change, change``.

    Args:
        text: The name and a colon may be missing: then the changes are the name. ``name:`` alone
            is the line as it is under that name.

    Raises:
        DataError: A change cannot be read.

    Example:
        >>> parse_scenario("hot and wide: station.reflow.peak_temperature=+3, buffer.aoi_in.capacity=12").as_dict()
        {'name': 'hot and wide', 'changes': ['station.reflow.peak_temperature=+3', 'buffer.aoi_in.capacity=12']}
        >>> parse_scenario("maintenance.crews=2").name
        'maintenance.crews=2'
    """
    head, colon, rest = text.partition(":")
    if not colon or "=" in head:
        head, rest = "", text
    changes = [part.strip() for part in rest.split(",") if part.strip()]
    return Scenario.of(head, *changes) if head.strip() else scenario_of(changes)
