from __future__ import annotations

import pytest

from tests.telemetry_lab import Log, at, small_plant
from twin.errors import DataError
from twin.telemetry import SampleBatch, line_kpis, unit_kpis

PLANT = small_plant()


def one_hour() -> SampleBatch:
    """Maker: 600 s off, 300 s setup, 1800 s production, 500 s starved, 100 s blocked, 100 s waiting
    for the crew, 200 s repair. 150 good parts (plan: 10 s each). Tester: 3600 s on, 1152 s in
    production, else starved; 120 good and 24 rejected (plan: 8 s each)."""
    log = Log().say(
        "maker", "state", (0, 2), (600, 15), (900, 6), (2700, 5), (3300, 9), (3400, 1), (3600, 6)
    )
    log.say("maker", "reason", (0, 0), (2700, 1), (3200, 2), (3300, 0))
    log.say("maker", "product", (0, "P1")).say("tester", "product", (0, "P1"))
    log.say("maker", "good_count", (0, 0), (2700, 150))
    log.say("tester", "state", (0, 6), (1152, 5)).say("tester", "reason", (0, 0), (1152, 1))
    log.say("tester", "good_count", (0, 7), (1000, 127)).say("tester", "reject_count", (0, 0))
    return log.say("tester", "reject_count", (1100, 24)).batch()


def test_iso_22400_indicators_of_an_hour_computed_by_hand() -> None:
    kpis = unit_kpis(PLANT, "maker", one_hour(), at(0), at(3600))
    assert kpis.state_map == "packml"
    assert (kpis.planned_busy_s, kpis.off_s, kpis.unknown_s) == (3000.0, 600.0, 0.0)
    assert (kpis.production_s, kpis.setup_s, kpis.delay_s, kpis.down_s) == (1800, 300, 600, 300)
    assert (kpis.starved_s, kpis.blocked_s) == (500.0, 100.0)
    assert (kpis.good, kpis.rejected) == (150, 0)
    assert kpis.availability == pytest.approx(0.6)
    assert kpis.effectiveness == pytest.approx(1500 / 1800)
    assert kpis.quality_ratio == 1.0
    assert kpis.oee == pytest.approx(0.5)
    assert kpis.throughput_per_h == pytest.approx(180.0)


def test_rejects_lower_the_quality_ratio_and_count_as_produced() -> None:
    kpis = unit_kpis(PLANT, "tester", one_hour(), at(0), at(3600))
    assert (kpis.good, kpis.rejected, kpis.produced) == (120, 24, 144)
    assert kpis.quality_ratio == pytest.approx(120 / 144)
    assert kpis.availability == pytest.approx(0.32)
    assert kpis.effectiveness == pytest.approx(1.0)
    assert kpis.oee == pytest.approx(0.32 * 120 / 144)


def test_the_line_is_held_up_by_the_unit_that_waits_least_for_others() -> None:
    line = line_kpis(PLANT, one_hour(), at(0), at(3600))
    assert line.bottleneck == "maker"
    assert (line.good, line.rejected) == (120, 24)
    assert line.throughput_per_h == pytest.approx(120.0)
    assert line.quality_ratio == pytest.approx(120 / 144)
    assert line.oee == pytest.approx(0.6 * 1500 / 1800 * 120 / 144)


def test_without_telemetry_time_is_unknown_and_no_indicator_is_invented() -> None:
    kpis = unit_kpis(PLANT, "maker", SampleBatch.empty(), at(0), at(60))
    assert (kpis.unknown_s, kpis.planned_busy_s) == (60.0, 0.0)
    assert kpis.availability is None
    assert kpis.effectiveness is None
    assert kpis.quality_ratio is None
    assert kpis.oee is None
    assert kpis.throughput_per_h is None
    assert line_kpis(PLANT, SampleBatch.empty(), at(0), at(60)).bottleneck is None


def test_an_interval_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(DataError, match="must end after it starts"):
        unit_kpis(PLANT, "maker", SampleBatch.empty(), at(60), at(60))


def test_a_line_with_several_ends_makes_what_leaves_at_all_of_them() -> None:
    apart = small_plant(storage_zones={})
    line = line_kpis(apart, one_hour(), at(0), at(3600))
    assert (line.good, line.rejected) == (150 + 120, 24)
    assert line.throughput_per_h == pytest.approx(180.0 + 120.0)


def test_a_line_whose_last_unit_sends_parts_back_still_ends_there() -> None:
    tester = PLANT.work_units["tester"].model_dump()
    tester["inspection"]["rework"] = "again"
    back = {"upstream": "tester", "downstream": "tester", "capacity": 3}
    plant = small_plant(
        work_units={"maker": PLANT.work_units["maker"], "tester": tester},
        storage_zones={**PLANT.storage_zones, "again": back},
    )
    assert line_kpis(plant, one_hour(), at(0), at(3600)).good == 120
