"""OPC UA: data-change subscriptions on one server. Reads only; there is no write."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from asyncua.client.client import Client

from connectors.field.delivery import Sink
from connectors.field.opcua.holes import Holes
from connectors.field.opcua.items import Items
from connectors.field.opcua.listener import Listener
from connectors.field.opcua.memory import Kept, Memory
from connectors.field.opcua.monitoring import Monitoring, ShortQueue
from connectors.field.opcua.pki import Pki
from connectors.field.opcua.publisher import Publisher, SubscriptionGone
from connectors.field.opcua.security import refused, secured_client
from connectors.field.opcua.session import (
    FAULTS,
    LinkLost,
    Patience,
    Session,
    StaleTicketError,
    Ticket,
)
from connectors.field.opcua.subscription import Subscription, next_number
from connectors.field.source import LiveSource, Surroundings, Wanted
from twin.plant import Source

__all__ = ["OpcuaSource"]

SAVE_S = 5.0
"""How old the time may be up to which a next process knows everything. [s]"""

logger = logging.getLogger(__name__)


class OpcuaSource(LiveSource):
    """Listens to nodes of one OPC UA server.

    An address is a NodeId whose namespace is named by URI, ``nsu=urn:...;s=reflow.state``, or by
    number, ``ns=2;s=reflow.state``; ``#a.b`` or ``#[3]`` behind it leads into a structure or an
    array. A notification is acknowledged when all of it is durable. After a loss of connection
    what was missed is had in this order: the same session and Republish; the subscription
    transferred, and Republish; a new one, and the server's history; a recorded gap.
    """

    def __init__(
        self,
        name: str,
        entry: Source,
        url: str,
        signals: Sequence[Wanted],
        around: Surroundings | None = None,
        patience: Patience | None = None,
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            name: As in the plant file.
            entry: What the plant file says of it.
            url: Where it is; in place of the entry's.
            signals: What is wanted.
            around: Where it finds files and how it waits; None for the usual.
            patience: How long the server may take; None for the usual.
        """
        super().__init__(name, entry, url, signals, around)
        self.attached = ""
        """How the subscription of this connection came about: new, resumed or transferred."""
        self._options = entry.opcua
        self._patience = patience or Patience()
        self._memory = Memory(self.around.data, name)
        kept, saved = self._memory.load(url)
        self._items = Items.of(self.signals, self._options, saved)
        self._holes = Holes(self._items)
        self._ticket: Ticket | None = None
        self._subscription: Subscription | None = None
        if kept is not None:
            self._ticket = kept.ticket
            number = self._memory.durable_number(kept.subscription_id)
            self._subscription = Subscription(
                kept.subscription_id,
                kept.interval_ms,
                kept.keep_alives,
                expected=None if number is None else next_number(number),
                heard_us=kept.heard_us,
            )
        self._missing = asyncio.Event()
        self._warned_of_queues = False
        self._saved_at = 0.0

    async def _session(self, sink: Sink) -> None:
        session = await self._open()
        subscription, keep = self._subscription, True
        try:
            self._connected = True
            self._ticket = session.ticket
            subscription = await self._attach(session)
            await self._listen(session, subscription, sink)
            keep = self._memory.keeps
        except SubscriptionGone as e:
            if subscription is not None:
                subscription.gone = True
            raise self._unreachable(e, "look at the server") from e
        except (*FAULTS, LinkLost) as e:
            raise self._unreachable(_reason(e), "look at the server") from e
        finally:
            self._save()
            await session.close(keep=keep)

    async def _open(self) -> Session:
        client = Client(self.url, timeout=self._patience.request_s)
        pki = Pki((self.around.data or Path()) / "pki", self.around.wall_s)
        options = self._options
        try:
            await secured_client(client, options, pki, source=self.name, folder=self.around.folder)
            return await Session.open(client, self._patience, self._ticket)
        except FAULTS as e:
            if isinstance(e, StaleTicketError):
                self._ticket = None
            if clear := refused(e, options, pki, source=self.name):
                raise clear from e
            raise self._unreachable(_reason(e), "start the server") from e

    async def _attach(self, session: Session) -> Subscription:
        """Take up the subscription that the server has kept, or make one."""
        self._items.resolve(await session.namespaces())
        before, subscription = self._subscription, None
        if before is not None and not before.gone:
            self.attached = "resumed" if session.resumed else "transferred"
            if await (before.touch(session) if session.resumed else before.transfer(session)):
                subscription = before
        if subscription is None:
            self.attached = "new"
            if before is not None:
                await before.delete(session)
                self._items.forget(before.heard_us)
            interval_ms = self._options.publishing_interval_ms
            subscription = await Subscription.create(session, interval_ms, self._patience)
        self._subscription = subscription
        logger.info('source "%s": connected, subscription %s', self.name, self.attached)
        return subscription

    async def _listen(self, session: Session, subscription: Subscription, sink: Sink) -> None:
        """Until the connection is lost or ``stop``."""
        listener = Listener(
            session, subscription, self._items, self._holes, self.reached_us, sink, self._patience
        )
        listener.history = self._options.history
        listener.on_rejected = self._count_rejected
        monitoring = Monitoring(session, subscription.id, self._options)
        await monitoring.learn_limits()
        await monitoring.tidy(self._items)
        await self._create_missing(monitoring)
        publisher = Publisher(session, subscription, listener.take, self._patience)
        subscription.on_heard = self._save_now_and_then
        subscription.on_acknowledge = partial(self._memory.acknowledged, subscription.id)
        if self.attached != "new":
            await publisher.catch_up()
        running: list[asyncio.Task[None]] = [
            asyncio.create_task(publisher.run()),
            asyncio.create_task(publisher.tend()),
            asyncio.create_task(self._look_again(monitoring)),
            asyncio.create_task(session.renew()),
        ]
        ends = [asyncio.create_task(e.wait()) for e in (session.lost, self._stopping)]
        try:
            await asyncio.wait([*running, *ends], return_when=asyncio.FIRST_COMPLETED)
            publisher.end()
            await asyncio.wait(running[:1])  # a delivery that has begun is never cut short
            for task in running:
                if task.done():
                    task.result()
            if session.lost.is_set():
                raise LinkLost("the connection was lost")
            await self._settle(subscription, publisher)
        finally:
            for waiting in (*running, *ends):
                waiting.cancel()
            await asyncio.gather(*running, *ends, return_exceptions=True)

    async def _settle(self, subscription: Subscription, publisher: Publisher) -> None:
        """Acknowledge what becomes durable soon; the rest comes again at the next start."""
        changed = asyncio.Event()
        subscription.on_room = changed.set
        try:
            async with asyncio.timeout(self._patience.stop_s):
                while subscription.pending:
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            logger.info('source "%s": stopped before everything was durable', self.name)
        publisher.acknowledge()

    async def _create_missing(self, monitoring: Monitoring) -> None:
        wanted = self._items.missing
        if wanted:
            # Before the server is asked, since values come before its answer.
            self._holes.begin(wanted)
            self._warn_of(await monitoring.create(wanted))
            self._save_items()
        missing = self._items.missing
        if not missing:
            self._missing.clear()
            self._all_well()
            return
        self.subscribed.clear()
        self._missing.set()
        names = ", ".join(item.key for item in missing[:3])
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        self._fails(
            f'source "{self.name}": the server has no {names}{more}; add the node there, or '
            f"correct its address in the plant file"
        )

    async def _look_again(self, monitoring: Monitoring) -> None:
        while True:
            await self._missing.wait()
            await self._sleep(self._patience.look_again_s)
            self._items.resolve(await monitoring.session.namespaces())
            await self._create_missing(monitoring)

    def _warn_of(self, short: Sequence[ShortQueue]) -> None:
        if not short or self._warned_of_queues:
            return
        self._warned_of_queues = True
        worst = min(short, key=lambda s: s.keeps_s)
        logger.warning(
            'source "%s": the server keeps %d values of %s where %d were asked for, that is %.3g s '
            "and not %g s%s; raise its limit, or keep_s is not met",
            self.name,
            worst.granted,
            worst.key,
            worst.asked,
            worst.keeps_s,
            self._options.keep_s,
            f" (and {len(short) - 1} more nodes)" if len(short) > 1 else "",
        )

    def _count_rejected(self, count: int) -> None:
        self._rejected += count

    def _save_now_and_then(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._saved_at >= SAVE_S:
            self._saved_at = now
            self._save()

    def _save(self) -> None:
        subscription, ticket = self._subscription, self._ticket
        if subscription is None or ticket is None or not self._memory.keeps:
            return
        self._memory.save(
            Kept(
                url=self.url,
                ticket=ticket,
                subscription_id=subscription.id,
                interval_ms=subscription.interval_ms,
                keep_alives=subscription.keep_alives,
                heard_us=subscription.durable_us,
            )
        )

    def _save_items(self) -> None:
        if self._subscription is not None:
            self._memory.save_items(self._subscription.id, self._items.saved())
            self._save()


def _reason(error: BaseException) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nobody answers at that port"
    if isinstance(error, TimeoutError):
        return "no answer"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
