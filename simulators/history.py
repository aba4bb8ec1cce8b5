"""Fast-forward: two weeks of telemetry in seconds, as a recording that the product can read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from simulators.clock import LIVE_START, history_start, to_us
from simulators.physics import Emission, PracticePlant
from simulators.physics.streams import generator
from simulators.truth.sent import Sent
from twin.plant import Plant

__all__ = ["fast_forward", "live_plant", "write_recording"]

_CHUNK_US = 12 * 3_600_000_000
_STATE_VERSION = 2
LIVE_PERIOD_S = 10.0
_COPY = """
    COPY (
        SELECT names.signal, CASE WHEN isnan(value) THEN NULL ELSE value END AS value, words.text,
            make_timestamp(measured_us) AS measured_at,
            make_timestamp(available_us) AS available_at, quality
        FROM said JOIN names USING (code) LEFT JOIN words USING (word)
        ORDER BY measured_us, names.code
    ) TO '{target}' (FORMAT parquet, COMPRESSION zstd)
"""


def fast_forward(plant: PracticePlant, end_us: int) -> Iterator[list[Emission]]:
    """Move a plant on to an instant; what it said, half a day at a time."""
    while plant.now_us < end_us:
        yield plant.advance(min(end_us, plant.now_us + _CHUNK_US))


def write_recording(
    path: Path, plant: Plant, seed: int, *, days: int, cache: Path | None, sent: Sent
) -> PracticePlant:
    """Write the history that ends at LIVE_START as Parquet; the file appears whole or not at all.

    Columns: signal, value, text, measured_at, available_at (microseconds, UTC), quality
    (0 good, 2 bad), by measured_at. Values are in the plant file's stored unit.

    Args:
        path: The recording.
        plant: The description.
        seed: Of the plant.
        days: Length of the history, before the half hour of today's shift. [d]
        cache: Folder for the state at LIVE_START, so that ``live_plant`` need not repeat it.
        sent: Account of the samples.

    Returns:
        The plant at LIVE_START.
    """
    import duckdb

    practice = PracticePlant(plant, seed, history_start(days))
    codes = {(unit, name): i for i, (unit, name, _) in enumerate(plant.signals().values())}
    texts: dict[str, int] = {}
    delays = generator(seed, "recording/delay")
    db = duckdb.connect(":memory:")
    try:
        db.execute(
            "CREATE TABLE said (code INTEGER, value DOUBLE, word INTEGER, "
            "measured_us BIGINT, available_us BIGINT, quality UTINYINT)"
        )
        for chunk in fast_forward(practice, to_us(LIVE_START)):
            sent.add(chunk)
            columns = _columns(chunk, codes, texts, delays)  # noqa: F841  duckdb reads it by name
            db.execute(
                "INSERT INTO said SELECT code, value, word, measured_us, "
                "available_us, quality FROM columns"
            )
        _copy(db, path, list(plant.signals()), list(texts))
    finally:
        db.close()
    if cache is not None:
        _save_state(cache, practice, days)
    return practice


def live_plant(plant: Plant, seed: int, *, days: int, cache: Path | None) -> PracticePlant:
    """The plant at LIVE_START, from a saved state where there is one, else by fast-forward."""
    practice = PracticePlant(plant, seed, history_start(days))
    file = cache / _state_name(plant, seed, days) if cache else None
    if file is not None and file.is_file():
        practice.restore(json.loads(file.read_text("utf-8")))
    else:
        for _ in fast_forward(practice, to_us(LIVE_START)):
            pass
        if cache is not None:
            _save_state(cache, practice, days)
    practice.sample_period_s = LIVE_PERIOD_S
    return practice


def _columns(
    chunk: list[Emission],
    codes: dict[tuple[str, str], int],
    texts: dict[str, int],
    delays: np.random.Generator,
) -> dict[str, Any]:
    n = len(chunk)
    at = np.fromiter((e.measured_us for e in chunk), np.int64, n)
    return {
        "code": np.fromiter((codes[e.unit, e.signal] for e in chunk), np.int32, n),
        "value": np.fromiter(
            (e.value if isinstance(e.value, float) else np.nan for e in chunk), np.float64, n
        ),
        "word": np.fromiter(
            (
                texts.setdefault(e.value, len(texts)) if isinstance(e.value, str) else -1
                for e in chunk
            ),
            np.int32,
            n,
        ),
        "measured_us": at,
        "available_us": at + (delays.uniform(0.2, 2.0, n) * 1e6).astype(np.int64),
        "quality": np.fromiter((e.quality for e in chunk), np.uint8, n),
    }


def _copy(db: Any, path: Path, signals: list[str], texts: list[str]) -> None:
    db.execute("CREATE TABLE names AS SELECT unnest(?) AS signal, unnest(?) AS code",
               [signals, list(range(len(signals)))])  # fmt: skip
    db.execute("CREATE TABLE words AS SELECT unnest(?::VARCHAR[]) AS text, unnest(?::INTEGER[]) AS word",
               [texts, list(range(len(texts)))])  # fmt: skip
    part = path.with_name(path.name + ".part")
    target = str(part).replace("'", "''")
    db.execute(_COPY.format(target=target))
    part.replace(path)


def _state_name(plant: Plant, seed: int, days: int) -> str:
    hidden = (Path(__file__).parent / "hidden.toml").read_text("utf-8")
    about = f"{_STATE_VERSION}|{seed}|{days}|{hidden}|{plant.model_dump_json()}"
    return f"practice-{hashlib.sha256(about.encode()).hexdigest()[:16]}.json"


def _save_state(cache: Path, practice: PracticePlant, days: int) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    file = cache / _state_name(practice.plant, practice.seed, days)
    part = file.with_name(file.name + ".part")
    part.write_text(json.dumps(practice.state()), "utf-8")
    part.replace(file)
