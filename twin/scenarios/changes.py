"""Changes to a plant as people write them: ``station.reflow.peak_temperature=+3``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from twin.errors import DataError, Fault, FileFaults
from twin.plant import Plant, Power
from twin.plant.checks import cross_faults

__all__ = ["Change", "apply_changes", "parse_change"]

SHORT = {
    "station": "work_units",
    "unit": "work_units",
    "buffer": "storage_zones",
    "zone": "storage_zones",
    "team": "operators",
    "loop": "kanban",
}
"""First word of a short path -> section of the plant file."""

_HOW = 'write "path=value", "path=+3", "path=-3" or "path=*1.1"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change: set a value of the plant file, add to it, or multiply it."""

    path: str
    """Keys from the plant file's root, joined by dots, and in a list the place, from 0
    (``work_units.aoi.routes.0.share``); or a short form, see ``SHORT``."""
    op: Literal["set", "add", "multiply"]
    value: float | str

    def __str__(self) -> str:
        text = str(self.value).removesuffix(".0")
        if self.op == "multiply":
            return f"{self.path}=*{text}"
        if self.op == "add":
            return f"{self.path}={'' if text.startswith('-') else '+'}{text}"
        return f"{self.path}={'=' if text[:1] in '=+-*' else ''}{text}"


def parse_change(text: str) -> Change:
    """Read a change.

    Args:
        text: ``path=245`` sets, ``path=+3`` and ``path=-3`` add, ``path=*1.1`` multiplies;
            ``path==-3`` sets a negative number.

    Raises:
        DataError: It is not a change; the message says how to write one.

    Example:
        >>> parse_change("station.reflow.peak_temperature=+3")
        Change(path='station.reflow.peak_temperature', op='add', value=3.0)
        >>> str(parse_change("buffer.aoi_in.capacity=12"))
        'buffer.aoi_in.capacity=12'
    """
    path, equals, right = (part.strip() for part in text.partition("="))
    if not equals or not path or not right:
        raise DataError(f'"{text}" is not a change; {_HOW}')
    if right[0] == "=":
        return Change(path=path, op="set", value=_value(right[1:].strip()))
    if right[0] == "*":
        return Change(path=path, op="multiply", value=_number(right[1:], text))
    if right[0] in "+-":
        return Change(path=path, op="add", value=_number(right, text))
    return Change(path=path, op="set", value=_value(right))


