"""``linetwin`` and its commands; each imports what it needs when it runs."""

from __future__ import annotations

from pathlib import Path

import click

from connectors.cli.alerts import alerts
from connectors.cli.ask import demand, schedule
from connectors.cli.browse import browse
from connectors.cli.compiling import compile_
from connectors.cli.experiments import best, bottleneck, simulate, sweep, whatif
from connectors.cli.ingest import ingest, status
from connectors.cli.output import LinetwinGroup, as_json, json_option, plant_argument
from connectors.cli.pki import pki
from connectors.cli.telemetry import deadletter, record, replay

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
    from twin.plant.checks import planning_notes

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
        as_json({"ok": True, "name": found.name, **sizes, "notes": planning_notes(found)})
    else:
        click.echo(f"{found.name}: no faults")
        click.echo(", ".join(f"{n} {what.replace('_', ' ')}" for what, n in sizes.items()))
        for note in planning_notes(found):
            click.echo(f"note: {note}")


@main.command()
@click.option("--json", "in_json", is_flag=True, help="The schema is JSON with or without this.")
def schema(in_json: bool) -> None:
    """Print the JSON Schema of the plant file."""
    from twin.plant import plant_schema

    click.echo(plant_schema(), nl=False)


@main.command()
@click.option("--plant", type=click.Path(path_type=Path), help="Plant file.")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Data directory.")
@click.option("--host", help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one."
)
@click.option(
    "--wait", is_flag=True, help="Go on trying when no source can be reached at the start."
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
    "--seed", type=click.IntRange(0), default=35, show_default=True, help="Of the practice plant."
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


for _command in (
    ingest,
    status,
    record,
    replay,
    deadletter,
    simulate,
    whatif,
    sweep,
    best,
    bottleneck,
    compile_,
    schedule,
    demand,
    alerts,
    pki,
    browse,
):
    main.add_command(_command)
