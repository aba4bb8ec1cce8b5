"""What every command shares: options, durations, one clear line for an error, JSON or a table."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from twin.errors import LinetwinError

__all__ = [
    "DURATION",
    "INSTANT",
    "LinetwinGroup",
    "as_json",
    "data_option",
    "json_option",
    "plant_argument",
    "seed_option",
    "start_option",
    "table",
    "when",
]

_SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


class _Duration(click.ParamType[float]):
    """A time such as ``8h``, ``90min`` or ``2d``; its value is in seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|min|m|h|d|w)", str(value))
        if match is None or float(match[1]) <= 0.0:
            self.fail(f"{value!r} is not a duration; write one as 8h, 90min or 2d", param, ctx)
        return float(match[1]) * _SECONDS[match[2]]


class _Instant(click.ParamType[datetime]):
    """An ISO 8601 instant with its UTC offset."""

    name = "instant"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            instant = datetime.fromisoformat(str(value))
        except ValueError:
            instant = None
        if instant is None or instant.tzinfo is None:
            self.fail(
                f"{value!r} is no instant; write one as 2026-03-16T06:00:00+01:00", param, ctx
            )
        return instant


DURATION = _Duration()
INSTANT = _Instant()


class LinetwinGroup(click.Group):
    """Turns every error of ours into its lines on standard error and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LinetwinError as e:
            click.echo(f"linetwin: {e}" if "\n" not in str(e) else str(e), err=True)
            ctx.exit(1)
        except BrokenPipeError:
            ctx.exit(1)


plant_argument = click.argument("plant", type=click.Path(path_type=Path))
start_option = click.option(
    "--start", type=INSTANT, help="First instant; default: the calibration's, or the first release."
)
seed_option = click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
json_option = click.option("--json", "in_json", is_flag=True, help="Print one JSON document.")
data_option = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Data directory of a running or stopped product: its last calibration and live state are used.",
)


def as_json(document: Mapping[str, Any]) -> None:
    """Print one document."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not JSON")


def table(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[tuple[str, str, Callable[[Any], str]]]
) -> None:
    """Print rows under headings; columns are (key, heading, how to show it)."""
    cells = [[heading for _, heading, _ in columns]]
    cells += [
        ["" if row[key] is None else show(row[key]) for key, _, show in columns] for row in rows
    ]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for line in cells:
        click.echo("  ".join(f"{cell:<{w}}" for cell, w in zip(line, widths, strict=True)).rstrip())


def when(instant: Any) -> str:
    """An instant for people."""
    at = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    return f"{at:%a %d %b %H:%M}Z"
