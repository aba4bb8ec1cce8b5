"""Alerts: who raises, who clears, what is recorded. Times and probabilities are the test's own."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maintenance.alerts import (
    SYSTEM,
    Alert,
    AlertEvent,
    AlertState,
    ClearReason,
    EventKind,
    acknowledge,
    clear,
    evaluate,
    find,
    refreshed,
    replay,
)
from maintenance.evaluation import Failure, WarningSpell, horizon_score, warning_score
from twin.errors import ConflictError, DataError, NotFoundError
from twin.plant import FailureForecast, load_plant

PLANT = load_plant(Path(__file__).parents[2] / "simulators" / "practice" / "plant.toml")
POLICY = PLANT.maintenance
KEY = ("packing", "bearing")
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def hour(n: float) -> datetime:
    return NOON + timedelta(hours=n)


def forecast(
    p24: float, at: datetime, *, p72: float | None = None, key: tuple[str, str] = KEY
) -> FailureForecast:
    return FailureForecast(
        work_unit=key[0],
        failure_mode=key[1],
        made_at=at,
        horizon_h=(24.0, 72.0),
        probability=(p24, max(p24, p24 if p72 is None else p72)),
        model="test/1",
        evidence={"vibration": 0.9, "operating_age": 0.1},
    )


def rounds(*p24: float, first: float = 0.0) -> list[FailureForecast]:
    return [forecast(p, hour(first + i)) for i, p in enumerate(p24)]


def step(
    alerts: list[Alert],
    forecasts: list[FailureForecast],
    now: datetime,
    *,
    repaired: dict[tuple[str, str], datetime] | None = None,
    down: dict[tuple[str, str], datetime] | None = None,
) -> tuple[AlertEvent, ...]:
    return evaluate(alerts, forecasts, POLICY, now=now, plant=PLANT, repaired=repaired, down=down)


def raised() -> Alert:
    (event,) = step([], rounds(0.6, 0.7), hour(1))
    return event.alert


def test_two_forecasts_in_a_row_raise_and_one_does_not() -> None:
    assert step([], rounds(0.9), hour(0)) == ()
    assert step([], rounds(0.6, 0.4, 0.7), hour(2)) == ()
    (event,) = step([], rounds(0.6, 0.7), hour(1))
    assert event.kind is EventKind.RAISE
    assert event.who == SYSTEM
    assert event.alert.alert_id == "packing:bearing:2026-03-10T13:00:00Z"
    assert event.alert.name == "Conveyor bearing worn"
    assert event.alert.probability == pytest.approx(0.7)
    assert event.alert.remaining_life_h.p50 == pytest.approx(24.0 * 0.5 / 0.7)
    assert event.alert.remaining_life_h.p90 is None


def test_an_open_alert_is_not_raised_again() -> None:
    assert step([raised()], rounds(0.6, 0.7, 0.8), hour(2)) == ()


def test_forecasts_from_the_future_do_not_count() -> None:
    assert step([], rounds(0.6, 0.7), hour(0)) == ()


def test_a_mode_without_wear_never_raises() -> None:
    jam = [forecast(0.9, hour(i), key=("packing", "jam")) for i in range(3)]
    assert step([], jam, hour(3)) == ()


def test_between_the_two_thresholds_an_alert_stays() -> None:
    assert step([raised()], rounds(0.3, 0.3, first=2), hour(3)) == ()


def test_an_alert_recedes_when_forecasts_agree_that_it_is_over() -> None:
    assert step([raised()], rounds(0.1, first=2), hour(2)) == ()
    (event,) = step([raised()], rounds(0.1, 0.1, first=2), hour(3))
    assert event.alert.state is AlertState.CLEARED
    assert event.alert.clear_reason is ClearReason.RECEDED


def test_a_weekend_is_no_recovery() -> None:
    friday = datetime(2026, 3, 13, 21, tzinfo=UTC)
    alert = replace(raised(), raised_at=friday - timedelta(hours=6))
    idle = [forecast(0.0, friday + timedelta(hours=i), p72=0.95) for i in range(3)]
    assert step([alert], idle, friday + timedelta(hours=3)) == ()


def test_repair_clears_and_re_arms() -> None:
    alert = raised()
    (event,) = step([alert], rounds(0.9, first=2), hour(3), repaired={KEY: hour(2.5)})
    assert event.alert.clear_reason is ClearReason.REPAIRED
    stale = rounds(0.9, 0.9, first=1)
    assert step([event.alert], stale, hour(3), repaired={KEY: hour(2.5)}) == ()
    (again,) = step([event.alert], rounds(0.8, 0.8, first=4), hour(5), repaired={KEY: hour(2.5)})
    assert again.kind is EventKind.RAISE
    assert again.alert.alert_id != alert.alert_id


def test_while_the_unit_is_down_with_it_an_alert_waits_for_the_repair() -> None:
    low = rounds(0.0, 0.0, first=2)
    assert step([raised()], low, hour(3), down={KEY: hour(2)}) == ()
    assert step([], rounds(0.9, 0.9), hour(1), down={KEY: hour(0)}) == ()


def test_a_manual_clear_keeps_the_mode_quiet_for_the_horizon() -> None:
    over = clear(raised(), "kim", "sensor was loose", hour(2)).alert
    assert over.clear_reason is ClearReason.MANUAL
    assert step([over], rounds(0.9, 0.9, first=3), hour(4)) == ()
    (again,) = step([over], rounds(0.9, 0.9, first=26), hour(27))
    assert again.kind is EventKind.RAISE


def test_acknowledging_needs_a_raised_alert() -> None:
    event = acknowledge(raised(), "kim", hour(2), "on my list")
    assert (event.alert.state, event.alert.acknowledged_by, event.why) == (
        AlertState.ACKNOWLEDGED,
        "kim",
        "on my list",
    )
    with pytest.raises(ConflictError, match="acknowledged already"):
        acknowledge(event.alert, "lee", hour(3))
    over = clear(event.alert, "kim", "done", hour(4)).alert
    with pytest.raises(ConflictError, match="cleared already"):
        clear(over, "lee", "again", hour(5))


def test_the_ledger_rebuilds_the_alerts() -> None:
    first = step([], rounds(0.6, 0.7), hour(1))
    seen = acknowledge(first[0].alert, "kim", hour(2))
    events = [*first, seen, clear(seen.alert, "kim", "belt changed", hour(3))]
    rows = [json.loads(json.dumps(e.as_dict())) for e in events]
    read = [AlertEvent.from_dict(row) for row in rows]
    assert read == events
    assert replay(read) == (events[-1].alert,)
    assert find(replay(read), first[0].alert.alert_id).state is AlertState.CLEARED
    with pytest.raises(NotFoundError):
        find(replay(read), "nothing")


def test_an_unreadable_row_is_named() -> None:
    with pytest.raises(DataError, match="not an alert event"):
        AlertEvent.from_dict({"kind": "raise"})


def test_display_shows_the_newest_numbers_and_records_nothing() -> None:
    shown = refreshed(raised(), forecast(0.95, hour(3)))
    assert shown.probability == pytest.approx(0.95)
    assert shown.raised_at == raised().raised_at


@given(levels=st.lists(st.floats(0.0, 1.0), max_size=30))
def test_at_most_one_alert_of_a_mode_is_open(levels: list[float]) -> None:
    events: list[AlertEvent] = []
    made = rounds(*levels)
    for i in range(len(made)):
        events += step(list(replay(events)), made[: i + 1], hour(i))
        assert sum(alert.open for alert in replay(events)) <= 1
    kinds = [event.kind for event in events]
    assert all(a != b for a, b in itertools.pairwise(kinds))


def test_warnings_are_scored_against_what_failed() -> None:
    def spell(raise_h: float, clear_h: float | None, key: tuple[str, str] = KEY) -> WarningSpell:
        return WarningSpell(
            work_unit=key[0],
            failure_mode=key[1],
            raised_at=hour(raise_h),
            cleared_at=None if clear_h is None else hour(clear_h),
        )

    failures = [
        Failure(work_unit="packing", failure_mode="bearing", at=hour(10)),
        Failure(work_unit="packing", failure_mode="bearing", at=hour(50)),
    ]
    score = warning_score(
        [spell(4, 11), spell(20, 30), spell(1, None, ("reflow", "fan"))], failures
    )
    assert score.lead_h == (6.0, None)
    assert (score.false_alerts, score.pending) == (1, 1)
    assert score.warned_share(2.0) == 0.5


def test_brier_score_of_four_forecasts_by_hand() -> None:
    failures = [Failure(work_unit="packing", failure_mode="bearing", at=hour(20))]
    past = [forecast(p, hour(h)) for p, h in ((0.0, -10), (0.8, 0), (1.0, 10), (0.1, 30))]
    score = horizon_score(past, failures, horizon_h=24.0, until=hour(60))
    assert (score.n, score.base_rate) == (4, 0.5)
    assert score.brier == pytest.approx((0.0 + 0.04 + 0.0 + 0.01) / 4)
    assert score.brier_base_rate == 0.25
    with pytest.raises(DataError, match="was followed"):
        horizon_score(past, failures, horizon_h=24.0, until=hour(-5))
