"""What happens first when several things happen at one instant."""

from __future__ import annotations

from typing import Any

from tests.engine_lab import START, constant, job, later, plant, serial, times, told, unit
from tests.sameness import simulate
from twin.engine import PlannedMaintenance
from twin.plant import Plant


def mode(life_s: float, repair_s: float, **more: Any) -> dict[str, Any]:
    return {"time_to_failure": constant(life_s), "repair": constant(repair_s), **more}


def work(at_s: float, duration_s: float, unit_name: str = "u", **more: Any) -> PlannedMaintenance:
    return PlannedMaintenance(
        work_unit=unit_name, start_at=later(at_s), duration_s=duration_s, **more
    )


def one(cycle_s: float = 10.0, **more: Any) -> Plant:
    return plant({"u": unit(cycle_s, **more)})


def kinds(run: Any, name: str = "u") -> list[tuple[float, str]]:
    return [(t, kind) for t, kind, _ in told(run, name)]


def test_work_that_ends_as_a_life_ends_has_ended_and_the_failure_strikes_the_next() -> None:
    run = simulate(
        one(failure_modes={"jam": mode(20.0, 5.0)}), start=START, horizon_s=26, trace=True
    )
    assert kinds(run)[6:] == [
        (20.0, "finish"),
        (20.0, "leave"),
        (20.0, "launch"),
        (20.0, "start"),
        (20.0, "failure"),
        (20.0, "repair"),
        (25.0, "up"),
    ]


def test_of_two_lives_that_end_together_the_first_in_the_file_strikes_first() -> None:
    for order in (("a", "b"), ("b", "a")):
        spans = {"a": 3.0, "b": 7.0}
        line = one(failure_modes={key: mode(4.0, spans[key]) for key in order})
        run = simulate(line, start=START, horizon_s=15, trace=True)
        first = spans[order[0]]
        assert times(run, "u", "failure")[:2] == [4.0, 4.0 + first]
        assert times(run, "u", "up")[:2] == [4.0 + first, 14.0]
        assert run.failures["u", "a"][0, 0] == run.failures["u", "b"][0, 0] == 1


def test_a_calendar_failure_comes_before_planned_work_of_the_same_instant() -> None:
    """The failure strikes at 15 s, so the planned work waits until the repair is done at 18 s."""
    line = one(failure_modes={"jam": mode(15.0, 3.0, clock="calendar")})
    run = simulate(line, start=START, horizon_s=29, maintenance=[work(15, 8)], trace=True)
    assert [row for row in kinds(run) if row[0] >= 15] == [
        (15.0, "failure"),
        (15.0, "repair"),
        (18.0, "up"),
        (18.0, "maintenance"),
        (18.0, "repair"),
        (26.0, "up"),
    ]


def test_a_repair_that_ends_as_planned_work_falls_due_has_ended() -> None:
    line = one(failure_modes={"jam": mode(5.0, 10.0)})
    run = simulate(line, start=START, horizon_s=16, maintenance=[work(15, 8)], trace=True)
    assert [kind for t, kind in kinds(run) if t == 15.0] == ["up", "maintenance", "repair"]


def test_what_waits_strikes_in_its_order() -> None:
    """Down from 10 to 40 s; then the planned work in the order of the arguments, upkeep, calendar failures."""
    line = one(
        100.0,
        failure_modes={
            "late": mode(30.0, 6.0, clock="calendar"),
            "soon": mode(20.0, 7.0, clock="calendar"),
            "first": mode(10.0, 30.0),
        },
        upkeep={
            "b": {"every_h": 25 / 3600, "duration": constant(4.0)},
            "a": {"every_h": 15 / 3600, "duration": constant(5.0)},
        },
    )
    plans = [work(35, 2.0), work(12, 3.0)]
    run = simulate(line, start=START, horizon_s=66, maintenance=plans, trace=True)
    # 40 planned 2 s, 42 planned 3 s, 45 b 4 s (due at 25 and, once more, at 50), 49 a 5 s (due at 15, 30, 45:
    # once), 54 b again (due at 50 while down), ...
    found = [
        row for row in kinds(run) if row[1] in ("maintenance", "failure", "up") and row[0] >= 40
    ]
    assert found == [
        (40.0, "up"),
        (40.0, "maintenance"),
        (42.0, "up"),
        (42.0, "maintenance"),
        (45.0, "up"),
        (45.0, "maintenance"),  # b
        (49.0, "up"),
        (49.0, "maintenance"),  # a
        (54.0, "up"),
        (54.0, "maintenance"),  # b, due at 50
        (58.0, "up"),
        (58.0, "failure"),  # late, due at 30: first in the file
        (64.0, "up"),
        (64.0, "maintenance"),  # a, due at 60
    ]


