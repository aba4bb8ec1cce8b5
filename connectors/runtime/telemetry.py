"""The telemetry part of a product, put together by the settings: stores, sources, and the way between."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

from connectors.field.clock import WallClock
from connectors.settings import Settings
from twin.errors import DataError, StoreError
from twin.telemetry import from_us

if TYPE_CHECKING:
    from connectors.field.clock import Clock
    from connectors.field.source import LiveSource
    from connectors.pipeline import Ingest
    from twin.plant import Plant
    from twin.telemetry import Historian, SampleBatch

__all__ = [
    "Urls",
    "make_ingest",
    "make_sources",
    "newest_us",
    "open_copies",
    "open_main_historian",
    "open_main_historian_late",
    "plant_time",
]

Urls = Mapping[str, str]
"""Source -> URL to use in place of the plant file's."""
MAIN = "telemetry"
"""Cursor of the store that is read from, whatever it is: another one has what the old one lacks."""


def open_main_historian(settings: Settings) -> Historian:
    """The historian that the product reads from.

    Raises:
        StoreError: It cannot be opened.
        DataError: Its URL is none.
    """
    if not settings.historian_url:
        from connectors.store.duckdb_historian import DuckdbHistorian

        keep = None if settings.keep_days is None else timedelta(days=settings.keep_days)
        return DuckdbHistorian(settings.data / "telemetry.duckdb", keep=keep)
    return _main_server(settings)()


def open_main_historian_late(settings: Settings) -> Historian:
    """The same, but a server that is away is opened when it is back.

    Raises:
        StoreError: The DuckDB file, or a file with a secret, cannot be opened.
        DataError: The URL is none.
    """
    from connectors.store.late import LateHistorian

    if not settings.historian_url:
        return open_main_historian(settings)
    _server_name(settings.historian_url)
    return LateHistorian(_main_server(settings))


def _main_server(settings: Settings) -> Callable[[], Historian]:
    token = settings.historian_token_file
    return partial(_open_server, settings.historian_url, "" if token is None else _secret(token))


def open_copies(settings: Settings) -> dict[str, Historian]:
    """Further stores, by the name of their cursor; one that is away is opened later.

    Raises:
        StoreError: A file with a secret cannot be read.
        DataError: Two of them are one, or one is no server.
    """
    from connectors.store.late import LateHistorian

    names = [f"copy {_server_name(url)}" for url in settings.historian_copies]
    if twice := [name for name in names if names.count(name) > 1]:
        raise DataError(f"{twice[0]}: the same store twice among the copies; name it once")
    stores: dict[str, Historian] = {}
    for name, url in zip(names, settings.historian_copies, strict=True):
        token = parse_qs(urlsplit(url).query).get("token_file", [""])[0]
        opening = partial(_open_server, url, _secret(Path(token)) if token else "")
        stores[name] = LateHistorian(opening)
    return stores


def _server_name(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # a port or a bracket that is none
        host = None
    if host is None or parts.scheme not in ("http", "https"):
        raise DataError(
            "a store is no InfluxDB server; write http://HOST:PORT?org=ORG&bucket=BUCKET"
        )
    return f"{host}:{port} {parse_qs(parts.query).get('bucket', ['telemetry'])[0]}"


def make_sources(
    settings: Settings, plant: Plant, urls: Urls, client_prefix: str = "linetwin"
) -> list[LiveSource]:
    """The live sources of a plant.

    Args:
        settings: Users and folders.
        plant: Names the sources.
        urls: Source -> URL in place of the plant file's.
        client_prefix: Two that listen at one broker at the same time need different ones.

    Raises:
        DataError: An address or URL does not fit its protocol.
        StoreError: A file with a secret cannot be read.
    """
    from connectors.field.source import Surroundings
    from connectors.field.sources import live_sources

    around = Surroundings(
        folder=settings.plant.parent, data=settings.data, client_prefix=client_prefix
    )
    found = {name: source.url for name, source in plant.sources.items()}
    found |= dict(settings.source_urls) | dict(urls)
    return live_sources(plant, {n: _with_user(settings, url) for n, url in found.items()}, around)


def make_ingest(
    settings: Settings,
    plant: Plant,
    historian: Historian,
    copies: Mapping[str, Historian],
    clock: Clock,
    on_batch: Callable[[SampleBatch], None] | None = None,
    urls: Urls | None = None,
) -> Ingest:
    """The way from the sources of a plant to its stores.

    Raises:
        StoreError: The spool cannot be opened.
        DataError: An address or URL does not fit its protocol.
    """
    from connectors.pipeline import Ingest

    return Ingest(
        plant,
        {MAIN: historian, **copies},
        make_sources(settings, plant, urls or {}),
        clock=clock,
        folder=settings.data,
        on_batch=on_batch,
        quota_bytes=int(settings.spool_gb * 2**30),
        check_clocks=settings.clock == "wall",
    )


def plant_time(settings: Settings, historian: Historian) -> datetime:
    """What time it is at the plant while nothing runs, by the clock that the settings name."""
    if settings.clock == "wall":
        return WallClock().now()
    return from_us(newest_us(historian))


def newest_us(historian: Historian) -> int:
    """When the newest sample was measured, microseconds since 1970; 0 when there is none.

    Raises:
        StoreError: The store is away, or cannot be read.
    """
    newest = historian.latest().measured_us
    return int(newest.max()) if len(newest) else 0


def _open_server(url: str, token: str) -> Historian:
    from connectors.store.open import open_historian

    try:
        parts = urlsplit(url)
    except ValueError:  # a bracket that is none
        raise DataError("the historian is no URL; write http://HOST:PORT") from None
    query = parse_qs(parts.query)
    return open_historian(
        urlunsplit(parts._replace(query="")),
        org=query.get("org", ["linetwin"])[0],
        bucket=query.get("bucket", ["telemetry"])[0],
        token=token,
    )


def _with_user(settings: Settings, url: str) -> str:
    """The URL of a broker with the user and password of the settings."""
    user = settings.mqtt_user
    try:
        parts = urlsplit(url)
    except ValueError:
        return url  # whoever connects refuses it, and says why
    if user is None or not parts.scheme.startswith("mqtt") or "@" in parts.netloc:
        return url
    file = settings.mqtt_password_file
    password = f":{quote(_secret(file), safe='')}" if file else ""
    return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}{password}@{parts.netloc}"))


def _secret(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as e:
        raise StoreError(f"secret file {file}: {e.strerror}; check its path and its owner") from e
