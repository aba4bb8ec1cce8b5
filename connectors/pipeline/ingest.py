"""Sources -> spool -> stores: nothing is acknowledged before it is on disk, nothing leaves the disk before it is stored."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectors.field.clock import Clock
from connectors.field.source import LiveSource
from connectors.pipeline.committer import Committer
from connectors.pipeline.consumers import Counts, JournalDrain, StoreDrain
from connectors.pipeline.drain import Drain
from connectors.pipeline.frames import Frame, decode_frame
from connectors.pipeline.journal import Journal
from connectors.pipeline.lane import Lane, SourceStatus
from connectors.pipeline.normalise import SignalMap
from connectors.pipeline.reached import Reached
from connectors.pipeline.skew import ClockCheck
from connectors.pipeline.spool import Damage, Spool
from twin.errors import DataError, StoreError
from twin.plant import Plant
from twin.telemetry import Historian, SampleBatch, from_us

__all__ = ["Ingest", "StoreStatus"]

STOP_S = 3.6
"""The product promises to have stopped within 5 s; this is the share of ingest. [s]"""
REMEMBER_S = 30.0
"""How old the note of what is durable may be, for a start while the store is away. [s]"""

logger = logging.getLogger(__name__)

JOURNALS = {"letter": "deadletter", "gap": "gaps"}
"""Kind of fact -> folder beside the spool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStatus:
    """One store, and how far it has come."""

    name: str
    behind: int
    """Records of the spool that it has not taken."""
    error: str | None
    """Why it takes nothing now."""


