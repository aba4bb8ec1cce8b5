"""``linetwin`` and its commands; each imports what it needs when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from connectors.cli.output import (
    DURATION,
    INSTANT,
    LinetwinGroup,
    as_json,
    data_option,
    json_option,
    plant_argument,
    table,
)

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["main"]


@click.group(cls=LinetwinGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="linetwin")
def main() -> None:
    """The digital twin of a production line, from live telemetry to component demand."""


@main.command()
@plant_argument
@json_option
def check(plant: Path, in_json: bool) -> None:
    """Read a plant file and its tables; list every fault with its remedy. Exit code 0 or 1."""
    from twin.errors import FileFaults
    from twin.plant import load_plant

    try:
        found = load_plant(plant)
    except FileFaults as e:
        if not in_json:
            raise
        faults = [
            {"file": f.file, "place": f.place, "found": f.found, "remedy": f.remedy}
            for f in e.faults
        ]
        as_json({"ok": False, "faults": faults})
        raise click.exceptions.Exit(1) from None
    sizes = {
        "work_units": len(found.work_units),
        "storage_zones": len(found.storage_zones),
        "signals": len(found.signals()),
        "products": len(found.products),
        "items": len(found.items),
        "orders": len(found.orders),
        "purchase_orders": len(found.purchase_orders),
    }
    if in_json:
        as_json({"ok": True, "name": found.name, **sizes})
    else:
        click.echo(f"{found.name}: no faults")
        click.echo(", ".join(f"{n} {what.replace('_', ' ')}" for what, n in sizes.items()))


@main.command()
@click.option("--json", "in_json", is_flag=True, help="The schema is JSON with or without this.")
def schema(in_json: bool) -> None:
    """Print the JSON Schema of the plant file."""
    from twin.plant import plant_schema

    click.echo(plant_schema(), nl=False)


@main.command()
@plant_argument
@click.option(
    "--horizon", type=DURATION, default="8h", show_default=True, help="Length of the run."
)
@click.option("--replications", type=click.IntRange(1, 10_000), default=8, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--start", type=INSTANT, help="First instant; default: the calibration's, or the first release."
)
@data_option
@json_option
def simulate(
    plant: Path,
    horizon: float,
    replications: int,
    seed: int,
    start: datetime | None,
    data: Path | None,
    in_json: bool,
) -> None:
    """Run the line as it is described, or as it was last calibrated, with its open orders."""
    from connectors.cli.questions import base_of
    from twin.engine import simulate as run

    base = base_of(plant, data, start)
    result = run(
        base.plant,
        start=base.start,
        horizon_s=horizon,
        jobs=base.jobs,
        state=base.state,
        replications=replications,
        seed=seed,
    ).as_dict()
    result["calibration"] = base.version
    if in_json:
        as_json(result)
        return
    rows = [{"kpi": name, **kpi} for name, kpi in result["kpis"].items()]
    click.echo(f"{replications} replications of {horizon / 3600:g} h from {base.start.isoformat()}")
    figure = "{:,.3f}".format
    table(
        rows,
        [
            ("kpi", "kpi", str),
            ("mean", "mean", figure),
            ("low", "5 %", figure),
            ("high", "95 %", figure),
            ("unit", "unit", str),
        ],
    )


@main.command()
@plant_argument
@click.option(
    "--set",
    "changes",
    multiple=True,
    required=True,
    metavar="PATH=VALUE",
    help="A change: buffer.aoi_in.capacity=12, station.reflow.peak_temperature=+3, ...cycle_time.default.mean_s=*0.9",
)
@click.option(
    "--horizon", type=DURATION, default="8h", show_default=True, help="Length of each run."
)
@click.option("--replications", type=click.IntRange(2, 10_000), default=16, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--start", type=INSTANT, help="First instant; default: the calibration's, or the first release."
)
@data_option
@json_option
def whatif(
    plant: Path,
    changes: tuple[str, ...],
    horizon: float,
    replications: int,
    seed: int,
    start: datetime | None,
    data: Path | None,
    in_json: bool,
) -> None:
    """Compare the line with and without changes, in pairs on the same random numbers."""
    from connectors.cli.questions import base_of, compare_changes
    from connectors.runtime.documents import comparison_document

    base = base_of(plant, data, start)
    comparison = compare_changes(
        base, changes, horizon_s=horizon, replications=replications, seed=seed
    )
    document = comparison_document(comparison)
    if in_json:
        as_json(document)
        return
    click.echo(f"{', '.join(changes)}: {replications} paired replications of {horizon / 3600:g} h")
    figure, signed = "{:,.3f}".format, "{:+,.3f}".format
    table(
        document["kpis"],
        [
            ("name", "kpi", str),
            ("baseline", "today", figure),
            ("scenario", "changed", figure),
            ("delta", "delta", signed),
            ("delta_low", "low", signed),
            ("delta_high", "high", signed),
            ("unit", "unit", str),
            ("verdict", "verdict", str),
        ],
    )


@main.command()
@plant_argument
@click.option(
    "--start", type=INSTANT, help="First instant; default: the calibration's, or the first release."
)
@click.option(
    "--time-limit", type=DURATION, default="5s", show_default=True, help="For the solver."
)
@data_option
@json_option
def schedule(
    plant: Path, start: datetime | None, time_limit: float, data: Path | None, in_json: bool
) -> None:
    """Schedule the open orders on the line as it is; with bound, gap and an independent check."""
    from connectors.cli.questions import base_of
    from connectors.jobs import schedule_orders
    from connectors.runtime.documents import schedule_document

    base = base_of(plant, data, start)
    solved, violations = schedule_orders(
        base.plant,
        start=base.start,
        state=base.state,
        forecasts=base.forecasts,
        time_limit_s=time_limit,
    )
    document = schedule_document(solved, violations, as_of=base.start)
    if in_json:
        as_json(document)
    else:
        click.echo(
            f"{document['status']}: objective {document['objective']}, bound {document['bound']}, gap {document['gap']:.1%}"
        )
        table(
            document["entries"],
            [
                ("order_id", "order", str),
                ("product", "product", str),
                ("quantity", "parts", str),
                ("start_at", "start", _when),
                ("end_at", "end", _when),
                ("due_at", "due", _when),
                ("late_h", "late [h]", "{:.1f}".format),
            ],
        )
        for work in document["maintenance"]:
            what = f"{work['work_unit']}.{work['failure_mode']}"
            click.echo(f"planned work: {what} {_when(work['start_at'])} to {_when(work['end_at'])}")
    if violations:
        click.echo(
            "\n".join(("linetwin: the checker refuses this schedule", *violations)), err=True
        )
        raise click.exceptions.Exit(1)


@main.command()
@plant_argument
@click.option(
    "--start", type=INSTANT, help="First instant; default: the calibration's, or the first release."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@data_option
@json_option
def demand(
    plant: Path, start: datetime | None, seed: int, data: Path | None, in_json: bool
) -> None:
    """Component demand of the scheduled orders by time bucket, and the purchases it asks for."""
    from connectors.cli.questions import base_of
    from connectors.jobs import plan_step
    from connectors.runtime.documents import demand_document, proposals_document

    base = base_of(plant, data, start)
    plan = plan_step(base.plant, base.state, base.forecasts, base.start, seed)
    grid = demand_document(base.plant, plan, as_of=base.start)
    proposals = proposals_document(plan.proposals, base.decisions)
    if in_json:
        as_json({**grid, **proposals})
        return
    rows = [
        {
            "item": item["item_id"],
            "on_hand": item["on_hand"],
            **{k: sum(item[k]) for k in ("p10", "p50", "p90")},
            "unit": item["unit"],
        }
        for item in grid["items"]
    ]
    amount = "{:,.0f}".format
    click.echo(
        f"Demand over {len(grid['buckets'])} buckets of {grid['bucket_h']:g} h from {base.start.isoformat()}"
    )
    table(
        rows,
        [
            ("item", "item", str),
            ("on_hand", "on hand", amount),
            ("p10", "P10", amount),
            ("p50", "P50", amount),
            ("p90", "P90", amount),
            ("unit", "unit", str),
        ],
    )
    click.echo("")
    table(
        proposals["proposals"],
        [
            ("item_id", "buy", str),
            ("quantity", "quantity", amount),
            ("supplier_id", "from", str),
            ("release_at", "order by", _when),
            ("due_at", "needed", _when),
            ("reason", "why", str),
        ],
    )


@main.group(invoke_without_command=True)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default="linetwin-data",
    envvar="LINETWIN_DATA",
    show_default=True,
    help="Data directory.",
)
@click.option(
    "--state",
    type=click.Choice(["raised", "acknowledged", "cleared"]),
    help="Only alerts in this state.",
)
@json_option
@click.pass_context
def alerts(context: click.Context, data: Path, state: str | None, in_json: bool) -> None:
    """List alerts; acknowledge or clear one. Reads and writes the ledger of the data directory."""
    context.obj = {"data": data, "json": in_json}
    if context.invoked_subcommand is None:
        from connectors.cli.questions import alerts_of

        _print_alerts(alerts_of(data, state), in_json)


@alerts.command("ack")
@click.argument("alert_id")
@click.option("--who", required=True, help="Who acknowledges.")
@click.option("--why", default="", help="What will be done.")
@json_option
@click.pass_context
def acknowledge(context: click.Context, alert_id: str, who: str, why: str, in_json: bool) -> None:
    """Acknowledge a raised alert."""
    from connectors.cli.questions import act_on_alert

    document = act_on_alert(context.obj["data"], alert_id, "acknowledge", who, why)
    _print_alerts({"alerts": [document]}, in_json or context.obj["json"])


@alerts.command("clear")
@click.argument("alert_id")
@click.option("--who", required=True, help="Who clears it.")
@click.option("--why", required=True, help="What was found or done.")
@json_option
@click.pass_context
def clear(context: click.Context, alert_id: str, who: str, why: str, in_json: bool) -> None:
    """Clear an alert."""
    from connectors.cli.questions import act_on_alert

    document = act_on_alert(context.obj["data"], alert_id, "clear", who, why)
    _print_alerts({"alerts": [document]}, in_json or context.obj["json"])


def _print_alerts(document: dict[str, Any], in_json: bool) -> None:
    if in_json:
        as_json(document)
        return
    if not document["alerts"]:
        click.echo("no alerts")
        return
    table(
        document["alerts"],
        [
            ("alert_id", "alert", str),
            ("state", "state", str),
            ("raised_at", "raised", _when),
            ("probability", "P(fail)", "{:.0%}".format),
            ("horizon_h", "within [h]", "{:g}".format),
            ("name", "what", str),
        ],
    )


@main.command()
@click.option("--plant", type=click.Path(path_type=Path), help="Plant file.")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Data directory.")
@click.option("--host", help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one."
)
@click.option(
    "--wait", is_flag=True, help="Go on trying sources that cannot be reached at the start."
)
@json_option
def serve(
    plant: Path | None,
    data: Path | None,
    host: str | None,
    port: int | None,
    wait: bool,
    in_json: bool,
) -> None:
    """Read the plant's sources, keep the twin, and serve the page and the API.

    Settings by environment variable: docs/reference/settings.md.
    """
    from connectors.cli.serving import serve_product
    from connectors.settings import load_settings

    settings = load_settings(plant=plant, data=data, host=host, port=port)
    serve_product(settings, wait=wait, in_json=in_json)


@main.command()
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the practice plant."
)
@click.option(
    "--speed",
    type=click.FloatRange(1, 1000),
    help="Plant seconds in one second; default 60, headless 300.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=".demo",
    show_default=True,
    help="Directory for the practice plant's history and the demo's data.",
)
@click.option(
    "--headless",
    is_flag=True,
    help="No page: run the story, print what happened, exit 1 if a link gave nothing.",
)
@click.option(
    "--seconds",
    type=click.IntRange(10, 3600),
    default=60,
    show_default=True,
    help="Length of the headless story.",
)
@json_option
def demo(
    seed: int,
    speed: float | None,
    port: int,
    data: Path,
    headless: bool,
    seconds: int,
    in_json: bool,
) -> None:
    """The whole chain on a practice plant that speaks real OPC UA and MQTT."""
    if headless:
        from connectors.cli.story import run_story

        raise click.exceptions.Exit(
            run_story(seed=seed, speed=speed or 300.0, data=data, seconds=seconds, in_json=in_json)
        )
    from connectors.cli.demo import run_demo

    run_demo(seed=seed, speed=speed or 60.0, data=data, port=port, in_json=in_json)


def _when(instant: Any) -> str:
    from datetime import datetime

    at = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    return f"{at:%a %d %b %H:%M}Z"
