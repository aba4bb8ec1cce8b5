"""What only the InfluxDB adapter must hold, on a real server."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from connectors.store.influx_historian import InfluxHistorian
from tests.contract.influx_adapter import ORG, InfluxServer
from tests.contract.influx_door import Reply, Request, running_door
from twin.errors import RefusedError, StoreError
from twin.plant.signals import SignalId
from twin.telemetry import MemoryHistorian, Quality, Sample, SampleBatch, from_us, to_us

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOON_US = 1_772_452_800_000_000
DAY = timedelta(days=1)
SPEED = SignalId("works/smt/line1/printer/speed")
SAMPLE = Sample(signal=SPEED, value=1.5, measured_at=NOON, available_at=NOON)
ODD = replace(SAMPLE, measured_at=datetime(1500, 1, 1, tzinfo=UTC))  # before InfluxDB's first year
ENDLESS = replace(SAMPLE, signal=SignalId("x" * 70_000))  # more than InfluxDB takes as a key


def connect(
    server: InfluxServer,
    bucket: str = "telemetry",
    *,
    token: str | None = None,
    url: str | None = None,
    timeout_s: float = 30.0,
) -> InfluxHistorian:
    token = server.token if token is None else token
    url = url or server.url
    return InfluxHistorian(url, org=ORG, bucket=bucket, token=token, timeout_s=timeout_s)


@contextmanager
def emptied(server: InfluxServer) -> Iterator[InfluxHistorian]:
    server.make_bucket("telemetry")
    historian = connect(server)
    yield historian
    historian.close()


def rows_of(count: int, signals: int = 1, first_us: int = NOON_US) -> SampleBatch:
    """A row a millisecond; the value is its number."""
    row = np.arange(count)
    return SampleBatch(
        signals=tuple(SignalId(f"{SPEED}{i}") for i in range(signals)),
        code=(row % signals).astype(np.int32),
        value=row.astype(np.float64),
        text=np.full(count, None, np.object_),
        measured_us=first_us + row * 1000,
        available_us=first_us + row * 1000,
        quality=np.zeros(count, np.int8),
    )


def with_text(batch: SampleBatch, row: int, text: str) -> SampleBatch:
    value, column = batch.value.copy(), batch.text.copy()
    value[row], column[row] = np.nan, text
    return replace(batch, value=value, text=column)


def of_endless(batch: SampleBatch, row: int) -> SampleBatch:
    code = batch.code.copy()
    code[row] = len(batch.signals)
    return replace(batch, signals=(*batch.signals, ENDLESS.signal), code=code)


def bisected(historian: InfluxHistorian, batch: SampleBatch) -> SampleBatch:
    """The rows that the store refuses, found as the drain finds them."""
    try:
        historian.append(batch)
    except RefusedError:
        if len(batch) == 1:
            return batch
        half = len(batch) // 2
        parts = (np.arange(half), np.arange(half, len(batch)))
        return SampleBatch.concat([bisected(historian, batch.take(part)) for part in parts])
    return SampleBatch.empty()


def test_a_wrong_token_gives_one_line(influx_server: InfluxServer) -> None:
    with pytest.raises(StoreError) as refused:
        connect(influx_server, token="secret-typo")
    line = str(refused.value)
    assert "[telemetry]: cannot be opened: HTTP 401 " in line
    assert line.endswith("; give a token that this server knows")
    assert "\n" not in line
    assert "secret-typo" not in line


def test_a_bucket_that_is_not_there_gives_one_line(influx_server: InfluxServer) -> None:
    influx_server.make_bucket("telemetry")
    with pytest.raises(StoreError, match=r"\[nowhere\]: cannot be opened: .*: nowhere; make the "):
        connect(influx_server, bucket="nowhere")


def test_rows_wait_when_the_bucket_is_taken_away(influx_server: InfluxServer) -> None:
    """A server's operator can repair it, so it is no refusal of the rows."""
    with emptied(influx_server) as historian:
        influx_server.drop_bucket("telemetry")
        with pytest.raises(
            StoreError, match=r"HTTP 40[134] .*; (make the bucket|give a token)"
        ) as e:
            historian.append(SampleBatch.of([SAMPLE]))
        assert not isinstance(e.value, RefusedError)


def test_rows_wait_when_the_token_may_not_write(influx_server: InfluxServer) -> None:
    influx_server.make_bucket("telemetry")
    if not influx_server.is_v2:
        pytest.skip("InfluxDB 1.x without accounts knows no token that may only read")
    historian = connect(influx_server, token=influx_server.grant("telemetry", "read"))
    with pytest.raises(StoreError, match=r"HTTP 403 .*; give a token that may read and write") as e:
        historian.append(SampleBatch.of([SAMPLE]))
    assert not isinstance(e.value, RefusedError)
    historian.close()


def test_a_batch_that_the_server_refuses_is_an_error_and_the_next_one_is_stored(
    influx_server: InfluxServer,
) -> None:
    with emptied(influx_server) as historian:
        for odd, why in ((ODD, "a time outside 1677 to 2262"), (ENDLESS, "HTTP 400 .*max key")):
            with pytest.raises(RefusedError, match=f"1 samples not stored: {why}") as e:
                historian.append(SampleBatch.of([odd]))
            assert "\n" not in str(e.value)
            assert len(str(e.value)) < 500
        assert historian.append(SampleBatch.of([SAMPLE])) == 1
        assert list(historian.latest().samples()) == [SAMPLE]


