"""The socket that paho is given: it reads ahead, and writes many packets at once.

paho asks its socket for one byte, then for another, then for the rest of a packet, and sends every
acknowledgement by itself; each of these would be a call to the system.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import Any

__all__ = ["Channel", "Wrapper"]

READ_BYTES = 65_536
_LATER = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_PUBACK, _PUBREC, _PUBREL, _PUBCOMP = 0x40, 0x50, 0x62, 0x70


class Wrapper:
    """Stands where paho wants an ``ssl.SSLContext``, and wraps plain connections too."""

    check_hostname = True
    """Of the context inside; paho looks at it, and would look at names itself without."""

    def __init__(self, context: ssl.SSLContext | None, *, exact: bool = False) -> None:
        """Wrap with TLS by this context, or without TLS; ``exact`` as in ``Channel``."""
        self._context = context
        self._exact = exact

    def wrap_socket(self, sock: socket.socket, *, server_hostname: str, **options: Any) -> Channel:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._context is not None:
            sock = self._context.wrap_socket(sock, server_hostname=server_hostname, **options)
        return Channel(sock, exact=self._exact)


class Channel:
    """One connection; ``fill`` and ``flush`` move the bytes that paho takes and gives."""

    def __init__(self, sock: socket.socket, *, exact: bool = False) -> None:
        """Take over a connected socket.

        Args:
            sock: Plain or TLS.
            exact: Show QoS 2 to paho as QoS 1, see ``_Exact``.
        """
        self.error: OSError | None = None
        """Why nothing more can be read or written."""
        self.first = b""
        """The first bytes that came, for a look at who talks there."""
        self._sock = sock
        self._exact = _Exact() if exact else None
        self._read = b""
        self._place = 0
        self._ended = False
        self._out = bytearray()

    @property
    def ready(self) -> bool:
        """Paho would get something: bytes, or the end."""
        return self._place < len(self._read) or self._ended

    def fill(self) -> None:
        """Read what has come, after paho has taken what came before."""
        parts: list[bytes] = []
        try:
            while True:
                part = self._sock.recv(READ_BYTES)
                self._ended = not part
                parts.append(part)
                # TLS may hold more than the selector knows of.
                if self._ended or not (isinstance(self._sock, ssl.SSLSocket) and self.pending()):
                    break
        except _LATER:
            pass
        except OSError as e:
            self._ended, self.error = True, e
        came = b"".join(parts)
        if len(self.first) < 2:
            self.first += came[:2]
        if self._exact is not None:
            came = self._exact.inbound(came)
            self._out += self._exact.answers()
        self._read, self._place = self._read[self._place :] + came, 0

    def flush(self) -> bool:
        """Write what waits; True when some of it must wait longer."""
        try:
            while self._out:
                del self._out[: self._sock.send(self._out)]
        except _LATER:
            return True
        except OSError as e:
            self._ended, self.error = True, e
            self._out.clear()
        return False

    # What paho calls.

    def recv(self, size: int) -> bytes:
        place = self._place
        if place < len(self._read):
            self._place = place + size
            return self._read[place : place + size]
        if self.error is not None:
            raise self.error
        if self._ended:
            return b""
        raise BlockingIOError

    def send(self, packet: bytes) -> int:
        self._out += packet if self._exact is None else self._exact.outbound(packet)
        return len(packet)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.flush()
        self._sock.close()

    def do_handshake(self) -> None:
        if isinstance(self._sock, ssl.SSLSocket):
            self._sock.do_handshake()

    def settimeout(self, timeout_s: float | None) -> None:
        self._sock.settimeout(timeout_s)

    def setblocking(self, flag: bool) -> None:
        self._sock.setblocking(flag)

    def fileno(self) -> int:
        return self._sock.fileno()

    def pending(self) -> int:
        return self._sock.pending() if isinstance(self._sock, ssl.SSLSocket) else 0


class _Exact:
    """QoS 2 that waits for the disk.

    paho answers a PUBLISH of QoS 2 with PUBREC before anybody has seen it; from then on the broker
    never sends it again, so a kill would lose it. Here such a PUBLISH is shown to paho as one of
    QoS 1, the PUBACK that follows when its values are on disk goes out as PUBREC, and PUBREL is
    answered with PUBCOMP at once.
    """

    def __init__(self) -> None:
        self._in = bytearray()
        self._out = bytearray()
        self._mids: set[bytes] = set()

    def inbound(self, data: bytes) -> bytes:
        """What paho gets of it: whole packets only."""
        self._in += data
        shown = bytearray()
        start = 0
        while (body := _body(self._in, start)) is not None and body.stop <= len(self._in):
            kind = self._in[start]
            if kind == _PUBREL:
                self._out += bytes((_PUBCOMP, 2)) + self._in[body.start : body.start + 2]
            else:
                if kind & 0xF6 == 0x34:
                    topic = int.from_bytes(self._in[body.start : body.start + 2])
                    mid = body.start + 2 + topic
                    self._mids.add(bytes(self._in[mid : mid + 2]))
                    self._in[start] = kind ^ 0x06
                shown += self._in[start : body.stop]
            start = body.stop
        del self._in[:start]
        return bytes(shown)

    def outbound(self, packet: bytes) -> bytes:
        """What the broker gets of a packet of paho's."""
        if packet[0] == _PUBACK and (mid := bytes(packet[2:4])) in self._mids:
            self._mids.discard(mid)
            return bytes((_PUBREC, 2)) + mid
        return packet

    def answers(self) -> bytes:
        """What the broker is to get at once."""
        taken, self._out = bytes(self._out), bytearray()
        return taken


def _body(data: bytearray, start: int) -> slice | None:
    """Where the packet that starts here has its body; None when its length is not there yet."""
    length, shift = 0, 0
    for at in range(start + 1, min(start + 5, len(data))):
        length |= (data[at] & 0x7F) << shift
        if data[at] < 0x80:
            return slice(at + 1, at + 1 + length)
        shift += 7
    return None
