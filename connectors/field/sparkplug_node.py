"""One edge node as a Sparkplug host follows it: sequence, births, deaths, and what was lost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectors.field.delivery import Gap, Letter, ReadingsBuilder
from connectors.field.sparkplug import BD_SEQ, MessageType, Payload
from connectors.field.sparkplug_births import Births, Key
from connectors.field.sparkplug_columns import BAD, Shape, Table
from twin.errors import DataError
from twin.plant import SparkplugOptions

__all__ = ["Arrival", "EdgeNode", "Outcome"]

GIVES_UP_S = 60.0
"""A loss is reported without the births that would end it when they do not come. [s]"""
LONGEST_PAUSES = 16
"""A node that does not answer, or whose births cure nothing, is asked less and less often."""
_REASONS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One message as it came."""

    number: int
    """Since the connection was made."""
    topic: str
    kind: MessageType
    device: str | None
    payload: bytes
    message: Payload
    came_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Where a node puts what it makes of messages."""

    readings: ReadingsBuilder
    letters: list[Letter]
    gaps: list[Gap]
    now_s: float


@dataclass(frozen=True, slots=True)
class _Loss:
    start_us: int
    reason: str
    noticed_s: float


class EdgeNode:
    """State of one edge node and its devices."""

    def __init__(
        self,
        group: str,
        name: str,
        wanted: Mapping[Key, int],
        options: SparkplugOptions,
        table: Table,
    ) -> None:
        self.group, self.name = group, name
        self.wanted = wanted
        self.held: dict[int, Arrival] = {}
        """By sequence number: messages that have overtaken another."""
        self._options = options
        self._births = Births(wanted, table)
        self._indexes: dict[str | None, NDArray[np.int32]] = {
            device: np.array([i for (at, _), i in wanted.items() if at == device], np.int32)
            for device in dict.fromkeys(device for device, _ in wanted)
        }
        self._born = self._dead = False
        self._resumes = False
        """Nothing was heard since the connection was lost."""
        self._birth: object = None
        self._bd_seq: object = None
        self._next = 0
        self._last: tuple[Shape, bytes] | int | None = None
        """The last message in sequence, or its timestamp. [ms]"""
        self._last_s = 0.0
        self._lost: dict[str | None, _Loss] = {}
        self._needs_birth = False
        self._asked_s = float("-inf")
        self._pause_s = options.rebirth_pause_s

    # What the host calls, the first three for every message.

    def match(self, device: str | None, payload: bytes) -> Shape | None:
        """The shape of a data message that is in sequence and like an earlier one."""
        if self.held or self._resumes or not self._births.trusted:
            return None
        shape = self._births.match(device, payload)
        return shape if shape is not None and shape.seq(payload) == self._next else None

    def passed(self, shape: Shape, payload: bytes, now_s: float) -> None:
        """A message of ``match`` was taken."""
        self._next = self._next + 1 & 255
        self._last, self._last_s = (shape, payload), now_s

    def take(self, arrival: Arrival, out: Outcome) -> None:
        """A message that was read field by field.

        Raises:
            DataError: It has a sequence number of another world.
        """
        if arrival.kind is MessageType.NDEATH:
            self._death(arrival.message, out)
        elif arrival.message.seq is not None and arrival.message.seq > 255:
            raise DataError(f"sequence number {arrival.message.seq} is none of 0 to 255")
        elif arrival.kind is MessageType.NBIRTH:
            self._node_birth(arrival, out)
        else:
            self._sequenced(arrival, out)

    def tick(self, out: Outcome) -> None:
        """Give up on messages that were overtaken too long ago."""
        while self.held:
            waited_s = out.now_s - min(a.came_s for a in self.held.values())
            if 0 <= waited_s < self._options.reorder_s:
                break
            self._give_up(out)
        if self._born:
            for device, loss in list(self._lost.items()):
                if out.now_s - loss.noticed_s >= GIVES_UP_S:
                    self._ends(device, self._now_us(out.now_s), out)

    def disconnected(self, out: Outcome, seen_s: float, reached_us: int | None) -> None:
        """The connection was lost, or is the first.

        Args:
            out: What was held is given out, and values are marked.
            seen_s: When the broker was last heard.
            reached_us: Newest time of what an earlier process stored; None for nothing.
        """
        self._flush(out)
        if self._last is None and reached_us is not None:
            self._last, self._last_s = -(-reached_us // 1000), reached_us / 1e6
            self._lose("nobody was listening", out)
        elif self._last is not None and not self._dead:
            self._lose("the connection to the broker was lost", out)
        if self._born:
            self._mark(self._indexes, self._now_us(seen_s), out)
        self._resumes, self._needs_birth = self._born, True

    def asks(self, now_s: float) -> bool:
        """Births are to be asked for now; true once for each request."""
        if not self._needs_birth:
            return False
        since_s = now_s - self._asked_s
        if 0 <= since_s < self._pause_s:
            return False
        first = self._options.rebirth_pause_s
        quiet = since_s < 0 or since_s >= 2 * LONGEST_PAUSES * first
        self._pause_s = first if quiet else min(2 * self._pause_s, LONGEST_PAUSES * first)
        self._asked_s = now_s
        return True

    # Births and deaths.

    def _node_birth(self, arrival: Arrival, out: Outcome) -> None:
        message = arrival.message
        bd_seq = _bd_seq(message)
        birth = (bd_seq, message.seq, message.timestamp_ms)
        if self._born and birth == self._birth:
            self._apply(arrival, out, aliases=False)
            return
        later = self._flush(out, message.timestamp_ms)
        if self._born and self._is_another(bd_seq):
            self._lose("the edge node made a new connection", out)
        self._births.forget()
        self._births.trusted = self._born = True
        self._dead = self._resumes = self._needs_birth = False
        self._birth, self._bd_seq = birth, bd_seq
        self._next = message.seq or 0
        self._advance(arrival, out)
        self.held = later
        self._drain(out)

    def _death(self, will: Payload, out: Outcome) -> None:
        bd_seq = _bd_seq(will)
        known = self._born and not self._resumes
        if self._dead or (known and self._is_another(bd_seq)):
            return
        self._flush(out)
        if self._last is not None:
            self._lose("the edge node died", out)
        # The will was written when the node connected, so its own timestamp says nothing.
        self._mark(self._indexes, self._now_us(out.now_s), out)
        self._births.forget()
        self._dead = True
        self._born = self._resumes = self._needs_birth = False

    def _is_another(self, bd_seq: object) -> bool:
        return None not in (bd_seq, self._bd_seq) and bd_seq != self._bd_seq

    # The sequence.

    def _sequenced(self, arrival: Arrival, out: Outcome) -> None:
        seq = arrival.message.seq
        if self._resumes and seq != self._next:
            self._births.forget()
            self._born = False
        self._resumes = False
        if not self._born:
            self._needs_birth = True
            self._apply(arrival, out, aliases=False)
        elif seq is None:
            self._apply(arrival, out, aliases=self._births.trusted)
        elif seq == self._next:
            self._advance(arrival, out)
            self._drain(out)
        elif self._is_ahead(arrival, (seq - self._next) % 256):
            self.held.setdefault(seq, arrival)
            if self._options.reorder_s == 0:
                self._give_up(out)
        else:
            self._late(arrival, out)

    def _is_ahead(self, arrival: Arrival, distance: int) -> bool:
        """Not a late or repeated one: the node's clock knows, or else the shorter way round."""
        sent, last = arrival.message.timestamp_ms, self._last_ms()
        if sent is not None and last is not None and sent != last:
            return sent > last
        return distance < 128

    def _late(self, arrival: Arrival, out: Outcome) -> None:
        """A repeated message, or one that was given up: its values count, at their own times."""
        birth, sent = self._births.sent_ms.get(arrival.device), arrival.message.timestamp_ms
        after = birth is None or (sent is not None and sent > birth)
        if arrival.kind in (MessageType.DBIRTH, MessageType.DDEATH) and after:
            self._advance(arrival, out, late=True)
        elif arrival.kind is not MessageType.DDEATH:
            known = self._births.trusted and birth is not None and after
            self._apply(arrival, out, aliases=known)

    def _advance(self, arrival: Arrival, out: Outcome, late: bool = False) -> None:
        """A message whose turn it is, or one that comes too late and still says who is alive."""
        sent_ms, device = arrival.message.timestamp_ms, arrival.device
        if not late:
            self._next = self._next + 1 & 255
            self._last = self._last if sent_ms is None else sent_ms
            self._last_s = arrival.came_s
        sent_us = self._now_us(out.now_s) if sent_ms is None else 1000 * sent_ms
        if arrival.kind is MessageType.DDEATH:
            self._births.forget_device(device)
            self._mark([device], sent_us, out)
        elif arrival.kind in (MessageType.NBIRTH, MessageType.DBIRTH):
            _write(arrival, self._births.born(device, arrival.message, out.readings), out)
            self._ends(device, sent_us, out)
        else:
            self._apply(arrival, out, aliases=self._births.trusted)

    def _drain(self, out: Outcome) -> None:
        while (arrival := self.held.pop(self._next, None)) is not None:
            self._advance(arrival, out)

    def _give_up(self, out: Outcome) -> None:
        """The message before the nearest held one does not come any more."""
        nearest = min(self.held, key=self._distance)
        missing = self._distance(nearest)
        from_to = f"{self._next}" if missing == 1 else f"{self._next} to {(nearest - 1) % 256}"
        self._lose(f"sequence number {from_to} never came", out)
        if self._distance(0) < missing:
            # The lost one may have been the birth of the node, which begins at 0.
            self._births.distrust()
        self._needs_birth = True
        self._next = nearest
        self._drain(out)

    def _distance(self, seq: int) -> int:
        return (seq - self._next) % 256

    def _flush(self, out: Outcome, before_ms: int | None = None) -> dict[int, Arrival]:
        """Take what is held, up to a time; returns the rest."""
        rest = {}
        for seq, arrival in list(self.held.items()):
            sent_ms = arrival.message.timestamp_ms
            if before_ms is not None and sent_ms is not None and sent_ms >= before_ms:
                rest[seq] = self.held.pop(seq)
        while self.held:
            self._give_up(out)
        return rest

    def _apply(self, arrival: Arrival, out: Outcome, *, aliases: bool) -> None:
        reasons, unborn = self._births.data(arrival.device, arrival.message, aliases, out.readings)
        self._needs_birth |= unborn
        _write(arrival, reasons, out)
        data = arrival.kind in (MessageType.NDATA, MessageType.DDATA)
        if data and aliases and not reasons:
            self._births.learn(arrival.device, arrival.payload)

    # What is lost, and values that are not known any more.

    def _last_ms(self) -> int | None:
        if isinstance(self._last, tuple):
            shape, payload = self._last
            self._last = shape.time_ms(payload)
        return self._last

    def _now_us(self, now_s: float) -> int:
        """Now on the clock of the node, as far as its last message tells."""
        last_ms = self._last_ms()
        if last_ms is None:
            return int(now_s * 1e6)
        return 1000 * last_ms + max(1, int((now_s - self._last_s) * 1e6))

    def _lose(self, reason: str, out: Outcome) -> None:
        last_ms = self._last_ms()
        start_us = self._now_us(out.now_s) if last_ms is None else 1000 * last_ms + 1
        marked_us = self._births.marked_us
        for device in self._indexes:
            self._lost.setdefault(device, _Loss(start_us, reason, out.now_s))
            marked_us[device] = max(marked_us.get(device, start_us), start_us)

    def _ends(self, device: str | None, at_us: int, out: Outcome) -> None:
        self._births.marked_us.pop(device, None)
        loss = self._lost.pop(device, None)
        if loss is not None:
            out.gaps.append(
                Gap(
                    index=self._indexes[device],
                    start_us=loss.start_us,
                    end_us=max(at_us, loss.start_us + 1),
                    reason=f"edge node {self.group}/{self.name}: {loss.reason}",
                )
            )

    def _mark(self, devices: Iterable[str | None], at_us: int, out: Outcome) -> None:
        for device in devices:
            if device in self._indexes:
                self._births.marked_us[device] = at_us
                for index in self._indexes[device].tolist():
                    out.readings.add(index, None, at_us, BAD)


def _bd_seq(message: Payload) -> object:
    return next((m.value for m in message.metrics if m.name == BD_SEQ), None)


def _write(arrival: Arrival, reasons: list[str], out: Outcome) -> None:
    """One letter for a message, whatever is wrong with it."""
    if reasons:
        more = f" and {len(reasons) - _REASONS} more" if len(reasons) > _REASONS else ""
        reason = "; ".join(reasons[:_REASONS]) + more
        out.letters.append(Letter(address=arrival.topic, payload=arrival.payload, reason=reason))
