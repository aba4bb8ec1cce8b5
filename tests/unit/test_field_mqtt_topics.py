"""Facts of the topics that plain JSON sensors publish on."""

from __future__ import annotations

import pytest

from connectors.field.delivery import NO_TIME, ReadingsBuilder
from connectors.field.mqtt.topics import JsonTopics
from twin.errors import DataError
from twin.plant import JsonOptions


def test_several_addresses_share_a_topic_and_it_is_subscribed_once() -> None:
    topics = JsonTopics(["boiler#bar", "fan", "boiler#steam.degC"], JsonOptions(time_form="s"))
    assert topics.filters == ("boiler", "fan")
    readings = ReadingsBuilder()
    assert topics.feed("boiler", b'{"bar": 2, "steam": {"degC": 99}}', False, readings) == 0
    assert topics.feed("fan", b'{"value": 7, "timestamp": 3}', False, readings) == 0
    built = readings.build()
    assert built.index.tolist() == [0, 2, 1]
    assert built.value.tolist() == [2, 99, 7]
    assert built.measured_us.tolist() == [NO_TIME, NO_TIME, 3_000_000]


def test_a_retained_message_counts_only_when_it_says_its_time() -> None:
    topics, readings = JsonTopics(["fan"]), ReadingsBuilder()
    assert topics.feed("fan", b"7", True, readings) == 1
    assert topics.feed("fan", b'{"value": 7, "timestamp": 3}', True, readings) == 0
    assert readings.build().measured_us.tolist() == [3_000]


def test_the_right_samples_of_a_message_are_kept_and_the_message_is_a_letter_once() -> None:
    topics, readings = JsonTopics(["fan"]), ReadingsBuilder()
    assert topics.feed("fan", b'[1, {"value": {}}]', False, readings) == 0
    assert readings.build().value.tolist() == [1]
    (letter,) = topics.letters()
    assert (letter.address, letter.payload) == ("fan", b'[1, {"value": {}}]')
    assert letter.reason.startswith("sample 2 of 2: value is an object")
    assert topics.letters() == []


def test_a_topic_that_nobody_wants_is_said() -> None:
    with pytest.raises(DataError, match="no signal has this topic"):
        JsonTopics(["fan"]).feed("pump", b"1", False, ReadingsBuilder())


@pytest.mark.parametrize(
    ("addresses", "said"),
    [
        (["fan", "fan"], '"fan" belongs to two signals'),
        (["fan#a", "fan#a"], '"fan#a" belongs to two signals'),
        (["hall/+/fan"], "wildcard"),
        (["hall/#"], "wildcard"),
        (["#"], "no topic"),
        (["#a"], "no topic"),
        (["fan#a..b"], "empty part"),
        (["$share/a/fan"], "name one topic"),
    ],
)
def test_addresses_that_are_no_topic_are_refused(addresses: list[str], said: str) -> None:
    with pytest.raises(DataError, match=said.replace("$", r"\$")):
        JsonTopics(addresses)
