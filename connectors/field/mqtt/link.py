"""One MQTT connection on paho's thread, seen from the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

__all__ = ["Link", "Refused"]

ANSWER_S = 3.0
"""How long a broker may take to answer. [s]"""
KEEPALIVE_S = 30
RECEIVE_MAXIMUM = 5_000
"""Unacknowledged messages that a broker of MQTT 5 may send."""
SESSION_S = 7 * 24 * 3600
"""How long a broker of MQTT 5 keeps messages for us while we are away. [s]"""
ROOM = 20_000
"""Messages that wait here before the connection is no longer read."""
FILTERS_PER_REQUEST = 100


class Refused(Exception):
    """The broker answers, and says no."""


class Link:
    """A connection: messages wait in it until they are taken, and are acknowledged later.

    Used from the event loop; only the callbacks run on paho's thread.
    """

    def __init__(self, url: str, client_id: str, wake: asyncio.Event) -> None:
        """Prepare; nothing is connected yet.

        Args:
            url: ``mqtt://`` or ``mqtts://``; ``?version=5`` at its end for MQTT 5.
            client_id: Names the session at the broker.
            wake: Set when there are messages, and when the connection is lost.
        """
        self.lost: str | None = None
        """Why the connection is no more."""
        self._url = urlsplit(url)
        v5 = parse_qs(self._url.query).get("version") == ["5"]
        self._version = MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311
        self.window = RECEIVE_MAXIMUM if v5 else 20
        """Unacknowledged messages that the broker sends before it waits; 20 is Mosquitto's default."""
        self._client_id = client_id
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self._client: mqtt.Client | None = None
        self._answer: asyncio.Future[Any] = self._loop.create_future()
        self._messages: deque[mqtt.MQTTMessage] = deque()
        self._room = threading.Event()
        self._woken = False
        self._closed = False
        self.unacknowledged = 0
        """Messages taken and not yet acknowledged."""
        self._settled = asyncio.Event()

    async def connect(self) -> None:
        """Connect to the session at the broker.

        Raises:
            OSError: Nobody answers.
            Refused: The broker says no.
        """
        client = self._make()
        options: dict[str, Any] = {}
        if self._version == MQTTProtocolVersion.MQTTv5:
            properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.ReceiveMaximum = self.window
            properties.SessionExpiryInterval = SESSION_S
            options = {"clean_start": False, "properties": properties}
        port = self._url.port or (8883 if self._url.scheme == "mqtts" else 1883)
        host = self._url.hostname or ""
        await asyncio.to_thread(client.connect, host, port, KEEPALIVE_S, **options)
        self._client = client
        client.loop_start()
        code = await self._answered()
        if code.is_failure:
            raise Refused(f"it refuses us: {code}")

    async def subscribe(self, filters: Sequence[str]) -> None:
        """Subscribe with QoS 1.

        Raises:
            OSError: No answer.
            Refused: The broker refuses a filter.
        """
        assert self._client is not None  # noqa: S101 - connect() came first
        v5 = self._version == MQTTProtocolVersion.MQTTv5
        for start in range(0, len(filters), FILTERS_PER_REQUEST):
            part = filters[start : start + FILTERS_PER_REQUEST]
            self._answer = self._loop.create_future()
            wanted: Any = [(name, SubscribeOptions(qos=1) if v5 else 1) for name in part]
            self._client.subscribe(wanted)
            for name, code in zip(part, await self._answered(), strict=True):
                if code.is_failure:
                    raise Refused(f'it refuses the topic "{name}": {code}')

    def publish(self, topic: str, payload: bytes) -> None:
        """Send with QoS 0."""
        if self._client is not None:
            self._client.publish(topic, payload, qos=0)

    def take(self, most: int) -> list[mqtt.MQTTMessage]:
        """The messages that wait, oldest first."""
        self._woken = False
        taken = [self._messages.popleft() for _ in range(min(most, len(self._messages)))]
        self.unacknowledged += sum(m.qos > 0 for m in taken)
        if self.unacknowledged:
            self._settled.clear()
        self._room.set()
        return taken

    def acknowledge(self, messages: Sequence[tuple[int, int]]) -> None:
        """Tell the broker that it may forget these (mid, QoS)."""
        self.unacknowledged -= len(messages)
        if self.unacknowledged == 0:
            self._settled.set()
        # Packet ids of a lost connection mean nothing on the next one, which has its own Link.
        if self._client is not None and not self._closed and self.lost is None:
            for mid, qos in messages:
                self._client.ack(mid, qos)

    async def settled(self, timeout_s: float) -> None:
        """Wait until everything that was taken is acknowledged, or the time is over."""
        if self.unacknowledged:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._settled.wait(), timeout_s)

    async def close(self) -> None:
        """Disconnect; the session stays at the broker."""
        self._closed = True
        self._room.set()
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            await asyncio.to_thread(client.loop_stop)

    def _make(self) -> mqtt.Client:
        v5 = self._version == MQTTProtocolVersion.MQTTv5
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=None if v5 else False,
            protocol=self._version,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = ANSWER_S
        if self._url.username:
            password = unquote(self._url.password) if self._url.password else None
            client.username_pw_set(unquote(self._url.username), password)
        if self._url.scheme == "mqtts":
            client.tls_set()
        client.on_connect = lambda c, u, flags, code, properties: self._answers(client, code)
        client.on_subscribe = lambda c, u, mid, codes, properties: self._answers(client, codes)
        client.on_disconnect = lambda c, u, flags, code, properties: self._loses(client, str(code))
        client.on_message = lambda c, u, message: self._hears(message)
        return client

    async def _answered(self) -> Any:
        try:
            return await asyncio.wait_for(asyncio.shield(self._answer), ANSWER_S)
        except TimeoutError:
            raise TimeoutError(f"no answer in {ANSWER_S:g} s") from None

    # From here on: on paho's thread.

    def _answers(self, client: mqtt.Client, answer: Any) -> None:
        def tell() -> None:
            if client is self._client and not self._answer.done():
                self._answer.set_result(answer)

        self._loop.call_soon_threadsafe(tell)

    def _loses(self, client: mqtt.Client, why: str) -> None:
        def tell() -> None:
            if client is self._client:
                self.lost = why
                if not self._answer.done():
                    self._answer.set_exception(ConnectionError(f"it hung up ({why})"))
                    self._answer.exception()  # whoever waits gets it; nobody need wait
                self._wake.set()

        self._loop.call_soon_threadsafe(tell)

    def _hears(self, message: mqtt.MQTTMessage) -> None:
        while len(self._messages) >= ROOM and not self._closed:
            self._room.clear()
            self._room.wait(1.0)
        self._messages.append(message)
        if not self._woken:
            self._woken = True
            self._loop.call_soon_threadsafe(self._wake.set)
