"""The newest row of each signal, and what is still unseen."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from connectors.store.duckdb_historian import DuckdbHistorian
from connectors.store.frontier import Frontier, in_order, unseen
from twin.plant.signals import SignalId
from twin.telemetry import MemoryHistorian, Quality, Sample, SampleBatch, from_us

A, B = SignalId("a"), SignalId("b")
LONG_AGO, FAR_AHEAD = datetime(1900, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def sample(signal: SignalId, us: int, value: float = 0.0, late_us: int = 0) -> Sample:
    return Sample(
        signal=signal, value=value, measured_at=from_us(us), available_at=from_us(us + late_us)
    )


def batch(*samples: Sample) -> SampleBatch:
    return SampleBatch.of(samples)


def test_rows_newer_than_their_signal_need_no_look_up() -> None:
    asked: list[Sample] = []

    def is_stored(rows: SampleBatch) -> NDArray[np.bool_]:
        asked.extend(rows.samples())
        return np.zeros(len(rows), np.bool_)

    frontier = Frontier(batch(sample(A, 10)))
    arrived = batch(sample(A, 11), sample(B, 1), sample(A, 10), sample(A, 9))
    assert len(unseen(arrived, frontier, is_stored)) == 4
    assert asked == [sample(A, 10), sample(A, 9)]


def test_the_frontier_only_moves_forward() -> None:
    frontier = Frontier(batch(sample(A, 10, 1.0)))
    frontier.advance(batch(sample(A, 12, 2.0), sample(A, 11, 3.0), sample(B, 5, 4.0)))
    frontier.advance(batch(sample(B, 4, 5.0)))
    newest, late = frontier.latest(None, None)
    assert list(newest.samples()) == [sample(A, 12, 2.0), sample(B, 5, 4.0)]
    assert late == ()


def test_a_newest_row_that_was_not_available_yet_is_left_to_the_store() -> None:
    frontier = Frontier(batch(sample(A, 10, late_us=100), sample(B, 10)))
    newest, late = frontier.latest(None, from_us(109))
    assert (list(newest.samples()), late) == ([sample(B, 10)], (A,))
    newest, late = frontier.latest([A], from_us(110))
    assert (list(newest.samples()), late) == ([sample(A, 10, late_us=100)], ())


ROWS = st.builds(
    Sample,
    signal=st.sampled_from([A, B, SignalId("ü c")]),
    value=st.one_of(st.none(), st.sampled_from(["", "x"]), st.floats(allow_nan=False)),
    measured_at=st.integers(-5, 15).map(from_us),
    available_at=st.integers(-5, 15).map(from_us),
    quality=st.sampled_from(Quality),
)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(ROWS, max_size=12), max_size=6), st.integers(-6, 16).map(from_us))
def test_duckdb_answers_as_the_reference_store_does(
    batches: list[list[Sample]], as_of: datetime
) -> None:
    reference = MemoryHistorian()
    with TemporaryDirectory() as folder:
        store = DuckdbHistorian(Path(folder) / "t.duckdb")
        for rows in map(SampleBatch.of, batches):
            assert store.append(rows) == reference.append(rows)
        for when in (None, as_of):
            for ask in (
                lambda h, when=when: h.read(None, LONG_AGO, FAR_AHEAD, as_of=when),
                lambda h, when=when: h.latest([A, B], as_of=when),
            ):
                assert list(ask(store).samples()) == list(ask(reference).samples())
        store.close()


@given(st.lists(ROWS))
def test_order_is_by_name_then_time(rows: list[Sample]) -> None:
    got = [(s.signal, s.measured_at) for s in in_order(SampleBatch.of(rows)).samples()]
    assert got == sorted((s.signal, s.measured_at) for s in rows)
