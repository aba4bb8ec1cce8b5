from __future__ import annotations

import numpy as np

from tests.telemetry_lab import Log, at, small_plant
from twin.telemetry import SampleBatch, part_records, to_us

PLANT = small_plant()


def running() -> Log:
    """Back-to-back production from 0 s of P1 on order O1."""
    log = Log().say("maker", "state", (0, 6)).say("maker", "good_count", (0, 100))
    return log.say("maker", "product", (0, "P1")).say("maker", "order", (0, "O1"))


def seconds(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(v) else float(v) for v in values]


def test_the_cycle_time_is_the_production_time_between_completions() -> None:
    log = running().say("maker", "good_count", (10, 101), (21, 102), (33.5, 103))
    parts = part_records(PLANT, "maker", log.batch(), at(0), at(100))
    assert parts.finished_us.tolist() == [to_us(at(10)), to_us(at(21)), to_us(at(33.5))]
    assert seconds(parts.production_s) == [None, 11.0, 12.5]
    assert parts.good.all()


def test_a_failure_an_off_shift_and_a_delay_are_not_cycle_time() -> None:
    log = running().say("maker", "good_count", (10, 101), (1000, 102))
    log.say("maker", "state", (10, 5), (20, 6), (25, 9), (200, 1), (300, 6), (302, 2), (995, 6))
    parts = part_records(PLANT, "maker", log.batch(), at(0), at(2000))
    assert seconds(parts.production_s) == [None, 5.0 + 2.0 + 5.0]


def test_the_product_is_that_of_the_part_that_ended_not_of_the_next_one() -> None:
    log = running().say("maker", "good_count", (10, 101), (20, 102), (30, 103))
    log.say("maker", "product", (20, "P2")).say("maker", "order", (20, "O2"))
    parts = part_records(PLANT, "maker", log.batch(), at(0), at(100))
    assert parts.product.tolist() == ["P1", "P1", "P2"]
    assert parts.order.tolist() == ["O1", "O1", "O2"]


def test_a_reject_is_a_part_too_and_ends_a_cycle() -> None:
    log = running().say("maker", "good_count", (10, 101), (30, 102))
    log.say("maker", "reject_count", (0, 0), (18, 1))
    parts = part_records(PLANT, "maker", log.batch(), at(0), at(100))
    assert parts.good.tolist() == [True, False, True]
    assert seconds(parts.production_s) == [None, 8.0, 12.0]


def test_a_jump_counts_every_part_but_gives_no_cycle_time() -> None:
    log = running().say("maker", "good_count", (10, 101), (40, 104), (50, 105))
    parts = part_records(PLANT, "maker", log.batch(), at(0), at(100))
    assert len(parts) == 5
    assert seconds(parts.production_s) == [None, None, None, None, 10.0]


def test_a_reset_counter_starts_again_and_a_repeated_value_is_no_part() -> None:
    log = running().say("maker", "good_count", (10, 101), (15, 101), (20, 102), (25, 0), (31, 1))
    log.say("maker", "good_count", (40, 2))
    parts = part_records(PLANT, "maker", log.batch(), at(0), at(100))
    assert len(parts) == 4
    assert seconds(parts.production_s) == [None, 10.0, None, 9.0]


def test_an_unknown_state_within_the_cycle_gives_no_cycle_time() -> None:
    log = running().say("maker", "good_count", (10, 101), (20, 102), (30, 103))
    log.say("maker", "state", (12, 77), (13, 6))
    parts = part_records(PLANT, "maker", log.batch(), at(0), at(100))
    assert seconds(parts.production_s) == [None, None, 10.0]


def test_rows_before_the_window_complete_its_first_part() -> None:
    log = running().say("maker", "good_count", (10, 101), (20, 102), (30, 103))
    parts = part_records(PLANT, "maker", log.batch(), at(15), at(30))
    assert seconds(parts.production_s) == [10.0]


def test_no_telemetry_is_no_part() -> None:
    assert len(part_records(PLANT, "maker", SampleBatch.empty(), at(0), at(10))) == 0
