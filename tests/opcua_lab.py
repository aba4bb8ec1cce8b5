"""What the tests of OPC UA recovery share: a link that breaks, a pipeline's end, servers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asyncua import Server, ua

from connectors.field.delivery import NO_TIME, Delivery, Letter
from connectors.field.opcua.session import Patience
from connectors.field.opcua.source import OpcuaSource
from connectors.field.source import Surroundings, Wanted
from tests.field_lab import TIMEOUT_S, free_port, within
from twin.plant import OpcuaOptions, Source, SourceKind

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
URI = "urn:linetwin:recovery"
PEERS = Path("tests/peers")
QUICK = Patience(
    request_s=3.0, keep_alive_s=0.2, missed=3, history_s=5.0, held_s=0.5, look_again_s=0.05
)

Row = tuple[int, int, float | str | None]
"""Index, time in microseconds, value."""


class Proxy:
    """A TCP link to a server that can be cut, closed for a while, or made a black hole."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.port = free_port()
        self.open = True
        self.hole = False
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()
        self._server.close()
        for task in self._tasks:
            task.cancel()

    def url(self, server_url: str) -> str:
        """The server's address, by way of this link."""
        return server_url.replace(str(self._to), str(self.port))

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.open:
            writer.transport.abort()
            return
        try:
            back, out = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.transport.abort()
            return
        self._writers += [writer, out]
        for source, target in ((reader, out), (back, writer)):
            task = asyncio.create_task(self._pump(source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            while data := await source.read(65536):
                if not self.hole:
                    target.write(data)
        target.close()


class End:
    """Does what a lane and a spool do, and remembers everything."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.gaps: list[tuple[int, int, int]] = []
        self.reasons: list[str] = []
        self.letters: list[Letter] = []
        self.holding = False
        """What comes does not become durable."""
        self.held: list[Callable[[], None]] = []
        self.source: OpcuaSource | None = None
        self.door = asyncio.Event()
        self.door.set()
        self._grew = asyncio.Event()

    async def sink(self, delivery: Delivery) -> None:
        readings = delivery.readings
        await self.door.wait()
        assert self.source is not None
        np.maximum.at(self.source.reached_us, readings.index, readings.measured_us)
        texts = [None] * len(readings) if readings.text is None else readings.text.tolist()
        self.rows += [
            (i, t, v if v == v else text)
            for i, t, v, text in zip(
                readings.index.tolist(),
                readings.measured_us.tolist(),
                readings.value.tolist(),
                texts,
                strict=True,
            )
        ]
        self.letters += delivery.letters
        for gap in delivery.gaps:
            assert gap.index is not None
            starts = np.broadcast_to(gap.start_us, gap.index.shape).tolist()
            ends = np.broadcast_to(gap.end_us, gap.index.shape).tolist()
            self.gaps += zip(gap.index.tolist(), starts, ends, strict=True)
            self.reasons.append(gap.reason)
        if delivery.durable is not None:
            if self.holding:
                self.held.append(delivery.durable)
            else:
                asyncio.get_running_loop().call_soon(delivery.durable)
        self._grew.set()

    def release(self) -> None:
        self.holding = False
        for durable in self.held:
            durable()
        self.held.clear()

    async def until(self, enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            while not enough():
                self._grew.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await self._grew.wait()


async def soon(enough: Callable[[], bool]) -> None:
    """Wait for something that happens in another task or process."""
    async with asyncio.timeout(TIMEOUT_S):
        while not enough():
            await asyncio.sleep(0.02)


def source_of(
    url: str,
    signals: list[Wanted],
    data: Path | None = None,
    patience: Patience = QUICK,
    **options: Any,
) -> OpcuaSource:
    options = {"security": "none", "publishing_interval_ms": 20, **options}
    entry = Source(
        kind=SourceKind.OPCUA,
        url=url,
        address="ns=2;s={signal}",
        opcua=OpcuaOptions(**options),
    )

    async def sleep(_: float) -> None:
        await asyncio.sleep(0.02)

    return OpcuaSource("press", entry, url, signals, Surroundings(data=data, sleep=sleep), patience)


@contextlib.asynccontextmanager
async def listening(source: OpcuaSource, end: End) -> AsyncIterator[asyncio.Task[None]]:
    end.source = source
    task = asyncio.create_task(source.run(end.sink))
    try:
        yield task
    finally:
        source.stop()
        end.door.set()
        await asyncio.wait([task], timeout=TIMEOUT_S)


@contextlib.asynccontextmanager
async def subscribed(
    press: Press, end: End, data: Path | None = None, *, url: str | None = None, **options: Any
) -> AsyncIterator[OpcuaSource]:
    """A source of a running press that has subscribed every node."""
    source = source_of(url or press.url, press.signals, data, **options)
    async with listening(source, end):
        await within(source.subscribed.wait())
        yield source


@contextlib.asynccontextmanager
async def linked(
    press: Press, end: End, **options: Any
) -> AsyncIterator[tuple[Proxy, OpcuaSource]]:
    """The same over a link that can break."""
    async with (
        Proxy(press.port) as proxy,
        subscribed(press, end, url=proxy.url(press.url), **options) as source,
    ):
        yield proxy, source


async def kill(task: asyncio.Task[None], proxy: Proxy) -> None:
    """What kill -9 does to the process: its connection is closed, it does nothing more."""
    proxy.open = False
    proxy.cut()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    proxy.open = True


class Press:
    """An asyncua server with numbered nodes ``s=v0`` ..., which remembers what it wrote."""

    def __init__(self, nodes: int = 3, *, history: bool = False, initial: object = 0.0) -> None:
        self.port = free_port()
        self.url = f"opc.tcp://127.0.0.1:{self.port}/press"
        self.nodes = nodes
        self.history = history
        self.initial = initial
        self.wrote: list[Row] = []
        self.at = datetime(2026, 3, 16, 5, 30, tzinfo=UTC)

    @property
    def signals(self) -> list[Wanted]:
        return [Wanted(address=f"nsu={URI};s=v{i}") for i in range(self.nodes)]

    async def start(self) -> None:
        self.server = Server()
        await self.server.init()
        self.server.set_endpoint(self.url)
        self.server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        self.index = await self.server.register_namespace(URI)
        for i in range(self.nodes):
            await self.add(i)
        await self.server.start()
        if self.history:
            for i in range(self.nodes):
                await self.server.historize_node_data_change(
                    self.server.get_node(self.node(i)), period=None
                )

    async def __aenter__(self) -> None:
        await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def add(self, index: int) -> None:
        objects = self.server.nodes.objects
        variable = await objects.add_variable(self.node(index), f"v{index}", self.initial)
        waiting = ua.StatusCode(ua.StatusCodes.BadWaitingForInitialData)
        await variable.write_value(ua.DataValue(StatusCode=waiting, SourceTimestamp=self.at))

    async def stop(self) -> None:
        await self.server.stop()

    def node(self, index: int) -> Any:
        return ua.NodeId(f"v{index}", self.index)

    async def write(self, index: int, value: Any, *, remember: bool = True) -> int:
        self.at += timedelta(milliseconds=1)
        data = ua.DataValue(value if isinstance(value, ua.Variant) else ua.Variant(value))
        data = ua.DataValue(data.Value, SourceTimestamp=self.at)
        await self.server.write_attribute_value(self.node(index), data)
        at_us = (self.at - EPOCH) // timedelta(microseconds=1)
        if remember:
            self.wrote.append((index, at_us, value))
        return at_us

    async def write_all(self, times: int, *, remember: bool = True) -> None:
        for _ in range(times):
            for index in range(self.nodes):
                await self.write(index, float(len(self.wrote)), remember=remember)

    async def write_heard(self, times: int, end: End) -> None:
        """Write, and wait until every value that was written has arrived."""
        await self.write_all(times)
        await end.until(lambda: len(end.rows) == len(self.wrote))

    @property
    def subscriptions(self) -> dict[int, Any]:
        """What the server itself knows of its clients' subscriptions."""
        found = self.server.iserver.subscription_service.subscriptions
        return {k: s for k, s in found.items() if s.pub_request_callback is not None}

    @property
    def unacknowledged(self) -> int:
        return sum(len(s._not_acknowledged_results) for s in self.subscriptions.values())

    async def forget_clients(self) -> None:
        """Sessions and subscriptions of clients are gone, as after a long absence."""
        for session in list(self.server.iserver._external_sessions.values()):
            await session.close_session(True)


class NodePeer:
    """The node-opcua server of tests/peers."""

    def __init__(self, tmp_path: Path, *arguments: str) -> None:
        if shutil.which("node") is None or not (PEERS / "node_modules/node-opcua-server").exists():
            pytest.skip("node and the package node-opcua-server (tests/peers) are not here")
        self.port = free_port()
        self.truth = tmp_path / "truth.tsv"
        self._arguments = arguments
        self.url = f"opc.tcp://127.0.0.1:{self.port}/torture"

    async def __aenter__(self) -> NodePeer:
        self._process = await asyncio.create_subprocess_exec(
            *("node", "opcua_server.js", "--port", str(self.port), "--truth", str(self.truth)),
            *self._arguments,
            cwd=PEERS,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        ready = await self._line()
        self.url = ready["url"].replace("localhost", "127.0.0.1")
        return self

    async def __aexit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def say(self, line: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        return await self._line()

    async def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), 60)
        word, _, rest = line.decode().partition(" ")
        assert word in {"ready", "ok"}, line
        found: dict[str, Any] = json.loads(rest or "{}")
        return found

    def wrote(self) -> set[tuple[str, int, float]]:
        """Address, time and value of everything that was written."""
        rows = (line.split("\t") for line in self.truth.read_text().splitlines())
        return {(a, int(t), float(v)) for a, t, v in rows}

    @staticmethod
    def signals(count: int) -> list[Wanted]:
        return [Wanted(address=f"nsu=urn:linetwin:torture;s=v{i}") for i in range(count)]


def named(rows: list[Row]) -> set[tuple[str, int, float]]:
    """Rows as the truth of a NodePeer has them; ones without a time or value are left out."""
    return {(f"v{i}", t, v) for i, t, v in rows if isinstance(v, float) and t != NO_TIME}
