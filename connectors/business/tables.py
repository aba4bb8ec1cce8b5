"""Planners' tables into the running plant: read the folder again, or take one table in its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twin.errors import DataError, FileFaults
from twin.plant import Plant, load_plant
from twin.plant.checks import cross_faults
from twin.plant.file import TABLES, read_table

__all__ = ["replace_table", "reread_tables"]


def reread_tables(plant: Plant, plant_file: Path | str) -> Plant:
    """The plant with the tables as they now stand beside the plant file.

    What is not a table, such as calibrated laws, stays as it is in ``plant``.

    Args:
        plant: The running plant.
        plant_file: Its TOML file.

    Raises:
        FileFaults: Every fault of the file and its tables; the running plant is untouched.
    """
    fresh = load_plant(plant_file)
    return _consistent(plant, {name: getattr(fresh, name) for name in TABLES}, Path(plant_file))


def replace_table(plant: Plant, table: str, file: Path | str) -> Plant:
    """The plant with one table replaced by a planner's CSV file.

    Args:
        plant: The running plant.
        table: ``orders``, ``stock``, ``purchase_orders``, ``items``, ``suppliers`` or
            ``bill_of_material``.
        file: CSV with that table's columns; it replaces the table, it is not added to it.

    Returns:
        A new plant; it is consistent in itself.

    Raises:
        DataError: There is no such table.
        FileFaults: Every fault of the rows, and between them and the plant.

    Example:
        >>> from twin.plant import load_plant
        >>> plant = load_plant("simulators/practice/plant.toml")
        >>> len(replace_table(plant, "stock", "simulators/practice/stock.csv").stock)
        38
    """
    if table not in TABLES:
        raise DataError(f'no table "{table}"; use one of {", ".join(TABLES)}')
    file = Path(file)
    rows, faults = read_table(file, table)
    value: Any = rows if TABLES[table][1] else tuple(rows.values())
    changed = plant.model_copy(update={table: value})
    known = {(f.place, f.found) for f in cross_faults(plant, file.name)}
    faults += [f for f in cross_faults(changed, file.name) if (f.place, f.found) not in known]
    if faults:
        raise FileFaults(faults)
    return changed


def _consistent(plant: Plant, tables: dict[str, Any], file: Path) -> Plant:
    changed = plant.model_copy(update=tables)
    faults = cross_faults(changed, file.name)
    if faults:
        raise FileFaults(faults)
    return changed
