"""What the line is asked to make: orders of the past by seed, then the open orders by due date."""

from __future__ import annotations

from typing import Any

from simulators.clock import to_us
from simulators.physics.hidden import settings
from simulators.physics.machine import Part
from simulators.physics.streams import Streams
from twin.plant import JobOrder, Plant

__all__ = ["OrderBook"]


class OrderBook:
    """Hands parts to the first machine of the line.

    Until the first open order is released, orders of the past are made up; what is left of the
    last one then is not started.
    """

    def __init__(self, plant: Plant, streams: Streams, entry: str, epoch_us: int) -> None:
        self._open = sorted(plant.orders.values(), key=lambda o: (o.due_at, o.order_id))
        self._left = {o.order_id: o.quantity for o in self._open}
        self._first_s = min((self._seconds(o, epoch_us) for o in self._open), default=float("inf"))
        self._release_s = {o.order_id: self._seconds(o, epoch_us) for o in self._open}
        self._products = list(plant.products)
        weights = settings()["orders"]["weights"]
        self._weights = [weights.get(p, 0.3) for p in self._products]
        self._quantities: list[int] = settings()["orders"]["quantities"]
        self._draws = streams.uniform(f"{entry}/orders")
        self._past = ("", "", 0)
        self._made = 0
        self._current = ""

    def next_part(self, now: float) -> Part | None:
        """The next part to start, if there is one. ``now`` in seconds of plant time."""
        if now < self._first_s:
            return self._past_part()
        if not self._left.get(self._current):
            due = (o for o in self._open if self._left[o.order_id])
            ready = next((o for o in due if self._release_s[o.order_id] <= now), None)
            if ready is None:
                return None
            self._current = ready.order_id
        self._left[self._current] -= 1
        order = next(o for o in self._open if o.order_id == self._current)
        return Part(order.order_id, order.product, [])

    def state(self) -> dict[str, Any]:
        """Everything that changes, as plain values."""
        return {
            "left": self._left, "past": self._past, "made": self._made, "current": self._current,
        }  # fmt: skip

    def restore(self, plain: dict[str, Any]) -> None:
        """Put back what ``state`` gave."""
        self._left = dict(plain["left"])
        order, product, left = plain["past"]
        self._past = (order, product, left)
        self._made, self._current = plain["made"], plain["current"]

    def _past_part(self) -> Part:
        order, product, left = self._past
        if not left:
            self._made += 1
            order = f"JO-{self._made:04d}"
            at = self._draws.next() * sum(self._weights)
            product = self._products[-1]
            for name, weight in zip(self._products, self._weights, strict=True):
                at -= weight
                if at < 0.0:
                    product = name
                    break
            left = self._quantities[int(self._draws.next() * len(self._quantities))]
        self._past = (order, product, left - 1)
        return Part(order, product, [])

    @staticmethod
    def _seconds(order: JobOrder, epoch_us: int) -> float:
        return (to_us(order.release_at) - epoch_us) / 1e6
