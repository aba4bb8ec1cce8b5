"""Commands that ask the twin: simulate, whatif, schedule, demand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from connectors.cli.output import (
    DURATION,
    as_json,
    data_option,
    json_option,
    plant_argument,
    seed_option,
    start_option,
    table,
    when,
)

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["demand", "schedule", "simulate", "whatif"]


@click.command()
@plant_argument
@click.option(
    "--horizon", type=DURATION, default="8h", show_default=True, help="Length of the run."
)
@click.option("--replications", type=click.IntRange(1, 10_000), default=8, show_default=True)
@seed_option
@start_option
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
    from connectors.jobs import simulate_ahead

    base = base_of(plant, data, start)
    result = simulate_ahead(
        base.plant, base.outlook, horizon_s=horizon, replications=replications, seed=seed
    ).as_dict()
    result["calibration"] = base.version
    if in_json:
        as_json(result)
        return
    rows = [{"kpi": name, **kpi} for name, kpi in result["kpis"].items()]
    click.echo(
        f"{replications} replications of {horizon / 3600:g} h from {base.outlook.start.isoformat()}"
    )
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


@click.command()
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
@seed_option
@start_option
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
    from connectors.cli.questions import base_of
    from connectors.jobs import compare_ahead
    from connectors.runtime.documents import comparison_document

    base = base_of(plant, data, start)
    comparison = compare_ahead(
        base.plant,
        changes,
        base.outlook,
        horizon_s=horizon,
        replications=replications,
        seed=seed,
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


@click.command()
@plant_argument
@start_option
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
        start=base.outlook.start,
        state=base.outlook.state,
        forecasts=base.outlook.forecasts,
        alerted=base.alerted,
        time_limit_s=time_limit,
    )
    document = schedule_document(solved, violations, as_of=base.outlook.start)
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
                ("start_at", "start", when),
                ("end_at", "end", when),
                ("due_at", "due", when),
                ("late_h", "late [h]", "{:.1f}".format),
            ],
        )
        for work in document["maintenance"]:
            what = f"{work['work_unit']}.{work['failure_mode']}"
            click.echo(f"planned work: {what} {when(work['start_at'])} to {when(work['end_at'])}")
    if violations:
        click.echo(
            "\n".join(("linetwin: the checker refuses this schedule", *violations)), err=True
        )
        raise click.exceptions.Exit(1)


@click.command()
@plant_argument
@start_option
@seed_option
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
    plan = plan_step(
        base.plant,
        base.outlook.state,
        base.outlook.forecasts,
        base.outlook.start,
        seed,
        alerted=base.alerted,
    )
    grid = demand_document(base.plant, plan, as_of=base.outlook.start)
    proposals = proposals_document(plan.proposals, base.decisions)
    if in_json:
        as_json({**grid, **proposals})
        return
    _print_demand(grid, proposals)


def _print_demand(grid: dict[str, Any], proposals: dict[str, Any]) -> None:
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
        f"Demand over {len(grid['buckets'])} buckets of {grid['bucket_h']:g} h from {grid['as_of']}"
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
            ("release_at", "order by", when),
            ("due_at", "needed", when),
            ("reason", "why", _first_sentence),
        ],
    )


def _first_sentence(text: str) -> str:
    """What fits into a table; ``--json`` has the rest."""
    return text.split(". ", 1)[0].removesuffix(".") + "."
