"""What a spool does when its files are harmed, or the disk says no."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.pipeline.spool import Damage, Spool
from tests.spool_lab import SMALL, filled, made, missing, opened, read_all
from twin.errors import StoreError


def test_unfinished_record_is_cut_off_at_every_byte(tmp_path: Path) -> None:
    payloads = made(4)
    with opened(tmp_path) as spool:
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
        with opened(tmp_path, damages) as spool:
            assert list(read_all(spool)) == [1, 2, 3]
            assert spool.append([b"again"]) == 4
            assert read_all(spool)[4] == b"again"
        assert damages == []


def test_record_that_a_power_cut_left_as_zeros_is_cut_off(tmp_path: Path) -> None:
    damages: list[Damage] = []
    with opened(tmp_path) as spool:
        spool.append([b"one"])
        before = (tmp_path / "extent").read_bytes()
        spool.append([b"two"])
    (file,) = tmp_path.glob("*.seg")
    file.write_bytes(file.read_bytes()[:-3] + bytes(3))
    (tmp_path / "extent").write_bytes(before)
    with opened(tmp_path, damages) as spool:
        assert read_all(spool) == {1: b"one"}
        assert spool.append([b"again"]) == 2
        assert read_all(spool) == {1: b"one", 2: b"again"}
    assert damages == []


def test_durable_record_that_is_gone_from_the_end_is_reported(tmp_path: Path) -> None:
    written = filled(tmp_path, 4)
    (file,) = tmp_path.glob("*.seg")
    data = file.read_bytes()
    (tmp_path / "copy").mkdir()
    for size in range(len(data)):
        folder = tmp_path / "copy" / str(size)
        folder.mkdir()
        shutil.copy(tmp_path / "extent", folder)
        (folder / file.name).write_bytes(data[:size])
        damages: list[Damage] = []
        with opened(folder, damages) as spool:
            found = read_all(spool)
            assert found.items() <= written.items()
            assert sorted([*found, *missing(damages)]) == list(written)
            assert spool.append([b"next"]) == 5
            assert read_all(spool) == {**found, 5: b"next"}
            assert sorted([*found, *missing(damages)]) == list(written)


def test_flipped_bits_are_reported_exactly_and_no_wrong_record_is_handed_out(
    tmp_path: Path,
) -> None:
    chance = random.Random(3)
    written = filled(tmp_path / "whole")
    for round_ in range(150):
        folder = tmp_path / str(round_)
        shutil.copytree(tmp_path / "whole", folder)
        for _ in range(chance.choice([1, 1, 2, 5])):
            file = chance.choice(sorted(folder.glob("*.seg")))
            data = bytearray(file.read_bytes())
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            file.write_bytes(data)
        damages: list[Damage] = []
        with opened(folder, damages) as spool:
            found = read_all(spool)
            assert found.items() <= written.items()
            assert sorted([*found, *missing(damages)]) == list(written)
            read_all(spool)
            assert sorted([*found, *missing(damages)]) == list(written), "reported once"
        shutil.rmtree(folder)


def test_damage_is_exact_wherever_reading_begins(tmp_path: Path) -> None:
    written = filled(tmp_path)
    file = sorted(tmp_path.glob("*.seg"))[1]
    data = bytearray(file.read_bytes())
    at = data.find(b"LTR1", len(data) // 2)
    data[at + 9] ^= 1
    file.write_bytes(data)
    with opened(tmp_path) as spool:
        (lost,) = set(written) - set(read_all(spool))
    for after in range(len(written)):
        damages: list[Damage] = []
        with opened(tmp_path, damages) as spool:
            assert set(read_all(spool, after)) == set(range(after + 1, 61)) - {lost}
        assert missing(damages) == ([lost] if lost > after else [])


def test_record_inside_a_payload_is_never_taken_for_one(tmp_path: Path) -> None:
    filled(tmp_path / "inner", 8)
    inner = min((tmp_path / "inner").glob("*.seg")).read_bytes()
    folder = tmp_path / "outer"
    damages: list[Damage] = []
    with opened(folder) as spool:
        spool.append([inner, b"behind"])
    (file,) = folder.glob("*.seg")
    data = bytearray(file.read_bytes())
    data[5] ^= 1
    file.write_bytes(data)
    with opened(folder, damages) as spool:
        assert read_all(spool) == {2: b"behind"}
    assert missing(damages) == [1]


@pytest.mark.parametrize("split", range(6))
def test_record_behind_a_megabyte_of_damage_is_found(tmp_path: Path, split: int) -> None:
    damages: list[Damage] = []
    with contextlib.closing(Spool(tmp_path)) as spool:
        spool.append([bytes((1 << 20) - 24 - 2 + split), b"behind"])
    (file,) = tmp_path.glob("*.seg")
    with file.open("r+b") as content:
        content.write(b"\0")
    with contextlib.closing(Spool(tmp_path, on_damage=damages.append)) as spool:
        assert read_all(spool) == {2: b"behind"}
    assert missing(damages) == [1]


def test_damage_names_its_file(tmp_path: Path) -> None:
    filled(tmp_path, 120)
    files = sorted(tmp_path.glob("*.seg"))
    os.truncate(files[1], files[1].stat().st_size - 1)
    files[3].write_bytes(bytes(files[3].stat().st_size))
    damages: list[Damage] = []
    with opened(tmp_path, damages) as spool:
        read_all(spool)
    assert [damage.segment for damage in damages] == [files[1].name, files[3].name]
    assert missing(damages[1:]) == list(range(int(files[3].stem), int(files[4].stem)))
    assert str(damages[0]).startswith("1 records behind ")


@pytest.mark.parametrize("harm", ["delete", "empty"])
@pytest.mark.parametrize("which", [0, 1, -1])
@pytest.mark.parametrize("running", [True, False])
def test_segment_harmed_from_outside_is_reported(
    tmp_path: Path, harm: str, which: int, running: bool
) -> None:
    written = filled(tmp_path, 66)
    damages: list[Damage] = []
    with contextlib.ExitStack() as stack:
        if running:
            spool = stack.enter_context(opened(tmp_path, damages))
        file = sorted(tmp_path.glob("*.seg"))[which]
        assert which >= 0 or 0 < file.stat().st_size < SMALL, "the file that grows"
        file.unlink() if harm == "delete" else os.truncate(file, 0)
        if not running:
            spool = stack.enter_context(opened(tmp_path, damages))
        found = read_all(spool)
        assert 0 < len(found) < len(written)
        assert found.items() <= written.items()
        assert sorted([*found, *missing(damages)]) == list(written)
        assert spool.append([b"next"]) == 67
        assert read_all(spool) == {**found, 67: b"next"}
        assert sorted([*found, *missing(damages)]) == list(written)


def test_damage_behind_deleted_segments_is_exact(tmp_path: Path) -> None:
    damages: list[Damage] = []
    with opened(tmp_path) as spool:
        for payload in made(60):
            spool.append([payload])
        spool.move("store", 30)
    first, second = sorted(tmp_path.glob("*.seg"))[:2]
    first.unlink()
    with opened(tmp_path, damages) as spool:
        assert min(read_all(spool)) == int(second.stem)
    assert missing(damages) == list(range(int(first.stem), int(second.stem)))


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
    with opened(tmp_path, damages) as spool:
        before = 0 if first else spool.append([b"before"])
        faulty(call, 2, errno.EIO)
        if cut_fails:
            faulty("ftruncate", 2, errno.EIO)
        for _ in range(2):
            with pytest.raises(StoreError, match="2 records not stored"):
                spool.append([b"one", b"two"])
            assert list(read_all(spool)) == list(range(1, before + 1))
        assert spool.append([b"one", b"two"]) == before + 2
        everything = read_all(spool)
        assert list(everything.values())[-2:] == [b"one", b"two"]
    with opened(tmp_path, damages) as spool:
        assert read_all(spool) == everything
    assert damages == []


def test_file_begun_again_after_a_failed_sync_stays_until_it_is_passed(
    tmp_path: Path, faulty: Callable[[str, int, int], None]
) -> None:
    with opened(tmp_path) as spool:
        spool.cursor("store")
        faulty("fdatasync", 1, errno.EIO)
        with pytest.raises(StoreError):
            spool.append([b"x"])
        for payload in made(60):
            spool.append([payload])
        spool.drop_consumer("another")
        spool.move("store", 1)
        assert list(read_all(spool)) == list(range(1, 61))


def test_after_a_failed_sync_the_next_record_goes_into_another_file(
    tmp_path: Path, faulty: Callable[[str, int, int], None]
) -> None:
    with opened(tmp_path) as spool:
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
        found = read_all(spool)
    assert sorted([*found, *missing(damages)]) == list(range(1, 11))
    assert 0 < len(missing(damages)) <= 3
