"""What a unit takes to begin: one part, a batch, or one of every component."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.engine.compiled.asking import first_part, holder_of
from twin.engine.compiled.coming import launch
from twin.engine.compiled.jit import jit, jit_inline
from twin.engine.compiled.moving import absorb, allowed_part, pull, put_in

__all__ = ["take"]

_NONE = np.int64(-1)


@jit
def take_together(w: Any, server: Any, unit: Any) -> Any:
    """Assembly: one part out of every zone, at once."""
    u = w.unit[unit]
    lead = _NONE
    for k in range(u.zones_at, u.zones_at + u.zones):
        found = first_part(w, w.ints[k])
        if found < 0:
            return False
        if k == u.zones_at:
            lead = found
    if not allowed_part(w, unit, lead):
        return False
    lead = np.int64(pull(w, w.ints[u.zones_at]))
    for k in range(u.zones_at + 1, u.zones_at + u.zones):
        absorb(w, lead, pull(w, w.ints[k]))
    put_in(w, server, lead)
    return True


@jit
def take_kit(w: Any, server: Any, unit: Any) -> Any:
    """Assembly: components as they come. 0: nothing, 1: some, 2: all are there, it begins."""
    u = w.unit[unit]
    kit_at = w.server[server].kit_at
    took, missing = 0, False
    for i in range(u.zones):
        zone = w.ints[u.zones_at + i]
        if w.kit[kit_at + i] < 0 and first_part(w, zone) >= 0:
            w.kit[kit_at + i] = pull(w, zone)
            took = 1
        missing |= w.kit[kit_at + i] < 0
    lead = np.int64(w.kit[kit_at])
    if missing or not allowed_part(w, unit, lead):
        return took
    for i in range(u.zones):
        if i > 0:
            absorb(w, lead, w.kit[kit_at + i])
        w.kit[kit_at + i] = -1
    put_in(w, server, lead)
    return 2


@jit_inline
def longest_waiting(w: Any, unit: Any) -> Any:
    """Of the zones whose first part can be taken, that where it waits longest; -1: none."""
    u = w.unit[unit]
    best, since = _NONE, np.inf
    for k in range(u.zones_at, u.zones_at + u.zones):
        zone = w.ints[k]
        part = first_part(w, zone)
        if part < 0 or not allowed_part(w, unit, part):
            continue
        z = w.zone[zone]
        waits = w.part[z.first].ready if z.parts > 0 else w.server[holder_of(w, zone)].asked
        if waits < since:
            best, since = np.int64(zone), waits
    return best


@jit
def take_batch(w: Any, server: Any, unit: Any, zone: Any) -> Any:
    """As many parts as are there and fit, if they are enough."""
    u, z = w.unit[unit], w.zone[zone]
    count = 0
    part = z.first
    for _ in range(z.parts):
        if w.part[part].ready > w.line[0].now:
            break
        count += 1
        part = w.part[part].next
    if count < u.batch_minimum or not allowed_part(w, unit, first_part(w, zone)):
        return False
    for taken in range(min(count, u.batch)):
        if taken > 0 and not allowed_part(w, unit, first_part(w, zone)):
            break
        put_in(w, server, pull(w, zone))
    return True


@jit_inline
def take(w: Any, server: Any) -> Any:
    """What the unit needs to begin. 0: not there, 1: some of it, 2: it begins."""
    unit = w.server[server].unit
    u = w.unit[unit]
    if u.zones == 0:
        return 2 if launch(w, server, unit) else 0
    if u.eager:
        return take_kit(w, server, unit)
    if u.assembles:
        return 2 if take_together(w, server, unit) else 0
    zone = np.int64(w.ints[u.zones_at]) if u.zones == 1 else longest_waiting(w, unit)
    if zone < 0:
        return 0
    part = first_part(w, zone)
    if part < 0:
        return 0
    if u.batch > 1:
        return 2 if take_batch(w, server, unit, zone) else 0
    if not allowed_part(w, unit, part):
        return 0
    put_in(w, server, pull(w, zone))
    return 2
