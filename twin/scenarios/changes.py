"""Changes to a plant as people write them: ``station.reflow.peak_temperature=+3``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from twin.errors import DataError, Fault, FileFaults
from twin.plant import Plant
from twin.plant.checks import cross_faults

__all__ = ["Change", "apply_changes", "parse_change"]

SHORT = {"station": "work_units", "unit": "work_units", "buffer": "storage_zones"}
"""First word of a short path -> section of the plant file."""

_HOW = 'write "path=value", "path=+3", "path=-3" or "path=*1.1"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change: set a value of the plant file, add to it, or multiply it."""

    path: str
    """Keys from the plant file's root, joined by dots; or a short form, see ``SHORT``."""
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

    A parameter that moves the power of its unit (``power.parameter``) moves the idle and
    production power with it, by ``slope_w`` per unit.

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
    for i, key in enumerate(keys):
        if not isinstance(here, dict) or key not in here:
            known = ", ".join(map(str, here)) if isinstance(here, dict) else "(nothing below)"
            place = ".".join(keys[:i]) or "the plant"
            return Fault("changes", str(change), f"{place} has no {key}", f"use one of {known}")
        if i < len(keys) - 1:
            here = here[key]
    return _change(here, keys[-1], change)


def _full_path(document: dict[str, Any], keys: list[str]) -> list[str]:
    keys = [SHORT.get(keys[0], keys[0]), *keys[1:]]
    if keys[0] == "work_units" and len(keys) == 3:
        unit = document["work_units"].get(keys[1], {})
        if keys[2] not in unit and keys[2] in unit.get("parameters", {}):
            return [*keys[:2], "parameters", keys[2], "value"]
    return keys


def _change(holder: dict[str, Any], key: str, change: Change) -> Fault | None:
    old, by = holder[key], change.value
    if change.op == "set":
        if isinstance(old, dict | list | tuple):
            return Fault("changes", str(change), "is not one value", _go_on(old))
        holder[key] = by
    elif change.op == "multiply" and isinstance(old, dict) and _laws(old):
        for law in _laws(old):
            _scale(law, float(by))
    elif isinstance(old, dict | list | tuple):
        return Fault("changes", str(change), "is not one number", _go_on(old))
    elif isinstance(old, bool) or not isinstance(old, int | float):
        return Fault("changes", str(change), f"found {old!r} there, no number", "set it instead")
    else:
        holder[key] = old + float(by) if change.op == "add" else old * float(by)
    return None


def _go_on(node: dict[str, Any] | list[Any] | tuple[Any, ...]) -> str:
    if isinstance(node, dict) and _laws(node):
        return "multiply it, or go on to one of " + ", ".join(node)
    if isinstance(node, dict):
        return "go on to one of " + ", ".join(node)
    return "change it in the plant file"


def _laws(node: dict[str, Any]) -> list[dict[str, Any]]:
    """The node, if it is a law; or all its values, if they all are."""
    if "law" in node:
        return [node]
    laws = [v for v in node.values() if isinstance(v, dict) and "law" in v]
    return laws if len(laws) == len(node) else []


def _scale(law: dict[str, Any], factor: float) -> None:
    for key, value in law.items():
        if key == "quantiles_s":
            law[key] = tuple(q * factor for q in value)
        elif key.endswith("_s"):
            law[key] = value * factor


def _move_power(plant: Plant, document: dict[str, Any]) -> None:
    for name, unit in plant.work_units.items():
        changed = document["work_units"].get(name)
        parameter = unit.power.parameter
        if changed is None or parameter is None or parameter not in unit.parameters:
            continue
        new = changed["parameters"][parameter]["value"]
        if isinstance(new, int | float):
            extra = (new - unit.parameters[parameter].value) * changed["power"]["slope_w"]
            for key in ("production_w", "idle_w"):
                changed["power"][key] = max(0.0, changed["power"][key] + extra)


def _fault(detail: Any) -> Fault:
    place = ".".join(map(str, detail["loc"]))
    message = str(detail["msg"]).removeprefix("Value error, ")
    given = detail.get("input")
    found = f"found {given}" if isinstance(given, int | float | str) else "does not fit"
    return Fault("changes", place, found, message[:1].lower() + message[1:])
