"""Plant file <-> Plant: TOML with CSV tables beside it, and every fault in one report."""

from __future__ import annotations

import copy
import csv
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from twin.errors import Fault, FileFaults
from twin.plant.base import Frozen
from twin.plant.checks import cross_faults
from twin.plant.material import (
    BillOfMaterialLine,
    JobOrder,
    MaterialDefinition,
    PurchaseOrder,
    Stock,
    Supplier,
)
from twin.plant.model import Plant

__all__ = ["TABLES", "load_plant", "plant_schema", "read_table"]

TABLES: dict[str, tuple[type[Frozen], str | None]] = {
    "items": (MaterialDefinition, "item_id"),
    "bill_of_material": (BillOfMaterialLine, None),
    "suppliers": (Supplier, "supplier_id"),
    "stock": (Stock, "item_id"),
    "orders": (JobOrder, "order_id"),
    "purchase_orders": (PurchaseOrder, "purchase_order_id"),
}
"""Table -> (row, key column). The file of a table is ``<table>.csv`` beside the plant file,
or what ``[tables]`` names."""

_LIST_COLUMNS = {"suppliers"}


def load_plant(path: Path | str) -> Plant:
    """Read a plant file and the tables beside it.

    Args:
        path: The TOML file.

    Returns:
        The plant; it is consistent in itself.

    Raises:
        FileFaults: Every fault of the file and its tables, each with place and remedy.
    """
    path = Path(path)
    document, faults = _read_toml(path)
    if document is None:
        raise FileFaults(faults)
    tables = document.pop("tables", {})
    if not isinstance(tables, dict):
        faults.append(
            Fault(path.name, "tables", "is not a table", 'write [tables], then items = "items.csv"')
        )
        tables = {}
    for name in sorted(set(tables) - set(TABLES)):
        faults.append(
            Fault(path.name, f"tables.{name}", "this table is not known", _one_of(TABLES))
        )
    for name, (row_type, key) in TABLES.items():
        if name in document:
            faults.append(
                Fault(path.name, name, "belongs in a table file", f"move it to {name}.csv")
            )
        file = path.parent / str(tables.get(name, f"{name}.csv"))
        if name not in tables and not file.exists():
            document.pop(name, None)
            continue
        rows, table_faults = _read_table(file, row_type, key)
        faults += table_faults
        document[name] = rows if key else list(rows.values())
    plant, shape_faults = _validated(document, path.name)
    faults += shape_faults
    if plant is not None:
        wrong = [fault.place for fault in shape_faults]
        faults += [f for f in cross_faults(plant, path.name) if not _follows(f.place, wrong)]
    if faults or plant is None:
        raise FileFaults(faults)
    return plant


def read_table(file: Path, table: str) -> tuple[dict[str, Frozen], list[Fault]]:
    """Rows of one table by key, by line number where it has none, and every fault in them.

    Args:
        file: A CSV file with the columns of that table.
        table: A name of ``TABLES``.
    """
    row_type, key = TABLES[table]
    return _read_table(file, row_type, key)


def plant_schema() -> str:
    """JSON Schema of the plant file, as text; the tables are described under their names."""
    return json.dumps(Plant.model_json_schema(), indent=2, sort_keys=True) + "\n"


def _read_toml(path: Path) -> tuple[dict[str, Any] | None, list[Fault]]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")), []
    except FileNotFoundError:
        # The whole path: it is the path that is wrong.
        return None, [
            Fault(str(path), "", "there is no such file", "give the path of a plant file")
        ]
    except (OSError, UnicodeDecodeError) as e:
        found, remedy = f"cannot be read: {e}", "give a readable UTF-8 text file"
    except tomllib.TOMLDecodeError as e:
        found, remedy = f"is not TOML: {e}", "mend the syntax at that place"
    return None, [Fault(path.name, "", found, remedy)]


def _read_table(
    file: Path, row_type: type[Frozen], key: str | None
) -> tuple[dict[str, Frozen], list[Fault]]:
    rows: dict[str, Frozen] = {}
    faults: list[Fault] = []
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            known = set(row_type.model_fields)
            for column in reader.fieldnames or ():
                if column not in known:
                    faults.append(
                        Fault(
                            file.name,
                            f"column {column}",
                            "this column is not known",
                            _one_of(known),
                        )
                    )
            for line, record in enumerate(reader, start=2):
                place = f"line {line}"
                if None in record:
                    faults.append(
                        Fault(
                            file.name,
                            place,
                            "has more fields than the header",
                            "drop or quote them",
                        )
                    )
                values = {
                    k: _cell(k, v) for k, v in record.items() if k in known and v not in (None, "")
                }
                try:
                    row = row_type.model_validate(values)
                except ValidationError as e:
                    faults += _faults_of(e, file.name, row_type, place)
                    continue
                name = str(getattr(row, key)) if key else str(line)
                if name in rows:
                    faults.append(
                        Fault(file.name, place, f'{key} "{name}" stands twice', "keep one of them")
                    )
                rows[name] = row
    except (OSError, UnicodeDecodeError, csv.Error) as e:
        faults.append(
            Fault(file.name, "", f"cannot be read: {e}", "give a readable UTF-8 CSV file")
        )
    return rows, faults


