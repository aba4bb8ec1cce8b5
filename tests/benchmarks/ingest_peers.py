"""Writers for the ingest benchmark, each a process: they cost little, so that ingest is measured.

    python -m tests.benchmarks.ingest_peers opcua     --port P --signals N
    python -m tests.benchmarks.ingest_peers sparkplug --port P --signals N
    python -m tests.benchmarks.ingest_peers json      --port P --signals N

Words on stdin: ``burst ROWS`` sends as fast as the other side takes it, ``rate ROWS_A_SECOND
SECONDS`` sends by the clock. Both answer ``done {"rows": ...}`` when everything is sent.

The OPC UA server is asyncua's, with its own sessions, subscriptions, acknowledgements and publish
intervals; only the data-change notifications are packed by numpy in place of an object a value.
The Sparkplug node and the JSON device speak MQTT 3.1.1 over a plain socket.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import struct
import sys
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tests.benchmarks.ingest_values import row
from tests.benchmarks.ingest_wire import Mqtt, publication, varint

NAMESPACE = "urn:linetwin:torture"
STEP_US = 2_000
"""Between two rows of a burst."""
ROWS_A_MESSAGE = 5
"""Of every node, in one notification of a burst."""
METRICS = 20
"""In a Sparkplug message."""
EPOCH_TICKS = 116_444_736_000_000_000
"""Of 100 ns, from 1601 to 1970."""


def say(word: str, **more: object) -> None:
    sys.stdout.write(f"{word} {json.dumps(more)}\n")
    sys.stdout.flush()


def now_us() -> int:
    return time.time_ns() // 1000


class Writer(Protocol):
    """Sends whole rows."""

    async def start(self) -> None: ...

    async def rows(self, times_us: list[int]) -> None:
        """Send a row for each of these times; returns when the other side has room for more."""
        ...


class OpcuaServer:
    """asyncua's server, whose nodes get their values in whole notifications."""

    def __init__(self, port: int, signals: int, pki: Path | None = None) -> None:
        """Prepare; with a folder for its certificate, everything is signed and encrypted."""
        self._port, self._signals, self._pki = port, signals, pki
        self._n = 0
        self._bodies: dict[Any, deque[bytes]] = {}
        self._handles: dict[Any, Any] = {}
        self._layout = np.dtype(
            [
                ("handle", "<u4"),
                ("mask", "u1"),
                ("kind", "u1"),
                ("value", "<f8"),
                ("source", "<i8"),
                ("server", "<i8"),
            ]
        )

    async def start(self) -> None:
        from asyncua import Server, ua
        from asyncua.server.internal_subscription import InternalSubscription

        self._server = server = Server()
        await server.init()
        server.set_endpoint(f"opc.tcp://127.0.0.1:{self._port}/torture")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        if self._pki is not None:
            await self._secure(server, ua)
        index = await server.register_namespace(NAMESPACE)
        waiting = ua.StatusCode(ua.StatusCodes.BadWaitingForInitialData)
        for i in range(self._signals):
            variable = await server.nodes.objects.add_variable(
                ua.NodeId(f"v{i}", index), f"v{i}", 0.0
            )
            await variable.write_value(ua.DataValue(StatusCode=waiting))
        self._patch(InternalSubscription, ua)
        await server.start()

    async def _secure(self, server: Any, ua: Any) -> None:
        from asyncua.crypto.cert_gen import setup_self_signed_certificate
        from cryptography.x509.oid import ExtendedKeyUsageOID

        folder = self._pki or Path()
        folder.mkdir()
        key, certificate, uri = folder / "key.pem", folder / "server.der", NAMESPACE + ":server"
        use = [ExtendedKeyUsageOID.SERVER_AUTH]
        await setup_self_signed_certificate(key, certificate, uri, "localhost", use, {})
        await server.set_application_uri(uri)
        server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
        await server.load_certificate(str(certificate))
        await server.load_private_key(str(key))

    def _patch(self, subscription: Any, ua: Any) -> None:
        bodies = self._bodies
        pop, has = subscription._pop_triggered_datachanges, subscription.has_published_results
        publish = subscription.publish_results
        kind = ua.NodeId(ua.ObjectIds.DataChangeNotification_Encoding_DefaultBinary)

        def has_results(sub: Any) -> bool:
            return bool(bodies.get(sub)) or bool(has(sub))

        def pop_changes(sub: Any, result: Any) -> None:
            pop(sub, result)
            if bodies.get(sub):
                packed = ua.ExtensionObject(TypeId=kind, Body=bodies[sub].popleft())
                object.__setattr__(packed, "Encoding", 1)
                result.NotificationMessage.NotificationData.append(packed)

        async def publish_all(sub: Any, request: Any = None) -> bool:
            done = bool(await publish(sub, request))
            if done and len(sub._not_acknowledged_results) < 100:
                while bodies.get(sub) and await publish(sub, None):
                    pass
            return done

        subscription.has_published_results = has_results
        subscription._pop_triggered_datachanges = pop_changes
        subscription.publish_results = publish_all

    def _listening(self) -> list[Any]:
        """The newest subscription; an older one is kept for a client that has gone."""
        every = self._server.iserver.subscription_service.subscriptions.values()
        found = [
            s for s in every if s.pub_request_callback and s.monitored_item_srv._monitored_items
        ]
        found = found[-1:]
        for sub in found:
            items = sub.monitored_item_srv._monitored_items.values()
            if sub not in self._handles or len(self._handles[sub]) != len(items):
                handles = {
                    int(i.read_value_id.NodeId.Identifier[1:]): i.client_handle for i in items
                }
                self._handles[sub] = np.array([handles[i] for i in range(self._signals)], np.uint32)
        return found

    async def rows(self, times_us: list[int]) -> None:
        for start in range(0, len(times_us), ROWS_A_MESSAGE):
            part = times_us[start : start + ROWS_A_MESSAGE]
            values = np.concatenate([row(self._n + k, self._signals) for k in range(len(part))])
            self._n += len(part)
            for sub in self._listening():
                bodies = self._bodies.setdefault(sub, deque())
                bodies.append(self._packed(values, part, self._handles[sub]))
        # An interval of the subscription sends them; a queue that is long does not wait for it.
        for sub in self._listening():
            while len(self._bodies[sub]) > 1:
                await sub.publish_results()
                await asyncio.sleep(0.001)

    def _packed(self, values: Any, times_us: list[int], handles: Any) -> bytes:
        items = np.zeros(len(values), self._layout)
        ticks = np.repeat(np.array(times_us, np.int64) * 10 + EPOCH_TICKS, self._signals)
        items["handle"] = np.tile(handles, len(times_us))
        items["mask"], items["kind"], items["value"] = 0x0D, 11, values
        items["source"], items["server"] = ticks, ticks
        return struct.pack("<i", len(items)) + items.tobytes() + struct.pack("<i", -1)


