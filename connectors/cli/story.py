"""The headless story: the demo without a page, held against what the practice plant really did."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from connectors.cli.demo import STORY_FAULT, demo_settings
from connectors.cli.output import as_json
from connectors.cli.practice import PRACTICE_PLANT, PracticePlant
from connectors.cli.serving import run_until_signal, set_up_logging
from connectors.runtime import Runtime, open_stores
from connectors.runtime.documents import alerts_document
from connectors.runtime.ownership import owned
from connectors.settings import Settings
from maintenance.alerts import AlertEvent, replay
from twin.errors import NotReadyError
from twin.plant import Plant, load_plant
from twin.telemetry import from_us

__all__ = ["run_story"]

_PATIENCE_S = 120.0
"""How long after its seconds the story waits for a step that is still computing."""


def run_story(*, seed: int, speed: float, data: Path, seconds: int, in_json: bool) -> int:
    """Run the demo for so many seconds and print what happened.

    Returns:
        Exit code: 1 when a link of the chain produced nothing or a sample was lost.
    """
    settings, plant = demo_settings(data, 0), load_plant(PRACTICE_PLANT)
    practice = PracticePlant(data, seed=seed, speed=speed, faults=(STORY_FAULT,))
    runtime = Runtime(settings, plant, companion=practice, speed=speed, seed=seed)
    documents: dict[str, Any] = {}
    set_up_logging()

    async def tell(stopping: asyncio.Event) -> None:
        running = asyncio.create_task(runtime.run(stopping))
        try:
            await _until_started(practice, running)
            began = time.monotonic()
            while (
                time.monotonic() < began + seconds and not stopping.is_set() and not running.done()
            ):
                await asyncio.sleep(0.1)
            await practice.hold()
            documents.update(await _settled(runtime, running, began + seconds + _PATIENCE_S))
        finally:
            stopping.set()
            await running

    with owned(data):
        run_until_signal(tell)
        story = {"seconds": seconds, "speed": speed, "seed": seed}
        story |= _held_against_truth(settings, plant, practice, documents)
    if in_json:
        as_json(story)
    else:
        _print(story)
    return 0 if story["ok"] else 1


async def _until_started(practice: PracticePlant, running: asyncio.Task[None]) -> None:
    started = asyncio.create_task(practice.started.wait())
    await asyncio.wait((started, running), return_when=asyncio.FIRST_COMPLETED)
    started.cancel()
    if running.done():
        running.result()


async def _settled(runtime: Runtime, running: asyncio.Task[None], until: float) -> dict[str, Any]:
    """Wait until everything received is stored and every link has answered once; its documents."""
    names = ("calibration", "forecasts", "alerts", "schedule", "demand", "proposals")
    while True:
        found: dict[str, Any] = {}
        for name in names:
            try:
                found[name] = getattr(runtime.desk, name)(*([None] if name == "alerts" else []))
            except NotReadyError:
                found[name] = None
        found["sources"] = runtime.sources()
        busy = any(s["received"] > s["stored"] + s["duplicates"] for s in found["sources"])
        missing = [name for name in names if found[name] is None]
        if (not busy and not missing) or running.done() or time.monotonic() > until:
            found["steps"] = runtime.desk.health()["steps"]
            return found
        await asyncio.sleep(0.2)


def _held_against_truth(
    settings: Settings, plant: Plant, practice: PracticePlant, documents: Mapping[str, Any]
) -> dict[str, Any]:
    history = json.loads(practice.history_truth.read_text(encoding="utf-8"))
    truth = json.loads(practice.truth.read_text(encoding="utf-8"))
    sources = _sources(settings, plant, practice, documents["sources"])
    calibration = _calibration(documents["calibration"], history)
    alerts = _alerts(settings, [*history["failures"], *truth["failures"]])
    schedule, demand, proposals = (documents[k] for k in ("schedule", "demand", "proposals"))
    links = {
        "telemetry": bool(sources) and all(s["stored"] > 0 for s in sources),
        "nothing lost": bool(sources) and all(s["lost"] == 0 and s["twice"] == 0 for s in sources),
        "calibration": calibration is not None and bool(calibration["cycle_times"]),
        "forecasts": bool(documents["forecasts"] and documents["forecasts"]["forecasts"]),
        "alerts": bool(alerts),
        "schedule": bool(schedule and schedule["entries"] and not schedule["violations"]),
        "demand": bool(demand and any(sum(item["p50"]) > 0 for item in demand["items"])),
        "proposals": bool(proposals and proposals["proposals"]),
    }
    return {
        "ok": all(links.values()),
        "links": links,
        "plant_time": {"from": truth["live_start"], "to": truth["end"]},
        "sources": sources,
        "calibration": calibration,
        "alerts": alerts,
        "schedule": schedule and _schedule(schedule),
        "demand": demand and _demand(demand),
        "proposals": proposals and proposals["proposals"],
        "steps": documents["steps"],
    }


def _sources(
    settings: Settings, plant: Plant, practice: PracticePlant, seen: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Every sample sent with good quality, looked for in the store by signal and instant."""
    sent = pd.read_csv(practice.sent, dtype={"value": str}, keep_default_na=False)
    sent = sent[sent["good"] == 1]
    if sent.empty:
        return []
    sent["id"] = [plant.signal_id(u, s) for u, s in zip(sent["unit"], sent["signal"], strict=True)]
    begin, end = int(sent["measured_us"].min()), int(sent["measured_us"].max())
    historian, ledger = open_stores(settings)
    try:
        stored = historian.read(None, from_us(begin), from_us(end + 1))
    finally:
        historian.close()
        ledger.close()
    names = np.array(stored.signals, dtype=object)
    kept = pd.DataFrame({"id": names[stored.code], "measured_us": stored.measured_us})
    twice = kept[kept.duplicated()]
    kept = kept.drop_duplicates()
    sent = sent.merge(kept, on=["id", "measured_us"], how="left", indicator=True)
    rows = []
    for source in seen:
        mine = sent[sent["source"] == source["name"]]
        signals = set(mine["id"])
        rows.append(
            {
                **{k: source[k] for k in ("name", "kind", "received", "stored", "duplicates")},
                "sent_good": len(mine),
                "lost": int((mine["_merge"] != "both").sum()),
                "twice": int(twice["id"].isin(signals).sum()),
            }
        )
    return rows


