"""The live line, by hand: newest values, states, buffer levels, throughput."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.runtime.line import LineView
from connectors.web.models.line import Line
from tests.telemetry_lab import T0, Log, at, small_plant
from twin.telemetry import Quality, SampleBatch


def view(*logs: Log) -> LineView:
    line = LineView(small_plant())
    for log in logs:
        line.observe(log.batch())
    return line


def document(line: LineView, seconds: float = 0.0) -> dict[str, Any]:
    found = line.document(as_of=at(seconds), speed=1.0, sources=[])
    Line.model_validate(found)
    return found


def unit(line: LineView, name: str, seconds: float = 0.0) -> dict[str, Any]:
    return next(u for u in document(line, seconds)["units"] if u["id"] == name)


def level(line: LineView) -> int | None:
    found: int | None = document(line)["zones"][0]["level"]
    return found


def counts(maker: float | None, tester: float, rejected: float) -> Log:
    log = (
        Log().say("tester", "good_count", (0, tester)).say("tester", "reject_count", (0, rejected))
    )
    return log if maker is None else log.say("maker", "good_count", (0, maker))


def test_before_the_first_sample_nothing_is_known() -> None:
    line = view()
    found = document(line)
    assert line.measured_us == 0
    assert {u["state"] for u in found["units"]} == {"unknown"}
    assert [z["level"] for z in found["zones"]] == [None]
    assert found["throughput_per_h"] is None


def test_an_older_sample_that_comes_late_changes_nothing() -> None:
    line = view(Log().say("maker", "heat", (60, 210.0)), Log().say("maker", "heat", (30, 190.0)))
    assert unit(line, "maker")["signals"]["heat"]["value"] == 210.0


def test_samples_of_one_batch_may_stand_in_any_order() -> None:
    batch = Log().say("maker", "state", (0, 6.0), (20, 5.0), (10, 9.0)).batch()
    line = LineView(small_plant())
    line.observe(batch.take(batch.measured_us.argsort()[::-1]))
    assert unit(line, "maker")["state"] == "delay"


def test_a_unit_is_in_its_state_since_it_changed_not_since_it_was_last_said() -> None:
    line = view(Log().say("maker", "state", (0, 2.0), (10, 6.0), (40, 6.0)))
    assert unit(line, "maker")["since"] == at(10).isoformat()


def test_the_reason_refines_a_delay_and_begins_it_anew() -> None:
    log = Log().say("maker", "state", (0, 6.0), (10, 5.0))
    line = view(log.say("maker", "reason", (0, 0.0), (10, 1.0), (25, 2.0)))
    found = unit(line, "maker")
    assert (found["state"], found["since"]) == ("blocked", at(25).isoformat())


def test_a_reason_of_an_earlier_delay_does_not_touch_production() -> None:
    line = view(Log().say("maker", "state", (0, 5.0), (10, 6.0)).say("maker", "reason", (0, 1.0)))
    assert unit(line, "maker")["state"] == "production"


def test_a_bad_state_is_unknown_and_a_bad_value_is_shown_as_bad() -> None:
    log = Log().say("maker", "state", (0, 6.0)).say("maker", "heat", (0, 200.0))
    log.say("maker", "state", (10, None), quality=Quality.BAD)
    log.say("maker", "heat", (10, None), quality=Quality.BAD)
    found = unit(view(log), "maker")
    assert found["state"] == "unknown"
    assert (found["signals"]["heat"]["value"], found["signals"]["heat"]["quality"]) == (None, 2)


def test_a_number_that_the_state_map_does_not_know_is_unknown() -> None:
    assert unit(view(Log().say("maker", "state", (0, 77.0))), "maker")["state"] == "unknown"


@pytest.mark.parametrize(
    ("maker", "tester", "rejected", "states", "expected"),
    [
        (10, 7, 1, {}, 2),  # 10 passed on, 7 + 1 tested
        (10, 7, 1, {"tester": 6.0}, 1),  # one of the two is being tested
        (10, 7, 1, {"tester": 9.0}, 1),  # and stays inside while the tester is down
        (12, 7, 1, {"tester": 6.0}, 3),  # full
        (13, 7, 1, {"tester": 6.0, "maker": 5.0}, 3),  # blocked: the thirteenth is still inside
        (3, 7, 1, {}, 0),  # counters that began again at different times
        (None, 7, 1, {}, None),
    ],
)
def test_a_buffer_holds_what_was_put_in_and_not_taken_out(
    maker: float | None,
    tester: float,
    rejected: float,
    states: dict[str, float],
    expected: int | None,
) -> None:
    log = counts(maker, tester, rejected)
    for name, state in states.items():
        log.say(name, "state", (0, state)).say(name, "reason", (0, 2.0))
    assert level(view(log)) == expected


def parts(*times_s: float, first: float = 0.0) -> Log:
    """One good part at the end of the line at each time."""
    return Log().say("tester", "good_count", *((t, first + i) for i, t in enumerate(times_s)))


def test_throughput_is_that_of_the_time_since_the_first_count() -> None:
    # Four parts in the 400 s after the count was first seen: 36 an hour.
    line = view(parts(0, 100, 200, 300, 400, first=1000))
    assert document(line, 400)["throughput_per_h"] == pytest.approx(36.0)


def test_throughput_looks_back_one_hour() -> None:
    # Every 60 s for two hours, then every 30 s for one.
    line = view(parts(*range(0, 7200, 60), *range(7200, 10801, 30)))
    assert document(line, 10_800)["throughput_per_h"] == pytest.approx(120.0)


def test_a_line_that_stopped_makes_less_and_then_nothing() -> None:
    line = view(parts(*range(0, 3601, 60)))
    assert document(line, 3600 + 1800)["throughput_per_h"] == pytest.approx(30.0)
    assert document(line, 3600 + 7200)["throughput_per_h"] == 0.0


def test_counts_that_come_late_do_not_disturb_throughput() -> None:
    line = view(parts(0, 100, 200, 300, 400), Log().say("tester", "good_count", (150, 1.0)))
    assert document(line, 400)["throughput_per_h"] == pytest.approx(36.0)


def test_a_counter_that_begins_again_begins_throughput_again() -> None:
    line = view(parts(0, 100, 200, first=500), parts(300, 400, 500, first=0))
    assert document(line, 500)["throughput_per_h"] == pytest.approx(36.0)


def test_after_a_night_without_us_the_parts_of_the_night_are_not_those_of_the_hour() -> None:
    # 600 parts in ten hours that nobody listened to: 60 an hour, not 600.
    line = view(parts(0, first=0), Log().say("tester", "good_count", (36_000, 600.0)))
    assert document(line, 36_000)["throughput_per_h"] == pytest.approx(60.0)


def test_text_signals_name_product_and_order() -> None:
    line = view(Log().say("maker", "product", (0, "P1")).say("maker", "order", (0, "")))
    found = unit(line, "maker")
    assert (found["product"], found["order"]) == ("P1", None)


def test_the_newest_instant_is_that_of_all_signals() -> None:
    line = view(Log().say("maker", "heat", (5, 1.0)), Log().say("tester", "state", (3, 6.0)))
    line.observe(SampleBatch.empty())
    assert line.measured_us == int((T0.timestamp() + 5) * 1_000_000)


def test_throughput_is_that_of_all_ends_together() -> None:
    line = LineView(small_plant(storage_zones={}))
    line.observe(parts(0, 100, 200, 300, 400).batch())  # 36 an hour at one end
    line.observe(Log().say("maker", "good_count", (0, 0), (400, 2)).batch())  # 18 at the other
    assert document(line, 400)["throughput_per_h"] == pytest.approx(54.0)


def test_what_lies_in_a_buffer_is_not_known_where_parts_go_two_ways() -> None:
    zones = {
        name: {"upstream": "maker", "downstream": "tester", "capacity": 3}
        for name in ("middle", "other")
    }
    line = LineView(small_plant(storage_zones=zones))
    line.observe(counts(10, 7, 1).batch())
    assert [zone["level"] for zone in document(line)["zones"]] == [None, None]
