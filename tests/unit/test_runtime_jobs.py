"""Questions as jobs on a real line of two units: progress, cancelling, and failures that are told."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pydantic import TypeAdapter

from connectors.jobs import Outlook
from connectors.runtime import jobs as runner
from connectors.runtime.event_log import check_log_name, write_log
from connectors.runtime.events import EventHub
from connectors.runtime.experiments import (
    Basis,
    Choice,
    Question,
    Runs,
    Search,
    Simulation,
    SweepGrid,
    WhatIf,
)
from connectors.runtime.jobs import Jobs
from connectors.web.models.answers import SimulationResult
from connectors.web.models.experiments import Job
from tests.engine_lab import START, exponential, serial
from twin.engine import simulate
from twin.errors import ConflictError, DataError, FileFaults, NotFoundError
from twin.scenarios import (
    Execution,
    Scenario,
    bottleneck,
    compare,
    scenario_of,
    select_best,
    sensitivities,
    sweep,
)

PLANT = serial([exponential(30.0), exponential(40.0)], 2)
BASIS = Basis(plant=PLANT, outlook=Outlook.unplanned(PLANT, START), calibration="v7")
JOB: TypeAdapter[Any] = TypeAdapter(Job)
FASTER = ["work_units.u1.cycle_time.default.mean_s=20"]


def on_a_loop(scene: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(scene)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(scene(*args, **kwargs))

    return run


class Bench:
    """Jobs, and everything that they tell."""

    def __init__(self, executor: Callable[[], Executor]) -> None:
        self.hub = EventHub()
        self.hub.open()
        self.jobs = Jobs(self.hub, executor=executor, now=lambda: START)
        self._told: list[dict[str, Any]] = []
        self._changed = asyncio.Condition()

    async def listen(self) -> None:
        async for event in self.hub.subscribe(None):
            document = dict(event.data)
            JOB.validate_python(document)
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

    def ask(self, question: Question) -> dict[str, Any]:
        return self.jobs.submit(question, BASIS)

    def submit(self, changes: list[str] = FASTER, horizon_h: float = 1.0) -> dict[str, Any]:
        runs = Runs(horizon_s=horizon_h * 3600.0, seed=3)
        return self.ask(WhatIf(scenario=scenario_of(changes), runs=runs, replications=4))


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
    states = [str(d["state"]) for d in told]
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
    executors: list[Callable[[], Executor]] = [
        lambda: gone,
        lambda: dict[str, Executor]()["nothing"],
        lambda: works,
    ]
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
    monkeypatch.setattr(runner, "_KEPT", 2)
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


RUNS = Runs(horizon_s=1800.0, seed=3, engine="reference", warm_up=60.0)
COMMON: Any = {
    "start": START,
    "horizon_s": 1800.0,
    "seed": 3,
    "engine": "reference",
    "warm_up_s": 60.0,
}


@on_a_loop
async def test_every_kind_of_question_gives_what_its_function_gives() -> None:
    named = [Scenario.of("as it is"), Scenario.of("faster", *FASTER)]
    grid: dict[str, tuple[float | str, ...]] = {"buffer.z0.capacity": (0.0, "+3")}
    questions: list[Question] = [
        Simulation(runs=RUNS, replications=3),
        SweepGrid(grid=grid, runs=RUNS, replications=3, kpis=("good_parts",)),
        Choice(scenarios=tuple(named), kpi="good_parts", delta=5.0, runs=RUNS),
        Search(runs=RUNS, replications=3),
    ]
    run = simulate(PLANT, replications=3, trace=True, **COMMON)
    path = bottleneck(run, PLANT).as_dict()
    moved = sensitivities(PLANT, replications=3, **COMMON).as_dict()
    with ThreadPoolExecutor(2) as pool:
        async with bench(lambda: pool) as b:
            ends = [(await b.until(b.ask(q), "done", "failed"))[-1] for q in questions]
    assert [end["error"] for end in ends] == [None] * 4
    simulation, swept, chosen, held = (end["result"] for end in ends)
    assert {**simulation, **run.as_dict()} == simulation
    assert (simulation["calibration"], simulation["precision"]) == ("v7", None)
    expected = sweep(PLANT, grid, replications=3, kpis=["good_parts"], **COMMON)
    assert swept == expected.as_dict()
    assert chosen == select_best(PLANT, named, "good_parts", delta=5.0, **COMMON).as_dict()
    assert (held["critical_path"], held["sensitivities"]) == (path, moved)


@on_a_loop
async def test_what_cannot_be_asked_is_refused_before_it_is_queued() -> None:
    wrong = Scenario.of("wrong", "buffer.z9.capacity=3")
    async with bench(lambda: ThreadPoolExecutor(1)) as b:
        with pytest.raises(FileFaults, match="z9"):
            b.ask(SweepGrid(grid={"buffer.z9.capacity": (1.0,)}))
        with pytest.raises(FileFaults, match="wrong"):
            b.ask(Choice(scenarios=(Scenario.of("as it is"), wrong)))
        with pytest.raises(DataError, match="name of its own"):
            b.ask(Choice(scenarios=(Scenario.of("same"), Scenario.of("same"))))
        two = (Scenario.of("as it is"), Scenario.of("crews", "maintenance.crews=2"))
        with pytest.raises(DataError, match="must lie between 1/2 and 1"):
            b.ask(Choice(scenarios=two, probability=0.3))
        with pytest.raises(DataError, match="say which you want"):
            b.ask(Choice(scenarios=two, kpi="energy_kwh"))
        for lost in (
            Search(kpi="luck"),
            Simulation(kpis=("luck",)),
            Choice(scenarios=two, kpi="luck"),
        ):
            with pytest.raises(NotFoundError, match="no KPI luck; known are throughput_per_h"):
                b.ask(lost)
        assert b.jobs.documents() == []


@on_a_loop
async def test_the_paths_of_a_bottleneck_are_cancelled_between_two_of_them() -> None:
    gate = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(gate.wait)
        async with bench(lambda: pool) as b:
            job = b.ask(Search(runs=RUNS, replications=50))
            await b.until(job, "running")
            b.jobs.cancel(job["job_id"])
            gate.set()
            assert (await b.until(job, "done", "cancelled"))[-1]["state"] == "cancelled"


def test_a_precise_simulation_says_how_precise_it_is_and_finds_its_warm_up() -> None:
    runs = Runs(horizon_s=4 * 3600.0, seed=3, warm_up="auto", engine="reference")
    question = Simulation(runs=runs, precision=0.02, kpis=("good_parts",), max_replications=200)
    document = question.answer(BASIS, Execution())
    said = SimulationResult.model_validate(document)
    assert said.precision is not None
    assert said.precision.reached
    found = said.precision.kpis["good_parts"]
    assert found.relative_half_width is not None
    assert found.relative_half_width <= 0.02 / 1.02
    assert said.warm_up.observations > 0
    assert said.warm_up_s == said.warm_up.warm_up_s
    plain = Simulation(runs=replace(runs, warm_up=said.warm_up_s), replications=said.replications)
    assert plain.answer(BASIS, Execution())["kpis"] == document["kpis"]


@pytest.mark.parametrize("name", ["log.parquet", "log.csv", "log.csv.gz"])
def test_an_event_log_is_written_with_names_and_read_back(tmp_path: Path, name: str) -> None:
    run = simulate(PLANT, trace=True, **COMMON)
    assert run.trace is not None
    write_log(tmp_path / name, run.trace)
    read = duckdb.read_parquet if name.endswith("parquet") else duckdb.read_csv
    rows = read(str(tmp_path / name)).fetchall()
    assert len(rows) == len(run.trace)
    units = [run.trace.units[u] for u in run.trace.unit]
    assert [(row[1], row[2]) for row in rows] == list(
        zip(run.trace.time_s.tolist(), units, strict=True)
    )
    assert [row[4] for row in rows] == [None if p < 0 else p for p in run.trace.part.tolist()]
    with pytest.raises(DataError, match="parquet"):
        check_log_name(tmp_path / "log.xlsx")
