"""Free memory goes back to the system."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from connectors.runtime.memory import memory_returner

GROWN = """
from pathlib import Path
from connectors.runtime.memory import memory_returner

def resident_mb():
    (line,) = [l for l in Path("/proc/self/status").read_text().splitlines() if l.startswith("VmRSS")]
    return int(line.split()[1]) / 1024

kept = []
for _ in range(200_000):
    freed = bytes(1_000)
    kept.append((bytes(1_000), bytes(64)))
last = kept[-1]  # stands behind everything else, so the heap cannot shrink by itself
kept.clear()
before = resident_mb()
memory_returner()()
print(before - resident_mb())
"""


@pytest.mark.skipif(
    memory_returner() is None or not Path("/proc/self/status").exists(),
    reason="only the C library glibc on Linux keeps freed memory, and gives it back",
)
def test_what_the_allocator_keeps_goes_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", GROWN], capture_output=True, text=True, check=True, timeout=60
    )
    assert float(done.stdout) > 50
