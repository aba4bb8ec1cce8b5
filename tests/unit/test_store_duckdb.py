"""What only the DuckDB file must hold: one owner, no half batch, nothing lost to a kill."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import numpy as np
import pytest

from connectors.store.duckdb_historian import DuckdbHistorian
from twin.errors import StoreError
from twin.plant.signals import SignalId
from twin.telemetry import SampleBatch

ROOT = Path(__file__).parents[2]
EPOCH, FAR_AHEAD = datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
NOBODY = 65534


def columns(first: int, rows: int) -> SampleBatch:
    at = np.arange(first, first + rows)
    return SampleBatch(
        signals=(SignalId("works/line/printer/speed"), SignalId("works/line/printer/product")),
        code=(at % 2).astype(np.int32),
        value=np.where(at % 2 == 0, np.random.default_rng(first).normal(size=rows), np.nan),
        text=np.array([f"part {i}" if i % 2 else None for i in at.tolist()], np.object_),
        measured_us=at,
        available_us=at,
        quality=np.zeros(rows, np.int8),
    )


def stored(store: DuckdbHistorian) -> list[int]:
    return sorted(store.read(None, EPOCH, FAR_AHEAD).measured_us.tolist())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "telemetry.duckdb"


@contextmanager
def opened(path: Path) -> Iterator[DuckdbHistorian]:
    store = DuckdbHistorian(path)
    try:
        yield store
    finally:
        store.close()


def refusal(path: Path) -> str:
    with pytest.raises(StoreError) as refused:
        DuckdbHistorian(path)
    line = str(refused.value)
    assert "\n" not in line
    assert line.startswith(f"{path}: ")
    return line


def run(code: str, path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def test_a_second_opener_in_the_process_is_refused(path: Path) -> None:
    with opened(path):
        refusal_line = refusal(path.parent / ".." / "data" / "telemetry.duckdb")
    assert refusal_line.endswith("already open in this process")
    with opened(path):
        pass


def test_a_second_process_is_refused_in_one_line(path: Path) -> None:
    code = (
        "import sys\n"
        "from connectors.store.open import open_historian\n"
        "from twin.errors import StoreError\n"
        "try:\n    open_historian(sys.argv[1])\n"
        "except StoreError as e:\n    print(e)\n"
    )
    with opened(path):
        out, _ = run(code, path).communicate(timeout=60)
    assert out.startswith(f"{path}: in use by another process: ")
    assert f"PID {os.getpid()}" in out
    assert out.count("\n") == 1


def test_reads_during_writes_see_whole_batches_only(path: Path) -> None:
    seen: list[int] = []
    done = threading.Event()

    def look(store: DuckdbHistorian) -> None:
        while not done.is_set():
            seen.append(len(store.read(None, EPOCH, FAR_AHEAD)))

    with opened(path) as store:
        reader = threading.Thread(target=look, args=(store,))
        reader.start()
        for i in range(30):
            store.append(columns(i * 500, 500))
        done.set()
        reader.join()
        seen.append(store.count())
    assert seen[-1] == 15_000
    assert [rows for rows in seen if rows % 500] == []


_APPENDER = """
import sys
from tests.unit.test_store_duckdb import columns
from connectors.store.duckdb_historian import DuckdbHistorian
store = DuckdbHistorian(sys.argv[1])
for i in range(10**6):
    store.append(columns(i * 1000, 1000))
    print(i, flush=True)
