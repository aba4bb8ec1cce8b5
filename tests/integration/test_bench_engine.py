"""The benchmark of the engine runs, and what it counts is what is pinned. How long it takes is not asked here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("part", ["events", "recursion", "scenarios"])
def test_a_quick_run_counts_what_is_pinned(part: str) -> None:
    command = [sys.executable, "-m", "tests.benchmarks.bench_engine", "--quick", "--only", part]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stdout + done.stderr
