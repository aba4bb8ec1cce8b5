"""Netting and proposals: laws of stock and lots, lateness that is said, pegging that adds up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.planning import (
    Buckets,
    ComponentDemand,
    ItemDemand,
    Peg,
    PurchaseProposal,
    lot_quantity,
    net,
    propose,
)
from twin.plant import FailureForecast, Plant, PurchaseOrder, Stock, load_plant

NOW = datetime(2026, 3, 16, 5, 30, tzinfo=UTC)  # a Monday
DAYS = 10
PRACTICE = Path(__file__).parents[2] / "simulators" / "practice" / "plant.toml"

futures = st.lists(
    st.lists(st.integers(0, 300), min_size=DAYS, max_size=DAYS), min_size=1, max_size=12
)


@cache
def practice() -> Plant:
    return load_plant(PRACTICE)


def plant_with(
    item_id: str, on_hand: float, *orders: PurchaseOrder, lots: tuple[float, float] | None = None
) -> Plant:
    """The practice plant with this stock and these open orders of the item, and no others."""
    plant = practice()
    item = plant.items[item_id]
    if lots is not None:
        item = item.model_copy(update={"minimum_order": lots[0], "order_multiple": lots[1]})
    return plant.model_copy(
        update={
            "items": plant.items | {item_id: item},
            "stock": {item_id: Stock(item_id=item_id, on_hand=on_hand)},
            "purchase_orders": {order.purchase_order_id: order for order in orders},
        }
    )


def demand_for(item_id: str, samples: list[list[int]], *pegs: Peg) -> ComponentDemand:
    return ComponentDemand(
        start=NOW,
        buckets=Buckets.covering(NOW, (DAYS - 1) * 86400, bucket_h=24, timezone="Europe/Berlin"),
        bucket_h=24,
        replications=len(samples),
        items={
            item_id: ItemDemand(item_id=item_id, samples=np.array(samples, dtype=float), pegs=pegs)
        },
    )


def every_day(quantity: int) -> list[list[int]]:
    return [[quantity] * DAYS]


def receipt(item_id: str, quantity: float, due_at: datetime) -> PurchaseOrder:
    return PurchaseOrder(
        purchase_order_id="PO-1",
        item_id=item_id,
        supplier_id="S-MECH",
        quantity=quantity,
        due_at=due_at,
    )


@given(futures, st.integers(0, 3000), st.integers(0, 500), st.booleans(), st.sampled_from([1, 50]))
def test_more_stock_never_asks_for_more(
    samples: list[list[int]], on_hand: int, more: int, weekly: bool, multiple: int
) -> None:
    """Up to every week's end. With a minimum above the multiple only the need obeys, not the lot."""
    demand = demand_for("HS-DRV", samples)
    bought = []
    for stock in (on_hand, on_hand + more):
        plant = plant_with("HS-DRV", stock, lots=(multiple, multiple))
        record = net(plant, demand, now=NOW, weekly=weekly).items["HS-DRV"]
        bought.append(np.cumsum(record.planned_receipts))
    weeks_end = [6, DAYS - 1] if weekly else list(range(DAYS))
    assert np.all(bought[1][weeks_end] <= bought[0][weeks_end] + 1e-6)


@given(futures, st.integers(0, 3000), st.booleans())
def test_with_its_lots_an_item_never_runs_out_at_the_service_level(
    samples: list[list[int]], on_hand: int, weekly: bool
) -> None:
    plant = plant_with("HS-DRV", on_hand)
    record = net(plant, demand_for("HS-DRV", samples), now=NOW, weekly=weekly).items["HS-DRV"]
    assert np.all(record.projected_on_hand + np.cumsum(record.planned_receipts) >= -1e-6)
    covered = np.cumsum(np.array(samples), axis=1) <= on_hand + np.cumsum(record.planned_receipts)
    assert np.all(covered.mean(axis=0) >= 0.9 - 1e-9)


@given(futures, st.integers(2, 9), st.integers(0, 1000))
def test_requirements_scale_with_demand_and_stock(
    samples: list[list[int]], factor: int, on_hand: int
) -> None:
    one = net(plant_with("HS-DRV", on_hand), demand_for("HS-DRV", samples), now=NOW)
    scaled = [[factor * d for d in row] for row in samples]
    other = net(plant_with("HS-DRV", factor * on_hand), demand_for("HS-DRV", scaled), now=NOW)
    for series in ("gross_requirement", "projected_on_hand"):
        expected = factor * getattr(one.items["HS-DRV"], series)
        assert getattr(other.items["HS-DRV"], series) == pytest.approx(expected)


@given(st.floats(0.1, 1e6), st.integers(0, 500), st.integers(1, 60))
def test_a_lot_is_the_least_that_can_be_bought(need: float, minimum: int, multiple: int) -> None:
    item = plant_with("HS-DRV", 0, lots=(minimum, multiple)).items["HS-DRV"]
    lot = lot_quantity(item, need)
    assert lot >= max(need, minimum) - 1e-6
    assert lot % multiple == 0
    assert lot - multiple < max(need, minimum)


def only(proposals: tuple[PurchaseProposal, ...]) -> PurchaseProposal:
    (proposal,) = proposals
    return proposal


