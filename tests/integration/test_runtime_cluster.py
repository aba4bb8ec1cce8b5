"""A real Dask cluster on this machine: the same results, to the last bit, in whatever order they come."""

from __future__ import annotations

import gc
import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor
from pathlib import Path
from typing import Any

import pytest

from connectors.runtime.cluster import cluster
from tests.engine_lab import START, exponential, serial
from twin.errors import ConflictError, DataError, SourceError
from twin.scenarios import RunCache, Scenario, code_version, compare, select_best, sweep

distributed = pytest.importorskip("distributed", reason="needs the package distributed")

pytestmark = pytest.mark.slow

LINE = serial([exponential(5.0), exponential(6.0), exponential(5.0)], 1)
WIDE = ["buffer.z0.capacity=4"]
RUN: dict[str, Any] = {"start": START, "horizon_s": 3600.0, "seed": 9}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Two worker processes and their scheduler, on the loopback interface."""
    with distributed.LocalCluster(
        processes=True,
        n_workers=2,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
        worker_dashboard_address=None,
    ) as local:
        yield local.scheduler_address


@pytest.fixture
def executor(address: str) -> Iterator[Executor]:
    with cluster(address) as found:
        yield found


def test_a_comparison_is_the_same_here_and_there(executor: Executor) -> None:
    there = compare(LINE, WIDE, replications=12, executor=executor, **RUN)
    assert there.as_dict() == compare(LINE, WIDE, replications=12, **RUN).as_dict()


def test_a_sweep_is_the_same_here_and_there_in_pieces_of_any_size(executor: Executor) -> None:
    grid: dict[str, list[float | str]] = {
        "buffer.z0.capacity": [0, 2, 4],
        "station.u1.cycle_time": ["*0.8", "*1.2"],
    }
    there = sweep(LINE, grid, replications=5, block=2, executor=executor, **RUN)
    assert there.as_dict() == sweep(LINE, grid, replications=5, **RUN).as_dict()


def test_a_selection_is_the_same_here_and_there_and_fills_the_cache(
    executor: Executor, tmp_path: Path
) -> None:
    scenarios = [Scenario.of("now"), Scenario.of("wide", *WIDE)]
    kept = RunCache(tmp_path)
    there = select_best(
        LINE, scenarios, "throughput_per_h", executor=executor, cache=kept, **RUN
    ).as_dict()
    assert there == select_best(LINE, scenarios, "throughput_per_h", **RUN).as_dict()
    assert len(list(tmp_path.glob("*.npz"))) * 8 == there["replications"]


def test_the_workers_do_the_work(executor: Executor) -> None:
    pids = {executor.submit(os.getpid).result(30) for _ in range(8)}
    assert os.getpid() not in pids


def test_an_error_there_is_the_error_here(executor: Executor) -> None:
    with pytest.raises(DataError, match="horizon_s is -1"):
        compare(LINE, [], executor=executor, **(RUN | {"horizon_s": -1.0}))


def test_cancelling_leaves_the_cluster_usable(address: str, executor: Executor) -> None:
    with pytest.raises(CancelledError):
        compare(LINE, [], replications=64, executor=executor, cancelled=lambda: True, **RUN)
    with cluster(address) as again:
        assert compare(LINE, [], replications=2, executor=again, **RUN).baseline.replications == 2


def test_workers_with_other_code_are_refused(address: str) -> None:
    def pretend(version: str) -> None:
        from twin.scenarios import cache

        cache.code_version = lambda: version  # type: ignore[assignment]

    with distributed.Client(address, set_as_default=False) as client:
        client.run(pretend, "older")
        try:
            with pytest.raises(ConflictError, match=r"another linetwin.*tcp://127\.0\.0\.1"):
                cluster(address).__enter__()
        finally:
            client.run(pretend, code_version())


def test_where_no_scheduler_is_the_address_is_named() -> None:
    with (
        pytest.raises(SourceError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1 "),
        cluster("tcp://127.0.0.1:1", timeout_s=0.5),
    ):
        pass


@pytest.mark.parametrize(
    "address", ["foo", "127.0.0.1:8786", "http://a:1", "tcp://a", "tcp://a:99999"]
)
def test_what_is_no_address_is_refused_with_the_way_to_write_one(address: str) -> None:
    with pytest.raises(DataError, match="write tcp://host:port"), cluster(address):
        pass


def test_a_cluster_that_nobody_answers_for_leaves_nothing_that_waits(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        silent.close()
        before = time.monotonic()
        with pytest.raises(SourceError), cluster(address, timeout_s=5.0):
            pass
    gc.collect()
    assert time.monotonic() - before < 5.0
    assert capfd.readouterr().err == ""
