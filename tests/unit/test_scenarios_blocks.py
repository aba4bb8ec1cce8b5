"""Many runs through an executor: whatever their size and order, the same results in the same order."""

from __future__ import annotations

import multiprocessing
import os
import random
import threading
from collections.abc import Callable
from concurrent.futures import (
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from functools import partial
from typing import Any

import numpy as np
import pytest

from tests.engine_lab import START, exponential, serial
from twin.engine import simulate
from twin.errors import DataError, SourceError
from twin.plant import Plant
from twin.scenarios import Execution, RunArguments, blocks, run_plants

RUN: RunArguments = {"start": START, "horizon_s": 900.0, "seed": 5}


def lines() -> list[Plant]:
    return [serial([exponential(s), exponential(4.0)], 1) for s in (3.0, 4.0, 5.0)]


def parts(execution: Execution, replications: range = range(10)) -> list[list[float]]:
    made = [partial(lambda line: line, line) for line in lines()]
    return run_plants(made, RUN, replications, execution, lambda r: r.kpis["good_parts"].tolist())


class Backwards(Executor):
    """Does nothing until it is asked for a result, and then what was handed in last, first."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Future[Any], Callable[[], Any]]] = []
        self.most = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.waiting.append((future, partial(fn, *args, **kwargs)))
        self.most = max(self.most, len(self.waiting))
        return future

    def work(self) -> None:
        while self.waiting:
            future, call = self.waiting.pop()
            future.set_result(call())


@pytest.fixture
def backwards(monkeypatch: pytest.MonkeyPatch) -> Backwards:
    """An executor that works whenever the caller waits for it."""
    executor = Backwards()
    wait = blocks._Flight.next

    def worked(flight: blocks._Flight) -> Any:
        if not flight.landed:
            executor.work()
        return wait(flight)

    monkeypatch.setattr(blocks._Flight, "next", worked)
    return executor


def test_every_plant_has_the_replications_that_simulate_gives_one_by_one() -> None:
    expected = [
        [
            float(simulate(line, first_replication=i, **RUN).kpis["good_parts"][0])
            for i in range(3, 10)
        ]
        for line in lines()
    ]
    assert parts(Execution(), range(3, 10)) == expected


@pytest.mark.parametrize("block", [1, 3, 8, 100])
def test_the_size_of_blocks_changes_nothing(block: int) -> None:
    assert parts(Execution(block=block)) == parts(Execution(block=2))


def test_the_order_in_which_pieces_end_changes_nothing(backwards: Backwards) -> None:
    assert parts(Execution(block=2, executor=backwards)) == parts(Execution())
    assert backwards.most == 15


def test_an_executor_never_holds_more_than_so_many_pieces(
    backwards: Backwards, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "IN_FLIGHT", 4)
    assert parts(Execution(block=1, executor=backwards)) == parts(Execution())
    assert backwards.most == 4


def test_progress_rises_to_one_whatever_the_order(backwards: Backwards) -> None:
    told: list[float] = []
    parts(Execution(block=5, executor=backwards, progress=told.append))
    assert told == pytest.approx(list(np.linspace(0.0, 1.0, 7)))


def test_who_cancels_while_a_piece_is_running_does_not_wait_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(blocks, "ASK_S", 0.001)
    go, asked = threading.Event(), random.Random(0)
    with ThreadPoolExecutor(1) as threads:
        threads.submit(go.wait, 20.0)  # keeps the only thread busy
        with pytest.raises(CancelledError):
            parts(Execution(executor=threads, cancelled=lambda: asked.random() < 0.2))
        go.set()


def test_what_is_wrong_in_a_piece_is_raised_and_the_rest_is_not_run() -> None:
    wrong: RunArguments = {"start": START, "horizon_s": -1.0}
    with ThreadPoolExecutor(1) as threads, pytest.raises(DataError, match="horizon_s is -1"):
        run_plants([lambda: lines()[0]], wrong, range(8), Execution(executor=threads), lambda r: r)


def test_no_replication_is_refused() -> None:
    with pytest.raises(DataError, match="at least 1"):
        parts(Execution(), range(0))


def test_a_worker_that_dies_is_told_as_such() -> None:
    spawn = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(1, mp_context=spawn, initializer=os._exit, initargs=(1,)) as dying,
        pytest.raises(SourceError, match="ended without an answer"),
    ):
        parts(Execution(executor=dying))
