"""Telemetry between stores and files: recordings out, recordings and dead letters in."""

from __future__ import annotations

import asyncio
import base64
import fnmatch
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from connectors.field.clock import Clock, WallClock
from connectors.field.delivery import ReadingsBuilder
from connectors.field.recording import (
    check_name,
    read_recording,
    write_recording,
    write_stored,
)
from connectors.pipeline import Ingest, SignalMap, normalise
from connectors.pipeline.journal import journal_rows
from connectors.pipeline.lane import timeless
from connectors.runtime.telemetry import make_sources
from connectors.settings import Settings
from twin.errors import DataError, RefusedError, StoreError
from twin.plant import Plant, SourceKind
from twin.telemetry import Historian, Sample, SampleBatch, from_us, to_us

__all__ = ["LetterCounts", "import_recording", "record_live", "record_store", "replay_letters"]

WINDOW = timedelta(hours=1)
PACE_S = 0.2
"""How often a paced replay stores what is due. [s]"""
STOP_S = 60.0
"""How long the store of a live recording may take for what has come. [s]"""

Told = Callable[[int], None]
"""Called with the number of samples so far."""


def record_store(
    historian: Historian,
    path: Path,
    start: datetime,
    end: datetime,
    patterns: Sequence[str] = (),
    told: Told = lambda _: None,
) -> int:
    """Write what a store holds of ``start <= measured_at < end`` into a file.

    Args:
        historian: The store.
        path: See ``write_recording``.
        start: First instant.
        end: First instant that is left out.
        patterns: Of signal names, with ``*`` and ``?``; none for all.
        told: Progress.

    Returns:
        How many samples it holds.

    Raises:
        DataError: No signal fits the patterns, or the file's name says no format.
        StoreError: The store cannot be read, or the file cannot be written.
    """
    signals = None
    newest = historian.latest()
    if patterns:
        known = newest.signals
        signals = [s for s in known if any(fnmatch.fnmatchcase(s, p) for p in patterns)]
        if not signals:
            raise DataError(f"no signal fits {', '.join(patterns)}; the store has {len(known)}")

    if len(newest):  # behind it there are only empty windows
        end = min(end, from_us(int(newest.measured_us.max()) + 1))

    def windows() -> Iterator[SampleBatch]:
        at, rows = start, 0
        while at < end:
            batch = historian.read(signals, at, min(at + WINDOW, end))
            rows += len(batch)
            told(rows)
            yield batch
            at += WINDOW

    return write_recording(path, windows())


