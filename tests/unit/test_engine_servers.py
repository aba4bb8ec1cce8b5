"""Units with several servers, merges, and who is first."""

from __future__ import annotations

from tests.engine_lab import START, constant, job, plant, serial, times, told, unit
from tests.sameness import simulate
from twin.engine import LiveState, UnitStart
from twin.plant import WorkUnitState


def test_servers_of_one_unit_work_side_by_side() -> None:
    """Two servers, 10 s a part: two parts every 10 s, one set of shares for both."""
    line = plant({"u": unit(10.0, servers=2)})
    run = simulate(line, start=START, horizon_s=60, trace=True)
    assert run.kpis["good_parts"][0] == 12
    assert run.unit_states["u"]["production"][0] == 1.0
    assert run.kpis["throughput_per_h"][0] == 12 * 60


def test_a_second_server_idles_where_one_is_enough() -> None:
    """A part every 4 s, 6 s of work: 200 parts in 800 s, of which the last has 2 s to go."""
    line = plant(
        {"u0": unit(4.0), "u1": unit(6.0, servers=2)},
        {"z": ("u0", "u1", 5)},
    )
    run = simulate(line, start=START, horizon_s=804, warm_up_s=4, trace=True)
    assert run.unit_states["u1"]["production"][0] == (200 * 6 - 2) / (2 * 800)
    assert times(run, "u1", "start")[:4] == [4.0, 8.0, 12.0, 16.0]


def test_each_server_fails_on_its_own() -> None:
    """Both lives end after 15 s of work; one crew mends them one after the other."""
    mode = {"time_to_failure": constant(15.0), "repair": constant(4.0)}
    line = plant({"u": unit(10.0, servers=2, failure_modes={"jam": mode})})
    run = simulate(line, start=START, horizon_s=29, trace=True)
    assert told(run, "u", "failure", "repair", "up") == [
        (15.0, "failure", 2),
        (15.0, "failure", 3),
        (15.0, "repair", 2),
        (19.0, "up", 2),
        (19.0, "repair", 3),
        (23.0, "up", 3),
    ]
    assert times(run, "u", "finish") == [10.0, 10.0, 24.0, 28.0]
    assert run.failures["u", "jam"][0].tolist() == [2]


def test_of_two_servers_the_one_that_has_waited_longer_gets_the_part() -> None:
    """The first server is done at 3 s and set up for Q, the second at 2 s for P: a P comes at 5 s."""
    arrivals = {"policy": "arrivals", "interarrival": constant(5.0), "products": {"P": 1.0}}
    line = plant(
        {"u": unit(1.0, servers=2, release=arrivals, setup={"other_family_s": 9.0})},
        products={"P": "F", "Q": "G"},
    )
    for first_s, second_s, setups in ((3.0, 2.0, []), (2.0, 3.0, [5.0]), (2.0, 2.0, [5.0])):
        busy = [
            UnitStart(state=WorkUnitState.PRODUCTION, product=p, remaining_s=s)
            for p, s in (("Q", first_s), ("P", second_s))
        ]
        live = LiveState(at=START, units={"u": busy[0]}, more_servers={"u": (busy[1],)})
        run = simulate(line, start=START, horizon_s=9, state=live, trace=True)
        assert times(run, "u", "setup") == setups


def test_a_merge_takes_the_part_that_has_waited_longest() -> None:
    """b's part is there at 1 s, a's at 2 s; the unit after them is free at 0 and at 11 s."""
    line = plant(
        {"a": unit(2.0), "b": unit(1.0), "m": unit(10.0, takes="any")},
        {"za": ("a", "m", 2), "zb": ("b", "m", 2)},
    )
    jobs = [job("A", 2)]
    run = simulate(line, start=START, horizon_s=100, jobs=jobs, trace=True)
    # a launches part 0, b part 1: each one, for they share the job
    assert told(run, "m", "start") == [(1.0, "start", 1), (11.0, "start", 0)]


