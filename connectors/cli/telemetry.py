"""``linetwin record``, ``replay`` and ``deadletter``: telemetry between stores and files."""

from __future__ import annotations

import asyncio
import base64
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from connectors.cli.output import DURATION, INSTANT, as_json, json_option, table, when

if TYPE_CHECKING:
    from connectors.settings import Settings
    from twin.telemetry import Historian

__all__ = ["deadletter", "record", "replay"]

LONGEST_SHOWN = 60
"""Of a message, in a line. [byte]"""

_plant_option = click.option("--plant", type=click.Path(path_type=Path), help="Plant file.")
_data_option = click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), help="Data directory."
)
_file_argument = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@click.command()
@_file_argument
@click.option("--from", "start", type=INSTANT, help="First instant that is taken from the store.")
@click.option("--to", "end", type=INSTANT, help="First instant that is left out; default: now.")
@click.option(
    "--signal", "signals", multiple=True, help="Pattern of signal names; may be repeated."
)
@click.option(
    "--live", is_flag=True, help="Listen to the sources instead, beside a running product."
)
@click.option(
    "--for", "seconds", type=DURATION, help="Length of a live recording; default: until Ctrl-C."
)
@_plant_option
@_data_option
@json_option
def record(
    file: Path,
    start: datetime | None,
    end: datetime | None,
    signals: tuple[str, ...],
    live: bool,
    seconds: float | None,
    plant: Path | None,
    data: Path | None,
    in_json: bool,
) -> None:
    """Write telemetry into FILE, .parquet, .csv or .csv.gz.

    Either what the store of a data directory holds, or what the sources say from now on. A live
    recording that was killed goes on where it was when the same FILE is named again.
    """
    from connectors.settings import load_settings

    if live == (start is not None) or (live and (end or signals)):
        raise click.UsageError("give --from (with --to and --signal), or --live (with --for)")
    settings = load_settings(plant=plant, data=data)
    with _progress() as told:
        if live:
            rows = _live(settings, file, seconds, told)
        else:
            from connectors.field.clock import WallClock
            from connectors.runtime.transfer import record_store

            assert start is not None  # noqa: S101  the usage says so
            with _store(_there(settings)) as historian:
                until = end or WallClock().now()
                rows = record_store(historian, file, start, until, signals, told)
    if in_json:
        as_json({"file": str(file), "samples": rows})
    else:
        click.echo(f"{rows} samples in {file}")


@click.command(short_help="Store the samples of FILE.")
@_file_argument
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    help="Recorded seconds in a second; default: as fast as the store takes them.",
)
@_data_option
@json_option
def replay(file: Path, speed: float | None, data: Path | None, in_json: bool) -> None:
    """Store the samples of FILE, a recording or a table from elsewhere (.parquet, .csv, .csv.gz).

    Needed columns: signal, value, measured_at; known: text, available_at, quality. Samples that
    the store has already stay as they are, so it may be done again.
    """
    from connectors.cli.serving import run_until_signal
    from connectors.runtime.transfer import import_recording
    from connectors.settings import load_settings

    settings = load_settings(data=data)
    found: list[int] = []

    async def work(stopping: asyncio.Event) -> None:
        found[:] = await import_recording(
            historian, file, stopping, speed=speed, told=told, wall_s=time.monotonic
        )

    with _store(settings) as historian, _progress() as told:
        began_s = time.monotonic()
        run_until_signal(work)
        took_s = time.monotonic() - began_s
    read, new = found
    if in_json:
        as_json({"file": str(file), "samples": read, "new": new, "took_s": round(took_s, 3)})
    else:
        click.echo(f"{read} samples, {new} of them new, in {took_s:.1f} s")


@click.group(short_help="What was not understood, or refused.")
def deadletter() -> None:
    """Messages and samples that were not understood, or that a store refused."""