def _calibration(
    document: Mapping[str, Any] | None, history: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Calibrated cycle times with their intervals, beside the truth of the history."""
    if document is None:
        return None
    rows = []
    for e in document["estimates"]:
        unit, kind, *rest = e["name"].split(".")
        true = history["cycles"].get(unit, {}).get(rest[0]) if kind == "cycle_time" else None
        if true is None or e["n"] == 0:
            continue
        mean = true["mean_s"]
        rows.append(
            {
                "work_unit": unit,
                "product": rest[0],
                **{key: e[key] for key in ("nominal", "value", "low", "high", "n")},
                "truth": mean,
                "covered": e["low"] <= mean <= e["high"],
            }
        )
    share = sum(row["covered"] for row in rows) / len(rows) if rows else None
    return {"version": document["version"], "coverage_90": share, "cycle_times": rows}


def _alerts(settings: Settings, failures: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every alert with the first true failure of its mode after it."""
    historian, ledger = open_stores(settings)
    try:
        found = replay(AlertEvent.from_dict(row.body) for row in ledger.entries(kind="alert"))
    finally:
        historian.close()
        ledger.close()
    rows = []
    for alert in alerts_document(found)["alerts"]:
        raised = datetime.fromisoformat(alert["raised_at"])
        times = sorted(
            datetime.fromisoformat(f["failed_at"])
            for f in failures
            if (f["unit"], f["mode"]) == (alert["work_unit"], alert["failure_mode"])
        )
        failed = next((t for t in times if t >= raised), None)
        lead_h = None if failed is None else (failed - raised) / timedelta(hours=1)
        rows.append(
            {
                **{k: alert[k] for k in ("alert_id", "name", "state", "probability", "evidence")},
                "raised_at": alert["raised_at"],
                "remaining_life_h": alert["remaining_life_h"],
                "true_failure_at": failed.isoformat() if failed else None,
                "lead_time_h": lead_h,
            }
        )
    return rows


def _schedule(document: Mapping[str, Any]) -> dict[str, Any]:
    late = [e["order_id"] for e in document["entries"] if e["late_h"] > 0]
    keys = ("as_of", "status", "objective", "bound", "gap", "maintenance", "violations")
    return {**{k: document[k] for k in keys}, "orders": len(document["entries"]), "late": late}


def _demand(document: Mapping[str, Any]) -> dict[str, Any]:
    items = [
        {"item_id": item["item_id"], **{k: sum(item[k]) for k in ("p10", "p50", "p90")}}
        for item in document["items"]
    ]
    return {"as_of": document["as_of"], "buckets": len(document["buckets"]), "items": items}


def _print(story: Mapping[str, Any]) -> None:
    span = story["plant_time"]
    click.echo(
        f"{story['seconds']} s at x{story['speed']:g}: plant time {span['from']} to {span['to']}"
    )
    for s in story["sources"]:
        click.echo(
            f"  {s['name']}: {s['sent_good']} sent good, {s['stored']} stored, "
            f"{s['lost']} lost, {s['twice']} twice"
        )
    if story["calibration"]:
        share = story["calibration"]["coverage_90"]
        click.echo(
            f"  calibration: {share:.0%} of the true mean cycle times inside their 90 % interval"
        )
    for a in story["alerts"]:
        lead = (
            "no failure since"
            if a["lead_time_h"] is None
            else f"{a['lead_time_h']:.1f} h before it"
        )
        click.echo(f"  alert: {a['alert_id']} ({a['probability']:.0%} within the horizon), {lead}")
    if story["schedule"]:
        s = story["schedule"]
        click.echo(
            f"  schedule: {s['orders']} orders, {s['status']}, bound {s['bound']}, gap {s['gap']:.1%}"
        )
    if story["demand"]:
        click.echo(
            f"  demand: {len(story['demand']['items'])} items in {story['demand']['buckets']} buckets"
        )
    click.echo(f"  proposals: {len(story['proposals'] or ())}")
    for link, works in story["links"].items():
        click.echo(f"{'ok  ' if works else 'FAIL'} {link}")
