"""The publishers: plain JSON sensors, and Sparkplug B edge nodes with births, aliases and deaths."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from connectors.field.json_payload import encode_json
from connectors.field.sparkplug import (
    BD_SEQ,
    QUALITY_BAD,
    QUALITY_GOOD,
    REBIRTH,
    DataType,
    MessageType,
    Metric,
    Payload,
    Topic,
    decode_payload,
    encode_payload,
)
from simulators.physics import Emission
from twin.errors import DataError, SourceError
from twin.plant import Plant
from twin.units import convert

__all__ = ["JsonPublisher", "Login", "SparkplugNode", "make_publishers", "without_login"]

_CONNECT_S = 5.0
_IN_FLIGHT = 1_000


class Login(NamedTuple):
    """Who we are at the broker."""

    user: str
    password: str | None


class _Connection:
    """One client of the broker; paho's thread does the talking and connects again by itself."""

    def __init__(self, url: str, client_id: str, login: Login | None = None) -> None:
        self._url = url
        self._lock = threading.RLock()
        self._counting = threading.Lock()  # never held while paho is called: it calls back
        self._unacknowledged = 0
        self._connected = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id, protocol=mqtt.MQTTv311)
        self._client.max_inflight_messages_set(_IN_FLIGHT)
        self._client.reconnect_delay_set(1, 5)
        self._client.on_connect = self._on_connect
        self._client.on_publish = self._on_publish
        parts = urlsplit(url)
        if login is None and parts.username:
            login = Login(unquote(parts.username), unquote(parts.password or ""))
        if login is not None:
            self._client.username_pw_set(login.user, login.password)
        if parts.scheme == "mqtts":
            self._client.tls_set()

    async def start(self) -> None:
        """Connect.

        Raises:
            SourceError: The broker cannot be reached or refuses us.
        """
        parts = urlsplit(self._url)
        port = parts.port or (8883 if parts.scheme == "mqtts" else 1883)
        try:
            await asyncio.to_thread(self._client.connect, parts.hostname or "", port, 30)
        except OSError as e:
            raise SourceError(f"no broker at {parts.hostname}:{port}: {e.strerror or e}") from e
        self._client.loop_start()
        if not await asyncio.to_thread(self._connected.wait, _CONNECT_S):
            await asyncio.to_thread(self._client.loop_stop)
            raise SourceError(f"the broker at {parts.hostname}:{port} does not let us in")

    def pending(self) -> int:
        """Messages that the broker has not yet taken."""
        with self._counting:
            return self._unacknowledged

    async def stop(self) -> None:
        """Disconnect in order."""
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    def _send(self, topic: str, payload: bytes, qos: int) -> None:
        with self._counting:
            self._unacknowledged += 1
        self._client.publish(topic, payload, qos)

    def _on_connect(self, client: mqtt.Client, data: Any, flags: Any, code: Any, more: Any) -> None:
        if not code.is_failure:
            self._on_connected()
            self._connected.set()

    def _on_connected(self) -> None:
        """The broker has let us in; on paho's thread."""

    def _on_publish(self, client: mqtt.Client, data: Any, mid: int, code: Any, more: Any) -> None:
        with self._counting:
            self._unacknowledged -= 1


class JsonPublisher(_Connection):
    """Publishes the signals of one source, each on its own topic, at QoS 1."""

    def __init__(self, plant: Plant, source: str, url: str, login: Login | None = None) -> None:
        super().__init__(url, f"practice-{source}", login)
        self._topics = {
            (unit, name): plant.address(unit, name) for unit, name in _signals(plant, source)
        }
        self._plant = plant

    def publish(self, emissions: Iterable[Emission]) -> None:
        """Send these."""
        for e in emissions:
            value = _travelling(self._plant, e)
            payload = encode_json(value, e.measured_us, e.quality)
            self._send(self._topics[e.unit, e.signal], payload, 1)


