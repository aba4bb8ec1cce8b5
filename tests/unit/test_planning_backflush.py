"""Stock goes down by what started parts take, by hand-made arithmetic."""

from __future__ import annotations

from pathlib import Path

from twin.planning import stock_after
from twin.plant import load_plant

PLANT = load_plant(Path(__file__).parents[2] / "simulators" / "practice" / "plant.toml")


def test_a_hundred_started_gateways_take_their_components_with_scrap() -> None:
    """JO-1001 and its like are FG-GW10: one IC-ETH each with 0.3 % scrap, four screws with 2 %."""
    gateway = next(o for o in PLANT.orders.values() if o.product == "FG-GW10")
    after = stock_after(PLANT, {gateway.order_id: 100})
    for item, per_part in (
        ("IC-ETH", 1 / 0.997),
        ("SCREW", 4 / 0.98),
        ("PCB-GW10", 0.166667 / 0.995),
    ):
        taken = PLANT.stock[item].on_hand - after.stock[item].on_hand
        assert abs(taken - 100 * per_part) < 1e-6
    assert after.stock["T-FLY"] == PLANT.stock["T-FLY"]


def test_orders_of_the_past_take_nothing_and_stock_never_goes_below_zero() -> None:
    assert stock_after(PLANT, {"JO-0001": 500}).stock == PLANT.stock
    drained = stock_after(PLANT, dict.fromkeys(PLANT.orders, 10000000))
    assert drained.stock["IC-ETH"].on_hand == 0.0