def test_what_falls_due_twice_while_the_server_is_down_strikes_once() -> None:
    line = one(
        100.0,
        failure_modes={"jam": mode(5.0, 50.0)},
        upkeep={"oil": {"every_h": 20 / 3600, "duration": constant(1.0)}},
    )
    run = simulate(line, start=START, horizon_s=59, trace=True)
    assert times(run, "u", "maintenance") == [55.0]  # due at 20 and at 40 s


def test_crews_come_to_who_asked_first_and_of_equal_times_to_the_first_in_the_file() -> None:
    modes = {"u0": mode(6.0, 9.0), "u1": mode(5.0, 3.0), "u2": mode(6.0, 2.0)}
    units = {
        name: unit(100.0, failure_modes={"jam": one}, release={"policy": "saturated"})
        for name, one in modes.items()
    }
    run = simulate(plant(units), start=START, horizon_s=20, trace=True)
    assert times(run, "u1", "repair")[0] == 5.0
    assert times(run, "u0", "repair") == [8.0]
    assert times(run, "u2", "repair") == [17.0]
    two = simulate(plant(units, crews=2), start=START, horizon_s=20, trace=True)
    assert times(two, "u0", "repair")[0] == 6.0
    assert times(two, "u2", "repair")[0] == 8.0


def test_down_is_the_time_until_a_crew_begins_and_repair_the_time_after() -> None:
    units = {
        name: unit(100.0, failure_modes={"jam": mode(5.0, 4.0)}, release={"policy": "saturated"})
        for name in ("u0", "u1")
    }
    run = simulate(plant(units), start=START, horizon_s=13)
    assert run.unit_states["u0"]["repair"][0] == run.unit_states["u1"]["repair"][0] == 4 / 13
    assert run.unit_states["u0"]["down"][0] == 0
    assert run.unit_states["u1"]["down"][0] == 4 / 13


def test_a_repair_goes_on_after_the_end_of_the_shift() -> None:
    """Failure at 50 s, repair of 20 s, shift until 60 s and again from 120 s: up at 70 s, work goes on at 120 s."""
    line = plant(
        {"u": unit(65.0, failure_modes={"jam": mode(50.0, 20.0)})},
        weekly=("Mon-Sun 00:00-00:01", "Mon-Sun 00:02-24:00"),
    )
    run = simulate(line, start=START, horizon_s=140, trace=True)
    assert [row for row in kinds(run) if row[0] >= 50] == [
        (50.0, "failure"),
        (50.0, "repair"),
        (60.0, "off"),
        (70.0, "up"),
        (120.0, "on"),
        (135.0, "finish"),
        (135.0, "leave"),
        (135.0, "launch"),
        (135.0, "start"),
    ]
    # off shift comes before repair: 10 of the 20 s
    assert run.unit_states["u"]["repair"][0] * 140 == 10.0


def test_work_that_ends_as_the_shift_ends_frees_the_next_part_which_begins_on_shift() -> None:
    """At 60 s the part ends, then the shift: nothing is launched before 120 s."""
    line = plant({"u": unit(60.0)}, weekly=("Mon-Sun 00:00-00:01", "Mon-Sun 00:02-24:00"))
    run = simulate(line, start=START, horizon_s=130, trace=True)
    assert kinds(run) == [
        (0.0, "launch"),
        (0.0, "start"),
        (60.0, "finish"),
        (60.0, "leave"),
        (60.0, "off"),
        (120.0, "on"),
        (120.0, "launch"),
        (120.0, "start"),
    ]


