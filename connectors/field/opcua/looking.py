"""One short visit to an OPC UA server, to see what it has or how it can be connected."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from asyncua import ua as _ua
from asyncua.client.client import Client
from asyncua.ua.uaerrors import UaError

from connectors.field.opcua.browse import Variable, browse
from connectors.field.opcua.certificates import chain_of, thumbprint
from connectors.field.opcua.pki import Pki
from connectors.field.opcua.security import refused, secured_client
from connectors.field.source import public_url
from twin.errors import DataError, SourceError
from twin.plant import OpcuaOptions

__all__ = ["endpoints_of", "variables_of"]

ua: Any = _ua
"""asyncua names its types by ``import *``, which strict typing does not follow."""

TIMEOUT_S = 20.0
T = TypeVar("T")
_MODES = {
    ua.MessageSecurityMode.None_: "none",
    ua.MessageSecurityMode.Sign: "sign",
    ua.MessageSecurityMode.SignAndEncrypt: "sign-and-encrypt",
}


def variables_of(
    url: str,
    options: OpcuaOptions,
    pki: Path,
    *,
    source: str,
    under: str | None = None,
    depth: int = 10,
) -> list[Variable]:
    """The variables of a server; arguments as for `browse`.

    Raises:
        SourceError: It cannot be reached, or refuses us, or is not trusted.
        NotFoundError: It has no node ``under``.
        DataError: The URL is none of OPC UA.
    """

    async def look(client: Client) -> list[Variable]:
        await secured_client(client, options, folder, source=source)
        await client.connect()
        try:
            return await browse(client, under=under, depth=depth)
        finally:
            with contextlib.suppress(OSError, TimeoutError, UaError):
                await client.disconnect()

    folder = Pki(pki)
    try:
        return _visit(url, look)
    except (OSError, TimeoutError, UaError) as e:
        raise refused(e, options, folder, source=source) or _unreachable(url, e) from e


def endpoints_of(url: str) -> list[dict[str, Any]]:
    """How a server can be connected: one row for each endpoint, as it describes itself.

    Raises:
        SourceError: It cannot be reached.
        DataError: The URL is none of OPC UA.
    """
    try:
        found = _visit(url, lambda client: client.connect_and_get_server_endpoints())
    except (OSError, TimeoutError, UaError) as e:
        raise _unreachable(url, e) from e
    return [_row(endpoint) for endpoint in found]


def _visit(url: str, look: Callable[[Client], Awaitable[T]]) -> T:
    if not url.startswith("opc.tcp://"):
        raise DataError(
            f'"{public_url(url)}" is no URL of an OPC UA server; use opc.tcp://host:port'
        )

    async def visit() -> T:
        return await look(Client(url, timeout=TIMEOUT_S))

    return asyncio.run(visit())


def _unreachable(url: str, error: BaseException) -> SourceError:
    found = "nobody answers at that port"
    if not isinstance(error, ConnectionRefusedError):
        found = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return SourceError(f"{public_url(url)}: {found}; start the server, or correct the URL")


def _row(endpoint: Any) -> dict[str, Any]:
    tokens = sorted({token.TokenType.name for token in endpoint.UserIdentityTokens or ()})
    row = {
        "url": endpoint.EndpointUrl,
        "security": str(endpoint.SecurityPolicyUri).rpartition("#")[2].replace("None", "none"),
        "mode": _MODES.get(endpoint.SecurityMode, "unknown"),
        "users": tokens,
        "application_uri": endpoint.Server.ApplicationUri,
        "thumbprint": None,
    }
    with contextlib.suppress(ValueError):
        row["thumbprint"] = thumbprint(chain_of(endpoint.ServerCertificate or b"")[0])
    return row
