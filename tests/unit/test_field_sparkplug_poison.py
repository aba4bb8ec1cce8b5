"""Facts of a Sparkplug host that is sent what no edge node should send: a letter, never a crash."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.field.delivery import ReadingsBuilder
from connectors.field.protobuf import put_bytes
from connectors.field.sparkplug import Metric, Payload, encode_payload
from tests.sparkplug_lab import Desk
from tests.sparkplug_reference import REFERENCE
from twin.errors import DataError

TOPICS = [
    f"spBv1.0/g/{kind}/n" + ("/oven" if kind[0] == "D" else "")
    for kind in ("NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH")
]
MB = 1_000_000


def inside(field: int, body: bytes) -> bytes:
    out = bytearray()
    put_bytes(out, field, body)
    return bytes(out)


def real_message(seq: int) -> bytes:
    message = REFERENCE(timestamp=1_000_000, seq=seq)
    message.metrics.add(alias=7, timestamp=1_000_000, double_value=2.5)
    quality = message.metrics.add(alias=8, int_value=5).properties
    quality.keys.append("Quality")
    quality.values.add(type=3, int_value=192)
    message.metrics.add(name="bdSeq", datatype=4, long_value=1)
    message.metrics.add(name="zone", alias=20, datatype=9, float_value=1.5)
    return bytes(message.SerializeToString())


def hears(desk: Desk, topic: str, payload: bytes) -> None:
    with contextlib.suppress(DataError):
        desk.raw(topic, payload)


def recovers(desk: Desk) -> None:
    """After births the next data are understood, whatever came before."""
    desk.tick(30)
    desk.birth(bd_seq=77)
    desk.letters.clear()
    desk.now_s += 1
    assert [row[:2] for row in desk.data(4.25, seq=1)] == [(0, 4.25)]
    assert [row[:2] for row in desk.data(4.5, seq=2)] == [(0, 4.5)]
    assert desk.reasons() == []


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(TOPICS), st.binary(max_size=60)), max_size=5))
def test_any_bytes_on_any_topic(messages: list[tuple[str, bytes]]) -> None:
    desk = Desk()
    desk.birth()
    for topic, payload in messages:
        hears(desk, topic, payload)
    recovers(desk)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(TOPICS),
            st.integers(0, 255),
            st.integers(0, 200),
            st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4),
            st.floats(0, 3),
        ),
        max_size=6,
    )
)
def test_real_messages_cut_and_damaged_in_any_order(
    messages: list[tuple[str, int, int, list[tuple[int, int]], float]],
) -> None:
    desk = Desk()
    desk.birth()
    for topic, seq, cut, flips, pause_s in messages:
        payload = bytearray(real_message(seq))
        for place, byte in flips:
            payload[place % len(payload)] = byte
        hears(desk, topic, bytes(payload[: len(payload) - cut] if cut < 60 else payload))
        desk.tick(pause_s)
    recovers(desk)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40) | st.from_regex(r"spBv1\.0/g/[A-Z]{4,6}/n(/.{0,3})?", fullmatch=True))
def test_any_topic(topic: str) -> None:
    desk = Desk()
    hears(desk, topic, b"")
    recovers(desk)


@pytest.mark.parametrize("cut", range(1, len(real_message(1)), 7))
def test_message_that_is_cut_short_is_refused_whole_or_has_lost_its_end(cut: int) -> None:
    desk = Desk()
    desk.birth()
    whole = real_message(1)
    hears(desk, "spBv1.0/g/NDATA/n", whole[:-cut])
    recovers(desk)


NEST = b""
while len(NEST) < 20_000:
    NEST = inside(2, NEST)
BIG = {
    "zeros": bytes(10 * MB),
    "ones": b"\xff" * 10 * MB,
    "length beyond the end": b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7f" + bytes(10),
    "metrics without a name": b"\x12\x00" * 5 * MB,
    "metrics of unknown aliases": b"\x12\x02\x10\x63" * (5 * MB // 2),
    "fields nobody knows": b"\x20\x01" * 5 * MB,
    "one value five million times": inside(2, b"\x10\x07" + b"\x58\x01" * 5 * MB),
    "property keys": inside(2, b"\x10\x07" + inside(9, b"\x0a\x00" * 5 * MB)),
    "property values": inside(
        2, b"\x10\x07" + inside(9, inside(1, b"Quality") + inside(2, b"\x08\x01" * 5 * MB))
    ),
    "a name of ten million letters": inside(2, inside(1, b"x" * 10 * MB)),
    "a text of ten million letters": inside(
        2, b"\x10\x07" + b"\x7a" + inside(1, b"x" * 10 * MB)[1:]
    ),
    "messages in messages": inside(2, b"\x10\x07" + NEST),
    "a template of templates": inside(2, b"\x10\x07\x92\x01" + inside(1, NEST)[1:]),
}


@pytest.mark.parametrize("payload", BIG.values(), ids=BIG.keys())
@pytest.mark.parametrize("topic", ["spBv1.0/g/NDATA/n", "spBv1.0/g/NBIRTH/n"])
def test_ten_megabytes_of_poison_hold_nobody_up(topic: str, payload: bytes) -> None:
    desk = Desk()
    desk.birth()
    began_s = time.process_time()
    hears(desk, topic, payload)
    assert time.process_time() - began_s < 2.0, "CPU; a tenth of it on a machine of its own"
    recovers(desk)


def test_poison_on_other_topics_does_not_make_us_forget_much() -> None:
    """State that strangers can grow is bounded."""
    desk = Desk()
    for i in range(1000):
        hears(desk, f"spBv1.0/g/DDATA/n/stranger{i}", real_message(i % 256))
        desk.letters.clear()
    desk.birth()
    builder = ReadingsBuilder()
    for i in range(500):
        metric = Metric(alias=7, timestamp_ms=1_000_000, value=float(i))
        junk = Metric(name=f"junk{i}", datatype=12, value="x" * (i % 90))
        payload = encode_payload(
            Payload(timestamp_ms=1_000_001, seq=(i + 1) % 256, metrics=(metric, junk))
        )
        desk.host.feed("spBv1.0/g/NDATA/n", payload, False, builder)
    readings = builder.build()
    assert sorted(readings.value.tolist()) == [float(i) for i in range(500)]
