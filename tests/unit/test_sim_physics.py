from __future__ import annotations

import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from simulators.clock import LIVE_START, PLANT_EPOCH, from_us, to_us
from simulators.physics import Emission, InjectedFault, PracticePlant
from simulators.truth import Accounts
from twin.errors import DataError, NotFoundError
from twin.plant import Plant, load_plant

PLANT_FILE = Path(__file__).parents[2] / "simulators" / "practice" / "plant.toml"
HOUR_US = 3_600_000_000
STATES = {"production": 6.0, "off": 2.0, "down": 9.0, "repair": 1.0}


class Draws(Accounts):
    """Accounts that also keep every single drawn duration."""

    def __init__(self) -> None:
        super().__init__()
        self.draws: dict[str, list[float]] = defaultdict(list)

    def cycle(self, unit: str, product: str, now: float, mean_s: float, duration_s: float) -> None:
        super().cycle(unit, product, now, mean_s, duration_s)
        self.draws[unit].append(duration_s)


@pytest.fixture(scope="module")
def plant() -> Plant:
    return load_plant(PLANT_FILE)


@pytest.fixture(scope="module")
def day(plant: Plant) -> tuple[PracticePlant, Draws, list[Emission]]:
    """A day and a half from Monday 06:00: a shift, a night, half of the next shift."""
    practice = PracticePlant(plant, 7)
    accounts = practice.line.accounts = Draws()
    return practice, accounts, practice.advance(to_us(PLANT_EPOCH) + 36 * HOUR_US)


def said(emissions: Iterable[Emission], unit: str, *signals: str) -> list[Emission]:
    return [e for e in emissions if e.unit == unit and e.signal in signals]


