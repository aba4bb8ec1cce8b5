"""``linetwin demo``: the product and its practice plant, with a page or as a headless story."""

from __future__ import annotations

from pathlib import Path

import click

from connectors.cli.practice import PRACTICE_PLANT, PracticePlant
from connectors.cli.serving import bound_socket, serve_runtime
from connectors.runtime import Runtime
from connectors.runtime.ownership import owned
from connectors.settings import Settings
from twin.plant import load_plant

__all__ = ["STORY_FAULT", "demo_settings", "run_demo"]

STORY_FAULT = "pick_place_2:bearing:0.5:8"
"""A head bearing begins to wear faster half an hour after the live start and fails about 8 h after it."""


def demo_settings(data: Path, port: int) -> Settings:
    """The settings of a demo: everything on loopback, inside one directory, whatever the environment says."""
    return Settings(
        plant=PRACTICE_PLANT,
        data=data / "run",
        historian_url="",
        historian_token_file=None,
        ledger_url="",
        source_urls={},
        mqtt_user=None,
        mqtt_password_file=None,
        clock="telemetry",
        host="127.0.0.1",
        port=port,
        workers=2,
    )


def run_demo(*, seed: int, speed: float, data: Path, port: int, in_json: bool) -> None:
    """Serve the demo until SIGINT or SIGTERM."""
    settings = demo_settings(data, port)
    plant = load_plant(PRACTICE_PLANT)
    with owned(data), bound_socket(settings.host, settings.port) as listener:
        practice = PracticePlant(data, seed=seed, speed=speed, faults=(STORY_FAULT,))
        runtime = Runtime(settings, plant, companion=practice, speed=speed, seed=seed)
        if not in_json:
            click.echo("The practice plant tells its story from the beginning.")
            if not practice.prepared:
                click.echo("First it makes two weeks of history; that takes about half a minute.")
        serve_runtime(runtime, settings, listener, in_json=in_json)
