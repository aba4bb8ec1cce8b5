"""How a client is made to trust, to sign, to encrypt, and to say who it is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asyncua import ua as _ua
from asyncua.client.client import Client
from asyncua.crypto import security_policies as policies
from asyncua.ua.uaerrors import UaError
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from connectors.field.opcua.certificates import chain_of, load
from connectors.field.opcua.pki import Pki
from twin.errors import SourceError
from twin.plant import OpcuaOptions

__all__ = ["POLICIES", "refused", "secured_client"]

ua: Any = _ua
"""asyncua names its types by ``import *``, which strict typing does not follow."""

POLICIES: dict[str, Any] = {
    "Basic256Sha256": policies.SecurityPolicyBasic256Sha256,
    "Aes128_Sha256_RsaOaep": policies.SecurityPolicyAes128Sha256RsaOaep,
    "Aes256_Sha256_RsaPss": policies.SecurityPolicyAes256Sha256RsaPss,
}
_MODES = {
    "sign": ua.MessageSecurityMode.Sign,
    "sign-and-encrypt": ua.MessageSecurityMode.SignAndEncrypt,
}
_MODE_NAMES = {mode: name for name, mode in _MODES.items()}
_NONE = policies.SecurityPolicyNone.URI
_USER = frozenset(
    {
        ua.StatusCodes.BadUserAccessDenied,
        ua.StatusCodes.BadIdentityTokenRejected,
        ua.StatusCodes.BadIdentityTokenInvalid,
        ua.StatusCodes.BadUserSignatureInvalid,
    }
)
_OURS = frozenset(
    {
        ua.StatusCodes.BadSecurityChecksFailed,
        ua.StatusCodes.BadCertificateUntrusted,
        ua.StatusCodes.BadCertificateInvalid,
        ua.StatusCodes.BadCertificateUriInvalid,
        ua.StatusCodes.BadCertificateTimeInvalid,
        ua.StatusCodes.BadCertificateUseNotAllowed,
        ua.StatusCodes.BadCertificateHostNameInvalid,
        ua.StatusCodes.BadCertificateChainIncomplete,
        ua.StatusCodes.BadCertificateRevoked,
        ua.StatusCodes.BadCertificateRevocationUnknown,
        ua.StatusCodes.BadApplicationSignatureInvalid,
    }
)
_POLICY = frozenset(
    {
        ua.StatusCodes.BadSecurityPolicyRejected,
        ua.StatusCodes.BadSecurityModeRejected,
        ua.StatusCodes.BadSecurityModeInsufficient,
    }
)


class ChannelClosedError(ConnectionError):
    """The server closed the connection in the middle of opening the secure channel."""


async def secured_client(
    client: Client, options: OpcuaOptions, pki: Pki, *, source: str, folder: Path = Path()
) -> None:
    """Prepare a client before ``connect``: policy, mode, both certificates, user.

    With a policy, the server is asked for its endpoints first and its certificate is held against
    ``pki`` before anything is sent to it, and again in the session, where the answer is signed.

    Args:
        client: Not connected; it can be connected many times afterwards.
        options: From the plant file.
        pki: Where our certificate and the trusted ones are.
        source: Name of the source, for messages.
        folder: Of the plant file; the files in ``options`` are found from here.

    Raises:
        SourceError: A file is missing, the server does not offer what is wanted, or its
            certificate is not accepted.
        OSError, TimeoutError, UaError: The server did not give its endpoints.
    """
    _identify(client, options, source, folder)
    client.name = client.description = "linetwin"
    client.product_uri = "urn:linetwin"
    if options.security == "none":
        client.application_uri = "urn:linetwin"
        return
    own = await asyncio.to_thread(pki.own)
    client.application_uri = own.application_uri
    host = client.server_url.hostname or ""
    endpoints = await client.connect_and_get_server_endpoints()
    endpoint = _wanted_endpoint(endpoints, options, source)
    certificate: bytes = endpoint.ServerCertificate or b""

    def check(chain: bytes, description: Any) -> None:
        uri = description.ApplicationUri
        pki.check(chain, source=source, application_uri=uri, host=host)

    async def in_session(_: x509.Certificate, description: Any) -> None:
        # The description in the signed answer; that of the endpoint came over an open channel.
        check(certificate, description)

    check(certificate, endpoint.Server)
    client.certificate_validator = in_session
    await client.set_security(
        POLICIES[options.security],
        certificate=own.certificate_file,
        private_key=own.key_file,
        server_certificate=chain_of(certificate)[0].public_bytes(Encoding.DER),
        mode=_MODES[options.mode],
    )
    _watch_opening(client)


def _watch_opening(client: Client) -> None:
    """Servers that do not accept a certificate may say so by closing the connection, no more."""
    open_channel = client.open_secure_channel

    async def watched(renew: bool = False) -> None:
        try:
            await open_channel(renew)
        except ConnectionError as e:
            if renew:
                raise
            raise ChannelClosedError(str(e)) from e

    client.open_secure_channel = watched  # type: ignore[method-assign]


def refused(
    error: BaseException, options: OpcuaOptions, pki: Pki, *, source: str
) -> SourceError | None:
    """The one clear line for a connection that failed for reasons of security; else None."""
    code = getattr(error, "code", None)
    name = f'source "{source}"'
    if code in _USER:
        who = f'the user "{options.user}"' if options.user else "an anonymous session"
        what = f"user and password_file in [sources.{source}.opcua]"
        if options.user_certificate_file:
            who = f"the user certificate {options.user_certificate_file}"
            what = f"user_certificate_file and user_key_file in [sources.{source}.opcua]"
        return SourceError(f"{name}: the server refuses {who}; correct {what}, or the server")
    if code in _OURS:
        return SourceError(
            f"{name}: the server does not accept our certificate ({_short(error)}); trust "
            f"{pki.folder / 'own' / 'linetwin.der'} on the server"
        )
    if isinstance(error, ChannelClosedError):
        return SourceError(
            f"{name}: the server closed the connection when the secure channel was opened, as "
            f"one does that does not accept our certificate; trust "
            f"{pki.folder / 'own' / 'linetwin.der'} on the server"
        )
    if code in _POLICY or "No matching endpoints" in str(error):
        return SourceError(
            f"{name}: the server does not offer {_said(options)}; correct security and mode in "
            f"[sources.{source}.opcua], or the server; linetwin browse URL --endpoints lists them"
        )
    return None


def _short(error: BaseException) -> str:
    return type(error).__name__ if isinstance(error, UaError) else str(error)


def _said(options: OpcuaOptions) -> str:
    if options.security == "none":
        return "connections without security"
    return f"{options.security} with {options.mode}"


def _wanted_endpoint(endpoints: Sequence[Any], options: OpcuaOptions, source: str) -> Any:
    policy, mode = POLICIES[options.security], _MODES[options.mode]
    over_tcp = [e for e in endpoints if (e.EndpointUrl or "").startswith("opc.tcp://")]
    fitting = [e for e in over_tcp if e.SecurityPolicyUri == policy.URI and e.SecurityMode == mode]
    if not fitting:
        offered = sorted({_offer(e) for e in over_tcp})
        raise SourceError(
            f'source "{source}": the server does not offer {_said(options)}, only '
            f"{', '.join(offered) or 'nothing'}; correct security and mode in "
            f"[sources.{source}.opcua], or the server"
        )
    kind, who = ua.UserTokenType.Anonymous, "anonymous sessions"
    if options.user_certificate_file:
        kind, who = ua.UserTokenType.Certificate, "users with certificates"
    elif options.user:
        kind, who = ua.UserTokenType.UserName, "users with passwords"
    for endpoint in fitting:
        if kind in {token.TokenType for token in endpoint.UserIdentityTokens or ()}:
            return endpoint
    raise SourceError(
        f'source "{source}": the server takes no {who} with {_said(options)}; give it user and '
        f"password_file, or a user certificate, in [sources.{source}.opcua] as it wants"
    )


def _offer(endpoint: Any) -> str:
    if endpoint.SecurityPolicyUri == _NONE:
        return "none"
    policy = str(endpoint.SecurityPolicyUri).rpartition("#")[2]
    return f"{policy} with {_MODE_NAMES.get(endpoint.SecurityMode, endpoint.SecurityMode)}"


def _identify(client: Client, options: OpcuaOptions, source: str, folder: Path) -> None:
    place = f"[sources.{source}.opcua]"
    if options.user is not None and options.password_file is not None:
        password = _read(folder / options.password_file, f"password_file in {place}", source)
        client.set_user(options.user)
        client.set_password(password.decode("utf-8", "replace").rstrip("\r\n"))
    if options.user_certificate_file is not None and options.user_key_file is not None:
        certificate = folder / options.user_certificate_file
        key = folder / options.user_key_file
        raw = _read(certificate, f"user_certificate_file in {place}", source)
        raw_key = _read(key, f"user_key_file in {place}", source)
        try:
            client.user_certificate = load(raw)
            client.user_private_key = load_pem_private_key(raw_key, None)
        except (ValueError, TypeError) as e:
            raise SourceError(
                f'source "{source}": {certificate} and {key} are no certificate (DER or PEM) and '
                f"key (PEM, without password): {e}; correct them in {place}"
            ) from e


def _read(file: Path, what: str, source: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as e:
        raise SourceError(
            f'source "{source}": {file} cannot be read ({e.strerror}); correct {what}'
        ) from e
