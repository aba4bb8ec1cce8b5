"""The publish loop of one connection: messages in order, none skipped without a word."""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from asyncua import ua as _ua
from asyncua.ua.uaerrors import UaStatusCodeError

from connectors.field.opcua.decode import Notification, Publish, decode_publish
from connectors.field.opcua.session import LinkLost, Patience, Session, check_fault
from connectors.field.opcua.subscription import LAST_NUMBER, Subscription, is_before, next_number

__all__ = ["Handle", "Publisher", "SubscriptionGone"]

ua: Any = _ua
"""asyncua names its types by ``import *``, which strict typing does not follow."""

PUBLISH_REQUESTS = 3
"""So many may wait at the server, so that it need not wait for us."""
MOST_REPUBLISHED = 100_000
_TRY_AGAIN = {ua.StatusCodes.BadTimeout, ua.StatusCodes.BadRequestTimeout}
_FEWER = {ua.StatusCodes.BadTooManyPublishRequests}
_GONE = {
    ua.StatusCodes.BadNoSubscription,
    ua.StatusCodes.BadSubscriptionIdInvalid,
}

Handle = Callable[[Notification, bool], Awaitable[bool]]
"""Takes a message, and whether one before it is lost for ever; says whether it handed over
something that will become durable."""


class SubscriptionGone(Exception):
    """The server has the subscription no more."""


