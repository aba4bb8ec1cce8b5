"""Sweeps as people write them, and as tables for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from twin.errors import DataError

__all__ = ["grid_of", "sweep_csv"]


def grid_of(axes: Sequence[str]) -> dict[str, tuple[float | str, ...]]:
    """A grid as people write it: ``path=value,value,...`` for each axis.

    Raises:
        DataError: An axis has no values, or a path is named twice.

    Example:
        >>> grid_of(["buffer.aoi_in.capacity=4,8", "station.reflow.peak_temperature=+1, +3"])
        {'buffer.aoi_in.capacity': (4.0, 8.0), 'station.reflow.peak_temperature': ('+1', '+3')}
    """
    grid: dict[str, tuple[float | str, ...]] = {}
    for axis in axes:
        path, _, right = (part.strip() for part in axis.partition("="))
        values = [text.strip() for text in right.split(",") if text.strip()]
        if not path or not values:
            raise DataError(f'"{axis}" is no axis of a sweep; write path=12,14,16 or path=+1,+3')
        if path in grid:
            raise DataError(f"{path} is named twice; give all its values at once")
        grid[path] = tuple(_plain(text) for text in values)
    return grid


def _plain(text: str) -> float | str:
    """A number that is set; every other text is what stands after the ``=`` of a change."""
    if text[0] in "+-*=":
        return text
    try:
        return float(text)
    except ValueError:
        return text


def sweep_csv(document: Mapping[str, Any]) -> str:
    """The answer to a sweep as a flat table: the values, then seven columns for each KPI."""
    names = [kpi["name"] for kpi in document["kpis"]]
    ends = ("mean", "low", "high", "delta", "delta_low", "delta_high", "verdict")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    heads = [name if end == "mean" else f"{name}_{end}" for name in names for end in ends]
    writer.writerow([*document["paths"], *heads])
    for point in document["points"]:
        figures = [point["kpis"][name][end] for name in names for end in ends]
        writer.writerow([*point["values"], *figures])
    return text.getvalue()
