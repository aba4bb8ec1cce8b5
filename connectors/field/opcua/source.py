"""OPC UA: data-change subscriptions on one server. Reads only; there is no write."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncua import ua as _ua
from asyncua.client.client import Client
from asyncua.ua.uaerrors import UaError

from connectors.field.delivery import Delivery, ReadingsBuilder, Sink
from connectors.field.source import LiveSource

__all__ = ["OpcuaSource"]

ua: Any = _ua
"""asyncua names its types by ``import *``, which strict typing does not follow."""

PUBLISHING_INTERVAL_MS = 200.0
QUEUE_SIZE = 5_000
"""Values of one node that the server keeps while we are slow: a minute at 80 a second."""
PROBE_S = 10.0
"""A server that is silent for longer is taken for lost. [s]"""
SESSION_MS = 600_000
LOOK_AGAIN_S = 5.0
"""How often nodes that are not there are looked for. [s]"""
ITEMS_PER_REQUEST = 500

_NAIVE_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - asyncua hands out naive UTC
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_OVERFLOW = 0x480
"""InfoType DataValue with the overflow bit: the server dropped values before this one."""
_NO_FILTER = frozenset(
    {
        ua.StatusCodes.BadMonitoredItemFilterUnsupported,
        ua.StatusCodes.BadMonitoredItemFilterInvalid,
        ua.StatusCodes.BadFilterNotAllowed,
    }
)


class OpcuaSource(LiveSource):
    """Listens to nodes of one OPC UA server.

    An address is a NodeId whose namespace is named by URI, ``nsu=urn:...;s=reflow.state``, or by
    number, ``ns=2;s=reflow.state``. Every write on the server is a reading, also one that repeats
    the value. Times are the server's source timestamps; a node that waits for its first value
    gives no reading.
    """

    async def _session(self, sink: Sink) -> None:
        client = Client(self.url, timeout=PROBE_S, watchdog_intervall=PROBE_S)
        client.session_timeout = SESSION_MS
        lost = asyncio.Event()

        async def on_lost(_: Exception) -> None:
            lost.set()

        client.connection_lost_callback = on_lost
        try:
            await client.connect()
            self._connected = True
            items = _Items(client, self.addresses)
            await items.open(sink, self._count_rejected, lost)
            while not (self._stopping.is_set() or lost.is_set()):
                await self._subscribe(items)
                again = (self._sleep(LOOK_AGAIN_S),) if items.missing else ()
                await self._first_of(lost.wait(), *again)
        except (OSError, TimeoutError, UaError) as e:
            raise self._unreachable(_reason(e), "start the server") from e
        finally:
            await _close(client)
        if lost.is_set():
            raise self._unreachable("the connection was lost", "look at the server")

    async def _subscribe(self, items: _Items) -> None:
        await items.create_missing()
        if not items.missing:
            self._all_well()
            return
        names = ", ".join(self.addresses[i] for i in items.missing[:3])
        more = f" and {len(items.missing) - 3} more" if len(items.missing) > 3 else ""
        self._fails(
            f'source "{self.name}": the server has no {names}{more}; add the node there, or '
            f"correct its address in the plant file"
        )

    def _count_rejected(self, count: int) -> None:
        self._rejected += count


class _Items:
    """The monitored items of one connection."""

    def __init__(self, client: Client, addresses: Sequence[str]) -> None:
        self._session = client.uaclient
        self._client = client
        self._addresses = addresses
        self._subscription_id = 0
        self.missing = list(range(len(addresses)))
        """Indices of addresses that are not subscribed."""

    async def open(self, sink: Sink, rejected: Callable[[int], None], lost: asyncio.Event) -> None:
        async def on_publish(result: Any) -> None:
            # asyncua sends the next PublishRequest when this returns: a full sink holds the server.
            readings, refused = ReadingsBuilder(), 0
            for notification in result.NotificationMessage.NotificationData or ():
                if isinstance(notification, ua.DataChangeNotification):
                    refused += _read(notification.MonitoredItems, readings)
                elif isinstance(notification, ua.StatusChangeNotification):
                    lost.set()
            if refused:
                rejected(refused)
            if len(readings):
                await sink(Delivery(readings=readings.build()))

        wanted = ua.CreateSubscriptionParameters()
        wanted.RequestedPublishingInterval = PUBLISHING_INTERVAL_MS
        wanted.RequestedLifetimeCount = 3_000
        wanted.RequestedMaxKeepAliveCount = 25
        wanted.MaxNotificationsPerPublish = 0
        wanted.PublishingEnabled = True
        created = await self._session.create_subscription(wanted, on_publish)
        self._subscription_id = created.SubscriptionId

    async def create_missing(self) -> None:
        """Subscribe what is not subscribed yet; what the server does not have stays missing."""
        namespaces = await self._client.get_namespace_array()
        nodes = {i: _node_id(self._addresses[i], namespaces) for i in self.missing}
        known = [(i, node) for i, node in nodes.items() if node is not None]
        absent = [i for i, node in nodes.items() if node is None]
        for start in range(0, len(known), ITEMS_PER_REQUEST):
            part = known[start : start + ITEMS_PER_REQUEST]
            codes = await self._create(part, every_write=True)
            plain = [item for item, code in zip(part, codes, strict=True) if code in _NO_FILTER]
            again = dict(zip(plain, await self._create(plain, every_write=False), strict=True))
            absent += [
                item[0]
                for item, code in zip(part, codes, strict=True)
                if again.get(item, code) != ua.StatusCodes.Good
            ]
        self.missing = sorted(absent)

    async def _create(self, nodes: list[tuple[int, Any]], *, every_write: bool) -> list[int]:
        if not nodes:
            return []
        params = ua.CreateMonitoredItemsParameters()
        params.SubscriptionId = self._subscription_id
        params.TimestampsToReturn = ua.TimestampsToReturn.Source
        params.ItemsToCreate = [_request(i, node, every_write) for i, node in nodes]
        results = await self._session.create_monitored_items(params)
        return [int(result.StatusCode.value) for result in results]


def _request(index: int, node: Any, every_write: bool) -> Any:
    item = ua.MonitoredItemCreateRequest()
    item.ItemToMonitor.NodeId = node
    item.ItemToMonitor.AttributeId = ua.AttributeIds.Value
    item.MonitoringMode = ua.MonitoringMode.Reporting
    wanted = item.RequestedParameters
    wanted.ClientHandle = index
    wanted.SamplingInterval = 0.0
    wanted.QueueSize = QUEUE_SIZE
    wanted.DiscardOldest = True
    if every_write:
        wanted.Filter = ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp)
    return item


def _node_id(address: str, namespaces: Sequence[str]) -> Any:
    """The NodeId; None when the address or its namespace is not known to the server."""
    if address.startswith("nsu="):
        uri, _, rest = address[4:].partition(";")
        if uri not in namespaces:
            return None
        address = f"ns={namespaces.index(uri)};{rest}"
    try:
        return ua.NodeId.from_string(address)
    except (UaError, ValueError):
        return None


def _read(items: Sequence[Any], readings: ReadingsBuilder) -> int:
    """Append what the server sent; returns how many values could not be understood or were lost."""
    refused = 0
    for item in items:
        data = item.Value
        status = data.StatusCode.value if data.StatusCode is not None else 0
        if status == ua.StatusCodes.BadWaitingForInitialData:
            continue
        value = data.Value.Value if data.Value is not None else None
        if value is not None and not isinstance(value, float | int | str):
            text = getattr(value, "Text", None)  # LocalizedText
            refused += text is None
            value = text
        refused += status & _OVERFLOW == _OVERFLOW
        stamp = data.SourceTimestamp
        readings.add(
            item.ClientHandle,
            value,
            None if stamp is None else _to_us(stamp),
            min(status >> 30, 2) if value is not None else 2,
        )
    return refused


def _to_us(stamp: datetime) -> int:
    return (stamp - (_EPOCH if stamp.tzinfo else _NAIVE_EPOCH)) // _MICROSECOND


def _reason(error: BaseException) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nobody answers at that port"
    return str(error) or type(error).__name__


async def _close(client: Client) -> None:
    # A connection that is gone cannot be closed in order; asyncua says so in many ways.
    with contextlib.suppress(OSError, TimeoutError, UaError, AttributeError):
        await client.disconnect()
