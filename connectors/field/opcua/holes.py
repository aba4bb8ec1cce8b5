"""Where values may be missing, and the gaps that stay when the history does not have them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from connectors.field.delivery import NO_TIME, Gap
from connectors.field.opcua.decode import Notification
from connectors.field.opcua.history import Found, Missed
from connectors.field.opcua.items import Item, Items
from connectors.field.opcua.values import measured_us, waits

__all__ = ["Holes", "Suspicion"]

AWAY = "the server kept nothing while the connection was down"
OVERFLOW = "the server's queue of this node was full"
SKIPPED = "the server had a message no more that did not arrive"
_OVERFLOW_BITS = 0x480
"""InfoType DataValue with the overflow bit: values before this one were dropped."""


@dataclass(slots=True, kw_only=True)
class Suspicion:
    """What one message says about values that we did not get."""

    missed: list[Missed] = field(default_factory=list)
    settled: set[int] = field(default_factory=set)
    """Handles of new items that have said their first value."""
    keep: NDArray[np.bool_]
    """Rows that say something new."""


class Holes:
    """Compares what comes with what we had, node by node."""

    def __init__(self, items: Items) -> None:
        """Know the items."""
        self._items = items
        self._new = np.zeros(len(items.plain), np.bool_)

    def begin(self, items: Iterable[Item]) -> None:
        """These are monitored from now on, with nothing kept from before."""
        for item in items:
            self._new[item.handle] = True

    def look(
        self, message: Notification, reached_us: NDArray[np.int64], heard_us: int, *, lossy: bool
    ) -> Suspicion | None:
        """What may be missing before this message; None when nothing can be.

        Args:
            message: The next one.
            reached_us: Newest time that we have of each address.
            heard_us: Up to here everything was known.
            lossy: A message before this one is lost.
        """
        changes = message.changes
        handles = np.minimum(changes.handle, len(self._new) - 1)
        new, full = self._new[handles], (changes.status & _OVERFLOW_BITS) == _OVERFLOW_BITS
        if not (lossy or full.any() or new.any()):
            return None
        at_us = measured_us(changes)
        at_us = np.where(at_us == NO_TIME, message.published_us, at_us)
        found = Suspicion(keep=np.ones(len(changes), np.bool_))
        for row in np.flatnonzero(new & ~waits(changes)).tolist():
            item = self._items.by_handle.get(int(handles[row]))
            if item is None or item.handle in found.settled:
                continue
            found.settled.add(item.handle)
            after_us = _after_us(item, reached_us)
            if all(reached_us[place.index] == at_us[row] for place in item.places):
                found.keep[row] = False
            _suspect(found, item, after_us, item.heard_us, at_us[row], AWAY)
        for row in np.flatnonzero(full).tolist():
            item = self._items.by_handle.get(int(handles[row]))
            before = np.flatnonzero(handles[:row] == handles[row])
            if item is None or (item.handle in found.settled and not before.size):
                continue
            after_us = int(at_us[before[-1]]) if before.size else _after_us(item, reached_us)
            _suspect(found, item, after_us, NO_TIME, at_us[row], OVERFLOW)
        if lossy:
            first = dict(zip(handles.tolist()[::-1], at_us.tolist()[::-1], strict=True))
            for item in self._items.all:
                if item.item_id is not None and not self._new[item.handle]:
                    until_us = first.get(item.handle, message.published_us)
                    after_us = _after_us(item, reached_us)
                    _suspect(found, item, after_us, heard_us, until_us, SKIPPED)
        return found

    def settle(self, suspicion: Suspicion) -> None:
        """What was found is dealt with."""
        self._new[list(suspicion.settled)] = False

    def gaps(self, found: Sequence[Found], reached_us: NDArray[np.int64]) -> list[Gap]:
        """What is lost for good.

        Args:
            found: What the history had.
            reached_us: As it was before the history was read.
        """
        rows: dict[str, list[tuple[int, int, int]]] = {}
        for one in found:
            for place in self._items.by_handle[one.missed.handle].places:
                known = int(reached_us[place.index])
                rows.setdefault(one.missed.reason, []).extend(
                    (place.index, max(start, known + 1), end)
                    for start, end in one.lost
                    if known != NO_TIME and max(start, known + 1) < end
                )
        return [
            Gap(
                index=np.array([row[0] for row in of_reason], np.int32),
                start_us=np.array([row[1] for row in of_reason], np.int64),
                end_us=np.array([row[2] for row in of_reason], np.int64),
                reason=reason,
            )
            for reason, of_reason in rows.items()
            if of_reason
        ]


def _suspect(
    found: Suspicion,
    item: Item,
    after_us: int,
    heard_us: int,
    until_us: int,
    reason: str,
) -> None:
    if after_us == NO_TIME or until_us <= after_us + 1:
        return
    missed = Missed(
        handle=item.handle,
        node=item.node,
        after_us=after_us,
        heard_us=heard_us,
        until_us=int(until_us),
        reason=reason,
    )
    found.missed.append(missed)


def _after_us(item: Item, reached_us: NDArray[np.int64]) -> int:
    """Time of the last value that every address of the node has; NO_TIME when none has any."""
    known = [int(reached_us[place.index]) for place in item.places]
    return min((us for us in known if us != NO_TIME), default=NO_TIME)
