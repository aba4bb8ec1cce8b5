"""What-if jobs on a real line of two units: progress, cancelling, and failures that are told."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import pytest

from connectors.jobs import Outlook
from connectors.runtime import whatif
from connectors.runtime.events import EventHub
from connectors.runtime.whatif import WhatIfJobs
from connectors.web.models.engineering import Job
from tests.engine_lab import START, exponential, serial
from twin.errors import ConflictError, DataError, FileFaults, NotFoundError
from twin.scenarios import compare

PLANT = serial([exponential(30.0), exponential(40.0)], 2)
FASTER = ["work_units.u1.cycle_time.default.mean_s=20"]


def on_a_loop(scene: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(scene)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(scene(*args, **kwargs))

    return run


class Bench:
    """What-if jobs, and everything that they tell."""

    def __init__(self, executor: Callable[[], Executor]) -> None:
        self.hub = EventHub()
        self.hub.open()
        self.jobs = WhatIfJobs(self.hub, executor=executor, now=lambda: START)
        self._told: list[dict[str, Any]] = []
        self._changed = asyncio.Condition()

    async def listen(self) -> None:
        async for event in self.hub.subscribe(None):
            document = dict(event.data)
            Job.model_validate(document)
            async with self._changed:
                self._told.append(document)
                self._changed.notify_all()

    async def until(self, job: dict[str, Any], *states: str) -> list[dict[str, Any]]:
        """What the job told until it came into one of these states."""

        def told() -> list[dict[str, Any]]:
            return [d for d in self._told if d["job_id"] == job["job_id"]]

        async with asyncio.timeout(20.0), self._changed:
            await self._changed.wait_for(lambda: told() and told()[-1]["state"] in states)
        return told()

    def submit(self, changes: list[str] = FASTER, horizon_h: float = 1.0) -> dict[str, Any]:
        return self.jobs.submit(
            PLANT,
            changes,
            outlook=Outlook.unplanned(PLANT, START),
            horizon_h=horizon_h,
            replications=4,
            seed=3,
        )


@asynccontextmanager
async def bench(executor: Callable[[], Executor]) -> AsyncIterator[Bench]:
    opened = Bench(executor)
    listening = asyncio.create_task(opened.listen())
    await asyncio.sleep(0)
    try:
        yield opened
    finally:
        opened.jobs.close()
        opened.hub.close()
        await listening


@on_a_loop
async def test_a_job_tells_its_progress_and_its_answer() -> None:
    with ThreadPoolExecutor(1) as pool:
        async with bench(lambda: pool) as b:
            told = await b.until(b.submit(), "done", "failed")
    states = [d["state"] for d in told]
    assert states[0] == "queued"
    assert states[-1] == "done"
    assert set(states[1:-1]) == {"running"}
    progress = [d["progress"] for d in told]
    assert progress == sorted(progress)
    assert {i / 8 for i in range(1, 9)} <= set(progress)  # four pairs of runs
    expected = compare(PLANT, FASTER, start=START, horizon_s=3600.0, replications=4, seed=3)
    assert told[-1]["result"] == expected.as_dict()
    assert told[-1]["finished_at"] is not None


@on_a_loop
async def test_a_change_that_cannot_be_made_is_refused_and_nothing_is_queued() -> None:
    async with bench(lambda: ThreadPoolExecutor(1)) as b:
        with pytest.raises(DataError):
            b.submit(["faster please"])
        with pytest.raises(FileFaults):
            b.submit(["buffer.z9.capacity=3"])
        assert b.jobs.documents() == []


@on_a_loop
async def test_jobs_are_cancelled_while_queued_and_while_running() -> None:
    gate = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(gate.wait)
        async with bench(lambda: pool) as b:
            running, queued = b.submit(), b.submit()
            await b.until(running, "running")
            assert b.jobs.cancel(queued["job_id"])["state"] == "cancelled"
            assert b.jobs.cancel(running["job_id"])["state"] == "running"
            gate.set()
            assert (await b.until(running, "done", "cancelled"))[-1]["state"] == "cancelled"
            after = b.submit()
            assert (await b.until(after, "done", "failed"))[-1]["state"] == "done"
            assert b.jobs.document(queued["job_id"])["state"] == "cancelled"
            for job in (running, queued, after):
                with pytest.raises(ConflictError, match="already"):
                    b.jobs.cancel(job["job_id"])


@on_a_loop
async def test_a_job_that_fails_says_why_and_the_next_one_runs() -> None:
    gone, works = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
    gone.shutdown()
    executors: list[Callable[[], Executor]] = [lambda: gone, lambda: {}["nothing"], lambda: works]
    with works:
        async with bench(lambda: executors.pop(0)()) as b:
            jobs = [b.submit() for _ in range(3)]
            ends = [(await b.until(job, "done", "failed"))[-1] for job in jobs]
    assert [end["state"] for end in ends] == ["failed", "failed", "done"]
    assert "shutdown" in ends[0]["error"]
    assert ends[1]["error"] == "KeyError: 'nothing'"


@on_a_loop
async def test_a_question_that_the_engine_refuses_is_a_failed_job() -> None:
    with ThreadPoolExecutor(1) as pool:
        async with bench(lambda: pool) as b:
            end = (await b.until(b.submit(horizon_h=-1.0), "done", "failed"))[-1]
    assert end["state"] == "failed"
    assert "horizon" in end["error"]


@on_a_loop
async def test_jobs_that_are_not_over_are_never_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whatif, "_KEPT", 2)
    gate = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(gate.wait)
        async with bench(lambda: pool) as b:
            jobs = [b.submit() for _ in range(4)]
            assert [d["job_id"] for d in b.jobs.documents()] == [
                job["job_id"] for job in reversed(jobs)
            ]
            gate.set()
            await b.until(jobs[-1], "done")
            assert [d["job_id"] for d in b.jobs.documents()] == [
                job["job_id"] for job in (jobs[3], jobs[2])
            ]


@on_a_loop
async def test_a_job_that_nobody_submitted_is_not_found() -> None:
    async with bench(lambda: ThreadPoolExecutor(1)) as b:
        with pytest.raises(NotFoundError, match="whatif-9"):
            b.jobs.document("whatif-9")
