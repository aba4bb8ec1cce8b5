"""Facts of a drain: each record once, whatever happens between the disk, the memory and the consumer."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from connectors.pipeline.drain import Drain, Numbered
from connectors.pipeline.frames import Frame, encode_facts, encode_samples
from connectors.pipeline.spool import Record, Spool
from twin.errors import StoreError
from twin.telemetry import SampleBatch

TIMEOUT_S = 10.0


class Watched(Spool):
    """Does something before and after a read, on the thread that reads."""

    before: Callable[[], None] | None = None
    after: Callable[[], None] | None = None

    def read(self, after: int, most_bytes: int = 8 << 20) -> list[Record]:
        self.before, do = None, self.before
        if do is not None:
            do()
        records = super().read(after, most_bytes)
        self.after, do = None, self.after
        if do is not None:
            do()
        return records


class Taker(Drain):
    """Remembers what it is given; breaks so many times first."""

    def __init__(
        self,
        spool: Spool,
        breaks: Sequence[Exception] = (),
        sleep: Callable[[float], Coroutine[Any, Any, None]] = lambda _: asyncio.sleep(0),
    ) -> None:
        super().__init__("taker", spool, age_s=0.0, sleep=sleep)
        self.taken: list[int] = []
        self.missing: list[tuple[int, int]] = []
        self.breaks = list(breaks)

    def _take(self, records: list[Numbered], missing: tuple[int, int] | None) -> None:
        if self.breaks:
            raise self.breaks.pop()
        self.taken += [seq for seq, _ in records]
        self.missing += [] if missing is None else [missing]


def _frame(size: int = 1) -> Frame:
    return Frame("press", None, ({"kind": "letter", "payload": "x" * size},))


def _payload(size: int = 1) -> bytes:
    return encode_facts("press", _frame(size).facts)


async def _take_all(drain: Drain) -> None:
    """Everything that is in the spool."""
    running = asyncio.create_task(drain.run())
    async with asyncio.timeout(TIMEOUT_S):
        while drain.behind and not running.done():
            await asyncio.sleep(0.001)
        drain.close()
        await running


def test_a_record_that_is_told_of_while_the_disk_is_read_is_taken_once(tmp_path: Path) -> None:
    async def story() -> None:
        spool = Watched(tmp_path)
        drain, loop = Taker(spool), asyncio.get_running_loop()

        async def told() -> None:
            drain.offer(1, _frame(), 1)

        spool.append([_payload()])
        spool.before = lambda: asyncio.run_coroutine_threadsafe(told(), loop).result(TIMEOUT_S)
        await _take_all(drain)
        assert drain.taken == [1]
        spool.close()

    asyncio.run(story())


def test_every_record_is_taken_once_however_threads_take_turns(tmp_path: Path) -> None:
    async def story() -> None:
        spool = Spool(tmp_path)
        drain, payload = Taker(spool), _payload()
        running = asyncio.create_task(drain.run())
        for seq in range(1, 1501):
            await asyncio.to_thread(spool.append, [payload])
            drain.offer(seq, _frame(), len(payload))
        async with asyncio.timeout(TIMEOUT_S):
            while drain.behind:
                await asyncio.sleep(0.001)
            drain.close()
            await running
        assert (drain.taken, drain.missing) == (list(range(1, 1501)), [])
        spool.close()

    turns_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        asyncio.run(story())
    finally:
        sys.setswitchinterval(turns_s)


def test_a_record_that_comes_just_after_damage_was_found_is_taken(tmp_path: Path) -> None:
    async def story() -> None:
        spool = Watched(tmp_path)
        spool.cursor("taker")
        spool.append([_payload()])
        (segment,) = tmp_path.glob("*.seg")
        data = bytearray(segment.read_bytes())
        data[-1] ^= 1
        segment.write_bytes(data)
        drain = Taker(spool)
        spool.after = lambda: spool.append([_payload()]) and None
        await _take_all(drain)
        assert (drain.taken, drain.missing) == ([2], [(1, 1)])
        spool.close()

    asyncio.run(story())


def test_what_stands_behind_records_that_are_not_understood_is_taken(tmp_path: Path) -> None:
    async def story() -> None:
        spool = Spool(tmp_path)
        drain = Taker(spool)
        spool.append([b"\xff" * (5 << 20), _payload(), b"\xff", b"\xff", _payload()])
        await _take_all(drain)
        assert (drain.taken, drain.missing) == ([2, 5], [(1, 1), (3, 4)])
        spool.close()

    asyncio.run(story())


@pytest.mark.parametrize("error", [KeyError("series"), ValueError("no JSON"), MemoryError()])
def test_a_consumer_that_breaks_is_offered_the_same_again(error: Exception, tmp_path: Path) -> None:
    async def story() -> None:
        spool = Spool(tmp_path)
        drain = Taker(spool, [error])
        spool.append([_payload(), _payload()])
        await _take_all(drain)
        assert drain.taken == [1, 2]
        assert drain.error is None
        spool.close()

    asyncio.run(story())


def test_a_server_that_wishes_to_be_left_alone_for_a_year_is_asked_again_in_a_minute(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        spool, slept = Spool(tmp_path), list[float]()

        async def sleep(pause_s: float) -> None:
            slept.append(pause_s)

        busy = StoreError("HTTP 503")
        busy.retry_after_s = 31_536_000.0
        drain = Taker(spool, [busy], sleep)
        spool.append([_payload()])
        await _take_all(drain)
        assert (drain.taken, slept) == ([1], [60.0])
        spool.close()

    asyncio.run(story())


@pytest.mark.parametrize("kind", ["letters", "texts"])
def test_what_waits_for_a_consumer_in_memory_is_bounded_in_bytes(kind: str, tmp_path: Path) -> None:
    async def story() -> None:
        spool = Spool(tmp_path)
        drain = Taker(spool)
        text = np.full(1, "x" * 50_000, np.object_)
        one = np.zeros(1, np.int64)
        batch = SampleBatch(
            signals=("a",),
            code=one.astype(np.int32),
            value=np.full(1, np.nan),
            text=text,
            measured_us=one,
            available_us=one,
            quality=one.astype(np.int8),
        )
        letters = kind == "letters"
        frame = _frame(50_000) if letters else Frame("press", batch, ())
        payload = _payload(50_000) if letters else encode_samples("press", batch)
        for seq in range(1, 2001):
            spool.append([payload])
            drain.offer(seq, frame, len(payload))
        assert drain.held_bytes < 40 << 20
        await _take_all(drain)
        assert drain.taken == list(range(1, 2001))
        assert drain.held_bytes == 0
        spool.close()

    asyncio.run(story())
