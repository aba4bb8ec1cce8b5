"""Many runs in pieces, through any executor; neither their size nor their order changes a result."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeVar

from twin.engine import RunResult
from twin.errors import DataError, SourceError
from twin.plant import Plant
from twin.scenarios.arguments import BLOCK, Execution, RunArguments, simulated
from twin.scenarios.played import joined_pieces, reused

if TYPE_CHECKING:
    from twin.scenarios.cache import RunCache

__all__ = ["run_plants"]

IN_FLIGHT = 256
"""Pieces that an executor holds at a time: enough for a cluster, and ten thousand plants need not fit in memory."""
LARGEST = 64
"""Replications that a piece has at most: what is made once for a piece is then hardly seen."""
SEEN = 16
"""Pieces that an experiment has at least, if it has as many runs: steps of progress, and work for every processor."""
ASK_S = 0.25
"""While a piece is awaited, how often ``cancelled`` is asked. [s]"""

_Kept = TypeVar("_Kept")


@dataclass(frozen=True, slots=True)
class _Piece:
    which: int
    plant: Plant
    key: str
    first: int
    count: int


def run_plants(
    plants: Sequence[Callable[[], Plant]],
    run: RunArguments,
    replications: range,
    execution: Execution,
    keep: Callable[[RunResult], _Kept],
) -> list[_Kept]:
    """Run every plant over the same replications, piece by piece.

    The plant travels once with each piece. A result is joined as soon as its pieces are there.

    Args:
        plants: Each makes its plant when its first piece is due.
        run: For all plants.
        replications: Numbers of the replications, without gaps.
        execution: How.
        keep: What stays of the result of a plant, given all its replications in order.

    Returns:
        What was kept, in the order of the plants.

    Raises:
        DataError: There is no replication, or as in ``twin.engine.simulate``.
        SourceError: A process of the executor ended without an answer.
        CancelledError: ``execution.cancelled`` said so. (concurrent.futures)

    Example:
        >>> from datetime import UTC, datetime
        >>> from twin.plant import Plant
        >>> plant = Plant.model_validate({
        ...     "site": "S", "area": "A", "line": "L", "name": "one unit", "timezone": "UTC",
        ...     "currency": "EUR", "calendars": {"always": {"weekly": ["Mon-Sun 00:00-24:00"]}},
        ...     "products": {"P": {"family": "F"}}, "storage_zones": {}, "work_units": {"cut": {
        ...         "name": "cut", "role": "press", "calendar": "always",
        ...         "cycle_time": {"default": {"law": "constant", "value_s": 30}}}}})
        >>> run_plants([lambda: plant], {"start": datetime(2026, 3, 2, tzinfo=UTC), "horizon_s": 600.0},
        ...     range(2), Execution(block=1), lambda result: result.kpis["good_parts"].tolist())
        [[20.0, 20.0]]
    """
    if len(replications) < 1:
        raise DataError("replications and block must be at least 1")
    cuts = _cuts(replications, _block(execution, len(plants) * len(replications)))
    kept: dict[int, _Kept] = {}
    parts: dict[int, list[RunResult]] = {}
    total = len(plants) * len(cuts)
    _tell(execution, 0, total)
    pieces = _pieces(plants, run, cuts, execution)
    with closing(_finished(pieces, run, execution)) as finished:
        for done, (piece, result) in enumerate(finished, start=1):
            there = parts.setdefault(piece.which, [])
            there.append(result)
            if len(there) == len(cuts):
                kept[piece.which] = keep(joined_pieces(parts.pop(piece.which)))
            _tell(execution, done, total)
    return [kept[i] for i in range(len(plants))]


def _block(execution: Execution, runs: int) -> int:
    if execution.cache is not None:
        return BLOCK
    if execution.block is not None:
        return execution.block
    return min(LARGEST, max(1, runs // SEEN))


def _cuts(replications: range, block: int) -> list[range]:
    """Blocks that begin at multiples of their size, so that a longer run finds those of a shorter one."""
    begin, end = replications.start, replications.stop
    inner = range((begin // block + 1) * block, end, block)
    edges = [begin, *inner, end]
    return [range(a, b) for a, b in pairwise(edges)]


def _pieces(
    plants: Sequence[Callable[[], Plant]],
    run: RunArguments,
    cuts: Sequence[range],
    execution: Execution,
) -> Iterator[_Piece]:
    for which, make in enumerate(plants):
        plant = make()
        key = "" if execution.cache is None else execution.cache.key(plant, run)
        for cut in cuts:
            yield _Piece(which, plant, key, cut.start, len(cut))


def _finished(
    pieces: Iterator[_Piece], run: RunArguments, execution: Execution
) -> Generator[tuple[_Piece, RunResult], None, None]:
    """Every piece with its result, in any order."""
    cache, executor = execution.cache, execution.executor

    def kept(piece: _Piece, result: RunResult) -> tuple[_Piece, RunResult]:
        if cache is not None:
            cache.put(piece.key, result)
        return piece, result

    flight = None if executor is None else _Flight(executor, run, execution.cancelled)
    try:
        for piece in pieces:
            known = None if cache is None else _known(cache, piece, run)
            if known is not None:
                yield piece, known
            elif flight is None:
                yield kept(piece, simulated(piece.plant, run, piece.first, piece.count))
            else:
                flight.send(piece)
                while flight.full or flight.landed:
                    yield kept(*flight.next())
        while flight is not None and flight.open:
            yield kept(*flight.next())
    finally:
        if flight is not None:
            flight.abandon()


def _known(cache: RunCache, piece: _Piece, run: RunArguments) -> RunResult | None:
    kept = cache.get(piece.key, piece.first, piece.count)
    return None if kept is None else reused(kept, run.get("engine", "auto"))


class _Flight:
    """Pieces that an executor works on."""

    def __init__(
        self, executor: Executor, run: RunArguments, cancelled: Callable[[], bool] | None
    ) -> None:
        self._executor = executor
        self._run = run
        self._cancelled = cancelled
        self._done: SimpleQueue[Future[RunResult]] = SimpleQueue()
        self.open: dict[Future[RunResult], _Piece] = {}

    def send(self, piece: _Piece) -> None:
        future = self._executor.submit(simulated, piece.plant, self._run, piece.first, piece.count)
        self.open[future] = piece
        future.add_done_callback(self._done.put)

    @property
    def full(self) -> bool:
        return len(self.open) >= IN_FLIGHT

    @property
    def landed(self) -> bool:
        return not self._done.empty()

    def next(self) -> tuple[_Piece, RunResult]:
        """Wait for one more."""
        while True:
            try:
                future = self._done.get(timeout=None if self._cancelled is None else ASK_S)
            except Empty:
                if self._cancelled is not None and self._cancelled():
                    raise CancelledError from None
            else:
                try:
                    return self.open.pop(future), future.result()
                except BrokenExecutor as e:
                    raise SourceError(
                        "a process that played runs ended without an answer, perhaps for want of "
                        "memory; ask again, for fewer replications or a shorter horizon"
                    ) from e

    def abandon(self) -> None:
        for future in self.open:
            future.cancel()


def _tell(execution: Execution, done: int, total: int) -> None:
    if execution.progress is not None:
        execution.progress(done / total)
    if execution.cancelled is not None and done < total and execution.cancelled():
        raise CancelledError
