"""One question, one answer: the API's what-if and the command's are the same to the last bit."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from pathlib import Path

from click.testing import CliRunner

from connectors.cli import main
from connectors.jobs import plan_step
from connectors.runtime.records import record_calibration, record_plan
from connectors.web.models.experiments import WhatIf
from tests.runtime_lab import NOW, bearing_forecast, office
from twin.calibration import CalibratedPlant
from twin.engine import LiveState, UnitStart
from twin.plant import Lognormal, Plant, WorkUnitState, load_plant

PRACTICE = Path(__file__).parents[2] / "simulators" / "practice" / "plant.toml"
CHANGE = "station.reflow.peak_temperature=+3"


def calibrated_from(nominal: Plant) -> CalibratedPlant:
    fitted = {product: Lognormal(mean_s=1 / 3 + 18, cv=0.07) for product in nominal.products}
    aoi = nominal.work_units["aoi"]
    aoi = aoi.model_copy(update={"cycle_time": {**aoi.cycle_time, **fitted}})
    return CalibratedPlant(
        plant=nominal.model_copy(update={"work_units": {**nominal.work_units, "aoi": aoi}}),
        nominal=nominal,
        as_of=NOW,
        window_start=NOW - timedelta(days=14),
        estimates=(),
        version="v",
        notes=(),
    )


def test_the_api_and_the_command_line_agree_to_the_last_bit(tmp_path: Path) -> None:
    nominal = load_plant(PRACTICE)
    calibrated = calibrated_from(nominal)
    busy = UnitStart(
        state=WorkUnitState.PRODUCTION, product="FG-GW10", order_id="JO-1002", remaining_s=1 / 7
    )
    state = LiveState(at=NOW, units={"printer": busy}, started={"JO-1002": 7})
    short = nominal.planning.model_copy(update={"replications": 1, "horizon_d": 0.5})
    plan = plan_step(
        calibrated.plant.model_copy(update={"planning": short}),
        state,
        (bearing_forecast(),),
        NOW,
        7,
    )
    assert plan.outlook.maintenance
    desk = office(tmp_path, nominal)
    try:
        record_calibration(desk.ledger, calibrated, why="test")
        schedule = {"status": "optimal", "objective": 1, "bound": 1, "gap": 0.0}
        record_plan(
            desk.ledger,
            schedule,
            {"proposals": []},
            at=NOW,
            calibration="v",
            outlook=plan.outlook,
            alerted=(),
        )
        question = WhatIf(changes=[CHANGE], horizon_h=0.5, replications=2, seed=11).question()
        desk.board.calibrated, desk.board.plan = calibrated, plan
        job = desk.desk.submit(question)
        deadline = time.monotonic() + 60
        while (job := desk.desk.job(job["job_id"]))["state"] in ("queued", "running"):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        desk.close()
    asked = ["whatif", PRACTICE, "--set", CHANGE, "--horizon", "30min", "--replications", 2]
    asked += ["--seed", 11, "--data", tmp_path, "--json"]
    printed = CliRunner().invoke(main, [str(word) for word in asked])
    assert job["state"] == "done", job
    assert json.loads(printed.stdout) == json.loads(json.dumps(job["result"]))
    assert job["result"]["kpis"][0]["baseline"] > 0