def test_a_setup_that_ends_as_the_shift_ends_has_ended_and_work_has_begun() -> None:
    """Setup from 50 to 60 s: work begins and stops at one instant, and is drawn then."""
    line = plant(
        {"u": unit(50.0, setup={"same_product_s": 10.0})},
        weekly=("Mon-Sun 00:00-00:01", "Mon-Sun 00:02-24:00"),
    )
    jobs = [job("A", 1), job("B", 1)]
    run = simulate(line, start=START, horizon_s=180, jobs=jobs, trace=True)
    assert [row for row in kinds(run) if row[0] >= 50][2:] == [
        (50.0, "launch"),
        (50.0, "setup"),
        (60.0, "start"),
        (60.0, "off"),
        (120.0, "on"),
        (170.0, "finish"),
        (170.0, "leave"),
    ]


def test_a_server_that_gets_its_next_part_at_once_never_shows_that_it_starved_or_was_blocked() -> (
    None
):
    """Three units of one pace without places between them."""
    run = simulate(serial([5.0, 5.0, 5.0], 0), start=START, horizon_s=100, trace=True)
    assert run.unit_states["u1"]["starved"][0] == 5 / 100
    assert run.unit_states["u2"]["starved"][0] == 10 / 100
    for name in ("u0", "u1", "u2"):
        assert run.unit_states[name]["blocked"][0] == 0.0
        assert times(run, name, "blocked") == []


def test_units_of_length_zero_pass_a_part_on_at_one_instant() -> None:
    run = simulate(serial([5.0, 0.0, 0.0, 2.0], 0), start=START, horizon_s=8, trace=True)
    assert times(run, "u3", "start") == [5.0]
    assert times(run, "u1", "start") == times(run, "u2", "finish") == [5.0]
    assert run.kpis["good_parts"][0] == 1


def test_the_renewed_life_begins_when_the_work_ends() -> None:
    """Life 20 s on the calendar; planned work from 10 to 15 s renews it: the next failure is at 35 s."""
    line = one(100.0, failure_modes={"jam": mode(20.0, 5.0, clock="calendar")})
    run = simulate(
        line, start=START, horizon_s=36, maintenance=[work(10, 5, failure_mode="jam")], trace=True
    )
    assert times(run, "u", "failure") == [35.0]


def test_upkeep_by_count_comes_as_the_work_ends_and_by_calendar_at_its_instants() -> None:
    line = one(
        upkeep={
            "count": {"every_parts": 2, "duration": constant(3.0)},
            "clock": {
                "every_h": 40 / 3600,
                "first_at": later(-25).isoformat(),
                "duration": constant(1.0),
            },
        }
    )
    run = simulate(line, start=START, horizon_s=57, trace=True)
    # clock at 15 s (-25 + 40) and 55 s; parts end at 10, 21 (one s of upkeep), 34, 44; then 47 s
    assert times(run, "u", "finish") == [10.0, 21.0, 34.0, 44.0]
    assert times(run, "u", "maintenance") == [15.0, 21.0, 44.0, 55.0]
    assert run.unit_states["u"]["repair"][0] * 57 == 1 + 3 + 3 + 1


def test_upkeep_needs_a_crew_and_comes_off_shift_too() -> None:
    line = plant(
        {
            "u0": unit(100.0, failure_modes={"jam": mode(8.0, 10.0)}),
            "u1": unit(
                1.0,
                upkeep={"oil": {"every_h": 10 / 3600, "duration": constant(3.0)}},
                calendar="night",
            ),
        },
        {"z": ("u0", "u1", 1)},
        calendars={
            "shift": {"weekly": ["Mon-Sun 00:00-24:00"]},
            "night": {"weekly": ["Mon-Sun 23:00-24:00"]},
        },
    )
    run = simulate(line, start=START, horizon_s=25, trace=True)
    assert told(run, "u1", "maintenance", "repair", "up") == [
        (10.0, "maintenance", -1),
        (18.0, "repair", -1),
        (21.0, "up", -1),
        (21.0, "maintenance", -1),  # due at 20 s, while it was down
        (21.0, "repair", -1),
        (24.0, "up", -1),
    ]


def test_lives_of_other_modes_go_on_where_they_stood() -> None:
    """Operating lives of 15 and 20 s: a at 15, b at 20 s of work; a again 15 s of work later."""
    line = one(100.0, failure_modes={"a": mode(15.0, 2.0), "b": mode(20.0, 3.0)})
    run = simulate(line, start=START, horizon_s=48, trace=True)
    assert times(run, "u", "failure") == [15.0, 22.0, 35.0, 47.0]
