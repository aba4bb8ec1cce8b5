"""Facts of the journal: every row once, durable, oldest first, and never more than the quota."""

from __future__ import annotations

import errno
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from connectors.pipeline.journal import Journal, journal_rows
from twin.errors import DataError, StoreError


@contextmanager
def _journal(folder: Path, quota_bytes: int = 1 << 20) -> Iterator[Journal]:
    journal = Journal(folder, quota_bytes=quota_bytes)
    try:
        yield journal
    finally:
        journal.close()


def _row(seq: int, place: int = 0) -> dict[str, Any]:
    return {"id": f"{seq}:{place}", "reason": "no number: ü \ud800", "n": seq}


def _ids(rows: Iterator[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


def _flip(path: Path, find: bytes, put: bytes) -> None:
    data = path.read_bytes()
    assert data.count(find) == 1
    path.write_bytes(data.replace(find, put))


def test_rows_come_back_in_their_order(tmp_path: Path) -> None:
    rows = [_row(2), _row(2, 1), _row(10), _row(11)]
    with _journal(tmp_path) as journal:
        assert journal.append(rows[:3]) == 3
        assert journal.append(rows[3:]) == 1
        assert list(journal.rows()) == rows
        assert list(journal.rows(after="2:1")) == rows[2:]
    assert list(journal_rows(tmp_path)) == rows


def test_known_row_is_not_written_twice_also_after_opening_again(tmp_path: Path) -> None:
    with _journal(tmp_path) as journal:
        assert journal.append([_row(9), _row(10)]) == 2
        assert journal.append([_row(9), _row(10), _row(10, 1)]) == 1
    with _journal(tmp_path) as journal:
        assert journal.last_id == "10:1"
        assert journal.append([_row(10), _row(10, 1), _row(100)]) == 1
        assert _ids(journal.rows()) == ["9:0", "10:0", "10:1", "100:0"]


def test_lines_are_json_that_other_tools_read(tmp_path: Path) -> None:
    with _journal(tmp_path) as journal:
        journal.append([_row(1)])
    (file,) = tmp_path.glob("*.jsonl")
    row = json.loads(file.read_text())
    assert row.pop("crc32")
    assert row == _row(1)


def test_unfinished_row_is_cut_off_at_every_byte(tmp_path: Path) -> None:
    with _journal(tmp_path) as journal:
        journal.append([_row(1)])
        (file,) = tmp_path.glob("*.jsonl")
        whole = file.stat().st_size
        journal.append([_row(2)])
    data = file.read_bytes()
    for size in range(whole, len(data)):
        file.write_bytes(data[:size])
        assert _ids(journal_rows(tmp_path)) == ["1:0"]
        with _journal(tmp_path) as journal:
            assert journal.append([_row(2)]) == 1
        assert file.read_bytes() == data


def test_damaged_row_is_left_out_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with _journal(tmp_path) as journal:
        journal.append([_row(1), _row(2), _row(3)])
    (file,) = tmp_path.glob("*.jsonl")
    _flip(file, b'"2:0"', b'"6:0"')
    with caplog.at_level(logging.WARNING):
        assert _ids(journal_rows(tmp_path)) == ["1:0", "3:0"]
    assert "1 rows are damaged" in caplog.text


def test_flipped_bit_in_the_last_id_hides_no_newer_row(tmp_path: Path) -> None:
    with _journal(tmp_path) as journal:
        journal.append([_row(1), _row(10)])
    (file,) = tmp_path.glob("*.jsonl")
    _flip(file, b'"10:0"', b'"50:0"')
    with _journal(tmp_path) as journal:
        assert journal.append([_row(11)]) == 1
        assert _ids(journal.rows()) == ["1:0", "11:0"]


def test_oldest_file_is_rotated_out_and_its_rows_are_counted(tmp_path: Path) -> None:
    with _journal(tmp_path, 4000) as journal:
        for seq in range(1, 301):
            journal.append([_row(seq)])
        assert journal.bytes_held <= 4000
        held = _ids(journal.rows())
        assert held[-1] == "300:0"
        assert journal.rotated_out + len(held) == 300
        gone = journal.rotated_out
    with _journal(tmp_path, 4000) as journal:
        assert journal.rotated_out == gone
        assert journal.append([_row(300)]) == 0


def test_file_that_came_back_after_it_was_counted_is_not_counted_again(tmp_path: Path) -> None:
    with _journal(tmp_path, 4000) as journal:
        for seq in range(1, 20):
            journal.append([_row(seq)])
        first = min(tmp_path.glob("*.jsonl"))
        kept = first.read_bytes()
        while first.exists():
            journal.append([_row(seq := seq + 1)])
        gone = journal.rotated_out
    first.write_bytes(kept)
    with _journal(tmp_path, 4000) as journal:
        assert journal.rotated_out == gone
        assert not first.exists()


def test_row_is_written_once_when_the_disk_failed_to_sync(
    tmp_path: Path, fail_sync: Callable[[int], None]
) -> None:
    with _journal(tmp_path) as journal:
        journal.append([_row(1)])
        fail_sync(1)
        with pytest.raises(StoreError, match="not written"):
            journal.append([_row(2), _row(3)])
        assert _ids(journal.rows()) == ["1:0"]
        assert journal.append([_row(2), _row(3)]) == 2
        assert len(list(tmp_path.glob("*.jsonl"))) == 2
    with _journal(tmp_path) as journal:
        assert _ids(journal.rows()) == ["1:0", "2:0", "3:0"]


@pytest.fixture
def fail_sync(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """The next so many syncs of file data fail as a disk does."""
    real, left = os.fdatasync, [0]

    def sync(fd: int) -> None:
        if left[0]:
            left[0] -= 1
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(fd)

    monkeypatch.setattr("connectors.durable._sync_data", sync)
    return lambda times: left.__setitem__(0, times)


def test_second_owner_is_refused(tmp_path: Path) -> None:
    with _journal(tmp_path), pytest.raises(StoreError, match=f"process {os.getpid()}"):
        Journal(tmp_path)


def test_row_without_an_id_of_a_journal_is_refused(tmp_path: Path) -> None:
    with _journal(tmp_path) as journal:
        for row in ({}, {"id": "7"}, {"id": "a:b"}, {"id": "1:0", "payload": b"\x00"}):
            with pytest.raises(DataError):
                journal.append([_row(0), row])
        assert list(journal.rows()) == []
        with pytest.raises(DataError):
            next(journal.rows(after="yesterday"))


def test_folder_that_is_not_there_has_no_rows(tmp_path: Path) -> None:
    assert list(journal_rows(tmp_path / "none")) == []
