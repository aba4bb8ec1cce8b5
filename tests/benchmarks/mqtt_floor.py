"""What a JSON message over QoS 1 costs: here, in bare paho, and in a reader that only parses.

    python -m tests.benchmarks.mqtt_floor [messages]

One Mosquitto, one writer process, one message of one value at a time, acknowledged. Processor time
of the reading process only, in microseconds for each message; the disk is left out.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from connectors.field.delivery import Delivery
from connectors.field.mqtt import MqttSource
from connectors.field.source import Wanted
from tests.field_lab import TIMEOUT_S
from tests.mqtt_lab import Mosquitto, kill_all
from twin.plant import MqttOptions, Source, SourceKind

TOPICS = 100
UNLIMITED = ("allow_anonymous true", "max_inflight_messages 0", "max_queued_messages 0")


def publish(port: int, count: int) -> None:
    """The writer: QoS 1, at most 15,000 messages under way."""
    sock = hello(port, b"writer")
    answered = 0

    def count_answers() -> None:
        nonlocal answered
        while answered < 4 * count:
            answered += len(sock.recv(65_536))

    counting = threading.Thread(target=count_answers)
    counting.start()
    for start in range(0, count, 200):
        sock.sendall(b"".join(packet(i) for i in range(start, min(start + 200, count))))
        while start - answered // 4 > 15_000:
            time.sleep(0.001)
    counting.join()


def packet(i: int) -> bytes:
    stamp = f"2026-03-16T05:{i // 60 % 60:02d}:{i % 60:02d}.000250Z"
    payload = b'{"value":%d.5,"timestamp":"%s","quality":"good"}' % (i % 100, stamp.encode())
    topic = b"electronics/smt/line/unit/%d" % (i % TOPICS)
    body = struct.pack("!H", len(topic)) + topic + struct.pack("!H", i % 65_535 + 1) + payload
    size = len(body)
    length = bytes((size,)) if size < 128 else bytes((size % 128 | 128, size // 128))
    return b"\x32" + length + body


def hello(port: int, client: bytes) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    body = b"\x00\x04MQTT\x04\x02\x00\x00" + struct.pack("!H", len(client)) + client
    sock.sendall(bytes((0x10, len(body))) + body)
    assert sock.recv(4)[3] == 0
    return sock


def measured(port: int, count: int, wait: Callable[[], None]) -> float:
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.mqtt_floor", "writer", str(port), str(count)]
    )
    begun = time.process_time()
    wait()
    used = time.process_time() - begun
    writer.wait()
    return used / count * 1e6


def bare_paho(port: int, count: int, version: MQTTProtocolVersion) -> float:
    """As its documentation shows it: a thread, and a callback that does nothing."""
    subscribed, done, heard = threading.Event(), threading.Event(), 0
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="bare", protocol=version)

    def on_message(*_: Any) -> None:
        nonlocal heard
        heard += 1
        if heard == count:
            done.set()

    def on_subscribe(*_: Any) -> None:
        subscribed.set()

    client.on_message, client.on_subscribe = on_message, on_subscribe
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.subscribe("electronics/#", 1)
    assert subscribed.wait(TIMEOUT_S)
    used = measured(port, count, lambda: assert_(done.wait(120)))
    client.disconnect()
    client.loop_stop()
    return used


def assert_(held: bool) -> None:
    assert held


def ours(port: int, count: int, version: str) -> float:
    async def story() -> float:
        signals = [Wanted(address=f"electronics/smt/line/unit/{i}") for i in range(TOPICS)]
        url = f"mqtt://127.0.0.1:{port}"
        options = MqttOptions.model_validate({"version": version})
        entry = Source(kind=SourceKind.MQTT_JSON, url=url, address="x", mqtt=options)
        source = MqttSource("s", entry, url, signals, f"ours-{version}")
        heard, done = 0, threading.Event()

        async def sink(delivery: Delivery) -> None:
            nonlocal heard
            heard += len(delivery)
            if delivery.durable is not None:
                delivery.durable()
            if heard >= count:
                done.set()

        listening = asyncio.create_task(source.run(sink))
        await asyncio.wait_for(source.subscribed.wait(), TIMEOUT_S)
        waiting = asyncio.to_thread(measured, port, count, lambda: assert_(done.wait(120)))
        used = await waiting
        source.stop()
        await listening
        return used

    return asyncio.run(story())


def minimal(port: int, count: int, *, decode: bool) -> float:
    """No client: parses exactly these packets, and acknowledges a read at a time."""
    sock = hello(port, b"minimal")
    body = b"\x00\x01\x00\x0delectronics/#\x01"
    sock.sendall(bytes((0x82, len(body))) + body)
    assert sock.recv(5)[4] == 1
    values: list[tuple[bytes, float, datetime]] = []

    def read() -> None:
        heard, rest = 0, b""
        while heard < count:
            data, at, acks = rest + sock.recv(65_536), 0, bytearray()
            while at + 2 <= len(data):
                length, start = data[at + 1], at + 2
                if length > 127:
                    if start == len(data):
                        break
                    length, start = length - 128 + data[start] * 128, start + 1
                if start + length > len(data):
                    break
                topic = start + 2 + data[start] * 256 + data[start + 1]
                acks += b"\x40\x02" + data[topic : topic + 2]
                if decode:
                    found = json.loads(data[topic + 2 : start + length].decode())
                    when = datetime.fromisoformat(found["timestamp"])
                    values.append((data[start + 2 : topic], found["value"], when))
                at, heard = start + length, heard + 1
            rest = data[at:]
            sock.sendall(acks)

    used = measured(port, count, read)
    sock.close()
    return used


async def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        broker = Mosquitto(Path(folder), *UNLIMITED)
        await broker.start()
        v3, v5 = MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5
        rows: list[tuple[str, Callable[[], float]]] = [
            ("bare paho, 3.1.1", lambda: bare_paho(broker.port, count, v3)),
            ("bare paho, 5", lambda: bare_paho(broker.port, count, v5)),
            ("MqttSource to sink, 3.1.1", lambda: ours(broker.port, count, "3.1.1")),
            ("MqttSource to sink, 5", lambda: ours(broker.port, count, "5")),
            ("parsing alone", lambda: minimal(broker.port, count, decode=False)),
            ("parsing and JSON", lambda: minimal(broker.port, count, decode=True)),
        ]
        for name, run in rows:
            used = min([await asyncio.to_thread(run) for _ in range(3)])
            sys.stdout.write(f"{name:28} {used:6.1f} us/message\n")
        await broker.stop()
    kill_all()


if __name__ == "__main__":
    if sys.argv[1:2] == ["writer"]:
        publish(int(sys.argv[2]), int(sys.argv[3]))
    else:
        asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000))
