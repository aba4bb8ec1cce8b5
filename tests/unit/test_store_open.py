"""The place of the data chooses the historian; a wrong place gives one line."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from connectors.store.duckdb_historian import DuckdbHistorian
from connectors.store.open import open_historian
from twin.errors import StoreError
from twin.telemetry import MemoryHistorian


def test_a_path_is_a_duckdb_file(tmp_path: Path) -> None:
    historian = open_historian(str(tmp_path / "new folder" / "t.duckdb"))
    assert isinstance(historian, DuckdbHistorian)
    historian.close()


def test_memory_ends_with_the_process() -> None:
    assert isinstance(open_historian("memory:"), MemoryHistorian)


def test_an_unknown_scheme_names_the_right_ones() -> None:
    with pytest.raises(StoreError, match=r"^mysql://x: use a file path, http://HOST:PORT"):
        open_historian("mysql://x")


def test_a_server_that_is_not_there_gives_one_line() -> None:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(StoreError) as refused:
            open_historian(url, bucket="telemetry", token="t0ken")
    line = str(refused.value)
    assert line.startswith(f"{url} [telemetry]: cannot be opened: ")
    assert "refused" in line
    assert "\n" not in line
    assert "t0ken" not in line


def test_the_door_loads_no_database_library() -> None:
    code = (
        "import sys, connectors.store.open; "
        "print(sorted({'duckdb', 'influxdb_client', 'sqlalchemy', 'pandas'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    out = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert out.stdout == "[]\n", out.stderr
