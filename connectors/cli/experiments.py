"""Commands that ask the twin: simulate, whatif, sweep, best, bottleneck."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from connectors.cli.output import as_json, plant_argument
from connectors.cli.running import Asked, answered, carried_out, replications_option, run_options

__all__ = ["best", "bottleneck", "simulate", "sweep", "whatif"]


class _File(click.Path):
    """A file that will be written: its folder must be there before hours of work are."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if not path.parent.is_dir():
            self.fail(f"{str(path.parent)!r} is no folder; make it first", param, ctx)
        return path


_FILE = _File(dir_okay=False, writable=True)


@click.command()
@plant_argument
@run_options
@replications_option(1, 8)
@click.option(
    "--precision",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Add replications until the interval of throughput is within this share of its mean, on each side: 0.01.",
)
@click.option(
    "--kpi", "kpis", multiple=True, help="With --precision: this KPI instead; may be repeated."
)
@click.option(
    "--max-replications",
    type=click.IntRange(2, 100_000),
    default=1000,
    show_default=True,
    help="With --precision.",
)
@click.option("--trace", type=_FILE, help="Write the event log there: .parquet, .csv or .csv.gz.")
def simulate(
    plant: Path,
    asked: Asked,
    replications: int,
    precision: float | None,
    kpis: tuple[str, ...],
    max_replications: int,
    trace: Path | None,
) -> None:
    """Run the line as it is described, or as it was last calibrated, with its open orders."""
    from connectors.cli.answers import print_simulation
    from connectors.runtime.event_log import check_log_name, write_log
    from connectors.runtime.experiments import Simulation

    if trace is not None:
        check_log_name(trace)
    question = Simulation(
        runs=asked.runs,
        replications=replications,
        precision=precision,
        kpis=kpis or ("throughput_per_h",),
        max_replications=max_replications,
    )
    basis = asked.basis(plant)
    question.check(basis.plant)
    with carried_out(asked) as how:
        document, log = question.played(basis, how, trace=trace is not None)
    if trace is not None and log is not None:
        write_log(trace, log)
    _say(document, asked, print_simulation)
    if trace is not None and log is not None and not asked.in_json:
        click.echo(f"{len(log):,} events in {trace}")


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
@click.option("--name", help="What the changes are called together.")
@run_options
@replications_option(2, 16)
def whatif(
    plant: Path, changes: tuple[str, ...], name: str | None, asked: Asked, replications: int
) -> None:
    """Compare the line with and without changes, in pairs on the same random numbers."""
    from connectors.cli.answers import print_whatif
    from connectors.runtime.experiments import WhatIf
    from twin.scenarios import Scenario, scenario_of

    scenario = scenario_of(changes) if name is None else Scenario.of(name, *changes)
    question = WhatIf(scenario=scenario, runs=asked.runs, replications=replications)
    _say(answered(question, plant, asked), asked, print_whatif)


@click.command()
@plant_argument
@click.option(
    "--set",
    "axes",
    multiple=True,
    required=True,
    metavar="PATH=VALUE,VALUE,...",
    help="Values of one path: buffer.aoi_in.capacity=12,14,16 or station.reflow.peak_temperature=+1,+3",
)
@click.option("--kpi", "kpis", multiple=True, help="Only this KPI; may be repeated.")
@click.option("--csv", "table", type=_FILE, help="Write one row for each point there.")
@run_options
@replications_option(2, 16)
def sweep(
    plant: Path,
    axes: tuple[str, ...],
    kpis: tuple[str, ...],
    table: Path | None,
    asked: Asked,
    replications: int,
) -> None:
    """Run every combination of values, each paired with the line as it is."""
    from connectors.cli.answers import print_sweep
    from connectors.runtime.experiments import SweepGrid
    from connectors.runtime.sweeps import grid_of, sweep_csv
    from twin.errors import StoreError

    question = SweepGrid(
        grid=grid_of(axes), runs=asked.runs, replications=replications, kpis=kpis or None
    )
    document = answered(question, plant, asked)
    if table is not None:
        try:
            table.write_text(sweep_csv(document), encoding="utf-8", newline="")
        except OSError as e:
            raise StoreError(f"{table} cannot be written: {e.strerror or e}") from e
    _say(document, asked, print_sweep)


@click.command()
@plant_argument
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    required=True,
    metavar='"NAME: PATH=VALUE, ..."',
    help='A scenario, twice or more; "as it is:" is the line without changes.',
)
@click.option("--kpi", default="throughput_per_h", show_default=True, help="What is compared.")
@click.option(
    "--delta",
    type=click.FloatRange(0, min_open=True),
    help="Smallest difference that matters, in the KPI's unit; default: a percent of the best mean.",
)
@click.option(
    "--probability",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.95,
    show_default=True,
    help="Of the right choice.",
)
@click.option(
    "--max-replications",
    type=click.IntRange(5, 100_000),
    default=1000,
    show_default=True,
    help="Of one scenario.",
)
@click.option(
    "--better",
    type=click.Choice(["higher", "lower"]),
    help="Which way is good; default: as the KPI declares.",
)
@run_options
def best(plant: Path, scenarios: tuple[str, ...], asked: Asked, **options: Any) -> None:
    """Find the best of several scenarios, with a guaranteed probability and as few runs as that needs."""
    from connectors.cli.answers import print_selection
    from connectors.runtime.experiments import Choice
    from twin.scenarios import parse_scenario

    read = tuple(parse_scenario(text) for text in scenarios)
    question = Choice(scenarios=read, runs=asked.runs, **options)
    _say(answered(question, plant, asked), asked, print_selection)


@click.command()
@plant_argument
@run_options
@replications_option(1, 16)
@click.option(
    "--kpi", default="throughput_per_h", show_default=True, help="What the parameters move."
)
@click.option(
    "--step",
    "relative_step",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="Share by which times and lives are moved.",
)
@click.option("--path-only", is_flag=True, help="Only the critical path: a fraction of the work.")
def bottleneck(
    plant: Path,
    asked: Asked,
    replications: int,
    kpi: str,
    relative_step: float,
    path_only: bool,
) -> None:
    """Say what the end of a run waits for, station by station, and what would help most."""
    from connectors.cli.answers import print_bottleneck
    from connectors.runtime.experiments import Search

    question = Search(
        runs=asked.runs,
        replications=replications,
        kpi=kpi,
        sensitivities=not path_only,
        relative_step=relative_step,
    )
    _say(answered(question, plant, asked), asked, print_bottleneck)


def _say(document: dict[str, Any], asked: Asked, for_people: Any) -> None:
    if asked.in_json:
        as_json(document)
    else:
        for_people(document)
