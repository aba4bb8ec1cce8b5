"""The board: what is not computed yet is said so, and a step that changes is told."""

from __future__ import annotations

import pytest

from connectors.runtime.board import STEPS, Board, Step
from twin.errors import NotReadyError


def test_what_was_never_computed_is_not_ready() -> None:
    with pytest.raises(NotReadyError, match="plan is being computed for the first time"):
        Board().need("plan")


def test_an_empty_result_is_a_result() -> None:
    assert Board(forecasts=()).need("forecasts") == ()


def test_a_step_that_changes_is_told_and_others_stay() -> None:
    told: list[str] = []
    board = Board()
    board.told = lambda: told.append(board.steps["forecast"].state)
    before = board.steps
    board.step("forecast", Step(state="running"))
    assert told == ["running"]
    assert {n: s.state for n, s in board.steps.items()} == {
        **dict.fromkeys(STEPS, "waiting"),
        "forecast": "running",
    }
    assert before["forecast"].state == "waiting"  # whoever read before has a whole picture


def test_two_boards_share_nothing() -> None:
    one, other = Board(), Board()
    one.step("demand", Step(state="done"))
    assert other.steps["demand"].state == "waiting"
    assert one.deciding is not other.deciding
