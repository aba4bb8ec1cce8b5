"""Writers in processes of their own, with a log of everything that they really wrote.

    python tests/torture_writers.py json  --port P --truth FILE [--signals N] [--rate R] ...
    python tests/torture_writers.py opcua --port P --truth FILE [--signals N] [--rate R]

A line of the log is ``address<TAB>microseconds<TAB>value``; it is written before the value is. Words on
stdin (pause, resume, drain, rate X, exit, ...) are answered by ``ok {...}`` on stdout.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

NAMESPACE = "urn:linetwin:torture"
TICK_S = 0.01
HOUR_US = 3_600_000_000


class Truth:
    """The log; rows that go together are written together."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1 << 16)
        self.count = 0

    def write(self, rows: list[tuple[str, int, float | str]]) -> None:
        self._file.writelines(f"{a}\t{us}\t{v}\n" for a, us, v in rows)
        self._file.flush()
        self.count += len(rows)


class RisingClock:
    """Microseconds since 1970 that never repeat."""

    def __init__(self) -> None:
        self._last = 0

    def __call__(self) -> int:
        self._last = max(time.time_ns() // 1000, self._last + 1)
        return self._last


def say(said: str, **more: object) -> None:
    sys.stdout.write(f"{said} {json.dumps(more)}\n")
    sys.stdout.flush()


class Pace:
    """How many steps are due at a rate; a stall of more than a second is not made up for."""

    def __init__(self, rate: float, running: bool) -> None:
        self.rate = rate
        self.running = running
        self._owed = 0.0
        self._then = time.monotonic()

    def due(self) -> int:
        now = time.monotonic()
        self._owed += min(now - self._then, 1.0) * self.rate * self.running
        self._then = now
        steps, self._owed = int(self._owed), self._owed % 1.0
        return steps


class JsonWriter:
    """One value a message over QoS 1; the broker has it or it is sent again.

    With its options it repeats, reorders, dates back, and poisons messages.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        import paho.mqtt.client as mqtt

        self._options = options
        self._truth = Truth(options.truth)
        self._random = random.Random(7)
        self._clock = RisingClock()
        self._seq = 0
        self._later: list[tuple[str, bytes]] = []
        self._shift_us = 0
        self._texts = False
        self.poisons = 0
        self._published = self._acked = 0
        self.pace = Pace(options.rate, not options.paused)
        client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, "torture-writer", clean_session=False
        )
        client.max_inflight_messages_set(200)
        client.max_queued_messages_set(0)
        client.reconnect_delay_set(0.05, 0.5)  # type: ignore[arg-type]
        client.on_publish = self._ack
        client.connect("127.0.0.1", options.port, keepalive=5)
        client.loop_start()
        self._client = client

    def _ack(self, *_: object) -> None:
        self._acked += 1

    def _publish(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, qos=1)  # offline, the client keeps it
        self._published += 1

    def step(self) -> None:
        o = self._options
        topic = f"torture/{o.unit}/v{self._seq % o.signals}"
        measured_us = self._clock() + self._shift_us
        if self._random.random() < o.late:
            measured_us -= 6 * HOUR_US
        value: float | str = self._seq + 0.5
        if self._texts:
            value = f"text {self._seq}"
        self._seq += 1
        if self._random.random() < o.poison:
            self._publish(topic, self._poisoned())
            return
        stamp = datetime.fromtimestamp(measured_us // 1_000_000, UTC)
        at = stamp.replace(microsecond=measured_us % 1_000_000).isoformat(timespec="microseconds")
        payload = json.dumps({"value": value, "timestamp": at}).encode()
        self._truth.write([(topic, measured_us, value)])
        if self._random.random() < o.reorder:
            self._later.append((topic, payload))
            return
        self._publish(topic, payload)
        if self._random.random() < o.repeat:
            self._later.append((topic, payload))
        if len(self._later) > 20:
            self._send_later()

    def _send_later(self) -> None:
        self._random.shuffle(self._later)
        for topic, payload in self._later:
            self._publish(topic, payload)
        self._later.clear()

    def _poisoned(self) -> bytes:
        self.poisons += 1
        if self.poisons == 5:
            return b'{"value": "' + b"x" * 10_000_000
        kinds = (
            b'{"value": 1, "timestamp": ',
            b"\xff\xfe\x00 no text",
            b'{"value": [1, 2, {"a": 3}], "timestamp": "2026-13-45"}',
            b'{"temperature": 5}',
            b"[" * 5_000,
        )
        return kinds[self.poisons % len(kinds)]

    async def command(self, word: str, *rest: str) -> None:
        if word == "drain":
            self._send_later()
            while self._acked < self._published:
                await asyncio.sleep(0.02)
        elif word == "clock":
            self._shift_us = int(float(rest[0]) * 1e6)
        elif word == "texts":
            self._texts = rest[0] == "on"
        elif word == "raw":
            self._publish(rest[0], " ".join(rest[1:]).encode())
        elif word == "exit":
            self._client.disconnect()
        else:
            raise ValueError(word)

    def written(self) -> int:
        return self._truth.count


class OpcuaWriter:
    """asyncua's own server; every step writes every node, with one source time."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._truth = Truth(options.truth)
        self._clock = RisingClock()
        self._seq = options.first
        self._present: list[tuple[str, Any]] = []
        self.pace = Pace(options.rate, not options.paused)

    async def start(self) -> None:
        from asyncua import Server, ua

        self._server = Server()
        await self._server.init()
        self._server.set_endpoint(f"opc.tcp://127.0.0.1:{self._options.port}/torture")
        self._server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        self._index = await self._server.register_namespace(NAMESPACE)
        for i in range(self._options.signals - self._options.late_nodes):
            await self._add(i)
        await self._server.start()

    async def _add(self, i: int) -> None:
        from asyncua import ua

        node = ua.NodeId(f"v{i}", self._index)
        objects = self._server.nodes.objects
        variable = await objects.add_variable(node, f"v{i}", 0.0)
        waiting = ua.StatusCode(ua.StatusCodes.BadWaitingForInitialData)
        await variable.write_value(ua.DataValue(StatusCode=waiting))
        self._present.append((f"v{i}", node))

    async def step(self) -> None:
        from asyncua import ua

        at_us = self._clock()
        at = datetime.fromtimestamp(at_us // 1_000_000, UTC).replace(
            microsecond=at_us % 1_000_000, tzinfo=None
        )
        rows = [(name, at_us, self._seq + i / 1024) for i, (name, _) in enumerate(self._present)]
        self._truth.write(list(rows))
        for (_, node), (_, _, value) in zip(self._present, rows, strict=True):
            data = ua.DataValue(ua.Variant(value), SourceTimestamp=at)
            await self._server.write_attribute_value(node, data)
        self._seq += 1

    async def command(self, word: str, *rest: str) -> None:
        if word == "appear":
            for i in range(len(self._present), self._options.signals):
                await self._add(i)
        elif word == "exit":
            await self._server.stop()
        elif word != "drain":
            raise ValueError(word)

    def written(self) -> int:
        return self._truth.count


async def _obey(writer: JsonWriter | OpcuaWriter) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        word, *rest = line.decode().split()
        if word in {"pause", "resume"}:
            writer.pace.running = word == "resume"
        elif word == "rate":
            writer.pace.rate = float(rest[0])
        elif word != "count":
            await writer.command(word, *rest)
        poisons = getattr(writer, "poisons", 0)
        say("ok", word=word, written=writer.written(), poisons=poisons)
        if word == "exit":
            return


async def _write(writer: JsonWriter | OpcuaWriter) -> None:
    step: Callable[[], Coroutine[Any, Any, None] | None] = writer.step
    while True:
        for _ in range(writer.pace.due()):
            done = step()
            if done is not None:
                await done
        await asyncio.sleep(TICK_S)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=("json", "opcua"))
    parser.add_argument("--port", type=int)
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--unit", default="mqt")
    parser.add_argument("--signals", type=int, default=10)
    parser.add_argument("--rate", type=float, default=20.0, help="steps a second")
    parser.add_argument("--first", type=int, default=0, help="first value")
    parser.add_argument("--paused", action="store_true")
    parser.add_argument("--late-nodes", type=int, default=0, help="nodes that `appear` makes")
    for name in ("repeat", "reorder", "late", "poison"):
        parser.add_argument(f"--{name}", type=float, default=0.0, help="share of messages")
    options = parser.parse_args()
    writer = JsonWriter(options) if options.kind == "json" else OpcuaWriter(options)
    if isinstance(writer, OpcuaWriter):
        await writer.start()
    async with asyncio.TaskGroup() as group:
        writing = group.create_task(_write(writer))
        say("ready")
        await _obey(writer)
        writing.cancel()


if __name__ == "__main__":
    asyncio.run(main())
