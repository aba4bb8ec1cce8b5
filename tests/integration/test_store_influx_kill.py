"""influxd is killed again and again while it writes; what it acknowledged is there, once."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import numpy as np
import pytest

from connectors.store.influx_historian import InfluxHistorian
from tests.contract.influx_adapter import INFLUXD, ORG, InfluxServer, running_influx
from twin.errors import RefusedError, StoreError
from twin.plant.signals import SignalId
from twin.telemetry import SampleBatch

ROUNDS = 20
SIGNALS, ROWS = 20, 2_000
NAMES = tuple(SignalId(f"works/smt/line1/unit {i}/speed") for i in range(SIGNALS))
NOON_US = 1_772_452_800_000_000
LATE_US = 6 * 3_600_000_000


def batch_number(number: int) -> SampleBatch:
    """New rows, every 20th six hours late, and 200 repeats of the batch before with other values."""
    row = np.arange(number * ROWS, (number + 1) * ROWS)
    at = NOON_US + row * 1000 - np.where(row % 20 == 7, LATE_US, 0)
    value = row.astype(np.float64)
    if number:
        again = row[:200] - ROWS
        row = np.append(row, again)
        at = np.append(at, NOON_US + again * 1000 - np.where(again % 20 == 7, LATE_US, 0))
        value = np.append(value, -1.0 - again)
    return SampleBatch(
        signals=NAMES,
        code=(row // 20 % SIGNALS).astype(np.int32),
        value=value,
        text=np.full(len(row), None, np.object_),
        measured_us=at,
        available_us=at,
        quality=np.zeros(len(row), np.int8),
    )


class Writer(threading.Thread):
    """Sends batch after batch, each until it is acknowledged, as the drain of a spool does."""

    def __init__(self, server: InfluxServer) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._done = threading.Event()
        self._moved = threading.Condition()
        self.acknowledged = 0
        self.failures = 0
        self.refusal: RefusedError | None = None

    def run(self) -> None:
        historian: InfluxHistorian | None = None
        while not self._done.is_set():
            try:
                historian = historian or self._open()
                historian.append(batch_number(self.acknowledged))
            except RefusedError as e:
                self.refusal = e
                return
            except StoreError:
                self.failures += 1
                if historian is not None and self.failures % 3 == 0:  # ingest was restarted too
                    historian.close()
                    historian = None
                self._done.wait(0.02)
                continue
            with self._moved:
                self.acknowledged += 1
                self._moved.notify_all()

    def wait_for(self, acknowledged: int) -> None:
        with self._moved:
            reached = self._moved.wait_for(lambda: self.acknowledged >= acknowledged, timeout=60)
        assert reached, f"the writer stands at batch {self.acknowledged}; {self.refusal}"

    def finish(self) -> None:
        self._done.set()
        self.join(60)
        assert not self.is_alive()

    def _open(self) -> InfluxHistorian:
        server = self._server
        return InfluxHistorian(server.url, org=ORG, bucket="telemetry", token=server.token)


def stored(server: InfluxServer) -> list[tuple[str, int, float]]:
    """Every point, read without the historian."""
    rows = []
    for i, name in enumerate(NAMES):
        tag = name.replace(" ", "%20")
        query = f"SELECT value FROM sample WHERE signal = '{tag}'"  # noqa: S608  a name of this file
        for one in server.ask("telemetry", query):
            rows += [(str(i), int(at), float(value)) for at, value in one["values"]]
    return rows


@pytest.mark.slow
@pytest.mark.skipif(INFLUXD is None, reason="no influxd here: install the Debian package influxdb")
def test_twenty_kills_of_the_server_lose_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    chance = random.Random(3)
    with running_influx(tmp_path) as server:
        server.make_bucket("telemetry")
        writer = Writer(server)
        writer.start()
        for _ in range(ROUNDS):
            writer.wait_for(writer.acknowledged + chance.randint(2, 8))
            server.kill()  # most likely within a write: the writer never rests
            server.start()
        writer.wait_for(writer.acknowledged + 2)
        writer.finish()
        found = stored(server)

    assert writer.refusal is None
    assert writer.failures >= ROUNDS // 2, "the kills did not meet the writer"
    row = np.arange(writer.acknowledged * ROWS)
    at = NOON_US + row * 1000 - np.where(row % 20 == 7, LATE_US, 0)
    sent = zip((row // 20 % SIGNALS).tolist(), at.tolist(), row.tolist(), strict=True)
    expected = {(str(signal), us, float(value)) for signal, us, value in sent}
    assert len(found) == len(set(found))
    assert set(found) == expected
