"""Facts of the scorer that judges the torture rounds: it sees each kind of fault, and only that."""

from __future__ import annotations

from tests.torture_score import Row, Truth, score

WRITTEN: Truth = {"s": {10: 1.0, 20: 2.0, 30: 3.0, 40: 4.0}}
STORED: list[Row] = [(10, 1.0, None, 0), (20, 2.0, None, 0), (30, 3.0, None, 0), (40, 4.0, None, 1)]
BAD: Row = (15, None, None, 2)


def test_all_of_it_once_is_whole() -> None:
    found = score(WRITTEN, {"s": STORED})
    assert found.is_whole()
    assert (found.written, found.stored, found.uncertain, found.gaps) == (4, 4, 1, [])


def test_a_missing_value_is_lost_unless_a_gap_stands_right_before_it() -> None:
    without = [row for row in STORED if row[0] != 20]
    assert score(WRITTEN, {"s": without}).lost == [("s", 20)]
    marked = score(WRITTEN, {"s": sorted([*without, BAD])})
    assert (marked.lost, marked.in_gaps, marked.empty_gaps) == ([], [("s", 20)], [])
    too_late = score(WRITTEN, {"s": sorted([*without, (25, None, None, 2)])})
    assert (too_late.lost, too_late.empty_gaps) == ([("s", 20)], [("s", 25)])


def test_nothing_stored_at_all_is_lost() -> None:
    assert len(score(WRITTEN, {}).lost) == 4


def test_a_gap_of_which_nothing_is_missing_is_empty() -> None:
    assert score(WRITTEN, {"s": sorted([*STORED, BAD])}).empty_gaps == [("s", 15)]


def test_twice_wrong_and_strange_are_told_apart() -> None:
    found = score(
        WRITTEN, {"s": sorted([*STORED[1:], STORED[1], (10, 1.5, None, 0), (11, 1.0, None, 0)])}
    )
    assert found.twice == [("s", 20)]
    assert found.wrong == [("s", 10, 1.0, 1.5)]
    assert found.strange == [("s", 11)]
