"""What the DuckDB historian costs: rows in, answers out, room on the disk; prints JSON.

Run from the repository: ``python -m tests.benchmarks.bench_store --rows 5000000``.

The data: sensor values, a random walk of each signal rounded to 2, 3 or 4 decimals, once a second
of each signal with a few milliseconds of jitter, in whole milliseconds for half of the signals
and in microseconds for the others; available 20 to 120 ms later; one signal in a hundred
UNCERTAIN now and then.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from connectors.store.duckdb_historian import DuckdbHistorian
from twin.plant.signals import SignalId
from twin.telemetry import SampleBatch, from_us

START = datetime(2026, 3, 2, tzinfo=UTC)
START_US = 1_772_409_600_000_000


class Plant:
    """Signals that are measured once a second each."""

    def __init__(self, signals: int) -> None:
        self.names = tuple(SignalId(f"works/smt/line1/unit{i // 20}/s{i}") for i in range(signals))
        self._random = np.random.default_rng(7)
        self._level = self._random.uniform(10, 200, signals)
        self._scale = 10.0 ** self._random.integers(2, 5, signals)
        self._tick = np.where(np.arange(signals) % 2, 1, 1000)
        self._phase = self._random.integers(0, 1_000_000, signals)
        self._second = 0

    def seconds(self, count: int) -> SampleBatch:
        """The rows of the next seconds, as they arrive."""
        n, random = len(self.names), self._random
        steps = random.normal(0, 0.05, (count, n))
        level = self._level + np.cumsum(steps, axis=0)
        self._level = level[-1]
        at = START_US + (self._second + np.arange(count)[:, None]) * 1_000_000 + self._phase
        at += random.integers(0, 5000, (count, n))
        at = (at // self._tick * self._tick).ravel()
        self._second += count
        rows = count * n
        quality = np.zeros(rows, np.int8)
        quality[random.integers(0, rows, rows // 10_000)] = 1
        return SampleBatch(
            signals=self.names,
            code=np.tile(np.arange(n, dtype=np.int32), count),
            value=(np.round(level * self._scale) / self._scale).ravel(),
            text=np.full(rows, None, np.object_),
            measured_us=at,
            available_us=at + random.integers(20_000, 120_000, rows),
            quality=quality,
        )


def cpu_s() -> float:
    times = os.times()
    return times.user + times.system


def fill(store: DuckdbHistorian, plant: Plant, rows: int, batch: int) -> dict[str, float]:
    """Append so many rows, with the sorting that they bring about; without making the data."""
    cpu = wall = longest = 0.0
    done = 0
    while done < rows:
        piece = plant.seconds(max(1, batch // len(plant.names)))
        t, c = time.perf_counter(), cpu_s()
        assert store.append(piece) == len(piece)
        cpu, spent = cpu + cpu_s() - c, time.perf_counter() - t
        wall, longest = wall + spent, max(longest, spent)
        done += len(piece)
    return {
        "batch_rows": batch,
        "cpu_us_a_row": round(cpu / done * 1e6, 3),
        "rows_a_s": round(done / wall),
        "longest_append_s": round(longest, 3),
    }


def milliseconds(ask: Callable[[], Any], times: int = 9) -> dict[str, float]:
    taken = []
    for _ in range(times):
        t = time.perf_counter()
        ask()
        taken.append((time.perf_counter() - t) * 1000)
    return {
        "first_ms": round(taken[0], 2),
        "median_ms": round(statistics.median(taken), 2),
        "worst_ms": round(max(taken), 2),
    }


def answers(store: DuckdbHistorian, plant: Plant) -> dict[str, Any]:
    newest = from_us(int(store.latest().measured_us.max()))
    names, day, minute = plant.names, timedelta(days=1), timedelta(minutes=1)
    one, other = [names[len(names) // 2]], [names[len(names) // 3]]
    middle = START + (newest - START) / 2

    def day_by_minute() -> int:
        return len(store.downsample(one, newest - day, newest, bucket_s=60.0))

    return {
        "last value of all signals": milliseconds(store.latest),
        "last value of all, an hour ago": milliseconds(
            lambda: store.latest(as_of=newest - 60 * minute), 3
        ),
        "one signal, 24 h by minute": milliseconds(day_by_minute) | {"rows": day_by_minute()},
        "one signal, 24 h by 90 s, from raw": milliseconds(
            lambda: store.downsample(one, newest - day, newest, bucket_s=90.0)
        ),
        "one signal, 24 h raw": milliseconds(lambda: store.read(other, newest - day, newest)),
        "one signal, newest 10 minutes raw": milliseconds(
            lambda: store.read(one, newest - 10 * minute, newest)
        ),
        "one signal, 10 minutes in the middle": milliseconds(
            lambda: store.read(one, middle, middle + 10 * minute)
        ),
        "all signals, newest minute raw": milliseconds(
            lambda: store.read(None, newest - minute, newest)
        ),
        "all signals, 24 h by hour": milliseconds(
            lambda: store.downsample(None, newest - day, newest, bucket_s=3600.0), 3
        ),
    }


def repeats(store: DuckdbHistorian, plant: Plant) -> dict[str, float]:
    """CPU time a row of live batches of which some rows are late or come twice."""
    costs: dict[str, float] = {}
    late_us = min(plant._second // 2, 6 * 3600) * 1_000_000
    for what in ("in order", "10 % again", "1 % six hours late", "all again"):
        cpu, rows = 0.0, 0
        for _ in range(20):
            fresh = plant.seconds(max(1, 10_000 // len(plant.names)))
            if what == "1 % six hours late":
                fresh.measured_us[::100] += 7137 - late_us  # between two seconds' jitter
            store.append(fresh) if what == "all again" else None
            part = fresh.take(np.arange(0, len(fresh), 10))
            c = cpu_s()
            stored = store.append(fresh)
            if what == "10 % again":
                assert store.append(part) == 0
            cpu, rows = cpu + cpu_s() - c, rows + len(fresh)
            assert stored == (0 if what == "all again" else len(fresh))
        costs[what] = round(cpu / rows * 1e6, 3)
    return costs


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--signals", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=100_000)
    parser.add_argument("--folder", help="a disk with room; default the system's for such files")
    given = parser.parse_args()
    with TemporaryDirectory(dir=given.folder) as folder:
        path, plant = Path(folder) / "telemetry.duckdb", Plant(given.signals)
        store = DuckdbHistorian(path)
        result: dict[str, Any] = {"rows": given.rows, "signals": given.signals}
        result["fill"] = fill(store, plant, given.rows, given.batch)
        result["answers"] = answers(store, plant)
        result["cpu_us_a_row_in_batches_of_10000"] = repeats(store, plant)
        result["batches of 1000"] = fill(store, plant, 1_000_000, 1000)
        rows = store.count()
        store.close()
        result["bytes_a_row"] = round(path.stat().st_size / rows, 2)
        t = time.perf_counter()
        store = DuckdbHistorian(path)
        result["open_ms"] = round((time.perf_counter() - t) * 1000, 1)
        store.close()
    result["peak_memory_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    sys.stdout.write(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
