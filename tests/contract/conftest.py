"""The stores that must keep the contract; a real influxd where one is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connectors.store.late import LateHistorian
from connectors.store.open import open_historian
from tests.contract.influx_adapter import INFLUXD, ORG, InfluxServer, running_influx
from twin.telemetry import Historian

Open = Callable[[], Historian]


@pytest.fixture(scope="session")
def influx_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxServer]:
    if INFLUXD is None:
        pytest.skip("no influxd here: install the Debian package influxdb")
    with running_influx(tmp_path_factory.mktemp("influx")) as server:
        yield server


def _opener(kind: str, request: pytest.FixtureRequest) -> Open:
    if kind == "memory":
        return lambda: open_historian("memory:")
    if kind == "late":
        return lambda: LateHistorian(lambda: open_historian("memory:"))
    if kind == "duckdb":
        folder: Path = request.getfixturevalue("tmp_path")
        return lambda: open_historian(folder / "telemetry.duckdb")
    server: InfluxServer = request.getfixturevalue("influx_server")
    server.make_bucket("telemetry")
    token = server.token
    return lambda: open_historian(server.url, org=ORG, bucket="telemetry", token=token)


@pytest.fixture(params=["memory", "late", "duckdb", "influx"])
def historian(request: pytest.FixtureRequest) -> Iterator[Historian]:
    """Each store, empty."""
    store = _opener(request.param, request)()
    yield store
    store.close()


@pytest.fixture(params=["duckdb", "influx"])
def opened(request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens a lasting store, at first empty; whatever was opened is closed in the end."""
    open_store, stores = _opener(request.param, request), list[Historian]()

    def open_one() -> Historian:
        stores.append(open_store())
        return stores[-1]

    yield open_one
    for store in stores:
        store.close()
