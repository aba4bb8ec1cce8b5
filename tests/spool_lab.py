"""What the tests of the spool share: opening one, filling it, reading all of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from connectors.pipeline.spool import Damage, Spool

SMALL = 600
"""Bytes of a segment."""


@contextlib.contextmanager
def opened(
    folder: Path, damages: list[Damage] | None = None, *, quota_bytes: int = 1 << 20
) -> Iterator[Spool]:
    report = None if damages is None else damages.append
    spool = Spool(folder, segment_bytes=SMALL, quota_bytes=quota_bytes, on_damage=report)
    try:
        yield spool
    finally:
        spool.close()


def made(count: int, start: int = 1) -> list[bytes]:
    return [b"payload %d " % i * (i % 5) for i in range(start, start + count)]


def read_all(spool: Spool, after: int = 0, most_bytes: int = 100) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while records := spool.read(after, most_bytes):
        numbers = [record.seq for record in records]
        assert numbers == sorted(set(numbers))
        assert numbers[0] > after
        found |= {record.seq: record.payload for record in records}
        after = numbers[-1]
    return found


def missing(damages: Sequence[Damage]) -> list[int]:
    """Numbers reported as lost, each as often as it was."""
    return sorted(seq for d in damages for seq in range(d.after_seq + 1, d.before_seq))


def filled(folder: Path, count: int = 60) -> dict[int, bytes]:
    payloads = made(count)
    with opened(folder) as spool:
        for start in range(0, count, 3):
            spool.append(payloads[start : start + 3])
    return dict(enumerate(payloads, 1))
