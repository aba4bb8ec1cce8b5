"""Monitored items at the server: made as wanted, or as near to it as the server goes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from asyncua import ua as _ua
from asyncua.ua.uaerrors import UaStatusCodeError

from connectors.field.opcua.items import STATED_RATE_PER_S, Item, Items
from connectors.field.opcua.session import Session
from twin.plant import OpcuaOptions

__all__ = ["Monitoring", "ShortQueue"]

ua: Any = _ua
"""asyncua names its types by ``import *``, which strict typing does not follow."""

ITEMS_PER_REQUEST = 500
_NO_FILTER = frozenset(
    {
        ua.StatusCodes.BadMonitoredItemFilterUnsupported,
        ua.StatusCodes.BadMonitoredItemFilterInvalid,
        ua.StatusCodes.BadFilterNotAllowed,
        ua.StatusCodes.BadDeadbandFilterInvalid,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortQueue:
    """A node of which the server keeps less than was asked for."""

    key: str
    asked: int
    granted: int
    keeps_s: float
    """So long the granted queue lasts at the rate that we reckon with. [s]"""


class Monitoring:
    """Makes and removes the monitored items of one subscription on one connection."""

    def __init__(self, session: Session, subscription_id: int, options: OpcuaOptions) -> None:
        """Prepare; nothing is asked yet."""
        self.session = session
        self._subscription_id = subscription_id
        self._options = options
        self._at_once = ITEMS_PER_REQUEST
        self.refused: dict[str, int] = {}
        """StatusCode by node, of those that the server has but does not monitor."""

    async def learn_limits(self) -> None:
        """Ask the server how many items it takes at once."""
        ids = ua.ObjectIds
        try:
            (most,) = await self.session.read(
                ids.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall
            )
        except UaStatusCodeError:
            return
        if isinstance(most, int) and most > 0:
            self._at_once = min(ITEMS_PER_REQUEST, most)

    async def create(self, items: Sequence[Item]) -> list[ShortQueue]:
        """Have these monitored; those that the server does not have keep ``item_id`` None.

        Raises:
            OSError, TimeoutError, UaError: The connection is lost, or the subscription is gone.
        """
        short: list[ShortQueue] = []
        known = [item for item in items if item.node is not None]
        for start in range(0, len(known), self._at_once):
            left = known[start : start + self._at_once]
            for filtered in (_with_deadband, _with_time, _without):
                results = await self._create(left, filtered)
                again: list[Item] = []
                for item, result in zip(left, results, strict=True):
                    status = int(result.StatusCode.value)
                    if status in _NO_FILTER and filtered is not _without:
                        again.append(item)
                        continue
                    self._note(item, status)
                    if status >> 30 == 0:
                        item.item_id = result.MonitoredItemId
                        short += self._too_short(item, result)
                if not again:
                    break
                left = again
        return short

    async def remove(self, item_ids: Sequence[int]) -> None:
        """Have these monitored no more; what the server does not have is no error."""
        for start in range(0, len(item_ids), self._at_once):
            request = ua.DeleteMonitoredItemsRequest()
            request.Parameters.SubscriptionId = self._subscription_id
            request.Parameters.MonitoredItemIds = list(item_ids[start : start + self._at_once])
            try:
                await self.session.call(request)
            except UaStatusCodeError:
                continue

    async def tidy(self, items: Items) -> None:
        """Remove what an earlier process wanted and nobody wants any more."""
        await self.remove(items.strangers)
        items.strangers.clear()

    async def _create(self, items: Sequence[Item], filtered: Any) -> Sequence[Any]:
        request = ua.CreateMonitoredItemsRequest()
        request.Parameters.SubscriptionId = self._subscription_id
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        request.Parameters.ItemsToCreate = [self._request(item, filtered(item)) for item in items]
        response = await self.session.ask(request, ua.CreateMonitoredItemsResponse)
        results: Sequence[Any] = response.Results
        return results

    def _request(self, item: Item, change_filter: Any) -> Any:
        request = ua.MonitoredItemCreateRequest()
        request.ItemToMonitor.NodeId = item.node
        request.ItemToMonitor.AttributeId = ua.AttributeIds.Value
        request.MonitoringMode = ua.MonitoringMode.Reporting
        wanted = request.RequestedParameters
        wanted.ClientHandle = item.handle
        wanted.SamplingInterval = item.sampling_ms
        wanted.QueueSize = item.queue
        wanted.DiscardOldest = self._options.discard == "oldest"
        if change_filter is not None:
            wanted.Filter = change_filter
        return request

    def _note(self, item: Item, status: int) -> None:
        if status >> 30 == 2:
            self.refused[item.key] = status
        else:
            self.refused.pop(item.key, None)

    def _too_short(self, item: Item, result: Any) -> list[ShortQueue]:
        sampling_ms = max(item.sampling_ms, result.RevisedSamplingInterval or 0.0)
        rate_per_s = 1000 / sampling_ms if sampling_ms > 0 else STATED_RATE_PER_S
        granted = int(result.RevisedQueueSize)
        if granted >= min(math.ceil(self._options.keep_s * rate_per_s), item.queue):
            return []
        keeps_s = granted / rate_per_s
        return [ShortQueue(key=item.key, asked=item.queue, granted=granted, keeps_s=keeps_s)]


def _with_deadband(item: Item) -> Any:
    if item.deadband is None:
        return _with_time(item)
    kind = ua.DeadbandType.Percent if item.percent else ua.DeadbandType.Absolute
    return ua.DataChangeFilter(
        Trigger=ua.DataChangeTrigger.StatusValue,
        DeadbandType=kind,
        DeadbandValue=item.deadband,
    )


def _with_time(_: Item) -> Any:
    # A value that was measured again is a value again, also when it is the same.
    return ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp)


def _without(_: Item) -> Any:
    return None
