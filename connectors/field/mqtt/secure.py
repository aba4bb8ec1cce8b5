"""Who we are at a broker, whether it is the right one, and in which words it is said if not."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twin.errors import SourceError
from twin.plant import MqttOptions

__all__ = [
    "Refused",
    "Table",
    "no_tls",
    "password_of",
    "refused_by_tls",
    "refused_connection",
    "tls_context",
]


class Refused(Exception):
    """The broker answers, and says no; or we say no to it."""

    def __init__(self, found: str, remedy: str) -> None:
        super().__init__(f"{found}; {remedy}")


@dataclass(frozen=True, slots=True)
class Table:
    """``[sources.<name>.mqtt]`` of the plant file."""

    name: str
    options: MqttOptions
    folder: Path = field(default=Path())

    def __str__(self) -> str:
        return f"[sources.{self.name}.mqtt]"

    def file(self, key: str) -> Path | None:
        """The file that a key names; None when it names none.

        Raises:
            SourceError: It cannot be read.
        """
        named: str | None = getattr(self.options, key)
        if named is None:
            return None
        path = self.folder / named
        try:
            with path.open("rb"):
                return path
        except OSError as e:
            raise SourceError(
                f'source "{self.name}": {key} {path}: {e.strerror}; '
                f"correct {key} in {self} of the plant file, or the file's owner"
            ) from e


def password_of(table: Table) -> str | None:
    """The password of the user in the plant file; None when it names no user.

    Raises:
        SourceError: Its file cannot be read.
    """
    path = table.file("password_file")
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").strip("\r\n")
    except UnicodeDecodeError as e:
        raise SourceError(
            f'source "{table.name}": password_file {path} is not text; '
            f"write the password into it in UTF-8, on one line"
        ) from e


def tls_context(table: Table) -> ssl.SSLContext:
    """TLS 1.2 or newer with the broker's certificate and name checked, and ours where we have one.

    Raises:
        SourceError: A file cannot be read, or is no certificate or key.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    ca, ours, key = (table.file(k) for k in ("ca_file", "certificate_file", "key_file"))
    try:
        if ca is not None:
            # What the file names is trusted, and nothing that the system trusts beside it.
            context = ssl.create_default_context(cafile=str(ca))
            context.minimum_version = ssl.TLSVersion.TLSv1_2
        if ours is not None:
            context.load_cert_chain(ours, key, password=_no_password)
    except (ssl.SSLError, ValueError) as e:
        files = " and ".join(str(path) for path in (ca, ours, key) if path is not None)
        reason = e.reason if isinstance(e, ssl.SSLError) and e.reason else str(e)
        raise SourceError(
            f'source "{table.name}": {files}: {_words(reason)}; use PEM files, a certificate '
            f"with its own key, and a key without password, in {table} of the plant file"
        ) from e
    return context


def _no_password() -> str:
    raise ValueError("the key has a password")


def refused_by_tls(error: ssl.SSLError, table: Table) -> Refused:
    """Why TLS did not come about."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _refused_certificate(error, table)
    reason = _words(error.reason or str(error))
    return _refused_by_alert(reason, table) if "alert" in reason else no_tls(reason)


def no_tls(reason: str) -> Refused:
    """Something answers there, in other words than TLS."""
    return Refused(
        f"that port does not speak TLS ({reason})",
        "use the broker's TLS port in url, or mqtt:// where it has none",
    )


def _refused_certificate(error: ssl.SSLCertVerificationError, table: Table) -> Refused:
    said = error.verify_message.rstrip(".")
    if "expired" in said:
        return Refused("its certificate has expired", "renew the certificate of the broker")
    if "not yet valid" in said:
        return Refused(
            "its certificate is not valid yet", "look at the clocks here and at the broker"
        )
    if "mismatch" in said:
        return Refused(
            f"its certificate is for another name ({said})",
            f"use in url of [sources.{table.name}] a name that the certificate has",
        )
    return Refused(
        f"its certificate is not trusted ({said})",
        f"name the certificate of who signed it as ca_file in {table} of the plant file",
    )


def _refused_by_alert(reason: str, table: Table) -> Refused:
    files = f"certificate_file and key_file in {table} of the plant file"
    if "version" in reason:
        return Refused(f"it speaks no TLS 1.2 or newer ({reason})", "bring the broker up to date")
    if table.options.certificate_file is None:
        return Refused(f"it wants a certificate of ours ({reason})", f"name {files}")
    return Refused(
        f"it refuses our certificate ({reason})",
        f"let the broker trust who signed it, or correct {files}",
    )


def _words(reason: str) -> str:
    return reason.lower().replace("_", " ")


def refused_connection(code: Any, table: Table, client_id: str) -> Refused:
    """Why a broker did not let us in."""
    found = f"it refuses us: {code}"
    name = str(code).lower()
    if "user name" in name or "authorized" in name:
        return Refused(
            found,
            f"give the broker this user, or correct user and password_file in {table} of the plant "
            f"file, or LINETWIN_MQTT_USER",
        )
    if "identifier" in name:
        return Refused(found, f'let the broker accept the client id "{client_id}"')
    if "version" in name:
        return Refused(found, f'try version = "3.1.1" in {table} of the plant file')
    return Refused(found, "look at the broker's log")
