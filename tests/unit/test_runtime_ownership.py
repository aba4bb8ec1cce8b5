"""A data directory has one owner; what cannot be used is said in one line."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from connectors.runtime.ownership import owned, owner
from twin.errors import StoreError

PROGRAM = """
import sys
from pathlib import Path
from connectors.runtime.ownership import owned
from twin.errors import StoreError
try:
    with owned(Path(sys.argv[1])):
        print("mine")
except StoreError as e:
    print(e)
"""


def other_process(data: Path) -> str:
    command = [sys.executable, "-c", PROGRAM, str(data)]
    root = Path(__file__).parents[2]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=root).stdout


def test_a_second_process_is_refused_while_the_first_owns_the_directory(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with owned(data):
        assert f"data directory {data} is used by another linetwin (process " in other_process(data)
    assert other_process(data) == "mine\n"


def test_a_directory_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with (
        pytest.raises(StoreError, match="Not a directory; name another with --data"),
        owned(file / "data"),
    ):
        pass


def test_somebody_who_only_looks_keeps_nobody_from_owning(tmp_path: Path) -> None:
    with owned(tmp_path):
        pass
    with (tmp_path / "owner.lock").open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.02, fcntl.flock, (looking, fcntl.LOCK_UN)).start()
        with owned(tmp_path):
            assert owner(tmp_path) == os.getpid()
    assert owner(tmp_path) is None


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to look as somebody else")
def test_somebody_who_may_not_write_sees_the_owner_too() -> None:
    look = "import os, sys; from pathlib import Path; "
    look += "from connectors.runtime.ownership import owner; os.setuid(65534); "
    look += "print(owner(Path(sys.argv[1])))"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with owned(Path(folder)):
            command = [sys.executable, "-c", look, folder]
            root = Path(__file__).parents[2]
            seen = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    assert seen.stdout == f"{os.getpid()}\n"
