"""Worker processes: other processes, polite, deaf to Ctrl-C, gone with their parent."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from connectors.runtime.pool import LateWorkers, Workers

PROGRAM = """
import os
from connectors.runtime.pool import LateWorkers, Workers
if __name__ == "__main__":
    pool = Workers(1)
    print(pool.submit(os.getpid).result(), flush=True)
    os.kill(os.getpid(), 9)
"""


def test_work_is_done_in_another_process_that_leaves_interrupts_to_its_parent() -> None:
    with Workers(1) as pool:
        assert pool.submit(os.getpid).result() != os.getpid()
        assert pool.submit(signal.getsignal, signal.SIGINT).result() == signal.SIG_IGN
        assert pool.submit(os.getenv, "OMP_NUM_THREADS").result() == "1"


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is POSIX")
def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    program = tmp_path / "parent.py"
    program.write_text(PROGRAM, encoding="utf-8")
    root = Path(__file__).resolve().parents[2]
    # The worker holds the other end of standard output: reading ends when both are gone.
    parent = subprocess.Popen(
        [sys.executable, str(program)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    told, _ = parent.communicate(timeout=30)
    assert int(told) != parent.pid
    assert parent.returncode == -signal.SIGKILL


def test_after_a_worker_was_killed_the_next_work_finds_new_ones() -> None:
    with Workers(1) as pool:
        pid = pool.submit(os.getpid).result(30)
        os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(BrokenProcessPool):  # work that was under way is lost
            pool.submit(os.getpid).result(30)
        assert pool.submit(os.getpid).result(30) != pid


ENDING = """
import time
from connectors.runtime.pool import Workers
def load(blob, seconds):
    time.sleep(seconds)
    return blob
def run():
    pool = Workers(2)
    blob = bytes(3_000_000)
    pool.submit(load, blob, 0.0).result()
    asked = [pool.submit(load, blob, 0.02 if i < 20 else 60.0) for i in range(60)]
    asked[10].result()
    [one.cancel() for one in asked]
    pool.end()
if __name__ == "__main__":
    run()
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM is POSIX")
def test_a_pool_that_is_ended_in_the_middle_leaves_silently(tmp_path: Path) -> None:
    """Pieces and answers are larger than a pipe, so that somebody is always about to write."""
    program = tmp_path / "parent.py"
    program.write_text(ENDING, encoding="utf-8")
    root = Path(__file__).resolve().parents[2]
    for _ in range(5):
        ended = subprocess.run(
            [sys.executable, str(program)],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
        assert (ended.returncode, ended.stderr) == (0, "")


def _place(_: int) -> int:
    return os.getpid()


@pytest.mark.slow
def test_late_workers_begin_processes_only_when_the_work_is_long() -> None:
    early, late = LateWorkers(2, after_s=60.0), LateWorkers(2, after_s=0.0)
    try:
        assert {early.submit(_place, i).result() for i in range(3)} == {os.getpid()}
        assert os.getpid() not in {late.submit(_place, i).result() for i in range(3)}
        alone = LateWorkers(1, after_s=0.0)
        assert alone.submit(_place, 0).result() == os.getpid()
    finally:
        late.shutdown()
        early.shutdown()


def test_what_goes_wrong_here_is_told_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        LateWorkers(2).submit(divmod, 1, 0)
