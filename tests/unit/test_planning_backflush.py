"""Stock goes down by what started parts take, by hand-made arithmetic."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.runtime_lab import NOW
from twin.engine import Job, LiveState, PartStart, UnitStart, simulate
from twin.planning import component_demand, stock_after
from twin.plant import Plant, WorkUnitState, load_plant

PLANT = load_plant(Path(__file__).parents[2] / "simulators" / "practice" / "plant.toml")


def without_rejects(plant: Plant) -> Plant:
    units = {
        name: unit.model_copy(update={"inspection": None})
        for name, unit in plant.work_units.items()
    }
    return plant.model_copy(update={"work_units": units})


def test_a_hundred_started_gateways_take_their_components_with_scrap() -> None:
    """JO-1001 and its like are FG-GW10: one IC-ETH each with 0.3 % scrap, four screws with 2 %."""
    gateway = next(o for o in PLANT.orders.values() if o.product == "FG-GW10")
    after = stock_after(PLANT, LiveState(at=NOW, started={gateway.order_id: 100}))
    for item, per_part in (
        ("IC-ETH", 1 / 0.997),
        ("SCREW", 4 / 0.98),
        ("PCB-GW10", 0.166667 / 0.995),
    ):
        taken = PLANT.stock[item].on_hand - after.stock[item].on_hand
        assert abs(taken - 100 * per_part) < 1e-6
    assert after.stock["T-FLY"] == PLANT.stock["T-FLY"]


def test_orders_of_the_past_take_nothing_and_stock_never_goes_below_zero() -> None:
    past = LiveState(at=NOW, started={"JO-0001": 500})
    assert stock_after(PLANT, past).stock == PLANT.stock
    everything = LiveState(at=NOW, started=dict.fromkeys(PLANT.orders, 10000000))
    drained = stock_after(PLANT, everything)
    assert drained.stock["IC-ETH"].on_hand == 0.0


def test_parts_before_a_unit_have_not_taken_its_components_yet() -> None:
    """Ten gateways started: three wait before packing, one blocks the test, packing works on one.

    CARTON is consumed by packing, one a part: the test's part and the three have theirs to come.
    PCB-GW10 is consumed at the printer, where all ten have begun.
    """
    order = next(o for o in PLANT.orders.values() if o.product == "FG-GW10")
    busy = {"product": "FG-GW10", "order_id": order.order_id}
    state = LiveState(
        at=NOW,
        units={
            "functional_test": UnitStart(state=WorkUnitState.BLOCKED, **busy),
            "packing": UnitStart(state=WorkUnitState.PRODUCTION, **busy),
        },
        zones={"packing_in": (PartStart(order_id=order.order_id, product="FG-GW10"),) * 3},
        started={order.order_id: 10},
    )

    def taken(item: str, at: LiveState) -> float:
        return PLANT.stock[item].on_hand - stock_after(PLANT, at).stock[item].on_hand

    assert taken("CARTON", state) == 10 - 4
    assert abs(taken("PCB-GW10", state) - 10 * 0.166667 / 0.995) < 1e-6
    setting_up = {**state.units, "packing": UnitStart(state=WorkUnitState.SETUP, **busy)}
    assert taken("CARTON", replace(state, units=setting_up)) == 10 - 5
    waiting = {**state.units, "packing": UnitStart(state=WorkUnitState.DELAY, **busy)}
    assert taken("CARTON", replace(state, units=waiting)) == 10 - 5
    mate = PartStart(order_id=order.order_id, product="FG-GW10")
    batch = UnitStart(state=WorkUnitState.PRODUCTION, more_parts=(mate, mate), **busy)
    assert taken("CARTON", replace(state, units={"functional_test": batch})) == 10 - 6


def test_what_stock_lost_and_what_a_run_will_take_are_together_what_the_order_takes() -> None:
    """No component is counted twice, and none is forgotten, wherever the line stands."""
    plant = without_rejects(PLANT)
    order = next(o for o in plant.orders.values() if o.product == "FG-DRV24")
    part = PartStart(order_id=order.order_id, product=order.product)
    state = LiveState(
        at=NOW,
        units={
            "reflow": UnitStart(
                state=WorkUnitState.PRODUCTION, product=order.product, order_id=order.order_id
            )
        },
        zones={"spi_in": (part,), "tht_insertion_in": (part, part), "packing_in": (part,)},
        started={order.order_id: 8},
    )
    job = Job(order_id=order.order_id, product=order.product, quantity=2, release_at=NOW)
    run = simulate(plant, start=NOW, horizon_s=86400, jobs=[job], state=state, until_done=True)
    demand = component_demand(plant, run)
    after = stock_after(plant, state)
    for item, per_part in (("CARTON", 1.0), ("SCREW", 6 / 0.98), ("HS-DRV", 1.0)):
        lost = plant.stock[item].on_hand - after.stock[item].on_hand
        assert abs(lost + demand.items[item].samples.sum() - 10 * per_part) < 1e-6
