"""Facts of the way from sent values to samples."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.field.delivery import Readings, ReadingsBuilder
from connectors.field.source import source_signals
from connectors.pipeline.normalise import SignalMap, normalise
from twin.errors import UnitError
from twin.plant import Plant, Signal, SignalRole, load_plant
from twin.telemetry import Quality, Sample, from_us

NOON_US = 1_773_662_400_000_000  # 2026-03-16T12:00:00Z


@pytest.fixture(scope="module")
def plant() -> Plant:
    return load_plant("simulators/practice/plant.toml")


def _one(
    plant: Plant,
    signal: str,
    value: float | str | None,
    quality: int = 0,
    measured_us: int = NOON_US,
    available_us: int = NOON_US + 5,
) -> Sample:
    unit, name = signal.split(".")
    source = plant.work_units[unit].signals[name].source
    mapped = SignalMap.of(plant, source)
    readings = ReadingsBuilder()
    readings.add(mapped.signals.index(plant.signal_id(unit, name)), value, measured_us, quality)
    (sample,) = normalise(mapped, readings.build(), available_us).samples()
    assert sample.signal == plant.signal_id(unit, name)
    return sample


def test_addresses_are_those_of_the_plant_file(plant: Plant) -> None:
    found = dict(source_signals(plant, "machines"))
    assert found[plant.signal_id("reflow", "state")] == "nsu=urn:linetwin:practice;s=reflow.state"
    found = dict(source_signals(plant, "meters"))
    address = "electronics/line1-meters:printer/power"
    assert found[plant.signal_id("printer", "power")] == address
    found = dict(source_signals(plant, "sensors"))
    address = "PLT1/electronics/line1/printer/humidity"
    assert found[plant.signal_id("printer", "humidity")] == address


@pytest.mark.parametrize(
    ("signal", "sent", "stored"),
    [
        ("printer.power", 1.8, 1800.0),  # kW -> W
        ("printer.ambient_temperature", 212.0 - 90.0, 50.0),  # degF -> degC
        ("reflow.peak_temperature", 244.25, 244.25),
        ("printer.state", 6, 6.0),
        ("printer.state", True, 1.0),
    ],
)
def test_value_is_stored_in_the_unit_of_the_plant_file(
    plant: Plant, signal: str, sent: float, stored: float
) -> None:
    sample = _one(plant, signal, sent)
    assert (sample.value, sample.quality) == (stored, Quality.GOOD)


def test_value_outside_its_range_is_uncertain_in_the_stored_unit(plant: Plant) -> None:
    assert _one(plant, "printer.power", 30.0).quality is Quality.GOOD
    beyond = _one(plant, "printer.power", 30.001)
    assert (beyond.value, beyond.quality) == (30_001.0, Quality.UNCERTAIN)
    assert _one(plant, "pick_place_1.vacuum", -100.5).quality is Quality.UNCERTAIN


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), "n/a"])
def test_number_that_is_none_is_a_bad_sample(plant: Plant, value: float | str | None) -> None:
    sample = _one(plant, "printer.humidity", value)
    assert (sample.value, sample.quality) == (None, Quality.BAD)


def test_value_that_its_device_calls_bad_is_not_kept(plant: Plant) -> None:
    assert _one(plant, "printer.humidity", 40.0, quality=2).value is None
    assert _one(plant, "printer.order", "JO-1", quality=2).value is None
    uncertain = _one(plant, "printer.humidity", 40.0, quality=1)
    assert (uncertain.value, uncertain.quality) == (40.0, Quality.UNCERTAIN)


def test_text_signals_keep_their_text(plant: Plant) -> None:
    assert _one(plant, "printer.order", "JO-1").value == "JO-1"
    assert _one(plant, "printer.order", 4711).value == "4711"
    empty = _one(plant, "printer.fault", "")
    assert (empty.value, empty.quality) == ("", Quality.GOOD)
    assert _one(plant, "printer.order", None).quality is Quality.BAD


def test_sample_of_a_device_clock_that_is_ahead_is_available_when_it_was_measured(
    plant: Plant,
) -> None:
    assert _one(plant, "printer.humidity", 40.0).available_at == from_us(NOON_US + 5)
    ahead = _one(plant, "printer.humidity", 40.0, available_us=NOON_US - 1)
    assert ahead.available_at == ahead.measured_at == datetime(2026, 3, 16, 12, tzinfo=UTC)


def test_several_readings_make_one_batch_in_their_order(plant: Plant) -> None:
    mapped = SignalMap.of(plant, "machines")
    parts = []
    for start in (0, 100):
        part = ReadingsBuilder()
        for i in range(100):
            part.add(0, start + i, NOON_US + start + i, 0)
        parts.append(part.build())
    batch = normalise(mapped, Readings.concat(parts), NOON_US + 1000)
    assert batch.value.tolist() == list(range(200))
    assert len(normalise(mapped, Readings.concat([]), NOON_US)) == 0


def test_sent_unit_of_another_dimension_is_refused(plant: Plant) -> None:
    printer = plant.work_units["printer"]
    wrong = Signal(source="meters", role=SignalRole.ENERGY, unit="W", sent_unit="degC")
    unit = printer.model_copy(update={"signals": {"power": wrong}})
    with pytest.raises(UnitError, match="degC"):
        SignalMap.of(plant.model_copy(update={"work_units": {"printer": unit}}), "meters")


@pytest.mark.parametrize("text", ["\ud800", "x" * 60_001, "ü" * 30_001])
def test_text_that_no_store_would_take_is_bad(plant: Plant, text: str) -> None:
    sample = _one(plant, "printer.product", text)
    assert (sample.value, sample.quality) == (None, Quality.BAD)
    assert _one(plant, "printer.product", "ü" * 30_000).value == "ü" * 30_000