class SparkplugNode:
    """One edge node with devices of 20 metrics; data carry alias, time and a double."""

    def __init__(self, port: int, signals: int) -> None:
        self._devices = signals // METRICS
        self._signals = signals
        self._mqtt = Mqtt(port)
        self._n = self._seq = 0

    async def start(self) -> None:
        await self._mqtt.connect("edge", "spBv1.0/torture/NCMD/edge")
        self._templates = [self._template(d) for d in range(self._devices)]
        await self._births()
        self._rebirths = asyncio.create_task(self._rebirth())

    async def _rebirth(self) -> None:
        while True:
            await self._mqtt.commanded.wait()
            self._mqtt.commanded.clear()
            await self._births()

    async def _births(self) -> None:
        from connectors.field.sparkplug import DataType, Metric, Payload, encode_payload

        at = now_us() // 1000
        self._seq = 0
        bd_seq = Metric(name="bdSeq", timestamp_ms=at, datatype=DataType.INT64, value=0)
        birth = Payload(timestamp_ms=at, seq=self._next(), metrics=[bd_seq])
        out = [publication("spBv1.0/torture/NBIRTH/edge", encode_payload(birth))]
        for device in range(self._devices):
            metrics = [
                Metric(
                    name=f"m{device * METRICS + k}",
                    alias=device * METRICS + k + 1,
                    timestamp_ms=at,
                    datatype=DataType.DOUBLE,
                )
                for k in range(METRICS)
            ]
            payload = encode_payload(Payload(timestamp_ms=at, seq=self._next(), metrics=metrics))
            out.append(publication(f"spBv1.0/torture/DBIRTH/edge/d{device}", payload))
        await self._mqtt.send(b"".join(out))

    def _next(self) -> int:
        seq, self._seq = self._seq, self._seq + 1 & 255
        return seq

    def _template(self, device: int) -> tuple[str, bytes, list[int]]:
        """A message of time 2^40 ms without sequence number, and where its doubles stand."""
        from connectors.field.sparkplug import DataType, Metric, Payload, encode_payload

        marks = [-1e300 - k * 1e290 for k in range(METRICS)]
        metrics = [
            Metric(
                alias=device * METRICS + k + 1,
                timestamp_ms=1 << 40,
                datatype=DataType.DOUBLE,
                value=mark,
            )
            for k, mark in enumerate(marks)
        ]
        data = encode_payload(Payload(timestamp_ms=1 << 40, metrics=metrics))
        places = [data.index(struct.pack("<d", mark)) for mark in marks]
        return f"spBv1.0/torture/DDATA/edge/d{device}", data, places

    async def rows(self, times_us: list[int]) -> None:
        old = varint(1 << 40)
        for at_us in times_us:
            values = row(self._n, self._signals).astype("<f8").tobytes()
            self._n += 1
            new = varint(at_us // 1000)
            out = []
            for device, (topic, data, places) in enumerate(self._templates):
                payload = bytearray(data.replace(old, new))
                start = device * METRICS * 8
                for k, place in enumerate(places):
                    payload[place : place + 8] = values[start + 8 * k : start + 8 * k + 8]
                payload += b"\x18" + varint(self._next())
                out.append(publication(topic, payload))
            await self._mqtt.send(b"".join(out))


class JsonDevice:
    """One value a message, QoS 1."""

    def __init__(self, port: int, signals: int) -> None:
        self._signals = signals
        self._mqtt = Mqtt(port)
        self._n = self._sent = 0

    async def start(self) -> None:
        await self._mqtt.connect("device")

    async def rows(self, times_us: list[int]) -> None:
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        for at_us in times_us:
            at = (epoch + timedelta(microseconds=at_us)).isoformat(timespec="microseconds")
            at = at.replace("+00:00", "Z")
            out = []
            for i, value in enumerate(row(self._n, self._signals).tolist()):
                self._sent += 1
                body = f'{{"value": {value}, "timestamp": "{at}", "quality": "good"}}'
                mid = self._sent % 65_535 + 1
                out.append(publication(f"torture/jsn/v{i}", body.encode(), mid))
            self._n += 1
            await self._mqtt.send(b"".join(out))
            while self._sent - self._mqtt.acknowledged > 10_000:
                await asyncio.sleep(0.005)


class Times:
    """Times of rows: each at least a millisecond after the one before."""

    def __init__(self) -> None:
        self._last_us = 0

    def take(self, count: int, step_us: int) -> list[int]:
        start_us = max(now_us(), self._last_us + 1000)
        times = [start_us + k * step_us for k in range(count)]
        self._last_us = times[-1]
        return times


async def _paced(writer: Writer, times: Times, rate: float, seconds: float) -> int:
    began, sent, total = time.monotonic(), 0, round(rate * seconds)
    while sent < total:
        due = min(total, int((time.monotonic() - began) * rate))
        if due > sent:
            await writer.rows(times.take(due - sent, 1000))
            sent = due
        await asyncio.sleep(0.5 / rate if rate > 5 else 0.1)
    return sent


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=("opcua", "sparkplug", "json"))
    parser.add_argument("--port", type=int)
    parser.add_argument("--signals", type=int, default=1000)
    parser.add_argument("--pki", type=Path, help="of the OPC UA server; none for no security")
    given = parser.parse_args()
    writer: Writer
    if given.kind == "opcua":
        writer = OpcuaServer(given.port, given.signals, given.pki)
    else:
        kinds = {"sparkplug": SparkplugNode, "json": JsonDevice}
        writer = kinds[given.kind](given.port, given.signals)
    await writer.start()
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    times = Times()
    say("ready")
    while line := await reader.readline():
        word, *rest = line.decode().split()
        if word == "burst":
            due = times.take(int(rest[0]), STEP_US)
            await writer.rows(due)
            say("done", rows=len(due))
        elif word == "rate":
            say("done", rows=await _paced(writer, times, float(rest[0]), float(rest[1])))


if __name__ == "__main__":
    asyncio.run(main())
