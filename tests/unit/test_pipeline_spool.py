"""Facts of the spool: everything appended is handed out in order, or reported as lost, exactly."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.pipeline.spool import Damage, Spool
from twin.errors import DataError, StoreError

SMALL = 600
"""Bytes of a segment."""


@contextlib.contextmanager
def _spool(
    folder: Path, damages: list[Damage] | None = None, *, quota_bytes: int = 1 << 20
) -> Iterator[Spool]:
    report = None if damages is None else damages.append
    spool = Spool(folder, segment_bytes=SMALL, quota_bytes=quota_bytes, on_damage=report)
    try:
        yield spool
    finally:
        spool.close()


def _payloads(count: int, start: int = 1) -> list[bytes]:
    return [b"payload %d " % i * (i % 5) for i in range(start, start + count)]


def _all(spool: Spool, after: int = 0, most_bytes: int = 100) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while records := spool.read(after, most_bytes):
        numbers = [record.seq for record in records]
        assert numbers == sorted(set(numbers))
        assert numbers[0] > after
        found |= {record.seq: record.payload for record in records}
        after = numbers[-1]
    return found


def _lost(damages: Sequence[Damage]) -> list[int]:
    """Numbers reported as lost, each as often as it was."""
    return sorted(seq for d in damages for seq in range(d.after_seq + 1, d.before_seq))


def _filled(folder: Path, count: int = 60) -> dict[int, bytes]:
    payloads = _payloads(count)
    with _spool(folder) as spool:
        for start in range(0, count, 3):
            spool.append(payloads[start : start + 3])
    return dict(enumerate(payloads, 1))


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
    assert _all(spool, 0, most_bytes) == dict(enumerate(everything, 1))
    for after in range(len(everything) + 1):
        assert list(_all(spool, after)) == list(range(after + 1, len(everything) + 1))
    spool.close()
    shutil.rmtree(folder)


def test_unfinished_record_is_cut_off_at_every_byte(tmp_path: Path) -> None:
    payloads = _payloads(4)
    with _spool(tmp_path) as spool:
        spool.append(payloads[:3])
        (file,) = tmp_path.glob("*.seg")
        whole = file.stat().st_size
        before = (tmp_path / "extent").read_bytes()
        spool.append(payloads[3:])
    data = file.read_bytes()
    for size in range(whole, len(data)):
        damages: list[Damage] = []
        file.write_bytes(data[:size])
        (tmp_path / "extent").write_bytes(before)  # as it was when that append had not returned
        with _spool(tmp_path, damages) as spool:
            assert list(_all(spool)) == [1, 2, 3]
            assert spool.append([b"again"]) == 4
            assert _all(spool)[4] == b"again"
        assert damages == []


def test_record_that_a_power_cut_left_as_zeros_is_cut_off(tmp_path: Path) -> None:
    damages: list[Damage] = []
    with _spool(tmp_path) as spool:
        spool.append([b"one"])
        before = (tmp_path / "extent").read_bytes()
        spool.append([b"two"])
    (file,) = tmp_path.glob("*.seg")
    file.write_bytes(file.read_bytes()[:-3] + bytes(3))
    (tmp_path / "extent").write_bytes(before)
    with _spool(tmp_path, damages) as spool:
        assert _all(spool) == {1: b"one"}
        assert spool.append([b"again"]) == 2
        assert _all(spool) == {1: b"one", 2: b"again"}
    assert damages == []


def test_durable_record_that_is_gone_from_the_end_is_reported(tmp_path: Path) -> None:
    written = _filled(tmp_path, 4)
    (file,) = tmp_path.glob("*.seg")
    data = file.read_bytes()
    (tmp_path / "copy").mkdir()
    for size in range(len(data)):
        folder = tmp_path / "copy" / str(size)
        folder.mkdir()
        shutil.copy(tmp_path / "extent", folder)
        (folder / file.name).write_bytes(data[:size])
        damages: list[Damage] = []
        with _spool(folder, damages) as spool:
            found = _all(spool)
            assert found.items() <= written.items()
            assert sorted([*found, *_lost(damages)]) == list(written)
            assert spool.append([b"next"]) == 5
            assert _all(spool) == {**found, 5: b"next"}
            assert sorted([*found, *_lost(damages)]) == list(written)


def test_flipped_bits_are_reported_exactly_and_no_wrong_record_is_handed_out(
    tmp_path: Path,
) -> None:
    chance = random.Random(3)
    written = _filled(tmp_path / "whole")
    for round_ in range(150):
        folder = tmp_path / str(round_)
        shutil.copytree(tmp_path / "whole", folder)
        for _ in range(chance.choice([1, 1, 2, 5])):
            file = chance.choice(sorted(folder.glob("*.seg")))
            data = bytearray(file.read_bytes())
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            file.write_bytes(data)
        damages: list[Damage] = []
        with _spool(folder, damages) as spool:
            found = _all(spool)
            assert found.items() <= written.items()
            assert sorted([*found, *_lost(damages)]) == list(written)
            _all(spool)
            assert sorted([*found, *_lost(damages)]) == list(written), "reported once"
        shutil.rmtree(folder)


def test_damage_is_exact_wherever_reading_begins(tmp_path: Path) -> None:
    written = _filled(tmp_path)
    file = sorted(tmp_path.glob("*.seg"))[1]
    data = bytearray(file.read_bytes())
    at = data.find(b"LTR1", len(data) // 2)
    data[at + 9] ^= 1
    file.write_bytes(data)
    with _spool(tmp_path) as spool:
        (lost,) = set(written) - set(_all(spool))
    for after in range(len(written)):
        damages: list[Damage] = []
        with _spool(tmp_path, damages) as spool:
            assert set(_all(spool, after)) == set(range(after + 1, 61)) - {lost}
        assert _lost(damages) == ([lost] if lost > after else [])


def test_record_inside_a_payload_is_never_taken_for_one(tmp_path: Path) -> None:
    _filled(tmp_path / "inner", 8)
    inner = min((tmp_path / "inner").glob("*.seg")).read_bytes()
    folder = tmp_path / "outer"
    damages: list[Damage] = []
    with _spool(folder) as spool:
        spool.append([inner, b"behind"])
    (file,) = folder.glob("*.seg")
    data = bytearray(file.read_bytes())
    data[5] ^= 1
    file.write_bytes(data)
    with _spool(folder, damages) as spool:
        assert _all(spool) == {2: b"behind"}
    assert _lost(damages) == [1]


@pytest.mark.parametrize("split", range(6))
def test_record_behind_a_megabyte_of_damage_is_found(tmp_path: Path, split: int) -> None:
    damages: list[Damage] = []
    with contextlib.closing(Spool(tmp_path)) as spool:
        spool.append([bytes((1 << 20) - 24 - 2 + split), b"behind"])
    (file,) = tmp_path.glob("*.seg")
    with file.open("r+b") as content:
        content.write(b"\0")
    with contextlib.closing(Spool(tmp_path, on_damage=damages.append)) as spool:
        assert _all(spool) == {2: b"behind"}
    assert _lost(damages) == [1]


def test_damage_names_its_file(tmp_path: Path) -> None:
    _filled(tmp_path, 120)
    files = sorted(tmp_path.glob("*.seg"))
    os.truncate(files[1], files[1].stat().st_size - 1)
    files[3].write_bytes(bytes(files[3].stat().st_size))
    damages: list[Damage] = []
    with _spool(tmp_path, damages) as spool:
        _all(spool)
    assert [damage.segment for damage in damages] == [files[1].name, files[3].name]
    assert _lost(damages[1:]) == list(range(int(files[3].stem), int(files[4].stem)))
    assert str(damages[0]).startswith("1 records behind ")


@pytest.mark.parametrize("harm", ["delete", "empty"])
@pytest.mark.parametrize("which", [0, 1, -1])
@pytest.mark.parametrize("running", [True, False])
def test_segment_harmed_from_outside_is_reported(
    tmp_path: Path, harm: str, which: int, running: bool
) -> None:
    written = _filled(tmp_path, 66)
    damages: list[Damage] = []
    with contextlib.ExitStack() as stack:
        if running:
            spool = stack.enter_context(_spool(tmp_path, damages))
        file = sorted(tmp_path.glob("*.seg"))[which]
        assert which >= 0 or 0 < file.stat().st_size < SMALL, "the file that grows"
        file.unlink() if harm == "delete" else os.truncate(file, 0)
        if not running:
            spool = stack.enter_context(_spool(tmp_path, damages))
        found = _all(spool)
        assert 0 < len(found) < len(written)
        assert found.items() <= written.items()
        assert sorted([*found, *_lost(damages)]) == list(written)
        assert spool.append([b"next"]) == 67
        assert _all(spool) == {**found, 67: b"next"}
        assert sorted([*found, *_lost(damages)]) == list(written)


def test_numbers_never_go_back(tmp_path: Path) -> None:
    with _spool(tmp_path) as spool:
        spool.cursor("store")
        for payload in _payloads(50):
            spool.append([payload])
        spool.move("store", 50)
    for file in tmp_path.glob("*.seg"):
        file.unlink()
    with _spool(tmp_path) as spool:
        assert spool.append([b"x"]) == 51
    for file in (*tmp_path.glob("*.seg"), tmp_path / "extent"):
        file.unlink()
    with _spool(tmp_path) as spool:
        assert spool.cursor("store") == 50
        assert spool.append([b"x"]) == 51
        assert list(_all(spool, 50)) == [51]


def test_segment_goes_when_every_consumer_has_passed_it(tmp_path: Path) -> None:
    damages: list[Damage] = []
    with _spool(tmp_path, damages) as spool:
        assert (spool.cursor("a"), spool.cursor("b")) == (0, 0)
        for payload in _payloads(60):
            spool.append([payload])
        files = len(list(tmp_path.glob("*.seg")))
        spool.move("a", 60)
        assert len(list(tmp_path.glob("*.seg"))) == files
        assert (spool.waiting("a"), spool.waiting("b")) == (0, 60)
        spool.move("b", 30)
        assert 1 < len(list(tmp_path.glob("*.seg"))) < files
        assert list(_all(spool, 30)) == list(range(31, 61))
        held = spool.bytes_held
    with _spool(tmp_path, damages) as spool:
        assert spool.consumers == ("a", "b")
        assert (spool.cursor("a"), spool.cursor("b"), spool.last_seq) == (60, 30, 60)
        assert spool.bytes_held == held
        assert list(_all(spool, 30)) == list(range(31, 61))
        assert list(_all(spool))[-30:] == list(range(31, 61))
        spool.drop_consumer("b")
        assert spool.consumers == ("a",)
        assert len(list(tmp_path.glob("*.seg"))) <= 1
        assert spool.append([b"x"]) == 61
    with _spool(tmp_path, damages) as spool:
        assert spool.cursor("a") == 60
        assert list(_all(spool, 60)) == [61]
        newcomer = spool.cursor("c")
        assert list(_all(spool, newcomer)) == list(range(newcomer + 1, 62))
    assert damages == []


def test_damage_behind_deleted_segments_is_exact(tmp_path: Path) -> None:
    damages: list[Damage] = []
    with _spool(tmp_path) as spool:
        for payload in _payloads(60):
            spool.append([payload])
        spool.move("store", 30)
    first, second = sorted(tmp_path.glob("*.seg"))[:2]
    first.unlink()
    with _spool(tmp_path, damages) as spool:
        assert min(_all(spool)) == int(second.stem)
    assert _lost(damages) == list(range(int(first.stem), int(second.stem)))


def test_cursor_that_cannot_be_read_begins_with_the_oldest_record(tmp_path: Path) -> None:
    with _spool(tmp_path) as spool:
        for payload in _payloads(60):
            spool.append([payload])
        spool.move("store", 30)
    first = min(tmp_path.glob("*.seg"))
    (tmp_path / "store.cursor").write_bytes(b"")
    with _spool(tmp_path) as spool:
        assert 1 < spool.cursor("store") + 1 == int(first.stem) <= 31
        assert spool.waiting("store") == len(_all(spool, spool.cursor("store")))


def test_cursor_never_goes_back_nor_ahead_of_the_last_record(tmp_path: Path) -> None:
    with _spool(tmp_path) as spool:
        spool.append([b"a", b"b"])
        spool.move("store", 2)
        spool.move("store", 1)
        assert spool.cursor("store") == 2
        with pytest.raises(DataError, match="the last is 2"):
            spool.move("store", 3)


def test_damaged_cursor_falls_back_and_never_ahead(tmp_path: Path) -> None:
    with _spool(tmp_path / "whole") as spool:
        spool.append(_payloads(9))
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
        with _spool(tmp_path / "copy") as spool:
            seen.add(spool.cursor("store"))
            spool.move("store", 8)
            assert spool.cursor("store") == 8
        with _spool(tmp_path / "copy") as spool:
            assert spool.cursor("store") == 8
        shutil.rmtree(tmp_path / "copy")
    assert seen == {5, 7}
    for torn in (b"", data[:20], bytes(len(data))):
        cursor.write_bytes(torn)
        with _spool(tmp_path / "whole") as spool:
            assert spool.cursor("store") == 0


def test_name_of_a_consumer_may_be_anything(tmp_path: Path) -> None:
    names = ("influx:http://127.0.0.1:8086/a b", "..", "ü.cursor", "x")
    with _spool(tmp_path) as spool:
        spool.append([b"a"])
        for name in names:
            spool.move(name, 1)
    with _spool(tmp_path) as spool:
        assert spool.consumers == tuple(sorted(names))
        assert all(spool.cursor(name) == 1 for name in names)


def test_full_spool_has_room_again_when_the_consumers_have_moved_on(tmp_path: Path) -> None:
    with _spool(tmp_path, quota_bytes=4000) as spool:
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
    with _spool(tmp_path), pytest.raises(StoreError, match=f"process {os.getpid()}") as refused:
        Spool(tmp_path)
    assert "\n" not in str(refused.value)
    with _spool(tmp_path) as spool:
        assert spool.append([b"a"]) == 1


def test_closed_spool_takes_nothing(tmp_path: Path) -> None:
    with _spool(tmp_path) as spool:
        spool.close()
        with pytest.raises(StoreError, match="closed"):
            spool.append([b"a"])


def test_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        Spool(tmp_path / "file" / "spool")


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int, int], None]:
    """``faulty(call, times, errno)``: the next calls of a function of ``os`` fail as a disk does."""

    def install(call: str, times: int, number: int) -> None:
        real, left = getattr(os, call), [times]

        def fail(*args: object) -> object:
            if left[0]:
                left[0] -= 1
                raise OSError(number, os.strerror(number))
            return real(*args)

        target = "connectors.durable._sync_data" if call == "fdatasync" else f"os.{call}"
        monkeypatch.setattr(target, fail)

    return install


@pytest.mark.parametrize("cut_fails", [False, True])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
def test_failed_append_leaves_nothing_and_may_be_repeated(
    tmp_path: Path, faulty: Callable[[str, int, int], None], call: str, first: bool, cut_fails: bool
) -> None:
    damages: list[Damage] = []
    with _spool(tmp_path, damages) as spool:
        before = 0 if first else spool.append([b"before"])
        faulty(call, 2, errno.EIO)
        if cut_fails:
            faulty("ftruncate", 2, errno.EIO)
        for _ in range(2):
            with pytest.raises(StoreError, match="2 records not stored"):
                spool.append([b"one", b"two"])
            assert list(_all(spool)) == list(range(1, before + 1))
        assert spool.append([b"one", b"two"]) == before + 2
        everything = _all(spool)
        assert list(everything.values())[-2:] == [b"one", b"two"]
    with _spool(tmp_path, damages) as spool:
        assert _all(spool) == everything
    assert damages == []


def test_file_begun_again_after_a_failed_sync_stays_until_it_is_passed(
    tmp_path: Path, faulty: Callable[[str, int, int], None]
) -> None:
    with _spool(tmp_path) as spool:
        spool.cursor("store")
        faulty("fdatasync", 1, errno.EIO)
        with pytest.raises(StoreError):
            spool.append([b"x"])
        for payload in _payloads(60):
            spool.append([payload])
        spool.drop_consumer("another")
        spool.move("store", 1)
        assert list(_all(spool)) == list(range(1, 61))


def test_after_a_failed_sync_the_next_record_goes_into_another_file(
    tmp_path: Path, faulty: Callable[[str, int, int], None]
) -> None:
    with _spool(tmp_path) as spool:
        spool.append([b"before"])
        faulty("fdatasync", 1, errno.EIO)
        with pytest.raises(StoreError):
            spool.append([b"x"])
        spool.append([b"x"])
    assert [int(file.stem) for file in sorted(tmp_path.glob("*.seg"))] == [1, 2]


def test_bad_sector_costs_only_the_records_that_lie_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damages: list[Damage] = []
    payloads = [bytes([i]) * 3000 for i in range(1, 11)]
    with contextlib.closing(Spool(tmp_path, on_damage=damages.append)) as spool:
        spool.append(payloads)
        real = os.pread

        def pread(fd: int, size: int, offset: int) -> bytes:
            if offset < 13_000 and offset + size > 12_500:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return real(fd, size, offset)

        monkeypatch.setattr(os, "pread", pread)
        found = _all(spool)
    assert sorted([*found, *_lost(damages)]) == list(range(1, 11))
    assert 0 < len(_lost(damages)) <= 3


def test_readers_in_other_threads_see_every_record_once_it_is_durable(tmp_path: Path) -> None:
    count = 400
    with _spool(tmp_path) as spool:
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
