"""The live sources that a plant file names; the library of a protocol is loaded when it is used."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from connectors.field.source import LiveSource, Surroundings, wanted
from twin.errors import DataError
from twin.plant import Plant, SourceKind

__all__ = ["live_sources"]


def live_sources(
    plant: Plant,
    urls: Mapping[str, str] | None = None,
    around: Surroundings | None = None,
) -> list[LiveSource]:
    """One source for each entry of ``[sources]`` that has signals.

    Args:
        plant: Names the sources and the addresses of their signals.
        urls: Source -> URL to use in place of the plant file's.
        around: Where they find files and how they wait; None for the usual.

    Raises:
        DataError: An address does not fit its protocol, or a URL; or the plant has no such source.
    """
    around = around or Surroundings()
    found: list[LiveSource] = []
    if unknown := sorted(set(urls or {}) - set(plant.sources)):
        known = ", ".join(plant.sources)
        raise DataError(f'no source "{unknown[0]}" to give a URL to; use one of {known}')
    for name, entry in plant.sources.items():
        signals = wanted(plant, name)
        if not signals:
            continue
        url = (urls or {}).get(name, entry.url)
        _check_url(name, entry.kind, url)
        if entry.kind is SourceKind.OPCUA:
            from connectors.field.opcua import OpcuaSource

            found.append(OpcuaSource(name, entry, url, signals, around))
        else:
            from connectors.field.mqtt import MqttSource

            client_id = f"{around.client_prefix}-{plant.site}-{plant.area}-{plant.line}-{name}"
            found.append(MqttSource(name, entry, url, signals, client_id, around))
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
