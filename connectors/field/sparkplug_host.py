"""The host side of Sparkplug B: which value belongs to which address, and who is alive.

Pure: messages in, readings out. It has two things to say: the request to send births again, which
the standard gives to hosts and which changes nothing at the plant, and, where the plant file
names us the primary host, our own STATE.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectors.field.delivery import NO_TIME, Gap, Letter, ReadingsBuilder
from connectors.field.sparkplug import (
    NAMESPACE,
    REBIRTH,
    DataType,
    MessageType,
    Metric,
    Payload,
    Topic,
    decode_payload,
    encode_payload,
)
from connectors.field.sparkplug_births import Key
from connectors.field.sparkplug_columns import Columns, Table
from connectors.field.sparkplug_node import Arrival, EdgeNode, Outcome
from twin.errors import DataError
from twin.plant import SparkplugOptions

__all__ = ["SparkplugHost"]

_MOST_TOPICS = 100_000
_DATA = (MessageType.NDATA, MessageType.DDATA)


@dataclass(frozen=True, slots=True)
class _Route:
    node: EdgeNode | None
    """None for a message that is not for us."""
    kind: MessageType
    device: str | None
    data: bool


class SparkplugHost:
    """Follows the edge nodes of one broker; a ``connectors.field.mqtt.decoder.Decoder``.

    An address is ``group/edge-node[/device]:metric``. See docs/explanation/sparkplug.md for what
    it does with births, sequence numbers, deaths and losses.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        wall_s: Callable[[], float] = time.time,
        options: SparkplugOptions | None = None,
        reached_us: NDArray[np.int64] | None = None,
    ) -> None:
        """Follow the nodes of these addresses.

        Args:
            addresses: What is wanted; a reading's index points in here.
            wall_s: Seconds since 1970.
            options: Of the source; None for the usual.
            reached_us: For each address the newest time that is stored, looked at when the first
                connection is made; None when nothing is.

        Raises:
            DataError: An address has another form, or stands twice.
        """
        self._options = options or SparkplugOptions()
        self._wall_s = wall_s
        self._reached_us = reached_us
        self._table = Table()
        wanted: dict[tuple[str, str], dict[Key, int]] = {}
        for index, address in enumerate(addresses):
            group, name, device, metric = _parse(address)
            of_node = wanted.setdefault((group, name), {})
            if (device, metric) in of_node:
                raise DataError(f'address "{address}" belongs to two signals; give each its own')
            of_node[device, metric] = index
        self._nodes = {
            at: EdgeNode(*at, of_node, self._options, self._table) for at, of_node in wanted.items()
        }
        host = self._options.primary_host
        self._state_topic = None if host is None else f"{NAMESPACE}/STATE/{host}"
        self._state_ms = 0
        own = () if self._state_topic is None else (self._state_topic,)
        self.filters: Sequence[str] = (*(f"{NAMESPACE}/{g}/+/{n}/#" for g, n in self._nodes), *own)
        self._routes: dict[str, _Route] = {}
        self._number = 0
        self._seen_s = wall_s()
        self._commands: list[tuple[str, bytes, int, bool]] = []
        self._letters: list[Letter] = []
        self._gaps: list[Gap] = []
        self._early: ReadingsBuilder | None = None
        self._columns: tuple[ReadingsBuilder, Columns] | None = None

    def will(self) -> tuple[str, bytes, int, bool] | None:
        """Our STATE when we are gone without a word; None when we are no primary host."""
        self._state_ms = int(self._wall_s() * 1000)
        return self._state(False, self._state_ms)

    def connected(self) -> None:
        """A new connection: messages may have been missed, so every node is asked for its births."""
        self._number = 0
        self._early = self._early or ReadingsBuilder()
        out = self._outcome(self._early)
        for node in self._nodes.values():
            node.disconnected(out, self._seen_s, self._reached(node))
            self._ask(node, out.now_s)
        self._seen_s = out.now_s
        if (state := self._state(True, self._state_ms)) is not None:
            self._commands.append(state)

    def feed(self, topic: str, payload: bytes, retained: bool, readings: ReadingsBuilder) -> int:
        """Take one message and append its readings, now or when its turn has come.

        Returns:
            0: what is not understood is in ``letters``.

        Raises:
            DataError: Not a Sparkplug B message.
        """
        number, self._number = self._number, self._number + 1
        if self._early is not None:
            self._give_early(readings)
        route = self._routes.get(topic) or self._route(topic, payload)
        node = route.node
        if node is None:
            return 0
        if retained:
            raise DataError("retained, which no message of an edge node may be")
        now_s = self._wall_s()
        if route.data:
            shape = node.match(route.device, payload)
            if shape is not None:
                node.passed(shape, payload, now_s)
                self._columns_of(readings).add(shape, payload)
                return 0
        arrival = Arrival(
            number=number,
            topic=topic,
            kind=route.kind,
            device=route.device,
            payload=payload,
            message=decode_payload(payload),
            came_s=now_s,
        )
        node.take(arrival, self._outcome(readings, now_s))
        self._ask(node, now_s)
        return 0

    def tick(self, readings: ReadingsBuilder) -> None:
        """Give up on messages that are overdue, and ask again for births that did not come."""
        if self._early is not None:
            self._give_early(readings)
        out = self._outcome(readings)
        self._seen_s = out.now_s
        for node in self._nodes.values():
            node.tick(out)
            self._ask(node, out.now_s)

    def oldest_held(self) -> int | None:
        """Number of the oldest message that waits for one it has overtaken."""
        held = [a.number for node in self._nodes.values() for a in node.held.values()]
        return min(held, default=None)

    def commands(self) -> list[tuple[str, bytes, int, bool]]:
        """Topic, payload, QoS and retain of what is to be published; each is given once."""
        taken, self._commands = self._commands, []
        return taken

    def letters(self) -> list[Letter]:
        """Messages of which some value was not understood; each is given once."""
        taken, self._letters[:] = list(self._letters), []
        return taken

    def gaps(self) -> list[Gap]:
        """What was lost, known since births have come; each is given once."""
        taken, self._gaps[:] = list(self._gaps), []
        return taken

    def farewell(self) -> list[tuple[str, bytes, int, bool]]:
        """Our STATE when we leave on purpose."""
        state = self._state(False, int(self._wall_s() * 1000))
        return [] if state is None else [state]

    def _outcome(self, readings: ReadingsBuilder, now_s: float | None = None) -> Outcome:
        now_s = self._wall_s() if now_s is None else now_s
        return Outcome(readings=readings, letters=self._letters, gaps=self._gaps, now_s=now_s)

    def _give_early(self, readings: ReadingsBuilder) -> None:
        if self._early is not None:
            readings.add_later(self._early)
            self._early = None

    def _columns_of(self, readings: ReadingsBuilder) -> Columns:
        if self._columns is None or self._columns[0] is not readings:
            self._columns = (readings, Columns(self._table))
            readings.add_later(self._columns[1])
        return self._columns[1]

    def _reached(self, node: EdgeNode) -> int | None:
        if self._reached_us is None:
            return None
        reached = int(self._reached_us[list(node.wanted.values())].max())
        return None if reached == NO_TIME else reached

    def _route(self, topic: str, payload: bytes) -> _Route:
        if topic == self._state_topic:
            self._hears_of_us(payload)
            return _Route(None, MessageType.NCMD, None, False)
        at = Topic.parse(topic)
        if (at.device is None) == at.kind.startswith("D") or at.device == "":
            raise DataError(f'"{topic}" does not fit a message of a node or device')
        node = self._nodes.get((at.group, at.node))
        if at.kind in (MessageType.NCMD, MessageType.DCMD):
            node = None
        route = _Route(node, at.kind, at.device, at.kind in _DATA)
        if len(self._routes) >= _MOST_TOPICS:
            self._routes.clear()
        self._routes[topic] = route
        return route

    def _state(self, online: bool, at_ms: int) -> tuple[str, bytes, int, bool] | None:
        if self._state_topic is None:
            return None
        payload = json.dumps({"online": online, "timestamp": at_ms}, separators=(",", ":"))
        return self._state_topic, payload.encode(), 1, True

    def _hears_of_us(self, payload: bytes) -> None:
        """Whoever says that we are away is wrong: the will of our last connection, mostly."""
        mine = self._state(True, self._state_ms)
        if mine is not None and mine[1] != payload:
            self._commands.append(mine)

    def _ask(self, node: EdgeNode, now_s: float) -> None:
        if node.asks(now_s):
            metric = Metric(name=REBIRTH, datatype=DataType.BOOLEAN, value=True)
            payload = Payload(timestamp_ms=int(now_s * 1000), metrics=(metric,))
            topic = str(Topic(node.group, MessageType.NCMD, node.name))
            self._commands.append((topic, encode_payload(payload), 0, False))


def _parse(address: str) -> tuple[str, str, str | None, str]:
    place, _, metric = address.partition(":")
    parts = place.split("/")
    if len(parts) not in (2, 3) or not metric or not all(parts) or {*place} & {*"+#"}:
        raise DataError(f'address "{address}" is not group/edge-node[/device]:metric')
    return parts[0], parts[1], parts[2] if len(parts) == 3 else None, metric
