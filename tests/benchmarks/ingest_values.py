"""The values that the writers of the ingest benchmark send, and how a store is held against them.

Row ``n`` of signal ``i`` is a multiple of 1/64, so sums of them are exact and a benchmark can
pin its result.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

__all__ = ["checksum", "expected", "row", "stored"]

_PARTS = 64
_SIZE = 40_000


def row(n: int, signals: int) -> NDArray[np.float64]:
    """What every signal says in row ``n``."""
    return (n * 31 + np.arange(signals) * 17) % _SIZE / _PARTS


def expected(rows: int, signals: int) -> tuple[int, int]:
    """Count and checksum of so many whole rows."""
    return rows * signals, sum(checksum(row(n, signals)) for n in range(rows))


def checksum(values: NDArray[np.float64]) -> int:
    """Of one row: values in 64ths, each times the number of its signal."""
    return int((values * _PARTS).astype(np.int64) @ np.arange(1, len(values) + 1))


def stored(file: Path) -> dict[str, tuple[int, int]]:
    """Count and checksum of the numbers of each unit, by plain SQL; rows without value are none."""
    with duckdb.connect(file, read_only=True) as store:
        rows = store.execute(
            "SELECT split_part(signal, '/', 4), count(*), sum((value * ?)::HUGEINT * "
            "(regexp_extract(signal, '(\\d+)$', 1)::INT + 1)) "
            "FROM telemetry WHERE value IS NOT NULL GROUP BY 1",
            [_PARTS],
        ).fetchall()
    return {unit: (int(count), int(total)) for unit, count, total in rows}