class Ingest:
    """Runs the sources of a plant into its stores until it is stopped.

    One writer puts what all sources hand over on disk, with one sync for all of them; then they
    are told. Each store reads the spool at its own pace. A source that is slow or away holds up
    no other, and neither does a store.
    """

    def __init__(
        self,
        plant: Plant,
        stores: Mapping[str, Historian],
        sources: Iterable[LiveSource],
        clock: Clock,
        folder: Path,
        on_batch: Callable[[SampleBatch], None] | None = None,
        *,
        quota_bytes: int = 4 << 30,
        linger_s: float = 0.02,
        batch_age_s: float = 0.2,
        check_clocks: bool = False,
        sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
    ) -> None:
        """Open the spool; nothing is connected yet.

        Args:
            plant: What the signals mean.
            stores: Where samples go, by name; the first is the one that is read from.
            sources: From ``live_sources`` of the same plant.
            clock: Plant time, for ``available_at``.
            folder: For the spool and the journals.
            on_batch: Called on the event loop with each batch, once the first store has it.
            quota_bytes: The spool holds the sources back from here on.
            linger_s: How long a delivery waits for others before a commit. [s]
            batch_age_s: How long a store waits between two batches when it keeps up. [s]
            check_clocks: Mark samples whose device clock is off from ``clock``.
            sleep: Waits between attempts.

        Raises:
            UnitError: A signal is sent in a unit of another dimension.
            StoreError: The spool cannot be opened, or another process uses it.
        """
        self._clock = clock
        self._check_clocks = check_clocks
        self.quota_bytes = quota_bytes
        """From here on the spool holds the sources back."""
        self.spool = Spool(folder / "spool", quota_bytes=quota_bytes, on_damage=_tell)
        self.journals = {kind: Journal(folder / name) for kind, name in JOURNALS.items()}
        self._lanes: list[Lane] = []
        self._committer = Committer(
            self.spool, lambda: self._lanes, self._offer, linger_s=linger_s, sleep=sleep
        )
        self._stores = [
            StoreDrain(
                name,
                historian,
                self.spool,
                clock,
                self._committer.note,
                on_batch if i == 0 else None,
                age_s=batch_age_s,
                sleep=sleep,
            )
            for i, (name, historian) in enumerate(stores.items())
        ]
        self._journal = JournalDrain(self.spool, self.journals, age_s=batch_age_s, sleep=sleep)
        for gone in set(self.spool.consumers) - {d.name for d in (*self._stores, self._journal)}:
            logger.warning("%s is no store any more: what it had yet to take is left out", gone)
            self.spool.drop_consumer(gone)
        self._reached = Reached(folder)
        self._backlog, self._newest = self._remembered(next(iter(stores.values())))
        self._lanes = [self._lane(plant, source) for source in sources]
        self._listening: dict[str, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._timeout_s = STOP_S

    def status(self) -> tuple[SourceStatus, ...]:
        """Every source, in the order they were given."""
        return tuple(self._status(lane) for lane in self._lanes)

    def stores(self) -> tuple[StoreStatus, ...]:
        """Every store, in the order they were given."""
        return tuple(StoreStatus(name=d.name, behind=d.behind, error=d.error) for d in self._stores)

    @property
    def error(self) -> str | None:
        """Why no source is listened to now, whatever the source."""
        return self._committer.error

    async def subscribed(self) -> None:
        """Wait until every source has subscribed every signal it wants."""
        await asyncio.gather(*(lane.source.subscribed.wait() for lane in self._lanes))

    async def run(self) -> None:
        """Listen, spool and store until ``stop``.

        Raises:
            StoreError: Samples were not on disk at the stop; their sources were not told.
        """
        drains: tuple[Drain, ...] = (*self._stores, self._journal)
        committing = asyncio.create_task(self._committer.run())
        draining = [asyncio.create_task(drain.run()) for drain in drains]
        stopping = asyncio.create_task(self._stopping.wait())
        remembering = asyncio.create_task(self._remember())
        for lane in self._lanes:
            self._listen(lane)
        try:
            await asyncio.wait(
                (committing, stopping, *draining), return_when=asyncio.FIRST_COMPLETED
            )
            remembering.cancel()
            if self._stopping.is_set():
                await self._finish(committing, draining)
        finally:
            await _cancel(stopping, remembering, *self._listening.values(), *draining, committing)
            self.close()
            self._ended.set()
        for task in (committing, *draining):
            if not task.cancelled() and (broken := task.exception()) is not None:
                raise broken
        if left := sum(lane.rows for lane in self._lanes):
            raise StoreError(f"{left} samples were not on disk before the stop")

    def close(self) -> None:
        """Give back the files; ``run`` does it at its end."""
        self.spool.close()
        for journal in self.journals.values():
            journal.close()

    async def stop(self, timeout_s: float = STOP_S) -> None:
        """Stop the sources, put what they handed over on disk, and let ``run`` return.

        Args:
            timeout_s: Sources that do not stop in two thirds of it are cut off, so that what they
                handed over comes on disk. A store that has not taken everything in time has the
                rest at the next start. [s]
        """
        self._timeout_s = timeout_s
        for lane in self._lanes:
            lane.source.stop()
        self._stopping.set()
        if self._listening:
            await self._ended.wait()

    async def reload(self, plant: Plant, sources: Iterable[LiveSource]) -> list[str]:
        """Listen to these sources from now on; the ones that are the same go on untouched.

        Args:
            plant: As its file says it now.
            sources: From ``live_sources`` of it.

        Returns:
            Names of the sources that were started, stopped or begun anew.

        Raises:
            UnitError: A signal is sent in a unit of another dimension; nothing has changed.
        """
        wanted = {source.name: self._lane(plant, source) for source in sources}
        running = {lane.name: lane for lane in self._lanes}
        same = {n for n in wanted.keys() & running.keys() if _alike(wanted[n], running[n])}
        ended = [lane for name, lane in running.items() if name not in same]
        for lane in ended:
            lane.source.stop()
        await asyncio.gather(*(self._listening.pop(lane.name) for lane in ended))
        await self._committer.note("", ())  # what they handed over is on disk
        for lane in ended:
            _reach(self._newest, lane.reached())
        self._lanes = [running[n] if n in same else lane for n, lane in wanted.items()]
        for lane in self._lanes:
            if lane.name not in same:
                lane.start_from(self._newest)
                if lane.name in running:
                    lane.continue_from(running[lane.name])
                self._listen(lane)
        return sorted((wanted.keys() | running.keys()) - same)

    async def _finish(
        self, committing: asyncio.Task[None], draining: list[asyncio.Task[None]]
    ) -> None:
        """Sources, then the disk, then stores, then journals: each has what the one before gave."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timeout_s * 2 / 3):
                await asyncio.gather(*self._listening.values())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timeout_s / 3):
                newest = self._on_the_way()
                await self._committer.note("", ())
                self._reached.save(newest)
                for drain in self._stores:
                    drain.close()
                await asyncio.gather(*draining[:-1])
                self._committer.close()
                await committing
                self._journal.close()
                await draining[-1]

    async def _remember(self) -> None:
        """Note from time to time how far each signal is on disk."""
        while True:
            await asyncio.sleep(REMEMBER_S)
            newest = self._on_the_way()
            await self._committer.note("", ())  # now all of that is on disk
            await asyncio.to_thread(self._reached.save, newest)

    def _on_the_way(self) -> dict[str, int]:
        return {signal: us for lane in self._lanes for signal, us in lane.reached().items()}

    def _listen(self, lane: Lane) -> None:
        self._listening[lane.name] = asyncio.create_task(lane.listen())

    def _lane(self, plant: Plant, source: LiveSource) -> Lane:
        check = ClockCheck() if self._check_clocks else None
        signal_map = SignalMap.of(plant, source.name)
        lane = Lane(source, signal_map, self._clock, self._committer.wake, check)
        lane.start_from(self._newest)
        return lane

    def _offer(self, seq: int, frame: Frame, size: int) -> None:
        for drain in (*self._stores, self._journal):
            drain.offer(seq, frame, size)

    def _remembered(self, first: Historian) -> tuple[dict[str, int], dict[str, int]]:
        """Samples by source that the first store has yet to take, and the newest of each signal."""
        newest = self._reached.load()
        try:
            _advance(newest, first.latest())
        except StoreError as e:
            logger.warning("the store is away, samples wait on disk: %s", e)
        backlog: dict[str, int] = {}
        after = self.spool.cursor(self._stores[0].name)
        while records := self.spool.read(after):
            for record in records:
                try:
                    frame = decode_frame(record.payload)
                except DataError:  # the drain says so when it comes to it
                    continue
                if frame.batch is None:
                    continue
                backlog[frame.source] = backlog.get(frame.source, 0) + len(frame.batch)
                _advance(newest, frame.batch)
            after = records[-1].seq
        return backlog, newest

    def _status(self, lane: Lane) -> SourceStatus:
        health = lane.source.health()
        first = self._stores[0]
        counts = first.counts.get(lane.name, Counts())
        taken_over = lane.received + self._backlog.get(lane.name, 0)
        return SourceStatus(
            name=lane.name,
            kind=lane.source.kind.value,
            connected=health.connected,
            subscribed=lane.source.subscribed.is_set(),
            received=lane.received,
            durable=lane.durable,
            stored=counts.stored,
            duplicates=counts.duplicates,
            refused=counts.refused,
            rejected=health.rejected,
            gaps=lane.gaps,
            waiting=max(0, taken_over - counts.done),
            last_at=None if counts.last_us is None else from_us(counts.last_us),
            clock_skew_s=lane.clock_skew_s,
            error=self._committer.error or self._store_error() or health.error,
        )

    def _store_error(self) -> str | None:
        error = self._stores[0].error
        return None if error is None else f"the store does not take samples: {error}"


def _tell(damage: Damage) -> None:
    logger.error("spool: %s", damage)


def _advance(newest: dict[str, int], batch: SampleBatch) -> None:
    order = batch.measured_us.argsort(kind="stable")
    last = dict(zip(batch.code[order].tolist(), batch.measured_us[order].tolist(), strict=True))
    _reach(newest, {str(batch.signals[code]): us for code, us in last.items()})


def _reach(newest: dict[str, int], further: Mapping[str, int]) -> None:
    for name, us in further.items():
        newest[name] = max(us, newest.get(name, us))


def _alike(one: Lane, other: Lane) -> bool:
    return (
        one.source.entry == other.source.entry
        and one.source.url == other.source.url
        and one.source.signals == other.source.signals
        and one.signal_map.same_as(other.signal_map)
    )


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
