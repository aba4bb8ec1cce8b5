"""Facts of the JSON that plain MQTT sensors send."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.field.json_payload import BAD, GOOD, UNCERTAIN, decode_json, encode_json
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
        (b'{"value": NaN}', None, None, BAD),
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
        b"[1]",
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


def test_codecs_that_the_practice_plant_shares_load_nothing_of_the_product() -> None:
    code = (
        "import sys, connectors.field.json_payload, connectors.field.sparkplug\n"
        "print([m for m in ('asyncua', 'paho', 'pandas', 'duckdb', 'twin.telemetry') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
