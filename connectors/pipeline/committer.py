"""Group commit: what all sources handed over goes to disk together, with one sync, and then they are told."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from connectors.pipeline.frames import Frame, encode_facts, encode_samples
from connectors.pipeline.lane import Lane, Parcel
from connectors.pipeline.spool import Spool
from twin.errors import StoreError

__all__ = ["Committer"]

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0

logger = logging.getLogger(__name__)

_Taken = list[tuple[Lane, list[Parcel]]]
_Note = tuple[str, Sequence[Mapping[str, Any]], "asyncio.Future[None]"]


class Committer:
    """The one writer of the spool.

    A commit takes everything that waits. While the disk works more arrives, so the batches grow
    with the load by themselves.
    """

    def __init__(
        self,
        spool: Spool,
        lanes: Callable[[], Sequence[Lane]],
        offer: Callable[[int, Frame, int], None],
        *,
        linger_s: float,
        sleep: Callable[[float], Coroutine[Any, Any, None]],
    ) -> None:
        """Prepare.

        Args:
            spool: Where records go.
            lanes: The sources of this moment.
            offer: Told of each record that is durable, and of its bytes, in order.
            linger_s: How long the first delivery of a commit waits for others. [s]
            sleep: Waits between attempts.
        """
        self.error: str | None = None
        """Why nothing is taken now, with its remedy."""
        self._spool = spool
        self._lanes = lanes
        self._offer = offer
        self._linger_s = linger_s
        self._sleep = sleep
        self._notes: list[_Note] = []
        self._some = asyncio.Event()
        self._hurry = asyncio.Event()
        self._closing = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool-writer")

    def wake(self, hurry: bool) -> None:
        """Something waits; it should not wait for others when in a ``hurry``."""
        self._some.set()
        if hurry:
            self._hurry.set()

    async def note(self, source: str, facts: Sequence[Mapping[str, Any]]) -> None:
        """Put facts on disk, and with them all that waits; returns when they are there.

        Facts pass a full spool, because a store may have to note one before it can move on.
        """
        done = asyncio.get_running_loop().create_future()
        self._notes.append((source, facts, done))
        self.wake(hurry=True)
        await done

    def close(self) -> None:
        """Nothing more comes: ``run`` returns when everything is on disk."""
        self._closing = True
        self.wake(hurry=True)

    async def run(self) -> None:
        """Commit until ``close``."""
        try:
            while True:
                await self._some.wait()
                if not self._hurry.is_set():
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(self._linger_s):
                            await self._hurry.wait()
                last = self._closing
                if not last:
                    self._some.clear()
                    self._hurry.clear()
                await self._commit()
                if last:
                    return
        finally:
            self._thread.shutdown(wait=False)

    async def _commit(self) -> None:
        await self._room()
        taken = [(lane, parcels) for lane in self._lanes() if (parcels := lane.take())]
        notes, self._notes = self._notes, []
        if not (taken or notes):
            return
        loop = asyncio.get_running_loop()
        frames, payloads = await loop.run_in_executor(self._thread, _prepared, taken, notes)
        if payloads:
            last = await self._append(payloads)
            sizes = map(len, payloads)
            for seq, frame, size in zip(
                range(last - len(frames) + 1, last + 1), frames, sizes, strict=True
            ):
                self._offer(seq, frame, size)
        for lane, parcels in taken:
            lane.is_durable(parcels)
        for _, _, done in notes:
            if not done.done():
                done.set_result(None)

    async def _append(self, payloads: list[bytes]) -> int:
        pause_s = FIRST_PAUSE_S
        loop = asyncio.get_running_loop()
        while True:
            try:
                last = await loop.run_in_executor(self._thread, self._spool.append, payloads)
            except StoreError as e:
                self._fails(str(e))
                await self._sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            else:
                self._fails(None)
                return last

    async def _room(self) -> None:
        """Wait while the spool is full; notes of the stores themselves need no room."""
        pause_s = FIRST_PAUSE_S
        while self._spool.full() and not (self._notes or self._closing):
            self._fails(
                "the spool is full, because a store takes nothing; sources are held back "
                "until it does, or LINETWIN_SPOOL_GB is larger"
            )
            await self._sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        if not self._spool.full():
            self._fails(None)

    def _fails(self, error: str | None) -> None:
        if error is not None and self.error is None:
            logger.warning("nothing is taken: %s", error)
        elif error is None and self.error is not None:
            logger.warning("the spool takes samples again")
        self.error = error


def _prepared(taken: _Taken, notes: list[_Note]) -> tuple[list[Frame], list[bytes]]:
    frames: list[Frame] = []
    payloads: list[bytes] = []
    for lane, parcels in taken:
        batch, facts = lane.content(parcels)
        if len(batch):
            frames.append(Frame(source=lane.name, batch=batch, facts=()))
            payloads.append(encode_samples(lane.name, batch))
        if facts:
            frames.append(Frame(source=lane.name, batch=None, facts=tuple(facts)))
            payloads.append(encode_facts(lane.name, facts))
    for source, facts_of_store, _ in notes:
        if not facts_of_store:
            continue
        frames.append(Frame(source=source, batch=None, facts=tuple(map(dict, facts_of_store))))
        payloads.append(encode_facts(source, facts_of_store))
    return frames, payloads
