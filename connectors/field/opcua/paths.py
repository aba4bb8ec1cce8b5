"""Ways into structures and arrays, and whole ones as JSON."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from datetime import datetime
from enum import Enum
from typing import Any

from asyncua import ua as _ua
from asyncua.common.utils import Buffer
from asyncua.ua import ua_binary

__all__ = ["Path", "as_json", "as_text", "is_raw", "lead", "parse_path", "scalar", "unpack"]

ua: Any = _ua
"""asyncua names its types by ``import *``, which strict typing does not follow."""

Path = tuple[str | int, ...]
"""Names of fields, and places in arrays."""

_STEP = re.compile(r"\[(\d+)\]|\.?([^.\[\]]+)")


def parse_path(path: str) -> Path:
    """The steps of a way, as written behind the ``#`` of an address.

    Example:
        >>> parse_path("steps[2].force"), parse_path("[3]"), parse_path("")
        (('steps', 2, 'force'), (3,), ())
    """
    return tuple(int(place) if place else name for place, name in _STEP.findall(path))


def lead(value: Any, path: Path) -> Any:
    """What is found there.

    Raises:
        LookupError: There is no such field or place.
    """
    for step in path:
        if isinstance(step, int):
            if not isinstance(value, list | tuple):
                raise LookupError(f"no array to take [{step}] of")  # noqa: TRY004
            if step >= len(value):
                raise LookupError(f"an array of {len(value)} has no [{step}]")
            value = value[step]
        elif isinstance(value, dict) and step in value:
            value = value[step]
        elif dataclasses.is_dataclass(value) and hasattr(value, step):
            value = getattr(value, step)
        else:
            raise LookupError(f'no field "{step}" in a {type(value).__name__}')
        if isinstance(value, ua.Variant | ua.DataValue):
            value = _bare(value)
    return value


def scalar(value: Any) -> float | str | None:
    """A number or text; None for what is missing.

    Raises:
        LookupError: It is an array or a structure.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Enum) and isinstance(value.value, int):
        return float(value.value)
    if isinstance(value, bool | int | float):
        return float(value)
    if isinstance(value, ua.LocalizedText):
        text: str | None = value.Text
        return text
    if isinstance(value, datetime):
        return value.isoformat()
    kind = "an array" if isinstance(value, list | tuple) else f"a {type(value).__name__}"
    raise LookupError(f"{kind} where a number or text is wanted")


def as_json(value: Any) -> str:
    """Anything that a server can say, as JSON in one line.

    Example:
        >>> as_json([1, 2.5, None])
        '[1, 2.5, null]'
    """
    return json.dumps(value, default=_plain, ensure_ascii=False)


def as_text(value: Any) -> float | str | None:
    """Numbers and texts as they are, arrays and structures as JSON, identifiers as a text.

    Example:
        >>> as_text([1, 2]), as_text("JO-7"), as_text(b"abc")
        ('[1, 2]', 'JO-7', 'YWJj')
    """
    try:
        return scalar(value)
    except LookupError:
        plain = _plain(value)
        return plain if isinstance(plain, str) else as_json(value)


def is_raw(value: Any) -> bool:
    """Whether it is, or holds, a structure that was not decoded for want of its type."""
    if isinstance(value, list):
        return any(map(is_raw, value))
    return isinstance(value, ua.ExtensionObject)


def unpack(value: Any) -> Any:
    """The same with structures decoded whose types are known by now."""
    if isinstance(value, list):
        return [unpack(part) for part in value]
    if not isinstance(value, ua.ExtensionObject):
        return value
    kind = ua.extension_objects_by_typeid.get(value.TypeId)
    if kind is None or not value.Body:
        return value
    try:
        return ua_binary.struct_from_binary(kind, Buffer(value.Body))
    except Exception:  # noqa: BLE001 - bytes that do not fit their type stay as they are
        return value


def _plain(value: Any) -> Any:
    if isinstance(value, ua.LocalizedText):
        return value.Text
    if isinstance(value, ua.QualifiedName):
        return value.Name
    if isinstance(value, ua.NodeId | ua.ExpandedNodeId):
        return value.to_string()
    if isinstance(value, ua.Variant | ua.DataValue):
        return _bare(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    return value if isinstance(value, list | tuple | dict) else str(value)


def _bare(value: Any) -> Any:
    while isinstance(value, ua.Variant | ua.DataValue):
        value = value.Value
    return value
