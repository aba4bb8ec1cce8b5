"""Messages of a subscription -> deliveries, with what was missed before each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from connectors.field.delivery import Delivery, Gap, Sink
from connectors.field.opcua.changes import Changes
from connectors.field.opcua.decode import Notification
from connectors.field.opcua.history import Found, Missed, read_history
from connectors.field.opcua.holes import Holes
from connectors.field.opcua.items import Items
from connectors.field.opcua.paths import is_raw, unpack
from connectors.field.opcua.session import Patience, Session
from connectors.field.opcua.subscription import Subscription
from connectors.field.opcua.values import read

__all__ = ["Listener"]

logger = logging.getLogger(__name__)


class Listener:
    """Takes the messages of one connection in their order."""

    def __init__(
        self,
        session: Session,
        subscription: Subscription,
        items: Items,
        holes: Holes,
        reached_us: NDArray[np.int64],
        sink: Sink,
        patience: Patience,
    ) -> None:
        """Prepare.

        Args:
            session: Where the history is asked for.
            subscription: Told what is durable.
            items: Know which addresses a node feeds.
            holes: Knows where values may be missing.
            reached_us: Newest time that we have of each address; changes while we listen.
            sink: Takes what comes.
            patience: How long the server may take.
        """
        self._session = session
        self._subscription = subscription
        self._items = items
        self._holes = holes
        self._reached_us = reached_us
        self._sink = sink
        self._patience = patience
        self._types_loaded = False
        self.history = True
        """The server's history is asked for what was missed."""
        self.on_rejected: Callable[[int], None] = lambda _: None
        """Told how many values could not be understood."""

    async def take(self, message: Notification, lossy: bool) -> bool:
        """Hand a message over; returns False when there was nothing in it to keep."""
        subscription = self._subscription
        changes = await self._understood(message.changes)
        suspicion = self._holes.look(message, self._reached_us, subscription.heard_us, lossy=lossy)
        keep, gaps = None, list[Gap]()
        if suspicion is not None:
            keep = suspicion.keep
            gaps = await self._recover(suspicion.missed) if suspicion.missed else gaps
        readings, letters = read(changes, self._items, keep)
        self.on_rejected(len(letters))
        kept = bool(len(readings) or letters or gaps)
        if kept:
            durable = None
            if message.count:
                durable = subscription.handed_over(message.sequence, message.published_us)
            await self._sink(
                Delivery(
                    readings=readings,
                    letters=letters,
                    gaps=gaps,
                    durable=durable,
                    hurry=not subscription.room(1),
                )
            )
        if suspicion is not None:
            self._holes.settle(suspicion)
        return kept

    async def _recover(self, missed: Sequence[Missed]) -> list[Gap]:
        """Hand over what the history has; returns what is lost."""
        reached_us = self._reached_us.copy()
        if not self.history:
            lost = [Found(missed=m, lost=((m.start_us, m.until_us),)) for m in missed]
            return self._holes.gaps(lost, reached_us)
        found: list[Found] = []
        count = 0
        async for part in read_history(self._session, missed, self._patience, found):
            readings, letters = read(await self._understood(part), self._items)
            self.on_rejected(len(letters))
            count += len(readings)
            if len(readings) or letters:
                await self._sink(Delivery(readings=readings, letters=letters))
        gaps = self._holes.gaps(found, reached_us)
        logger.info(
            "%d values of %d nodes came from the history, %d gaps stay",
            count,
            len(missed),
            sum(len(gap.index) for gap in gaps if gap.index is not None),
        )
        return gaps

    async def _understood(self, changes: Changes) -> Changes:
        """With structures decoded; the server is asked for its types when the first one comes."""
        if not any(is_raw(value) for _, value in changes.other):
            return changes
        if not self._types_loaded:
            self._types_loaded = True
            try:
                await self._session.client.load_data_type_definitions()
            except Exception as e:  # noqa: BLE001 - whatever a server says of its types
                logger.warning("the server's data types are not understood: %s", e)
        other = tuple((row, unpack(value)) for row, value in changes.other)
        return Changes(
            changes.handle,
            changes.value,
            changes.text,
            changes.status,
            changes.source_us,
            changes.server_us,
            other,
        )
