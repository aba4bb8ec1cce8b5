"""Facts of a Sparkplug host: births, aliases, sequence, deaths, rebirth requests."""

from __future__ import annotations

import pytest

from connectors.field.delivery import NO_TIME, ReadingsBuilder
from connectors.field.sparkplug import DataType, Metric, Payload, decode_payload, encode_payload
from connectors.field.sparkplug_host import SparkplugHost
from twin.errors import DataError

ADDRESSES = ("g/n:printer/power", "g/n:reflow/power", "g/n/oven:zone")
BAD, GOOD, UNCERTAIN = 2, 0, 1
Row = tuple[int, object, int | None, int]


class Desk:
    """A host with a wall clock that is moved by hand."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.host = SparkplugHost(ADDRESSES, lambda: self.now_s)

    def feed(self, kind: str, *metrics: Metric, seq: int | None = None, at: str = "n") -> list[Row]:
        builder = ReadingsBuilder()
        payload = encode_payload(Payload(timestamp_ms=50, seq=seq, metrics=metrics))
        node, _, device = at.partition("/")
        topic = f"spBv1.0/g/{kind}/{node}" + (f"/{device}" if device else "")
        self.host.feed(topic, payload, False, builder)
        readings = builder.build()
        values = [None if v != v else v for v in readings.value.tolist()]
        times = [None if t == NO_TIME else t for t in readings.measured_us.tolist()]
        columns = (readings.index.tolist(), values, times, readings.quality.tolist())
        return list(zip(*columns, strict=True))

    def birth(self, bd_seq: int = 1) -> list[Row]:
        return self.feed(
            "NBIRTH",
            Metric(name="bdSeq", datatype=DataType.INT64, value=bd_seq),
            Metric(name="printer/power", alias=7, datatype=DataType.DOUBLE, value=1.5),
            Metric(name="reflow/power", alias=8, datatype=DataType.INT32, value=-3),
            Metric(name="not/wanted", alias=9, datatype=DataType.INT32, value=1),
            seq=0,
        )

    def asked(self) -> list[str]:
        return [topic for topic, _ in self.host.commands()]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_births_carry_values_and_data_come_by_alias(desk: Desk) -> None:
    assert desk.birth() == [(0, 1.5, 50_000, GOOD), (1, -3, 50_000, GOOD)]
    rows = desk.feed(
        "NDATA",
        Metric(alias=8, value=2**32 - 4, timestamp_ms=70),
        Metric(alias=7, value=2.5, quality=500),
        Metric(alias=9, value=3),
        seq=1,
    )
    assert rows == [(1, -4, 70_000, GOOD), (0, 2.5, 50_000, UNCERTAIN)]
    assert desk.asked() == []


def test_devices_have_their_own_metrics(desk: Desk) -> None:
    desk.birth()
    zone = Metric(name="zone", alias=20, datatype=DataType.FLOAT, value=1.0)
    assert desk.feed("DBIRTH", zone, seq=1, at="n/oven") == [(2, 1.0, 50_000, GOOD)]
    data = desk.feed("DDATA", Metric(alias=20, value=2.0), seq=2, at="n/oven")
    assert data == [(2, 2.0, 50_000, GOOD)]
    assert desk.feed("DDEATH", seq=3, at="n/oven") == [(2, None, 50_000, BAD)]
    assert desk.asked() == []


def test_death_of_the_node_leaves_every_signal_without_value_once(desk: Desk) -> None:
    desk.birth(bd_seq=4)
    will = Metric(name="bdSeq", datatype=DataType.INT64, value=4)
    dead = desk.feed("NDEATH", will)
    assert sorted(dead) == [(i, None, None, BAD) for i in range(3)]
    assert desk.feed("NDEATH", will) == []


def test_death_of_an_earlier_session_is_ignored(desk: Desk) -> None:
    desk.birth(bd_seq=4)
    assert desk.feed("NDEATH", Metric(name="bdSeq", datatype=DataType.INT64, value=3)) == []


def test_null_and_bad_values_are_bad(desk: Desk) -> None:
    desk.birth()
    null, bad = Metric(alias=7, value=None), Metric(alias=8, value=5, quality=0)
    assert [row[3] for row in desk.feed("NDATA", null, bad, seq=1)] == [BAD, BAD]


def test_gap_in_the_sequence_asks_for_a_birth_and_keeps_the_value(desk: Desk) -> None:
    desk.birth()
    assert len(desk.feed("NDATA", Metric(alias=7, value=1.0), seq=2)) == 1
    ((topic, payload),) = desk.host.commands()
    assert topic == "spBv1.0/g/NCMD/n"
    (metric,) = decode_payload(payload).metrics
    assert (metric.name, metric.datatype, metric.value) == ("Node Control/Rebirth", 11, True)


def test_sequence_goes_round_after_255_and_a_redelivery_is_no_gap(desk: Desk) -> None:
    desk.birth()
    for seq in [*range(1, 256), 0, 1, 1, 2]:
        desk.feed("NDATA", Metric(alias=7, value=1.0), seq=seq)
    assert desk.asked() == []


def test_data_without_a_birth_ask_for_it_at_most_every_five_seconds(desk: Desk) -> None:
    for seq in range(3):
        assert desk.feed("NDATA", Metric(alias=7, value=1.0), seq=seq) == []
    assert len(desk.asked()) == 1
    desk.now_s += 6
    desk.feed("NDATA", Metric(alias=7, value=1.0), seq=3)
    assert len(desk.asked()) == 1


def test_new_connection_asks_every_node(desk: Desk) -> None:
    desk.host.connected()
    assert desk.asked() == ["spBv1.0/g/NCMD/n"]


def test_messages_of_other_nodes_and_commands_say_nothing(desk: Desk) -> None:
    assert desk.feed("NDATA", Metric(alias=7, value=1.0), seq=1, at="other") == []
    assert desk.feed("NCMD", Metric(name="Node Control/Rebirth", value=True)) == []
    assert desk.asked() == []


@pytest.mark.parametrize("address", ["g:m", "g/n", "g/n/d/x:m", "/n:m", "g/n:", "g+/n:m", "g/#:m"])
def test_address_of_another_form_is_refused(address: str) -> None:
    with pytest.raises(DataError, match="edge-node"):
        SparkplugHost([address])


def test_address_of_two_signals_is_refused() -> None:
    with pytest.raises(DataError, match="two signals"):
        SparkplugHost(["g/n:m", "g/n:m"])
