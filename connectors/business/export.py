"""Schedule, demand and proposals as CSV for a planner's spreadsheet, from the API's documents."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from twin.errors import StoreError

__all__ = ["demand_csv", "proposals_csv", "schedule_csv", "write_table"]

Document = Mapping[str, Any]

_SCHEDULE = (
    *("kind", "name", "product", "quantity", "start_at", "end_at"),
    *("setup_s", "due_at", "late_h"),
)
_DEMAND = (
    *("item_id", "description", "unit", "on_hand", "bucket_start"),
    *("p10", "p50", "p90", "projected_on_hand"),
)
_PROPOSALS = (
    *("proposal_id", "state", "item_id", "description", "supplier_id", "quantity", "unit"),
    *(
        "cost",
        "currency",
        "release_at",
        "due_at",
        "expected_at",
        "stockout_probability",
        "decided_by",
    ),
    *("pegging", "reason"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def schedule_csv(document: Document) -> str:
    """``GET /api/v1/schedule`` as CSV: orders and maintenance in the order of their start.

    Example:
        >>> print(schedule_csv({"entries": [], "maintenance": []}).strip())
        kind,name,product,quantity,start_at,end_at,setup_s,due_at,late_h
    """
    rows = [{**entry, "kind": "order", "name": entry["order_id"]} for entry in document["entries"]]
    for work in document["maintenance"]:
        mode = work["failure_mode"] or ""
        rows.append({**work, "kind": "maintenance", "name": f"{work['work_unit']}.{mode}"})
    return _csv(_SCHEDULE, sorted(rows, key=lambda row: str(row["start_at"])))


def demand_csv(document: Document) -> str:
    """``GET /api/v1/demand`` as CSV: one row per item and bucket."""
    rows = []
    for item in document["items"]:
        for i, bucket in enumerate(document["buckets"]):
            series = {k: item[k][i] for k in ("p10", "p50", "p90", "projected_on_hand")}
            rows.append({**item, **series, "bucket_start": bucket})
    return _csv(_DEMAND, rows)


def proposals_csv(document: Document) -> str:
    """``GET /api/v1/proposals`` as CSV: one row per proposal, its pegging in one cell."""
    rows = []
    for proposal in document["proposals"]:
        pegs = (f"{p['kind']} {p['name']}: {p['quantity']:g}" for p in proposal["pegging"])
        rows.append({**proposal, "pegging": "; ".join(pegs)})
    return _csv(_PROPOSALS, rows)


def write_table(path: Path | str, text: str) -> None:
    """Write a file whole or not at all.

    Raises:
        StoreError: It cannot be written; what was there before is still there.
    """
    path = Path(path)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as e:
        raise StoreError(f"{path} cannot be written: {e}") from e
    made = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
        made.replace(path)
    except OSError as e:
        made.unlink(missing_ok=True)
        raise StoreError(f"{path} cannot be written: {e}") from e


def _csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return stream.getvalue()


def _cell(value: object) -> object:
    """Text that a spreadsheet would run as a formula is marked as text with an apostrophe."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