"""


def test_what_append_returned_for_survives_a_killed_process(path: Path) -> None:
    process = run(_APPENDER, path)
    assert process.stdout is not None
    seen = [process.stdout.readline() for _ in range(20)]
    process.kill()
    rest, _ = process.communicate(timeout=60)
    batches = len(seen) + len([line for line in rest.split("\n") if line])
    with opened(path) as store:
        at = stored(store)
        assert at == list(range(len(at)))
        assert len(at) in {batches * 1000, batches * 1000 + 1000}  # one may not have been told
        assert store.append(columns(0, len(at) + 10)) == 10


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """What a full disk does to a write, without filling one."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("rows", [20_000, 400_000])
def test_a_full_disk_stores_nothing_of_the_batch_and_the_retry_stores_all(
    path: Path, rows: int
) -> None:
    with opened(path) as store:
        store.append(columns(0, 1000))
        with (
            files_no_larger_than(path.stat().st_size + 100_000),
            pytest.raises(StoreError, match=rf"duckdb: {rows} samples not stored: .*too large"),
        ):
            store.append(columns(500, rows))
        assert store.count() == 1000
        assert store.append(columns(500, rows)) == rows - 500
    with opened(path) as store:
        assert stored(store) == list(range(rows + 500))


def test_a_folder_that_cannot_be_written_gives_one_line() -> None:
    was = os.geteuid()
    with TemporaryDirectory() as name:  # anybody may look inside, unlike pytest's own
        folder = Path(name)
        folder.chmod(0o555)
        if was == 0:
            os.seteuid(NOBODY)  # root may write anywhere
        try:
            line = refusal(folder / "telemetry.duckdb")
        finally:
            os.seteuid(was)
        assert line.endswith("Permission denied")
        assert list(folder.iterdir()) == []
        folder.chmod(0o755)


def test_a_file_in_place_of_the_folder_gives_one_line(path: Path) -> None:
    path.parent.write_text("a file")
    assert "cannot be opened" in refusal(path)


@pytest.mark.parametrize("content", [b"", b"not a database, by no means " * 1000])
def test_a_file_that_is_something_else_is_refused_and_left_alone(
    path: Path, content: bytes
) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    assert "not a valid DuckDB database file" in refusal(path)
    assert path.read_bytes() == content


def test_a_damaged_file_is_refused_and_opens_again_when_it_is_put_back(path: Path) -> None:
    with opened(path) as store:
        store.append(columns(0, 5000))
    good = path.read_bytes()
    bad = bytearray(good)
    bad[12288::512] = bytes(b ^ 0xFF for b in bad[12288::512])
    path.write_bytes(bad)
    assert "cannot be opened" in refusal(path)
    path.write_bytes(good)
    with opened(path) as store:
        assert store.count() == 5000


def test_a_file_of_a_newer_linetwin_is_refused(path: Path) -> None:
    with opened(path):
        pass
    with duckdb.connect(path) as connection:
        connection.execute("INSERT INTO schema_version VALUES (99)")
    assert "schema 99 was written by a newer linetwin" in refusal(path)


def test_a_person_reads_the_file_with_plain_sql(path: Path) -> None:
    with opened(path) as store:
        store.append(columns(0, 4))
    with duckdb.connect(path, read_only=True) as connection:
        rows = connection.execute(
            "SELECT signal, value, text, epoch_us(measured_at), quality FROM telemetry "
            "WHERE signal LIKE '%product' ORDER BY measured_at"
        ).fetchall()
    name = "works/line/printer/product"
    assert rows == [(name, None, "part 1", 1, 0), (name, None, "part 3", 3, 0)]


class _Interrupted(DuckdbHistorian):
    """Is interrupted right after its first commit, before it has noted what it stored."""

    interrupts = 1

    def _write(self, batch: SampleBatch) -> None:
        before = self._ids
        super()._write(batch)
        if self.interrupts:
            self.interrupts -= 1
            self._ids = before
            raise KeyboardInterrupt


def test_an_interrupt_behind_the_commit_gives_no_name_two_numbers(path: Path) -> None:
    store = _Interrupted(path)
    try:
        with pytest.raises(KeyboardInterrupt):
            store.append(columns(0, 4))
        assert store.append(columns(0, 4)) == 0
        assert store.append(columns(4, 6)) == 6
        assert stored(store) == list(range(10))
    finally:
        store.close()
    with duckdb.connect(path) as file:
        assert file.execute("SELECT count(*) FROM signals").fetchall() == [(2,)]
