"""Changed values of nodes -> readings of addresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from asyncua import ua as _ua
from numpy.typing import NDArray

from connectors.field.delivery import NO_TIME, Letter, Readings, ReadingsBuilder
from connectors.field.opcua.changes import Changes
from connectors.field.opcua.items import Item, Items, Place
from connectors.field.opcua.paths import as_json, as_text, lead, scalar

__all__ = ["measured_us", "read", "waits"]

ua: Any = _ua
"""asyncua names its types by ``import *``, which strict typing does not follow."""

BAD = 2
_WAITING = int(ua.StatusCodes.BadWaitingForInitialData)
_INITIAL = int(ua.StatusCodes.UncertainInitialValue)
"""With neither value nor time, what node-opcua says of a node that nobody has written yet."""


@dataclass(slots=True)
class _Special:
    """Rows that are taken one by one."""

    readings: ReadingsBuilder
    letters: list[Letter]

    def add(self, item: Item, place: Place, value: Any, at_us: int, quality: int) -> None:
        try:
            inside = lead(value, place.path) if value is not None else None
            found = as_text(inside) if place.text else scalar(inside)
        except LookupError as e:
            found = None
            letter = Letter(
                address=item.key, payload=as_json(value).encode(), reason=str(e.args[0])
            )
            self.letters.append(letter)
        self.readings.add(place.index, found, at_us, quality if found is not None else BAD)


def measured_us(changes: Changes) -> NDArray[np.int64]:
    """When the device took each value, or else when the server had it; NO_TIME for neither."""
    none = changes.source_us == NO_TIME
    if not none.any():
        return changes.source_us
    return np.where(none, changes.server_us, changes.source_us)


def waits(changes: Changes) -> NDArray[np.bool_]:
    """Which nodes wait for their first value."""
    code = changes.status & 0xFFFF0000
    waiting: NDArray[np.bool_] = code == _WAITING
    empty = (code == _INITIAL) & np.isnan(changes.value) & (changes.source_us == NO_TIME)
    if empty.any():
        if changes.text is not None:
            empty &= changes.text == None  # noqa: E711 - element by element
        empty[[row for row, _ in changes.other]] = False
        waiting |= empty
    return waiting


def read(
    changes: Changes, items: Items, keep: NDArray[np.bool_] | None = None
) -> tuple[Readings, Sequence[Letter]]:
    """What changed, as readings; a node that waits for its first value gives none.

    Args:
        changes: With the handles of these items.
        items: Know which addresses a node feeds.
        keep: Rows to take; None for all.
    """
    handle, status = changes.handle, changes.status
    quality = np.minimum(status >> 30, BAD).astype(np.int8)
    index = items.plain[np.minimum(handle, len(items.plain) - 1)]
    value, text, at_us = changes.value, changes.text, measured_us(changes)
    missing = np.isnan(value)
    if missing.any():
        if text is not None:
            missing &= text == None  # noqa: E711 - element by element
        quality[missing] = BAD
    good = index >= 0
    for row, _ in changes.other:
        good[row] = False
    wanted = ~waits(changes)
    if keep is not None:
        wanted &= keep
    if good.all() and wanted.all():
        return Readings(index, value, text, at_us, quality), ()
    plain = good & wanted
    readings = Readings(
        index[plain],
        value[plain],
        None if text is None else text[plain],
        at_us[plain],
        quality[plain],
    )
    if not (rows := np.flatnonzero(~good & wanted)).size:
        return readings, ()
    special = _special(changes, items, rows, at_us)
    return Readings.concat([readings, special.readings.build()]), special.letters


def _special(
    changes: Changes, items: Items, rows: NDArray[np.int64], at_us: NDArray[np.int64]
) -> _Special:
    special, other = _Special(ReadingsBuilder(), []), dict(changes.other)
    for row in rows.tolist():
        item = items.by_handle.get(int(changes.handle[row]))
        if item is None:
            continue
        value = other.get(row)
        if value is None and changes.text is not None:
            value = changes.text[row]
        if value is None and not np.isnan(changes.value[row]):
            value = float(changes.value[row])
        quality = min(int(changes.status[row]) >> 30, BAD)
        for place in item.places:
            special.add(item, place, value, int(at_us[row]), quality)
    return special
