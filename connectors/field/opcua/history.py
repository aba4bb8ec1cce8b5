"""What a server's history has of the time that we missed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from asyncua import ua as _ua
from asyncua.ua.uaerrors import UaStatusCodeError
from numpy.typing import NDArray

from connectors.field.delivery import NO_TIME
from connectors.field.opcua.changes import Changes
from connectors.field.opcua.decode import History, decode_history
from connectors.field.opcua.session import Patience, Session
from connectors.field.opcua.values import measured_us

__all__ = ["Found", "Missed", "read_history"]

ua: Any = _ua
"""asyncua names its types by ``import *``, which strict typing does not follow."""

NODES_PER_REQUEST = 50
VALUES_PER_NODE = 5_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """A node, and the time of which something may be missing. Microseconds since 1970."""

    handle: int
    node: Any
    """NodeId."""
    after_us: int
    """Time of the last value that we have."""
    heard_us: int
    """Up to here nothing is missing; NO_TIME when that is not known."""
    until_us: int
    """Time of the first value that we have again."""
    reason: str
    """Why something may be missing, in one line."""

    @property
    def start_us(self) -> int:
        """First instant that is not known."""
        heard = self.after_us < self.heard_us < self.until_us
        return self.heard_us if heard else self.after_us + 1


@dataclass(slots=True, kw_only=True)
class _Progress:
    missed: Missed
    reached_us: int
    """Time of the newest value so far."""
    first_us: int | None = None
    """Time of the first value that the history gave; None when it gave none."""
    continuation: bytes | None = None
    done: bool = False

    def lost(self) -> tuple[tuple[int, int], ...]:
        """Times that the history does not cover: first instant, and first that is known again."""
        missed = self.missed
        if self.first_us is None:
            return ((missed.start_us, missed.until_us),)
        before = (missed.start_us, min(self.first_us, missed.until_us))
        behind = (max(missed.start_us, self.reached_us + 1), missed.until_us)
        return tuple((start, end) for start, end in (before, behind) if start < end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What came of asking for one node."""

    missed: Missed
    lost: tuple[tuple[int, int], ...]
    """Times that stay unknown: first instant, and first that is known again."""


async def read_history(
    session: Session, missed: Sequence[Missed], patience: Patience, results: list[Found]
) -> AsyncIterator[Changes]:
    """Raw values strictly between the last that we have and the first that we have again.

    A history is believed from its first value on, so one that has our last value, or another from
    before the loss, has lost nothing; and up to its last value, so it must have come as far as
    the first that we have again.

    Args:
        session: Whose user may read history.
        missed: Nodes and times.
        patience: How long an answer may take.
        results: One for each node is added.

    Raises:
        OSError, TimeoutError, UaError: The connection is lost.
    """
    for together in _groups(sorted(missed, key=lambda m: m.after_us)):
        asked = left = [_Progress(missed=m, reached_us=m.after_us) for m in together]
        batch = left
        while batch:
            try:
                answers = await _ask(session, batch, patience)
            except UaStatusCodeError:  # the server has no such service, or not for us
                break
            if len(answers) != len(batch):
                break
            yield Changes.concat([_take(p, a) for p, a in zip(batch, answers, strict=True)])
            left = [p for p in left if not p.done]
            # Without a continuation each goes on from where it is, and a request has one start.
            batch = [p for p in left if p.continuation] or left[:1]
        results += [Found(missed=p.missed, lost=p.lost()) for p in asked]


def _groups(missed: Sequence[Missed]) -> list[list[Missed]]:
    """Nodes that are asked for together begin about together, since a request has one start."""
    found: list[list[Missed]] = []
    for m in missed:
        first = found[-1][0] if found else m
        near = m.after_us - first.after_us <= 1_000_000 + 0.1 * (m.until_us - m.after_us)
        if not found or not near or len(found[-1]) >= NODES_PER_REQUEST:
            found.append([])
        found[-1].append(m)
    return found


async def _ask(
    session: Session, left: Sequence[_Progress], patience: Patience
) -> tuple[History, ...]:
    request = ua.HistoryReadRequest()
    details = ua.ReadRawModifiedDetails()
    details.IsReadModified = False
    details.StartTime = _at(min(p.reached_us for p in left))
    details.EndTime = _at(max(p.missed.until_us for p in left) + 1)
    details.NumValuesPerNode = VALUES_PER_NODE
    details.ReturnBounds = False
    wanted = request.Parameters
    wanted.HistoryReadDetails = details
    wanted.TimestampsToReturn = ua.TimestampsToReturn.Both
    wanted.ReleaseContinuationPoints = False
    wanted.NodesToRead = [
        ua.HistoryReadValueId(NodeId=p.missed.node, ContinuationPoint=p.continuation) for p in left
    ]
    return decode_history(await session.call(request, patience.history_s))


def _take(progress: _Progress, answer: History) -> Changes:
    missed, values = progress.missed, answer.values
    at_us = measured_us(values)
    progress.continuation, full = answer.continuation, False
    timed = at_us[at_us != NO_TIME]
    if timed.size and answer.status >> 30 != 2:
        newest = int(timed.max())
        if progress.first_us is None:
            progress.first_us = int(timed.min())
        # Some servers cut at the number of values and do not say that there is more.
        full = len(values) >= VALUES_PER_NODE and newest > progress.reached_us
        progress.reached_us = max(progress.reached_us, newest)
    progress.done = not (answer.continuation or full)
    inside = (at_us > missed.after_us) & (at_us < missed.until_us)
    return _rows(values, inside, missed.handle)


def _rows(values: Changes, keep: NDArray[np.bool_], handle: int) -> Changes:
    place = np.cumsum(keep) - 1
    return Changes(
        np.full(int(keep.sum()), handle, np.uint32),
        values.value[keep],
        None if values.text is None else values.text[keep],
        values.status[keep],
        values.source_us[keep],
        values.server_us[keep],
        tuple((int(place[row]), value) for row, value in values.other if keep[row]),
    )


def _at(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=us)
