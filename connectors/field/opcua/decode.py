"""The answers to Publish, Republish and HistoryRead, from their bytes to columns.

A message that is not understood goes through asyncua's own decoder whole, with the same result.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from asyncua import ua as _ua
from asyncua.common.utils import Buffer
from asyncua.ua import ua_binary

from connectors.field.opcua.changes import Changes, from_objects, to_us
from connectors.field.opcua.columns import OddError, read_values

__all__ = [
    "Changes",
    "History",
    "Notification",
    "Publish",
    "decode_history",
    "decode_publish",
    "decode_republish",
]

ua: Any = _ua
"""asyncua names its types by ``import *``, which strict typing does not follow."""

_PUBLISH = b"\x01\x00\x3d\x03"
_REPUBLISH = b"\x01\x00\x43\x03"
_HISTORY_READ = b"\x01\x00\x9b\x02"
_HISTORY_DATA = b"\x01\x00\x92\x02\x01"
_DATA_CHANGE = b"\x01\x00\x2b\x03\x01"
_u4 = struct.Struct("<I").unpack_from
_i4 = struct.Struct("<i").unpack_from
_message_head = struct.Struct("<Iqi").unpack_from

_NOT_UNDERSTOOD = (OddError, struct.error, IndexError, ValueError, TypeError, OverflowError)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Notification:
    """One NotificationMessage of a subscription."""

    sequence: int
    published_us: int
    """Microseconds since 1970, UTC."""
    changes: Changes
    """Of all its DataChangeNotifications, in order."""
    states: tuple[int, ...]
    """StatusCodes of its StatusChangeNotifications."""
    count: int
    """How many notifications of any kind; 0 is a keep-alive, which is not acknowledged."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Publish:
    """The answer to one PublishRequest."""

    subscription: int
    available: tuple[int, ...]
    """Sequence numbers that the server still has, for Republish."""
    more: bool
    """The server has more than fits into this answer."""
    notification: Notification
    results: tuple[int, ...]
    """StatusCodes of the acknowledgements in the request."""
    end: int
    """Where in the bytes the answer ended."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class History:
    """What a HistoryReadRequest brought for one node."""

    status: int
    """StatusCode; 0 is Good."""
    continuation: bytes | None
    """Where the server would go on; None when this is all."""
    values: Changes


def decode_publish(data: bytes, start: int = 0) -> Publish:
    """The answer to a PublishRequest.

    Args:
        data: Body of the decrypted message, from its type id on; ``bytes(buffer)`` of what
            asyncua's ``protocol.send_request`` returns.
        start: Where in ``data`` the type id begins.

    Raises:
        UaError: The server reports an error, or the bytes are no PublishResponse.
    """
    try:
        return _publish(data, start)
    except _NOT_UNDERSTOOD:
        return _publish_by_objects(data, start)


def decode_republish(data: bytes, start: int = 0) -> Notification:
    """The answer to a RepublishRequest; arguments as for `decode_publish`.

    Raises:
        UaError: The server reports an error, such as that it has the message no more, or the
            bytes are no RepublishResponse.
    """
    try:
        return _notification(data, _response_header(data, start, _REPUBLISH))[0]
    except _NOT_UNDERSTOOD:
        response, _ = _whole(ua.RepublishResponse, data, start)
        return _notification_of(response.NotificationMessage)


def decode_history(data: bytes, start: int = 0) -> tuple[History, ...]:
    """The answer to a HistoryReadRequest for raw values, one for each node that was asked for.

    Raises:
        UaError: The server reports an error, or the bytes are no HistoryReadResponse.
    """
    try:
        return _history(data, start)
    except _NOT_UNDERSTOOD:
        response, _ = _whole(ua.HistoryReadResponse, data, start)
        return tuple(map(_history_of, response.Results or ()))


def _publish(data: bytes, start: int) -> Publish:
    at = _response_header(data, start, _PUBLISH)
    (subscription,) = _u4(data, at)
    available, at = _numbers(data, at + 4)
    notification, end = _notification(data, at + 1)
    results, end = _numbers(data, end)
    return Publish(
        subscription=subscription,
        available=available,
        more=data[at] != 0,
        notification=notification,
        results=results,
        end=_no_diagnostics(data, end),
    )


def _response_header(data: bytes, at: int, kind: bytes) -> int:
    if data[at : at + 4] != kind:
        raise OddError
    (result,) = _u4(data, at + 16)
    if result >> 30:
        ua.StatusCode(result).check()
    # Behind it: diagnostics, a table of strings, an additional header; servers leave them empty.
    if data[at + 20] != 0 or _i4(data, at + 21)[0] > 0 or data[at + 25 : at + 28] != b"\0\0\0":
        raise OddError
    return at + 28


def _numbers(data: bytes, at: int) -> tuple[tuple[int, ...], int]:
    (count,) = _i4(data, at)
    if count <= 0:
        return (), at + 4
    return struct.unpack_from(f"<{count}I", data, at + 4), at + 4 + 4 * count


def _no_diagnostics(data: bytes, at: int) -> int:
    if _i4(data, at)[0] > 0:
        raise OddError
    return at + 4


def _notification(data: bytes, at: int) -> tuple[Notification, int]:
    sequence, published, count = _message_head(data, at)
    at += 16
    parts: list[Changes] = []
    states: list[int] = []
    for _ in range(count):
        if data[at : at + 5] == _DATA_CHANGE:
            length, rows = struct.unpack_from("<ii", data, at + 5)
            part, end = read_values(data, at + 13, max(rows, 0))
            end = _no_diagnostics(data, end)
            if end != at + 9 + length:
                raise OddError
            parts.append(part)
            at = end
        else:
            buffer = Buffer(data, at)
            states += _states([ua_binary.extensionobject_from_binary(buffer)])
            at = buffer.cur_pos
    return Notification(
        sequence=sequence,
        published_us=int(to_us(np.array([published]))[0]),
        changes=Changes.concat(parts),
        states=tuple(states),
        count=max(count, 0),
    ), at


def _history(data: bytes, start: int) -> tuple[History, ...]:
    at = _response_header(data, start, _HISTORY_READ)
    (count,) = _i4(data, at)
    at += 4
    found: list[History] = []
    for _ in range(count):
        status, length = struct.unpack_from("<Ii", data, at)
        continuation = data[at + 8 : at + 8 + length] if length >= 0 else None
        at += 8 + max(length, 0)
        values = Changes.empty()
        if data[at : at + 5] == _HISTORY_DATA:
            length, rows = struct.unpack_from("<ii", data, at + 5)
            values, end = read_values(data, at + 13, max(rows, 0), handles=False)
            if end != at + 9 + length:
                raise OddError
            at = end
        elif data[at : at + 3] == b"\0\0\0":
            at += 3
        else:
            raise OddError
        found.append(History(status=status, continuation=continuation or None, values=values))
    _no_diagnostics(data, at)
    return tuple(found)


def _history_of(result: Any) -> History:
    values = getattr(result.HistoryData, "DataValues", None)
    return History(
        status=result.StatusCode.value,
        continuation=result.ContinuationPoint or None,
        values=from_objects(values or ()),
    )


def _whole(kind: Any, data: bytes, start: int) -> tuple[Any, int]:
    buffer = Buffer(data, start)
    try:
        response = ua_binary.struct_from_binary(kind, buffer)
    except ua.UaError:
        raise
    except Exception as e:  # whatever the bytes are, the caller gets one kind of error
        raise ua.UaError(f"{kind.__name__} not understood: {type(e).__name__}: {e}") from e
    response.ResponseHeader.ServiceResult.check()
    return response, buffer.cur_pos


def _publish_by_objects(data: bytes, start: int) -> Publish:
    response, end = _whole(ua.PublishResponse, data, start)
    found = response.Parameters
    return Publish(
        subscription=found.SubscriptionId,
        available=tuple(found.AvailableSequenceNumbers or ()),
        more=bool(found.MoreNotifications),
        notification=_notification_of(found.NotificationMessage),
        results=tuple(result.value for result in found.Results or ()),
        end=end,
    )


def _notification_of(message: Any) -> Notification:
    kinds = message.NotificationData or ()
    changes = [
        from_objects(
            [item.Value for item in kind.MonitoredItems or ()],
            [item.ClientHandle for item in kind.MonitoredItems or ()],
        )
        for kind in kinds
        if isinstance(kind, ua.DataChangeNotification)
    ]
    published = np.array([ua.datetime_to_win_epoch(message.PublishTime)])
    return Notification(
        sequence=message.SequenceNumber,
        published_us=int(to_us(published)[0]),
        changes=Changes.concat(changes),
        states=tuple(_states(kinds)),
        count=len(kinds),
    )


def _states(kinds: Any) -> list[int]:
    return [k.Status.value for k in kinds if isinstance(k, ua.StatusChangeNotification)]