def test_after_an_error_the_retry_overwrites_nothing_that_got_through(
    influx_server: InfluxServer,
) -> None:
    """The second of three writes of one batch fails; the server keeps the first."""
    with emptied(influx_server) as historian:
        batch = rows_of(25_000, first_us=0)
        with pytest.raises(RefusedError, match="25000 samples not stored"):
            historian.append(of_endless(batch, 15_000))
        got_through = historian.count()
        assert 0 < got_through < 25_000
        assert historian.append(replace(batch, value=-batch.value - 1)) == 25_000 - got_through
        values = historian.read(None, NOON - timedelta(days=40_000), NOON).value
        assert int((values >= 0).sum()) == got_through
        assert len(values) == historian.count() == 25_000


def of_year_1500(batch: SampleBatch, rows: slice) -> SampleBatch:
    years = batch.measured_us.copy()
    years[rows] = to_us(ODD.measured_at) + np.arange(len(years))[rows]
    return replace(batch, measured_us=years)


POISONS: dict[str, Callable[[SampleBatch], SampleBatch]] = {
    "a time of 1500": lambda batch: of_year_1500(batch, slice(6_789, 6_790)),
    "a text of 2 MB": lambda batch: with_text(batch, 6_789, "x" * 2_000_000),
    "half a character": lambda batch: with_text(batch, 6_789, "\ud800"),
    "an endless name": lambda batch: of_endless(batch, 6_789),
}


@pytest.mark.parametrize("poison", POISONS)
def test_one_poisoned_row_of_ten_thousand_is_refused_and_the_others_are_stored_once(
    influx_server: InfluxServer, poison: str
) -> None:
    batch = POISONS[poison](rows_of(10_000, signals=40))
    with emptied(influx_server) as historian:
        refused = bisected(historian, batch)
        assert refused.measured_us.tolist() == [int(batch.measured_us[6_789])]
        stored = historian.read(None, NOON - DAY, NOON + DAY)
        assert sorted(stored.value.tolist()) == [i for i in range(10_000) if i != 6_789]
        counted = influx_server.ask("telemetry", "SELECT count(quality) FROM sample")
        assert counted[0]["values"][0][1] == historian.count() == 9_999


def test_poison_in_every_twentieth_row_costs_few_requests(influx_server: InfluxServer) -> None:
    asked: list[str] = []

    def counted(request: Request) -> Reply:
        asked.append(request.route)
        return request.passed_to(f"{influx_server.url}{request.path}")

    influx_server.make_bucket("telemetry")
    with running_door(counted) as url:
        historian = connect(influx_server, url=url)
        poisoned = of_year_1500(rows_of(2_000, signals=50), slice(7, None, 20))
        asked.clear()
        assert len(bisected(historian, poisoned)) == 100
        assert asked.count("/api/v2/write") <= 500
        assert asked.count("/query") == 0
        assert historian.count() == 1_900
        historian.close()


def test_a_row_older_than_the_bucket_keeps_is_refused_and_the_others_are_stored(
    influx_server: InfluxServer,
) -> None:
    influx_server.make_bucket("telemetry", retention_s=7200)
    historian = connect(influx_server)
    batch = rows_of(200, first_us=int(time.time()) * 1_000_000)
    old = batch.measured_us.copy()
    old[50] -= 400 * 86_400_000_000
    assert bisected(historian, replace(batch, measured_us=old)).value.tolist() == [50.0]
    assert historian.count() == 199
    historian.close()


def test_a_field_of_another_type_is_a_refusal(influx_server: InfluxServer) -> None:
    with emptied(influx_server) as historian:
        text = replace(SAMPLE, value="off")
        influx_server.write("telemetry", f"sample,signal=other value=true {NOON_US}")
        with pytest.raises(RefusedError, match="field type conflict"):
            historian.append(SampleBatch.of([SAMPLE]))
        assert historian.append(SampleBatch.of([text])) == 1


