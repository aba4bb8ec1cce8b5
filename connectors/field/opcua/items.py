"""What is wanted of an OPC UA server: nodes, how each is sampled, and which signals it feeds."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from asyncua import ua as _ua
from asyncua.ua.uaerrors import UaError
from numpy.typing import NDArray

from connectors.field.delivery import NO_TIME
from connectors.field.opcua.paths import Path, parse_path
from connectors.field.source import Wanted
from twin.plant import OpcuaOptions

__all__ = ["Item", "Items", "Place", "SavedItem", "node_id", "split_address"]

ua: Any = _ua
"""asyncua names its types by ``import *``, which strict typing does not follow."""

STATED_RATE_PER_S = 80.0
"""Values of one node that we reckon with when the server samples as fast as it can. [1/s]"""
SMALLEST_QUEUE, LARGEST_QUEUE = 10, 100_000

_NODE = re.compile(r"(?:(?:nsu=[^;]*|ns=\d+);)?[isgb]=")


@dataclass(frozen=True, slots=True)
class Place:
    """One address on a node."""

    index: int
    """Among the source's addresses."""
    path: Path
    """Into the value; empty for the value itself."""
    text: bool
    """The signal is a text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedItem:
    """What another process needs to know of a monitored item to take it over."""

    key: str
    handle: int
    item_id: int
    settings: str


@dataclass(slots=True, kw_only=True)
class Item:
    """One node that is monitored, or is to be."""

    key: str
    """Its address, without the ways into its value."""
    handle: int
    """The server says this number with each value."""
    places: tuple[Place, ...]
    sampling_ms: float
    queue: int
    deadband: float | None
    percent: bool
    settings: str
    """All that the server was asked for; when it changes the item is made anew."""
    node: Any = None
    """NodeId at the present connection; None when the server does not know its namespace."""
    item_id: int | None = None
    """By the server; None while it is not monitored."""
    heard_us: int = NO_TIME
    """Up to here its values are known, while it is not monitored. Microseconds since 1970."""


@dataclass(slots=True)
class Items:
    """Every wanted node; a node that is missing stays wanted."""

    all: list[Item]
    plain: NDArray[np.int32]
    """By handle: the index of the only address of the node; -1 for several, or ways into it."""
    by_handle: dict[int, Item] = field(default_factory=dict)
    strangers: list[int] = field(default_factory=list)
    """Items of an earlier process that nobody wants any more."""

    @classmethod
    def of(
        cls, wanted: Sequence[Wanted], options: OpcuaOptions, saved: Sequence[SavedItem] = ()
    ) -> Items:
        """The items for these addresses; those that an earlier process left are taken over."""
        nodes: dict[str, list[Place]] = {}
        for index, signal in enumerate(wanted):
            key, path = split_address(signal.address)
            nodes.setdefault(key, []).append(Place(index, parse_path(path), signal.text))
        by_key = {item.key: item for item in saved}
        free = max((item.handle for item in saved), default=-1) + 1
        found: list[Item] = []
        for key, places in nodes.items():
            item = _item(key, tuple(places), [wanted[p.index] for p in places], options)
            before = by_key.get(key)
            if before is not None and before.settings == item.settings:
                item.handle, item.item_id = before.handle, before.item_id
                del by_key[key]
            else:
                item.handle, free = free, free + 1
            found.append(item)
        plain = np.full(free + 1, -1, np.int32)
        for item in found:
            if len(item.places) == 1 and not item.places[0].path:
                plain[item.handle] = item.places[0].index
        by_handle = {item.handle: item for item in found}
        return cls(found, plain, by_handle, [item.item_id for item in by_key.values()])

    @property
    def missing(self) -> list[Item]:
        """Those that are not monitored."""
        return [item for item in self.all if item.item_id is None]

    def resolve(self, namespaces: Sequence[str]) -> None:
        """Look the nodes up by these namespaces; their numbers may change when a server restarts."""
        for item in self.all:
            item.node = node_id(item.key, namespaces)

    def saved(self) -> list[SavedItem]:
        """What another process needs to take them over."""
        return [
            SavedItem(key=i.key, handle=i.handle, item_id=i.item_id, settings=i.settings)
            for i in self.all
            if i.item_id is not None
        ]

    def forget(self, heard_us: int) -> None:
        """The server monitors none of them any more; up to this time their values are known."""
        for item in self.all:
            if item.item_id is not None:
                item.item_id, item.heard_us = None, heard_us
        self.strangers.clear()


def split_address(address: str) -> tuple[str, str]:
    """The node, and the way into its value.

    Example:
        >>> split_address("nsu=http://maker.example/#types;s=press.recipe#step[2].force")
        ('nsu=http://maker.example/#types;s=press.recipe', 'step[2].force')
    """
    start = match.end() if (match := _NODE.match(address)) else 0
    cut = address.rfind("#", start)
    return (address, "") if cut < 0 else (address[:cut], address[cut + 1 :])


def node_id(key: str, namespaces: Sequence[str]) -> Any:
    """The NodeId; None when the address or its namespace is not known to the server."""
    if key.startswith("nsu="):
        uri, _, rest = key[4:].partition(";")
        if uri not in namespaces:
            return None
        key = f"ns={namespaces.index(uri)};{rest}"
    try:
        return ua.NodeId.from_string(key)
    except (UaError, ValueError):
        return None


def queue_for(keep_s: float, sampling_ms: float) -> int:
    """How many values a node may have in ``keep_s``.

    Example:
        >>> queue_for(60, 250), queue_for(60, 0), queue_for(1, 1000)
        (240, 4800, 10)
    """
    values = keep_s * (1000 / sampling_ms if sampling_ms > 0 else STATED_RATE_PER_S)
    return min(max(math.ceil(values), SMALLEST_QUEUE), LARGEST_QUEUE)


def _item(
    key: str, places: tuple[Place, ...], wanted: Sequence[Wanted], options: OpcuaOptions
) -> Item:
    sampling_ms = min(
        options.sampling_interval_ms if w.sampling_interval_ms is None else w.sampling_interval_ms
        for w in wanted
    )
    deadband, percent = _deadband(wanted)
    queue = queue_for(options.keep_s, sampling_ms)
    discard = options.discard
    settings: Mapping[str, Any] = {"s": sampling_ms, "q": queue, "d": deadband, "p": percent}
    return Item(
        key=key,
        handle=-1,
        places=places,
        sampling_ms=sampling_ms,
        queue=queue,
        deadband=deadband,
        percent=percent,
        settings=f"{discard} " + " ".join(f"{k}{v}" for k, v in settings.items()),
    )


def _deadband(wanted: Sequence[Wanted]) -> tuple[float | None, bool]:
    """The smallest one when every signal of the node has one of the same kind."""
    for percent in (False, True):
        bands = [w.deadband_percent if percent else w.deadband for w in wanted]
        if all(band is not None for band in bands):
            return min(band for band in bands if band is not None), percent
    return None, False
