"""From the messages of one connection to deliveries, and back to acknowledgements."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from connectors.field.delivery import Delivery, Letter, ReadingsBuilder, Sink
from connectors.field.mqtt.decoder import Decoder
from connectors.field.mqtt.link import KEPT_BYTES, Link, Message
from twin.errors import DataError

__all__ = ["Listening"]

MESSAGES_AT_ONCE = 2_000
LAST_ACKS_S = 2.0
"""How long the end waits for the disk before it leaves messages to the next connection. [s]"""


class Listening:
    """Hands over what a connection brings until it is lost or ``stopping`` is set."""

    def __init__(
        self, link: Link, decoder: Decoder, sink: Sink, rejected: Callable[[int], None]
    ) -> None:
        """Prepare.

        Args:
            link: Connected; what is not subscribed yet is subscribed meanwhile.
            decoder: Understands its messages.
            sink: Where deliveries go.
            rejected: Told how many messages and values were not understood.
        """
        self._link = link
        self._decoder = decoder
        self._sink = sink
        self._rejected = rejected
        self._speaks = False
        self._fed = 0
        self._unacknowledged: deque[tuple[int, int, int]] = deque()
        """(number, packet id, QoS) of what no delivery has taken along yet."""

    async def run(self, wake: asyncio.Event, stopping: asyncio.Event) -> None:
        """Listen; at the end, wait a little for the disk and say goodbye."""
        link, decoder = self._link, self._decoder
        decoder.connected()
        while not (link.lost or stopping.is_set()):
            await wake.wait()
            wake.clear()
            await self._hand_over([])
            while (messages := link.take(MESSAGES_AT_ONCE)) and not stopping.is_set():
                await self._hand_over(messages)
        if not link.lost:
            await link.settled(LAST_ACKS_S)
            link.publish(decoder.farewell())

    def speak(self) -> None:
        """Everything is subscribed: an answer to what the decoder says would be heard."""
        self._speaks = True
        self._link.publish(self._decoder.commands())

    async def _hand_over(self, messages: Sequence[Message]) -> None:
        link, decoder = self._link, self._decoder
        readings = ReadingsBuilder()
        letters = self._feed(messages, readings)
        decoder.tick(readings)
        if self._speaks:
            link.publish(decoder.commands())
        more, gaps = decoder.letters(), decoder.gaps()
        self._rejected(len(more))
        released = self._released()
        done = partial(link.acknowledge, released)
        if len(readings) or letters or more or gaps:
            delivery = Delivery(
                readings=readings.build(),
                letters=(*letters, *more),
                gaps=gaps,
                durable=done,
                hurry=link.unacknowledged >= link.window // 2,
            )
            await self._sink(delivery)
        elif released:
            done()

    def _feed(self, messages: Sequence[Message], readings: ReadingsBuilder) -> list[Letter]:
        feed, letters, rejected = self._decoder.feed, [], 0
        for topic, payload, retained, mid, qos, size in messages:
            try:
                if size == len(payload):
                    rejected += feed(topic, payload, retained, readings)
                    reason = None
                else:
                    reason = f"{size} bytes are too many; the first {KEPT_BYTES} are kept"
            except DataError as e:
                reason = str(e)
            if reason is not None:
                rejected += 1
                letters.append(Letter(address=topic, payload=payload, reason=reason))
            if qos:
                self._unacknowledged.append((self._fed, mid, qos))
            self._fed += 1
        self._rejected(rejected)
        return letters

    def _released(self) -> list[tuple[int, int]]:
        """What may be acknowledged with this delivery: everything before what is held."""
        held = self._decoder.oldest_held()
        waiting = self._unacknowledged
        if held is None:
            released = [(mid, qos) for _, mid, qos in waiting]
            waiting.clear()
            return released
        released = []
        while waiting and waiting[0][0] < held:
            _, mid, qos = waiting.popleft()
            released.append((mid, qos))
        return released
