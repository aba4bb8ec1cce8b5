"""``linetwin compile``: the fast engines, compiled before they are needed."""

from __future__ import annotations

import click

from connectors.cli.output import as_json, json_option

__all__ = ["compile_"]


@click.command("compile")
@json_option
def compile_(in_json: bool) -> None:
    """Compile the fast engines for this machine now, and say where they are kept.

    Needed once after an installation, and done by itself in the background by whatever asks the
    twin first; takes about a minute.
    """
    import time

    from connectors.runtime.compiling import compile_now, is_warm

    before, begin = is_warm(), time.monotonic()
    if not before:
        click.echo("compiling the fast engines takes about a minute", err=True)
    folder = compile_now()
    took_s = round(time.monotonic() - begin, 1)
    if in_json:
        as_json({"folder": str(folder), "compiled_before": before, "took_s": took_s})
    else:
        said = "were compiled before" if before else f"compiled in {took_s:g} s"
        click.echo(f"the fast engines {said}: {folder}")
