"""Component demand: from parts that start and failures that happen to items, orders and causes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.engine import PlannedMaintenance, RunResult, simulate
from twin.errors import DataError
from twin.planning import Buckets, component_demand, propose
from twin.planning.demand import quantile
from twin.plant import BillOfMaterialLine, Plant, load_plant
from twin.schedule import build_problem, schedule_jobs, solve

LIVE_START = datetime(2026, 3, 16, 5, 30, tzinfo=UTC)
PRACTICE = Path(__file__).parents[2] / "simulators" / "practice" / "plant.toml"
HOURS = 48


@cache
def practice() -> Plant:
    return load_plant(PRACTICE)


@pytest.fixture(scope="module")
def plant() -> Plant:
    return practice()


def run_of(
    starts: Mapping[tuple[str, str], Mapping[int, tuple[int, ...]]],
    *,
    failures: Mapping[tuple[str, str], Mapping[int, tuple[int, ...]]] | None = None,
    orders: Mapping[str, tuple[float, float]] | None = None,
    replications: int = 2,
) -> RunResult:
    """A run by what it counted: hour -> count by replication; order -> (started, finished) hours."""

    def table(hours: Mapping[int, tuple[int, ...]]) -> np.ndarray:
        counts = np.zeros((replications, HOURS), dtype=np.int64)
        for hour, by_replication in hours.items():
            counts[:, hour] = by_replication
        return counts

    spans = orders or {}
    return RunResult(
        engine="by hand",
        reason="",
        seed=0,
        replications=replications,
        first_replication=0,
        start=LIVE_START,
        horizon_s=HOURS * 3600.0,
        warm_up_s=0.0,
        measured_s=np.full(replications, HOURS * 3600.0),
        kpis={},
        unit_states={},
        unit_energy_kwh={},
        unit_kpis={},
        starts={at: table(hours) for at, hours in starts.items()},
        failures={at: table(hours) for at, hours in (failures or {}).items()},
        order_started_s={o: np.full(replications, 3600 * a) for o, (a, _) in spans.items()},
        order_finished_s={o: np.full(replications, 3600 * b) for o, (_, b) in spans.items()},
        order_good={},
        order_lateness_h={},
    )


def test_parts_that_start_at_a_unit_consume_what_it_mounts(plant: Plant) -> None:
    run = run_of({("tht_insertion", "FG-DRV24"): {0: (10, 20), 20: (5, 5)}})
    demand = component_demand(plant, run)
    # 4 capacitors a board, 0.5 % lost. The plant's first day ends 16.5 h after the start.
    expected = np.array([[10, 5, 0], [20, 5, 0]]) * 4 / 0.995
    assert demand.items["C-ALU"].samples == pytest.approx(expected)
    assert demand.items["C-ALU"].quantile(0.5) == pytest.approx(expected[0])
    assert demand.items["HS-DRV"].samples.sum() == 0.0
    assert [f"{e:%d %H:%M}" for e in demand.buckets.edges] == [
        "15 23:00",
        "16 23:00",
        "17 23:00",
        "18 23:00",
    ]


def test_a_failure_and_planned_work_consume_the_spare_part(plant: Plant) -> None:
    run = run_of({}, failures={("pick_place_1", "bearing"): {3: (0, 1), 30: (1, 0)}})
    tomorrow = PlannedMaintenance(
        work_unit="packing",
        start_at=LIVE_START + timedelta(hours=24),
        duration_s=900,
        failure_mode="bearing",
    )
    item = component_demand(plant, run, maintenance=[tomorrow]).items["SP-BEARING"]
    assert item.samples.tolist() == [[0, 2, 0], [1, 1, 0]]
    assert item.shares() == {
        ("failure", "packing.bearing"): 0.5,
        ("failure", "pick_place_1.bearing"): 0.5,
    }


def test_demand_is_pegged_to_the_orders_on_the_line(plant: Plant) -> None:
    run = run_of(
        {("packing", "FG-DRV24"): {1: (90, 90), 2: (60, 60)}},
        orders={"JO-1001": (0.0, 2.5), "JO-1004": (2.5, 9.0), "JO-1002": (0.0, 9.0)},
    )
    item = component_demand(plant, run).items["HS-DRV"]
    # JO-1001 has hour 1 and half of hour 2; JO-1002 is another product.
    assert {p.name: p.quantity.sum() for p in item.pegs} == {"JO-1001": 120.0, "JO-1004": 30.0}
    assert item.shares()["order", "JO-1001"] == 0.8


def test_parts_of_no_order_are_not_given_to_one(plant: Plant) -> None:
    run = run_of({("packing", "FG-DRV24"): {1: (7, 7)}})
    assert [p.name for p in component_demand(plant, run).items["HS-DRV"].pegs] == ["no-order"]


@given(factor=st.floats(0.01, 100.0), parts=st.lists(st.integers(0, 500), min_size=2, max_size=2))
def test_demand_scales_with_the_quantity_of_the_bill_of_material(
    factor: float, parts: list[int]
) -> None:
    plant = practice()
    run = run_of({("packing", "FG-DRV24"): {1: (parts[0], parts[1])}})
    scaled = plant.model_copy(
        update={
            "bill_of_material": tuple(
                line.model_copy(update={"quantity": line.quantity * factor})
                if line.component == "SCREW"
                else line
                for line in plant.bill_of_material
            )
        }
    )
    one, other = (component_demand(p, run).items["SCREW"] for p in (plant, scaled))
    assert other.samples == pytest.approx(one.samples * factor)
    assert sum(p.quantity.sum() for p in one.pegs) == pytest.approx(one.samples.mean(0).sum())


def test_a_made_item_below_a_product_is_gone_through(plant: Plant) -> None:
    line = BillOfMaterialLine(parent="FG-DRV24", component="FG-GW10", quantity=2)
    both = plant.model_copy(update={"bill_of_material": (*plant.bill_of_material, line)})
    run = run_of({("packing", "FG-DRV24"): {1: (5, 5)}})
    assert component_demand(both, run).items["HS-GW"].samples[:, 0].tolist() == [10.0, 10.0]


def test_buckets_shorter_than_an_hour_are_refused(plant: Plant) -> None:
    policy = plant.planning.model_copy(update={"bucket_h": 0.5})
    with pytest.raises(DataError, match="bucket_h"):
        component_demand(plant.model_copy(update={"planning": policy}), run_of({}))


def test_shift_buckets_count_from_midnight(plant: Plant) -> None:
    buckets = Buckets.covering(LIVE_START, 86400, bucket_h=8, timezone="Europe/Berlin")
    assert [edge.hour for edge in buckets.edges] == [23, 7, 15, 23, 7]
    assert buckets.index(LIVE_START) == 0
    assert buckets.index(LIVE_START - timedelta(days=1)) == -1
    assert buckets.index(LIVE_START + timedelta(days=9)) == len(buckets)


def test_no_bucket_is_empty_in_the_night_of_summer_time() -> None:
    """The hour from 02:00 is not there: 01:00 is followed by 03:00, an hour later."""
    start = datetime(2026, 3, 28, 23, tzinfo=UTC)  # midnight in Berlin
    buckets = Buckets.covering(start, 4 * 3600, bucket_h=1, timezone="Europe/Berlin")
    hour = timedelta(hours=1)
    assert list(buckets.edges) == [start + i * hour for i in range(5)]


def test_a_quantile_is_a_value_that_occurred() -> None:
    twenty = np.arange(1.0, 21.0)[:, None]
    assert [quantile(twenty, q)[0] for q in (0.1, 0.5, 0.9, 1.0)] == [2.0, 10.0, 18.0, 20.0]


def test_the_practice_plant_from_schedule_to_proposals(plant: Plant) -> None:
    orders = [plant.orders[f"JO-10{i:02}"] for i in range(1, 9)]
    schedule = solve(build_problem(plant, start=LIVE_START, orders=orders), time_limit_s=0.2)
    jobs = schedule_jobs(schedule)
    run = simulate(
        plant, start=LIVE_START, horizon_s=4 * 86400.0, jobs=jobs, replications=2, until_done=True
    )
    demand = component_demand(plant, run)
    # Every part that starts takes its share of a panel, whatever happens to it later.
    started = sum(job.quantity for job in jobs if job.product == "FG-DRV24")
    panels = demand.items["PCB-DRV24"]
    assert panels.samples.sum(axis=1) == pytest.approx([started * 0.25 / 0.995] * 2)
    assert {p.name for p in panels.pegs} == {j.order_id for j in jobs if j.product == "FG-DRV24"}
    without_stock = plant.model_copy(update={"stock": {}})
    proposals = propose(without_stock, demand, now=LIVE_START)
    assert {p.item_id for p in proposals} > {"PCB-DRV24", "HS-GW", "IC-ETH"}
    for proposal in proposals:
        assert proposal.quantity >= sum(p.quantity for p in proposal.pegging) - 1e-6
        assert proposal.pegging
        assert proposal.reason
