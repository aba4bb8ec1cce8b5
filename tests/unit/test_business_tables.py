"""Planners' tables: in with every fault at once, out as CSV that a spreadsheet reads."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

import pytest

from connectors.business import (
    demand_csv,
    proposals_csv,
    replace_table,
    reread_tables,
    schedule_csv,
    write_table,
)
from twin.errors import DataError, FileFaults, StoreError
from twin.plant import Constant, Plant, load_plant

PRACTICE = Path(__file__).parents[2] / "simulators" / "practice"
HEADER = "order_id,product,quantity,release_at,due_at,priority\n"


@pytest.fixture(scope="module")
def plant() -> Plant:
    return load_plant(PRACTICE / "plant.toml")


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_planners_orders_replace_the_table(plant: Plant, tmp_path: Path) -> None:
    file = tmp_path / "monday.csv"
    file.write_text(
        HEADER + "JO-1,FG-GW10,50,2026-03-16T06:00:00+01:00,2026-03-17T12:00:00+01:00,9\n"
    )
    changed = replace_table(plant, "orders", file)
    assert list(changed.orders) == ["JO-1"]
    assert changed.orders["JO-1"].priority == 9
    assert len(plant.orders) == 47


def test_every_fault_of_a_replacement_is_reported_at_once(plant: Plant, tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(
        HEADER
        + "JO-1,FG-GW10,0,2026-03-16T06:00:00+01:00,2026-03-17T12:00:00+01:00,5\n"
        + "JO-2,FG-NONE,5,2026-03-16T06:00:00+01:00,2026-03-17T12:00:00+01:00,5\n"
        + "JO-3,FG-GW10,5,2026-03-18T06:00:00+01:00,2026-03-17T12:00:00+01:00,5\n"
        + "JO-4,FG-GW10,5,2026-03-16T06:00:00,2026-03-17T12:00:00+01:00,5\n"
    )
    with pytest.raises(FileFaults) as raised:
        replace_table(plant, "orders", file)
    text = str(raised.value)
    assert len(raised.value.faults) == 4
    for expected in ("line 2, quantity", "FG-NONE", "due before it is released", "line 5"):
        assert expected in text
    assert all(fault.file == "orders.csv" for fault in raised.value.faults)


def test_stock_of_an_unknown_item_is_refused(plant: Plant, tmp_path: Path) -> None:
    file = tmp_path / "stock.csv"
    file.write_text("item_id,on_hand\nNO-SUCH,4\n")
    with pytest.raises(FileFaults, match="NO-SUCH"):
        replace_table(plant, "stock", file)


def test_an_unknown_table_and_a_missing_file_are_said(plant: Plant, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="purchase_orders"):
        replace_table(plant, "wishes", tmp_path / "x.csv")
    with pytest.raises(FileFaults, match="cannot be read"):
        replace_table(plant, "stock", tmp_path / "x.csv")


def test_reading_the_folder_again_keeps_calibrated_laws(plant: Plant, tmp_path: Path) -> None:
    folder = tmp_path / "plant"
    shutil.copytree(PRACTICE, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    packing = plant.work_units["packing"].model_copy(
        update={"cycle_time": {"default": Constant(value_s=19.0)}}
    )
    calibrated = plant.model_copy(update={"work_units": plant.work_units | {"packing": packing}})
    stock = (folder / "stock.csv").read_text().replace("SP-BEARING,2\n", "SP-BEARING,7\n")
    (folder / "stock.csv").write_text(stock)
    changed = reread_tables(calibrated, folder / "plant.toml")
    assert changed.stock["SP-BEARING"].on_hand == 7
    assert changed.work_units["packing"].cycle_law("FG-GW10") == Constant(value_s=19.0)


def test_the_schedule_is_exported_in_order_of_start() -> None:
    entry = {
        "order_id": "JO-1",
        "product": "P",
        "quantity": 5,
        "start_at": "2026-03-16T07:00:00+00:00",
        "end_at": "2026-03-16T08:00:00+00:00",
        "setup_s": 900,
        "due_at": "2026-03-17T08:00:00+00:00",
        "late_h": 0.0,
    }
    work = {
        "work_unit": "packing",
        "failure_mode": "bearing",
        "start_at": "2026-03-16T06:00:00+00:00",
        "end_at": "2026-03-16T06:15:00+00:00",
    }
    first, second = rows_of(schedule_csv({"entries": [entry], "maintenance": [work]}))
    assert (first["kind"], first["name"], first["due_at"]) == ("maintenance", "packing.bearing", "")
    assert (second["name"], second["quantity"], second["setup_s"]) == ("JO-1", "5", "900")


def test_demand_has_one_row_per_item_and_bucket() -> None:
    item = {
        "item_id": "SCREW",
        "description": "=cmd|screw",
        "unit": "EA",
        "on_hand": 10.0,
        "p10": [1.0, 2.0],
        "p50": [3.0, 4.0],
        "p90": [5.0, 6.0],
        "projected_on_hand": [5.0, -1.0],
        "pegging": [],
    }
    rows = rows_of(demand_csv({"buckets": ["2026-03-16", "2026-03-17"], "items": [item]}))
    assert [(r["bucket_start"], r["p90"]) for r in rows] == [
        ("2026-03-16", "5.0"),
        ("2026-03-17", "6.0"),
    ]
    assert rows[1]["projected_on_hand"] == "-1.0"
    assert rows[0]["description"] == "'=cmd|screw"  # a spreadsheet must not run it


def test_a_proposal_carries_its_pegging_and_reason() -> None:
    proposal = {
        "proposal_id": "PP-1",
        "state": "approved",
        "item_id": "SCREW",
        "decided_by": "anna",
        "quantity": 5000.0,
        "pegging": [
            {"kind": "order", "name": "JO-1", "quantity": 120.0},
            {"kind": "failure", "name": "u.m", "quantity": 1.0},
        ],
        "reason": 'short, "very"',
    }
    (row,) = rows_of(proposals_csv({"proposals": [proposal]}))
    assert row["pegging"] == "order JO-1: 120; failure u.m: 1"
    assert row["reason"] == 'short, "very"'
    assert (row["state"], row["decided_by"], row["supplier_id"]) == ("approved", "anna", "")


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", "x\n1\n")
    assert (tmp_path / "a.csv").read_text() == "x\n1\n"
    with pytest.raises(StoreError, match=r"b\.csv"):
        write_table(tmp_path / "missing" / "b.csv", "x\n")
    (tmp_path / "taken").mkdir()
    with pytest.raises(StoreError, match="taken"):
        write_table(tmp_path / "taken", "x\n")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.csv", "taken"]
