"""What happens next: a heap of events, a heap of requests, and a tree over the one timer of every server."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from twin.engine.arithmetic import bits_of, float_of
from twin.engine.compiled import variates
from twin.engine.compiled.jit import jit, jit_inline
from twin.engine.kinds import rank, ranked

__all__ = [
    "ask_pop",
    "ask_push",
    "event_pop",
    "event_push",
    "first_timer",
    "ranked_of",
    "set_timer",
]

rank_of, ranked_of = jit_inline(rank), jit_inline(ranked)

assert variates  # noqa: S101 - it teaches the compiler bits_of and float_of


@intrinsic
def either(typing: Any, condition: Any, then: Any, otherwise: Any) -> Any:
    """One of two whole numbers, without a jump: nobody can foretell which."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        chosen = builder.select(*args)
        chosen.set_metadata("unpredictable", builder.module.add_metadata([]))
        return chosen

    return types.int64(types.boolean, types.int64, types.int64), build


@jit_inline
def set_timer(w: Any, server: Any, time: Any, kind: Any) -> None:
    """The server's next end of a stretch (kind 0) or repair (kind 1); inf: none.

    Every node of the tree holds the first of its two: what lies beside the way up is known before,
    and which of two is first, which cannot be foretold, is chosen without a branch. Times are kept
    as their bits: of numbers that are not negative they have the same order, and compare sooner.
    """
    times, ranks = w.timer, w.timer_rank
    node = w.line[0].leaves + server
    at = np.int64(bits_of(time))
    rank = rank_of(0, kind, server)
    times[node] = at
    ranks[node] = rank
    while node > 1:
        beside = times[node ^ 1]
        rank_beside = ranks[node ^ 1]
        later = (beside < at) | ((beside == at) & (rank_beside < rank))
        at = either(later, beside, at)
        rank = either(later, rank_beside, rank)
        node >>= 1
        times[node] = at
        ranks[node] = rank


@jit_inline
def first_timer(w: Any) -> Any:
    """When the first timer of all servers ends."""
    return float_of(np.uint64(w.timer[1]))


@jit_inline
def sift_in(heap: Any, n: Any, time: Any, rank: Any, stamp: Any) -> None:
    """Into a heap of ``n``, the first by (time, rank) on top."""
    at = n
    while at > 0:
        up = (at - 1) >> 1
        above = heap[up]
        if above.time < time or (above.time == time and above.rank <= rank):
            break
        heap[at] = heap[up]
        at = up
    e = heap[at]
    e.time = time
    e.rank = rank
    e.stamp = stamp


@jit_inline
def take_first(heap: Any, n: Any) -> None:
    """Off a heap, of which ``n`` are left; the last of it finds its place."""
    if n == 0:
        return
    time, rank = heap[n].time, heap[n].rank
    at = np.int64(0)
    while True:
        down = 2 * at + 1
        if down >= n:
            break
        a = heap[down]
        if down + 1 < n:
            b = heap[down + 1]
            if b.time < a.time or (b.time == a.time and b.rank < a.rank):
                down += 1
        c = heap[down]
        if time < c.time or (time == c.time and rank <= c.rank):
            break
        heap[at] = heap[down]
        at = down
    heap[at] = heap[n]


@jit
def event_push(w: Any, time: Any, kind: Any, place: Any, detail: Any, stamp: Any) -> None:
    """Something falls due. Without room, the run is short of it."""
    at = w.line[0].events
    if at >= len(w.event):
        w.line[0].short = 1
        return
    w.line[0].events = at + 1
    sift_in(w.event, at, time, rank_of(kind, place, detail), stamp)


@jit
def event_pop(w: Any) -> None:
    """Take the first event off the heap."""
    w.line[0].events -= 1
    take_first(w.event, w.line[0].events)


@jit_inline
def ask_push(w: Any, time: Any, rank: Any) -> None:
    """A request that may be granted now."""
    at = w.line[0].asking
    if at >= len(w.ask):
        w.line[0].short = 1
        return
    w.line[0].asking = at + 1
    sift_in(w.ask, at, time, rank, 0)


@jit_inline
def ask_pop(w: Any) -> None:
    """Take the first request off the heap."""
    w.line[0].asking -= 1
    take_first(w.ask, w.line[0].asking)
