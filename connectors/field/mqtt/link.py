"""One MQTT connection, driven by the event loop: paho without a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from connectors.field.mqtt.channel import Channel, Wrapper
from connectors.field.mqtt.decoder import Publication
from connectors.field.mqtt.secure import (
    Refused,
    Table,
    no_tls,
    password_of,
    refused_by_tls,
    refused_connection,
    tls_context,
)

__all__ = ["Link", "Message", "Plan"]

ANSWER_S = 10.0
"""How long a broker may take to answer. [s]"""
KEEPALIVE_S = 15
"""After so long without a word the broker is asked; after twice that it counts as lost. [s]"""
BEAT_S = 0.5
WINDOW = 20
"""Unacknowledged messages that Mosquitto sends to a client of MQTT 3.1.1, unless told otherwise."""
RECEIVE_MAXIMUM = 5_000
"""Unacknowledged messages that a broker of MQTT 5 may send."""
SESSION_S = 7 * 24 * 3600
"""How long a broker of MQTT 5 keeps messages for us while we are away. [s]"""
ROOM = 20_000
ROOM_BYTES = 32_000_000
"""Messages, and bytes of them, that wait here before the connection is no longer read."""
FILTERS_PER_REQUEST = 100
KEPT_BYTES = 65_536
"""What is kept of a message that is too long."""

Message = tuple[str, bytes, bool, int, int, int]
"""Topic, payload, retained, packet id, QoS, length as it was sent [bytes]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a connection is to be made."""

    url: str
    table: Table
    client_id: str
    will: Publication | None = None
    exact: bool = False
    """QoS 2 may come."""
    longest: int = 1_000_000
    """Of a longer message only the beginning is kept. [bytes]"""

    @property
    def lasting(self) -> bool:
        """The broker keeps a session for us while we are away."""
        return self.table.options.qos > 0


class Link:
    """A connection: messages wait in it until they are taken, and are acknowledged later."""

    def __init__(self, plan: Plan, wake: asyncio.Event) -> None:
        """Prepare; nothing is connected yet.

        Args:
            plan: How it is to be made.
            wake: Set when there are messages, when the connection is lost, and every 0.5 s.
        """
        self.lost: str | None = None
        """Why the connection is no more."""
        self.session_present = False
        """The broker has kept our session."""
        self.unacknowledged = 0
        """Messages taken and not yet acknowledged."""
        self._plan = plan
        self._options = plan.table.options
        self._v5 = self._options.version == "5"
        self.window = RECEIVE_MAXIMUM if self._v5 else WINDOW
        """Unacknowledged messages that the broker sends before it waits."""
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self._client: mqtt.Client | None = None
        self._channel: Channel | None = None
        self._watched = -1
        self._paused = False
        self._beating: asyncio.TimerHandle | None = None
        self._answer: asyncio.Future[Any] = self._loop.create_future()
        self._messages: deque[Message] = deque()
        self._bytes = 0
        self._read = 0
        self._settled = asyncio.Event()

    async def connect(self) -> None:
        """Connect to the session at the broker.

        Raises:
            OSError: Nobody answers.
            Refused: The broker says no, or it is not the right one.
            SourceError: A file of the plant file cannot be used.
        """
        url = urlsplit(self._plan.url)
        tls = url.scheme == "mqtts"
        self._client = client = self._make(tls)
        options: dict[str, Any] = {}
        if self._v5:
            properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.ReceiveMaximum = self.window
            properties.SessionExpiryInterval = SESSION_S if self._plan.lasting else 0
            options = {"clean_start": not self._plan.lasting, "properties": properties}
        port = url.port or (8883 if tls else 1883)
        try:
            await asyncio.to_thread(
                client.connect, url.hostname or "", port, KEEPALIVE_S, **options
            )
        except ssl.SSLError as e:
            raise refused_by_tls(e, self._plan.table) from e
        except ConnectionResetError as e:
            if tls:
                raise no_tls("it hung up") from e
            raise
        self._channel = cast(Channel, client.socket())
        self._watched = self._channel.fileno()
        self._loop.add_reader(self._watched, self._readable)
        self._pump()
        self._beat()
        flags, code = await self._answered()
        if code.is_failure:
            raise refused_connection(code, self._plan.table, self._plan.client_id)
        self.session_present = flags.session_present

    async def subscribe(self, filters: Sequence[str]) -> dict[str, Any]:
        """Subscribe with the QoS of the plan.

        Returns:
            What the broker did not grant, or with less QoS: filter -> its answer.

        Raises:
            OSError: No answer.
        """
        assert self._client is not None  # noqa: S101 - connect() came first
        qos = self._options.qos
        refused: dict[str, Any] = {}
        for start in range(0, len(filters), FILTERS_PER_REQUEST):
            part = filters[start : start + FILTERS_PER_REQUEST]
            self._answer = self._loop.create_future()
            wanted: Any = [(f, SubscribeOptions(qos=qos) if self._v5 else qos) for f in part]
            self._client.subscribe(wanted)
            self._pump()
            codes = await self._answered()
            refused |= {
                name: code
                for name, code in zip(part, codes, strict=True)
                if code.is_failure or code.value < qos
            }
        return refused

    async def unsubscribe(self, filters: Sequence[str]) -> None:
        """Want these no longer.

        Raises:
            OSError: No answer.
        """
        assert self._client is not None  # noqa: S101 - connect() came first
        for start in range(0, len(filters), FILTERS_PER_REQUEST):
            self._answer = self._loop.create_future()
            self._client.unsubscribe(list(filters[start : start + FILTERS_PER_REQUEST]))
            self._pump()
            await self._answered()

    def publish(self, publications: Sequence[Publication]) -> None:
        """Send these; nobody waits for an answer."""
        if publications and self._client is not None and self.lost is None:
            for topic, payload, qos, retain in publications:
                self._client.publish(topic, payload, qos, retain)
            self._pump()

    def take(self, most: int) -> list[Message]:
        """The messages that wait, oldest first."""
        taken = [self._messages.popleft() for _ in range(min(most, len(self._messages)))]
        self._bytes -= sum(len(message[1]) for message in taken)
        self.unacknowledged += sum(message[4] > 0 for message in taken)
        if self.unacknowledged:
            self._settled.clear()
        if self._paused and not self._full():
            self._paused = False
            if self._watched >= 0:
                self._loop.add_reader(self._watched, self._readable)
        return taken

    def acknowledge(self, messages: Sequence[tuple[int, int]]) -> None:
        """Tell the broker that it may forget these (packet id, QoS)."""
        self.unacknowledged -= len(messages)
        if self.unacknowledged == 0:
            self._settled.set()
        # Packet ids of a lost connection mean nothing on the next one, which has its own Link.
        if self._client is not None and self.lost is None and messages:
            for mid, qos in messages:
                self._client.ack(mid, qos)
            self._pump()

    async def settled(self, timeout_s: float) -> None:
        """Wait until everything that was taken is acknowledged, or the time is over."""
        if self.unacknowledged:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._settled.wait(), timeout_s)

    def close(self) -> None:
        """Disconnect; a lasting session stays at the broker."""
        client, self._client = self._client, None
        if self._beating is not None:
            self._beating.cancel()
        if client is not None and client.socket() is not None:
            client.disconnect()
            client.loop_write()
        self._unwatch()

    def _make(self, tls: bool) -> mqtt.Client:
        table, url = self._plan.table, urlsplit(self._plan.url)
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._plan.client_id,
            clean_session=None if self._v5 else not self._plan.lasting,
            protocol=MQTTProtocolVersion.MQTTv5 if self._v5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = ANSWER_S
        if self._options.user is not None:
            client.username_pw_set(self._options.user, password_of(table))
        elif url.username:
            client.username_pw_set(
                unquote(url.username), unquote(url.password) if url.password else None
            )
        if self._plan.will is not None:
            topic, payload, qos, retain = self._plan.will
            client.will_set(topic, payload, qos, retain)
        wrapper: Any = Wrapper(tls_context(table) if tls else None, exact=self._plan.exact)
        client.tls_set_context(wrapper)
        client.on_socket_register_write = lambda c, u, sock: None  # whoever gives paho work pumps
        client.on_socket_close = lambda c, u, sock: self._unwatch()
        client.on_connect = lambda c, u, flags, code, properties: self._answers((flags, code))
        client.on_subscribe = lambda c, u, mid, codes, properties: self._answers(codes)
        client.on_unsubscribe = lambda c, u, mid, codes, properties: self._answers(codes)
        client.on_disconnect = lambda c, u, flags, code, properties: self._loses(str(code))
        client.on_message = self._hears
        return client

    async def _answered(self) -> Any:
        while True:
            read = self._read
            try:
                return await asyncio.wait_for(asyncio.shield(self._answer), ANSWER_S)
            except TimeoutError:
                # Behind what the broker kept for us an answer may take long.
                if self._read == read and not self._paused:
                    raise TimeoutError(f"no answer in {ANSWER_S:g} s") from None

    def _readable(self) -> None:
        """Something came: let paho read all of it."""
        client, channel = self._client, self._channel
        if client is None or channel is None:
            return
        channel.fill()
        while channel.ready and client.socket() is not None:
            client.loop_read()
        self._pump()
        if self._messages:
            self._wake.set()
        if self._full() and self._watched >= 0 and not self._paused:
            self._paused = True
            self._loop.remove_reader(self._watched)

    def _pump(self) -> None:
        """Write what paho has to say."""
        client, channel = self._client, self._channel
        if client is None or channel is None or client.socket() is None:
            return
        if client.want_write():
            client.loop_write()
        if channel.flush():
            self._loop.add_writer(self._watched, self._pump)
        elif self._watched >= 0:
            self._loop.remove_writer(self._watched)

    def _beat(self) -> None:
        """Keepalive, and whatever else is due by time."""
        self._beating = self._loop.call_later(BEAT_S, self._beat)
        # While nothing is read, no answer to a ping can be: the silence is ours.
        if self._client is not None and not self._paused and self.lost is None:
            self._client.loop_misc()
            self._pump()
        self._wake.set()

    def _full(self) -> bool:
        return len(self._messages) >= ROOM or self._bytes >= ROOM_BYTES

    def _unwatch(self) -> None:
        if self._watched >= 0:
            self._loop.remove_reader(self._watched)
            self._loop.remove_writer(self._watched)
            self._watched = -1

    def _answers(self, answer: Any) -> None:
        if not self._answer.done():
            self._answer.set_result(answer)

    def _loses(self, why: str) -> None:
        if self._client is None:
            return  # as we wished
        error = None if self._channel is None else self._channel.error
        self.lost = why if error is None else str(error)
        if not self._answer.done():
            self._answer.set_exception(self._why(error, why))
            self._answer.exception()  # whoever waits gets it; nobody need wait
        self._wake.set()

    def _why(self, error: OSError | None, why: str) -> Exception:
        if isinstance(error, ssl.SSLError):
            return refused_by_tls(error, self._plan.table)
        first = b"" if self._channel is None else self._channel.first
        if first == b"\x15\x03":
            return Refused("that port speaks TLS", "use mqtts:// in url")
        if not first and not self._plan.url.startswith("mqtts"):
            return Refused(
                "it hung up without a word",
                "use mqtts:// in url if that is its TLS port; else look at the broker's log",
            )
        return ConnectionError(f"it hung up ({why})")

    def _hears(self, client: mqtt.Client, _: Any, message: mqtt.MQTTMessage) -> None:
        payload = message.payload
        size = len(payload)
        if size > self._plan.longest:
            payload = payload[:KEPT_BYTES]
        try:
            topic = message.topic
        except UnicodeDecodeError as e:
            topic = repr(e.object)
        self._bytes += len(payload)
        self._read += 1
        self._messages.append(
            (topic, payload, message.retain, message.mid, message.qos, size)  # type: ignore[arg-type]
        )
