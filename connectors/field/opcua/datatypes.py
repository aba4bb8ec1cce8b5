"""Data types of an OPC UA server: what is built in below each, and the fields of structures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from asyncua import ua as _ua

__all__ = ["TEXTS", "DataTypes", "Field"]

ua: Any = _ua
"""asyncua names its types by ``import *``, which strict typing does not follow."""

DEEPEST = 5
"""Structures within structures that are looked into."""
MOST_FIELDS = 200

TEXTS = frozenset({"String", "LocalizedText", "DateTime"})
"""Types whose values are texts here."""

_BUILT_IN: dict[int, str] = {v.value: v.name for v in ua.VariantType if 1 <= v.value <= 25}
_BUILT_IN |= {
    ua.ObjectIds.Number: "Number",
    ua.ObjectIds.Integer: "Number",
    ua.ObjectIds.UInteger: "Number",
    ua.ObjectIds.Enumeration: "Enumeration",
    ua.ObjectIds.Structure: "Structure",
    ua.ObjectIds.BaseDataType: "Variant",
}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a structure, or of a structure in it."""

    way: str
    """Behind the ``#`` of an address."""
    type: str
    array: bool


Read = Callable[[Sequence[tuple[Any, Any]]], Awaitable[list[Any]]]
References = Callable[[Sequence[Any]], Awaitable[list[list[Any]]]]


class DataTypes:
    """Asks a server about its data types, about each once."""

    def __init__(self, read: Read, references: References) -> None:
        self._read = read
        self._references = references
        self._names: dict[Any, str] = {}
        self._definitions: dict[Any, Any] = {}

    async def name(self, data_type: Any) -> str:
        """The built-in type that it comes from, ``Enumeration`` or ``Structure``."""
        if data_type is None:
            return "Variant"
        if data_type not in self._names:
            self._names[data_type] = await self._built_in(data_type)
        return self._names[data_type]

    async def _built_in(self, data_type: Any) -> str:
        seen: set[Any] = set()
        at = data_type
        while at not in seen:
            seen.add(at)
            if at.NamespaceIndex == 0 and at.Identifier in _BUILT_IN:
                return _BUILT_IN[at.Identifier]
            above = ua.BrowseDescription(
                NodeId=at,
                BrowseDirection=ua.BrowseDirection.Inverse,
                ReferenceTypeId=ua.NodeId(ua.ObjectIds.HasSubtype),
                IncludeSubtypes=True,
                NodeClassMask=0,
                ResultMask=0,
            )
            (references,) = await self._references([above])
            if not references:
                break
            id_ = references[0].NodeId
            at = ua.NodeId(id_.Identifier, id_.NamespaceIndex, id_.NodeIdType)
        return "Variant"

    async def fields(self, data_type: Any, before: str = "", deep: int = 0) -> tuple[Field, ...]:
        """The fields that hold numbers, texts or arrays; none when the server does not tell."""
        found: list[Field] = []
        definition = await self._definition(data_type)
        for item in getattr(definition, "Fields", None) or ():
            way, kind = f"{before}{item.Name}", await self.name(item.DataType)
            array = item.ValueRank is not None and item.ValueRank >= 0
            if kind == "Structure" and not array:
                if deep < DEEPEST:
                    found += await self.fields(item.DataType, f"{way}.", deep + 1)
            else:
                found.append(Field(way, kind, array))
        return tuple(found[:MOST_FIELDS])

    async def _definition(self, data_type: Any) -> Any:
        if data_type not in self._definitions:
            wanted = [(data_type, ua.AttributeIds.DataTypeDefinition)]
            self._definitions[data_type] = (await self._read(wanted))[0]
        return self._definitions[data_type]
