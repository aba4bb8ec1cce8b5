"""What only the InfluxDB adapter must hold, on a real server."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from connectors.store.influx_historian import InfluxHistorian
from tests.contract.influx_adapter import TOKEN, InfluxServer
from twin.errors import StoreError
from twin.plant.signals import SignalId
from twin.telemetry import Sample, SampleBatch

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SPEED = SignalId("works/smt/line1/printer/speed")
SAMPLE = Sample(signal=SPEED, value=1.5, measured_at=NOON, available_at=NOON)
ODD = replace(SAMPLE, measured_at=datetime(1500, 1, 1, tzinfo=UTC))  # before InfluxDB's first year


def connect(server: InfluxServer, bucket: str = "telemetry", token: str = TOKEN) -> InfluxHistorian:
    return InfluxHistorian(server.url, org="o", bucket=bucket, token=token)


def test_a_wrong_token_gives_one_line(influx_server: InfluxServer) -> None:
    with pytest.raises(StoreError) as refused:
        connect(influx_server, token="secret-typo")
    line = str(refused.value)
    assert line.endswith("[telemetry]: cannot be opened: HTTP 401 unauthorized access")
    assert "secret-typo" not in line


def test_a_bucket_that_is_not_there_gives_one_line(influx_server: InfluxServer) -> None:
    with pytest.raises(StoreError, match=r"\[nowhere\]: cannot be opened: .*not found: nowhere$"):
        connect(influx_server, bucket="nowhere")


def test_a_batch_that_the_server_refuses_is_an_error_and_the_next_one_is_stored(
    influx_server: InfluxServer,
) -> None:
    influx_server.make_bucket("telemetry")
    historian = connect(influx_server)
    with pytest.raises(StoreError, match=r"1 samples not stored: HTTP 400 .*time outside range"):
        historian.append(SampleBatch.of([ODD]))
    assert historian.append(SampleBatch.of([SAMPLE])) == 1
    assert list(historian.latest().samples()) == [SAMPLE]
    historian.close()


def test_after_an_error_the_retry_overwrites_nothing_that_got_through(
    influx_server: InfluxServer,
) -> None:
    """The second of three writes of one batch fails; the server keeps the first."""
    influx_server.make_bucket("telemetry")
    historian = connect(influx_server)
    rows = np.arange(25_000)
    batch = SampleBatch(
        signals=(SPEED,),
        code=np.zeros(25_000, np.int32),
        value=rows.astype(np.float64),
        text=np.full(25_000, None, np.object_),
        measured_us=rows * 1000,
        available_us=rows * 1000,
        quality=np.zeros(25_000, np.int8),
    )
    years = batch.measured_us.copy()
    years[15_000] = -(2**63) // 1000 * 2  # a time that the server refuses
    with pytest.raises(StoreError, match="25000 samples not stored"):
        historian.append(replace(batch, measured_us=years))
    got_through = historian.count()
    assert 0 < got_through < 25_000
    assert historian.append(replace(batch, value=-batch.value - 1)) == 25_000 - got_through
    values = historian.read(None, NOON - timedelta(days=40_000), NOON).value
    assert int((values >= 0).sum()) == got_through
    assert len(values) == historian.count() == 25_000
    historian.close()