def _value(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _number(text: str, whole: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DataError(f'"{whole}" has no number after its sign; {_HOW}') from None


def apply_changes(plant: Plant, changes: Sequence[Change | str]) -> Plant:
    """The plant with these changes, checked as strictly as a plant file.

    A parameter that moves the power of its unit (``power.parameter``) moves the power in every
    state but off with it, by ``slope_w`` per unit.

    A number of which the plant file has whole ones only stays whole, or is refused.

    Args:
        plant: The plant as it is.
        changes: In this order; texts are parsed.

    Raises:
        FileFaults: Everything that is wrong: an unknown path, a value that does not fit, a
            parameter outside its low..high.
        DataError: A text is not a change.
    """
    document = plant.model_dump()
    faults: list[Fault] = []
    for change in [parse_change(c) if isinstance(c, str) else c for c in changes]:
        fault = _apply(document, change)
        if fault is not None:
            faults.append(fault)
    _move_power(plant, document)
    changed = None
    try:
        changed = Plant.model_validate(document)
        faults += cross_faults(changed, "changes")
    except ValidationError as e:
        faults += [_fault(detail) for detail in e.errors(include_url=False)]
    if faults or changed is None:
        raise FileFaults(faults)
    return changed


def _apply(document: dict[str, Any], change: Change) -> Fault | None:
    keys = _full_path(document, change.path.split("."))
    here: Any = document
    for i, name in enumerate(keys):
        key = _key(here, name)
        if key is None:
            place = ".".join(keys[:i]) or "the plant"
            return Fault("changes", str(change), f"{place} has no {name}", _known(here))
        if i == len(keys) - 1:
            return _change(here, key, change)
        if isinstance(here[key], tuple):
            here[key] = list(here[key])
        here = here[key]
    return None


def _key(here: Any, name: str) -> str | int | None:
    if isinstance(here, dict):
        return name if name in here else None
    if isinstance(here, list) and name.isdecimal() and int(name) < len(here):
        return int(name)
    return None


def _known(here: Any) -> str:
    if isinstance(here, dict):
        return "use one of " + (", ".join(map(str, here)) or "(none is declared)")
    if isinstance(here, list):
        return f"use a place from 0 to {len(here) - 1}" if here else "the list is empty"
    if here is None:
        return "add it to the plant file first"
    return "there is nothing below it"


def _full_path(document: dict[str, Any], keys: list[str]) -> list[str]:
    keys = [SHORT.get(keys[0], keys[0]), *keys[1:]]
    if keys[0] == "work_units" and len(keys) == 3:
        unit = document["work_units"].get(keys[1], {})
        if keys[2] not in unit and keys[2] in unit.get("parameters", {}):
            return [*keys[:2], "parameters", keys[2], "value"]
    return keys


def _change(holder: Any, key: str | int, change: Change) -> Fault | None:
    old, by = holder[key], change.value
    if change.op == "set":
        if isinstance(old, dict | list | tuple):
            return Fault("changes", str(change), "is not one value", _go_on(old))
        holder[key] = _like(old, by)
    elif change.op == "multiply" and isinstance(old, dict) and _laws(old):
        for law in _laws(old):
            _scale(law, float(by))
    elif isinstance(old, dict | list | tuple):
        return Fault("changes", str(change), "is not one number", _go_on(old))
    elif isinstance(old, bool) or not isinstance(old, int | float):
        return Fault("changes", str(change), f"found {old!r} there, no number", "set it instead")
    else:
        new = old + float(by) if change.op == "add" else old * float(by)
        holder[key] = _like(old, new)
    return None


def _like(old: Any, new: float | str) -> float | int | str:
    """A whole number where one stood before, if it is whole; a text where a text stood."""
    if isinstance(new, str):
        return new
    if isinstance(old, str):
        return str(new).removesuffix(".0")
    whole = isinstance(old, int) and not isinstance(old, bool) and new.is_integer()
    return int(new) if whole else new


def _go_on(node: dict[str, Any] | list[Any] | tuple[Any, ...]) -> str:
    if isinstance(node, dict) and _laws(node):
        return "multiply it, or go on to one of " + ", ".join(node)
    if isinstance(node, dict):
        return "go on to one of " + (", ".join(node) or "(none is declared)")
    return f"go on to a place from 0 to {len(node) - 1}" if node else "the list is empty"


def _laws(node: dict[str, Any]) -> list[dict[str, Any]]:
    """The node, if it is a law; or all its values, if they all are."""
    if "law" in node:
        return [node]
    laws = [v for v in node.values() if isinstance(v, dict) and "law" in v]
    return laws if len(laws) == len(node) else []


def _scale(law: dict[str, Any], factor: float) -> None:
    for key, value in law.items():
        if key == "quantiles_s":
            law[key] = tuple(_times(q, factor) for q in value)
        elif key.endswith("_s"):
            law[key] = _times(value, factor)


def _times(value: Any, factor: float) -> Any:
    """What another change has put there may be no number: the check that follows says so."""
    return value * factor if isinstance(value, int | float) else value


def _move_power(plant: Plant, document: dict[str, Any]) -> None:
    for name, unit in plant.work_units.items():
        changed = document["work_units"].get(name)
        parameter = unit.power.parameter
        if changed is None or parameter is None or parameter not in unit.parameters:
            continue
        new = changed["parameters"][parameter]["value"]
        power = changed["power"]
        on = [key for key in _ON if power[key] is not None]
        numbers = (new, power["slope_w"], *(power[key] for key in on))
        if all(isinstance(x, int | float) for x in numbers):  # else the check that follows says so
            extra = (new - unit.parameters[parameter].value) * power["slope_w"]
            for key in on:
                power[key] = max(0.0, power[key] + extra)


_ON = tuple(
    key for key in Power.model_fields if key.endswith("_w") and key not in ("off_w", "slope_w")
)
"""Powers of a unit that is not off shift."""


def _fault(detail: Any) -> Fault:
    place = ".".join(map(str, detail["loc"]))
    message = str(detail["msg"]).removeprefix("Value error, ")
    given = detail.get("input")
    found = f"found {given}" if isinstance(given, int | float | str) else "does not fit"
    return Fault("changes", place, found, message[:1].lower() + message[1:])
