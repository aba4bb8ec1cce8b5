"""MQTT: one connection to a broker that carries plain JSON or Sparkplug B.

A message is acknowledged when its readings are in the store, never before. In MQTT 3.1.1 the
broker decides how many messages it sends unacknowledged (Mosquitto: 20), so the store is asked to
hurry when half of them are out. ``?version=5`` at the end of the URL speaks MQTT 5, where the
client decides; the embedded broker of the demo has only 3.1.1.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Protocol

from connectors.field.delivery import Delivery, Letter, ReadingsBuilder, Sink
from connectors.field.json_payload import decode_json
from connectors.field.mqtt.link import Link, Refused
from connectors.field.source import LiveSource, Surroundings, Wanted
from connectors.field.sparkplug_host import SparkplugHost
from twin.errors import DataError
from twin.plant import Source, SourceKind

__all__ = ["JsonTopics", "MqttSource"]

MESSAGES_AT_ONCE = 2_000
LAST_ACKS_S = 2.0
"""How long ``stop`` waits for the store before it leaves messages to the next connection. [s]"""


class Decoder(Protocol):
    """From messages to readings."""

    filters: tuple[str, ...]
    """Topic filters to subscribe."""

    def connected(self) -> None:
        """A new connection begins."""
        ...

    def commands(self) -> list[tuple[str, bytes]]:
        """What is to be published, each once."""
        ...

    def feed(self, topic: str, payload: bytes, retained: bool, readings: ReadingsBuilder) -> int:
        """Append the readings of a message; returns how many values were not understood.

        Raises:
            DataError: The message is not understood at all.
        """
        ...


class JsonTopics:
    """Plain sensors: an address is a topic, a message is one value."""

    def __init__(self, addresses: Sequence[str]) -> None:
        """Listen to these topics.

        Raises:
            DataError: A topic stands twice, or has a wildcard.
        """
        self._index = {address: i for i, address in enumerate(addresses)}
        if len(self._index) < len(addresses):
            twice = next(a for a in addresses if addresses.count(a) > 1)
            raise DataError(f'address "{twice}" belongs to two signals; give each its own')
        if wild := [a for a in addresses if "+" in a or "#" in a]:
            raise DataError(f'address "{wild[0]}" has a wildcard; name one topic')
        self.filters = tuple(addresses)

    def connected(self) -> None:
        return None

    def commands(self) -> list[tuple[str, bytes]]:
        return []

    def feed(self, topic: str, payload: bytes, retained: bool, readings: ReadingsBuilder) -> int:
        reading = decode_json(payload)
        if retained and reading.timestamp_us is None:
            return 1  # it was measured at some time before we asked
        readings.add(self._index[topic], reading.value, reading.timestamp_us, reading.quality)
        return 0


class MqttSource(LiveSource):
    """Listens to one broker with a session that outlives the connection."""

    def __init__(
        self,
        name: str,
        entry: Source,
        url: str,
        signals: Sequence[Wanted],
        client_id: str,
        around: Surroundings | None = None,
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            name: Of the source, as in the plant file.
            entry: Of kind MQTT_JSON or SPARKPLUG.
            url: ``mqtt://[user:password@]host[:port]``, or ``mqtts://`` for TLS.
            signals: Topics, or Sparkplug addresses.
            client_id: Names the session at the broker; two clients of one id push each other out.
            around: Where it finds files and how it waits.

        Raises:
            DataError: An address has the wrong form.
        """
        super().__init__(name, entry, url, signals, around)
        sparkplug = self.kind is SourceKind.SPARKPLUG
        self._decoder: Decoder = (
            SparkplugHost(self.addresses, self.around.wall_s)
            if sparkplug
            else JsonTopics(self.addresses)
        )
        self._client_id = client_id
        self._wake = asyncio.Event()

    def stop(self) -> None:
        super().stop()
        self._wake.set()

    async def _session(self, sink: Sink) -> None:
        link = Link(self.url, self._client_id, self._wake)
        try:
            await link.connect()
            self._connected = True
            await link.subscribe(self._decoder.filters)
            self._decoder.connected()
            self._publish(link)
            self._all_well()
            await self._listen(link, sink)
        except OSError as e:
            refused = isinstance(e, ConnectionRefusedError)
            found = "nobody answers at that port" if refused else str(e) or type(e).__name__
            raise self._unreachable(found, "start the broker") from e
        except Refused as e:
            raise self._unreachable(e, "give the broker this user and these topics") from e
        finally:
            await link.close()
        if link.lost and not self._stopping.is_set():
            raise self._unreachable(f"the connection was lost ({link.lost})", "look at the broker")

    async def _listen(self, link: Link, sink: Sink) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while messages := link.take(MESSAGES_AT_ONCE):
                readings, letters = self._decode(messages)
                self._publish(link)
                done = partial(link.acknowledge, [(m.mid, m.qos) for m in messages if m.qos])
                if len(readings) or letters:
                    hurry = link.unacknowledged >= link.window // 2
                    await sink(
                        Delivery(
                            readings=readings.build(), letters=letters, durable=done, hurry=hurry
                        )
                    )
                else:
                    done()
                if self._stopping.is_set():
                    break
            if self._stopping.is_set() or link.lost:
                break
        if not link.lost:
            await link.settled(LAST_ACKS_S)

    def _decode(self, messages: Iterable[Any]) -> tuple[ReadingsBuilder, list[Letter]]:
        readings, letters = ReadingsBuilder(), []
        for message in messages:
            try:
                self._rejected += self._decoder.feed(
                    message.topic, message.payload, bool(message.retain), readings
                )
            except (DataError, UnicodeDecodeError, KeyError) as e:
                self._rejected += 1
                letters.append(
                    Letter(address=_topic(message), payload=message.payload, reason=str(e))
                )
        return readings, letters

    def _publish(self, link: Link) -> None:
        for topic, payload in self._decoder.commands():
            link.publish(topic, payload)


def _topic(message: Any) -> str:
    try:
        return str(message.topic)
    except UnicodeDecodeError:
        return repr(message._topic)
