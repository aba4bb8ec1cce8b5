"""Disks that are full or lie, and stores that are slow: the plant is held back, nothing is thrown away."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.field_lab import free_port
from tests.torture_lab import (
    FULL,
    Broker,
    Rig,
    json_unit,
    needs_mosquitto,
    needs_node_opcua,
    opcua_unit,
    rig,
)

__all__ = ["rig"]

pytestmark = pytest.mark.slow

FULL_S = 60.0 if FULL else 6.0


@contextlib.contextmanager
def small_disk(at: Path, megabytes: int) -> Iterator[Path]:
    """A file system of this size; the tests that need one are skipped where nobody may mount."""
    at.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(at)]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        pytest.skip("no program mount (Debian package mount)")
    if done.returncode:
        pytest.skip(f"mounting a small disk is not permitted here: {done.stderr.decode().strip()}")
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)


def fill(disk: Path) -> Path:
    """A file that takes all the room that is left."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
    return ballast


@needs_mosquitto
@needs_node_opcua
def test_a_full_disk_holds_the_plant_back_until_there_is_room(rig: Rig) -> None:
    with small_disk(rig.data, 48):
        broker, port = Broker(rig), free_port()
        rig.plant(json_unit(broker.url, 10), opcua_unit("nod", port, 10))
        writers = [
            rig.json_writer(broker.port, rate=200, paused=True),
            rig.node_opcua_server(port, nodes=10, rate=20, paused=True),
        ]
        ingest = rig.ingest()
        ingest.subscribed()
        for writer in writers:
            writer.tell("resume")
        time.sleep(1.5)
        before = [writer.written() for writer in writers]
        ballast = fill(rig.data)
        time.sleep(FULL_S)
        after = [writer.written() for writer in writers]
        assert all(b > a + 500 for a, b in zip(before, after, strict=True))
        ballast.unlink()
        time.sleep(1.0)
        for writer in writers:
            writer.tell("pause")
        writers[0].tell("drain")
        ingest.settle(3.0)
        assert ingest.terminate() == 0
        scores = rig.scores()
        assert all(s.is_whole() and not s.gaps for s in scores.values())
        log = ingest.log.read_text()
        assert log.count("nothing is taken: spool") == 1
        assert log.count("the spool takes samples again") == 1


def newest_segment(data: Path) -> Path:
    return max((data / "spool").glob("*.seg"), key=lambda file: file.stat().st_mtime)


@needs_mosquitto
@pytest.mark.parametrize("how", ["torn", "flipped"])
def test_a_damaged_spool_gives_what_is_whole_and_marks_what_is_not(rig: Rig, how: str) -> None:
    """A torn tail was never acknowledged: it comes again. A flipped bit takes one record with it."""
    broker = Broker(rig)
    rig.plant(json_unit(broker.url, 10))
    writer = rig.json_writer(broker.port, rate=200, paused=True)
    ingest = rig.ingest("--slow-store-s", 3600)
    ingest.subscribed()
    writer.tell("resume")
    time.sleep(4.0)
    assert writer.written() > 500
    ingest.kill()
    segment = newest_segment(rig.data)
    content = bytearray(segment.read_bytes())
    if how == "torn":
        segment.write_bytes(content + content[-200:-60])
    else:
        content[len(content) // 2] ^= 0x10
        segment.write_bytes(content)
    ingest = rig.ingest()
    ingest.subscribed()
    writer.tell("pause")
    writer.tell("drain")
    ingest.settle()
    assert ingest.terminate() == 0
    score = rig.scores()["mqt"]
    assert score.is_whole()
    if how == "torn":
        assert not score.gaps
    else:
        # Whose values the record had cannot be read any more: each signal has a mark, right there.
        assert 0 < len(score.in_gaps) < 200
        lost_us = [at for _, at in score.in_gaps]
        assert {signal for signal, _ in score.gaps} == set(rig.units[0].signals().values())
        assert all(min(lost_us) - 200_000 < at <= max(lost_us) + 200_000 for _, at in score.gaps)


@needs_mosquitto
def test_a_store_of_one_commit_a_second_takes_a_burst_of_ten_times_the_rate(rig: Rig) -> None:
    broker = Broker(rig)
    rig.plant(json_unit(broker.url, 10))
    writer = rig.json_writer(broker.port, rate=200, paused=True)
    ingest = rig.ingest("--slow-store-s", 1)
    ingest.subscribed()
    writer.tell("resume")
    time.sleep(3.0)
    before = writer.tell("rate 2000")
    time.sleep(30.0 if FULL else 4.0)
    assert writer.tell("rate 200") - before > 5_000
    time.sleep(2.0)
    writer.tell("pause")
    writer.tell("drain")
    ingest.settle(2.0)
    assert ingest.peak_mb() < 300
    assert ingest.terminate() == 0
    score = rig.scores()["mqt"]
    assert score.is_whole()
    assert not score.gaps
