"""Variables of an OPC UA server as a proposal for the plant file."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from connectors.field.opcua.browse import LONGEST_ARRAY, Variable
from connectors.field.opcua.datatypes import TEXTS

__all__ = ["proposal"]

_NUMBERS = frozenset(
    [
        "Boolean",
        "SByte",
        "Byte",
        "Int16",
        "UInt16",
        "Int32",
        "UInt32",
        "Int64",
        "UInt64",
        "Float",
        "Double",
        "Number",
        "Enumeration",
        "StatusCode",
    ]
)
_ENERGY_UNITS = frozenset({"W", "kW", "J", "kWh"})
_ROLES = {
    "state": "state",
    "state_current": "state",  # of PackML, OPC 30050
    "good_count": "good_count",
    "reject_count": "reject_count",
    "order": "order",
    "product": "product",
    "reason": "reason",
    "fault": "fault",
}
_TEXT_ROLES = frozenset({"order", "product", "fault"})


@dataclass(frozen=True, slots=True)
class _Signal:
    """One value that could be a signal."""

    variable: Variable
    way: str
    name: str
    text: bool

    @property
    def address(self) -> str:
        plain = f"{self.variable.address}#{self.way}" if self.way else self.variable.address
        return plain.replace("{", "{{").replace("}", "}}")


def proposal(variables: Sequence[Variable], source: str, url: str) -> str:
    """Lines for a plant file: the source, and signals by the node that they are below.

    Roles are guessed from names and units; every line is to be looked at.

    Args:
        variables: What a server has.
        source: Name for it in the plant file.
        url: Where it is, without user and password.
    """
    units = _by_unit(variables)
    template = _template(units)
    lines = [
        "# Proposed by linetwin browse. Look at every role; add what each work unit needs besides.",
        f"[sources.{source}]",
        'kind = "opcua"',
        f"url = {_quoted(url)}",
        f"address = {_quoted(template)}",
    ]
    for unit, signals in units.items():
        lines += ["", f"[work_units.{unit}.signals]"]
        for key, signal in signals.items():
            usual = template.format(unit=unit, signal=key) == signal.address
            lines.append(_line(key, signal, source, with_address=not usual))
    return "\n".join(lines) + "\n"


def _by_unit(variables: Sequence[Variable]) -> dict[str, dict[str, _Signal]]:
    parents: dict[tuple[str, ...], list[_Signal]] = {}
    for variable in variables:
        if variable.readable:
            parents.setdefault(variable.path[:-1], []).extend(_signals(variable))
    units: dict[str, dict[str, _Signal]] = {}
    for parent, signals in parents.items():
        if signals:
            unit = _free(_unit_names(parent), units)
            named = units.setdefault(unit, {})
            for signal in signals:
                named[_free([signal.name], named)] = signal
    return units


def _signals(variable: Variable) -> Iterator[_Signal]:
    name = variable.path[-1]
    if variable.type == "Structure":
        for inner in variable.fields:
            if not inner.array and inner.type in _NUMBERS | TEXTS:
                yield _Signal(
                    variable, inner.way, _slug(f"{name}_{inner.way}"), inner.type in TEXTS
                )
    elif variable.type in _NUMBERS | TEXTS:
        text = variable.type in TEXTS
        if not variable.array:
            yield _Signal(variable, "", _slug(name), text)
        else:
            length = variable.length or 0
            for place in range(length if length <= LONGEST_ARRAY else 0):
                yield _Signal(variable, f"[{place}]", _slug(f"{name}_{place}"), text)


def _unit_names(parent: tuple[str, ...]) -> list[str]:
    """Names for a work unit, best first: of its node, then with what is above it."""
    return [_slug("_".join(parent[-n:])) for n in range(1, len(parent) + 1)] or ["server"]


def _free(names: Sequence[str], taken: Mapping[str, object]) -> str:
    for name in names:
        if name not in taken:
            return name
    last, n = names[-1], 2
    while f"{last}_{n}" in taken:
        n += 1
    return f"{last}_{n}"


def _slug(name: str) -> str:
    """A name as in plant files.

    Example:
        >>> _slug("PeakTemperature °C"), _slug("3rd Axis")
        ('peak_temperature_c', 'n3rd_axis')
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    slug = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_") or "value"
    return slug if slug[0].isalpha() else f"n{slug}"


def _template(units: Mapping[str, Mapping[str, _Signal]]) -> str:
    """The template that makes most addresses; else one in the namespace that most are in."""
    fits: Counter[str] = Counter()
    spaces: Counter[str] = Counter()
    for unit, signals in units.items():
        for key, signal in signals.items():
            address = signal.address
            if "{" in address:
                continue
            space, found, _ = address.partition(";")
            spaces[space if found else "ns=0"] += 1
            place = re.escape(unit) + r"([./_:|-])" + re.escape(key)
            if match := re.search(rf"(?<=;s=){place}$", address):
                fits[f"{address[: match.start()]}{{unit}}{match[1]}{{signal}}"] += 1
    if fits:
        return fits.most_common(1)[0][0]
    return f"{spaces.most_common(1)[0][0] if spaces else 'ns=1'};s={{unit}}.{{signal}}"


def _line(key: str, signal: _Signal, source: str, *, with_address: bool) -> str:
    variable = signal.variable
    role = _ROLES.get(key, "process")
    if signal.text != (role in _TEXT_ROLES) and role != "process":
        role = "process"
    unit = None if signal.text or signal.way else variable.unit
    role = "energy" if unit in _ENERGY_UNITS else role
    fields = [f'source = "{source}"', f'role = "{role}"']
    if with_address:
        fields.append(f"address = {_quoted(signal.address)}")
    if signal.text:
        fields.append("text = true")
    elif unit is not None:
        fields.append(f"unit = {_quoted(unit)}")
    if not signal.text and not signal.way and variable.low is not None:
        fields += [f"low = {variable.low!r}", f"high = {variable.high!r}"]
    line = f"{key} = {{ {', '.join(fields)} }}"
    if variable.unit is None and variable.unit_said and not signal.text:
        said = re.sub(r"[\x00-\x1f\x7f]", " ", variable.unit_said)
        line += f"  # the server says {said}, which is no unit here"
    return line


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
