"""The commands of the practice plant: history, broker, run."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twin.errors import LinetwinError

__all__ = ["main"]

PRACTICE = Path(__file__).parent / "practice" / "plant.toml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    options = _parser().parse_args(arguments)
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulators", description=__doc__)
    commands = parser.add_subparsers(required=True)
    history = commands.add_parser("history", help="write two weeks of history and their truth")
    _common(history)
    history.add_argument("--out", type=Path, required=True, help="the recording (Parquet)")
    history.set_defaults(command=_history)
    return parser


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plant", type=Path, default=PRACTICE, help="plant file")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=14, help="length of the history")
    parser.add_argument("--truth", type=Path, help="write the truth export (JSON) here")
    parser.add_argument("--sent", type=Path, help="write every sample sent (CSV) here")
    parser.add_argument(
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
