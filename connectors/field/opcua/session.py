"""A secure channel to an OPC UA server and an activated session on it, new or taken up again.

asyncua's own supervisor, watchdog and publish loop are not used: they acknowledge before anything
is durable, and transfer a subscription also where the session was taken up again.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from dataclasses import dataclass
from typing import Any

from asyncua import ua as _ua
from asyncua.client.client import Client
from asyncua.common.utils import Buffer
from asyncua.ua import ua_binary
from asyncua.ua.uaerrors import UaError, UaStatusCodeError

__all__ = ["FAULTS", "LinkLost", "Patience", "Session", "StaleTicketError", "Ticket", "check_fault"]

ua: Any = _ua
"""asyncua names its types by ``import *``, which strict typing does not follow."""

FAULTS = (OSError, TimeoutError, UaError)
"""What asyncua raises when a connection or a service fails."""

_SERVICE_FAULT = b"\x01\x00\x8d\x01"
_RENEW_AT = 0.75
"""Part of its lifetime after which a channel is renewed (OPC 10000-4, 5.5.2.1)."""


class StaleTicketError(ConnectionError):
    """The server broke the connection over an attempt to take up an older session."""


class LinkLost(Exception):
    """The connection is of no more use; what the server keeps for us may still be there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a server may take. All in seconds."""

    request_s: float = 10.0
    """For an answer, and for a connection."""
    keep_alive_s: float = 5.0
    """It says so often that there is nothing new."""
    missed: int = 3
    """So many keep-alives may be missing before the connection is taken for lost."""
    history_s: float = 60.0
    """For an answer from its history."""
    held_s: float = 20.0
    """While nothing is taken from it, it hears from us so often that it keeps the session."""
    stop_s: float = 2.0
    """For what was handed over to become durable, when we stop."""
    look_again_s: float = 5.0
    """Nodes that are not there are looked for so often."""
    away_s: float = 600.0
    """It is asked to keep session and subscription so long while we are away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What it takes to be let into a session again from another channel."""

    token: bytes
    """The authentication token, a NodeId as on the wire."""
    nonce: bytes
    """The server's last nonce."""


class Session:
    """One connection with its session. Use `open`."""

    def __init__(self, client: Client, patience: Patience, *, resumed: bool) -> None:
        """Take over a client whose session is active."""
        self._client = client
        self._patience = patience
        self.resumed = resumed
        """The server still had the session, with its subscriptions."""
        self.lost = asyncio.Event()
        """Set when the connection is gone."""
        assert client.uaclient.protocol is not None  # noqa: S101 - open() has connected it
        self._protocol = client.uaclient.protocol
        self._protocol.on_connection_lost = lambda _: self.lost.set()
        if self._protocol.is_closed:
            self.lost.set()

    @classmethod
    async def open(cls, client: Client, patience: Patience, ticket: Ticket | None) -> Session:
        """Connect, and take up the session of the ticket; a new one when the server has it no more.

        Args:
            client: Not connected; security and user are set.
            patience: How long to wait.
            ticket: Of an earlier session of the same user and certificate.

        Raises:
            StaleTicketError: It breaks the connection over the ticket; try without.
            OSError, TimeoutError, UaError: It cannot be reached, or it refuses.
        """
        client.uaclient.pre_request_hook = None  # it waits for asyncua's own supervisor
        client.session_timeout = round(patience.away_s * 1000)
        try:
            await client.connect_socket()
            await client.send_hello()
            await client.open_secure_channel()
            try:
                resumed = ticket is not None and await _resume(client, ticket)
                if not resumed:
                    await client.create_session()
                    await client._activate_with_credentials()
            except (OSError, TimeoutError) as e:
                if ticket is None:
                    raise
                raise StaleTicketError(str(e) or type(e).__name__) from e
            return cls(client, patience, resumed=resumed)
        except BaseException:
            client.disconnect_socket()
            raise

    @property
    def ticket(self) -> Ticket:
        """To be let in again."""
        token = self._client.uaclient.session.authentication_token
        nonce = self._client._server_nonce or b""
        return Ticket(token=ua_binary.nodeid_to_binary(token), nonce=nonce)

    @property
    def client(self) -> Client:
        """For reading and browsing."""
        return self._client

    async def call(self, request: Any, timeout_s: float | None = None) -> bytes:
        """The body of the answer to a request.

        Raises:
            UaStatusCodeError: The server refuses.
            OSError, TimeoutError: The connection is lost, or there is no answer.
        """
        timeout_s = timeout_s or self._patience.request_s
        async with asyncio.timeout(timeout_s):
            body = bytes(await self._protocol._send_request(request, timeout_s))
        check_fault(body)
        return body

    async def ask(self, request: Any, answer: Any) -> Any:
        """The answer to a request, decoded as this type; raises as `call`."""
        found = ua_binary.struct_from_binary(answer, Buffer(await self.call(request)))
        found.ResponseHeader.ServiceResult.check()
        return found

    def post(self, request: Any) -> asyncio.Future[Any]:
        """Send a request whose answer may take any time; the future gives a buffer of its body.

        Raises:
            OSError: The connection is lost.
        """
        return self._protocol._send_request(request, 0)

    async def namespaces(self) -> list[str]:
        """The URIs of the server's namespaces, by index."""
        return list(await self._client.get_namespace_array())

    async def read(self, *nodes: int) -> list[Any]:
        """Values of standard variables by their number; None for what the server does not have."""
        request = ua.ReadRequest()
        request.Parameters.NodesToRead = [
            ua.ReadValueId(NodeId=ua.NodeId(node), AttributeId=ua.AttributeIds.Value)
            for node in nodes
        ]
        response = await self.ask(request, ua.ReadResponse)
        return [None if data.Value is None else data.Value.Value for data in response.Results]

    async def renew(self) -> None:
        """Renew the channel in good time, for ever."""
        while True:
            await asyncio.sleep(self._client.secure_channel_timeout / 1000 * _RENEW_AT)
            await self._client.open_secure_channel(renew=True)
            self._client.uaclient.revolve_security_token()

    async def close(self, *, keep: bool) -> None:
        """Leave; the server keeps the session and its subscriptions for a while if ``keep``."""
        # A connection that is gone cannot be closed in order; asyncua says so in many ways.
        with contextlib.suppress(*FAULTS, AttributeError):
            if not keep and not self.lost.is_set():
                async with asyncio.timeout(self._patience.stop_s):
                    await self._client.uaclient.close_session(True)
        with contextlib.suppress(*FAULTS, AttributeError):
            if not self.lost.is_set():
                await self._client.close_secure_channel()
        with contextlib.suppress(*FAULTS, AttributeError):
            self._client.disconnect_socket()


def check_fault(body: bytes) -> None:
    """Raise the UaStatusCodeError of a ServiceFault."""
    if body[:4] == _SERVICE_FAULT:
        ua.StatusCode(struct.unpack_from("<I", body, 16)[0]).check()


async def _resume(client: Any, ticket: Ticket) -> bool:
    policy = client.security_policy
    endpoint = client.find_endpoint(await client.get_endpoints(), policy.Mode, policy.URI)
    client._policy_ids = endpoint.UserIdentityTokens
    if not policy.peer_certificate and endpoint.ServerCertificate:
        policy.peer_certificate = endpoint.ServerCertificate
    client._server_nonce = ticket.nonce or None
    session = client.uaclient.session
    session.restore_authentication_token(ua_binary.nodeid_from_binary(Buffer(ticket.token)))
    try:
        await client._activate_with_credentials()
    except UaStatusCodeError:
        session.reset_authentication_token()
        client._server_nonce = None
        return False
    return True
