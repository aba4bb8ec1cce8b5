"""Samples, batches, and the two ways to write an instant."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.errors import DataError
from twin.plant.signals import SignalId
from twin.telemetry import Quality, Sample, SampleBatch, from_us, to_us

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SPEED, PRODUCT = SignalId("works/line/printer/speed"), SignalId("works/line/printer/product")
SAMPLE = Sample(signal=SPEED, value=1.5, measured_at=NOON, available_at=NOON)

# The standard library's own clock: dates that any platform's gmtime knows.
INSTANTS = st.datetimes(datetime(1600, 1, 1), datetime(2400, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
SAMPLES = st.builds(
    Sample,
    signal=st.sampled_from([SPEED, PRODUCT, SignalId("a b,c=d"), SignalId("ü")]),
    value=st.one_of(st.none(), st.text(max_size=5), st.floats(allow_nan=False)),
    measured_at=INSTANTS,
    available_at=INSTANTS,
    quality=st.sampled_from(Quality),
)


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("1970-01-01T00:00:00+00:00", 0),
        ("2001-09-09T01:46:40+00:00", 1_000_000_000_000_000),  # the billionth second
        ("2038-01-19T03:14:07.999999+00:00", 2_147_483_647_999_999),
        ("1969-12-31T23:59:59.999999+00:00", -1),
        ("1901-12-13T20:45:52+00:00", -2_147_483_648_000_000),
        ("2026-03-02T13:00:00+01:00", 1_772_452_800_000_000),
    ],
)
def test_known_instants(text: str, us: int) -> None:
    assert to_us(datetime.fromisoformat(text)) == us
    assert from_us(us) == datetime.fromisoformat(text)
    assert from_us(us).utcoffset() == timedelta(0)


@given(INSTANTS)
def test_an_instant_goes_to_microseconds_and_back(instant: datetime) -> None:
    assert from_us(to_us(instant)) == instant


def test_numpy_microseconds_are_instants_too() -> None:
    assert from_us(np.int64(-1)) == datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC)


def test_an_instant_without_zone_is_refused() -> None:
    with pytest.raises(DataError, match=r"2026-03-02T00:00:00 has no time zone"):
        to_us(datetime(2026, 3, 2))  # noqa: DTZ001


@given(st.lists(SAMPLES, max_size=20))
def test_samples_go_into_columns_and_back(samples: list[Sample]) -> None:
    batch = SampleBatch.of(samples)
    assert len(batch) == len(samples)
    assert list(batch.samples()) == samples


def test_times_of_another_zone_come_back_in_utc() -> None:
    berlin = timezone(timedelta(hours=1))
    sample = replace(SAMPLE, measured_at=NOON.astimezone(berlin))
    (back,) = SampleBatch.of([sample]).samples()
    assert back.measured_at == NOON
    assert back.measured_at.tzinfo is UTC


@given(st.lists(st.lists(SAMPLES, max_size=5), max_size=5))
def test_batches_are_joined_in_their_order(lists: list[list[Sample]]) -> None:
    joined = SampleBatch.concat([SampleBatch.of(samples) for samples in lists])
    assert list(joined.samples()) == [s for samples in lists for s in samples]
    assert len(set(joined.signals)) == len(joined.signals)


def test_a_batch_of_nothing_has_no_rows_and_can_be_joined() -> None:
    assert list(SampleBatch.empty().samples()) == []
    joined = SampleBatch.concat([SampleBatch.empty(), SampleBatch.of([SAMPLE])])
    assert list(joined.samples()) == [SAMPLE]


def test_rows_are_taken_by_mask_or_by_index() -> None:
    samples = [replace(SAMPLE, value=float(i)) for i in range(4)]
    batch = SampleBatch.of(samples)
    assert list(batch.take(np.array([True, False, False, True])).samples()) == samples[::3]
    assert list(batch.take(np.array([2, 0])).samples()) == [samples[2], samples[0]]


def test_the_rows_of_one_signal_keep_their_order() -> None:
    other = replace(SAMPLE, signal=PRODUCT, value="A")
    samples = [SAMPLE, other, replace(SAMPLE, value=0.5)]
    batch = SampleBatch.of(samples)
    assert list(batch.of_signal(SPEED).samples()) == [samples[0], samples[2]]
    assert list(batch.of_signal(PRODUCT).samples()) == [other]
    assert len(batch.of_signal(SignalId("nobody"))) == 0


def test_a_text_a_number_and_a_gap_stand_in_their_columns() -> None:
    values: list[float | str | None] = [2.5, "", None]
    batch = SampleBatch.of([replace(SAMPLE, value=value) for value in values])
    assert np.array_equal(batch.value, [2.5, np.nan, np.nan], equal_nan=True)
    assert batch.text.tolist() == [None, "", None]


def test_columns_of_different_length_are_refused() -> None:
    batch = SampleBatch.of([SAMPLE, SAMPLE])
    with pytest.raises(DataError, match="one length"):
        replace(batch, quality=batch.quality[:1])


def test_the_types_of_the_columns_are_fixed() -> None:
    for batch in (SampleBatch.empty(), SampleBatch.of([SAMPLE])):
        columns = (batch.code, batch.value, batch.text, batch.measured_us, batch.available_us)
        assert [c.dtype.str[1:] for c in columns] == ["i4", "f8", "O", "i8", "i8"]
        assert batch.quality.dtype == np.int8
