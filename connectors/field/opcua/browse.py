"""What an OPC UA server has: its variables with type, unit, range and access. Reads only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from asyncua import ua as _ua
from asyncua.client.client import Client
from asyncua.ua.uaerrors import UaError

from connectors.field.opcua.datatypes import DataTypes, Field
from connectors.field.opcua.items import node_id
from twin.errors import NotFoundError
from twin.units import UNITS

__all__ = ["Variable", "address_of", "browse", "unit_of"]

ua: Any = _ua
"""asyncua names its types by ``import *``, which strict typing does not follow."""

AT_ONCE = 200
"""Nodes in one request; fewer when the server wants fewer."""
MOST_REFERENCES = 1_000
"""Of one node in one answer; the server is asked for the rest."""
MOST = 200_000
"""Nodes that are looked at, at most."""
LONGEST_ARRAY = 16
"""Elements of an array that are told one by one."""

_FORWARD = ua.BrowseDirection.Forward
_OBJECTS_AND_VARIABLES = 3
_REFERENCE_CLASS_NAME = 1 | 4 | 8
_HAS_PROPERTY = ua.NodeId(ua.ObjectIds.HasProperty)
_TOO_MANY = frozenset(
    {
        ua.StatusCodes.BadTooManyOperations,
        ua.StatusCodes.BadResponseTooLarge,
        ua.StatusCodes.BadEncodingLimitsExceeded,
        ua.StatusCodes.BadTcpMessageTooLarge,
    }
)
_READ = ("DataType", "ValueRank", "ArrayDimensions", "UserAccessLevel", "Historizing")
_READABLE, _HISTORY_READABLE = 1, 4

_UNECE = {
    "C62": "1",
    "P1": "%",
    "KEL": "K",
    "CEL": "degC",
    "FAH": "degF",
    "SEC": "s",
    "C26": "ms",
    "MIN": "min",
    "HUR": "h",
    "MTR": "m",
    "MMT": "mm",
    "4H": "um",
    "MTS": "m/s",
    "C16": "mm/s",
    "2X": "m/min",
    "MSK": "m/s2",
    "PAL": "Pa",
    "KPA": "kPa",
    "BAR": "bar",
    "WTT": "W",
    "KWT": "kW",
    "JOU": "J",
    "KWH": "kWh",
    "AMP": "A",
    "VLT": "V",
    "HTZ": "Hz",
    "RPM": "1/min",
    "KGM": "kg",
    "GRM": "g",
    "L2": "l/min",
    "NEW": "N",
}
"""Common codes of UN/ECE Recommendation 20, which OPC 10000-8, 5.6.3 makes the unit ids of."""
_SYMBOLS = {"°C": "degC", "°F": "degF", "rpm": "1/min", "µm": "um", "m/s²": "m/s2", "pcs": "count"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One variable of a server."""

    address: str
    """As an address in the plant file."""
    path: tuple[str, ...]
    """Browse names from where the walk began."""
    type: str
    """Built-in type, ``Enumeration`` or ``Structure``."""
    array: bool
    length: int | None
    """Elements of the array, where the server says; 0 when that varies."""
    fields: tuple[Field, ...]
    """Of a structure, with their way into it."""
    unit: str | None
    """Our unit code; None when the server says no unit, or one that we do not know."""
    unit_said: str | None
    """As the server writes it."""
    low: float | None
    high: float | None
    """EURange."""
    readable: bool
    """By us, as the user that we are."""
    history: bool
    """The server keeps a history of it that we may read."""


async def browse(client: Client, *, under: str | None = None, depth: int = 10) -> list[Variable]:
    """All variables below a node, nearest first.

    Args:
        client: Connected.
        under: Address of the node to begin at; None for the Objects folder without what every
            server has there.
        depth: How many levels.

    Raises:
        NotFoundError: The server has no node ``under``.
        UaError: The server refused.
    """
    walk = _Walk(client, await client.get_namespace_array())
    nodes = await walk.nodes(under, depth)
    return await walk.variables(nodes)


def address_of(node: Any, namespaces: Sequence[str]) -> str:
    """A NodeId as an address whose namespace is named by its URI.

    Example:
        >>> address_of(ua.NodeId("press.force", 2), ["http://opcfoundation.org/UA/", "a", "urn:b"])
        'nsu=urn:b;s=press.force'
    """
    plain = ua.NodeId(node.Identifier, 0, node.NodeIdType).to_string()
    text = (
        str(plain) if not node.NamespaceIndex else f"nsu={namespaces[node.NamespaceIndex]};{plain}"
    )
    return f"{text}#" if "#" in str(node.Identifier) else text


