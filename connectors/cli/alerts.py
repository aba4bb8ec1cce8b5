"""``linetwin alerts``: list, acknowledge, clear."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from connectors.cli.output import as_json, json_option, table, when

__all__ = ["alerts"]


def _named(_context: click.Context, _option: click.Parameter, who: str) -> str:
    if not who.strip():
        raise click.BadParameter("say who")
    return who.strip()


@click.group(invoke_without_command=True)
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
@click.option("--who", required=True, callback=_named, help="Who acknowledges.")
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
@click.option("--who", required=True, callback=_named, help="Who clears it.")
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
            ("raised_at", "raised", when),
            ("probability", "P(fail)", "{:.0%}".format),
            ("horizon_h", "within [h]", "{:g}".format),
            ("name", "what", str),
        ],
    )