class Publisher:
    """Sends publish requests while there is room, and gives what comes to ``handle`` in order."""

    def __init__(
        self, session: Session, subscription: Subscription, handle: Handle, patience: Patience
    ) -> None:
        """Prepare; nothing is sent yet."""
        self._session = session
        self._subscription = subscription
        self._handle = handle
        self._patience = patience
        self._wake = asyncio.Event()
        self._answers: deque[tuple[tuple[int, ...], asyncio.Future[Any]]] = deque()
        self._outstanding = 0
        self._most = PUBLISH_REQUESTS
        self._ended = False
        self._busy = False
        self._asked_at = 0.0
        self._silent_s = patience.missed * subscription.keep_alives * subscription.interval_ms / 1e3
        self.heard = False
        """Something came."""
        subscription.on_room = self._wake.set

    def end(self) -> None:
        """Ask nothing more; ``run`` returns when what has come is handed over."""
        self._ended = True
        self._wake.set()

    async def run(self) -> None:
        """Until `end`.

        Raises:
            LinkLost: The server is silent.
            SubscriptionGone: It has the subscription no more.
            OSError, TimeoutError, UaError: The connection is lost.
        """
        while self._answers or not self._ended:
            if not self._ended:
                self._request()
            if self._answers:
                self._busy = True
                await self._take(*self._answers.popleft())
                self._busy = False
                continue
            self._wake.clear()
            try:
                async with asyncio.timeout(self._wait_s()):
                    await self._wake.wait()
            except TimeoutError:
                await self._silence()

    async def tend(self) -> None:
        """Let the server hear from us while a message is being handed over, for ever.

        Raises:
            SubscriptionGone: It has the subscription no more.
            OSError, TimeoutError, UaError: The connection is lost.
        """
        while True:
            await asyncio.sleep(self._patience.held_s)
            if not self._busy:
                continue
            if not await self._subscription.touch(self._session):
                raise SubscriptionGone("the server has ended the subscription")
            # Some servers count only publish requests as a sign of life.
            quiet_s = asyncio.get_running_loop().time() - self._asked_at
            if quiet_s > self._patience.away_s / 3 and not self._outstanding:
                self._request(most=len(self._answers) + 1)

    async def catch_up(self) -> int:
        """Have what was sent while we were away sent again; returns how many messages."""
        found = 0
        if self._subscription.expected is None:
            for number in self._subscription.left:
                message = await self._subscription.republish(self._session, number)
                if message is not None:
                    await self._give(message)
                    found += 1
        while self._subscription.expected is not None and found < MOST_REPUBLISHED:
            number = self._subscription.expected
            message = await self._subscription.republish(self._session, number)
            if message is None:
                break
            await self._give(message)
            found += 1
        return found

    def acknowledge(self) -> None:
        """Send the acknowledgements that are due; for the end, when no answer is waited for."""
        if self._subscription.ready:
            request, _ = self._subscription.publish_request()
            self._session.post(request).add_done_callback(_look_away)

    def _request(self, most: int | None = None) -> None:
        most = most or self._most
        while (under_way := self._outstanding + len(self._answers)) < most:
            if not self._subscription.room(under_way + 1):
                return
            request, acknowledged = self._subscription.publish_request()
            try:
                future = self._session.post(request)
            except BaseException:
                self._subscription.acknowledge_again(acknowledged)
                raise
            self._outstanding += 1
            self._asked_at = asyncio.get_running_loop().time()
            future.add_done_callback(functools.partial(self._answered, acknowledged))

    def _answered(self, acknowledged: tuple[int, ...], future: asyncio.Future[Any]) -> None:
        self._outstanding -= 1
        _look_away(future)
        self._answers.append((acknowledged, future))
        self._wake.set()

    async def _take(self, acknowledged: tuple[int, ...], future: asyncio.Future[Any]) -> None:
        try:
            body = bytes(future.result())
            check_fault(body)
            publish = decode_publish(body)
        except UaStatusCodeError as e:
            self._subscription.acknowledge_again(acknowledged)
            self._refused(e)
            return
        except BaseException:
            self._subscription.acknowledge_again(acknowledged)
            raise
        self.heard = True
        if publish.subscription != self._subscription.id:
            await self._subscription.delete(self._session, publish.subscription)
            return
        await self._in_order(publish)
        self._subscription.heard(publish)

    def _refused(self, error: UaStatusCodeError) -> None:
        if error.code in _GONE:
            raise SubscriptionGone("the server has ended the subscription") from error
        if error.code in _FEWER:
            self._most = max(1, self._most - 1)
        elif error.code not in _TRY_AGAIN:
            raise error

    async def _in_order(self, publish: Publish) -> None:
        message, subscription = publish.notification, self._subscription
        if subscription.expected is None:
            for number in sorted(publish.available):
                if number != message.sequence or not message.count:
                    again = await subscription.republish(self._session, number)
                    if again is not None:
                        await self._give(again)
            subscription.expected = message.sequence
        while is_before(subscription.expected, message.sequence):
            again = await subscription.republish(self._session, subscription.expected)
            if again is None:
                subscription.lossy = True
                subscription.expected = _next_kept(publish, subscription.expected)
            else:
                await self._give(again)
        if message.sequence == subscription.expected:
            await self._give(message)

    async def _give(self, message: Notification) -> None:
        subscription = self._subscription
        if message.count == 0 and not subscription.lossy:
            return
        kept = await self._handle(message, subscription.lossy)
        subscription.lossy = False
        if message.count:
            if not kept:
                subscription.empty(message.sequence)
            subscription.expected = next_number(message.sequence)
        for status in message.states:
            if status >> 30 or status == ua.StatusCodes.GoodSubscriptionTransferred:
                raise SubscriptionGone(
                    f"the server has ended the subscription ({ua.StatusCode(status).name})"
                )

    def _wait_s(self) -> float:
        return self._silent_s if self._outstanding else self._patience.held_s

    async def _silence(self) -> None:
        if not self._outstanding:
            if not await self._subscription.touch(self._session):
                raise SubscriptionGone("the server has ended the subscription")
            return
        if not self.heard and await self._subscription.touch(self._session):
            raise SubscriptionGone("the server publishes nothing on the subscription that it kept")
        raise LinkLost(f"the server was silent for {self._silent_s:g} s")


def _look_away(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()


def _next_kept(publish: Publish, lost: int) -> int:
    """The first message behind a lost one that the server still has; else the one that has come."""
    last = publish.notification.sequence
    kept = [n for n in publish.available if is_before(lost, n) and is_before(n, last)]
    return min(kept, key=lambda n: (n - lost) % LAST_NUMBER, default=last)
