"""As much of MQTT 3.1.1, by hand, as the writers of the ingest benchmark need."""

from __future__ import annotations

import asyncio
import struct

__all__ = ["Mqtt", "packet", "publication", "varint"]


class Mqtt:
    """As much of MQTT 3.1.1 as a writer needs."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.acknowledged = 0
        self.commanded = asyncio.Event()

    async def connect(self, name: str, subscribe: str | None = None) -> None:
        self._reader, self._out = await asyncio.open_connection("127.0.0.1", self._port)
        client = name.encode()
        body = b"\0\4MQTT\4\2\0\0" + struct.pack(">H", len(client)) + client
        self._out.write(packet(0x10, body))
        assert (await self._reader.readexactly(4))[3] == 0
        if subscribe:
            topic = subscribe.encode()
            body = struct.pack(">HH", 1, len(topic)) + topic + b"\0"
            self._out.write(packet(0x82, body))
        self._hearing = asyncio.create_task(self._hear())

    async def send(self, data: bytes) -> None:
        self._out.write(data)
        await self._out.drain()

    async def _hear(self) -> None:
        while True:
            kind = (await self._reader.readexactly(1))[0]
            size, shift = 0, 0
            while True:
                byte = (await self._reader.readexactly(1))[0]
                size |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    break
            await self._reader.readexactly(size)
            if kind == 0x40:
                self.acknowledged += 1
            elif kind >> 4 == 3:
                self.commanded.set()


def packet(kind: int, body: bytes) -> bytes:
    size, head = len(body), bytearray([kind])
    while True:
        head.append(size & 127 | (128 if size > 127 else 0))
        size >>= 7
        if not size:
            return bytes(head) + body


def publication(topic: str, payload: bytes, mid: int = 0) -> bytes:
    name = topic.encode()
    number = struct.pack(">H", mid) if mid else b""
    return packet(0x32 if mid else 0x30, struct.pack(">H", len(name)) + name + number + payload)


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)
