"""Certificates as servers have them, good and bad, for the tests of trust."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime(2026, 3, 16, 12, tzinfo=UTC)
URI = "urn:press:server"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SMALL_KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
CA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def usage(**changes: bool) -> x509.KeyUsage:
    bits = {
        "digital_signature": True,
        "content_commitment": True,
        "key_encipherment": True,
        "data_encipherment": True,
        "key_agreement": False,
        "key_cert_sign": False,
        "crl_sign": False,
        "encipher_only": False,
        "decipher_only": False,
    }
    return x509.KeyUsage(**{**bits, **changes})


def made(
    name: str = "press",
    *,
    key: rsa.RSAPrivateKey = KEY,
    uri: str | None = URI,
    host: str = "press.example",
    address: str = "10.0.0.5",
    days: tuple[int, int] = (-10, 10),
    use: x509.KeyUsage | None = None,
    server: bool = True,
    authority: bool = False,
    issuer: x509.Certificate | None = None,
    issuer_key: rsa.RSAPrivateKey | None = None,
) -> x509.Certificate:
    """A server's certificate, self-signed if no issuer is given."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(
        issuer_name=issuer.subject if issuer else subject,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=NOW + timedelta(days=days[0]),
        not_valid_after=NOW + timedelta(days=days[1]),
    )
    names: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_address(address))]
    names += [x509.DNSName(host)]
    names += [x509.UniformResourceIdentifier(uri)] if uri else []
    kind = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
    use = use or usage(key_cert_sign=authority, crl_sign=authority)
    for extension in (
        x509.SubjectAlternativeName(names),
        x509.BasicConstraints(ca=authority, path_length=None),
        use,
        x509.ExtendedKeyUsage([kind]),
    ):
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(issuer_key or key, hashes.SHA256())


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
