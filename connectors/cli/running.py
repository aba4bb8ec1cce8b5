"""What the commands that run the line share: their options, and how the runs are carried out."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from connectors.cli.output import DURATION, data_option, json_option, seed_option, start_option

if TYPE_CHECKING:
    from datetime import datetime

    from connectors.runtime.experiments import Basis, Question, Runs
    from twin.engine import Engine
    from twin.scenarios import Execution

__all__ = ["Asked", "answered", "carried_out", "replications_option", "run_options"]

_Command = TypeVar("_Command", bound=Callable[..., Any])
_INTERRUPTED = 130


class _WarmUp(click.ParamType[Any]):
    """``auto``, ``0`` or a duration in seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | Literal["auto"]:
        if value == "auto":
            return "auto"
        return 0.0 if str(value) in ("0", "0.0", "0s") else DURATION.convert(value, param, ctx)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options that all of these commands have."""

    horizon: float
    seed: int
    start: datetime | None
    data: Path | None
    engine: Engine
    warm_up: float | Literal["auto"]
    limited_supply: bool
    cluster: str | None
    no_cache: bool
    in_json: bool

    @property
    def runs(self) -> Runs:
        """What all runs share."""
        from connectors.runtime.experiments import Runs

        return Runs(
            horizon_s=self.horizon,
            seed=self.seed,
            engine=self.engine,
            warm_up=self.warm_up,
            limited_supply=self.limited_supply,
        )

    def basis(self, plant: Path) -> Basis:
        """The plant of a file, or as it was last calibrated.

        Raises:
            FileFaults, NotFoundError, StoreError: As ``connectors.cli.questions.base_of``.
        """
        from connectors.cli.questions import base_of
        from connectors.runtime.experiments import Basis

        base = base_of(plant, self.data, self.start)
        return Basis(plant=base.plant, outlook=base.outlook, calibration=base.version)


_OPTIONS = (
    click.option(
        "--horizon", type=DURATION, default="8h", show_default=True, help="Length of each run."
    ),
    seed_option,
    start_option,
    data_option,
    click.option(
        "--engine",
        type=click.Choice(["auto", "reference", "events", "recursion"]),
        default="auto",
        show_default=True,
        help="All give the same to the last bit; auto takes the fastest.",
    ),
    click.option(
        "--warm-up",
        type=_WarmUp(),
        default="0",
        show_default=True,
        help="Time at the beginning that is not measured; auto: by MSER-5.",
    ),
    click.option(
        "--limited-supply", is_flag=True, help="Units starve when their components run out."
    ),
    click.option(
        "--cluster",
        metavar="ADDRESS",
        help="Run on a Dask cluster: tcp://host:port of its scheduler.",
    ),
    click.option("--no-cache", is_flag=True, help="Neither use nor keep results of runs."),
    json_option,
)


def run_options(command: _Command) -> _Command:
    """Give a command these options; it takes them as one ``Asked`` in ``asked``."""
    from functools import wraps

    @wraps(command)
    def taken(*args: Any, **options: Any) -> Any:
        own = {name: options.pop(name) for name in Asked.__dataclass_fields__}
        return command(*args, asked=Asked(**own), **options)

    for option in reversed(_OPTIONS):
        taken = option(taken)
    return taken  # type: ignore[return-value]


def replications_option(least: int, usual: int) -> Callable[[_Command], _Command]:
    """How many futures of each line."""
    return click.option(
        "--replications", type=click.IntRange(least, 10_000), default=usual, show_default=True
    )


def answered(question: Question, plant: Path, asked: Asked) -> dict[str, Any]:
    """The document that answers a question about a plant file.

    Raises:
        LinetwinError: It cannot be asked or answered.
    """
    basis = asked.basis(plant)
    question.check(basis.plant)
    with carried_out(asked) as how:
        return question.answer(basis, how)


@contextlib.contextmanager
def carried_out(asked: Asked) -> Iterator[Execution]:
    """Where and how runs are carried out; Ctrl-C ends the command with one line.

    Raises:
        NotFoundError, DataError, SourceError, ConflictError: As ``connectors.runtime.cluster.cluster``.
    """
    from connectors.runtime.cluster import cluster
    from connectors.runtime.pool import late_workers
    from twin.scenarios import Execution, RunCache

    if asked.engine == "auto":
        _compile_beside()
    progress = _Progress()
    with contextlib.ExitStack() as stack:
        stack.callback(progress.end)
        executor = stack.enter_context(cluster(asked.cluster) if asked.cluster else late_workers())
        cache = None if asked.no_cache else RunCache(_folder(asked.data))
        try:
            yield Execution(executor=executor, progress=progress.tell, cache=cache)
        except KeyboardInterrupt:
            progress.end()
            click.echo("linetwin: cancelled", err=True)
            raise click.exceptions.Exit(_INTERRUPTED) from None


def _folder(data: Path | None) -> Path:
    """Where results are kept: with the data they are about, or in the user's cache."""
    if data is not None:
        return data / "runs"
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(base) if base else Path.home() / ".cache") / "linetwin" / "runs"


def _compile_beside() -> None:
    from connectors.runtime.compiling import begin_compiling, is_warm

    if not is_warm() and begin_compiling():
        click.echo(
            "linetwin: the fast engines are being compiled in the background, once for this machine; "
            "until then the reference answers",
            err=True,
        )


class _Progress:
    """A percentage on a terminal, and nothing anywhere else."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._last = -1

    def tell(self, share: float) -> None:
        percent = int(100 * share)
        if self._shown and percent != self._last:
            self._last = percent
            click.echo(f"\r{percent:3d} %", err=True, nl=False)

    def end(self) -> None:
        if self._shown and self._last >= 0:
            self._last = -1
            click.echo("\r     \r", err=True, nl=False)
