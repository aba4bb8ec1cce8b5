"""Facts of data messages that are read straight to columns: equal to what was sent, and to the slow way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.field.delivery import ReadingsBuilder
from connectors.field.sparkplug import DataType, Metric, Payload, encode_payload
from connectors.field.sparkplug_births import Births
from connectors.field.sparkplug_columns import Columns, Table
from connectors.field.sparkplug_host import SparkplugHost
from tests.sparkplug_lab import BAD, GOOD, UNCERTAIN, Row, rows_of
from tests.sparkplug_reference import REFERENCE
from twin.errors import DataError

MS = 1_773_639_000_000
NBIRTH, DBIRTH, DDATA = "spBv1.0/g/NBIRTH/n", "spBv1.0/g/DBIRTH/n/d", "spBv1.0/g/DDATA/n/d"

INTEGERS = {
    DataType.INT8: (-(2**7), 2**7 - 1),
    DataType.INT16: (-(2**15), 2**15 - 1),
    DataType.INT32: (-(2**31), 2**31 - 1),
    DataType.INT64: (-(2**63), 2**63 - 1),
    DataType.UINT8: (0, 2**8 - 1),
    DataType.UINT16: (0, 2**16 - 1),
    DataType.UINT32: (0, 2**32 - 1),
    DataType.UINT64: (0, 2**64 - 1),
    DataType.DATETIME: (0, 2**50),
}
LONG = {DataType.INT64, DataType.UINT64, DataType.DATETIME}


@dataclass(frozen=True)
class Meter:
    """A metric of the node: how it is sent."""

    datatype: int
    alias: int
    by_name: bool
    with_time: bool
    with_type: bool
    quality: int | None

    @property
    def name(self) -> str:
        return f"meter/{self.alias}"

    def values(self) -> st.SearchStrategy[Any]:
        if self.datatype == DataType.DOUBLE:
            return st.floats(allow_nan=False)
        if self.datatype == DataType.FLOAT:
            return st.floats(width=32, allow_nan=False)
        if self.datatype == DataType.BOOLEAN:
            return st.booleans()
        if self.datatype == DataType.STRING:
            return st.text(max_size=3)
        low, high = INTEGERS[DataType(self.datatype)]
        near = st.sampled_from([low, high, 0, 1, 127, low // 2, high // 2 + 1])
        return near | st.integers(low, high)


METERS = st.lists(
    st.builds(
        Meter,
        datatype=st.sampled_from([*INTEGERS, 10, 10, 9, 11, 12]),
        alias=st.one_of(st.integers(0, 127), st.integers(128, 2**14), st.integers(2**14, 2**40)),
        by_name=st.sampled_from([False, False, False, True]),
        with_time=st.sampled_from([True, True, False]),
        with_type=st.booleans(),
        quality=st.sampled_from([None, None, None, 192, 0, 500]),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda meter: meter.alias,
)


def put(metrics: Any, meter: Meter, value: Any, at_ms: int) -> None:
    """As Google's runtime writes it."""
    metric = metrics.add()
    if meter.by_name:
        metric.name = meter.name
    else:
        metric.alias = meter.alias
    if meter.with_time:
        metric.timestamp = at_ms
    if meter.with_type:
        metric.datatype = meter.datatype
    if meter.quality is not None:
        metric.properties.keys.append("Quality")
        metric.properties.values.add(type=3, int_value=meter.quality)
    if value is None:
        metric.is_null = True
    elif meter.datatype == DataType.DOUBLE:
        metric.double_value = value
    elif meter.datatype == DataType.FLOAT:
        metric.float_value = value
    elif meter.datatype == DataType.BOOLEAN:
        metric.boolean_value = value
    elif meter.datatype == DataType.STRING:
        metric.string_value = value
    elif meter.datatype in LONG:
        metric.long_value = value & (2**64 - 1)
    else:
        metric.int_value = value & (2**32 - 1)


def host_of(meters: list[Meter], unwanted: int = 0) -> SparkplugHost:
    host = SparkplugHost([f"g/n/d:{meter.name}" for meter in meters[unwanted:]], lambda: MS / 1000)
    births = tuple(Metric(name=m.name, alias=m.alias, datatype=m.datatype) for m in meters)
    host.feed(NBIRTH, encode_payload(Payload(timestamp_ms=MS, seq=0)), False, ReadingsBuilder())
    birth = encode_payload(Payload(timestamp_ms=MS, seq=1, metrics=births))
    host.feed(DBIRTH, birth, False, ReadingsBuilder())
    return host


def sent_row(index: int, meter: Meter, value: Any, at_ms: int, message_ms: int) -> Row:
    qualities = {None: GOOD, 192: GOOD, 0: BAD, 500: UNCERTAIN}
    quality = BAD if value is None else qualities[meter.quality]
    said = value if value is None or isinstance(value, str) else float(value)
    return index, said, at_ms if meter.with_time else message_ms, quality


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_columns_are_what_was_sent(data: st.DataObject) -> None:
    meters = data.draw(METERS)
    unwanted = data.draw(st.integers(0, len(meters) - 1))
    host = host_of(meters, unwanted)
    builder, expected = ReadingsBuilder(), []
    for i in range(data.draw(st.integers(1, 5))):
        message = REFERENCE(timestamp=MS + i + 1, seq=(i + 2) % 256)
        subset = data.draw(st.permutations(range(len(meters))))
        subset = subset[: data.draw(st.integers(1, len(meters)))] if i % 2 else range(len(meters))
        for place in subset:
            meter = meters[place]
            value = data.draw(st.none() | meter.values() | meter.values())
            at_ms = MS + data.draw(st.integers(0, 5))
            put(message.metrics, meter, value, at_ms)
            if place >= unwanted:
                expected.append(sent_row(place - unwanted, meter, value, at_ms, MS + i + 1))
        payload = message.SerializeToString()
        host.feed(DDATA, payload, False, builder)
    assert (host.letters(), host.oldest_held()) == ([], None)
    assert sorted(rows_of(builder.build()), key=repr) == sorted(expected, key=repr)


