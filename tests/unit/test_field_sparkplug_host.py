"""Facts of a Sparkplug host: births, aliases, values, deaths, rebirth requests, STATE."""

from __future__ import annotations

import json

import pytest

from connectors.field.mqtt.decoder import Decoder
from connectors.field.sparkplug import DataType, Metric, decode_payload
from connectors.field.sparkplug_host import SparkplugHost
from tests.sparkplug_lab import BAD, GOOD, UNCERTAIN, Desk
from twin.errors import DataError
from twin.plant import SparkplugOptions

REBIRTH = "spBv1.0/g/NCMD/n"


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_host_is_a_decoder() -> None:
    decoder: Decoder = SparkplugHost(["g/n:m", "g/n/d:m", "h/n:m"])
    assert decoder.filters == ("spBv1.0/g/+/n/#", "spBv1.0/h/+/n/#")


def test_births_carry_values_and_data_come_by_alias(desk: Desk) -> None:
    assert desk.birth() == [(0, 1.5, 1_000_000, GOOD), (1, -3, 1_000_000, GOOD)]
    rows = desk.feed(
        "NDATA",
        Metric(alias=8, value=2**32 - 4, timestamp_ms=70),
        Metric(alias=7, value=2.5, quality=500),
        Metric(alias=9, value=3),
        seq=1,
    )
    assert rows == [(1, -4, 70, GOOD), (0, 2.5, 1_000_000, UNCERTAIN)]
    assert desk.asked() == []


def test_devices_have_their_own_metrics(desk: Desk) -> None:
    desk.birth()
    assert desk.oven_birth(seq=1) == [(2, 1.0, 1_000_000, GOOD)]
    data = desk.feed("DDATA", Metric(alias=20, value=2.0), seq=2, at="n/oven")
    assert data == [(2, 2.0, 1_000_000, GOOD)]
    desk.now_s += 1
    assert desk.feed("DDEATH", seq=3, at="n/oven") == [(2, None, 1_001_000, BAD)]
    assert desk.asked() == []


def test_data_of_a_dead_device_are_a_letter_until_it_is_born_again(desk: Desk) -> None:
    desk.birth()
    desk.oven_birth(seq=1)
    desk.feed("DDEATH", seq=2, at="n/oven")
    assert desk.feed("DDATA", Metric(alias=20, value=2.0), seq=3, at="n/oven") == []
    assert desk.reasons() == ["no birth that holds names alias 20"]
    assert desk.asked() == [REBIRTH]
    desk.oven_birth(seq=4)
    assert len(desk.feed("DDATA", Metric(alias=20, value=2.0), seq=5, at="n/oven")) == 1


def test_alias_of_another_device_means_nothing(desk: Desk) -> None:
    desk.birth()
    assert desk.feed("DDATA", Metric(alias=7, value=2.0), seq=1, at="n/oven") == []
    assert desk.reasons() == ["no birth that holds names alias 7"]


def test_aliases_mean_what_the_last_birth_says(desk: Desk) -> None:
    desk.birth()
    assert desk.data(2.0, seq=1) == [(0, 2.0, 1_000_000, GOOD)]
    desk.now_s += 1
    desk.birth(swap=True)
    assert desk.data(3.0, seq=1) == [(1, 3.0, 1_001_000, GOOD)]


def test_straggler_from_before_a_rebirth_is_not_read_with_the_new_aliases(desk: Desk) -> None:
    desk.birth()
    desk.now_s += 1
    desk.birth(swap=True)
    assert desk.data(3.0, seq=77, ms=1_000_500) == []
    assert desk.reasons() == ["no birth that holds names alias 7"]


def test_metric_may_change_its_type_from_birth_to_birth(desk: Desk) -> None:
    desk.birth()
    assert desk.data(2.5, seq=1)[0][1] == 2.5
    for datatype, value in ((DataType.INT64, -4), (DataType.UINT64, 2**53), (DataType.INT8, -1)):
        desk.now_s += 1
        metric = Metric(name="printer/power", alias=7, datatype=datatype, value=0)
        desk.feed("NBIRTH", metric, seq=0)
        for seq in (1, 2):
            rows = desk.feed("NDATA", Metric(alias=7, value=value), seq=seq)
            assert [row[1] for row in rows] == [value]


def test_null_and_bad_values_are_bad(desk: Desk) -> None:
    desk.birth()
    null, bad = Metric(alias=7, value=None), Metric(alias=8, value=5, quality=0)
    assert [row[3] for row in desk.feed("NDATA", null, bad, seq=1)] == [BAD, BAD]


def test_historical_values_stand_at_their_own_time_and_change_nothing_else(desk: Desk) -> None:
    desk.birth()
    old = Metric(alias=7, value=4.0, timestamp_ms=400_000, is_historical=True)
    assert desk.feed("NDATA", old, seq=1) == [(0, 4.0, 400_000, GOOD)]
    assert desk.data(5.0, seq=2) == [(0, 5.0, 1_000_000, GOOD)]
    assert (desk.asked(), desk.lost(), desk.reasons()) == ([], [], [])


