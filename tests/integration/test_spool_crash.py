"""The spool against real ends of processes, full disks and second owners."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.pipeline.spool import Damage, Spool
from twin.errors import StoreError

SMALL = 64 << 10
"""Bytes of a segment."""

_WRITER = """
    import sys
    from pathlib import Path
    from connectors.pipeline.spool import Spool

    spool = Spool(Path(sys.argv[1]), segment_bytes=65536)
    print("open", spool.last_seq, flush=True)
    while True:
        first = spool.last_seq + 1
        count = first % 7 + 1
        last = spool.append([b"%d;" % seq * (seq % 900) for seq in range(first, first + count)])
        print(last, flush=True)
"""

_LIMITED = """
    import resource, sys
    from pathlib import Path
    from connectors.pipeline.spool import Spool
    from twin.errors import StoreError

    spool = Spool(Path(sys.argv[1]))
    refused = 0
    while spool.last_seq < 200:
        if spool.last_seq == 100 and not refused:
            resource.setrlimit(resource.RLIMIT_FSIZE, (spool.bytes_held + 700, resource.RLIM_INFINITY))
        payloads = [b"%d;" % seq * 100 for seq in (spool.last_seq + 1, spool.last_seq + 2)]
        try:
            spool.append(payloads)
        except StoreError as e:
            refused += 1
            if refused == 3:
                resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    print(refused)
"""


def _python(program: str, folder: Path) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(program), str(folder)]


def _all(folder: Path) -> tuple[dict[int, bytes], list[Damage]]:
    damages: list[Damage] = []
    found: dict[int, bytes] = {}
    with contextlib.closing(Spool(folder, segment_bytes=SMALL, on_damage=damages.append)) as spool:
        while records := spool.read(max(found, default=0)):
            found |= {record.seq: record.payload for record in records}
    return found, damages


@pytest.mark.slow
def test_killed_writer_loses_nothing_that_append_returned(tmp_path: Path) -> None:
    chance = random.Random(1)
    acknowledged = 0
    for _ in range(20):
        with subprocess.Popen(_python(_WRITER, tmp_path), stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert int(writer.stdout.readline().split()[1]) >= acknowledged
            wanted = chance.randrange(1, 60)
            printed = [int(writer.stdout.readline()) for _ in range(wanted)]
            writer.send_signal(signal.SIGKILL)
            printed += [int(line) for line in writer.stdout.read().splitlines() if line]
        assert writer.returncode == -signal.SIGKILL
        assert printed[-1] > acknowledged, "the writer made progress"
        acknowledged = printed[-1]
        found, damages = _all(tmp_path)
        assert damages == []
        assert len(found) >= acknowledged
        assert list(found) == list(range(1, len(found) + 1))
        assert all(payload == b"%d;" % seq * (seq % 900) for seq, payload in found.items())


def test_limit_on_the_size_of_files_is_survived(tmp_path: Path) -> None:
    done = subprocess.run(
        _python(_LIMITED, tmp_path), check=True, capture_output=True, text=True, timeout=60
    )
    assert int(done.stdout) == 3
    found, damages = _all(tmp_path)
    assert found == {seq: b"%d;" % seq * 100 for seq in range(1, 201)}
    assert damages == []


@pytest.fixture
def little_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    mount = shutil.which("mount")
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if (
        mount is None
        or subprocess.run([mount, *options], capture_output=True, check=False).returncode
    ):
        pytest.skip(
            "a small tmpfs cannot be mounted here: that takes mount (package: mount) and root"
        )
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk_is_survived_and_consumers_make_room_on_it(little_disk: Path) -> None:
    damages: list[Damage] = []
    ballast = little_disk / "ballast"
    ballast.write_bytes(bytes(500 << 10))
    folder = little_disk / "spool"
    spool = Spool(folder, segment_bytes=SMALL, on_damage=damages.append)
    with contextlib.closing(spool):
        spool.cursor("store")
        refusals: list[str] = []
        seq, found = 1, 0
        while len(refusals) < 3:
            try:
                seq = spool.append([b"%d;" % seq * 1000, b"%d;" % (seq + 1) * 1000]) + 1
            except StoreError as e:
                refusals.append(str(e))
        assert all("No space left" in refusal for refusal in refusals)
        full_at = seq
        for record in spool.read(0, 1 << 30):
            assert record.payload == b"%d;" % record.seq * 1000
            spool.move("store", record.seq)
            found += 1
        assert found == full_at - 1
        ballast.unlink()
        for _ in range(3 * full_at):
            seq = spool.append([b"%d;" % seq * 1000]) + 1
            spool.move("store", seq - 2)
        assert [record.seq for record in spool.read(spool.cursor("store"))] == [seq - 1]
        assert (spool.cursor("store"), spool.last_seq) == (seq - 2, seq - 1)
    assert damages == []


def test_second_process_is_refused_in_one_line_until_the_first_has_ended(tmp_path: Path) -> None:
    with subprocess.Popen(_python(_WRITER, tmp_path), stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        try:
            with pytest.raises(StoreError, match=f"process {writer.pid}") as refused:
                Spool(tmp_path)
            assert "\n" not in str(refused.value)
        finally:
            os.kill(writer.pid, signal.SIGKILL)
    found, damages = _all(tmp_path)
    assert list(found) == list(range(1, len(found) + 1))
    assert damages == []
