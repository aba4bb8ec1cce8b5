"""From the spool to one consumer: read in order, offered until taken, then the cursor moves."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from connectors.pipeline.frames import Frame, decode_frame
from connectors.pipeline.spool import Spool
from twin.errors import DataError, LinetwinError

__all__ = ["Drain", "Numbered"]

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
LONGEST_WISH_S = 60.0
"""However long a server, or a proxy before it, wishes to be left alone. [s]"""
TAIL_BYTES = 4 << 20
"""Records that stay in memory for a consumer that keeps up; the rest is read back from disk."""
BATCH_ROWS = 50_000
READ_BYTES = 4 << 20

logger = logging.getLogger(__name__)

Numbered = tuple[int, Frame]
"""The number of a record, and what it says."""


class Drain(ABC):
    """One consumer of the spool, with a cursor and a thread of its own.

    What the consumer does not take is offered again, later and later. After a crash the records
    since the cursor come once more, so a consumer must not mind a repeat.
    """

    def __init__(
        self,
        name: str,
        spool: Spool,
        *,
        age_s: float,
        sleep: Callable[[float], Coroutine[Any, Any, None]],
    ) -> None:
        """Prepare; the consumer holds the segments from its cursor on.

        Args:
            name: Of the cursor; another name begins with what is in the spool.
            spool: What is read.
            age_s: How long a record waits for others, when the consumer keeps up. [s]
            sleep: Waits between attempts.
        """
        self.name = name
        self.error: str | None = None
        """Why nothing is taken now."""
        self._spool = spool
        self._age_s = age_s
        self._sleep = sleep
        self._done = spool.cursor(name)
        spool.move(name, self._done)
        self._reached = self._done
        """Last record that is in the tail or being offered."""
        self._reading = False
        self._tail: deque[tuple[int, Frame, int]] = deque()
        self._tail_bytes = 0
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"drain-{name}")

    @property
    def behind(self) -> int:
        """Records that this consumer has not taken."""
        return max(0, self._spool.last_seq - self._done)

    @property
    def held_bytes(self) -> int:
        """Bytes of the records that wait in memory."""
        return self._tail_bytes

    def offer(self, seq: int, frame: Frame, size: int) -> None:
        """A record of ``size`` bytes has just become durable; it stays in memory when there is room."""
        follows = seq == self._reached + 1 and not self._reading
        if follows and self._tail_bytes < TAIL_BYTES:
            self._tail.append((seq, frame, size))
            self._tail_bytes += size
            self._reached = seq
        self._wake.set()

    def close(self) -> None:
        """Nothing more comes: ``run`` returns when everything is taken."""
        self._closing.set()
        self._wake.set()

    async def run(self) -> None:
        """Offer what is in the spool, and what comes, until ``close``."""
        try:
            while True:
                records = self._from_tail()
                late = not records
                records = records or await self._from_disk()
                if records:
                    await self._until_taken(records)
                    late = late and self._spool.last_seq > self._reached
                    if not (self._tail or late or self._closing.is_set()):
                        await self._pause(self._age_s)
                elif self._closing.is_set() and self._spool.last_seq <= self._reached:
                    return
                else:
                    await self._idle()
        finally:
            self._thread.shutdown(wait=False)

    @abstractmethod
    def _take(self, records: list[Numbered], missing: tuple[int, int] | None) -> None:
        """Take records; runs on the drain's thread, and again with the same ones after an error.

        Args:
            records: In order.
            missing: First and last number of records before these that could not be read back.

        Raises:
            Exception: Not now; all of it is offered again.
        """

    async def _settle(self) -> None:
        """On the event loop, between taking and moving the cursor, which comes after."""
        return

    async def _idle(self) -> None:
        self._wake.clear()
        if self._tail or self._spool.last_seq > self._reached or self._closing.is_set():
            return
        await self._wake.wait()

    async def _pause(self, seconds: float) -> None:
        if seconds:
            try:
                async with asyncio.timeout(seconds):
                    await self._closing.wait()
            except TimeoutError:
                pass

    def _from_tail(self) -> list[Numbered]:
        records: list[Numbered] = []
        rows = 0
        while self._tail and rows < BATCH_ROWS:
            seq, frame, size = self._tail.popleft()
            records.append((seq, frame))
            rows += _rows(frame)
            self._tail_bytes -= size
        return records

    async def _from_disk(self) -> list[Numbered]:
        if self._spool.last_seq <= self._reached:
            return []
        self._reading = True  # what is offered meanwhile may be among what is read
        try:
            found: tuple[list[Numbered], int] = await self._persist(self._read, self._reached)
        finally:
            self._reading = False
        records, self._reached = found
        return records

    def _read(self, after: int) -> tuple[list[Numbered], int]:
        """The next records without a hole among them, and how far they were looked for."""
        last = self._spool.last_seq  # now: what comes during the read is not lost when not found
        found = self._spool.read(after, READ_BYTES)
        records: list[Numbered] = []
        for record in found:
            if records and record.seq != records[-1][0] + 1:
                break
            after = record.seq
            try:
                records.append((record.seq, decode_frame(record.payload)))
            except DataError:  # whole by its checksum: another version wrote it
                logger.exception("record %d of the spool is not understood", record.seq)
        return records, after if found else last

    async def _until_taken(self, records: list[Numbered]) -> None:
        first = records[0][0]
        missing = (self._done + 1, first - 1) if first > self._done + 1 else None
        await self._persist(self._take, records, missing)
        await self._settle()
        self._done = records[-1][0]
        await self._persist(self._spool.move, self.name, self._done)

    async def _persist(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call on the drain's thread until it works; what a consumer throws stops no other one."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                found = await asyncio.get_running_loop().run_in_executor(
                    self._thread, function, *args
                )
            except Exception as e:
                expected = isinstance(e, LinetwinError)
                error = str(e) if expected else f"{type(e).__name__}: {e}"
                if self.error is None:
                    logger.warning("%s takes nothing: %s", self.name, error, exc_info=not expected)
                self.error = error
                wish_s = getattr(e, "retry_after_s", None) or pause_s
                await self._sleep(min(wish_s, LONGEST_WISH_S))
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            else:
                if self.error is not None:
                    logger.warning("%s takes samples again", self.name)
                    self.error = None
                return found


def _rows(frame: Frame) -> int:
    return 1 if frame.batch is None else len(frame.batch)
