"""What was compiled is kept on disk; a disk can lose it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from twin.engine import warm

ROOT = Path(__file__).resolve().parents[2]

SHOWN = """
from tests.engine_lab import START, serial
from twin.engine import simulate, warm
run = simulate(serial([1.0, 2.0], 1), start=START, horizon_s=60)
print(run.engine, warm.is_warm())
"""


@pytest.mark.slow
def test_what_was_compiled_and_cannot_be_read_is_thrown_away_and_the_reference_answers(
    tmp_path: Path,
) -> None:
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    kept = tmp_path / "linetwin" / warm.folder().name
    if warm.is_warm():
        shutil.copytree(warm.folder(), kept)
    else:
        subprocess.run([sys.executable, "-m", "twin.engine"], cwd=ROOT, env=env, check=True)
    indices = list(kept.rglob("*.nbi"))
    assert indices
    for index in indices:
        index.write_bytes(b"")
    told = subprocess.run(
        [sys.executable, "-c", SHOWN],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert told.stdout.split() == ["reference", "False"]
    assert not kept.exists()
