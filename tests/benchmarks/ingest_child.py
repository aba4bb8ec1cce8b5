"""The processes whose cost the ingest benchmark measures: ingest, and what it is compared with.

    python -m tests.benchmarks.ingest_child ingest  PLANT DATA
    python -m tests.benchmarks.ingest_child asyncua URL SIGNALS
    python -m tests.benchmarks.ingest_child paho    PORT TOPIC
    python -m tests.benchmarks.ingest_child socket  PORT TOPIC

Words on stdin: ``expect N`` waits for N more values and says what they cost; ``exit`` ends it.
CPU time is that of the whole process, user and system, and by thread where threads have names.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.ingest_peers import NAMESPACE, say
from tests.benchmarks.ingest_wire import packet

LOOK_S = 0.02
SILENT_S = 15.0
"""After so long without a new value the rest counts as lost. [s]"""


def threads_ns() -> Counter[str]:
    """CPU time of each thread so far, by its Python name; DuckDB's own have none. [ns]"""
    names = {t.native_id: t.name for t in threading.enumerate()}
    spent: Counter[str] = Counter()
    for task in Path("/proc/self/task").iterdir():
        try:
            ran = int((task / "schedstat").read_text().split()[0])
        except OSError:  # it has just ended
            continue
        spent[names.get(int(task.name), "others").rstrip("0123456789_")] += ran
    return spent


def memory_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20


class Meter:
    """What a stretch of work costs this process."""

    def __init__(self) -> None:
        self._cpu, self._wall = time.process_time(), time.perf_counter()
        self._threads = threads_ns()

    def read(self) -> dict[str, Any]:
        threads = {k: round(v / 1e9, 4) for k, v in (threads_ns() - self._threads).items()}
        return {
            "cpu_s": time.process_time() - self._cpu,
            "wall_s": time.perf_counter() - self._wall,
            "threads_s": threads,
            "memory_mb": round(memory_mb(), 1),
        }


async def obey(
    count: Callable[[], int],
    more: Callable[[], dict[str, Any]] = dict,
    cached_mb: Callable[[], float] = float,
) -> None:
    """Measure from word to word until ``exit``.

    Args:
        count: Values so far.
        more: What else to say, since it was asked last.
        cached_mb: How much of the memory is DuckDB's.
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    say("ready")
    while line := await reader.readline():
        word, *rest = line.decode().split()
        if word == "exit":
            return
        begun = more()
        before, meter = count(), Meter()
        say("listening")
        until = before + int(rest[0])
        memory: list[tuple[float, float]] = []
        looked = moved = time.monotonic()
        reached = before
        while (now := count()) < until:
            await asyncio.sleep(LOOK_S)
            if now != reached:
                reached, moved = now, time.monotonic()
            elif time.monotonic() - moved > SILENT_S:
                break
            if time.monotonic() - looked > 5:
                looked = time.monotonic()
                memory.append((round(memory_mb(), 1), round(cached_mb(), 1)))
        spent, ended = meter.read(), more()
        if "records" in ended:
            ended["records"] -= begun["records"]
        say("measured", values=count() - before, memory=memory, **spent, **ended)


class Delays:
    """How long values took from their source into the store, and to a reader of it."""

    def __init__(self) -> None:
        self._stored: list[np.ndarray[Any, Any]] = []
        self._seen: list[float] = []
        self._ends = threading.Event()

    def batch(self, batch: Any) -> None:
        if len(batch):
            self._stored.append(time.time_ns() // 1000 - batch.measured_us)

    def watch(self, historian: Any) -> None:
        """Ask for the latest values again and again, on a thread of its own."""
        threading.Thread(target=self._watch, args=(historian,), daemon=True, name="asks").start()

    def _watch(self, historian: Any) -> None:
        newest: dict[str, int] = {}
        while not self._ends.wait(0.05):
            found = historian.latest()
            now_us = time.time_ns() // 1000
            for code, us in zip(found.code.tolist(), found.measured_us.tolist(), strict=True):
                name = found.signals[code]
                if newest.get(name, us) < us:
                    self._seen.append(now_us - us)
                newest[name] = us

    def take(self) -> dict[str, Any]:
        stored, self._stored = self._stored, []
        seen, self._seen = self._seen, []
        return {
            "stored_ms": percentiles(np.concatenate(stored) if stored else np.zeros(0)),
            "queryable_ms": percentiles(np.array(seen)),
        }


def percentiles(delays_us: Any) -> list[float]:
    """Median, 99 % and the longest. [ms]"""
    if not len(delays_us):
        return []
    found = [np.percentile(delays_us, p) for p in (50, 99, 100)]
    return [round(float(us) / 1000, 1) for us in found]


async def ingest(plant_file: str, data: str, watch: bool) -> None:
    """The product's own way, with the clock of this computer."""
    from connectors.runtime import ingesting
    from connectors.settings import load_settings
    from twin.plant import load_plant

    delays, made, historians = Delays(), [], []
    make = ingesting.make_ingest

    def make_and_keep(*args: Any) -> Any:
        *first, historian, copies, clock, _ = args
        ingest = make(*first, historian, copies, clock, delays.batch if watch else None)
        made.append(ingest)
        historians.append(historian)
        if watch:
            delays.watch(historian)
        return ingest

    ingesting.make_ingest = make_and_keep
    settings = load_settings(plant=Path(plant_file), data=Path(data))
    stopping = asyncio.Event()
    running = asyncio.create_task(
        ingesting.ingest_until(stopping, settings, load_plant(settings.plant))
    )
    while not made:
        await asyncio.sleep(LOOK_S)
        if running.done():
            running.result()
    await made[0].subscribed()
    await _settled(made[0])

    def count() -> int:
        if running.done():
            running.result()
        return sum(s.stored + s.duplicates for s in made[0].status())

    def cached_mb() -> float:
        with historians[0]._cursor() as cursor:
            found = cursor.execute("SELECT sum(memory_usage_bytes) FROM duckdb_memory()").fetchone()
        return int(found[0]) / 2**20

    def more() -> dict[str, Any]:
        written = {"records": made[0].spool.last_seq}
        return written | delays.take() if watch else written

    try:
        await obey(count, more, cached_mb)
    finally:
        stopping.set()
        await running


