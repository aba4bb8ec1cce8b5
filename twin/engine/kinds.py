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


def rank(kind: int, place: int, detail: int) -> int:
    """Order among the events of one instant: kind, then place in the plant file, then detail.

    Example:
        >>> rank(REPAIR_END, 0, 0) > rank(WORK_END, 7, 2) > rank(WORK_END, 7, 1)
        True
    """
    return (kind << 40) + (place << 20) + detail
