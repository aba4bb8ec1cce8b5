"""The host side of Sparkplug B: which value belongs to which address, and who is alive.

Pure: messages in, readings out. The only command it makes is the request to send births again,
which the standard gives to hosts and which changes nothing at the plant.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from connectors.field.delivery import ReadingsBuilder
from connectors.field.sparkplug import (
    BD_SEQ,
    QUALITY_BAD,
    QUALITY_STALE,
    REBIRTH,
    DataType,
    MessageType,
    Metric,
    Payload,
    Topic,
    decode_payload,
    encode_payload,
    typed,
)
from twin.errors import DataError

__all__ = ["SparkplugHost"]

REBIRTH_PAUSE_S = 5.0
"""A node is not asked for its births more often than this. [s]"""
_GOOD, _UNCERTAIN, _BAD = 0, 1, 2


@dataclass(slots=True)
class _Node:
    """What is known of one edge node."""

    wanted: dict[tuple[str | None, str], int] = field(default_factory=dict)
    """(device, metric) -> index of the address."""
    alias: dict[int, tuple[str | None, str]] = field(default_factory=dict)
    datatype: dict[tuple[str | None, str], int | None] = field(default_factory=dict)
    born: bool = False
    dead: bool = False
    bd_seq: object = None
    seq: int | None = None
    asked_s: float = float("-inf")


class SparkplugHost:
    """Follows the edge nodes of one broker.

    An address is ``group/edge-node[/device]:metric``. A death gives every address of the node or
    device a reading without value, of quality BAD. A gap in the sequence, or data that no birth
    explains, makes a rebirth request.
    """

    def __init__(self, addresses: Sequence[str], wall_s: Callable[[], float] = time.time) -> None:
        """Follow the nodes of these addresses.

        Raises:
            DataError: An address has another form, or stands twice.
        """
        self._nodes: dict[tuple[str, str], _Node] = {}
        self._wall_s = wall_s
        self._commands: list[tuple[str, bytes]] = []
        for index, address in enumerate(addresses):
            group, node, device, metric = _parse(address)
            wanted = self._nodes.setdefault((group, node), _Node()).wanted
            if (device, metric) in wanted:
                raise DataError(f'address "{address}" belongs to two signals; give each its own')
            wanted[device, metric] = index
        self.filters = tuple(f"spBv1.0/{g}/+/{n}/#" for g, n in self._nodes)

    def connected(self) -> None:
        """A new connection: births may have been missed, so every node is asked for its own."""
        for (group, name), node in self._nodes.items():
            node.born, node.seq = False, None
            node.alias.clear()
            self._ask(group, name, node)

    def commands(self) -> list[tuple[str, bytes]]:
        """Topic and payload of what is to be published; each is given once."""
        taken, self._commands = self._commands, []
        return taken

    def feed(self, topic: str, payload: bytes, retained: bool, readings: ReadingsBuilder) -> int:
        """Take one message and append its readings.

        Returns:
            How many of its values could not be understood; they wait for the births.

        Raises:
            DataError: Not a Sparkplug B message.
        """
        at = Topic.parse(topic)
        node = self._nodes.get((at.group, at.node))
        if node is None or at.kind in (MessageType.NCMD, MessageType.DCMD):
            return 0
        message = decode_payload(payload)
        if at.kind is MessageType.NDEATH:
            if not node.born or _bd_seq(message) == node.bd_seq:
                self._dies(node, readings)
            return 0
        if at.kind is MessageType.NBIRTH:
            node.alias.clear()
            node.datatype.clear()
            node.born, node.dead = True, False
            node.bd_seq, node.seq = _bd_seq(message), message.seq
        elif not self._in_sequence(node, message.seq):
            self._ask(at.group, at.node, node)
        if at.kind is MessageType.DDEATH:
            _no_values(node, readings, at.device, _us(message.timestamp_ms))
            return 0
        return self._values(at, node, message, readings)

    def _values(self, at: Topic, node: _Node, message: Payload, readings: ReadingsBuilder) -> int:
        birth = at.kind in (MessageType.NBIRTH, MessageType.DBIRTH)
        unknown = 0
        for metric in message.metrics:
            key = (at.device, metric.name or "") if metric.name else node.alias.get(metric.alias)  # type: ignore[arg-type]
            if key is None:
                unknown += 1
                continue
            if birth:
                node.datatype[key] = metric.datatype
                if metric.alias is not None:
                    node.alias[metric.alias] = key
            index = node.wanted.get(key)
            if index is not None:
                _add(readings, index, metric, node.datatype.get(key), message.timestamp_ms)
        if unknown or not node.born:
            self._ask(at.group, at.node, node)
        return unknown

    def _dies(self, node: _Node, readings: ReadingsBuilder) -> None:
        # The will was written when the node connected, so its own timestamp says nothing.
        if not node.dead:
            for device in {device for device, _ in node.wanted}:
                _no_values(node, readings, device, None)
        node.alias.clear()
        node.born, node.dead, node.seq = False, True, None

    def _in_sequence(self, node: _Node, seq: int | None) -> bool:
        previous, node.seq = node.seq, seq
        return previous is None or seq in ((previous + 1) % 256, previous)

    def _ask(self, group: str, name: str, node: _Node) -> None:
        now_s = self._wall_s()
        if 0 <= now_s - node.asked_s < REBIRTH_PAUSE_S:
            return
        node.asked_s = now_s
        metric = Metric(name=REBIRTH, datatype=DataType.BOOLEAN, value=True)
        payload = Payload(timestamp_ms=int(now_s * 1000), metrics=(metric,))
        topic = str(Topic(group, MessageType.NCMD, name))
        self._commands.append((topic, encode_payload(payload)))


def _parse(address: str) -> tuple[str, str, str | None, str]:
    place, _, metric = address.partition(":")
    parts = place.split("/")
    if len(parts) not in (2, 3) or not metric or not all(parts) or {*place} & {*"+#"}:
        raise DataError(f'address "{address}" is not group/edge-node[/device]:metric')
    return parts[0], parts[1], parts[2] if len(parts) == 3 else None, metric


def _bd_seq(message: Payload) -> object:
    return next((m.value for m in message.metrics if m.name == BD_SEQ), None)


def _us(timestamp_ms: int | None) -> int | None:
    return None if timestamp_ms is None else timestamp_ms * 1000


def _no_values(
    node: _Node, readings: ReadingsBuilder, device: str | None, at_us: int | None
) -> None:
    for (where, _), index in node.wanted.items():
        if where == device:
            readings.add(index, None, at_us, _BAD)


def _add(
    readings: ReadingsBuilder, index: int, metric: Metric, datatype: int | None, sent_ms: int | None
) -> None:
    value = typed(metric.value, datatype) if metric.datatype is None else metric.value
    at_ms = sent_ms if metric.timestamp_ms is None else metric.timestamp_ms
    quality = _GOOD
    if value is None or metric.quality == QUALITY_BAD:
        quality = _BAD
    elif metric.quality == QUALITY_STALE:
        quality = _UNCERTAIN
    readings.add(index, value, _us(at_ms), quality)
