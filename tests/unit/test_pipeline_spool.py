"""Facts of the spool: everything appended is handed out in order, or reported as lost, exactly."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.pipeline.spool import Damage, Spool
from tests.spool_lab import SMALL, made, opened, read_all
from twin.errors import DataError, StoreError


@settings(max_examples=60, deadline=None)
@given(
    calls=st.lists(st.lists(st.binary(max_size=300), max_size=6), max_size=12),
    most_bytes=st.integers(0, 2000),
    reopen=st.sets(st.integers(0, 12)),
)
def test_what_was_appended_is_read_in_its_order(
    tmp_path_factory: pytest.TempPathFactory,
    calls: list[list[bytes]],
    most_bytes: int,
    reopen: set[int],
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    spool = Spool(folder, segment_bytes=SMALL)
    for number, payloads in enumerate(calls):
        spool.append(payloads)
        if number in reopen:
            spool.close()
            spool = Spool(folder, segment_bytes=SMALL)
    everything = [payload for payloads in calls for payload in payloads]
    assert read_all(spool, 0, most_bytes) == dict(enumerate(everything, 1))
    for after in range(len(everything) + 1):
        assert list(read_all(spool, after)) == list(range(after + 1, len(everything) + 1))
    spool.close()
    shutil.rmtree(folder)


def test_numbers_never_go_back(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.cursor("store")
        for payload in made(50):
            spool.append([payload])
        spool.move("store", 50)
    for file in tmp_path.glob("*.seg"):
        file.unlink()
    with opened(tmp_path) as spool:
        assert spool.append([b"x"]) == 51
    for file in (*tmp_path.glob("*.seg"), tmp_path / "extent"):
        file.unlink()
    with opened(tmp_path) as spool:
        assert spool.cursor("store") == 50
        assert spool.append([b"x"]) == 51
        assert list(read_all(spool, 50)) == [51]


def test_segment_goes_when_every_consumer_has_passed_it(tmp_path: Path) -> None:
    damages: list[Damage] = []
    with opened(tmp_path, damages) as spool:
        assert (spool.cursor("a"), spool.cursor("b")) == (0, 0)
        for payload in made(60):
            spool.append([payload])
        files = len(list(tmp_path.glob("*.seg")))
        spool.move("a", 60)
        assert len(list(tmp_path.glob("*.seg"))) == files
        assert (spool.waiting("a"), spool.waiting("b")) == (0, 60)
        spool.move("b", 30)
        assert 1 < len(list(tmp_path.glob("*.seg"))) < files
        assert list(read_all(spool, 30)) == list(range(31, 61))
        held = spool.bytes_held
    with opened(tmp_path, damages) as spool:
        assert spool.consumers == ("a", "b")
        assert (spool.cursor("a"), spool.cursor("b"), spool.last_seq) == (60, 30, 60)
        assert spool.bytes_held == held
        assert list(read_all(spool, 30)) == list(range(31, 61))
        assert list(read_all(spool))[-30:] == list(range(31, 61))
        spool.drop_consumer("b")
        assert spool.consumers == ("a",)
        assert len(list(tmp_path.glob("*.seg"))) <= 1
        assert spool.append([b"x"]) == 61
    with opened(tmp_path, damages) as spool:
        assert spool.cursor("a") == 60
        assert list(read_all(spool, 60)) == [61]
        newcomer = spool.cursor("c")
        assert list(read_all(spool, newcomer)) == list(range(newcomer + 1, 62))
    assert damages == []


def test_cursor_that_cannot_be_read_begins_with_the_oldest_record(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        for payload in made(60):
            spool.append([payload])
        spool.move("store", 30)
    first = min(tmp_path.glob("*.seg"))
    (tmp_path / "store.cursor").write_bytes(b"")
    with opened(tmp_path) as spool:
        assert 1 < spool.cursor("store") + 1 == int(first.stem) <= 31
        assert spool.waiting("store") == len(read_all(spool, spool.cursor("store")))


def test_cursor_never_goes_back_nor_ahead_of_the_last_record(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.append([b"a", b"b"])
        spool.move("store", 2)
        spool.move("store", 1)
        assert spool.cursor("store") == 2
        with pytest.raises(DataError, match="the last is 2"):
            spool.move("store", 3)


def test_damaged_cursor_falls_back_and_never_ahead(tmp_path: Path) -> None:
    with opened(tmp_path / "whole") as spool:
        spool.append(made(9))
        for seq in (3, 5, 7):
            spool.move("store", seq)
    (cursor,) = (tmp_path / "whole").glob("*.cursor")
    data = cursor.read_bytes()
    seen = set()
    used = [i for i in range(len(data)) if data[i]]
    for byte in used:
        shutil.copytree(tmp_path / "whole", tmp_path / "copy")
        flipped = bytearray(data)
        flipped[byte] ^= 4
        (tmp_path / "copy" / cursor.name).write_bytes(flipped)
        with opened(tmp_path / "copy") as spool:
            seen.add(spool.cursor("store"))
            spool.move("store", 8)
            assert spool.cursor("store") == 8
        with opened(tmp_path / "copy") as spool:
            assert spool.cursor("store") == 8
        shutil.rmtree(tmp_path / "copy")
    assert seen == {5, 7}
    for torn in (b"", data[:20], bytes(len(data))):
        cursor.write_bytes(torn)
        with opened(tmp_path / "whole") as spool:
            assert spool.cursor("store") == 0


def test_name_of_a_consumer_may_be_anything(tmp_path: Path) -> None:
    names = ("influx:http://127.0.0.1:8086/a b", "..", "ü.cursor", "x")
    with opened(tmp_path) as spool:
        spool.append([b"a"])
        for name in names:
            spool.move(name, 1)
    with opened(tmp_path) as spool:
        assert spool.consumers == tuple(sorted(names))
        assert all(spool.cursor(name) == 1 for name in names)


def test_full_spool_has_room_again_when_the_consumers_have_moved_on(tmp_path: Path) -> None:
    with opened(tmp_path, quota_bytes=4000) as spool:
        spool.cursor("store")
        while not spool.full():
            spool.append([bytes(300)])
        assert spool.bytes_held >= 4000
        spool.append([bytes(9000)])  # what was in hand
        spool.move("store", spool.last_seq)
        assert not spool.full()
        assert spool.bytes_held < 4000


def test_segments_are_small_enough_to_give_room_back(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment_bytes=1 << 20, quota_bytes=4000)
    with contextlib.closing(spool):
        while not spool.full():
            spool.append([bytes(300)])
        spool.move("store", spool.last_seq // 2)
        assert not spool.full()


def test_second_owner_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(StoreError, match=f"process {os.getpid()}") as refused:
        Spool(tmp_path)
    assert "\n" not in str(refused.value)
    with opened(tmp_path) as spool:
        assert spool.append([b"a"]) == 1


def test_closed_spool_takes_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.close()
        with pytest.raises(StoreError, match="closed"):
            spool.append([b"a"])


def test_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        Spool(tmp_path / "file" / "spool")


def test_readers_in_other_threads_see_every_record_once_it_is_durable(tmp_path: Path) -> None:
    count = 400
    with opened(tmp_path) as spool:
        found: dict[str, list[int]] = {"a": [], "b": []}
        for name in found:
            spool.cursor(name)

        def consume(name: str) -> None:
            while spool.cursor(name) < count:
                for record in spool.read(spool.cursor(name), 500):
                    assert record.payload == b"%d" % record.seq * 9
                    found[name].append(record.seq)
                if found[name]:
                    spool.move(name, found[name][-1])

        threads = [threading.Thread(target=consume, args=(name,)) for name in found]
        for thread in threads:
            thread.start()
        for seq in range(1, count + 1, 2):
            spool.append([b"%d" % s * 9 for s in (seq, seq + 1)])
        for thread in threads:
            thread.join(60)
        assert found == {"a": list(range(1, count + 1)), "b": list(range(1, count + 1))}
        assert spool.bytes_held < 2 * SMALL
