"""What happens next: a heap of events, a heap of requests, and a tree over the one timer of every server."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.engine.compiled.jit import jit, jit_inline

__all__ = ["ask_pop", "ask_push", "event_pop", "event_push", "set_timer"]


@jit_inline
def set_timer(w: Any, server: Any, time: Any, kind: Any) -> None:
    """The server's next end of a stretch (kind 0) or repair (kind 1); inf: none."""
    timer, tree = w.timer, w.tree
    timer[server] = time
    w.timer_kind[server] = kind
    node = (w.line[0].leaves + server) >> 1
    while node >= 1:
        a, b = tree[2 * node], tree[2 * node + 1]
        ta, tb = timer[a], timer[b]
        first = a
        if tb < ta or (tb == ta and w.timer_kind[b] < w.timer_kind[a]):
            first = b
        if tree[node] == first and first != server:
            break
        tree[node] = first
        node >>= 1


@jit
def event_push(w: Any, time: Any, rank: Any, stamp: Any, about: Any, detail: Any) -> None:
    """Something falls due. Without room, the run is short of it."""
    heap = w.event
    at = w.line[0].events
    if at >= len(heap):
        w.line[0].short = 1
        return
    w.line[0].events = at + 1
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
    e.about = about
    e.detail = detail


@jit
def event_pop(w: Any) -> None:
    """Take the first event off the heap."""
    heap = w.event
    n = w.line[0].events - 1
    w.line[0].events = n
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


@jit_inline
def ask_push(w: Any, time: Any, key: Any) -> None:
    """A request that may be granted now."""
    heap = w.ask
    at = w.line[0].asking
    if at >= len(heap):
        w.line[0].short = 1
        return
    w.line[0].asking = at + 1
    while at > 0:
        up = (at - 1) >> 1
        above = heap[up]
        if above.time < time or (above.time == time and above.key <= key):
            break
        heap[at].time = above.time
        heap[at].key = above.key
        at = up
    heap[at].time = time
    heap[at].key = key


@jit_inline
def ask_pop(w: Any) -> None:
    """Take the first request off the heap."""
    heap = w.ask
    n = w.line[0].asking - 1
    w.line[0].asking = n
    if n == 0:
        return
    time, key = heap[n].time, heap[n].key
    at = np.int64(0)
    while True:
        down = 2 * at + 1
        if down >= n:
            break
        a = heap[down]
        if down + 1 < n:
            b = heap[down + 1]
            if b.time < a.time or (b.time == a.time and b.key < a.key):
                down += 1
        c = heap[down]
        if time < c.time or (time == c.time and key <= c.key):
            break
        heap[at].time = c.time
        heap[at].key = c.key
        at = down
    heap[at].time = time
    heap[at].key = key
