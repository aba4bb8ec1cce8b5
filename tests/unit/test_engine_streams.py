"""Random streams are pure functions of their name and index."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from twin.engine.streams import BLOCK, Stream, uniform


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=20))
def test_the_order_of_asking_changes_nothing(indices: list[int]) -> None:
    stream = Stream(1, 2, "press", "cycle")
    asked = [stream.at(i) for i in indices]
    assert asked == [uniform(1, 2, "press", "cycle", i) for i in indices]
    assert all(0.0 <= u < 1.0 for u in asked)


def test_a_stream_is_the_philox_generator_of_its_key_block_by_block() -> None:
    n = 3 * BLOCK + 7
    name = Stream(5, 0, "oven", "life/heater")
    whole = np.random.Generator(np.random.Philox(key=name._key)).random(n)
    assert [name.at(i) for i in range(n)] == whole.tolist()


def test_first_draws_are_pinned_so_that_results_can_be_repeated_for_years() -> None:
    assert [uniform(0, 0, "printer", "cycle", i) for i in (0, 1, 1000)] == [
        0.7261883507222792,
        0.7793680694896014,
        0.18705297065306725,
    ]


def test_every_part_of_the_name_makes_another_stream() -> None:
    names = [
        (0, 0, "a", "cycle"),
        (1, 0, "a", "cycle"),
        (0, 1, "a", "cycle"),
        (0, 0, "b", "cycle"),
        (0, 0, "a", "defect"),
        (0, 0, "ac", "ycle"),
    ]
    assert len({Stream(*name).at(0) for name in names}) == len(names)


def test_streams_of_two_names_are_uncorrelated() -> None:
    n = 20_000
    a, b = Stream(0, 0, "a", "cycle"), Stream(0, 0, "b", "cycle")
    x = np.array([a.at(i) for i in range(n)])
    y = np.array([b.at(i) for i in range(n)])
    assert abs(np.corrcoef(x, y)[0, 1]) < 4 / np.sqrt(n)
    assert abs(x.mean() - 0.5) < 4 * np.sqrt(1 / 12 / n)