def _cell(column: str, text: str) -> Any:
    return (
        tuple(part.strip() for part in text.split("|")) if column in _LIST_COLUMNS else text.strip()
    )


def _validated(document: Mapping[str, Any], file: str) -> tuple[Plant | None, list[Fault]]:
    """The plant and its faults of shape; where they allow it, mended so that it can be checked further."""
    try:
        return Plant.model_validate(document), []
    except ValidationError as e:
        details = e.errors(include_url=False)
        faults = _faults_of(e, file, Plant, "")
    mended = _mended(document, details)
    try:
        return (Plant.model_validate(mended) if mended is not None else None), faults
    except ValidationError:
        return None, faults


def _mended(document: Mapping[str, Any], details: Sequence[Any]) -> dict[str, Any] | None:
    """Without what hides nothing else: unknown keys, numbers out of bounds, wrong laws.

    None where there are other faults: what such a plant would be cannot be known.
    """
    mended: dict[str, Any] = copy.deepcopy(dict(document))
    for detail in details:
        *way, last = _way_to(mended, detail["loc"])
        here: Any = mended
        try:
            for step in way:
                here = here[step]
            if detail["type"] in _NO_LAW or len(way) + 1 < len(detail["loc"]):
                here[last] = {"law": "constant", "value_s": 1.0}
            elif detail["type"] == "extra_forbidden":
                del here[last]
            elif (bound := _bound(detail.get("ctx", {}))) is not None:
                here[last] = bound
            else:
                return None
        except (KeyError, IndexError, TypeError):
            return None
    return mended


def _follows(place: str, wrong: Sequence[str]) -> bool:
    """True for a fault that may only be there because a value in the same place was mended."""
    inner = place.count(".") >= 2  # deeper than one work unit or zone as a whole
    return any(
        f"{place}.".startswith(f"{other}.") or (inner and other.startswith(f"{place}."))
        for other in wrong
    )


def _way_to(document: Any, loc: tuple[int | str, ...]) -> list[int | str]:
    """The keys down to this place; only down to the law that it lies in, if it does, and is no key of it."""
    way: list[int | str] = []
    here = document
    for step in loc:
        if step in _LAW_TAGS and isinstance(here, dict) and step not in here:
            return way
        way.append(step)
        try:
            here = here[step]
        except (KeyError, IndexError, TypeError):
            here = None
    return way


def _bound(ctx: Mapping[str, Any]) -> float | None:
    """The nearest number that would have been right."""
    for key, off in (("ge", 0), ("le", 0), ("gt", 0.5), ("lt", -0.5)):
        if isinstance(ctx.get(key), int | float):
            return float(ctx[key] + off) if off else ctx[key]
    return None


def _faults_of(
    error: ValidationError, file: str, model: type[BaseModel], place: str
) -> list[Fault]:
    return [
        Fault(file, _place(place, detail["loc"]), *_found_and_remedy(detail, model))
        for detail in error.errors(include_url=False)
    ]


_NO_LAW = {"union_tag_invalid", "union_tag_not_found", "model_attributes_type"}
"""Faults of something that stands in place of a law."""

_LAW_TAGS = {
    "constant",
    "exponential",
    "erlang",
    "gamma",
    "geometric",
    "lognormal",
    "weibull",
    "triangular",
    "uniform",
    "empirical",
}


def _place(place: str, loc: tuple[int | str, ...]) -> str:
    parts = [str(p) for i, p in enumerate(loc) if not (i > 1 and p in _LAW_TAGS)]
    return ", ".join(filter(None, (place, ".".join(parts))))


def _found_and_remedy(detail: Any, model: type[BaseModel]) -> tuple[str, str]:
    kind, given = detail["type"], detail.get("input")
    if kind == "extra_forbidden":
        return "this key is not known", _one_of(_known_keys(model, detail["loc"]))
    if kind == "missing":
        return "is missing", "add it"
    if kind == "union_tag_invalid":
        return (
            f"law {detail['ctx']['tag']} is not known",
            f"use one of {detail['ctx']['expected_tags']}",
        )
    if kind in _NO_LAW:
        return "says no law", 'write it as {law = "lognormal", mean_s = 16.0, cv = 0.05}'
    shown = (
        f"found {given!r}" if isinstance(given, str | int | float | bool) else "found a wrong value"
    )
    message = str(detail["msg"]).removeprefix("Value error, ")
    return shown, message[:1].lower() + message[1:]


def _known_keys(model: type[BaseModel], loc: tuple[int | str, ...]) -> Iterator[str]:
    """Keys of the innermost model on the way down ``loc``."""
    here: set[type[BaseModel]] = {model}
    for step in loc[:-1]:
        fields = [
            field.annotation
            for m in here
            for name, field in m.model_fields.items()
            if step in (name, field.alias)
        ]
        tagged = {
            m for m in here if "law" in m.model_fields and m.model_fields["law"].default == step
        }
        here = tagged or {m for f in fields for m in _models_in(f)} or here
    names = {field.alias or name for m in here for name, field in m.model_fields.items()}
    return iter(sorted(names))


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Union, UnionType) or get_args(annotation):
        for part in get_args(annotation):
            yield from _models_in(part)


def _one_of(names: Any) -> str:
    return f"use one of {', '.join(sorted(names))}"