def test_the_same_seed_gives_the_same_emissions_and_another_seed_others(plant: Plant) -> None:
    end = to_us(PLANT_EPOCH) + 4 * HOUR_US
    first, again, other = (PracticePlant(plant, seed).advance(end) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_how_it_is_advanced_changes_nothing(plant: Plant) -> None:
    start, end = to_us(PLANT_EPOCH), to_us(PLANT_EPOCH) + 2 * HOUR_US
    whole = PracticePlant(plant, 3).advance(end)
    pieces = PracticePlant(plant, 3)
    at = start
    found: list[Emission] = []
    while at < end:
        at = min(end, at + 17_300_000)
        found += pieces.advance(at)
    assert found == whole


def test_sampling_more_often_moves_no_event_of_the_line(plant: Plant) -> None:
    end = to_us(PLANT_EPOCH) + 6 * HOUR_US
    slow = PracticePlant(plant, 3).advance(end)
    fast = PracticePlant(plant, 3, sample_period_s=10.0).advance(end)
    assert len(fast) > len(slow)
    names = {"state", "reason", "fault", "product", "order", "good_count", "reject_count"}
    assert [e for e in fast if e.signal in names] == [e for e in slow if e.signal in names]


def test_a_saved_plant_goes_on_as_if_it_had_never_stopped(plant: Plant) -> None:
    middle, end = to_us(PLANT_EPOCH) + 5 * HOUR_US, to_us(PLANT_EPOCH) + 9 * HOUR_US
    straight = PracticePlant(plant, 5)
    straight.advance(middle)
    resumed = PracticePlant(plant, 5)
    resumed.restore(json.loads(json.dumps(straight.state())))
    assert resumed.latest() == straight.latest()
    assert resumed.advance(end) == straight.advance(end)


def test_no_part_is_lost_or_made_up(day: tuple[PracticePlant, Draws, list[Emission]]) -> None:
    practice, accounts, _ = day
    line = practice.line
    inside = sum(len(zone) for zone in line.zones) + sum(m.part is not None for m in line.machines)
    rows = accounts.orders.values()
    assert sum(r["started"] for r in rows) > 1000
    assert sum(r["started"] - r["good"] - r["scrapped"] for r in rows) == inside
    for zone, capacity in zip(line.zones, line.capacity, strict=True):
        assert len(zone) <= capacity


def test_execute_time_between_counts_is_the_drawn_duration_within_a_millisecond(
    day: tuple[PracticePlant, Draws, list[Emission]],
) -> None:
    _, accounts, emissions = day
    for unit, draws in accounts.draws.items():
        executed = execute_times(said(emissions, unit, "state", "good_count", "reject_count"))
        assert len(executed) == len(draws) > 1000
        assert executed == pytest.approx(draws, abs=1e-3)


def execute_times(emissions: list[Emission]) -> list[float]:
    """Seconds in state 6 between increments of the counters."""
    found: list[float] = []
    executing, since, gone = False, 0, 0
    # At one instant the counter comes before the state: the part ended, then the state changed.
    for e in sorted(emissions, key=lambda e: (e.measured_us, e.signal == "state")):
        if executing:
            gone += e.measured_us - since
        since = e.measured_us
        if e.signal == "state":
            executing = e.value == STATES["production"]
        elif isinstance(e.value, float) and e.value > 0:
            found.append(gone / 1e6)
            gone = 0
    return found


def test_a_signal_says_one_thing_at_an_instant(
    day: tuple[PracticePlant, Draws, list[Emission]],
) -> None:
    seen = Counter((e.unit, e.signal, e.measured_us) for e in day[2])
    assert max(seen.values()) == 1


def test_nothing_is_produced_outside_the_shifts(
    day: tuple[PracticePlant, Draws, list[Emission]],
) -> None:
    zone = ZoneInfo("Europe/Berlin")
    counts = [e for e in day[2] if e.signal == "good_count" and e.value]
    hours = {from_us(e.measured_us - 1).astimezone(zone).hour for e in counts}
    assert len(hours) > 10
    assert hours <= set(range(6, 22))
    night = [e for e in day[2] if e.signal == "vibration"]
    assert all(6 <= from_us(e.measured_us).astimezone(zone).hour < 22 for e in night)


def test_a_failure_waits_for_the_crew_is_repaired_and_the_work_goes_on(plant: Plant) -> None:
    practice = PracticePlant(plant, 7)
    emissions = practice.advance(to_us(PLANT_EPOCH) + 72 * HOUR_US)
    failures = practice.line.accounts.failures
    assert len(failures) >= 5
    spans = sorted((f["repair_began"], f["repaired"]) for f in failures if f["repaired"])
    assert all(later[0] >= earlier[1] for earlier, later in itertools.pairwise(spans))
    for unit in {f["unit"] for f in failures}:
        states = [e.value for e in said(emissions, unit, "state")]
        for i, state in enumerate(states[:-2]):
            if state == STATES["down"]:
                assert states[i - 1] == STATES["production"]
                assert states[i + 1] == STATES["repair"]
                assert states[i + 2] in (STATES["production"], STATES["off"])
        told = [e.value for e in said(emissions, unit, "fault") if e.value]
        assert told == [f["mode"] for f in failures if f["unit"] == unit]


def test_a_condition_signal_rises_before_its_failure_and_is_fresh_after_the_repair(
    plant: Plant,
) -> None:
    practice = PracticePlant(plant, 1, sample_period_s=10.0)
    practice.advance(to_us(PLANT_EPOCH) + HOUR_US // 2)
    practice.inject(InjectedFault.parse("pick_place_2:bearing:0.3:3.5"))
    emissions = practice.advance(practice.now_us + 6 * HOUR_US)
    failure = next(f for f in practice.line.accounts.failures if f["mode"] == "bearing")
    assert failure["unit"] == "pick_place_2"
    assert failure["failed"] / 3600 - 0.5 == pytest.approx(3.5, abs=0.5)

    def mean(low: float, high: float) -> float:
        found = [
            e.value
            for e in said(emissions, "pick_place_2", "vibration")
            if low <= (e.measured_us - practice.epoch_us) / 1e6 < high
        ]
        values = [v for v in found if isinstance(v, float)]
        return sum(values) / len(values)

    assert mean(1800, 2800) < 3.0
    assert mean(failure["failed"] - 300, failure["failed"]) > 6.0
    assert mean(failure["repaired"], failure["repaired"] + 600) < 1.5


def test_an_injected_fault_needs_a_wear_mode_and_rising_hours(plant: Plant) -> None:
    practice = PracticePlant(plant, 1)
    with pytest.raises(NotFoundError, match="no work unit"):
        practice.inject(InjectedFault.parse("oven:heater:0:1"))
    with pytest.raises(NotFoundError, match="nozzle, bearing"):
        practice.inject(InjectedFault.parse("pick_place_1:feeder:0:1"))
    with pytest.raises(DataError, match="rise"):
        InjectedFault.parse("reflow:heater:3:2")
    with pytest.raises(DataError, match="UNIT:MODE"):
        InjectedFault.parse("reflow")


def test_open_orders_start_at_their_release_and_the_past_is_over(plant: Plant) -> None:
    monday = LIVE_START - timedelta(minutes=30)
    practice = PracticePlant(plant, 2, monday - timedelta(hours=70))
    emissions = practice.advance(to_us(monday) + HOUR_US)
    orders = [e for e in said(emissions, "printer", "order") if e.value]
    before = [e.value for e in orders if e.measured_us < to_us(monday)]
    after = [e.value for e in orders if e.measured_us >= to_us(monday)]
    assert before
    assert all(str(o).startswith("JO-0") for o in before)
    assert after[0] == "JO-1001"


def test_true_laws_differ_from_the_plant_file_but_not_wildly(plant: Plant) -> None:
    truth = PracticePlant(plant, 1).truth
    off = [
        law.mean_s / plant.work_units[unit].cycle_law(product).mean() - 1.0
        for unit, hidden in truth.units.items()
        for product, law in hidden.cycles.items()
    ]
    assert -0.06 <= min(off) < 0.0 < max(off) <= 0.125


def test_the_history_lasts_two_weeks_and_a_half_hour() -> None:
    assert timedelta(days=14, minutes=30) == LIVE_START - PLANT_EPOCH
    assert datetime.fromisoformat("2026-03-16T06:30:00+01:00") == LIVE_START
