"""Facts of secured connections to real OPC UA servers on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, Server, ua
from asyncua.common.utils import Buffer, ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from connectors.field.opcua.decode import decode_publish
from connectors.field.opcua.pki import Pki
from connectors.field.opcua.security import POLICIES, refused, secured_client
from tests.field_lab import free_port, run, within
from tests.pki_lab import CA_KEY, KEY, NOW, URI, der, made
from tests.torture_lab import PEERS, Child, needs_node_opcua
from twin.errors import SourceError
from twin.plant import OpcuaOptions

pytestmark = pytest.mark.slow

HOST = "127.0.0.1"
TYPES = [
    ua.SecurityPolicyType.NoSecurity,
    ua.SecurityPolicyType.Basic256Sha256_Sign,
    ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
    ua.SecurityPolicyType.Aes128Sha256RsaOaep_Sign,
    ua.SecurityPolicyType.Aes128Sha256RsaOaep_SignAndEncrypt,
    ua.SecurityPolicyType.Aes256Sha256RsaPss_Sign,
    ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
]


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "asyncua")


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path / "pki", NOW.timestamp)


class Users:
    """Knows one user by password and some by certificate; asyncua shows it the channel's, too."""

    def __init__(self, *certificates: bytes) -> None:
        self.certificates = certificates

    def get_user(
        self, _: Any, username: str | None = None, password: Any = None, certificate: Any = None
    ) -> User | None:
        if username is None:
            known = certificate in self.certificates
        else:
            password = password.decode() if isinstance(password, bytes) else password
            known = (username, password) == ("reader", "pässword ")
        return User(role=UserRole.User) if known else None


@contextlib.asynccontextmanager
async def serving(
    folder: Path,
    certificate: x509.Certificate,
    *,
    users: Users | None = None,
    types: list[Any] = TYPES,
    wants: Any = None,
) -> AsyncIterator[str]:
    """A server with this certificate; gives its URL."""
    server = Server(user_manager=users)
    await server.init()
    url = f"opc.tcp://{HOST}:{free_port()}/press"
    server.set_endpoint(url)
    await server.set_application_uri(URI)
    (folder / "server.der").write_bytes(der(certificate))
    (folder / "server.pem").write_bytes(pem(KEY))
    await server.load_certificate(folder / "server.der")
    await server.load_private_key(folder / "server.pem")
    server.set_security_policy(types)
    if wants is not None:
        server.set_certificate_validator(wants)
    await server.start()
    try:
        yield url
    finally:
        await server.stop()


def pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


async def look(url: str, options: OpcuaOptions, pki: Pki, folder: Path = Path()) -> list[str]:
    """Connect as a source would; returns the namespaces."""
    client = Client(url, timeout=10)
    try:
        await secured_client(client, options, pki, source="machines", folder=folder)
        await client.connect()
        try:
            return list(await client.get_namespace_array())
        finally:
            await client.disconnect()
    except (ua.UaError, OSError) as e:
        raise refused(e, options, pki, source="machines") or e from e


async def line(url: str, options: OpcuaOptions, pki: Pki, folder: Path = Path()) -> str:
    """The one line with which the connection is refused."""
    with pytest.raises(SourceError) as e:
        await look(url, options, pki, folder)
    assert "\n" not in str(e.value)
    assert str(e.value).startswith('source "machines": ')
    return str(e.value)


def trust(pki: Pki, folder: Path) -> None:
    pki.trust(str(folder / "server.der"))


def test_every_policy_and_mode_connects_to_a_trusted_server(pki: Pki, tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path, made(address=HOST)) as url:
            trust(pki, tmp_path)
            for policy in POLICIES:
                for mode in ("sign", "sign-and-encrypt"):
                    options = OpcuaOptions(security=policy, mode=mode)  # type: ignore[arg-type]
                    assert await look(url, options, pki)
            assert await look(url, OpcuaOptions(security="none"), pki)

    run(story)


def test_unknown_server_is_refused_until_it_is_trusted(pki: Pki, tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path, made(address=HOST)) as url:
            said = await line(url, OpcuaOptions(), pki)
            assert "is not trusted" in said
            assert "linetwin pki trust " in said
            (met,) = pki.list()
            pki.trust(met.thumbprint[:12])
            assert await look(url, OpcuaOptions(), pki)

    run(story)


