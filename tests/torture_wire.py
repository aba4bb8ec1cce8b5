"""A wire that breaks: cut off with a reset, or swallowing everything without a word."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any

TIMEOUT_S = 10.0


class Proxy:
    """A wire to a server on loopback that can be cut, or swallow everything without a word."""

    def __init__(self, target_port: int) -> None:
        self._target = target_port
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._cut = False
        self.connections = 0
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port = int(self._do(self._start()))

    def cut(self) -> None:
        """Every connection is reset; new ones are, too, until ``heal``."""
        self._do(self._reset(True))

    def black_hole(self) -> None:
        """Nothing passes, nothing is refused, until ``heal``."""
        self._loop.call_soon_threadsafe(self._flows.clear)

    def heal(self) -> None:
        self._cut = False
        self._loop.call_soon_threadsafe(self._flows.set)

    def close(self) -> None:
        self._do(self._reset(True))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(TIMEOUT_S)

    async def _start(self) -> int:
        self._flows.set()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(server.sockets[0].getsockname()[1])

    async def _reset(self, cut: bool) -> None:
        self._cut = cut
        for writer in list(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self._cut:
            writer.transport.abort()
            return
        try:
            there_reader, there = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, there}
        self._open |= pair
        await asyncio.gather(self._pump(reader, there), self._pump(there_reader, writer))
        self._open -= pair

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                await self._flows.wait()
                sink.write(data)
                await sink.drain()
        sink.close()
