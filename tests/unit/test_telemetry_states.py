from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.telemetry_lab import Log, at, small_plant
from twin.errors import NotFoundError
from twin.plant import WorkUnitState
from twin.telemetry import (
    Quality,
    SampleBatch,
    SignalIndex,
    StateIntervals,
    failure_events,
    state_intervals,
    to_us,
)

PLANT = small_plant()


def spans(states: StateIntervals) -> list[tuple[float, float, str]]:
    zero = to_us(at(0))
    return [
        ((a - zero) / 1e6, (b - zero) / 1e6, str(s))
        for a, b, s in zip(states.start_us, states.end_us, states.state, strict=True)
    ]


def test_a_state_lasts_until_the_next_one_and_is_unknown_before_the_first() -> None:
    batch = Log().say("maker", "state", (10, 6), (30, 9), (40, 1), (70, 6)).batch()
    assert spans(state_intervals(PLANT, "maker", batch, at(0), at(100))) == [
        (0, 10, "unknown"),
        (10, 30, "production"),
        (30, 40, "down"),
        (40, 70, "repair"),
        (70, 100, "production"),
    ]


def test_a_sample_before_the_window_tells_the_state_at_its_start() -> None:
    batch = Log().say("maker", "state", (0, 6), (50, 2)).batch()
    assert spans(state_intervals(PLANT, "maker", batch, at(20), at(60))) == [
        (20, 50, "production"),
        (50, 60, "off"),
    ]


def test_the_reason_at_the_same_instant_refines_a_delay_and_nothing_else() -> None:
    log = Log().say("maker", "state", (0, 6), (10, 5), (20, 6), (30, 5), (50, 6))
    log.say("maker", "reason", (0, 0), (10, 1), (20, 0), (30, 2), (40, 0), (50, 1))
    assert spans(state_intervals(PLANT, "maker", log.batch(), at(0), at(60))) == [
        (0, 10, "production"),
        (10, 20, "starved"),
        (20, 30, "production"),
        (30, 40, "blocked"),
        (40, 50, "delay"),
        (50, 60, "production"),
    ]


def test_a_bad_sample_and_a_number_outside_the_map_are_unknown() -> None:
    log = Log().say("maker", "state", (0, 6), (20, 77), (30, 6))
    log.say("maker", "state", (10, None), quality=Quality.BAD)
    assert [s for *_, s in spans(state_intervals(PLANT, "maker", log.batch(), at(0), at(40)))] == [
        "production",
        "unknown",
        "production",
    ]


def test_a_repeated_state_does_not_cut_an_interval() -> None:
    batch = Log().say("maker", "state", (0, 6), (10, 6), (20, 6)).batch()
    assert spans(state_intervals(PLANT, "maker", batch, at(0), at(30))) == [(0, 30, "production")]


def test_the_order_of_rows_does_not_matter() -> None:
    batch = Log().say("maker", "state", (0, 6), (10, 5)).say("maker", "reason", (10, 2)).batch()
    shuffled = batch.take(np.array([2, 0, 1]))
    expected = spans(state_intervals(PLANT, "maker", batch, at(0), at(30)))
    assert spans(state_intervals(PLANT, "maker", shuffled, at(0), at(30))) == expected


def test_no_samples_are_one_unknown_interval_and_an_unknown_unit_is_named() -> None:
    nothing = SampleBatch.empty()
    assert spans(state_intervals(PLANT, "maker", nothing, at(0), at(9))) == [(0, 9, "unknown")]
    assert len(state_intervals(PLANT, "maker", nothing, at(9), at(9))) == 0
    with pytest.raises(NotFoundError, match="maker"):
        state_intervals(PLANT, "nobody", nothing, at(0), at(1))


@given(
    st.lists(
        st.tuples(st.integers(0, 500), st.sampled_from([1, 2, 5, 6, 9, 15, 99])),
        unique_by=lambda change: change[0],
    )
)
def test_intervals_always_cover_the_window_once(changes: list[tuple[int, int]]) -> None:
    batch = Log().say("maker", "state", *changes).batch()
    states = state_intervals(PLANT, "maker", batch, at(100), at(400))
    assert states.start_us[0] == to_us(at(100))
    assert states.end_us[-1] == to_us(at(400))
    assert np.array_equal(states.start_us[1:], states.end_us[:-1])
    assert sum(states.seconds_in(s) for s in WorkUnitState) == 300.0


def test_elapsed_time_grows_only_in_the_states_asked_for() -> None:
    batch = Log().say("maker", "state", (0, 6), (10, 9), (30, 6)).batch()
    states = state_intervals(PLANT, "maker", batch, at(0), at(50))
    instants = np.array([to_us(at(s)) for s in (0, 4, 10, 20, 35, 50)])
    elapsed = states.elapsed_us(instants, WorkUnitState.PRODUCTION)
    assert (elapsed / 1e6).tolist() == [0, 4, 10, 10, 15, 30]


def test_a_failure_event_separates_waiting_for_the_crew_from_the_repair() -> None:
    log = Log().say("maker", "state", (0, 6), (100, 9), (130, 1), (150, 2), (200, 1), (260, 6))
    log.say("maker", "fault", (0, ""), (100, "jam"), (260, ""))
    (event,) = failure_events(PLANT, "maker", log.batch(), at(0), at(1000))
    assert event.failure_mode == "jam"
    assert (event.failed_us, event.mended_us) == (to_us(at(100)), to_us(at(260)))
    assert (event.wait_s, event.repair_s) == (30.0, 80.0)


def test_an_event_that_lasts_has_no_end_and_unknown_modes_are_left_out() -> None:
    log = Log().say("maker", "state", (0, 6), (50, 9), (60, 6), (100, 9))
    log.say("maker", "fault", (0, ""), (50, "gremlin"), (60, ""), (100, "wear"))
    (event,) = failure_events(PLANT, "maker", log.batch(), at(0), at(130))
    assert (event.failure_mode, event.mended_us, event.wait_s) == ("wear", None, 30.0)


def test_without_a_fault_signal_stops_belong_to_the_only_failure_mode() -> None:
    document = PLANT.model_dump()
    maker = document["work_units"]["maker"]
    del maker["signals"]["fault"], maker["failure_modes"]["wear"]
    plant = small_plant(work_units=document["work_units"])
    batch = Log().say("maker", "state", (0, 6), (100, 9), (130, 1), (200, 6)).batch()
    (event,) = failure_events(plant, "maker", batch, at(0), at(300))
    assert (event.failure_mode, event.wait_s, event.repair_s) == ("jam", 30.0, 70.0)


def test_an_index_finds_the_same_rows_as_the_batch() -> None:
    batch = Log().say("maker", "state", (0, 6), (5, 9)).say("tester", "state", (1, 6)).batch()
    index = SignalIndex(batch)
    for signal in batch.signals:
        assert list(index.of(signal).samples()) == list(batch.of_signal(signal).samples())
    assert len(index.of(None)) == 0
