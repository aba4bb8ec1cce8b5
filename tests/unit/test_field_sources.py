"""Facts of the sources that a plant file and its settings name."""

from __future__ import annotations

import asyncio

import pytest

from connectors.field.sources import live_sources
from twin.errors import DataError
from twin.plant import MqttOptions, Plant, load_plant


@pytest.fixture(scope="module")
def plant() -> Plant:
    return load_plant("simulators/practice/plant.toml")


def _urls(plant: Plant, **urls: str) -> dict[str, str]:
    async def made() -> dict[str, str]:
        return {source.name: source.url for source in live_sources(plant, urls)}

    return asyncio.run(made())


def test_a_url_of_the_settings_goes_before_the_plant_files(plant: Plant) -> None:
    urls = _urls(plant, sensors="mqtt://user:secret@[::1]:1884")
    assert urls["sensors"] == "mqtt://user:secret@[::1]:1884"
    assert urls["machines"] == plant.sources["machines"].url


def test_a_url_for_a_source_that_the_plant_does_not_have_is_refused(plant: Plant) -> None:
    with pytest.raises(DataError, match=r'no source "machine" .*machines'):
        _urls(plant, machine="opc.tcp://plc:4840")


@pytest.mark.parametrize(
    ("source", "url", "remedy"),
    [
        ("machines", "mqtt://user:secret@plc:4840", "use opc.tcp://host:port"),
        ("machines", "opc.tcp://plc:secret", "use opc.tcp://host:port"),
        ("sensors", "opc.tcp://plc:1883", "use mqtt://host:port"),
        ("sensors", "mqtt://:1883", "use mqtt://host:port"),
        ("meters", "mqtt://[::1:1883", "use mqtt://host:port"),
        ("meters", "mqtt://user:secret@broker:70000", "use mqtt://host:port"),
        ("sensors", "mqtt://user:secret@broker?version=5", r"in \[sources.sensors.mqtt\]"),
    ],
)
def test_a_url_that_cannot_be_is_refused_without_telling_its_password(
    plant: Plant, source: str, url: str, remedy: str
) -> None:
    with pytest.raises(DataError, match=remedy) as caught:
        _urls(plant, **{source: url})
    assert f'"{source}"' in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_sparkplug_source_cannot_be_divided(plant: Plant) -> None:
    entry = plant.sources["meters"].model_copy(update={"mqtt": MqttOptions(share="line1")})
    shared = plant.model_copy(update={"sources": {**plant.sources, "meters": entry}})
    with pytest.raises(DataError, match="take share out of"):
        _urls(shared)
