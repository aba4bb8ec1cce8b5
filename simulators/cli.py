"""The commands of the practice plant: history, broker, run."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twin.errors import DataError, LinetwinError, SourceError

__all__ = ["main", "parser"]

PRACTICE = Path(__file__).parent / "practice" / "plant.toml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    options = parser().parse_args(arguments)
    try:
        code: int = options.command(options)
    except LinetwinError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"{error.strerror or error}: {error.filename or ''}\n")
        return 2
    return code


def say(event: dict[str, Any]) -> None:
    """One JSON line for whoever started us."""
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def parser() -> argparse.ArgumentParser:
    """What the command line takes."""
    top = argparse.ArgumentParser(prog="python -m simulators", description=__doc__)
    commands = top.add_subparsers(required=True)
    history = commands.add_parser("history", help="write two weeks of history and their truth")
    _common(history)
    history.add_argument("--out", type=Path, required=True, help="the recording (Parquet)")
    history.set_defaults(command=_history)
    broker = commands.add_parser("broker", help="an MQTT broker on 127.0.0.1")
    broker.add_argument("--port", type=int, default=0, help="0 takes a free one")
    broker.set_defaults(command=_broker)
    run = commands.add_parser("run", help="the live plant over OPC UA and MQTT")
    _common(run)
    run.add_argument("--speed", type=float, default=60.0, help="plant seconds per second")
    run.add_argument(
        "--host", default="127.0.0.1", help="address that the OPC UA server listens on"
    )
    run.add_argument("--opcua-port", type=int, default=0, help="0 takes a free one")
    where = run.add_mutually_exclusive_group()
    where.add_argument("--mqtt-url", help="broker in place of the plant file's")
    where.add_argument("--embedded-broker", action="store_true", help="bring a broker along")
    run.add_argument("--mqtt-user", help="user at the broker")
    run.add_argument("--mqtt-password-file", type=Path, help="file that holds the password")
    run.add_argument(
        "--fault", action="append", default=[], metavar="UNIT:MODE:AFTER_H:FAIL_AFTER_H"
    )
    run.add_argument(
        "--no-hold", action="store_true", help="start at once, do not listen to standard input"
    )
    run.set_defaults(command=_run)
    return top


def _common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--plant", type=Path, default=PRACTICE, help="plant file")
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("--days", type=int, default=14, help="length of the history")
    command.add_argument("--truth", type=Path, help="write the truth export (JSON) here")
    command.add_argument("--sent", type=Path, help="write every sample sent (CSV) here")
    command.add_argument(
        "--history-cache", type=Path, help="folder that keeps the plant's state at live start"
    )


def _history(options: argparse.Namespace) -> int:
    from simulators.history import write_recording
    from simulators.truth.export import write_truth
    from simulators.truth.sent import Sent
    from twin.plant import load_plant

    plant = load_plant(options.plant)
    with Sent(plant, options.sent) as sent:
        practice = write_recording(
            options.out,
            plant,
            options.seed,
            days=options.days,
            cache=options.history_cache,
            sent=sent,
        )
    if options.truth:
        write_truth(options.truth, practice, sent)
    say({"event": "done", "samples": sent.counts, "recording": str(options.out)})
    return 0


def _broker(options: argparse.Namespace) -> int:
    import asyncio
    import signal

    from simulators.servers.broker import EmbeddedBroker

    async def serve() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        broker = EmbeddedBroker()
        say({"event": "ready", "mqtt_url": await broker.start(options.port)})
        await stopping.wait()
        await broker.stop()

    asyncio.run(serve())
    return 0


def _run(options: argparse.Namespace) -> int:
    import asyncio

    from simulators.history import live_plant
    from simulators.physics import InjectedFault
    from simulators.servers.live import LivePlant
    from simulators.servers.mqtt import Login
    from simulators.truth.sent import Sent
    from twin.plant import load_plant

    if options.mqtt_password_file and not options.mqtt_user:
        raise DataError("--mqtt-password-file needs --mqtt-user; say whose password it is")
    login = Login(options.mqtt_user, _password(options)) if options.mqtt_user else None
    plant = load_plant(options.plant)
    faults = [InjectedFault.parse(text) for text in options.fault]
    practice = live_plant(plant, options.seed, days=options.days, cache=options.history_cache)
    for fault in faults:
        practice.inject(fault)

    async def serve() -> None:
        with Sent(plant, options.sent) as sent:
            await LivePlant(practice, sent, options.truth, say).serve(
                host=options.host,
                opcua_port=options.opcua_port,
                mqtt_url=options.mqtt_url,
                login=login,
                embedded_broker=options.embedded_broker,
                start_speed=options.speed if options.no_hold else None,
            )

    asyncio.run(serve())
    return 0


def _password(options: argparse.Namespace) -> str | None:
    file: Path | None = options.mqtt_password_file
    if file is None:
        return None
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as e:
        reason = getattr(e, "strerror", None) or "is not text"
        raise SourceError(f"password file {file}: {reason}; check its path and its owner") from e
