"""Facts of the JSON that plain MQTT sensors send."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.field.json_payload import (
    BAD,
    GOOD,
    UNCERTAIN,
    JsonForm,
    JsonReader,
    decode_json,
    encode_json,
)
from twin.errors import DataError
from twin.telemetry import Quality

INSTANT_US = 1_773_639_000_000_250  # 2026-03-16T05:30:00.000250Z, by `date -d ... +%s`


def test_quality_codes_are_those_of_telemetry() -> None:
    assert (GOOD, UNCERTAIN, BAD) == (Quality.GOOD, Quality.UNCERTAIN, Quality.BAD)


def test_message_is_plain_json_with_an_iso_time() -> None:
    assert json.loads(encode_json(21.5, INSTANT_US, UNCERTAIN)) == {
        "value": 21.5,
        "timestamp": "2026-03-16T05:30:00.000250Z",
        "quality": "uncertain",
    }


@given(
    value=st.none() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    at=st.integers(min_value=0, max_value=4_000_000_000_000_000),
    quality=st.sampled_from([GOOD, UNCERTAIN, BAD]),
)
def test_what_was_encoded_is_decoded(value: float | str | None, at: int, quality: int) -> None:
    reading = decode_json(encode_json(value, at, quality))
    assert reading.value == value
    assert reading.timestamp_us == at
    assert reading.quality == (BAD if value is None else quality)


@pytest.mark.parametrize(
    ("payload", "value", "at", "quality"),
    [
        (b"21.5", 21.5, None, GOOD),
        (b'"FG-DRV24"', "FG-DRV24", None, GOOD),
        (b"true", 1.0, None, GOOD),
        (b"null", None, None, BAD),
        (b'{"value": 1e999}', None, None, BAD),
        (b'[{"value": 2, "quality": "Uncertain"}]', 2.0, None, UNCERTAIN),
        (b'{"value": 1, "timestamp": 1773639000000}', 1.0, 1_773_639_000_000_000, GOOD),
        (
            b'{"value": 1, "timestamp": "2026-03-16T06:30:00+01:00", "unit": "degC"}',
            1.0,
            1_773_639_000_000_000,
            GOOD,
        ),
    ],
)
def test_common_forms_of_sensors_are_understood(
    payload: bytes, value: float | str | None, at: int | None, quality: int
) -> None:
    reading = decode_json(payload)
    assert (reading.value, reading.timestamp_us, reading.quality) == (value, at, quality)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[" * 100_000,
        b"\xff\xfe",
        b"{",
        b"{}",
        b"[1, 2]",
        b"[]",
        b'{"value": NaN}',
        b"-Infinity",
        b'{"value": {}}',
        b'{"value": 1, "timestamp": "2026-03-16T06:30:00"}',
        b'{"value": 1, "timestamp": true}',
        b'{"value": 1, "timestamp": "noon"}',
        b'{"value": 1, "quality": "fine"}',
        b'{"value": 1, "quality": []}',
    ],
)
def test_other_messages_are_refused(payload: bytes) -> None:
    with pytest.raises(DataError):
        decode_json(payload)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_reading_or_a_data_error(payload: bytes) -> None:
    with contextlib.suppress(DataError):
        decode_json(payload)


@given(st.binary(max_size=60))
def test_any_bytes_are_rows_or_a_data_error_in_every_form(payload: bytes) -> None:
    reader = JsonReader(JsonForm(samples="a", time="t", time_form="ns"), ("b.0", None))
    for message in (payload, b'{"a":[' + payload + b"]}"):
        with contextlib.suppress(DataError):
            reader.rows(message)


@pytest.mark.parametrize(
    ("form", "stamp", "at"),
    [
        ("auto", '"2026-03-16T05:30:00.00025Z"', INSTANT_US),
        ("auto", '"2026-03-16T06:30:00.000250999+01:00"', INSTANT_US),
        ("auto", "1773639000000.25", INSTANT_US),
        ("iso", '"20260316T053000.000250Z"', INSTANT_US),
        ("s", "1773639000.00025", INSTANT_US),
        ("s", "1.1", 1_100_000),
        ("s", '"1773639000.00025"', INSTANT_US),
        ("ms", "1773639000000", 1_773_639_000_000_000),
        ("us", "1773639000000250", INSTANT_US),
        ("ns", "1773639000000250999", INSTANT_US + 1),
        ("ns", "-1773639000000250000", -INSTANT_US),
        ("s", "null", None),
    ],
)
def test_a_time_is_read_to_the_microsecond_in_the_form_that_is_named(
    form: str, stamp: str, at: int | None
) -> None:
    reader = JsonReader(JsonForm(time_form=form))
    assert reader.rows(b'{"value":1,"timestamp":%s}' % stamp.encode()) == ([(0, 1.0, at, 0)], None)


@pytest.mark.parametrize(
    ("form", "stamp", "reason"),
    [
        ("auto", '"noon"', 'time "noon" is not ISO 8601 with an offset'),
        ("iso", "1773639000", "time 1773639000 is not ISO 8601 with an offset"),
        ("iso", '"2026-03-16T05:30:00"', "is not ISO 8601 with an offset"),
        ("auto", "9223372036854775.9", "is not a number of ms since 1970 or ISO 8601"),
        ("s", "1e99", "time 1e+99 is not a number of s since 1970"),
        ("s", '"1e999999999"', "is not a number of s since 1970"),
        ("s", '"nan"', "is not a number of s since 1970"),
        ("ns", "true", "time true is not a number of ns since 1970"),
        ("us", "{}", "time {} is not a number of us since 1970"),
    ],
)
def test_a_time_that_is_none_is_refused_with_its_reason(form: str, stamp: str, reason: str) -> None:
    reader = JsonReader(JsonForm(time_form=form))
    with pytest.raises(DataError) as caught:
        reader.rows(b'{"value":1,"timestamp":%s}' % stamp.encode())
    assert reason in str(caught.value)


def test_an_object_gives_each_path_its_value_and_may_be_partial() -> None:
    reader = JsonReader(JsonForm(time="at", time_form="s"), ("steam.bar", "steam.degC", "lamps.1"))
    whole = b'{"at": 2, "steam": {"bar": 11.25, "degC": "hot"}, "lamps": [0, true]}'
    assert reader.rows(whole) == (
        [(0, 11.25, 2_000_000, GOOD), (1, "hot", 2_000_000, GOOD), (2, 1.0, 2_000_000, GOOD)],
        None,
    )
    assert reader.rows(b'{"steam": {"degC": null}}') == ([(1, None, None, BAD)], None)
    with pytest.raises(DataError, match=r'no "steam.bar" nor "steam.degC" .* among at, water'):
        reader.rows(b'{"at": 2, "water": {"bar": 1}}')
    with pytest.raises(DataError, match="a number by itself"):
        reader.rows(b"11.25")


def test_a_list_of_samples_keeps_what_is_right_and_says_what_is_not() -> None:
    rows, fault = JsonReader().rows(
        b'[{"value": 1, "timestamp": 1}, 2, {"value": []}, {"value": 3, "quality": "odd"}]'
    )
    assert rows == [(0, 1.0, 1_000, GOOD), (0, 2.0, None, GOOD)]
    assert fault == "sample 3 of 4: value is a list; use a number, a text or null; and 1 more"
    with pytest.raises(DataError, match='sample 1 of 1: quality "odd" is not good'):
        JsonReader().rows(b'[{"value": 3, "quality": "odd"}]')


def test_samples_inside_an_object_share_its_time_and_quality() -> None:
    reader = JsonReader(JsonForm(samples="d.s", time="t", time_form="s", quality="q"))
    assert reader.rows(
        b'{"t": 5, "q": "uncertain", "d": {"s": [7, {"value": 8, "t": 6, "q": "good"}]}}'
    ) == ([(0, 7.0, 5_000_000, UNCERTAIN), (0, 8.0, 6_000_000, GOOD)], None)
    for wrong in (b'{"d": {}}', b'{"d": {"s": 7}}', b"[7]", b"7"):
        with pytest.raises(DataError, match="a list of samples belongs there"):
            reader.rows(wrong)


def test_codecs_that_the_practice_plant_shares_load_nothing_of_the_product() -> None:
    code = (
        "import sys, connectors.field.json_payload, connectors.field.sparkplug\n"
        "print([m for m in ('asyncua', 'paho', 'pandas', 'duckdb', 'twin.telemetry') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