@pytest.mark.parametrize(
    ("tag", "what"),
    [(b"\x82\x01", "an array or file"), (b"\x8a\x01", "a data set"), (b"\x92\x01", "a template")],
)
def test_value_of_several_parts_is_a_letter_only_where_it_is_wanted(
    desk: Desk, tag: bytes, what: str
) -> None:
    desk.birth()
    for alias, reasons in ((9, []), (7, [f'"printer/power" is {what}, not one number or text'])):
        body = bytes([0x10, alias]) + tag + b"\x02\x08\x01"
        payload = b"\x08\x05\x12" + bytes([len(body)]) + body + bytes([0x18, 1 + (alias == 7)])
        assert desk.raw("spBv1.0/g/NDATA/n", payload) == []
        assert desk.reasons() == reasons


def test_unknown_alias_is_a_letter_and_a_rebirth_request_and_hides_nothing(desk: Desk) -> None:
    desk.birth()
    rows = desk.feed("NDATA", Metric(alias=99, value=1.0), Metric(alias=7, value=2.0), seq=1)
    assert rows == [(0, 2.0, 1_000_000, GOOD)]
    (letter,) = desk.letters
    assert letter.address == "spBv1.0/g/NDATA/n"
    assert [m.alias for m in decode_payload(letter.payload).metrics] == [99, 7]
    assert desk.reasons() == ["no birth that holds names alias 99"]
    assert desk.asked() == [REBIRTH]


def test_integer_without_a_birth_is_not_guessed_to_be_positive(desk: Desk) -> None:
    metric = Metric(name="printer/power", value=-5)
    assert desk.feed("NDATA", metric, seq=1) == []
    assert desk.reasons() == ['no birth says whether "printer/power" has a sign']


def test_message_that_a_broker_retained_is_refused(desk: Desk) -> None:
    desk.birth()
    with pytest.raises(DataError, match="retained"):
        desk.raw("spBv1.0/g/NDATA/n", b"\x18\x01", retained=True)


@pytest.mark.parametrize(
    "topic", ["spBv1.0/g/DDATA/n", "spBv1.0/g/NDATA/n/oven", "spBv1.0/g/DDATA/n/"]
)
def test_topic_of_a_device_has_a_device(desk: Desk, topic: str) -> None:
    with pytest.raises(DataError, match="does not fit"):
        desk.raw(topic, b"")


def test_rebirth_request_is_what_the_standard_gives_to_hosts(desk: Desk) -> None:
    desk.data(1.0, seq=1)
    ((topic, payload, qos, retain),) = desk.host.commands()
    assert (topic, qos, retain) == (REBIRTH, 0, False)
    (metric,) = decode_payload(payload).metrics
    assert (metric.name, metric.datatype, metric.value) == ("Node Control/Rebirth", 11, True)


def test_births_are_asked_for_at_most_every_five_seconds_and_then_less_often(desk: Desk) -> None:
    asked_s = []
    for _ in range(1200):
        desk.data(1.0, seq=0)
        asked_s += [desk.now_s - 1000 for _ in desk.asked()]
        desk.tick(0.25)
    assert asked_s == [0, 5, 15, 35, 75, 155, 235]


def test_births_are_asked_for_again_without_any_message(desk: Desk) -> None:
    desk.connect()
    assert desk.asked() == [REBIRTH]
    desk.tick(4)
    assert desk.asked() == []
    desk.tick(2)
    assert desk.asked() == [REBIRTH]
    desk.birth()
    desk.tick(60)
    assert desk.asked() == []


def test_messages_of_other_nodes_and_commands_say_nothing(desk: Desk) -> None:
    assert desk.feed("NDATA", Metric(alias=7, value=1.0), seq=1, at="other") == []
    assert desk.feed("NCMD", Metric(name="Node Control/Rebirth", value=True)) == []
    assert desk.asked() == []


def state(online: bool, ms: int) -> tuple[str, dict[str, object], int, bool]:
    return "spBv1.0/STATE/linetwin", {"online": online, "timestamp": ms}, 1, True


def test_primary_host_says_that_it_is_there_and_the_broker_that_it_is_gone() -> None:
    desk = Desk(primary_host="linetwin")
    assert desk.host.filters[-1] == "spBv1.0/STATE/linetwin"

    def read(said: tuple[str, bytes, int, bool]) -> object:
        return (said[0], json.loads(said[1]), *said[2:])

    will = desk.host.will()
    assert will is not None
    assert read(will) == state(False, 1_000_000)
    desk.now_s += 0.25
    desk.host.connected()
    birth = desk.host.commands()[-1]
    assert read(birth) == state(True, 1_000_000), "the same timestamp as its will"
    assert desk.raw(will[0], birth[1], retained=True) == []
    assert desk.asked() == []
    desk.raw(will[0], will[1])
    assert desk.host.commands() == [birth], "whoever says that we are away is wrong"
    desk.now_s += 1
    (farewell,) = desk.host.farewell()
    assert read(farewell) == state(False, 1_001_250)


def test_host_that_is_not_primary_has_no_state(desk: Desk) -> None:
    assert (desk.host.will(), desk.host.farewell()) == (None, [])
    desk.connect()
    assert desk.asked() == [REBIRTH]


@pytest.mark.parametrize("address", ["g:m", "g/n", "g/n/d/x:m", "/n:m", "g/n:", "g+/n:m", "g/#:m"])
def test_address_of_another_form_is_refused(address: str) -> None:
    with pytest.raises(DataError, match="edge-node"):
        SparkplugHost([address])


def test_address_of_two_signals_is_refused() -> None:
    with pytest.raises(DataError, match="two signals"):
        SparkplugHost(["g/n:m", "g/n:m"], options=SparkplugOptions())
