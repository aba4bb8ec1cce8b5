"""Answers of experiments as tables for people; ``--json`` has all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from connectors.cli.output import table

__all__ = [
    "print_bottleneck",
    "print_selection",
    "print_simulation",
    "print_sweep",
    "print_whatif",
]

_FIGURE = "{:,.3f}".format
_SIGNED = "{:+,.3f}".format
_PERCENT = "{:.1%}".format
_SIGNED_PERCENT = "{:+.1%}".format
_BAR = 30
_ROWS = 15
"""Of a table whose end matters less than its beginning."""
_MARKS = {"service": "#", "setup": "s", "repair": "r", "down": "r", "maintenance": "m"}


def _engine(document: Mapping[str, Any]) -> None:
    click.echo(f"engine {document['engine']}: {document['engine_reason']}")


def print_simulation(document: Mapping[str, Any]) -> None:
    """Every figure with its interval."""
    hours = document["horizon_s"] / 3600
    click.echo(f"{document['replications']} replications of {hours:g} h from {document['start']}")
    _engine(document)
    if document["warm_up"]["message"] != "as asked for" or document["warm_up_s"]:
        click.echo(f"warm-up {document['warm_up_s']:,.0f} s: {document['warm_up']['message']}")
    if document["precision"]:
        click.echo(document["precision"]["message"])
    rows = [{"kpi": name, **kpi} for name, kpi in document["kpis"].items()]
    table(
        rows,
        [
            ("kpi", "kpi", str),
            ("mean", "mean", _FIGURE),
            ("low", "5 %", _FIGURE),
            ("high", "95 %", _FIGURE),
            ("unit", "unit", str),
        ],
    )


def print_whatif(document: Mapping[str, Any]) -> None:
    """Every figure with its difference, interval, variance reduction and verdict."""
    hours = document["horizon_h"]
    click.echo(f"{document['name']}: {document['replications']} paired replications of {hours:g} h")
    _engine(document)
    table(
        document["kpis"],
        [
            ("name", "kpi", str),
            ("baseline", "today", _FIGURE),
            ("scenario", "changed", _FIGURE),
            ("delta", "delta", _SIGNED),
            ("delta_low", "low", _SIGNED),
            ("delta_high", "high", _SIGNED),
            ("unit", "unit", str),
            ("variance_reduction", "variance reduction", "{:.0%}".format),
            ("verdict", "verdict", str),
        ],
    )


def print_sweep(document: Mapping[str, Any]) -> None:
    """Every point by the first KPI, the best of them marked."""
    kpi = document["kpis"][0]
    points = [(point, point["kpis"][kpi["name"]]) for point in document["points"]]
    base = document["baseline"][kpi["name"]]
    click.echo(
        f"{len(points)} points, {document['replications']} replications of {document['horizon_h']:g} h each; "
        f"{kpi['name']} [{kpi['unit']}] as it is: {_show(base['mean'])}"
    )
    _engine(document)
    top = _best([base["mean"], *(figure["mean"] for _, figure in points)], kpi["better"])
    top = None if top == base["mean"] else top
    rows = [
        {
            **{path: _value(v) for path, v in zip(document["paths"], point["values"], strict=True)},
            **{key: figure[key] for key in ("mean", "delta", "delta_low", "delta_high", "verdict")},
            "mark": "best" if top is not None and figure["mean"] == top else "",
        }
        for point, figure in points
    ]
    table(
        rows,
        [
            *((path, path, str) for path in document["paths"]),
            ("mean", kpi["name"], _FIGURE),
            ("delta", "delta", _SIGNED),
            ("delta_low", "low", _SIGNED),
            ("delta_high", "high", _SIGNED),
            ("verdict", "verdict", str),
            ("mark", "", str),
        ],
    )


def _best(means: list[float | None], better: str) -> float | None:
    known = [mean for mean in means if mean is not None]
    if not known or better == "neither":
        return None
    return max(known) if better == "higher" else min(known)


def _value(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _show(value: float | None) -> str:
    return "-" if value is None else _FIGURE(value)


def print_selection(document: Mapping[str, Any]) -> None:
    """The choice in words, then what was seen of each."""
    click.echo(document["verdict"])
    _engine(document)
    rows = sorted(
        document["alternatives"],
        key=lambda one: one["mean"],
        reverse=document["better"] == "higher",
    )
    table(
        rows,
        [
            ("name", "scenario", str),
            ("mean", f"{document['kpi']} [{document['unit']}]", _FIGURE),
            ("low", "low", _FIGURE),
            ("high", "high", _FIGURE),
            ("replications", "replications", str),
            ("state", "state", str),
        ],
    )


def print_bottleneck(document: Mapping[str, Any]) -> None:
    """Shares of the critical path as bars, then what the line answers to each parameter."""
    found = document["critical_path"]
    click.echo(found["message"])
    _engine(document)
    rows = [
        {
            "unit": one["unit"],
            "bar": _bar(one["kinds"]),
            "share": one["share"],
            "range": _range(one["low"], one["high"]),
            "kinds": ", ".join(f"{kind} {share:.1%}" for kind, share in one["kinds"].items()),
        }
        for one in found["stations"]
    ]
    table(
        rows,
        [
            ("unit", "station", str),
            ("bar", "share of the critical path", str),
            ("share", "", _PERCENT),
            ("range", f"{found['level']:.0%} interval", str),
            ("kinds", "of which", str),
        ],
    )
    if document["sensitivities"]:
        click.echo("")
        _print_sensitivities(document["sensitivities"])


def _bar(kinds: Mapping[str, float]) -> str:
    return "".join(_MARKS.get(kind, ".") * round(_BAR * share) for kind, share in kinds.items())


def _range(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.1%} to {high:.1%}"


def _step(row: Mapping[str, Any], relative: float) -> str:
    if row["counted"]:
        return "one"
    if row["step"] is None:
        return f"{100 * relative:g} %"
    return f"{row['step']:g} {row['unit']}".strip()


def _print_sensitivities(document: Mapping[str, Any]) -> None:
    click.echo(document["message"])
    rows = document["rows"]
    shown = [{**row, "step": _step(row, document["relative_step"])} for row in rows[:_ROWS]]
    table(
        shown,
        [
            ("name", "parameter", str),
            ("step", "more by", str),
            ("effect", document["kpi"], _SIGNED_PERCENT),
            ("effect_low", "low", _SIGNED_PERCENT),
            ("effect_high", "high", _SIGNED_PERCENT),
            ("elasticity", "elasticity", "{:+.2f}".format),
            ("verdict", "verdict", str),
        ],
    )
    if len(rows) > _ROWS:
        click.echo(f"and {len(rows) - _ROWS} with smaller effects: --json has them")
