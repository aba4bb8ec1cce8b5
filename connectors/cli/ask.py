"""Commands that plan: schedule, demand."""

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

__all__ = ["demand", "schedule"]


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