def test_a_release_in_the_past_stays_there_and_is_said() -> None:
    # 4.1 days of lead time, but 30 are missing tomorrow.
    plant = plant_with("HS-DRV", 170)
    proposal = only(propose(plant, demand_for("HS-DRV", [[100, 100] + [0] * 8]), now=NOW))
    tomorrow = datetime(2026, 3, 16, 23, tzinfo=UTC)
    assert proposal.due_at == tomorrow
    assert proposal.release_at == tomorrow - timedelta(days=4.1)
    assert proposal.expected_at == NOW + timedelta(days=4.1)
    assert proposal.late
    assert (
        "LATE: should have been ordered from mechanics by Thu 2026-03-12 21:36" in proposal.reason
    )
    assert proposal.quantity == 200  # minimum order
    assert proposal.cost == 200 * 5.40


def test_an_order_in_time_says_by_when() -> None:
    plant = plant_with("HS-DRV", 850)
    proposal = only(propose(plant, demand_for("HS-DRV", [[100] * 9 + [0]]), now=NOW))
    assert not proposal.late
    assert proposal.proposal_id == "PP-HS-DRV-2026W13"
    assert "Order from mechanics by Thu 2026-03-19 21:36" in proposal.reason
    assert "delivers on time 91% of the time" in proposal.reason


def test_the_same_need_keeps_its_id_and_a_further_need_gets_another() -> None:
    demand = demand_for("HS-DRV", [[0, 100] + [0] * 8])
    first = only(propose(plant_with("HS-DRV", 0), demand, now=NOW))
    again = only(propose(plant_with("HS-DRV", 0), demand, now=NOW + timedelta(hours=3)))
    assert first.proposal_id == again.proposal_id
    bought = PurchaseOrder(
        purchase_order_id=first.proposal_id,
        item_id="HS-DRV",
        supplier_id="S-MECH",
        quantity=60,
        due_at=first.due_at,
    )
    further = only(propose(plant_with("HS-DRV", 0, bought), demand, now=NOW))
    assert further.proposal_id == f"{first.proposal_id}-2"
    assert sum(p.quantity for p in further.pegging) == 0.0  # nobody is named in this demand
    assert "Short of up to 40 EA" in further.reason


def test_the_lot_is_pegged_to_those_who_deepen_the_shortage() -> None:
    zero = np.zeros(DAYS)
    early, late, after = zero.copy(), zero.copy(), zero.copy()
    early[0], late[1], after[3] = 100.0, 100.0, 100.0
    samples = [(early + late + after).astype(int).tolist()]
    pegs = (
        Peg(kind="order", name="JO-EARLY", quantity=early),
        Peg(kind="order", name="JO-LATE", quantity=late),
        Peg(kind="order", name="JO-AFTER", quantity=after),
    )
    # 130 on hand: JO-LATE lacks 70; what JO-AFTER needs comes on Thursday.
    plant = plant_with("HS-DRV", 130, receipt("HS-DRV", 500, NOW + timedelta(days=3)))
    proposal = only(propose(plant, demand_for("HS-DRV", samples, *pegs), now=NOW))
    assert [(p.name, p.quantity) for p in proposal.pegging] == [("JO-LATE", 70.0)]
    assert "leaves 130 EA in stock" in proposal.reason
    assert "An open order of 500 comes Thu 2026-03-19" in proposal.reason


def test_a_spare_part_names_the_failure_and_its_forecast() -> None:
    quantity = np.array([0.0, 1.0] + [0.0] * 8)
    peg = Peg(kind="failure", name="pick_place_1.bearing", quantity=quantity)
    forecast = FailureForecast(
        work_unit="pick_place_1",
        failure_mode="bearing",
        made_at=NOW,
        horizon_h=(24.0,),
        probability=(0.62,),
        model="test",
    )
    demand = demand_for("SP-BEARING", [quantity.astype(int).tolist()], peg)
    plant = plant_with("SP-BEARING", 0)
    proposal = only(propose(plant, demand, now=NOW, forecasts=[forecast]))
    assert "Head bearing worn on pick_place_1, 62% within 24 h (1 EA)" in proposal.reason
    assert [(p.kind, p.name, p.quantity) for p in proposal.pegging] == [
        ("failure", "pick_place_1.bearing", 1.0)
    ]


def test_a_late_delivery_counts_now_and_is_asked_for() -> None:
    plant = plant_with("HS-DRV", 0, receipt("HS-DRV", 50, NOW - timedelta(days=2)))
    demand = demand_for("HS-DRV", every_day(10))
    record = net(plant, demand, now=NOW).items["HS-DRV"]
    assert record.scheduled_receipts[0] == 50
    assert [order.purchase_order_id for order in record.late_orders] == ["PO-1"]
    assert "PO-1 was due Sat 2026-03-14" in propose(plant, demand, now=NOW)[0].reason


def test_the_probability_is_that_of_running_out_before_the_next_lot() -> None:
    samples = [[d] + [0] * 9 for d in (10, 20, 30, 40)]
    plant = plant_with("HS-DRV", 25)
    proposal = only(propose(plant, demand_for("HS-DRV", samples), now=NOW))
    assert proposal.stockout_probability == 0.5
