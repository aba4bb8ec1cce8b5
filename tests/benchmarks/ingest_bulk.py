"""What the ingest benchmark measures without a plant: a backlog in the spool, and a recording.

    python -m tests.benchmarks.ingest_bulk backlog FOLDER ROWS
    python -m tests.benchmarks.ingest_bulk replay  FOLDER ROWS

Prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from connectors.field.clock import WallClock
from connectors.field.recording import read_recording, write_recording
from connectors.pipeline import Ingest
from connectors.pipeline.frames import encode_samples
from connectors.pipeline.spool import Spool
from connectors.runtime.telemetry import MAIN
from connectors.runtime.transfer import import_recording
from connectors.store.duckdb_historian import DuckdbHistorian
from tests.benchmarks.ingest_child import Meter
from tests.benchmarks.ingest_rig import write_plant
from tests.benchmarks.ingest_values import row
from twin.plant import SignalId, load_plant
from twin.telemetry import SampleBatch

SIGNALS = 1000
START_US = 1_772_409_600_000_000
STEP_US = 40_000
FRAME_ROWS = 2
"""Of every signal, in one record: what 50,000 values a second leave in 40 ms."""


def batches(rows: int, at_once: int) -> Iterator[SampleBatch]:
    """Whole rows of all signals, in the order of their times."""
    names = tuple(SignalId(f"T/bench/rig/spb/v{i}") for i in range(SIGNALS))
    for first in range(0, rows // SIGNALS, at_once):
        count = min(at_once, rows // SIGNALS - first)
        at = np.repeat(START_US + (first + np.arange(count)) * STEP_US, SIGNALS)
        yield SampleBatch(
            signals=names,
            code=np.tile(np.arange(SIGNALS, dtype=np.int32), count),
            value=np.concatenate([row(first + n, SIGNALS) for n in range(count)]),
            text=np.full(count * SIGNALS, None, np.object_),
            measured_us=at,
            available_us=at + 15_000,
            quality=np.zeros(count * SIGNALS, np.int8),
        )


async def backlog(folder: Path, rows: int) -> dict[str, Any]:
    """Samples that wait in the spool go into an empty store, with no source."""
    spool = Spool(folder / "data" / "spool", quota_bytes=8 << 30)
    for name in (MAIN, "journal"):
        spool.move(name, 0)
    for batch in batches(rows, FRAME_ROWS):
        spool.append([encode_samples("spb", batch)])
    size = spool.bytes_held
    spool.close()
    plant = load_plant(write_plant(folder))
    store = DuckdbHistorian(folder / "data" / "telemetry.duckdb")
    opening = Meter()
    ingest = Ingest(plant, {MAIN: store}, [], WallClock(), folder / "data", quota_bytes=8 << 30)
    opened = opening.read()
    meter = Meter()
    running = asyncio.create_task(ingest.run())
    while any(s.behind for s in ingest.stores()):
        await asyncio.sleep(0.02)
    spent = meter.read()
    await ingest.stop()
    await running
    store.close()
    return {"spool_bytes_a_row": size / rows, "open_s": opened["wall_s"], **spent}


async def replay(folder: Path, rows: int) -> dict[str, Any]:
    """A recording through `linetwin replay`'s own function, and the same rows without it."""
    file = folder / "recording.parquet"
    write_recording(file, batches(rows, 100))
    found: dict[str, Any] = {"file_bytes_a_row": file.stat().st_size / rows}
    store = DuckdbHistorian(folder / "replayed.duckdb")
    meter = Meter()
    read, new = await import_recording(store, file, asyncio.Event(), wall_s=time.monotonic)
    found["replay"] = meter.read()
    store.close()
    assert read == new == rows
    parts = list(read_recording(file))
    found["batch_rows"] = len(parts[0])
    store = DuckdbHistorian(folder / "appended.duckdb")
    meter = Meter()
    for part in parts:
        store.append(part)
    found["append"] = meter.read()
    store.close()
    raw = duckdb.connect(folder / "raw.duckdb")
    raw.execute(
        "CREATE TABLE t (id INT, measured BIGINT, available BIGINT, value DOUBLE, q TINYINT)"
    )
    meter = Meter()
    for part in parts:
        columns = {"id": part.code, "m": part.measured_us, "a": part.available_us}
        columns |= {"v": part.value, "q": part.quality}
        raw.execute("INSERT INTO t SELECT * FROM columns")
    found["raw"] = meter.read()
    raw.close()
    return found


def main() -> None:
    kind, folder, rows = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    found = asyncio.run((backlog if kind == "backlog" else replay)(folder, rows))
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
