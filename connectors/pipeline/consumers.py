"""Who reads the spool: stores take the samples, the journals take the letters and gaps."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from connectors.field.clock import Clock
from connectors.field.delivery import Letter
from connectors.pipeline.drain import Drain, Numbered
from connectors.pipeline.journal import Journal
from connectors.pipeline.lane import letter_fact
from connectors.pipeline.spool import Spool
from twin.errors import RefusedError
from twin.telemetry import Historian, Quality, SampleBatch, from_us, to_us

__all__ = ["Counts", "JournalDrain", "StoreDrain"]

TEND_EVERY_US = 60_000_000

logger = logging.getLogger(__name__)

Note = Callable[[str, Sequence[Mapping[str, Any]]], Awaitable[None]]


@dataclass(slots=True)
class Counts:
    """What a store made of the samples of one source, since the start."""

    stored: int = 0
    duplicates: int = 0
    refused: int = 0
    last_us: int | None = None

    @property
    def done(self) -> int:
        """Samples that need nothing any more."""
        return self.stored + self.duplicates + self.refused


class StoreDrain(Drain):
    """Puts samples into one historian.

    Rows that the store refuses for ever are found by halving, and become dead letters; the rest
    of their batch is stored. Records that could not be read back leave a sample without value
    behind the newest one of each signal: from there on it is not known.
    """

    def __init__(
        self,
        name: str,
        historian: Historian,
        spool: Spool,
        clock: Clock,
        note: Note,
        on_batch: Callable[[SampleBatch], None] | None,
        *,
        age_s: float,
        sleep: Callable[[float], Coroutine[Any, Any, None]],
    ) -> None:
        """Prepare.

        Args:
            name: Of the cursor.
            historian: The store.
            spool: What is read.
            clock: Plant time, for ``available_at``.
            note: Puts facts on disk.
            on_batch: Called on the event loop with what was stored.
            age_s: See ``Drain``. [s]
            sleep: See ``Drain``.
        """
        super().__init__(name, spool, age_s=age_s, sleep=sleep)
        self.counts: defaultdict[str, Counts] = defaultdict(Counts)
        self._historian = historian
        self._clock = clock
        self._note = note
        self._on_batch = on_batch
        self._left: list[tuple[str, SampleBatch]] = []
        self._offered = 0
        self._batches: list[SampleBatch] = []
        self._facts: dict[str, list[dict[str, Any]]] = {}
        self._tended_us: int | None = None

    def _take(self, records: list[Numbered], missing: tuple[int, int] | None) -> None:
        if self._offered != records[0][0]:
            self._left = _by_source(records)
            if missing is not None:
                self._mark(missing)
            self._offered = records[0][0]
        while self._left:
            source, batch = self._left[0]
            self._store(source, batch)
            del self._left[0]
        self._tend()

    async def _settle(self) -> None:
        batches, self._batches = self._batches, []
        facts, self._facts = self._facts, {}
        for source, found in facts.items():
            await self._note(source, found)
        if self._on_batch is None:
            return
        for batch in batches:
            try:
                self._on_batch(batch)
            except Exception:  # the batch is stored; who looks on must not stop the next one
                logger.exception("a listener broke on a batch")

    def _store(self, source: str, batch: SampleBatch) -> None:
        now_us = to_us(self._clock.now())
        batch = replace(batch, available_us=np.maximum(batch.available_us, now_us))
        refused: list[tuple[SampleBatch, str]] = []
        new = self._halve(batch, refused)
        counts = self.counts[source]
        counts.stored += new
        counts.refused += len(refused)
        counts.duplicates += len(batch) - new - len(refused)
        last_us = int(batch.measured_us.max())
        counts.last_us = last_us if counts.last_us is None else max(counts.last_us, last_us)
        for row, why in refused:
            self._facts.setdefault(source, []).append(_refused(row, why, now_us))
        self._batches.append(batch)

    def _halve(self, batch: SampleBatch, refused: list[tuple[SampleBatch, str]]) -> int:
        try:
            return self._historian.append(batch)
        except RefusedError as e:
            if len(batch) == 1:
                refused.append((batch, str(e)))
                return 0
        middle = len(batch) // 2
        rows = np.arange(len(batch))
        return self._halve(batch.take(rows[:middle]), refused) + self._halve(
            batch.take(rows[middle:]), refused
        )

    def _mark(self, missing: tuple[int, int]) -> None:
        """From behind the newest sample of each signal on, its value is not known."""
        newest = self._historian.latest()
        known = newest.take(newest.quality < Quality.BAD)
        now_us = to_us(self._clock.now())
        lost = replace(
            known,
            value=np.full(len(known), np.nan),
            text=np.full(len(known), None, np.object_),
            measured_us=known.measured_us + 1,
            available_us=np.full(len(known), now_us, np.int64),
            quality=np.full(len(known), Quality.BAD, np.int8),
        )
        first, last = missing
        why = f"records {first} to {last} of the spool were damaged before {self.name} had them"
        logger.error("%s", why)
        if len(lost):
            self._left.insert(0, ("spool", lost))
        fact = {
            "kind": "gap",
            "at": from_us(now_us).isoformat(),
            "source": "spool",
            "reason": why,
            "start": from_us(int(lost.measured_us.min())).isoformat() if len(lost) else None,
            "end": None,
            "signals": [
                [lost.signals[code], start, None]
                for code, start in zip(lost.code.tolist(), lost.measured_us.tolist(), strict=True)
            ],
        }
        self._facts.setdefault("spool", []).append(fact)

    def _tend(self) -> None:
        now = self._clock.now()
        if self._tended_us is None or abs(to_us(now) - self._tended_us) >= TEND_EVERY_US:
            self._tended_us = to_us(now)
            self._historian.tend(now)


class JournalDrain(Drain):
    """Writes letters and gaps into their journals."""

    def __init__(
        self,
        spool: Spool,
        journals: Mapping[str, Journal],
        *,
        age_s: float,
        sleep: Callable[[float], Coroutine[Any, Any, None]],
    ) -> None:
        """Prepare.

        Args:
            spool: What is read.
            journals: By the ``kind`` of the facts they keep.
            age_s: See ``Drain``. [s]
            sleep: See ``Drain``.
        """
        super().__init__("journal", spool, age_s=age_s, sleep=sleep)
        self._journals = journals
        ids = [journal.last_id for journal in journals.values() if journal.last_id is not None]
        newest = max((int(found.partition(":")[0]) for found in ids), default=0)
        # A spool that was deleted counts from 1 again; ids of a journal only grow.
        self._behind = newest if newest > spool.last_seq else 0

    def _take(self, records: list[Numbered], missing: tuple[int, int] | None) -> None:
        rows: dict[str, list[dict[str, Any]]] = {}
        for seq, frame in records:
            for n, fact in enumerate(frame.facts):
                row = {"id": f"{self._behind + seq}:{n}", "source": frame.source, **fact}
                rows.setdefault(str(fact.get("kind")), []).append(row)
        for kind, found in rows.items():
            if kind in self._journals:
                self._journals[kind].append(found)


def _by_source(records: list[Numbered]) -> list[tuple[str, SampleBatch]]:
    parts: dict[str, list[SampleBatch]] = {}
    for _, frame in records:
        if frame.batch is not None:
            parts.setdefault(frame.source, []).append(frame.batch)
    return [(source, SampleBatch.concat(batches)) for source, batches in parts.items()]


def _refused(row: SampleBatch, why: str, now_us: int) -> dict[str, Any]:
    (sample,) = row.samples()
    said = {
        "signal": sample.signal,
        "value": sample.value,
        "measured_us": int(row.measured_us[0]),
        "available_us": int(row.available_us[0]),
        "quality": int(sample.quality),
    }
    letter = Letter(address=sample.signal, payload=json.dumps(said).encode(), reason=why)
    return letter_fact(letter, now_us) | {"form": "sample"}
