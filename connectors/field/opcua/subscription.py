"""A subscription at an OPC UA server, which outlives the connection it was made on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from asyncua import ua as _ua
from asyncua.ua.uaerrors import UaStatusCodeError

from connectors.field.delivery import NO_TIME
from connectors.field.opcua.decode import Notification, Publish, decode_republish
from connectors.field.opcua.session import Patience, Session

__all__ = ["LAST_NUMBER", "Subscription", "before_number", "is_before", "next_number"]

ua: Any = _ua
"""asyncua names its types by ``import *``, which strict typing does not follow."""

FIRST_WINDOW = 50
"""Unacknowledged messages that a server is trusted to keep until we know better; some drop all
of them at 100."""
MOST_VALUES_PER_MESSAGE = 10_000
LAST_NUMBER = 2**32 - 1


@dataclass(slots=True, kw_only=True)
class _Numbers:
    pending: set[int]
    """Handed over, not durable yet."""
    ready: list[int]
    """Durable, to be acknowledged with the next publish request."""


class Subscription:
    """Its number and rates, which messages came, and which may be acknowledged."""

    def __init__(
        self,
        subscription_id: int,
        interval_ms: float,
        keep_alives: int,
        expected: int | None = None,
        heard_us: int = NO_TIME,
    ) -> None:
        """Know a subscription that the server has.

        Args:
            subscription_id: By the server.
            interval_ms: Publishing interval that the server granted.
            keep_alives: After so many intervals without news the server says so.
            expected: Number of the next message; None when we do not know what came before.
            heard_us: Up to here everything is known. Microseconds since 1970, server's clock.
        """
        self.id = subscription_id
        self.interval_ms = interval_ms
        self.keep_alives = keep_alives
        self.expected = expected
        self.heard_us = heard_us
        self.durable_us = heard_us
        """Up to here everything is known and durable; NO_TIME when that is not known."""
        self.left: tuple[int, ...] = ()
        """Numbers of unacknowledged messages that the server had when it was transferred."""
        self.gone = False
        """The server has it no more."""
        self.lossy = False
        """A message was skipped that the server has no more, and nobody was told yet."""
        self.window = FIRST_WINDOW
        """So many unacknowledged messages the server keeps for Republish."""
        self.on_room: Callable[[], None] = lambda: None
        """Called when an acknowledgement became possible."""
        self.on_heard: Callable[[], None] = lambda: None
        """Called after each answer."""
        self.on_acknowledge: Callable[[int], None] = lambda _: None
        """Told, before an acknowledgement leaves, up to which number everything is durable."""
        self._last = 0 if expected is None else before_number(expected)
        self._numbers = _Numbers(pending=set(), ready=[])

    @classmethod
    async def create(cls, session: Session, interval_ms: float, patience: Patience) -> Subscription:
        """Have the server make one.

        Raises:
            OSError, TimeoutError, UaError: It does not.
        """
        keep_alives = max(1, math.ceil(patience.keep_alive_s * 1000 / interval_ms))
        request = ua.CreateSubscriptionRequest()
        wanted = request.Parameters
        wanted.RequestedPublishingInterval = interval_ms
        wanted.RequestedMaxKeepAliveCount = keep_alives
        wanted.RequestedLifetimeCount = max(
            3 * keep_alives, math.ceil(patience.away_s * 1000 / interval_ms)
        )
        wanted.MaxNotificationsPerPublish = MOST_VALUES_PER_MESSAGE
        wanted.PublishingEnabled = True
        granted = (await session.ask(request, ua.CreateSubscriptionResponse)).Parameters
        return cls(
            granted.SubscriptionId,
            granted.RevisedPublishingInterval or interval_ms,
            granted.RevisedMaxKeepAliveCount or keep_alives,
            expected=1,
        )

    async def touch(self, session: Session) -> bool:
        """Whether the session has it; its lifetime and the session's begin anew."""
        request = ua.SetPublishingModeRequest()
        request.Parameters.PublishingEnabled = True
        request.Parameters.SubscriptionIds = [self.id]
        try:
            response = await session.ask(request, ua.SetPublishingModeResponse)
        except UaStatusCodeError:
            return False
        return all(result.is_good() for result in response.Parameters.Results)

    async def transfer(self, session: Session) -> bool:
        """Have it moved from a session that is gone to this one; False when the server refuses."""
        request = ua.TransferSubscriptionsRequest()
        request.Parameters.SubscriptionIds = [self.id]
        request.Parameters.SendInitialValues = False
        try:
            response = await session.ask(request, ua.TransferSubscriptionsResponse)
        except UaStatusCodeError:
            return False
        results = response.Parameters.Results
        self.left = tuple(sorted(n for r in results for n in r.AvailableSequenceNumbers or ()))
        return all(result.StatusCode.is_good() for result in results)

    async def delete(self, session: Session, subscription_id: int | None = None) -> None:
        """Have the server forget it, or a stranger, so that it does not run beside its successor."""
        request = ua.DeleteSubscriptionsRequest()
        request.Parameters.SubscriptionIds = [subscription_id or self.id]
        try:
            await session.call(request)
        except UaStatusCodeError:
            return

    async def republish(self, session: Session, number: int) -> Notification | None:
        """A message again; None when the server has it no more."""
        request = ua.RepublishRequest()
        request.Parameters.SubscriptionId = self.id
        request.Parameters.RetransmitSequenceNumber = number
        try:
            found = decode_republish(await session.call(request))
        except UaStatusCodeError:
            return None
        return found if found.sequence == number and found.count else None

    def publish_request(self) -> tuple[Any, tuple[int, ...]]:
        """The next publish request, and what it acknowledges."""
        numbers = tuple(self._numbers.ready)
        self._numbers.ready.clear()
        if numbers:
            self.on_acknowledge(self._durable_number())
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements = [
            ua.SubscriptionAcknowledgement(self.id, number) for number in numbers
        ]
        return request, numbers

    def acknowledge_again(self, numbers: Iterable[int]) -> None:
        """The request that carried these acknowledgements may not have arrived."""
        self._numbers.ready.extend(numbers)

    def handed_over(self, number: int, published_us: int) -> Callable[[], None]:
        """A message is on its way to the disk; to be called when it is there."""
        self._numbers.pending.add(number)
        self._last = number

        def durable() -> None:
            self._numbers.pending.discard(number)
            self._numbers.ready.append(number)
            if not self._numbers.pending:
                self.durable_us = self.heard_us
            elif number < min(self._numbers.pending):
                self.durable_us = max(self.durable_us, published_us)
            self.on_room()

        return durable

    def empty(self, number: int) -> None:
        """A message had nothing to keep."""
        self._last = number
        self._numbers.ready.append(number)

    def heard(self, publish: Publish) -> None:
        """Learn from an answer up to when everything is known, and how much the server keeps."""
        message = publish.notification
        if not publish.more:
            self.heard_us = max(self.heard_us, message.published_us)
            if not self._numbers.pending:
                self.durable_us = self.heard_us
        dropped = self._numbers.pending - set(publish.available) - {message.sequence}
        if dropped and publish.available:
            self.window = max(1, min(self.window, len(publish.available)))
        self.on_heard()

    @property
    def pending(self) -> int:
        """Messages that were handed over and are not durable yet."""
        return len(self._numbers.pending)

    @property
    def ready(self) -> bool:
        """There is something to acknowledge."""
        return bool(self._numbers.ready)

    def _durable_number(self) -> int:
        """Messages are handed over in order: everything before the first that is pending."""
        first = None
        for number in self._numbers.pending:
            if first is None or is_before(number, first):
                first = number
        return self._last if first is None else before_number(first)

    def room(self, messages: int) -> bool:
        """So many more would not make the server drop one that is not durable here."""
        return len(self._numbers.pending) + messages <= self.window


def next_number(number: int) -> int:
    """The sequence number behind this one.

    Example:
        >>> next_number(4294967295)
        1
    """
    return 1 if number >= LAST_NUMBER else number + 1


def before_number(number: int) -> int:
    """The sequence number ahead of this one; 0 ahead of the first.

    Example:
        >>> before_number(next_number(7)), before_number(1)
        (7, 0)
    """
    return number - 1


def is_before(a: int, b: int) -> bool:
    """Whether number a came before b, over the end of the numbers.

    Example:
        >>> is_before(4294967295, 2), is_before(7, 7), is_before(9, 7)
        (True, False, False)
    """
    return 0 < (b - a) % LAST_NUMBER < LAST_NUMBER // 2
