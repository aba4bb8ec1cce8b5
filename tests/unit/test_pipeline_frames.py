"""Facts of frames: what goes in comes out, in few bytes, and nothing else is taken for one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connectors.pipeline.frames import decode_frame, encode_facts, encode_samples
from twin.errors import DataError
from twin.plant import SignalId
from twin.telemetry import SampleBatch

_INT64 = st.integers(-(2**63), 2**63 - 1)
_NAMES = st.text(st.characters(), max_size=12)
_ROWS = st.tuples(
    st.integers(0, 400),
    st.floats(width=64),
    st.none() | st.text(st.characters(), max_size=8),
    _INT64 | st.integers(1_700_000_000_000_000, 1_700_000_000_900_000),
    _INT64 | st.just(1_700_000_001_000_000),
    st.integers(0, 2),
)

_Row = tuple[int, float, str | None, int, int, int]


def _batch(names: list[str], rows: list[_Row]) -> SampleBatch:
    text = np.empty(len(rows), np.object_)
    text[:] = [row[2] for row in rows]
    return SampleBatch(
        signals=tuple(map(SignalId, names)),
        code=np.array([row[0] % len(names) for row in rows], np.int32),
        value=np.array([row[1] for row in rows], np.float64),
        text=text,
        measured_us=np.array([row[3] for row in rows], np.int64),
        available_us=np.array([row[4] for row in rows], np.int64),
        quality=np.array([row[5] for row in rows], np.int8),
    )


def _plant(count: int) -> list[str]:
    return [f"site/area/line/unit{i // 20}/signal_number_{i}" for i in range(count)]


def _seen(batch: SampleBatch) -> list[tuple[object, ...]]:
    """Rows as plain values; numbers bit by bit, so that NaN and -0.0 count."""
    columns = (batch.value.view(np.int64), batch.text, batch.measured_us, batch.available_us)
    names = [batch.signals[code] for code in batch.code.tolist()]
    return list(zip(names, *(c.tolist() for c in columns), batch.quality.tolist(), strict=True))


@given(source=_NAMES, names=st.lists(_NAMES, min_size=1, unique=True), rows=st.lists(_ROWS))
@example(source="", names=["\0", "", "a\0b"], rows=[(0, 1.0, "\0", 5, 5, 0), (1, 1.0, "", 5, 5, 1)])
@example(source="s", names=["\ud800"], rows=[(0, float("inf"), "\udfff", 0, 0, 2)])
@example(source="s", names=[""], rows=[(0, float("nan"), None, -(2**63), 2**63 - 1, 2)])
@example(source="s", names=["a"], rows=[(0, 0.0, None, t, -t, 0) for t in (0, 2**32 - 1)])
@example(source="s", names=["a"], rows=[(0, 0.0, None, t, -t, 0) for t in (0, 2**32)])
def test_samples_come_back_as_they_were(source: str, names: list[str], rows: list[_Row]) -> None:
    batch = _batch(names, rows)
    for _ in range(3):  # the names are packed in another way when they come again
        frame = decode_frame(encode_samples(source, batch))
        assert frame.source == source
        assert frame.batch is not None
        assert _seen(frame.batch) == _seen(batch)


@pytest.mark.parametrize("count", [1, 255, 256, 257, 65_536, 65_537])
def test_every_width_of_codes_comes_back(count: int) -> None:
    batch = _batch([str(i) for i in range(count)], [(i, 0.0, None, i, i, 0) for i in range(3)])
    everything = _batch(list(batch.signals), [(i, 0.0, None, 0, 0, 0) for i in range(count)])
    for one in (batch, everything):
        again = decode_frame(encode_samples("s", one)).batch
        assert again is not None
        assert _seen(again) == _seen(one)


def test_names_without_a_row_are_not_written() -> None:
    batch = _batch(_plant(1000), [(7, 1.0, None, 0, 0, 0), (3, 1.0, None, 0, 0, 0)])
    again = decode_frame(encode_samples("s", batch)).batch
    assert again is not None
    assert again.signals == (batch.signals[3], batch.signals[7])


def test_thousand_numbers_of_thousand_signals_take_less_than_twenty_bytes_each() -> None:
    rows: list[_Row] = [(i, i / 7, None, 1_700_000_000_000_000 + i, 5, 0) for i in range(1000)]
    batch = _batch(_plant(1000), rows)
    encode_samples("s", batch)
    assert len(encode_samples("s", batch)) < 20_000


def test_decoded_columns_can_be_written_to() -> None:
    frame = decode_frame(encode_samples("s", _batch(["a"], [(0, 1.0, "t", 1, 2, 1)])))
    assert frame.batch is not None
    for name in ("code", "value", "text", "measured_us", "available_us", "quality"):
        assert getattr(frame.batch, name).flags.writeable, name


def test_code_without_a_name_is_refused() -> None:
    batch = _batch(["a"], [(0, 1.0, None, 0, 0, 0)])
    for code in (-1, 1):
        batch.code[0] = code
        with pytest.raises(DataError, match="points at none"):
            encode_samples("s", batch)


def test_facts_come_back_as_they_were() -> None:
    facts = [
        {"kind": "letter", "topic": "a/ü", "payload": "AAE=", "n": 3},
        {"kind": "gap", "x": None},
    ]
    frame = decode_frame(encode_facts("press\0", facts))
    assert (frame.source, frame.batch, list(frame.facts)) == ("press\0", None, facts)


def test_fact_that_json_cannot_say_is_refused() -> None:
    with pytest.raises(DataError, match="JSON"):
        encode_facts("s", [{"payload": b"\x00"}])


@given(st.binary(max_size=200))
def test_other_bytes_are_no_frame(data: bytes) -> None:
    for start in (b"", b"\x01\x01\x00\x00", b"\x01\x02\x00\x00"):
        try:
            decode_frame(start + data)
        except DataError:
            continue
        except Exception as e:  # noqa: BLE001
            pytest.fail(f"{e!r}")


@given(st.data())
def test_changed_frame_is_another_frame_or_none(data: st.DataObject) -> None:
    batch = _batch(_plant(30), [(i, 1.5, "t", i * 10**10, i, 1) for i in range(20)])
    whole = bytearray(encode_samples("source", batch))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    cut = data.draw(st.integers(0, len(whole)))
    for changed in (bytes(whole), bytes(whole[:cut])):
        try:
            decode_frame(changed)
        except DataError:
            continue
