"""Facts of the Sparkplug B wire format, against Google's protobuf runtime."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.field.sparkplug import (
    DataType,
    MessageType,
    Metric,
    Payload,
    Topic,
    decode_payload,
    encode_payload,
    typed,
)
from tests.sparkplug_reference import REFERENCE
from twin.errors import DataError

BIRTH = Payload(
    timestamp_ms=1_773_639_000_000,
    seq=0,
    metrics=(
        Metric(name="bdSeq", datatype=DataType.INT64, value=3),
        Metric(name="printer/power", alias=7, datatype=DataType.DOUBLE, value=1.8, quality=192),
        Metric(name="Node Control/Rebirth", datatype=DataType.BOOLEAN, value=False),
        Metric(name="offset", alias=8, datatype=DataType.INT32, value=-5, timestamp_ms=17),
        Metric(name="order", alias=9, datatype=DataType.STRING, value=None, is_historical=True),
    ),
)


def test_protobuf_runtime_reads_what_we_write() -> None:
    read = REFERENCE.FromString(encode_payload(BIRTH))
    assert (read.timestamp, read.seq) == (1_773_639_000_000, 0)
    sequence, power, rebirth, offset, order = read.metrics
    assert (sequence.name, sequence.datatype, sequence.long_value) == ("bdSeq", 4, 3)
    assert (power.alias, power.datatype, power.double_value) == (7, 10, 1.8)
    assert list(power.properties.keys) == ["Quality"]
    assert (power.properties.values[0].type, power.properties.values[0].int_value) == (3, 192)
    assert rebirth.HasField("boolean_value")
    assert rebirth.boolean_value is False
    assert (offset.int_value, offset.timestamp) == (2**32 - 5, 17)
    assert order.is_null
    assert order.is_historical
    assert not order.HasField("string_value")


def test_we_read_what_the_protobuf_runtime_writes() -> None:
    sent = REFERENCE(timestamp=1_773_639_000_123, seq=255, uuid="skipped", body=b"\x00\xff")
    sent.metrics.add(alias=7, timestamp=5, double_value=-2.25).metadata.content_type = "skipped"
    sent.metrics.add(name="n", datatype=DataType.INT64, long_value=2**64 - 9)
    sent.metrics.add(name="f", datatype=DataType.FLOAT, float_value=0.5)
    sent.metrics.add(name="s", datatype=DataType.STRING, string_value="Lötofen")
    sent.metrics.add(name="b", datatype=DataType.BOOLEAN, boolean_value=True, is_transient=True)
    sent.metrics.add(name="x", datatype=DataType.INT32, is_null=True)
    sent.metrics.add(name="file", datatype=18, bytes_value=b"\x01")
    quality = sent.metrics.add(alias=8, int_value=2**32 - 1).properties
    quality.keys.extend(["Units", "Quality"])
    quality.values.add(type=3, int_value=1)
    quality.values.add(type=3, int_value=500)
    assert decode_payload(sent.SerializeToString()) == Payload(
        timestamp_ms=1_773_639_000_123,
        seq=255,
        metrics=(
            Metric(alias=7, timestamp_ms=5, value=-2.25),
            Metric(name="n", datatype=4, value=-9),
            Metric(name="f", datatype=9, value=0.5),
            Metric(name="s", datatype=12, value="Lötofen"),
            Metric(name="b", datatype=11, value=True),
            Metric(name="x", datatype=3),
            Metric(name="file", datatype=18, strange="an array or file"),
            Metric(alias=8, value=2**32 - 1, quality=500),
        ),
    )


VALUES = st.one_of(
    st.tuples(st.just(DataType.DOUBLE), st.floats(allow_nan=False)),
    st.tuples(st.just(DataType.FLOAT), st.floats(width=32, allow_nan=False)),
    st.tuples(st.just(DataType.INT32), st.integers(-(2**31), 2**31 - 1)),
    st.tuples(st.just(DataType.UINT32), st.integers(0, 2**32 - 1)),
    st.tuples(st.just(DataType.INT64), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just(DataType.UINT64), st.integers(0, 2**64 - 1)),
    st.tuples(st.just(DataType.BOOLEAN), st.booleans()),
    st.tuples(st.just(DataType.TEXT), st.text()),
    st.tuples(st.sampled_from(DataType), st.none()),
)


@given(
    st.builds(
        lambda typed_value, **rest: Metric(datatype=typed_value[0], value=typed_value[1], **rest),
        typed_value=VALUES,
        name=st.text(),
        alias=st.none() | st.integers(0, 2**64 - 1),
        timestamp_ms=st.none() | st.integers(0, 2**50),
        quality=st.sampled_from([None, 0, 192, 500]),
    )
)
def test_what_was_encoded_is_decoded(metric: Metric) -> None:
    payload = Payload(seq=1, metrics=(metric,))
    assert decode_payload(encode_payload(payload)) == payload


def test_sign_of_data_without_a_datatype_comes_from_the_birth() -> None:
    raw = decode_payload(encode_payload(Payload(metrics=(Metric(alias=1, value=-5),)))).metrics[0]
    assert typed(raw.value, DataType.INT64) == -5
    assert typed(2**64 - 5, DataType.INT32) == -5
    assert typed(2**32 - 5, DataType.UINT32) == 2**32 - 5


@given(st.binary(max_size=80))
def test_any_bytes_are_a_payload_or_a_data_error(data: bytes) -> None:
    with contextlib.suppress(DataError):
        decode_payload(data)


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        (DataType.INT32, 2**31),
        (DataType.UINT8, -1),
        (DataType.INT64, 0.5),
        (DataType.INT32, "5"),
        (DataType.STRING, 5),
        (18, 5),
    ],
)
def test_value_that_does_not_fit_its_datatype_is_refused(datatype: int, value: Any) -> None:
    with pytest.raises(DataError, match="does not fit"):
        encode_payload(Payload(metrics=(Metric(datatype=datatype, value=value),)))


def test_topics_of_nodes_and_devices() -> None:
    node = Topic.parse("spBv1.0/electronics/NBIRTH/line1-meters")
    assert node == Topic("electronics", MessageType.NBIRTH, "line1-meters")
    device = Topic.parse("spBv1.0/electronics/DDATA/line1-meters/oven")
    assert (device.device, str(device)) == ("oven", "spBv1.0/electronics/DDATA/line1-meters/oven")
    for text in ("spBv1.0/STATE/host", "spAv1.0/g/NDATA/n", "spBv1.0/g/NOISE/n", "x"):
        with pytest.raises(DataError):
            Topic.parse(text)
