"""One question, one answer: the API's what-if and the command's are the same to the last bit."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from pathlib import Path

from click.testing import CliRunner

from connectors.cli import main
from connectors.jobs import Outlook
from connectors.runtime.records import record_calibration, record_plan
from tests.runtime_lab import NOW, bearing_forecast, office
from twin.calibration import CalibratedPlant
from twin.engine import LiveState, PlannedMaintenance, UnitStart, open_jobs
from twin.plant import Lognormal, WorkUnitState, load_plant

PRACTICE = Path(__file__).parents[2] / "simulators" / "practice" / "plant.toml"
CHANGE = "station.reflow.peak_temperature=+3"


def test_the_api_and_the_command_line_agree_to_the_last_bit(tmp_path: Path) -> None:
    nominal = load_plant(PRACTICE)
    fitted = {product: Lognormal(mean_s=1 / 3 + 18, cv=0.07) for product in nominal.products}
    aoi = nominal.work_units["aoi"]
    aoi = aoi.model_copy(update={"cycle_time": {**aoi.cycle_time, **fitted}})
    calibrated = CalibratedPlant(
        plant=nominal.model_copy(update={"work_units": {**nominal.work_units, "aoi": aoi}}),
        nominal=nominal,
        as_of=NOW,
        window_start=NOW - timedelta(days=14),
        estimates=(),
        version="v",
        notes=(),
    )
    started = {"JO-1002": 7}
    busy = UnitStart(
        state=WorkUnitState.PRODUCTION, product="FG-GW10", order_id="JO-1002", remaining_s=1 / 7
    )
    outlook = Outlook(
        start=NOW,
        state=LiveState(at=NOW, units={"printer": busy}, started=started),
        forecasts=(bearing_forecast(),),
        jobs=tuple(reversed(open_jobs(nominal, started)[:5])),
        maintenance=(
            PlannedMaintenance(
                work_unit="spi", start_at=NOW + timedelta(minutes=10), duration_s=300.0
            ),
        ),
    )
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
            outlook=outlook,
            alerted=(),
        )
        desk.board.calibrated, desk.board.outlook = calibrated, outlook
        job = desk.desk.submit_whatif([CHANGE], 0.5, 2, 11)
        deadline = time.monotonic() + 60
        while (job := desk.desk.job(job["job_id"]))["state"] in ("queued", "running"):
            assert time.monotonic() < deadline
    finally:
        desk.close()
    asked = ["whatif", PRACTICE, "--set", CHANGE, "--horizon", "30min", "--replications", 2]
    asked += ["--seed", 11, "--data", tmp_path, "--json"]
    printed = CliRunner().invoke(main, [str(word) for word in asked])
    assert job["state"] == "done", job
    assert json.loads(printed.stdout) == json.loads(json.dumps(job["result"]))
    assert job["result"]["kpis"][0]["baseline"] > 0
