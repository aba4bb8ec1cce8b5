"""How much the benchmark of the engine plays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["DAY_S", "FULL", "QUICK", "ROOT", "Size"]

ROOT = Path(__file__).parents[2]
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is played."""

    rounds: int
    """Turns of every case; the fastest counts."""
    horizon_s: float
    replications: int
    """Of the event loop; the recursion plays twice as many, the reference one."""
    stations: tuple[int, ...]
    days: tuple[float, ...]
    futures: tuple[int, ...]
    grow_s: float
    """Horizon where stations or replications grow."""
    points: int
    """Scenarios of a sweep on the recursion; on the event loop a tenth."""
    whatif_h: int
    whole: bool
    """Hold ratios against their bars, which are of long runs, and measure the first compilation."""


QUICK = Size(
    rounds=2,
    horizon_s=DAY_S / 4,
    replications=4,
    stations=(5, 20),
    days=(0.25, 0.5),
    futures=(1, 8),
    grow_s=DAY_S / 4,
    points=4,
    whatif_h=8,
    whole=False,
)
FULL = Size(
    rounds=3,
    horizon_s=7 * DAY_S,
    replications=16,
    stations=(5, 10, 20, 50, 100, 200),
    days=(0.5, 1, 2, 4, 8),
    futures=(1, 8, 32, 128),
    grow_s=2 * DAY_S,
    points=40,
    whatif_h=8,
    whole=True,
)
