"""The way of one source to the disk: what it hands over is stamped, checked, counted, and waits here."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectors.field.clock import Clock
from connectors.field.delivery import NO_TIME, Delivery, Gap, Letter, Readings, ReadingsBuilder
from connectors.field.source import LiveSource
from connectors.pipeline.normalise import SignalMap, normalise, of_wrong_kind
from connectors.pipeline.skew import ClockCheck
from twin.telemetry import Quality, SampleBatch, from_us, to_us

__all__ = ["Lane", "Parcel", "SourceStatus", "letter_fact", "timeless"]

ROOM = 20_000
"""Readings that wait for the disk before the source is held back; a delivery is never split."""
READING_BYTES = 1_600
"""So much of texts and letters counts as one reading more: 32 MB of them fill the room."""
LETTER_BYTES = 65_536
"""A dead letter keeps this much of its message."""
EARLIEST_US, LATEST_US = 0, 7_258_118_400_000_000
"""Times of the years 1970 to 2199; a device that says another has no clock."""


logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """One source, from the wire to the store."""

    name: str
    kind: str
    connected: bool
    subscribed: bool
    """Every wanted signal is subscribed."""
    received: int
    """Samples taken over from the source, and marks of its gaps."""
    durable: int
    """Samples on disk; the source was told."""
    stored: int
    """Samples that were new to the store."""
    duplicates: int
    """Samples that the store already had."""
    refused: int
    """Samples that the store will never take; they are dead letters."""
    rejected: int
    """Messages and values that could not be understood; they are dead letters."""
    gaps: int
    """Losses that were recorded."""
    waiting: int
    """Samples that are neither stored nor duplicates yet, in memory or on disk."""
    last_at: datetime | None
    """The latest measured_at that was stored."""
    clock_skew_s: float | None
    """By how much the clock of its devices is off, when it is: positive when it is ahead."""
    error: str | None
    """What is wrong now, with its remedy."""


@dataclass(frozen=True, slots=True, eq=False)
class Parcel:
    """A delivery on its way: stamped, its gaps marked by samples without value."""

    readings: Readings
    facts: list[dict[str, Any]]
    gaps: int
    durable: Callable[[], None] | None


class Lane:
    """One source, and its deliveries that are not on disk yet."""

    def __init__(
        self,
        source: LiveSource,
        signal_map: SignalMap,
        clock: Clock,
        wake: Callable[[bool], None],
        check: ClockCheck | None,
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            source: What is listened to.
            signal_map: Of the same plant and source.
            clock: Plant time, for readings that have none.
            wake: Told that something waits; True when it should not wait.
            check: Compares the clock of the devices with ours; None where ours follows theirs.
        """
        self.source = source
        self.signal_map = signal_map
        self.received = self.durable = self.gaps = 0
        self._clock = clock
        self._wake = wake
        self._check = check
        self._waiting: list[Parcel] = []
        self._rows = 0
        self._free = asyncio.Event()
        self._free.set()

    @property
    def name(self) -> str:
        """Of the source."""
        return self.source.name

    @property
    def rows(self) -> int:
        """Readings that are not on disk yet."""
        return self.received - self.durable

    @property
    def clock_skew_s(self) -> float | None:
        """By how much the devices' clock is ahead of ours, when it is off."""
        return None if self._check is None else self._check.skew_s

    def start_from(self, newest: Mapping[str, int]) -> None:
        """Let the source know what is durable: signal id -> measured_us."""
        reached = [newest.get(signal, NO_TIME) for signal in self.signal_map.signals]
        self.source.reached_us[:] = reached

    def continue_from(self, before: Lane) -> None:
        """Take over the counts of the lane that this one replaces."""
        self.received, self.durable = before.received, before.durable
        self.gaps = before.gaps

    def reached(self) -> dict[str, int]:
        """Signal id -> newest measured_us that is durable, or on its way to the disk."""
        pairs = zip(self.signal_map.signals, self.source.reached_us.tolist(), strict=True)
        return {signal: us for signal, us in pairs if us != NO_TIME}

    async def listen(self) -> None:
        """Run the source until it is stopped."""
        await self.source.run(self._sink)

    async def _sink(self, delivery: Delivery) -> None:
        # It is in before the wait: a source that is cut off while it waits loses nothing.
        now_us = to_us(self._clock.now())
        parts, facts = [self._stamped(delivery.readings, now_us)], []
        for gap in delivery.gaps:
            marks, fact = self._gap(gap, now_us)
            parts.append(marks)
            facts.append(fact)
        facts += [letter_fact(letter, now_us) for letter in delivery.letters]
        readings = Readings.concat(parts)
        self.received += len(readings)
        self._waiting.append(Parcel(readings, facts, len(delivery.gaps), delivery.durable))
        self._rows += max(1, len(readings) + _bytes(delivery) // READING_BYTES)
        self._wake(delivery.hurry or self._rows >= ROOM // 4)
        if self._rows >= ROOM:
            self._free.clear()
        await self._free.wait()

    def take(self) -> list[Parcel]:
        """What waits, oldest first; from now on it is the caller's."""
        taken, self._waiting, self._rows = self._waiting, [], 0
        self._free.set()
        return taken

    def is_durable(self, parcels: Sequence[Parcel]) -> None:
        """Tell the source that these are on disk."""
        for parcel in parcels:
            self.durable += len(parcel.readings)
            self.gaps += parcel.gaps
            if parcel.durable is not None:
                try:
                    parcel.durable()
                except Exception:  # it comes again; the others must be told all the same
                    logger.exception('source "%s" broke when it was told', self.name)

    def content(self, parcels: Sequence[Parcel]) -> tuple[SampleBatch, list[dict[str, Any]]]:
        """Samples and facts of parcels; may run on another thread."""
        now_us = to_us(self._clock.now())
        facts = [fact for parcel in parcels for fact in parcel.facts]
        readings = Readings.concat([parcel.readings for parcel in parcels])
        for row in of_wrong_kind(self.signal_map, readings).tolist():
            said = "" if readings.text is None else str(readings.text[row])
            address = self.source.addresses[int(readings.index[row])]
            payload = said.encode("utf-8", "backslashreplace")
            reason = "a text where the plant file says number"
            letter = Letter(address=address, payload=payload, reason=reason)
            facts.append(letter_fact(letter, now_us) | {"form": "value"})
        return normalise(self.signal_map, readings, now_us), facts

    def _stamped(self, readings: Readings, now_us: int) -> Readings:
        """Readings without a time were measured now, those of one signal one after the other."""
        if not len(readings):
            return readings
        at, reached_us = readings.measured_us, self.source.reached_us
        rows = np.flatnonzero(timeless(readings))
        if len(rows):
            at = at.copy()
            for row in rows.tolist():
                index = int(readings.index[row])
                at[row] = reached_us[index] = max(now_us, int(reached_us[index]) + 1)
            readings = replace(readings, measured_us=at)
        np.maximum.at(reached_us, readings.index, at)
        if self._check is not None:
            before = self._check.skew_s
            off = self._check.off(at, now_us)
            self._tell_skew(before, self._check.skew_s)
            if off is not None:
                quality = readings.quality.copy()
                quality[off & (quality == Quality.GOOD)] = Quality.UNCERTAIN
                readings = replace(readings, quality=quality)
        return readings

    def _tell_skew(self, before: float | None, now: float | None) -> None:
        if now is not None and before is None:
            way = "ahead" if now > 0 else "behind"
            logger.warning(
                'source "%s": the clock of its devices is %.0f s %s; its samples are marked '
                "uncertain; set that clock",
                self.name,
                abs(now),
                way,
            )
        elif now is None and before is not None:
            logger.warning('source "%s": the clock of its devices is right again', self.name)

    def _gap(self, gap: Gap, now_us: int) -> tuple[Readings, dict[str, Any]]:
        """A sample without value where each gap begins, and the fact for the journal."""
        every = np.arange(len(self.source.addresses), dtype=np.int32)
        index: NDArray[np.int32] = every if gap.index is None else gap.index
        start_us = np.broadcast_to(np.asarray(gap.start_us, np.int64), index.shape)
        end_us = np.broadcast_to(np.asarray(gap.end_us, np.int64), index.shape)
        end_us = np.minimum(end_us, LATEST_US)
        real = (start_us < end_us) & (start_us >= EARLIEST_US)
        index, start_us, end_us = index[real], start_us[real], end_us[real]
        marks = ReadingsBuilder()
        for i, us in zip(index.tolist(), start_us.tolist(), strict=True):
            marks.add(i, None, us, Quality.BAD)
        fact = {
            "kind": "gap",
            "at": from_us(now_us).isoformat(),
            "source": self.name,
            "reason": gap.reason,
            "start": from_us(int(start_us.min())).isoformat() if len(index) else None,
            "end": from_us(int(end_us.max())).isoformat() if len(index) else None,
            "signals": [
                [self.signal_map.signals[i], s, e]
                for i, s, e in zip(index.tolist(), start_us.tolist(), end_us.tolist(), strict=True)
            ],
        }
        return marks.build(), fact


def _bytes(delivery: Delivery) -> int:
    """Of letters and texts, about."""
    text = delivery.readings.text
    texts = 0 if text is None else sum(len(t) for t in text.tolist() if isinstance(t, str))
    return texts + sum(min(len(letter.payload), LETTER_BYTES) for letter in delivery.letters)


def timeless(readings: Readings) -> NDArray[np.bool_]:
    """Which readings were measured nobody knows when. Shape (n,)"""
    at = readings.measured_us
    return np.asarray((at < EARLIEST_US) | (at >= LATEST_US), np.bool_)


def letter_fact(letter: Letter, now_us: int) -> dict[str, Any]:
    """A dead letter as the journal keeps it; a long message keeps its beginning."""
    return {
        "kind": "letter",
        "at": from_us(now_us).isoformat(),
        "address": letter.address,
        "reason": letter.reason,
        "size": len(letter.payload),
        "payload": base64.b64encode(bytes(letter.payload[:LETTER_BYTES])).decode(),
    }
