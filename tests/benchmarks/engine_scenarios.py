"""Scenarios a minute, how long a what-if takes, and what the first run costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from connectors.runtime.pool import Workers
from tests.benchmarks.engine_lines import LOGNORMAL, TWO_SHIFT, serial_line
from tests.benchmarks.engine_size import DAY_S, ROOT, Size
from tests.benchmarks.engine_timing import counted, refused
from tests.benchmarks.report import Report, tell
from tests.engine_lab import START, practice
from twin.engine import Engine, simulate
from twin.plant import Plant
from twin.scenarios import compare, sweep

__all__ = ["beginning", "scenarios", "whatif"]

WEEK_S = 7 * DAY_S
REPLICATIONS = 32
CORES = 2
MONDAY = datetime(2026, 3, 2, 5, tzinfo=UTC)
"""06:00 at the practice plant, when its week begins."""
WHATIF = "buffer.aoi_in.capacity=12"
TAKT_S = 90.0


def scenarios(size: Size, report: Report) -> None:
    """Ten stations, a week of two shifts, a part every minute and a half: scenarios a minute."""
    cycle = LOGNORMAL | {"mean_s": _cycle_s()}
    line = serial_line(10, cycle, failures=True, weekly=TWO_SHIFT)
    wanted: tuple[tuple[Engine, int, float | None], ...] = (
        ("recursion", size.points, 10_000 if size.whole else None),
        ("events", max(3, size.points // 10), 800 if size.whole else None),
    )
    with Workers(CORES) as pool:
        for engine, points, bar in wanted:
            if reason := refused(line, engine):
                tell(f"scenarios, {engine}: left out, {reason}")
                continue
            _warm(pool, line, engine)
            _bare(pool, line, engine, points, size, report, bar)
            _swept(pool, line, engine, points, size, report, bar)


def _cycle_s() -> float:
    """So that, with its stops, the line gives a part every `TAKT_S`."""
    return 0.85 * TAKT_S


def _warm(pool: Workers, line: Plant, engine: Engine) -> None:
    for _ in range(3):
        list(pool.map(played, [line] * CORES * 2, [engine] * CORES * 2, [1] * CORES * 2))


def played(line: Plant, engine: Engine, points: int) -> list[int]:
    """The scenario so many times, each on a seed of its own. [parts times stations, good parts]"""
    found = [0, 0]
    for seed in range(points):
        run = simulate(
            line,
            start=START,
            horizon_s=WEEK_S,
            replications=REPLICATIONS,
            seed=seed,
            engine=engine,
        )
        found = [a + b for a, b in zip(found, counted(run), strict=True)]
    return found


def _bare(
    pool: Workers,
    line: Plant,
    engine: Engine,
    points: int,
    size: Size,
    report: Report,
    bar: float | None,
) -> None:
    each = points // CORES or 1

    def run() -> list[int]:
        return next(iter(pool.map(played, [line] * CORES, [engine] * CORES, [each] * CORES)))

    cpu_s, wall_s, found = _least(run, size)
    report.keep(f"a week of two shifts, {engine}", found)
    futures = each * REPLICATIONS
    _tell_rate(
        report,
        f"32 replications of a week, bare, {engine}",
        (cpu_s / (each * CORES), wall_s / (each * CORES)),
        bar,
        f"{found[1] / futures:,.0f} good parts, {found[0] / futures:,.0f} parts times stations each",
    )


def _swept(
    pool: Workers,
    line: Plant,
    engine: Engine,
    points: int,
    size: Size,
    report: Report,
    bar: float | None,
) -> None:
    grid = {"buffer.z4.capacity": list(range(1, points))}

    def run() -> list[int]:
        found = sweep(
            line,
            grid,
            replications=REPLICATIONS,
            seed=7,
            executor=pool,
            start=START,
            horizon_s=WEEK_S,
            engine=engine,
        )
        means = [found.baseline, *(point.means for point in found.points)]
        return [round(sum(mean["good_parts"][0] for mean in means) * REPLICATIONS)]

    cpu_s, wall_s, found = _least(run, size)
    report.keep(f"a sweep of {points}, {engine}", found)
    note = f"sweep of {points} points with workers, all its reports made"
    name = f"  32 replications of a week, a sweep, {engine}"
    _tell_rate(report, name, (cpu_s / points, wall_s / points), bar, note)


def _tell_rate(
    report: Report, name: str, spent: tuple[float, float], bar: float | None, note: str
) -> None:
    cpu_s, wall_s = spent
    note = f"{cpu_s * 1000:.2f} ms of CPU; by the clock {60 / wall_s:,.0f}/min; {note}"
    report.add(name, CORES * 60 / cpu_s, "/min", bar=bar, least=True, note=note)


def _least(run: Callable[[], list[int]], size: Size) -> tuple[float, float, list[int]]:
    """CPU time of this process and its workers, wall time, and what was counted."""
    counts = run()
    cpu, wall = float("inf"), float("inf")
    for _ in range(size.rounds):
        before, began = _cpu_s(), time.perf_counter()
        found = run()
        wall = min(wall, time.perf_counter() - began)
        cpu = min(cpu, _cpu_s() - before)
        if found != counts:
            raise RuntimeError(f"counted {found} after {counts}")
    return cpu, wall, counts


def _cpu_s() -> float:
    """CPU time so far, of this process and those it has begun."""
    me = psutil.Process()
    times = [process.cpu_times() for process in (me, *me.children(recursive=True))]
    return float(sum(t.user + t.system for t in times))


def whatif(size: Size, report: Report) -> None:
    """A paired what-if on the practice plant: in a process that has done it before, and from a shell."""
    plant = practice()
    horizon_s = size.whatif_h * 3600.0

    def ask(engine: Engine, pool: Workers | None) -> tuple[str, list[int]]:
        found = compare(
            plant,
            [WHATIF],
            replications=REPLICATIONS,
            start=MONDAY,
            horizon_s=horizon_s,
            engine=engine,
            executor=pool,
        )
        runs = (found.baseline, found.scenario)
        return found.baseline.engine, [n for run in runs for n in counted(run)]

    with Workers(CORES) as pool:
        asked: list[tuple[Engine, Workers | None]] = [("auto", None), ("auto", pool)]
        for engine, where in [*asked, *[("reference", None)] * size.whole]:
            ran, counts = ask(engine, where)
            wall_s = float("inf")
            for _ in range(2 * size.rounds if engine == "auto" else 2):
                began = time.perf_counter()
                ran, found = ask(engine, where)
                wall_s = min(wall_s, time.perf_counter() - began)
                if found != counts:
                    raise RuntimeError(f"counted {found} after {counts}")
            there = "with two workers" if where else "in one process"
            report.keep(f"what-if, {engine}, {there}", counts)
            name = f"what-if, 32 pairs of {size.whatif_h} h, {there}, {engine}"
            bar = 1.0 if engine == "auto" else None
            note = f"{ran} ran; {counts[0] + counts[2]:,} parts times stations"
            report.add(name, wall_s, "s", bar=bar, note=note)
    _command_line(size, report)


def _command_line(size: Size, report: Report) -> None:
    command: list[str | Path] = [sys.executable, "-m", "connectors", "whatif"]
    command += [ROOT / "simulators" / "practice" / "plant.toml", "--set", WHATIF, "--json"]
    command += ["--horizon", f"{size.whatif_h}h", "--replications", str(REPLICATIONS)]
    command += ["--start", MONDAY.isoformat(), "--no-cache"]
    wall_s = float("inf")
    for _ in range(min(3, size.rounds)):
        began = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        wall_s = min(wall_s, time.perf_counter() - began)
        if done.returncode:
            tell(f"from a shell: left out, {done.stderr.strip().splitlines()[-1]}")
            return
    engine = json.loads(done.stdout).get("engine", "")
    report.add("  from a shell, all included", wall_s, "s", note=f"{engine} ran")


def beginning(size: Size, report: Report) -> None:
    """What the first run of a machine, and of a process, waits for; memory beside it."""
    engines: tuple[Engine, ...] = ("events", "recursion")
    with TemporaryDirectory() as folder:
        for engine in engines:
            kept = Path(folder) / engine if size.whole else None
            if kept is not None:
                if (found := _child(engine, kept)) is None:
                    continue
                cpu = f"{found['first_cpu_s']:.1f} s of CPU; {found['small_mb']:.0f} MB at most"
                report.add(f"first run ever, {engine}", float(found["first_s"]), "s", note=cpu)
            if (found := _child(engine, kept)) is None:
                continue
            note = f"then {found['again_s'] * 1000:.1f} ms"
            name = f"  first run of a process, {engine}"
            report.add(name, float(found["first_s"]), "s", note=note)
            note = f"after a small run {found['small_mb']:.0f} MB"
            name = f"  memory at most, 32 replications of a week, {engine}"
            report.add(name, float(found["peak_mb"]), "MB", note=note)


def _child(engine: Engine, kept: Path | None) -> dict[str, float] | None:
    command = [sys.executable, "-m", "tests.benchmarks.engine_child", engine]
    more = {} if kept is None else {"NUMBA_CACHE_DIR": str(kept)}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env=os.environ | more
    )
    if done.returncode:
        tell(f"{engine}: left out, {done.stderr.strip().splitlines()[-1]}")
        return None
    return dict(json.loads(done.stdout))