def test_a_request_that_is_too_large_is_sent_in_parts(influx_server: InfluxServer) -> None:
    sizes: list[int] = []

    def at_most_100_kb(request: Request) -> Reply:
        if request.route != "/api/v2/write":
            return request.passed_to(f"{influx_server.url}{request.path}")
        assert request.headers["Content-Encoding"] == "gzip"
        sizes.append(len(gzip.decompress(request.body)))
        if sizes[-1] > 100_000:
            return Reply(413, b'{"code":"request too large","message":"too large"}')
        return request.passed_to(f"{influx_server.url}{request.path}")

    influx_server.make_bucket("telemetry")
    with running_door(at_most_100_kb) as url:
        historian = connect(influx_server, url=url)
        assert historian.append(rows_of(3_000)) == 3_000
        assert max(sizes) > 100_000
        with pytest.raises(RefusedError, match="1 samples not stored: HTTP 413 too large"):
            historian.append(with_text(rows_of(1, first_us=0), 0, "x" * 100_001))
        assert historian.count() == 3_000
        historian.close()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_says_when_to_come_again_and_then_takes_the_batch(
    influx_server: InfluxServer, status: int
) -> None:
    busy = [Reply(status, b'{"message":"busy"}', {"Retry-After": "7"})]

    def at_first_busy(request: Request) -> Reply:
        if request.route == "/api/v2/write" and busy:
            return busy.pop()
        return request.passed_to(f"{influx_server.url}{request.path}")

    influx_server.make_bucket("telemetry")
    with running_door(at_first_busy) as url:
        historian = connect(influx_server, url=url)
        with pytest.raises(StoreError, match=f"HTTP {status} busy$") as e:
            historian.append(SampleBatch.of([SAMPLE]))
        assert not isinstance(e.value, RefusedError)
        assert e.value.retry_after_s == 7.0
        assert historian.append(SampleBatch.of([SAMPLE])) == 1
        historian.close()


def test_rows_wait_when_it_is_a_proxy_that_says_bad_request(influx_server: InfluxServer) -> None:
    pages = [Reply(400, b"<html><h1>400 Bad Request</h1></html>")]

    def before_influxdb(request: Request) -> Reply:
        if request.route == "/api/v2/write" and pages:
            return pages.pop()
        return request.passed_to(f"{influx_server.url}{request.path}")

    influx_server.make_bucket("telemetry")
    with running_door(before_influxdb) as url:
        historian = connect(influx_server, url=url)
        with pytest.raises(StoreError, match="HTTP 400 <html>") as e:
            historian.append(SampleBatch.of([SAMPLE]))
        assert not isinstance(e.value, RefusedError)
        assert historian.append(SampleBatch.of([SAMPLE])) == 1
        historian.close()


def test_a_server_that_does_not_answer_is_an_error_and_the_retry_stores_the_batch_once(
    influx_server: InfluxServer,
) -> None:
    influx_server.make_bucket("telemetry")
    historian = connect(influx_server, timeout_s=0.5)
    historian.append(rows_of(500))
    with (
        influx_server.frozen(),
        pytest.raises(StoreError, match=r"stored: no answer within 0.5 s$"),
    ):
        historian.append(rows_of(1_500))
    patient = connect(influx_server)
    patient.append(rows_of(1_500))
    assert historian.append(rows_of(1_500)) == 0
    assert sorted(patient.read(None, NOON, NOON + DAY).value.tolist()) == list(range(1_500))
    patient.close()
    historian.close()


def test_a_server_that_is_not_there_gives_one_line(influx_server: InfluxServer) -> None:
    with pytest.raises(StoreError) as e:
        connect(influx_server, url="http://user:secret@127.0.0.1:1")
    assert str(e.value) == (
        "http://127.0.0.1:1 [telemetry]: cannot be opened: "
        "Failed to establish a new connection: Connection refused; start it, or correct its URL"
    )


def test_a_row_of_long_ago_does_not_make_the_years_between_be_read(
    influx_server: InfluxServer,
) -> None:
    read: list[int] = []

    def weighed(request: Request) -> Reply:
        reply = request.passed_to(f"{influx_server.url}{request.path}")
        read.append(len(reply.body))
        return reply

    influx_server.make_bucket("telemetry")
    with running_door(weighed) as url:
        historian = connect(influx_server, url=url)
        historian.append(rows_of(20_000))
        read.clear()
        late = rows_of(2, first_us=NOON_US + 5)
        times = late.measured_us.copy()
        times[0] -= 300 * 86_400_000_000
        times[1] += 19_000_000
        assert historian.append(replace(late, measured_us=times)) == 2
        assert historian.append(replace(late, measured_us=times)) == 0
        assert sum(read) < 2_000
        historian.close()


def test_buckets_of_more_than_an_answer_and_of_infinite_numbers_are_as_in_memory(
    influx_server: InfluxServer,
) -> None:
    batch = rows_of(22_000, signals=2)
    value = batch.value.copy()
    value[::7] = np.nan
    quality = (np.arange(22_000) % 5 // 4 * Quality.BAD).astype(np.int8)
    batch = replace(batch, value=value, quality=quality)
    infinite = replace(rows_of(2, first_us=NOON_US + 10**9), value=np.array([1.0, -np.inf]))
    memory = MemoryHistorian()
    with emptied(influx_server) as historian:
        for part in (batch, infinite):
            assert historian.append(part) == memory.append(part) == len(part)
            end = from_us(int(part.measured_us[-1]) + 1)
            for bucket_s in (0.002, 60.0):
                got = historian.downsample(None, NOON, end, bucket_s=bucket_s)
                right = memory.downsample(None, NOON, end, bucket_s=bucket_s)
                assert [got.signals[c] for c in got.code] == [right.signals[c] for c in right.code]
                for column in ("bucket_us", "count", "minimum", "maximum", "last"):
                    assert np.array_equal(getattr(got, column), getattr(right, column)), column
                np.testing.assert_allclose(got.mean, right.mean, rtol=1e-12)
