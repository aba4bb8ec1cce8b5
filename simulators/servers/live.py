"""The live plant: moves the physics with the clock and says everything over its servers."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from simulators.clock import LiveClock, from_us
from simulators.physics import Emission, PracticePlant
from simulators.servers.broker import EmbeddedBroker
from simulators.servers.mqtt import (
    JsonPublisher,
    Login,
    SparkplugNode,
    make_publishers,
    without_login,
)
from simulators.servers.opcua import MachineServer
from simulators.truth.export import write_truth
from simulators.truth.sent import Sent
from twin.errors import DataError

__all__ = ["LivePlant"]

TICK_S = 0.05
CATCH_UP_US = 30_000_000
"""The most plant time that is moved on in one piece; behind the clock, pieces follow at once."""
DRAIN_S = 0.6


class LivePlant:
    """Serves a plant until it is told to stop.

    Args:
        plant: At LIVE_START.
        sent: Account of what is sent after the start.
        truth: Where the truth export goes when it stops.
        say: Takes the events, one JSON value each.
    """

    def __init__(
        self,
        plant: PracticePlant,
        sent: Sent,
        truth: Path | None,
        say: Callable[[dict[str, Any]], None],
    ) -> None:
        self._plant, self._sent, self._truth, self._say = plant, sent, truth, say
        self._broker: EmbeddedBroker | None = None
        self._servers: dict[str, MachineServer] = {}
        self._publishers: dict[str, JsonPublisher | SparkplugNode] = {}
        self._clock: LiveClock | None = None
        self._stopping = asyncio.Event()
        self._wake = asyncio.Event()
        self._commands: asyncio.Queue[str] = asyncio.Queue()

    async def serve(
        self,
        *,
        host: str = "127.0.0.1",
        opcua_port: int,
        mqtt_url: str | None,
        login: Login | None = None,
        embedded_broker: bool,
        start_speed: float | None,
    ) -> None:
        """Open the servers, say ``ready``, and run until SIGTERM, or the end of standard input.

        Args:
            host: Address that the OPC UA server listens on. An embedded broker knows no users
                and stays on 127.0.0.1.
            opcua_port: 0 for a free one.
            mqtt_url: Broker in place of the plant file's.
            login: User and password at the broker.
            embedded_broker: Bring a broker along.
            start_speed: Start at once with this speed, and do not listen to standard input;
                None to hold the clock until a line ``start <speed>``.

        Raises:
            SourceError: A port cannot be had, or the broker not be reached.
        """
        try:
            if embedded_broker:
                self._broker = EmbeddedBroker()
                mqtt_url = await self._broker.start()
            await self._open(host, opcua_port, mqtt_url, login)
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self._stop)
            urls = [server.url for server in self._servers.values()]
            broker = without_login(mqtt_url) if mqtt_url else None
            self._say(
                {"event": "ready", "opcua_url": urls[0] if urls else None, "mqtt_url": broker}
            )
            if start_speed is None:
                threading.Thread(target=self._listen, args=(loop,), daemon=True).start()
            else:
                self._start(start_speed)
            await self._run()
        finally:
            await self._close()

    async def _open(
        self, host: str, opcua_port: int, mqtt_url: str | None, login: Login | None
    ) -> None:
        latest = self._plant.latest()
        plant = self._plant.plant
        for name, source in plant.sources.items():
            if source.kind == "opcua":
                server = self._servers[name] = MachineServer(plant, name)
                mine = [e for e in latest if self._sent.source(e) == name]
                await server.start(mine, opcua_port, host)
        self._publishers = make_publishers(plant, mqtt_url, latest, login)
        for publisher in self._publishers.values():
            await publisher.start()

    async def _run(self) -> None:
        commands = asyncio.create_task(self._obey())
        try:
            while not self._stopping.is_set():
                if self._clock is None:
                    await self._pause(3600.0)
                    continue
                target = self._clock.now_us()
                step = min(target, self._plant.now_us + CATCH_UP_US)
                await self._deliver(self._plant.advance(step))
                await self._pause(0.0 if step < target else TICK_S)
        finally:
            commands.cancel()

    async def _pause(self, seconds: float) -> None:
        self._wake.clear()
        if self._stopping.is_set():
            return
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return

    async def _deliver(self, emissions: list[Emission]) -> None:
        if not emissions:
            return
        parts: dict[str, list[Emission]] = {}
        for e in emissions:
            parts.setdefault(self._sent.source(e), []).append(e)
        for name, part in parts.items():
            if name in self._servers:
                await self._servers[name].write(part)
            else:
                self._publishers[name].publish(part)
        self._sent.add(emissions)

    async def _obey(self) -> None:
        while True:
            words = (await self._commands.get()).split()
            if words[:1] == ["start"]:
                try:
                    self._start(float(words[1]) if len(words) > 1 else 1.0)
                except (ValueError, DataError) as e:
                    self._say({"event": "error", "detail": str(e)})
            elif words == ["hold"]:
                self._clock = None
                await self._drain(5.0)
                self._say({"event": "held", **self._status()})
            elif words == ["status"]:
                self._say({"event": "status", **self._status()})
            elif words:
                self._say({"event": "error", "detail": "say start <speed>, hold or status"})

    def _start(self, speed: float) -> None:
        if not 0.0 < speed <= 10_000.0:
            raise DataError(f"speed {speed:g} is not above 0 and at most 10000")
        self._clock = LiveClock(speed, time.monotonic, self._plant.now_us)
        self._say({"event": "started", "speed": speed})
        self._wake.set()

    def _status(self) -> dict[str, Any]:
        now = self._plant.now_us
        behind = 0.0 if self._clock is None else max(0.0, (self._clock.now_us() - now) / 1e6)
        return {
            "plant_time": from_us(now).isoformat(),
            "speed": self._clock.speed if self._clock else 0.0,
            "behind_s": behind,
            "sent": self._sent.counts,
            "pending": self._pending(),
            "cpu_s": time.process_time(),
        }

    def _pending(self) -> int:
        talkers: list[MachineServer | JsonPublisher | SparkplugNode | EmbeddedBroker] = [
            *self._servers.values(),
            *self._publishers.values(),
        ]
        if self._broker:
            talkers.append(self._broker)
        return sum(talker.pending() for talker in talkers)

    async def _drain(self, timeout_s: float) -> None:
        """Wait until everything sent has been taken, or the time is over."""
        end = time.monotonic() + timeout_s
        while self._pending() and time.monotonic() < end:
            await asyncio.sleep(0.02)

    def _stop(self) -> None:
        self._stopping.set()
        self._wake.set()

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Lines of standard input, on a thread of its own; its end stops the plant."""
        rest = b""
        # os.read, for a thread that waits in sys.stdin holds a lock the interpreter needs to exit.
        while chunk := os.read(0, 4096):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                loop.call_soon_threadsafe(self._commands.put_nowait, line.decode(errors="replace"))
        loop.call_soon_threadsafe(self._stop)

    async def _close(self) -> None:
        await self._drain(DRAIN_S)
        self._sent.close()
        if self._truth is not None:
            write_truth(self._truth, self._plant, self._sent)
        talkers = [*self._publishers.values(), *self._servers.values()]
        await asyncio.gather(*(talker.stop() for talker in talkers), return_exceptions=True)
        if self._broker:
            await self._broker.stop()
