"""One door to the historians: the place of the data says which one."""

from __future__ import annotations

from pathlib import Path

from twin.errors import StoreError
from twin.telemetry.historian import Historian, MemoryHistorian

__all__ = ["open_historian"]


def open_historian(
    place: str | Path, *, org: str = "linetwin", bucket: str = "telemetry", token: str = ""
) -> Historian:
    """The historian at a place.

    Args:
        place: ``http://`` or ``https://`` address of an InfluxDB server; ``memory:`` for a store
            that ends with the process; anything else is the path of a DuckDB file.
        org: Organisation on the server.
        bucket: Bucket on the server.
        token: API token of the server.

    Raises:
        StoreError: It cannot be opened; one line says why.

    Example:
        >>> open_historian("memory:").count()
        0
    """
    text = str(place)
    if text == "memory:":
        return MemoryHistorian()
    if text.startswith(("http://", "https://")):
        from connectors.store.influx_historian import InfluxHistorian

        return InfluxHistorian(text, org=org, bucket=bucket, token=token)
    if "://" in text:
        text = text.rpartition("@")[2]
        raise StoreError(f"{text}: use a file path, http://HOST:PORT of InfluxDB, or memory:")
    from connectors.store.duckdb_historian import DuckdbHistorian

    return DuckdbHistorian(place)
