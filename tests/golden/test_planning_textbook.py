"""Requirements planning against printed examples; every expected figure is the book's or by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from statistics import NormalDist
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from twin.planning import Buckets, ComponentDemand, ItemDemand, explode, net, propose
from twin.plant import (
    BillOfMaterialLine,
    ItemKind,
    MaterialDefinition,
    Plant,
    PurchaseOrder,
    Stock,
    load_plant,
)

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 3, 2, tzinfo=BERLIN)
PRACTICE = Path(__file__).parents[2] / "simulators" / "practice" / "plant.toml"


@pytest.fixture(scope="module")
def practice() -> Plant:
    return load_plant(PRACTICE)


def record_of(
    plant: Plant,
    gross: Sequence[float],
    *,
    on_hand: float,
    receipts: Sequence[tuple[int, float]],
    lot: float,
    lead_time_periods: int,
) -> tuple[Plant, ComponentDemand]:
    """One item, periods of one day, demand that is certain."""
    item = MaterialDefinition(
        item_id="X",
        description="textbook item",
        kind=ItemKind.BUY,
        unit="EA",
        minimum_order=lot,
        order_multiple=lot,
        lead_time_p90_d=lead_time_periods,
        suppliers=("S-MECH",),
    )
    orders = {
        f"PO-{period}": PurchaseOrder(
            purchase_order_id=f"PO-{period}",
            item_id="X",
            supplier_id="S-MECH",
            quantity=quantity,
            due_at=MONDAY + timedelta(days=period - 1),
        )
        for period, quantity in receipts
    }
    update = {
        "items": {"X": item},
        "stock": {"X": Stock(item_id="X", on_hand=on_hand)},
        "purchase_orders": orders,
    }
    return plant.model_copy(update=update), demand_of(np.array([gross], dtype=float))


def demand_of(samples: np.ndarray) -> ComponentDemand:
    days = samples.shape[1]
    buckets = Buckets.covering(MONDAY, days * 86400, bucket_h=24, timezone="Europe/Berlin")
    return ComponentDemand(
        start=MONDAY,
        buckets=buckets,
        bucket_h=24,
        replications=len(samples),
        items={"X": ItemDemand(item_id="X", samples=samples, pegs=())},
    )


def period(at: datetime) -> int:
    """1 for the first day."""
    return (at - MONDAY).days + 1


def test_vollmann_berry_whybark_the_basic_mrp_record(practice: Plant) -> None:
    """Manufacturing Planning and Control Systems, figure "The basic MRP record".

    Period                        1   2   3   4   5
    Gross requirements                10      40  10
    Scheduled receipts           50
    Projected available  4       54  44  44   4  44
    Planned order releases                    50         lead time 1, lot size 50
    """
    plant, demand = record_of(
        practice, [0, 10, 0, 40, 10], on_hand=4, receipts=[(1, 50)], lot=50, lead_time_periods=1
    )
    record = net(plant, demand, now=MONDAY).items["X"]
    available = record.projected_on_hand + np.cumsum(record.planned_receipts)
    assert available.tolist() == [54, 44, 44, 4, 44]
    (proposal,) = propose(plant, demand, now=MONDAY, weekly=False)
    assert (period(proposal.release_at), proposal.quantity) == (4, 50)


def test_krajewski_ritzman_seat_subassembly(practice: Plant) -> None:
    """Operations Management, inventory record of item C: lot 230, lead time 2, 37 on hand.

    Week                    1    2    3    4    5    6    7    8
    Gross requirements    150    0    0  120    0  150  120    0
    Scheduled receipts    230
    Projected on hand     117  117  117  227  227   77  187  187
    Planned receipts                     230            230
    Planned releases           230            230

    By hand: 37 + 230 - 150 = 117; week 4: 117 - 120 = -3, so 230 come: 227; week 6: 77;
    week 7: 77 - 120 = -43, so 230 come: 187.
    """
    plant, demand = record_of(
        practice,
        [150, 0, 0, 120, 0, 150, 120, 0],
        on_hand=37,
        receipts=[(1, 230)],
        lot=230,
        lead_time_periods=2,
    )
    record = net(plant, demand, now=MONDAY).items["X"]
    available = record.projected_on_hand + np.cumsum(record.planned_receipts)
    assert available.tolist() == [117, 117, 117, 227, 227, 77, 187, 187]
    assert record.net_requirement.tolist() == [0, 0, 0, 3, 0, 0, 43, 0]
    releases = propose(plant, demand, now=MONDAY, weekly=False)
    assert [(period(p.release_at), p.quantity) for p in releases] == [(2, 230), (5, 230)]
    assert not any(p.late for p in releases)


def test_newsvendor_normal_of_stockpyl(practice: Plant) -> None:
    """stockpyl: newsvendor_normal(holding_cost=2, stockout_cost=18, demand_mean=120,
    demand_sd=10) -> 132.815515655446: the demand quantile at 18 / (2 + 18) = 90 % service."""
    assert practice.planning.service_level == 0.9
    law, futures = NormalDist(120, 10), 4000
    samples = np.array([[law.inv_cdf((i + 0.5) / futures)] for i in range(futures)])
    plant, _ = record_of(practice, [0], on_hand=0, receipts=[], lot=0, lead_time_periods=0)
    record = net(plant, demand_of(samples), now=MONDAY).items["X"]
    assert record.net_requirement[0] == pytest.approx(132.815515655446, abs=0.02)
    assert record.stockout_probability[0] == 1.0


def test_newsvendor_with_discrete_demand(practice: Plant) -> None:
    """By hand: demand 10, 20, ... 100, equally likely. The least quantity that covers at least
    90 % of the cases is 90; with 70 in stock 3 of 10 cases run out, and 20 are missing."""
    samples = np.arange(10.0, 101.0, 10.0)[::-1, None]
    plant, _ = record_of(practice, [0], on_hand=70, receipts=[], lot=0, lead_time_periods=0)
    record = net(plant, demand_of(samples), now=MONDAY).items["X"]
    assert record.stockout_probability[0] == pytest.approx(0.3)
    assert record.net_requirement[0] == 20.0


def test_requirements_up_to_a_day_are_not_the_sum_of_bad_days(practice: Plant) -> None:
    """By hand: two futures of ten have their 100 on day 1, two others on day 2, six none. At
    90 % service each day alone would ask for 100; together nobody ever needs more than 100."""
    samples = np.zeros((10, 2))
    samples[:2, 0] = samples[2:4, 1] = 100.0
    plant, _ = record_of(practice, [0], on_hand=0, receipts=[], lot=0, lead_time_periods=0)
    record = net(plant, demand_of(samples), now=MONDAY).items["X"]
    assert record.gross_requirement.tolist() == [100.0, 0.0]
    assert record.stockout_probability.tolist() == [0.2, 0.4]


def test_explosion_through_a_phantom_with_scrap(practice: Plant) -> None:
    """APICS: a phantom is blown through; gross quantity is quantity / (1 - scrap).

    By hand: 2 kits per product, 10 % of the kits lost: 2 / 0.9; 3 screws per kit, 25 % lost:
    3 / 0.75 = 4; together 2 / 0.9 * 4 = 8.888...; and 1 screw directly at the printer.
    """
    kinds = {"FG-GW10": ItemKind.MAKE, "KIT": ItemKind.PHANTOM, "SCREW": ItemKind.BUY}
    items = {
        name: MaterialDefinition(item_id=name, description="", kind=kind, unit="EA")
        for name, kind in kinds.items()
    }
    lines = (
        BillOfMaterialLine(parent="FG-GW10", component="KIT", quantity=2, scrap=0.1),
        BillOfMaterialLine(parent="KIT", component="SCREW", quantity=3, scrap=0.25),
        BillOfMaterialLine(parent="FG-GW10", component="SCREW", quantity=1, work_unit="printer"),
    )
    usage = explode(practice.model_copy(update={"items": items, "bill_of_material": lines}))
    assert usage["SCREW"] == pytest.approx(
        {("packing", "FG-GW10"): 80 / 9, ("printer", "FG-GW10"): 1.0}
    )


def test_a_phantom_consumes_where_its_parent_does(practice: Plant) -> None:
    """A line without a work unit is consumed where its parent is; packing is the line's end."""
    usage = explode(practice)
    # 0.25 panels per board, 0.5 % lost: 0.25 / 0.995
    assert usage["PCB-DRV24"] == pytest.approx({("printer", "FG-DRV24"): 0.25 / 0.995})
    # 6 at packing, 2 % lost; 4 and 2 for the other two products
    assert usage["SCREW"] == pytest.approx(
        {
            ("packing", "FG-DRV24"): 6 / 0.98,
            ("packing", "FG-GW10"): 4 / 0.98,
            ("packing", "FG-PSU60"): 2 / 0.98,
        }
    )
