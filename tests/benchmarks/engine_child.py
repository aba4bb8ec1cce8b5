"""A process that plays a small line for the first time: how long that takes, and how much memory it needs.

``python -m tests.benchmarks.engine_child events``; ``NUMBA_CACHE_DIR`` says where compiled code is kept.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import cast

from tests.benchmarks.engine_lines import LOGNORMAL, serial_line
from tests.engine_lab import START
from twin.engine import Engine, simulate


def main() -> None:
    engine = cast(Engine, sys.argv[1])
    plant = serial_line(10, LOGNORMAL, failures=True)
    took = []
    for _ in range(2):
        began, cpu = time.perf_counter(), time.process_time()
        run = simulate(plant, start=START, horizon_s=3600.0, replications=8, engine=engine)
        took.append((time.perf_counter() - began, time.process_time() - cpu))
    small_mb = _peak_mb()
    if engine != "reference":
        simulate(plant, start=START, horizon_s=7 * 86400.0, replications=32, engine=engine)
    found = {
        "engine": run.engine,
        "first_s": took[0][0],
        "first_cpu_s": took[0][1],
        "again_s": took[1][0],
        "small_mb": small_mb,
        "peak_mb": _peak_mb(),
    }
    sys.stdout.write(json.dumps(found) + "\n")


def _peak_mb() -> float:
    """Most memory that was resident. [MB] Where the system does not say: of the parent, too, if that had more."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main()