def unit_of(information: Any) -> str | None:
    """Our unit code for an EUInformation; None when we have none.

    Example:
        >>> unit_of(ua.EUInformation(UnitId=4408652))
        'degC'
    """
    number = int(information.UnitId or 0)
    code = number.to_bytes(4, "big", signed=True).strip(b"\0").decode("latin-1")
    if code in _UNECE:
        return _UNECE[code]
    said = (_said(information) or "").strip()
    return said if said in UNITS else _SYMBOLS.get(said)


def _said(information: Any) -> str | None:
    text = getattr(information.DisplayName, "Text", None)
    return str(text) if text else None


@dataclass(slots=True)
class _Node:
    id: Any
    path: tuple[str, ...]
    variable: bool
    unit: Any = None
    """NodeId of its property."""
    range: Any = None
    found: dict[str, Any] = field(default_factory=dict)


class _Walk:
    """The way through one server's address space."""

    def __init__(self, client: Client, namespaces: Sequence[str]) -> None:
        self._session = client.uaclient.session
        self._namespaces = namespaces
        self._at_once = AT_ONCE
        self._types = DataTypes(self.read, self.references)

    async def nodes(self, under: str | None, depth: int) -> list[_Node]:
        start = await self._start(under)
        level, seen, found = [start], {start.id}, [start] if start.variable else []
        for _ in range(depth):
            below: list[_Node] = []
            async for node, references in self._below(level):
                for reference in references:
                    child = _child(node, reference, standard=under is None and node is start)
                    if child is None or child.id in seen or len(seen) >= MOST:
                        continue
                    seen.add(child.id)
                    below.append(child)
            found += [node for node in below if node.variable]
            level = below
            if not level:
                break
        return found

    async def _start(self, under: str | None) -> _Node:
        if under is None:
            return _Node(ua.NodeId(ua.ObjectIds.ObjectsFolder), (), variable=False)
        node = node_id(under.removesuffix("#"), self._namespaces)
        said = await self.read([(node, ua.AttributeIds.NodeClass)]) if node is not None else [None]
        if said[0] is None:
            raise NotFoundError(
                f"the server has no node {under}; browse without --under to see all"
            )
        name = getattr((await self.read([(node, ua.AttributeIds.BrowseName)]))[0], "Name", under)
        return _Node(node, (str(name),), variable=said[0] == ua.NodeClass.Variable)

    async def _below(self, level: Sequence[_Node]) -> AsyncIterator[tuple[_Node, list[Any]]]:
        kind = ua.NodeId(ua.ObjectIds.HierarchicalReferences)
        descriptions = [
            ua.BrowseDescription(
                NodeId=node.id,
                BrowseDirection=_FORWARD,
                ReferenceTypeId=kind,
                IncludeSubtypes=True,
                NodeClassMask=_OBJECTS_AND_VARIABLES,
                ResultMask=_REFERENCE_CLASS_NAME,
            )
            for node in level
        ]
        for start in range(0, len(level), AT_ONCE):
            found = await self.references(descriptions[start : start + AT_ONCE])
            for node, references in zip(level[start : start + AT_ONCE], found, strict=True):
                yield node, references

    async def references(self, descriptions: Sequence[Any]) -> list[list[Any]]:
        """The references that each description asks for; none where the server refuses."""
        found: list[list[Any]] = []
        start = 0
        while start < len(descriptions):
            part = list(descriptions[start : start + self._at_once])
            try:
                results = await self._session.browse(
                    ua.BrowseParameters(
                        View=ua.ViewDescription(),
                        RequestedMaxReferencesPerNode=MOST_REFERENCES,
                        NodesToBrowse=part,
                    )
                )
            except UaError as e:
                self._fewer(e, len(part))
                continue
            got = [list(result.References or ()) for result in results]
            await self._rest(got, [result.ContinuationPoint for result in results])
            # A server has few continuation points; who got none is asked again, alone.
            for i, result in enumerate(results):
                if result.StatusCode.value == ua.StatusCodes.BadNoContinuationPoints:
                    got[i] = (await self.references(part[i : i + 1]))[0] if len(part) > 1 else []
            found += got
            start += len(part)
        return found

    async def _rest(self, got: list[list[Any]], points: list[bytes | None]) -> None:
        open_ = {i: point for i, point in enumerate(points) if point}
        while open_:
            places = list(open_)
            results = await self._session.browse_next(
                ua.BrowseNextParameters(
                    ReleaseContinuationPoints=False, ContinuationPoints=list(open_.values())
                )
            )
            open_ = {}
            for i, result in zip(places, results, strict=True):
                got[i] += result.References or ()
                if result.ContinuationPoint:
                    open_[i] = result.ContinuationPoint

    async def read(self, wanted: Sequence[tuple[Any, Any]]) -> list[Any]:
        """The value of each (node, attribute); None where the server has none or refuses."""
        found: list[Any] = []
        start = 0
        while start < len(wanted):
            part = wanted[start : start + self._at_once]
            parameters = ua.ReadParameters(
                TimestampsToReturn=ua.TimestampsToReturn.Neither,
                NodesToRead=[ua.ReadValueId(NodeId=n, AttributeId=a) for n, a in part],
            )
            try:
                results = await self._session.read(parameters)
            except UaError as e:
                self._fewer(e, len(part))
                continue
            for result in results:
                good = result.StatusCode is None or result.StatusCode.is_good()
                found.append(result.Value.Value if good and result.Value is not None else None)
            start += len(part)
        return found

    def _fewer(self, error: UaError, count: int) -> None:
        if getattr(error, "code", None) not in _TOO_MANY or count == 1:
            raise error
        self._at_once = max(count // 2, 1)

    async def variables(self, nodes: Sequence[_Node]) -> list[Variable]:
        attributes = [getattr(ua.AttributeIds, name) for name in _READ]
        said = await self.read([(node.id, a) for node in nodes for a in attributes])
        for i, node in enumerate(nodes):
            values = said[i * len(_READ) : (i + 1) * len(_READ)]
            node.found = dict(zip(_READ, values, strict=True))
        value = ua.AttributeIds.Value
        extra = [(n, key, p) for n in nodes for key, p in (("u", n.unit), ("r", n.range)) if p]
        for (node, key, _), got in zip(
            extra, await self.read([(p, value) for *_, p in extra]), strict=True
        ):
            node.found[key] = got
        unsized = [n for n in nodes if _is_array(n) and not _size(n)]
        for node, got in zip(
            unsized, await self.read([(n.id, value) for n in unsized]), strict=True
        ):
            node.found["length"] = len(got) if isinstance(got, list) else 0
        return [await self._variable(node) for node in nodes]

    async def _variable(self, node: _Node) -> Variable:
        said: Mapping[str, Any] = node.found
        kind = await self._types.name(said["DataType"])
        fields = await self._types.fields(said["DataType"]) if kind == "Structure" else ()
        unit, span = said.get("u"), said.get("r")
        low, high = (span.Low, span.High) if isinstance(span, ua.Range) else (0.0, 0.0)
        access = said["UserAccessLevel"] or 0
        return Variable(
            address=address_of(node.id, self._namespaces),
            path=node.path,
            type=kind,
            array=_is_array(node),
            length=(_size(node) or said.get("length")) if _is_array(node) else None,
            fields=fields,
            unit=unit_of(unit) if isinstance(unit, ua.EUInformation) else None,
            unit_said=_said(unit) if isinstance(unit, ua.EUInformation) else None,
            low=float(low) if high > low else None,
            high=float(high) if high > low else None,
            readable=bool(access & _READABLE),
            history=bool(said["Historizing"]) and bool(access & _HISTORY_READABLE),
        )


def _child(node: _Node, reference: Any, *, standard: bool) -> _Node | None:
    """The node that a reference leads to; a unit or range is noted at its variable instead."""
    target = reference.NodeId
    if getattr(target, "ServerIndex", 0):
        return None
    id_ = ua.NodeId(target.Identifier, target.NamespaceIndex, target.NodeIdType)
    name = str(reference.BrowseName.Name)
    if reference.ReferenceTypeId == _HAS_PROPERTY:
        if node.variable and name == "EngineeringUnits":
            node.unit = id_
        elif node.variable and name == "EURange":
            node.range = id_
        return None
    if standard and id_.NamespaceIndex == 0:  # Server, Aliases, Locations
        return None
    return _Node(id_, (*node.path, name), variable=reference.NodeClass == ua.NodeClass.Variable)


def _is_array(node: _Node) -> bool:
    rank = node.found.get("ValueRank")
    return isinstance(rank, int) and rank >= 0


def _size(node: _Node) -> int:
    sizes: list[int] = node.found.get("ArrayDimensions") or []
    return sizes[0] if len(sizes) == 1 else 0
