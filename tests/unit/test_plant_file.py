"""The plant file: what a good one becomes, and every fault of a bad one in one report."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from twin.errors import FileFaults, NotFoundError
from twin.plant import Product, SignalId, load_plant, plant_schema
from twin.plant.checks import planning_notes

EXAMPLE = Path(__file__).parents[2] / "simulators" / "practice"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLE, tmp_path / "plant"))


def faults_of(folder: Path) -> list[str]:
    with pytest.raises(FileFaults) as caught:
        load_plant(folder / "plant.toml")
    return [str(fault) for fault in caught.value.faults]


def replace(folder: Path, old: str, new: str, file: str = "plant.toml") -> None:
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))


def test_the_shipped_example_holds_the_line_of_the_issue() -> None:
    plant = load_plant(EXAMPLE / "plant.toml")
    assert list(plant.work_units) == [
        "printer",
        "spi",
        "pick_place_1",
        "pick_place_2",
        "reflow",
        "aoi",
        "tht_insertion",
        "selective_solder",
        "functional_test",
        "packing",
    ]
    assert len(plant.products) == 3
    assert plant.maintenance.crews == 1
    bought = [item for item in plant.items.values() if item.kind == "buy"]
    assert 35 <= len(bought) <= 45
    assert len({s for item in bought for s in item.suppliers}) >= 5


def test_signal_ids_are_equipment_paths_and_addresses_come_from_templates() -> None:
    plant = load_plant(EXAMPLE / "plant.toml")
    assert plant.signal_id("reflow", "power") == "PLT1/electronics/line1/reflow/power"
    assert plant.address("reflow", "power") == "electronics/line1-meters:reflow/power"
    assert plant.address("reflow", "state") == "nsu=urn:linetwin:practice;s=reflow.state"
    assert plant.signals()[SignalId("PLT1/electronics/line1/reflow/power")][0] == "reflow"


def test_neighbours_of_a_unit() -> None:
    plant = load_plant(EXAMPLE / "plant.toml")
    assert plant.upstream("reflow") == ["reflow_in"]
    assert plant.downstream("reflow") == ["aoi_in"]
    assert plant.upstream("printer") == []
    assert plant.downstream("packing") == []
    with pytest.raises(NotFoundError, match=r'no work unit "oven"; known are printer, spi'):
        plant.unit("oven")


def test_setup_is_by_how_far_the_next_product_is_from_the_last() -> None:
    plant = load_plant(EXAMPLE / "plant.toml")
    products = {**plant.products, "FG-DRV48": Product(family="drive")}
    plant = plant.model_copy(update={"products": products})
    setup = plant.unit("printer").setup
    following = ("FG-DRV24", "FG-DRV48", "FG-GW10")
    found = [setup.seconds(plant.setup_distance("FG-DRV24", f)) for f in following]
    assert found == [120, 300, 900]
    with pytest.raises(NotFoundError, match="NO-SUCH"):
        plant.setup_distance("FG-DRV24", "NO-SUCH")


def test_instants_of_tables_keep_their_offset() -> None:
    order = load_plant(EXAMPLE / "plant.toml").orders["JO-1001"]
    assert order.release_at == datetime(2026, 3, 16, 5, tzinfo=UTC)


def test_every_fault_is_reported_at_once_with_place_and_remedy(folder: Path) -> None:
    replace(folder, 'timezone = "Europe/Berlin"', 'timezone = "Mars/Olympus"')
    replace(folder, 'unit = "N"', 'unit = "newton"')
    replace(folder, 'downstream = "spi"', 'downstream = "spy"')
    replace(folder, "IC-MCU1,1,pick_place_1", "IC-MCU9,1,pick_place_1", "bill_of_material.csv")
    faults = faults_of(folder)
    assert (
        'plant.toml [timezone]: "Mars/Olympus" is not known; use an IANA name such as "Europe/Berlin"'
        in faults
    )
    assert any('signals.squeegee_force.unit]: unit "newton" is not known' in f for f in faults)
    assert any('spi_in.downstream]: work unit "spy" is not known; use one of' in f for f in faults)
    assert any('component "IC-MCU9" is not known' in f for f in faults)


def test_faults_of_shape_in_file_and_tables_come_together(folder: Path) -> None:
    replace(folder, "crews = 1", "crew = 1")
    replace(folder, "capacity = 4", "capacity = -4")
    replace(folder, 'law = "lognormal", mean_s = 16', 'law = "normal", mean_s = 16')
    replace(folder, "JO-1001,FG", "JO-1001,,FG", "orders.csv")
    replace(folder, "item_id,on_hand", "item_id,onhand", "stock.csv")
    faults = faults_of(folder)
    assert any(
        f.startswith("plant.toml [maintenance.crew]: this key is not known; use one of")
        and "crews" in f
        for f in faults
    )
    assert any("storage_zones.spi_in.capacity]: found -4" in f for f in faults)
    assert any("cycle_time.default]: law normal is not known; use one of" in f for f in faults)
    assert any(f.startswith("orders.csv [line 2") for f in faults)
    assert any(f.startswith("stock.csv [column onhand]: this column is not known") for f in faults)


def test_a_mistyped_key_of_a_source_is_told_with_the_keys_as_a_file_writes_them(
    folder: Path,
) -> None:
    table = "[sources.sensors.mqtt]\njsn = {}\n[sources.sensors.mqtt.json]\ntimes = 1\n"
    replace(folder, "[sources.meters]", f"{table}[sources.meters]")
    inside, beside = faults_of(folder)
    assert "mqtt.jsn]: this key is not known; use one of ca_file, certificate_file, json," in beside
    assert "mqtt.json.times]: this key is not known; use one of quality, samples, time," in inside


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Mon-Fri 06:00-22:00", "Mon-Fri 6-22", 'write one as "Mon-Fri 06:00-22:00"'),
        ("Mon-Fri 06:00-22:00", "Mon-Fri 06:00-25:00", "no such time of day"),
        ("value = 244", "value = 270", "270 degC must lie between 230 and 260"),
        ("clear_probability = 0.2", "clear_probability = 0.6", "is not below raise_probability"),
        ('kind = "opcua"', 'kind = "modbus"', "opcua"),
        ("s={unit}.{signal}", "s={machine}.{signal}", "use only {site}"),
        ('sent_unit = "kW"', 'sent_unit = "bar"', '"bar" cannot become "W"; use a unit of power'),
        ('opcua.security = "none"', "mqtt.qos = 2", "a source of kind opcua has no table mqtt"),
        ('opcua.security = "none"', 'opcua.user = "x"', "user and password_file"),
        ('kind = "sparkplug"', 'kind = "sparkplug"\nmqtt.share = "g"', "leave out mqtt.share"),
        ('spare_part = "SP-BLADE"', 'spare_part = "SP-X"', 'item "SP-X" is not known'),
    ],
)
def test_a_single_fault_says_what_would_be_right(
    folder: Path, old: str, new: str, said: str
) -> None:
    replace(folder, old, new)
    faults = faults_of(folder)
    assert any(said in fault for fault in faults), faults


def test_an_item_that_comes_later_than_the_plan_sees_is_noted(folder: Path) -> None:
    plant = load_plant(folder / "plant.toml")
    (note,) = planning_notes(plant)
    assert note.startswith("planning.horizon_d sees 14 days ahead; ")
    assert note.endswith(": IC-MCU1 (15.2)")
    far = plant.planning.model_copy(update={"horizon_d": 15.2})
    assert planning_notes(plant.model_copy(update={"planning": far})) == []


def test_a_line_that_falls_apart_is_refused(folder: Path) -> None:
    replace(
        folder,
        'packing_in = { upstream = "functional_test"',
        'packing_in = { upstream = "selective_solder"',
    )
    faults = faults_of(folder)
    assert faults == [
        "plant.toml [work_units.selective_solder.routes]: is missing, but selective_solder feeds 2 "
        "storage zones (functional_test_in, packing_in); add a route for each, by share or by products"
    ]


def test_a_line_that_a_missing_zone_cuts_in_two_is_refused(folder: Path) -> None:
    text = (folder / "plant.toml").read_text()
    kept = [row for row in text.splitlines() if not row.startswith("packing_in")]
    (folder / "plant.toml").write_text("\n".join(kept))
    (fault,) = faults_of(folder)
    assert "work_units.packing]: no storage zone joins it to printer" in fault


def test_a_bill_of_material_in_a_circle_is_refused(folder: Path) -> None:
    with (folder / "bill_of_material.csv").open("a") as table:
        table.write("KIT-ACC,FG-GW10,1,,0\n")
    assert any("FG-GW10]: contains itself; break the circle" in f for f in faults_of(folder))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no such file"),
        (b"site = ", "is not TOML"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"", "is missing"),
    ],
)
def test_rubbish_in_place_of_a_plant_file(tmp_path: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / "plant.toml").write_bytes(content)
    assert any(said in fault for fault in faults_of(tmp_path))


def test_a_duplicate_row_and_a_row_too_long_are_named_by_line(folder: Path) -> None:
    with (folder / "stock.csv").open("a") as table:
        table.write("CARTON,5\nLABEL,5,6,7\n")
    faults = faults_of(folder)
    assert any('item_id "CARTON" stands twice' in f for f in faults)
    assert any("has more fields than the header" in f for f in faults)


def test_tables_are_optional_but_a_named_one_must_exist(folder: Path) -> None:
    (folder / "purchase_orders.csv").unlink()
    assert load_plant(folder / "plant.toml").purchase_orders == {}
    replace(folder, "[products]", '[tables]\nstock = "lager.csv"\n\n[products]')
    assert any(f.startswith("lager.csv: cannot be read") for f in faults_of(folder))


def test_the_schema_describes_the_plant_and_refuses_unknown_keys() -> None:
    schema = json.loads(plant_schema())
    assert {"site", "work_units", "storage_zones", "orders"} <= set(schema["properties"])
    assert schema["additionalProperties"] is False