@pytest.mark.parametrize(
    ("certificate", "says"),
    [
        (made(address=HOST, days=(-10, -1)), "expired on 2026-03-15; renew it on the server"),
        (made(address=HOST, uri="urn:other"), 'is for the application "urn:other"'),
        (made(address="10.0.0.5"), f"not for {HOST}; use such a host in url"),
        (made(address=HOST, server=False), "is not for a server"),
    ],
)
def test_faulty_certificate_of_a_trusted_server_is_refused(
    pki: Pki, tmp_path: Path, certificate: x509.Certificate, says: str
) -> None:
    async def story() -> None:
        async with serving(tmp_path, certificate) as url:
            trust(pki, tmp_path)
            assert says in await line(url, OpcuaOptions(), pki)

    run(story)


def test_policy_that_the_server_does_not_offer_is_named_beside_what_it_offers(
    pki: Pki, tmp_path: Path
) -> None:
    async def story() -> None:
        only = [ua.SecurityPolicyType.Basic256Sha256_Sign]
        async with serving(tmp_path, made(address=HOST), types=only) as url:
            trust(pki, tmp_path)
            said = await line(url, OpcuaOptions(security="Aes256_Sha256_RsaPss"), pki)
            assert (
                "the server does not offer Aes256_Sha256_RsaPss with sign-and-encrypt, only "
                "Basic256Sha256 with sign" in said
            )
            assert "correct security and mode in [sources.machines.opcua]" in said
            said = await line(url, OpcuaOptions(security="none"), pki)
            assert "the server does not offer connections without security" in said

    run(story)


def test_user_with_password_from_a_file(pki: Pki, tmp_path: Path) -> None:
    async def story() -> None:
        (tmp_path / "good").write_text("pässword \n")
        (tmp_path / "wrong").write_text("password\n")
        async with serving(tmp_path, made(address=HOST), users=Users()) as url:
            trust(pki, tmp_path)
            for mode in ("sign", "sign-and-encrypt"):
                good = OpcuaOptions(mode=mode, user="reader", password_file="good")  # type: ignore[arg-type]
                assert await look(url, good, pki, tmp_path)
            wrong = OpcuaOptions(user="reader", password_file="wrong")
            assert await line(url, wrong, pki, tmp_path) == (
                'source "machines": the server refuses the user "reader"; correct user and '
                "password_file in [sources.machines.opcua], or the server"
            )
            missing = OpcuaOptions(user="reader", password_file="missing")
            said = await line(url, missing, pki, tmp_path)
            assert f"{tmp_path / 'missing'} cannot be read (No such file" in said
            said = await line(url, OpcuaOptions(), pki)
            assert "refuses an anonymous session; correct user and password_file" in said

    run(story)


def test_user_with_a_certificate(pki: Pki, tmp_path: Path) -> None:
    async def story() -> None:
        user, other = made("user", key=CA_KEY), made("other", key=CA_KEY)
        (tmp_path / "user.der").write_bytes(der(user))
        (tmp_path / "other.pem").write_bytes(other.public_bytes(Encoding.PEM))
        (tmp_path / "user.key").write_bytes(pem(CA_KEY))
        async with serving(tmp_path, made(address=HOST), users=Users(der(user))) as url:
            trust(pki, tmp_path)
            good = OpcuaOptions(user_certificate_file="user.der", user_key_file="user.key")
            assert await look(url, good, pki, tmp_path)
            wrong = OpcuaOptions(user_certificate_file="other.pem", user_key_file="user.key")
            said = await line(url, wrong, pki, tmp_path)
            assert "refuses the user certificate other.pem; correct user_certificate_file" in said
            broken = OpcuaOptions(user_certificate_file="user.der", user_key_file="user.der")
            assert "and key (PEM, without password)" in await line(url, broken, pki, tmp_path)

    run(story)


def test_server_that_does_not_trust_us_says_which_file_it_needs(pki: Pki, tmp_path: Path) -> None:
    async def refuse(*_: object) -> None:
        raise ServiceError(ua.StatusCodes.BadCertificateUntrusted)

    async def story() -> None:
        async with serving(tmp_path, made(address=HOST), wants=refuse) as url:
            trust(pki, tmp_path)
            said = await line(url, OpcuaOptions(), pki)
            assert "the server does not accept our certificate (BadCertificateUntrusted)" in said
            assert said.endswith(f"trust {pki.own().certificate_file} on the server")

    run(story)


