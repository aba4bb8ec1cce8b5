"""Certificates: our own, the servers' that people have decided to trust, and the ones they have not.

``<data>/pki`` holds ``own`` (certificate and key, made on first use), ``trusted`` and ``rejected``.
Files may be put there and taken away by hand; a CA in ``trusted`` vouches for what it has signed,
and a revocation list (``.crl``) beside it is obeyed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from connectors.field.opcua.certificates import (
    chain_of,
    hosts_of,
    is_authority,
    load,
    self_signed,
    serves,
    subject_of,
    thumbprint,
    uri_of,
    vouches,
    wrong_use,
)
from twin.errors import DataError, NotFoundError, SourceError

__all__ = ["Known", "Own", "Pki"]

LONGEST_CHAIN = 5
MOST_REJECTED = 100
SHORTEST_PREFIX = 4
ANY_HOST = "any-host"
"""Part of a trusted file's name: its server may be called by any host name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """The certificate that we show to servers."""

    certificate_file: Path
    """DER; what a server's administrator puts among the trusted ones."""
    key_file: Path
    application_uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A certificate in one of the folders."""

    thumbprint: str
    """SHA-1 of its DER form, as other OPC UA tools show it."""
    subject: str
    application_uri: str | None
    hosts: tuple[str, ...]
    valid_from: datetime
    valid_to: datetime
    trusted: bool
    any_host: bool
    """The host name in the URL is not held against it."""
    authority: bool
    """It vouches for certificates that it signed."""
    file: Path


class Pki:
    """The folder of certificates of one product."""

    def __init__(self, folder: Path, wall_s: Callable[[], float] = time.time) -> None:
        """Name the folder; nothing is made or read yet.

        Args:
            folder: ``<data>/pki``.
            wall_s: Seconds since 1970, for validity.
        """
        self.folder = folder
        self._wall_s = wall_s

    def own(self) -> Own:
        """Our certificate, made on first use.

        Raises:
            SourceError: It cannot be made, read, or has expired.
        """
        folder = self.folder / "own"
        certificate_file, key_file = folder / "linetwin.der", folder / "linetwin-key.pem"
        try:
            if not folder.exists():
                self._make_own(folder)
            certificate = load(certificate_file.read_bytes())
            key_file.stat()
        except (OSError, ValueError) as e:
            raise SourceError(
                f"our own certificate in {folder} cannot be used: {e}; restore certificate and "
                f"key, or remove that folder and have the servers trust the new certificate"
            ) from e
        if certificate.not_valid_after_utc < self._now():
            raise SourceError(
                f"our own certificate {certificate_file} expired on "
                f"{certificate.not_valid_after_utc:%Y-%m-%d}; remove {folder}, and have the "
                f"servers trust the new certificate that is made then"
            )
        uri = uri_of(certificate)
        if uri is None:
            raise SourceError(
                f"our own certificate {certificate_file} has no ApplicationUri; give it one "
                f"(subjectAltName URI), or remove {folder} and a new certificate is made"
            )
        return Own(certificate_file=certificate_file, key_file=key_file, application_uri=uri)

    def check(self, certificate: bytes, *, source: str, application_uri: str, host: str) -> None:
        """Hold a server's certificate against what OPC 10000-4, 6.1.3 demands.

        Args:
            certificate: DER as the server sent it, with its chain if it has one.
            source: Name of the source, for the message.
            application_uri: As the server describes itself.
            host: In the URL that is to be connected.

        Raises:
            SourceError: It is not accepted: which, why, and what to do. One that nobody has
                decided about lies in ``rejected`` then.
        """
        try:
            chain = chain_of(certificate)
        except ValueError as e:
            raise SourceError(
                f'source "{source}": the server\'s certificate cannot be read ({e}); give the '
                f"server another one"
            ) from e
        first = chain[0]
        print_ = thumbprint(first)
        name = f'source "{source}": the certificate {print_[:12]} of the server'
        anchor = self._anchor(chain)
        if anchor is None and not self._find(print_):
            self._write("rejected", first)
            self._forget_oldest()
        if fault := self._fault(first, application_uri):
            raise SourceError(f"{name} {fault}")
        if anchor is None:
            raise SourceError(
                f"{name} ({subject_of(first)}) is not trusted; compare its thumbprint with the "
                f"server's, then: linetwin pki trust {print_[:12]} --data {self.folder.parent}"
            )
        if self._revoked(chain):
            raise SourceError(f"{name} has been revoked by its issuer; renew it on the server")
        hosts = hosts_of(first)
        if not anchor.any_host and not serves(host, hosts):
            raise SourceError(
                f"{name} is for {', '.join(hosts) or 'no host'}, not for {host}; use such a host "
                f"in url, renew the certificate with {host} in it, or: linetwin pki trust "
                f"{print_[:12]} --any-host --data {self.folder.parent}"
            )

    def list(self) -> tuple[Known, ...]:
        """Every certificate in ``trusted`` and ``rejected``."""
        return tuple(
            known for folder in ("trusted", "rejected") for known, _ in self._certificates(folder)
        )

    def trust(self, which: str, *, any_host: bool = False) -> Known:
        """Trust a certificate from now on.

        Args:
            which: Beginning of its thumbprint, or a file (DER or PEM) that holds it.
            any_host: Do not hold the host name in the URL against it.

        Raises:
            NotFoundError: There is none.
            DataError: The beginning is too short or fits several, or the file holds none.
        """
        certificate, known = self._pick(which)
        written = self._write("trusted", certificate, any_host=any_host)
        for old in known:
            if old.file != written:
                old.file.unlink(missing_ok=True)
        return self._find(thumbprint(certificate))[0]

    def reject(self, which: str) -> Known:
        """Trust a certificate no more; arguments and errors as for `trust`."""
        certificate, known = self._pick(which)
        written = self._write("rejected", certificate)
        for old in known:
            if old.file != written:
                old.file.unlink(missing_ok=True)
        return self._find(thumbprint(certificate))[0]

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._wall_s(), UTC)

    def _make_own(self, folder: Path) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        host = socket.gethostname()
        certificate = self_signed(key, f"urn:{host}:linetwin", host, self._now())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        made = Path(tempfile.mkdtemp(prefix=".own-", dir=self.folder))  # mode 0700
        with os.fdopen(
            os.open(made / "linetwin-key.pem", os.O_WRONLY | os.O_CREAT, 0o600), "wb"
        ) as f:
            f.write(pem)
        (made / "linetwin.der").write_bytes(certificate.public_bytes(Encoding.DER))
        try:
            made.rename(folder)
        except OSError:  # another process was first; its pair is as good
            shutil.rmtree(made)
            if not folder.exists():
                raise

    def _certificates(self, folder: str) -> Iterator[tuple[Known, x509.Certificate]]:
        for file in sorted((self.folder / folder).glob("*")):
            if file.suffix.lower() in {".der", ".crt", ".cer", ".pem"}:
                with contextlib.suppress(ValueError, OSError):  # people put files here
                    certificate = load(file.read_bytes())
                    yield _known(certificate, file), certificate

    def _find(self, prefix: str) -> tuple[Known, ...]:
        return tuple(k for k in self.list() if k.thumbprint.startswith(prefix.upper()))

    def _pick(self, which: str) -> tuple[x509.Certificate, tuple[Known, ...]]:
        file = Path(which)
        if file.suffix and file.is_file():
            try:
                certificate = load(file.read_bytes())
            except ValueError as e:
                raise DataError(f"{file} holds no certificate: {e}; give one as DER or PEM") from e
            return certificate, self._find(thumbprint(certificate))
        if len(which) < SHORTEST_PREFIX:
            raise DataError(f'"{which}" is too short; give {SHORTEST_PREFIX} characters or more')
        found = self._find(which)
        if not found:
            raise NotFoundError(
                f'no certificate "{which}" in {self.folder}; linetwin pki list shows them'
            )
        if len({known.thumbprint for known in found}) > 1:
            raise DataError(f'"{which}" fits {len(found)} certificates; give more of it')
        return load(found[0].file.read_bytes()), found

    def _write(self, folder: str, certificate: x509.Certificate, *, any_host: bool = False) -> Path:
        name = re.sub(r"[^A-Za-z0-9.@_-]+", " ", subject_of(certificate)).strip()[:60] or "server"
        mark = f" {ANY_HOST}" if any_host else ""
        file = self.folder / folder / f"{name} [{thumbprint(certificate)}]{mark}.der"
        part = file.with_suffix(f".{os.getpid()}.part")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(certificate.public_bytes(Encoding.DER))
            part.replace(file)
        except OSError as e:
            raise SourceError(
                f"a certificate cannot be kept in {file.parent} ({e.strerror}); make that folder "
                f"writable and see that the disk is not full"
            ) from e
        return file

    def _forget_oldest(self) -> None:
        """A server with ever new certificates must not fill the disk."""
        files = list((self.folder / "rejected").glob("*.der"))
        files.sort(key=lambda file: file.stat().st_mtime, reverse=True)
        for file in files[MOST_REJECTED:]:
            file.unlink(missing_ok=True)

    def _anchor(self, chain: Sequence[x509.Certificate]) -> Known | None:
        """The trusted certificate that vouches for the first of the chain, maybe itself."""
        trusted = list(self._certificates("trusted"))
        at = chain[0]
        for _ in range(LONGEST_CHAIN):
            for known, certificate in trusted:
                if certificate == at or vouches(certificate, at, self._now()):
                    return known
            above = [c for c in chain[1:] if c != at and vouches(c, at, self._now())]
            if not above:
                return None
            at = above[0]
        return None

    def _revoked(self, chain: Sequence[x509.Certificate]) -> bool:
        issuers = [*chain[1:], *(c for _, c in self._certificates("trusted"))]
        for file in sorted((self.folder / "trusted").glob("*.crl")):
            revoked = _revocations(file)
            keys = {i.subject: i.public_key() for i in issuers if i.subject == revoked.issuer}
            for certificate in chain:
                key = keys.get(certificate.issuer)
                if not isinstance(key, rsa.RSAPublicKey) or not revoked.is_signature_valid(key):
                    continue
                if revoked.get_revoked_certificate_by_serial_number(certificate.serial_number):
                    return True
        return False

    def _fault(self, certificate: x509.Certificate, application_uri: str) -> str | None:
        """What is wrong with it, whoever trusts it."""
        now = self._now()
        if certificate.not_valid_after_utc < now:
            return f"expired on {certificate.not_valid_after_utc:%Y-%m-%d}; renew it on the server"
        if certificate.not_valid_before_utc > now:
            return (
                f"is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC; set "
                f"the clock of the server or of this computer right"
            )
        uri = uri_of(certificate)
        if uri != application_uri:
            return (
                f'is for the application "{uri}", but the server says that it is '
                f'"{application_uri}"; renew the certificate on the server'
            )
        return wrong_use(certificate)


def _revocations(file: Path) -> x509.CertificateRevocationList:
    raw = file.read_bytes()
    pem = raw.startswith(b"-----")
    try:
        return (x509.load_pem_x509_crl if pem else x509.load_der_x509_crl)(raw)
    except ValueError as e:
        raise SourceError(f"{file} is no revocation list: {e}; replace or remove it") from e


def _known(certificate: x509.Certificate, file: Path) -> Known:
    return Known(
        thumbprint=thumbprint(certificate),
        subject=subject_of(certificate),
        application_uri=uri_of(certificate),
        hosts=hosts_of(certificate),
        valid_from=certificate.not_valid_before_utc,
        valid_to=certificate.not_valid_after_utc,
        trusted=file.parent.name == "trusted",
        any_host=ANY_HOST in file.stem.split(),
        authority=is_authority(certificate),
        file=file,
    )