def test_of_two_parts_that_came_at_once_a_merge_takes_that_of_the_first_zone() -> None:
    """m waits since time 0, so it has taken a's part before b's is put in; b's second comes as a's does."""
    units = {"a": unit(2.0), "b": unit(2.0), "m": unit(10.0, takes="any")}
    zones = {"za": ("a", "m", 2), "zb": ("b", "m", 2)}
    jobs = [job("A", 4)]
    run = simulate(plant(units, zones), start=START, horizon_s=100, jobs=jobs, trace=True)
    assert [part for _, _, part in told(run, "m", "start")] == [0, 1, 2, 3]
    turned = dict(reversed(zones.items()))
    run = simulate(plant(units, turned), start=START, horizon_s=100, jobs=jobs, trace=True)
    assert [part for _, _, part in told(run, "m", "start")] == [0, 1, 3, 2]


def test_a_merge_over_zones_without_places_takes_what_has_been_held_longest() -> None:
    line = plant(
        {"a": unit(3.0), "b": unit(1.0), "m": unit(10.0, takes="any")},
        {"za": ("a", "m", 0), "zb": ("b", "m", 0)},
    )
    run = simulate(line, start=START, horizon_s=45, trace=True)
    # b hands over at 1 s, holds its next from 2 s; a holds from 3 s; b's third from 12 s on
    taken = [part for _, _, part in told(run, "m", "start")]
    assert taken == [1, 3, 0, 5, 2]
    assert times(run, "m", "start") == [1.0, 11.0, 21.0, 31.0, 41.0]


def test_from_a_zone_without_places_the_server_that_has_held_longest_gives() -> None:
    """Two servers hold parts before a slow unit: first in, first out."""
    line = plant(
        {"a": unit(1.0, servers=3), "b": unit(10.0)},
        {"z": ("a", "b", 0)},
    )
    run = simulate(line, start=START, horizon_s=35, trace=True)
    # 0, 1, 2 end at 1 s: of equal times the first server gives; each next part ends a second later
    assert [part for _, _, part in told(run, "b", "start")] == [0, 1, 2, 3]


def test_a_blocked_server_gives_its_part_though_it_is_off_shift() -> None:
    """u0 is off from 60 s on and holds a part from 20 s; u1 takes it at 100 s."""
    line = plant(
        {"u0": unit(10.0, calendar="short"), "u1": unit(90.0)},
        {"z": ("u0", "u1", 0)},
        calendars={
            "shift": {"weekly": ["Mon-Sun 00:00-24:00"]},
            "short": {"weekly": ["Mon-Sun 00:00-00:01"]},
        },
    )
    run = simulate(line, start=START, horizon_s=200, trace=True)
    assert times(run, "u1", "start") == [10.0, 100.0]
    assert times(run, "u0", "off") == [60.0]


def test_heads_of_the_main_path_share_the_jobs() -> None:
    """Two machines before a merge make one order of seven parts together, not seven each."""
    line = plant(
        {"a": unit(2.0), "b": unit(3.0), "m": unit(1.0, takes="any")},
        {"za": ("a", "m", 3), "zb": ("b", "m", 3)},
    )
    run = simulate(
        line, start=START, horizon_s=100, jobs=[job("A", 7)], until_done=True, trace=True
    )
    assert run.order_good["A"][0] == 7
    assert times(run, "a", "launch") == [0.0, 2.0, 4.0, 6.0]
    assert times(run, "b", "launch") == [0.0, 3.0, 6.0]
    # the last two end at 8 s (a) and 9 s (b)
    assert run.order_finished_s["A"][0] == run.measured_s[0] == 10.0
    assert [part for _, _, part in told(run, "a", "launch")] == [0, 2, 4, 6]
    assert [part for _, _, part in told(run, "b", "launch")] == [1, 3, 5]


def test_blocking_comes_after_service() -> None:
    """u1 takes a part every 10 s; u0 works 1 s, and holds what finds no place."""
    run = simulate(serial([1.0, 10.0], 1), start=START, horizon_s=32, trace=True)
    assert times(run, "u0", "start") == [0.0, 1.0, 2.0, 11.0, 21.0, 31.0]
    assert times(run, "u0", "blocked") == [3.0, 12.0, 22.0, 32.0]
    assert times(run, "u1", "start") == [1.0, 11.0, 21.0, 31.0]