def test_server_that_closes_the_connection_is_taken_for_one_that_does_not_trust_us(
    pki: Pki, tmp_path: Path
) -> None:
    """As node-opcua does; its error message is not read by asyncua."""

    async def story() -> None:
        async with serving(tmp_path, made(address=HOST)) as url:
            trust(pki, tmp_path)
            port = int(url.rpartition(":")[2].partition("/")[0])

            async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                up = await asyncio.open_connection(HOST, port)
                while data := await reader.read(65536):
                    if data.startswith(b"OPN") and b"#Basic256Sha256" in data:
                        break
                    up[1].write(data)
                    writer.write(await up[0].read(65536))
                up[1].close()
                writer.close()

            async with await asyncio.start_server(pass_on, HOST, 0) as between:
                near = between.sockets[0].getsockname()[1]
                said = await line(url.replace(str(port), str(near)), OpcuaOptions(), pki)
            assert "closed the connection when the secure channel was opened" in said
            assert said.endswith(f"trust {pki.own().certificate_file} on the server")

    run(story)


@needs_node_opcua
def test_node_opcua_is_connected_with_every_policy_and_its_messages_decoded(
    tmp_path: Path,
) -> None:
    truth, folder = tmp_path / "truth.jsonl", tmp_path / "server"
    server = PEERS / "opcua_server.js"
    words = ["--port", free_port(), "--truth", truth, "--nodes", "40", "--secure", "--pki", folder]
    peer = Child("node-opcua", ["node", server, *words], tmp_path)
    try:
        url = peer.hear("ready")["url"]
        pki = Pki(tmp_path / "pki")
        run(lambda: _meet(url, pki))
    finally:
        peer.kill()


async def _meet(url: str, pki: Pki) -> None:
    assert "is not trusted" in await line(url, OpcuaOptions(), pki)
    pki.trust(pki.list()[0].thumbprint, any_host=True)
    for policy in POLICIES:
        for mode in ("sign", "sign-and-encrypt"):
            options = OpcuaOptions(security=policy, mode=mode)  # type: ignore[arg-type]
            client = Client(url, timeout=10)
            await secured_client(client, options, pki, source="machines")
            async with client:
                await _messages_are_what_asyncua_decodes(client)


async def _messages_are_what_asyncua_decodes(client: Client) -> None:
    """Subscribe with both times: node-opcua sends them with picoseconds."""
    ask = client.uaclient.session._send_request
    index = await client.get_namespace_index("urn:linetwin:torture")
    request: Any = ua.CreateSubscriptionRequest()
    request.Parameters.RequestedPublishingInterval = 100
    request.Parameters.RequestedLifetimeCount = 1000
    request.Parameters.RequestedMaxKeepAliveCount = 10
    request.Parameters.PublishingEnabled = True
    answer = ua.ua_binary.struct_from_binary(ua.CreateSubscriptionResponse, await ask(request))
    request = ua.CreateMonitoredItemsRequest()
    request.Parameters.SubscriptionId = answer.Parameters.SubscriptionId
    request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
    request.Parameters.ItemsToCreate = [_item(i, ua.NodeId(f"v{i}", index)) for i in range(40)]
    await ask(request)
    rows = 0
    for _ in range(5):
        data = bytes(await within(ask(ua.PublishRequest(), timeout=0)))
        by_objects = ua.ua_binary.struct_from_binary(ua.PublishResponse, Buffer(data)).Parameters
        message, found = by_objects.NotificationMessage, decode_publish(data).notification
        items = [i for kind in message.NotificationData for i in kind.MonitoredItems]
        assert found.sequence == message.SequenceNumber
        assert found.changes.handle.tolist() == [i.ClientHandle for i in items]
        assert found.changes.value.tolist() == [i.Value.Value.Value for i in items]
        assert found.changes.source_us.tolist() == [_us(i.Value.SourceTimestamp) for i in items]
        assert (abs(found.changes.server_us - found.changes.source_us) < 60_000_000).all()
        rows += len(items)
    assert rows >= 40


def _item(handle: int, node: Any) -> Any:
    item: Any = ua.MonitoredItemCreateRequest()
    item.ItemToMonitor.NodeId = node
    item.ItemToMonitor.AttributeId = ua.AttributeIds.Value
    item.MonitoringMode = ua.MonitoringMode.Reporting
    item.RequestedParameters.ClientHandle = handle
    item.RequestedParameters.SamplingInterval = 0.0
    item.RequestedParameters.QueueSize = 1000
    return item


def _us(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
