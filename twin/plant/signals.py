"""Signals: what a work unit says, where it is said, and what a state number means."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, NewType

from pydantic import Field

from twin.plant.base import Frozen

__all__ = ["Signal", "SignalId", "SignalRole", "StateMap", "WorkUnitState"]

SignalId = NewType("SignalId", str)
"""``site/area/line/unit/signal``: the topic, the table key, and the name on the page."""


class WorkUnitState(StrEnum):
    """What a work unit is doing, in the words that the time elements are computed from."""

    PRODUCTION = "production"
    SETUP = "setup"
    STARVED = "starved"
    BLOCKED = "blocked"
    DELAY = "delay"
    DOWN = "down"
    REPAIR = "repair"
    OFF = "off"
    UNKNOWN = "unknown"


class SignalRole(StrEnum):
    """What the product does with a signal."""

    STATE = "state"
    REASON = "reason"
    FAULT = "fault"
    GOOD_COUNT = "good_count"
    REJECT_COUNT = "reject_count"
    PRODUCT = "product"
    ORDER = "order"
    CONDITION = "condition"
    PROCESS = "process"
    ENERGY = "energy"


class Signal(Frozen):
    """One value that a work unit reports."""

    source: str
    role: SignalRole
    unit: str = "1"
    """Unit of the stored value."""
    sent_unit: str | None = None
    """Unit that the device sends, where it is another one."""
    address: str | None = None
    """In place of the source's template."""
    text: bool = False
    """True where the value is a text, such as a product number."""
    low: float | None = None
    high: float | None = None
    """EURange: values outside are stored with quality UNCERTAIN."""
    deadband: Annotated[float, Field(gt=0)] | None = None
    """OPC UA: smaller changes, in the sent unit, are not sent."""
    deadband_percent: Annotated[float, Field(gt=0, lt=100)] | None = None
    """OPC UA: smaller changes, in percent of the server's EURange, are not sent."""
    sampling_interval_ms: Annotated[float, Field(ge=0, le=3_600_000)] | None = None
    """OPC UA: in place of the source's."""
    parameter: str | None = None
    """The process parameter that this signal measures."""
    failure_modes: tuple[str, ...] = ()
    """Failure modes whose wear this signal shows."""


class StateMap(Frozen):
    """Which state number means what; standards disagree, so it is data and reports name it."""

    states: dict[str, WorkUnitState]
    reasons: dict[str, WorkUnitState] = {}
    """Refines a DELAY by the value of the unit's reason signal."""
