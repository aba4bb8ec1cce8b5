"""What an X.509 certificate says, in the words of OPC 10000-6, 6.2.2."""

from __future__ import annotations

import hashlib
import ipaddress
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = [
    "chain_of",
    "hosts_of",
    "is_authority",
    "load",
    "self_signed",
    "serves",
    "subject_of",
    "thumbprint",
    "uri_of",
    "vouches",
    "wrong_use",
]

OWN_YEARS = 10
LEAST_KEY_BITS = 2048


def load(data: bytes) -> x509.Certificate:
    """A certificate from its DER or PEM form.

    Raises:
        ValueError: It is none.
    """
    if data.lstrip().startswith(b"-----"):
        return x509.load_pem_x509_certificate(data)
    return x509.load_der_x509_certificate(data)


def chain_of(data: bytes) -> list[x509.Certificate]:
    """The certificate of a server and those of its issuers, which stand one after the other.

    Raises:
        ValueError: There is no certificate.
    """
    found, at = [], 0
    while at < len(data):
        if len(data) < at + 4 or data[at] != 0x30:  # a DER sequence
            raise ValueError("no certificate")
        size = data[at + 1]
        head = 2
        if size & 0x80:
            head += size & 0x7F
            size = int.from_bytes(data[at + 2 : at + head], "big")
        found.append(x509.load_der_x509_certificate(data[at : at + head + size]))
        at += head + size
    if not found:
        raise ValueError("no certificate")
    return found


def thumbprint(certificate: x509.Certificate) -> str:
    """SHA-1 of its DER form, by which OPC UA tools name it."""
    der = certificate.public_bytes(Encoding.DER)
    return hashlib.sha1(der, usedforsecurity=False).hexdigest().upper()


def subject_of(certificate: x509.Certificate) -> str:
    """Its common name; the whole subject where it has none."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else certificate.subject.rfc4514_string()


def uri_of(certificate: x509.Certificate) -> str | None:
    """The ApplicationUri."""
    names = _names(certificate)
    uris = names.get_values_for_type(x509.UniformResourceIdentifier) if names else []
    return uris[0] if uris else None


def hosts_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """Host names and IP addresses."""
    names = _names(certificate)
    if names is None:
        return ()
    addresses = names.get_values_for_type(x509.IPAddress)
    return (*names.get_values_for_type(x509.DNSName), *map(str, addresses))


def serves(host: str, hosts: tuple[str, ...]) -> bool:
    """Whether a host in a URL is one of those in a certificate.

    Example:
        >>> serves("Press.example", ("press.example", "10.0.0.5"))
        True
    """
    try:
        host = str(ipaddress.ip_address(host))
    except ValueError:
        host = host.rstrip(".")
    return host.lower() in {h.rstrip(".").lower() for h in hosts}


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether it may sign other certificates."""
    try:
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    usage = _usage(certificate)
    return basic.ca and (usage is None or usage.key_cert_sign)


def vouches(issuer: x509.Certificate, certificate: x509.Certificate, now: datetime) -> bool:
    """Whether the issuer, a valid authority, has signed the certificate."""
    valid = issuer.not_valid_before_utc <= now <= issuer.not_valid_after_utc
    if not (valid and is_authority(issuer)):
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def wrong_use(certificate: x509.Certificate) -> str | None:
    """Why it cannot be that of an OPC UA server; None when it can."""
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < LEAST_KEY_BITS:
        return f"has no RSA key of {LEAST_KEY_BITS} bits or more; renew it on the server"
    usage = _usage(certificate)
    if usage and not (
        usage.digital_signature and usage.key_encipherment and usage.data_encipherment
    ):
        return (
            "is not for signing and encrypting (keyUsage); renew it on the server with "
            "digitalSignature, nonRepudiation, keyEncipherment and dataEncipherment"
        )
    try:
        uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return None
    if ExtendedKeyUsageOID.SERVER_AUTH not in uses:
        return "is not for a server (extendedKeyUsage); renew it on the server with serverAuth"
    return None


def self_signed(
    key: rsa.RSAPrivateKey, application_uri: str, host: str, now: datetime
) -> x509.Certificate:
    """A certificate for our application, valid from a day ago: clocks in plants differ."""
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, f"linetwin@{host}"[:64]),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "linetwin"),
        ]
    )
    public = key.public_key()
    names: list[x509.GeneralName] = [
        x509.UniformResourceIdentifier(application_uri),
        x509.DNSName(host),
    ]
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        data_encipherment=True,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=public)
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1))
    builder = builder.not_valid_after(now + timedelta(days=365 * OWN_YEARS))
    for extension, critical in (
        (x509.SubjectAlternativeName(names), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (usage, True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False),
        (x509.SubjectKeyIdentifier.from_public_key(public), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(public), False),
    ):
        builder = builder.add_extension(extension, critical)
    return builder.sign(key, hashes.SHA256())


def _names(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return None


def _usage(certificate: x509.Certificate) -> x509.KeyUsage | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None
