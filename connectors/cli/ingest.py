"""``linetwin ingest`` and ``linetwin status``: telemetry into the store, and how it is doing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from connectors.cli.output import as_json, json_option, table, when

__all__ = ["ingest", "status"]

STALE_S = 10.0
"""A status is written every second; one that is older says nothing. [s]"""

_plant_option = click.option("--plant", type=click.Path(path_type=Path), help="Plant file.")
_data_option = click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), help="Data directory."
)


@click.command(short_help="Listen and store, without twin and page.")
@_plant_option
@_data_option
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    help="Answer GET /metrics there, for Prometheus.",
)
@json_option
def ingest(plant: Path | None, data: Path | None, metrics_port: int | None, in_json: bool) -> None:
    """Listen to the plant's sources and store what they say, without twin and page.

    A changed plant file is taken over at once; only the sources that changed begin anew.
    With --json the log is JSON too. Settings by environment variable: docs/reference/settings.md.
    """
    import asyncio

    from connectors.cli.serving import run_until_signal, set_up_logging
    from connectors.runtime.ingesting import ingest_until
    from connectors.runtime.ownership import owned
    from connectors.settings import load_settings
    from twin.plant import load_plant

    log = "json" if in_json else None
    settings = load_settings(plant=plant, data=data, metrics_port=metrics_port, log=log)
    found = load_plant(settings.plant)
    set_up_logging(settings.log)

    async def work(stopping: asyncio.Event) -> None:
        sources = len(found.sources)
        click.echo(
            f"listening to {sources} source{'s' if sources != 1 else ''} of {found.name}; "
            "linetwin status says how it goes   (Ctrl-C stops it)",
            err=True,
        )
        await ingest_until(stopping, settings, found)

    with owned(settings.data):
        run_until_signal(work)


@click.command(short_help="How telemetry is doing, and what was lost.")
@_data_option
@json_option
def status(data: Path | None, in_json: bool) -> None:
    """How the telemetry of a data directory is doing: sources, stores, spool, losses.

    Exit code 0 while all is well, 1 when something is wrong or nothing runs.
    """
    from connectors.runtime.ownership import owner
    from connectors.runtime.report import StatusFile
    from connectors.settings import load_settings
    from twin.errors import NotFoundError

    settings = load_settings(data=data)
    found = StatusFile(settings.data).read()
    if found is None:
        raise NotFoundError(
            f"no status in {settings.data}; name the directory of a running product with --data"
        )
    running = owner(settings.data) == found["pid"]
    age_s = (datetime.now(UTC) - datetime.fromisoformat(found["at"])).total_seconds()
    stale = running and age_s > STALE_S
    wrong = [s for s in (*found["sources"], *found["stores"]) if s["error"] is not None]
    off = [s["name"] for s in found["sources"] if s["clock_skew_s"] is not None]
    well = running and not stale and not wrong and not off and found["spool"]["error"] is None
    if in_json:
        as_json({"running": running, "well": well, "age_s": round(age_s, 1), **found})
    else:
        _print(found, running, age_s)
    raise click.exceptions.Exit(0 if well else 1)


def _print(found: dict[str, Any], running: bool, age_s: float) -> None:
    if running:
        click.echo(f"running as process {found['pid']}; {age_s:.0f} s ago:")
        if age_s > STALE_S:
            click.echo(
                "wrong: it writes no status any more; look at its log, and whether the disk is full"
            )
    else:
        click.echo(f"not running; as it was at {when(found['at'])}:")
    rows = [
        {**s, "state": _state(s, running), "letters": s["rejected"] + s["refused"]}
        for s in found["sources"]
    ]
    table(
        rows,
        [
            ("name", "source", str),
            ("state", "state", str),
            ("received", "received", str),
            ("stored", "stored", str),
            ("duplicates", "seen before", str),
            ("waiting", "waiting", str),
            ("letters", "dead letters", str),
            ("gaps", "gaps", str),
            ("last_at", "last sample", when),
        ],
    )
    for store in found["stores"]:
        behind = f"{store['behind']} records behind" if store["behind"] else "has everything"
        click.echo(f"store {store['name']}: {behind}")
    spool = found["spool"]
    click.echo(f"spool: {spool['bytes'] / 2**20:.1f} of {spool['quota_bytes'] / 2**20:.0f} MiB")
    if found["dead_letters"]:
        click.echo(f"dead letters: {found['dead_letters']}; linetwin deadletter list shows them")
    errors = [s["error"] for s in (*found["sources"], *found["stores"], spool) if s["error"]]
    for error in dict.fromkeys(errors):
        if not any(error in other for other in errors if other != error):
            click.echo(f"wrong: {error}")
    for gap in found["gaps"][-5:]:
        until = when(gap["end"]) if gap["end"] else "now"
        since = when(gap["start"]) if gap["start"] else "?"
        click.echo(
            f"gap: {gap['source']}, {gap['signals']} signals, {since} to {until}: {gap['reason']}"
        )


def _state(source: dict[str, Any], running: bool) -> str:
    if not running:
        return "-"
    if not source["connected"]:
        return "connecting" if source["error"] is None else "not connected"
    skew = source["clock_skew_s"]
    if skew is not None:
        return f"clock {_length(abs(skew))} {'ahead' if skew > 0 else 'behind'}"
    return "connected" if source["subscribed"] else "connected, signals missing"


def _length(seconds: float) -> str:
    """A duration in the unit that suits it.

    Example:
        >>> _length(90.0), _length(7200.0), _length(21573715.0)
        ('90 s', '2 h', '250 d')
    """
    for unit, unit_s in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.0f} {unit}"
    return f"{seconds:.0f} s"
