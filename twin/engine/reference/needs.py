"""What a unit needs to take a part, besides the part: cards that go round, and components."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.engine.kinds import RECEIPT
from twin.engine.reference.agenda import Due
from twin.engine.reference.entities import Part, Unit

if TYPE_CHECKING:
    from twin.engine.reference.line import Line

__all__ = ["Needs"]


class Needs:
    """Cards that are free, and components that are on hand."""

    def __init__(self, line: Line) -> None:
        self._line = line
        given = line.given
        self._cards = [loop.cards for loop in given.model.loops]
        self._on_hand = list(given.on_hand)
        self.to_come = 0
        """Deliveries that are still due."""

    def begin(self) -> None:
        """What has been delivered, and what is known to come."""
        for i, receipt in enumerate(self._line.given.receipts):
            if receipt.at_s <= 0.0:
                self._on_hand[receipt.item] += receipt.quantity
            else:
                self.to_come += 1
                self._line.agenda.put(RECEIPT, i, receipt.at_s, receipt, self._received)

    def hold(self, part: Part, loops: tuple[int, ...]) -> None:
        """A part of a live start has cards of these loops; there may be more such parts than cards."""
        part.cards.update(loops)
        for loop in loops:
            self._cards[loop] -= 1

    def met(self, unit: Unit, part: Part | None) -> bool:
        """There is a part, and there are cards and components for it."""
        if part is None:
            return False
        return not unit.needs_more or self.met_for(unit, part.cards, part.product)

    def met_for(self, unit: Unit, held: set[int], product: int) -> bool:
        """There are cards and components for a part of this product that has these cards."""
        return all(loop in held or self._cards[loop] > 0 for loop in unit.table.opens) and all(
            self._on_hand[item] >= n for item, n in unit.table.consumes[product]
        )

    def use(self, unit: Unit, part: Part) -> None:
        """The unit takes the part: it gets its cards, and uses up components."""
        for loop in unit.table.opens:
            if loop not in part.cards:
                part.cards.add(loop)
                self._cards[loop] -= 1
        for item, quantity in unit.table.consumes[part.product]:
            self._on_hand[item] -= quantity

    def give_back(self, part: Part, closes: tuple[int, ...]) -> None:
        """Cards of these loops return, if the part has them."""
        line = self._line
        for loop in closes:
            if loop in part.cards:
                part.cards.discard(loop)
                self._cards[loop] += 1
                line.ask_idle(line.units[line.given.model.loops[loop].first])

    def _received(self, event: Due) -> None:
        receipt = event.about
        self.to_come -= 1
        self._on_hand[receipt.item] += receipt.quantity
        for unit in self._line.units:
            if any(receipt.item == i for used in unit.table.consumes for i, _ in used):
                self._line.ask_idle(unit)

    def cards(self) -> tuple[int, ...]:
        """Free cards by loop."""
        return tuple(self._cards)

    def short(self) -> bool:
        """A component has run out."""
        return any(
            self._on_hand[item] < n
            for unit in self._line.units
            for used in unit.table.consumes
            for item, n in used
        )
