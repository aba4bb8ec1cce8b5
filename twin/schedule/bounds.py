"""What no schedule can cost less than, by arithmetic: a bound where the solver's is weak."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from twin.schedule.problem import LATE_WEIGHT
from twin.schedule.sequence import Numbers

__all__ = ["lower_bound"]

_PRIORITIES = range(1, 10)


def lower_bound(given: Numbers) -> int:
    """Lateness, end and change-overs that even the best schedule has.

    Every order but the first needs at least its shortest change-over. What is released late
    cannot end before its release and all the work that is released with it. For lateness see
    ``_late``; a priority is a sum of ones, so its bound is the sum over the orders of at least
    that priority.
    """
    n = given.orders
    into = [min((given.setup[a][b] for a in range(n) if a != b), default=0) for b in range(n)]
    first = given.setup[n]
    saved = max((into[b] - min(into[b], first[b]) for b in range(n)), default=0)
    end = 0
    for release in set(given.earliest):
        items = [i for i in range(given.items) if given.earliest[i] >= release]
        setups = max(0, sum(into[i] for i in items if i < n) - saved)
        end = max(end, release + setups + sum(given.duration[i] for i in items))
    shortest = [min(into[b], first[b]) if n > 1 else first[b] for b in range(n)]
    work = [(given.earliest[b], given.duration[b] + shortest[b], given.due[b]) for b in range(n)]
    late = 0
    for priority in _PRIORITIES:
        late += _late([work[b] for b in range(n) if given.weight[b] >= LATE_WEIGHT * priority])
    return LATE_WEIGHT * late + end + max(0, sum(into) - saved)


def _late(work: Sequence[tuple[int, int, int]]) -> int:
    """Least total lateness of (release, duration, due), were they alone and interruptible.

    The k-th completion of any schedule is not before that of shortest remaining time first,
    and pairing the completions with the due dates in order is the least that they can cost.

    Source:
        Chu, A branch-and-bound algorithm to minimize total tardiness with different release
        dates, Naval Research Logistics 39 (1992).
    """
    ends = _shortest_remaining_first(sorted((release, duration) for release, duration, _ in work))
    dues = sorted(due for _, _, due in work)
    return sum(max(0, end - due) for end, due in zip(ends, dues, strict=True))


def _shortest_remaining_first(work: Sequence[tuple[int, int]]) -> list[int]:
    ends, waiting, now, arrived = [], list[int](), 0, 0
    while arrived < len(work) or waiting:
        if not waiting:
            now = max(now, work[arrived][0])
        while arrived < len(work) and work[arrived][0] <= now:
            heapq.heappush(waiting, work[arrived][1])
            arrived += 1
        left = heapq.heappop(waiting)
        until = work[arrived][0] if arrived < len(work) else now + left
        worked = min(left, until - now)
        now += worked
        if worked < left:
            heapq.heappush(waiting, left - worked)
        else:
            ends.append(now)
    return ends