async def _settled(ingest: Any) -> None:
    """The first values, of births and of new subscriptions, are stored."""
    before, since = -1, time.monotonic()
    while time.monotonic() - since < 0.5:
        now = sum(s.received for s in ingest.status())
        if now != before or any(s.waiting for s in ingest.status()):
            before, since = now, time.monotonic()
        await asyncio.sleep(LOOK_S)


async def stock_asyncua(url: str, signals: int) -> None:
    """asyncua's client as its documentation has it: a handler that keeps the values in a list."""
    from asyncua import Client, ua

    values: list[Any] = []

    class Handler:
        def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
            values.append(value)

    async with Client(url) as client:
        index = await client.get_namespace_index(NAMESPACE)
        nodes = [client.get_node(ua.NodeId(f"v{i}", index)) for i in range(signals)]
        subscription = await client.create_subscription(200, Handler())
        await subscription.subscribe_data_change(nodes)
        while len(values) < signals:
            await asyncio.sleep(LOOK_S)
        await obey(lambda: len(values))


async def bare_paho(port: int, topic: str) -> None:
    """paho as its documentation has it: acknowledges by itself, and does nothing."""
    import paho.mqtt.client as mqtt

    heard = 0

    def on_message(client: Any, user: Any, message: Any) -> None:
        nonlocal heard
        heard += 1

    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "bare")
    client.on_message = on_message
    subscribed = threading.Event()
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect("127.0.0.1", port)
    client.subscribe(topic, qos=1)
    client.loop_start()
    await asyncio.to_thread(subscribed.wait)
    await obey(lambda: heard)
    client.disconnect()


async def plain_socket(port: int, topic: str) -> None:
    """No library: cuts PUBLISH packets out of what was read and acknowledges them together."""
    heard = 0
    wire = socket.create_connection(("127.0.0.1", port))
    wire.sendall(packet(0x10, b"\0\4MQTT\4\2\0\0\0\5plain"))
    name = topic.encode()
    wire.sendall(packet(0x82, struct.pack(">HH", 1, len(name)) + name + b"\1"))
    assert wire.recv(4)[3] == 0
    assert wire.recv(5)[0] == 0x90

    def listen() -> None:
        nonlocal heard
        rest = b""
        while came := wire.recv(65_536):
            messages, answers, rest = cut(rest + came)
            wire.sendall(answers)
            heard += len(messages)

    threading.Thread(target=listen, daemon=True, name="listens").start()
    await obey(lambda: heard)


def cut(data: bytes) -> tuple[list[tuple[str, bytes]], bytes, bytes]:
    """Topic and payload of each whole PUBLISH of QoS 1, their acknowledgements, and what is left."""
    messages: list[tuple[str, bytes]] = []
    answers: list[bytes] = []
    start, end = 0, len(data)
    while start + 5 <= end:
        size, body = data[start + 1], start + 2
        if size > 127:
            size, body = size & 127 | data[start + 2] << 7, start + 3
        stop = body + size
        if stop > end:
            break
        if data[start] & 0xF6 == 0x32:
            topic = body + 2 + (data[body] << 8 | data[body + 1])
            messages.append((data[body + 2 : topic].decode(), data[topic + 2 : stop]))
            answers.append(b"\x40\x02" + data[topic : topic + 2])
        start = stop
    return messages, b"".join(answers), data[start:]


def main() -> None:
    kind, one, other = sys.argv[1:4]
    if kind == "ingest":
        asyncio.run(ingest(one, other, watch="--watch" in sys.argv))
    elif kind == "asyncua":
        asyncio.run(stock_asyncua(one, int(other)))
    elif kind == "paho":
        asyncio.run(bare_paho(int(one), other))
    else:
        asyncio.run(plain_socket(int(one), other))


if __name__ == "__main__":
    main()