async def record_live(
    settings: Settings, plant: Plant, path: Path, stopping: asyncio.Event, told: Told
) -> int:
    """Listen to the sources of a plant beside the product and write what they say into a file.

    What has come is kept in a folder beside the file until then, so a recording that was killed
    goes on where it was.

    Raises:
        StoreError: The file or the folder cannot be written; what has come is kept in the folder.
        DataError: An address or URL does not fit its protocol, or the file is there already, or its
            name says no format.
    """
    from connectors.store.open import open_historian

    check_name(path)
    if path.exists():
        raise DataError(f"{path} is there already; name another file, or take it away first")
    folder = path.with_name(f"{path.name}.partial")
    _make_folder(folder, settings.data / "pki")
    historian = open_historian(folder / "telemetry.duckdb")
    try:
        own = settings.model_copy(update={"data": folder})
        sources = make_sources(own, plant, {}, client_prefix="linetwin-record")
        clock: Clock = WallClock()
        count = historian.count()

        def grown(batch: SampleBatch) -> None:
            nonlocal count
            count += len(batch)
            told(count)

        ingest = Ingest(plant, {"recording": historian}, sources, clock, folder, grown)
        running = asyncio.create_task(ingest.run())
        stop = asyncio.create_task(stopping.wait())
        await asyncio.wait((running, stop), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        await ingest.stop(STOP_S)
        await running
        if left := [store for store in ingest.stores() if store.behind]:
            raise StoreError(
                f"{folder} holds {left[0].behind} records that its store has not taken: "
                f"{left[0].error}; name the same file again to go on"
            )
    finally:
        historian.close()
    rows = await asyncio.to_thread(write_stored, path, folder / "telemetry.duckdb")
    shutil.rmtree(folder)
    return rows


def _make_folder(folder: Path, pki: Path) -> None:
    """For a recording, with the certificates of the product as they are now."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if pki.is_dir():
            shutil.copytree(pki, folder / "pki", dirs_exist_ok=True)
    except OSError as e:  # of which copytree makes one for all
        raise StoreError(f"{folder} cannot be made: {e}") from e


async def import_recording(
    historian: Historian,
    path: Path,
    stopping: asyncio.Event,
    *,
    speed: float | None = None,
    told: Told = lambda _: None,
    wall_s: Callable[[], float],
) -> tuple[int, int]:
    """Store the samples of a recording; the ones that are there already are left as they are.

    Args:
        historian: The store.
        path: See ``read_recording``.
        stopping: Ends it after the batch that is being stored.
        speed: Recorded seconds in a second; None for as fast as the store is.
        told: Progress.
        wall_s: A clock for the pace. [s]

    Returns:
        How many samples were read, and how many were new.

    Raises:
        NotFoundError: There is no such file.
        DataError: It is no recording.
        StoreError: The store does not take them.
    """
    read = new = 0
    first_us, began_s = None, wall_s()
    batches = read_recording(path)
    while not stopping.is_set():
        batch = await asyncio.to_thread(next, batches, None)
        if batch is None:
            break
        if first_us is None:
            first_us = int(batch.measured_us.min())
        for part, due_s in _paced(batch, first_us, speed):
            while (wait_s := began_s + due_s - wall_s()) > 0 and not stopping.is_set():
                await asyncio.sleep(min(wait_s, PACE_S))
            if stopping.is_set():
                break
            new += await asyncio.to_thread(historian.append, part)
            read += len(part)
            told(read)
    return read, new


@dataclass(slots=True)
class LetterCounts:
    """What became of dead letters."""

    letters: int = 0
    stored: int = 0
    """Samples of them that are in the store now and were not before."""
    known: int = 0
    """Samples that were there already."""
    refused: int = 0
    """Letters that are still not understood, or not taken."""


def replay_letters(plant: Plant, historian: Historian, folder: Path, now: datetime) -> LetterCounts:
    """Read dead letters again, by the plant file as it is now, and store what they say.

    Sparkplug messages mean nothing without the births before them, and cannot be replayed.

    Args:
        plant: As its file says it now.
        historian: Where samples go.
        folder: Of the dead letters.
        now: Plant time; nobody could have used the samples before.

    Raises:
        StoreError: The store does not take them now.
    """
    counts = LetterCounts()
    readers = _Readers(plant)
    for row in journal_rows(folder):
        counts.letters += 1
        try:
            batch = readers.samples(row)
            available_us = np.maximum(batch.available_us, to_us(now))
            new = historian.append(replace(batch, available_us=available_us))
        except (DataError, RefusedError):
            counts.refused += 1
            continue
        counts.stored += new
        counts.known += len(batch) - new
    return counts


class _Readers:
    """Dead letters to samples."""

    def __init__(self, plant: Plant) -> None:
        from connectors.field.mqtt.topics import JsonTopics

        self._topics: dict[str, tuple[SignalMap, Any]] = {}
        self._came_us: dict[tuple[str, int], int] = {}
        """When the newest reading without a time came, by source and address."""
        for name, source in plant.sources.items():
            if source.kind is SourceKind.MQTT_JSON:
                mapped = SignalMap.of(plant, name)
                self._topics[name] = (mapped, JsonTopics(mapped.addresses, source.mqtt.json_form))

    def samples(self, row: dict[str, Any]) -> SampleBatch:
        """What a letter says.

        Raises:
            DataError: It is not understood, or cannot be replayed.
        """
        payload = base64.b64decode(row["payload"])
        if row.get("form") == "sample":
            return _sample(json.loads(payload))
        if row.get("form") == "value":
            raise DataError("its sample is stored, without a value")
        if row["size"] > len(payload):
            raise DataError("only its beginning was kept")
        if row["source"] not in self._topics:
            raise DataError("letters of this source cannot be replayed")
        signal_map, topics = self._topics[row["source"]]
        readings = ReadingsBuilder()
        try:
            topics.feed(row["address"], payload, False, readings)
        except (KeyError, UnicodeDecodeError) as e:
            raise DataError(str(e)) from e
        if not len(readings):
            raise DataError("it holds no reading")
        built = readings.build()
        came_us = to_us(datetime.fromisoformat(row["at"]))
        at_us = built.measured_us.copy()
        for place in np.flatnonzero(timeless(built)).tolist():
            # Letters of one delivery came at one instant, and each holds samples of its own.
            key = row["source"], int(built.index[place])
            at_us[place] = self._came_us[key] = max(came_us, self._came_us.get(key, 0) + 1)
        return normalise(signal_map, replace(built, measured_us=at_us), came_us)


def _sample(said: dict[str, Any]) -> SampleBatch:
    return SampleBatch.of(
        [
            Sample(
                signal=said["signal"],
                value=said["value"],
                measured_at=from_us(said["measured_us"]),
                available_at=from_us(said["available_us"]),
                quality=said["quality"],
            )
        ]
    )


def _paced(
    batch: SampleBatch, first_us: int, speed: float | None
) -> Iterator[tuple[SampleBatch, float]]:
    """Parts of a batch, and after how many seconds each is due."""
    if speed is None:
        yield batch, 0.0
        return
    due = ((batch.measured_us - first_us) / 1e6 / speed // PACE_S).astype(np.int64)
    edges = np.flatnonzero(np.diff(due)) + 1
    for rows in np.split(np.arange(len(batch)), edges):
        if len(rows):
            yield batch.take(rows), float(due[rows[0]]) * PACE_S
