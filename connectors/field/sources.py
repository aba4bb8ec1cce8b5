"""The live sources that a plant file names; the library of a protocol is loaded when it is used."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any
from urllib.parse import urlsplit

from connectors.field.source import LiveSource, source_signals
from twin.errors import DataError
from twin.plant import Plant, SourceKind

__all__ = ["live_sources"]


def live_sources(
    plant: Plant,
    urls: Mapping[str, str] | None = None,
    client_prefix: str = "linetwin",
    sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
) -> list[LiveSource]:
    """One source for each entry of ``[sources]`` that has signals.

    Args:
        plant: Names the sources and the addresses of their signals.
        urls: Source -> URL to use in place of the plant file's.
        client_prefix: Begins the client id at MQTT brokers; give each running instance its own.
        sleep: Waits between attempts to connect.

    Raises:
        DataError: An address does not fit its protocol, or a URL; or the plant has no such source.
    """
    found: list[LiveSource] = []
    if unknown := sorted(set(urls or {}) - set(plant.sources)):
        known = ", ".join(plant.sources)
        raise DataError(f'no source "{unknown[0]}" to give a URL to; use one of {known}')
    for name, entry in plant.sources.items():
        addresses = [address for _, address in source_signals(plant, name)]
        if not addresses:
            continue
        url = (urls or {}).get(name, entry.url)
        _check_url(name, entry.kind, url)
        if entry.kind is SourceKind.OPCUA:
            from connectors.field.opcua import OpcuaSource

            found.append(OpcuaSource(name, url, addresses, sleep))
        else:
            from connectors.field.mqtt import MqttSource

            client_id = f"{client_prefix}-{plant.site}-{plant.area}-{plant.line}-{name}"
            found.append(MqttSource(name, entry.kind, url, addresses, client_id, sleep))
    return found


def _check_url(name: str, kind: SourceKind, url: str) -> None:
    schemes = ("opc.tcp",) if kind is SourceKind.OPCUA else ("mqtt", "mqtts")
    try:
        parts = urlsplit(url)
        fits = parts.scheme in schemes and parts.hostname is not None and parts.port != 0
    except ValueError:  # a port or a bracket that is none
        fits = False
    if not fits:
        raise DataError(f'the URL of source "{name}" does not fit; use {schemes[0]}://host:port')