@deadletter.command("list")
@click.option("--source", help="Only of this source.")
@click.option(
    "--last", type=click.IntRange(1), default=50, show_default=True, help="The newest so many."
)
@_data_option
@json_option
def list_letters(source: str | None, last: int, data: Path | None, in_json: bool) -> None:
    """List them, the newest last; also while the product runs."""
    from connectors.pipeline.journal import journal_rows
    from connectors.settings import load_settings

    folder = _there(load_settings(data=data)).data / "deadletter"
    rows = (
        [r for r in journal_rows(folder) if source in (None, r["source"])]
        if folder.is_dir()
        else []
    )
    if in_json:
        as_json({"count": len(rows), "letters": rows[-last:]})
        return
    table(
        [row | {"message": _beginning(row["payload"])} for row in rows[-last:]],
        [
            ("id", "id", str),
            ("at", "at", when),
            ("source", "source", str),
            ("address", "address", str),
            ("size", "bytes", str),
            ("reason", "reason", str),
            ("message", "message", str),
        ],
    )
    click.echo(
        f"{len(rows)} dead letters" if len(rows) <= last else f"the newest {last} of {len(rows)}"
    )


def _beginning(payload: str) -> str:
    """What a line of a list shows of a message.

    Example:
        >>> _beginning(base64.b64encode(b'{"value": NaN}').decode()), _beginning("/wA=")
        ('{"value": NaN}', '(binary)')
    """
    message = base64.b64decode(payload)
    text = message[:LONGEST_SHOWN].decode(errors="replace")
    if not text.isprintable() or "\N{REPLACEMENT CHARACTER}" in text[:-1]:
        return "(binary)"
    return text if len(message) <= LONGEST_SHOWN else f"{text}..."


@deadletter.command("replay", short_help="Read them again, and store what they say.")
@_plant_option
@_data_option
@json_option
def replay_all(plant: Path | None, data: Path | None, in_json: bool) -> None:
    """Read them again by the plant file as it is now, and store what they say.

    The product must not run. They stay in the list; what is stored already stays as it is.
    """
    from connectors.runtime.telemetry import plant_time
    from connectors.runtime.transfer import replay_letters
    from connectors.settings import load_settings
    from twin.plant import load_plant

    settings = load_settings(plant=plant, data=data)
    found = load_plant(settings.plant)
    with _store(_there(settings)) as historian:
        now = plant_time(settings, historian)
        counts = replay_letters(found, historian, settings.data / "deadletter", now)
    if in_json:
        as_json(
            {
                "letters": counts.letters,
                "stored": counts.stored,
                "known": counts.known,
                "refused": counts.refused,
            }
        )
    else:
        click.echo(
            f"{counts.letters} dead letters: {counts.stored} samples stored, {counts.known} were "
            f"there already, {counts.refused} letters still cannot be used"
        )


def _live(settings: Settings, file: Path, seconds: float | None, told: Any) -> int:
    from connectors.cli.serving import run_until_signal, set_up_logging
    from connectors.runtime.transfer import record_live
    from twin.plant import load_plant

    plant = load_plant(settings.plant)
    set_up_logging(settings.log)
    rows: list[int] = []

    async def work(stopping: asyncio.Event) -> None:
        click.echo(f"recording what {plant.name} says   (Ctrl-C ends it)", err=True)
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, stopping.set)
        rows.append(await record_live(settings, plant, file, stopping, told))

    run_until_signal(work)
    return rows[0]


def _there(settings: Settings) -> Settings:
    """The same; a directory that is named wrong is not made, and not taken for an empty one."""
    from twin.errors import NotFoundError

    if not settings.data.is_dir():
        raise NotFoundError(f"no data directory {settings.data}; name it with --data")
    return settings


@contextmanager
def _store(settings: Settings) -> Iterator[Historian]:
    from connectors.runtime.ownership import owned
    from connectors.runtime.telemetry import open_main_historian

    with owned(settings.data):
        historian = open_main_historian(settings)
        try:
            yield historian
        finally:
            historian.close()


@contextmanager
def _progress() -> Iterator[Any]:
    """Tells the number of samples on standard error, where somebody looks."""
    shown_s = time.monotonic()
    looked_at = sys.stderr.isatty()

    def told(samples: int) -> None:
        nonlocal shown_s
        if looked_at and time.monotonic() > shown_s + 0.5:
            shown_s = time.monotonic()
            click.echo(f"\r{samples:,} samples", err=True, nl=False)

    yield told
    if looked_at:
        click.echo("\r", err=True, nl=False)
