"""Kinds of timed events: of two at one instant, the lower kind comes first. All engines share the order."""

from __future__ import annotations

__all__ = [
    "ARRIVAL",
    "END",
    "FAILURE_DUE",
    "MAINTENANCE_DUE",
    "RECEIPT",
    "RELEASE",
    "REPAIR_END",
    "SHIFT",
    "TRANSPORT_END",
    "WARM_UP",
    "WORK_END",
    "rank",
    "ranked",
]

(
    WORK_END,
    REPAIR_END,
    FAILURE_DUE,
    MAINTENANCE_DUE,
    SHIFT,
    TRANSPORT_END,
    RELEASE,
    ARRIVAL,
    RECEIPT,
    WARM_UP,
    END,
) = range(11)

_PLACE_BITS = 20
_LAST = (1 << _PLACE_BITS) - 1
"""The largest place, and the largest detail, that a rank can hold."""


def rank(kind: int, place: int, detail: int) -> int:
    """Order among the events of one instant: kind, then place in the plant file, then detail.

    Example:
        >>> rank(REPAIR_END, 0, 0) > rank(WORK_END, 7, 2) > rank(WORK_END, 7, 1)
        True
    """
    return (kind << 2 * _PLACE_BITS) + (place << _PLACE_BITS) + detail


def ranked(rank: int) -> tuple[int, int, int]:
    """Kind, place and detail of a rank.

    Example:
        >>> ranked(rank(SHIFT, 7, 2)) == (SHIFT, 7, 2)
        True
    """
    return rank >> 2 * _PLACE_BITS, (rank >> _PLACE_BITS) & _LAST, rank & _LAST
