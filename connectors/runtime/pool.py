"""Worker processes: spawned, polite to others, replaced when one dies, gone when their parent is gone."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Any

__all__ = ["LateWorkers", "Workers", "late_workers", "processors"]


class Workers(Executor):
    """Spawned processes that end with this one, however it ends.

    When one is killed, what was running fails with BrokenProcessPool, and the next piece of
    work finds new processes. SIGTERM ends one only while it works, never while it says what
    came of it: nobody waits for the other half of an answer.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._lock = threading.Lock()
        self._pool = self._spawn()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        with self._lock, _unheard(signal.SIGINT):
            try:
                return self._pool.submit(_mortal, fn, *args, **kwargs)
            except BrokenProcessPool:
                self._pool = self._spawn()
                return self._pool.submit(_mortal, fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._pool.shutdown(wait, cancel_futures=cancel_futures)

    def end(self) -> None:
        """End the processes now, in the middle of their work; what was asked is never answered."""
        processes = list((self._pool._processes or {}).values())
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        _ENDED.append(self._pool)

    def _spawn(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            max_workers=self._count,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
        )


_ENDED: list[ProcessPoolExecutor] = []
"""Kept until the interpreter ends: the thread of a pool that is collected first does not learn
that its work is cancelled, takes the ended processes for broken ones, and dies over a cancelled
future without closing what another thread then writes to for ever."""


class LateWorkers(Executor):
    """Works here at first, and in processes once the work turns out to be long.

    A process takes about a second to begin, in which a compiled engine plays weeks. What is
    submitted early is therefore done before ``submit`` returns.
    """

    def __init__(self, count: int, *, after_s: float = 1.5) -> None:
        """Use at most so many processes.

        Args:
            count: Of processes; 1: all work is done here.
            after_s: Work that is done here before they are begun. [s]
        """
        self._count = count
        self._left_s = after_s
        self._workers: Workers | None = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self._workers is None and self._left_s <= 0.0 and self._count > 1:
            self._workers = Workers(self._count)
        if self._workers is not None:
            return self._workers.submit(fn, *args, **kwargs)
        begin = time.monotonic()
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        self._left_s -= time.monotonic() - begin
        return done

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if self._workers is not None:
            self._workers.shutdown(wait, cancel_futures=cancel_futures)

    def end(self) -> None:
        """End the processes now, in the middle of their work."""
        if self._workers is not None:
            self._workers.end()


@contextlib.contextmanager
def late_workers() -> Iterator[LateWorkers]:
    """All processors for the work of this block; what still runs at its end is ended."""
    workers = LateWorkers(processors())
    try:
        yield workers
    finally:
        workers.end()


def processors() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def _unheard(number: signal.Signals) -> Iterator[None]:
    """Processes begun in the block, by this thread, never hear a signal: not even as they begin."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _mortal(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    try:
        return fn(*args, **kwargs)
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def _begin() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(5)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
