"""What the tests at real MQTT brokers share: brokers, a device, certificates, and a plant's messages."""

from __future__ import annotations

import asyncio
import getpass
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, cast

import paho.mqtt.client as mqtt
import pytest
from amqtt.broker import Broker
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt.enums import CallbackAPIVersion

from connectors.field.delivery import Delivery
from connectors.field.json_payload import encode_json
from connectors.field.source import LiveSource, Surroundings
from connectors.field.sources import live_sources
from tests.field_lab import START, TIMEOUT_S, Pauses, free_port
from twin.plant import MqttOptions, Plant
from twin.telemetry import to_us

WITHOUT_MOSQUITTO = pytest.mark.skipif(
    shutil.which("mosquitto") is None and not Path("/usr/sbin/mosquitto").exists(),
    reason="needs the Debian package mosquitto",
)
PROCESSES: list[subprocess.Popen[bytes]] = []


def kill_all() -> None:
    """End every broker that a test has left."""
    while PROCESSES:
        with PROCESSES.pop() as process:
            process.kill()


class Embedded:
    """amqtt: MQTT 3.1.1, in this process."""

    def __init__(self, _: Path) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"mqtt://{self.address}"

    async def start(self) -> None:
        listener = {"type": "tcp", "bind": self.address}
        plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
        self.broker = Broker({"listeners": {"default": listener}, "plugins": plugins})
        await self.broker.start()

    async def stop(self) -> None:
        # Its shutdown can hang for ever when acknowledgements come meanwhile.
        async with asyncio.timeout(TIMEOUT_S):
            while any(session.inflight_out for session, _ in self.broker._sessions.values()):
                await asyncio.sleep(0.01)
            await self.broker.shutdown()


class Mosquitto:
    """MQTT 3.1.1 and 5, in a process of its own."""

    def __init__(self, folder: Path, *settings: str) -> None:
        self.port = free_port()
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self.config = folder / "mosquitto.conf"
        self.folder = folder
        self.set(*(settings or ("allow_anonymous true",)))

    def set(self, *settings: str) -> None:
        """For the next start."""
        # Started by root it would become another user, who may not write here.
        lines = (f"user {getpass.getuser()}", f"listener {self.port} 127.0.0.1")
        self.config.write_text("\n".join((*lines, "log_dest stderr", *settings, "")))

    async def start(self) -> None:
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self.process = subprocess.Popen([program, "-c", str(self.config)], stderr=subprocess.PIPE)
        PROCESSES.append(self.process)
        await asyncio.wait_for(asyncio.to_thread(self._running), TIMEOUT_S)

    async def stop(self) -> None:
        self.process.terminate()
        await asyncio.to_thread(self.process.wait)

    def _running(self) -> None:
        assert self.process.stderr is not None
        assert any(b" running" in line for line in self.process.stderr), "mosquitto did not start"


class Device:
    """A publisher on paho's thread."""

    def __init__(self, url: str, **will: Any) -> None:
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2)
        if will:
            self.client.will_set(**will)
        self.heard: asyncio.Queue[mqtt.MQTTMessage] = asyncio.Queue()
        self.loop = asyncio.get_running_loop()
        self.client.on_message = self._hears
        self.port = int(url.rpartition(":")[2])

    def _hears(self, *found: Any) -> None:
        self.loop.call_soon_threadsafe(self.heard.put_nowait, found[2])

    async def __aenter__(self) -> Device:
        subscribed = asyncio.Event()

        def on_connect(*_: Any) -> None:
            self.client.subscribe("spBv1.0/+/NCMD/#")

        def on_subscribe(*_: Any) -> None:
            self.loop.call_soon_threadsafe(subscribed.set)

        self.client.on_connect, self.client.on_subscribe = on_connect, on_subscribe
        await asyncio.to_thread(self.client.connect, "127.0.0.1", self.port)
        self.client.loop_start()
        await asyncio.wait_for(subscribed.wait(), TIMEOUT_S)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.client.disconnect()
        await asyncio.to_thread(self.client.loop_stop)

    async def publish(self, messages: Iterable[tuple[str, bytes]], qos: int = 1) -> None:
        sent = [self.client.publish(topic, payload, qos) for topic, payload in messages]
        for info in sent:
            await asyncio.to_thread(info.wait_for_publish, TIMEOUT_S)


@dataclass(eq=False)
class Kept:
    """A sink that keeps what it is given; what is durable at once is acknowledged."""

    durable: bool = True
    deliveries: list[Delivery] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        self.came.set()
        if self.durable and delivery.durable is not None:
            delivery.durable()

    @property
    def values(self) -> list[float]:
        return [v for d in self.deliveries for v in d.readings.value.tolist()]

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            while not condition():
                self.came.clear()
                await self.came.wait()


def with_options(plant: Plant, name: str, **options: Any) -> Plant:
    """The plant with this ``[sources.<name>.mqtt]``."""
    entry = plant.sources[name].model_copy(update={"mqtt": MqttOptions(**options)})
    return plant.model_copy(update={"sources": {**plant.sources, name: entry}})


def source_of(
    plant: Plant, name: str, url: str, pauses: Pauses | None = None, **around: Any
) -> LiveSource:
    surroundings = Surroundings(sleep=pauses or Pauses(), **around)
    sources = live_sources(plant, {name: url}, surroundings)
    return next(source for source in sources if source.name == name)


def vibrations(plant: Plant, count: int, start: datetime = START) -> list[tuple[str, bytes]]:
    """Messages of a sensor whose value and stored value are the same number."""
    topic = plant.address("pick_place_1", "vibration")
    instants = [to_us(start) + i * 1_000_250 for i in range(count)]
    return [(topic, encode_json(i / 100, at)) for i, at in enumerate(instants)]


def facts_of(plant: Plant, count: int, start: datetime = START) -> list[Any]:
    signal = plant.signal_id("pick_place_1", "vibration")
    step = timedelta(microseconds=1_000_250)
    return [(signal, start + i * step, i / 100) for i in range(count)]


class Authority:
    """Signs certificates into a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.file = self._write(f"{name}.pem", self._sign(name, self.key, days=(-9, 9), ca=True))

    def issue(self, name: str, days: tuple[int, int] = (-1, 9), host: str = "") -> tuple[str, str]:
        """Names of the files of a certificate and its key; valid from .. to days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        signed = self._sign(name, key, days=days, host=host)
        return self._write(f"{name}.pem", signed), self._write(f"{name}.key", pem)

    def _sign(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        *,
        days: tuple[int, int],
        ca: bool = False,
        host: str = "",
    ) -> bytes:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(_named(self.name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=days[0]))
            .not_valid_after(now + timedelta(days=days[1]))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if not ca:
            names = [x509.DNSName(host)] if host else [x509.IPAddress(ip_address("127.0.0.1"))]
            builder = builder.add_extension(
                x509.SubjectAlternativeName(cast(Any, names)), critical=False
            )
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _write(self, name: str, data: bytes) -> str:
        (self.folder / name).write_bytes(data)
        return name


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