def outcome(host: SparkplugHost, payload: bytes) -> object:
    builder = ReadingsBuilder()
    try:
        host.feed(DDATA, payload, False, builder)
    except DataError as e:
        return str(e)
    letters = [letter.reason for letter in host.letters()]
    return rows_of(builder.build()), letters, host.oldest_held(), len(host.commands())


METER_LIST = [
    Meter(10, 1, False, True, False, None),
    Meter(3, 2, False, True, True, None),
    Meter(11, 3, False, True, False, 192),
    Meter(4, 300, False, True, False, None),
    Meter(9, 5, True, False, False, None),
    Meter(1, 6, False, True, False, 500),
    Meter(5, 70_000, False, True, False, None),
    Meter(10, 8, False, True, False, None),
]


def message_bytes(seq: int, null: bool = False) -> bytes:
    message = REFERENCE(timestamp=MS + seq, seq=seq)
    values = (1.5, -70_000, True, -(2**40), 0.25, -3, 200, None if null else math.pi)
    for meter, value in zip(METER_LIST, values, strict=True):
        put(message.metrics, meter, value, MS + seq)
    return bytes(message.SerializeToString())


def slow_host() -> SparkplugHost:
    """One that reads every message field by field."""
    host = host_of(METER_LIST)
    host._nodes["g", "n"]._births.learn = lambda *_: None  # type: ignore[method-assign]
    return host


@settings(max_examples=400, deadline=None, suppress_health_check=[*HealthCheck])
@given(
    flips=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=3),
    cut=st.none() | st.integers(0, 400),
)
def test_damaged_messages_are_read_as_the_slow_way_reads_them(
    flips: list[tuple[int, int]], cut: int | None
) -> None:
    fast, slow = host_of(METER_LIST), slow_host()
    for seq in (2, 3):
        assert outcome(fast, message_bytes(seq)) == outcome(slow, message_bytes(seq))
    damaged = bytearray(message_bytes(4))
    for place, byte in flips:
        damaged[place % len(damaged)] = byte
    payload = bytes(damaged)[:cut]
    assert repr(outcome(fast, payload)) == repr(outcome(slow, payload)), payload.hex()


def test_every_single_bit_that_flips_is_read_as_the_slow_way_reads_it() -> None:
    whole = message_bytes(3)
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        fast, slow = host_of(METER_LIST), slow_host()
        for host in (fast, slow):
            outcome(host, message_bytes(2))
        assert repr(outcome(fast, bytes(damaged))) == repr(outcome(slow, bytes(damaged))), bit


def test_messages_of_one_look_are_not_read_field_by_field(monkeypatch: pytest.MonkeyPatch) -> None:
    host = host_of(METER_LIST)
    first = outcome(host, message_bytes(2))
    monkeypatch.setattr(Births, "data", None)  # the slow way
    second = outcome(host, message_bytes(3))
    assert isinstance(first, tuple)
    assert isinstance(second, tuple)
    assert [row[1] for row in second[0]] == [row[1] for row in first[0]]
    monkeypatch.undo()
    assert isinstance(outcome(host, message_bytes(4, null=True)), tuple)


def test_metrics_of_a_message_in_another_order_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    host = host_of(METER_LIST)
    outcome(host, message_bytes(2))
    monkeypatch.setattr(Births, "data", None)
    message = REFERENCE(timestamp=MS + 3, seq=3)
    for place, value in ((7, 2.5), (0, 3.5), (3, -(2**41))):
        put(message.metrics, METER_LIST[place], value, MS)
    found = outcome(host, message.SerializeToString())
    assert isinstance(found, tuple)
    assert [row[:2] for row in found[0]] == [(7, 2.5), (0, 3.5), (3, -(2.0**41))]


@given(st.integers(0, 2**64 - 1), st.sampled_from(sorted(INTEGERS)))
def test_whole_numbers_are_signed_alike_both_ways(sent: int, datatype: DataType) -> None:
    meter = Meter(datatype, 1, False, True, False, None)
    host = host_of([meter])
    rows = []
    for seq in (2, 3):
        metric = Metric(alias=1, timestamp_ms=MS, datatype=DataType.UINT64, value=sent)
        payload = encode_payload(Payload(timestamp_ms=MS, seq=seq, metrics=(metric,)))
        payload = payload.replace(b"\x20\x08", b"")  # no datatype: that of the birth counts
        payload = payload.replace(bytes([0x12, payload[8]]), bytes([0x12, payload[8] - 2]), 1)
        builder = ReadingsBuilder()
        host.feed(DDATA, payload, False, builder)
        rows.append(rows_of(builder.build()))
    assert rows[0] == rows[1]
    assert len(rows[0]) == 1


def test_columns_without_messages_are_empty() -> None:
    assert len(Columns(Table()).build()) == 0