class SparkplugNode(_Connection):
    """Publishes the signals of one source as a Sparkplug B edge node.

    Births and data travel at QoS 0, as the specification wants: while the connection stands,
    TCP loses nothing. What falls into a time without a broker is kept, and sent as historical
    after the next birth; paho would drop it. The will is the death certificate.
    """

    def __init__(
        self,
        plant: Plant,
        source: str,
        url: str,
        latest: Iterable[Emission],
        login: Login | None = None,
    ) -> None:
        super().__init__(url, f"practice-{source}", login)
        self._plant = plant
        self._names: dict[tuple[str, str], str] = {}
        where = set()
        for unit, name in _signals(plant, source):
            node, _, metric = plant.address(unit, name).partition(":")
            where.add(node)
            self._names[unit, name] = metric
        if len(where) != 1 or where.copy().pop().count("/") != 1:
            raise DataError(f'source "{source}" must be one edge node, written group/node:metric')
        self._group, self._node = where.pop().split("/")
        self._alias = {key: alias for alias, key in enumerate(self._names, start=1)}
        self._last = {(e.unit, e.signal): e for e in latest if (e.unit, e.signal) in self._names}
        self._kept: list[list[Emission]] = []
        self._born = False
        self._seq = 0
        self._bd_seq = 0
        self._client.on_disconnect = self._on_lost
        self._client.on_message = self._on_command
        self._set_will()

    def publish(self, emissions: Iterable[Emission]) -> None:
        """Send these, one message per instant."""
        for _, group in itertools.groupby(emissions, key=lambda e: e.measured_us):
            said = list(group)
            with self._lock:
                for e in said:
                    self._last[e.unit, e.signal] = e
                if self._born:
                    self._data(said)
                else:
                    self._kept.append(said)

    async def stop(self) -> None:
        """Say good-bye, then disconnect."""
        death = self._client.publish(str(self._topic(MessageType.NDEATH)), self._death(), 1)
        await asyncio.to_thread(death.wait_for_publish, 0.5)
        await super().stop()

    def _on_connected(self) -> None:
        self._client.subscribe(str(self._topic(MessageType.NCMD)), 1)
        with self._lock:
            self._birth()
            self._born = True
            kept, self._kept = self._kept, []
            for said in kept:
                self._data(said, historical=True)

    def _on_lost(self, client: mqtt.Client, data: Any, flags: Any, code: Any, more: Any) -> None:
        with self._lock:
            self._born = False
        self._bd_seq = (self._bd_seq + 1) % 256
        self._set_will()

    def _on_command(self, client: mqtt.Client, data: Any, message: mqtt.MQTTMessage) -> None:
        try:
            metrics = decode_payload(bytes(message.payload)).metrics
        except DataError:
            return  # not Sparkplug: nothing we could obey
        if any(m.name == REBIRTH and m.value for m in metrics):
            self._birth()

    def _birth(self) -> None:
        with self._lock:
            self._seq = 0
            metrics = [
                Metric(name=BD_SEQ, datatype=DataType.INT64, value=self._bd_seq),
                Metric(name=REBIRTH, datatype=DataType.BOOLEAN, value=False),
            ]
            for key, name in self._names.items():
                last = self._last.get(key)
                metrics.append(
                    Metric(
                        name=name,
                        alias=self._alias[key],
                        datatype=DataType.DOUBLE,
                        timestamp_ms=None if last is None else last.measured_us // 1000,
                        value=None if last is None else _travelling(self._plant, last),
                        quality=QUALITY_GOOD if last and last.value is not None else QUALITY_BAD,
                    )
                )
            at = max((e.measured_us for e in self._last.values()), default=time.time_ns() // 1000)
            self._message(MessageType.NBIRTH, metrics, at)

    def _data(self, said: list[Emission], *, historical: bool = False) -> None:
        metrics = [self._metric(e, historical) for e in said]
        self._message(MessageType.NDATA, metrics, said[0].measured_us)

    def _metric(self, e: Emission, historical: bool) -> Metric:
        return Metric(
            alias=self._alias[e.unit, e.signal],
            timestamp_ms=e.measured_us // 1000,
            datatype=DataType.DOUBLE,
            value=_travelling(self._plant, e),
            is_historical=historical,
            quality=QUALITY_BAD if e.value is None else None,
        )

    def _message(self, kind: MessageType, metrics: list[Metric], at_us: int) -> None:
        payload = Payload(timestamp_ms=at_us // 1000, seq=self._seq, metrics=metrics)
        self._seq = (self._seq + 1) % 256
        self._send(str(self._topic(kind)), encode_payload(payload), 0)

    def _topic(self, kind: MessageType) -> Topic:
        return Topic(self._group, kind, self._node)

    def _death(self) -> bytes:
        bd_seq = Metric(name=BD_SEQ, datatype=DataType.INT64, value=self._bd_seq)
        return encode_payload(Payload(metrics=[bd_seq]))

    def _set_will(self) -> None:
        self._client.will_set(str(self._topic(MessageType.NDEATH)), self._death(), 1)


def make_publishers(
    plant: Plant, url: str | None, latest: list[Emission], login: Login | None = None
) -> dict[str, JsonPublisher | SparkplugNode]:
    """A publisher for every MQTT source of the plant file.

    Args:
        plant: The description.
        url: Broker in place of the sources' own.
        latest: What every signal said last.
        login: In place of what the URLs say.
    """
    publishers: dict[str, JsonPublisher | SparkplugNode] = {}
    for name, source in plant.sources.items():
        where = url or source.url
        if source.kind == "mqtt-json":
            publishers[name] = JsonPublisher(plant, name, where, login)
        elif source.kind == "sparkplug":
            publishers[name] = SparkplugNode(plant, name, where, latest, login)
    return publishers


def without_login(url: str) -> str:
    """The URL without user and password, for others to read.

    Example:
        >>> without_login("mqtt://user:secret@broker:1883")
        'mqtt://broker:1883'
    """
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _signals(plant: Plant, source: str) -> list[tuple[str, str]]:
    return [
        (unit, name) for unit, name, signal in plant.signals().values() if signal.source == source
    ]


def _travelling(plant: Plant, e: Emission) -> float | str | None:
    signal = plant.work_units[e.unit].signals[e.signal]
    if signal.sent_unit and isinstance(e.value, float):
        return convert(e.value, signal.unit, signal.sent_unit)
    return e.value
