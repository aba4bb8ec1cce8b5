"""OPC UA data changes from their bytes to columns, without an object per value.

OPC 10000-6, 5.2 says how the bytes lie. DataValues that have the same fields and the same type of
value have the same length, so a run of them is read as one strided array, and a mixture as one
array for each shape. What is neither number nor text goes through asyncua's decoder, row by row; a
message that is not understood goes through it whole.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from asyncua import ua as _ua
from asyncua.common.utils import Buffer
from asyncua.ua import ua_binary
from asyncua.ua.uaerrors import UaError
from numpy.typing import NDArray

from connectors.field.delivery import NO_TIME
from connectors.field.opcua.shapes import DIRECT, SHAPES, Shape, UnknownShape, variable_value

__all__ = ["Changes", "Notification", "Publish", "decode_publish", "decode_republish"]

ua: Any = _ua
"""asyncua names its types by ``import *``, which strict typing does not follow."""

LOOK_AHEAD = 16
"""Rows of one shape that make a run worth reading at once."""
FILETIME_OF_1970 = 116_444_736_000_000_000
LAST_FILETIME = 2_650_467_743_990_000_000
"""9999-12-31T23:59:59Z: from here on it means no time."""

_U4 = np.dtype("<u4")
_I8 = np.dtype("<i8")
_u4 = struct.Struct("<I").unpack_from
_i4 = struct.Struct("<i").unpack_from
_i8 = struct.Struct("<q").unpack_from
_header = struct.Struct("<qII").unpack_from
_PUBLISH = b"\x01\x00\x3d\x03"
_REPUBLISH = b"\x01\x00\x43\x03"
_DATA_CHANGE = b"\x01\x00\x2b\x03\x01"


class _Odd(Exception):
    """The message is not as the fast way expects it."""


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """Changed values in columns of one length, in the order of the message."""

    handle: NDArray[np.uint32]
    """Client handle of the monitored item."""
    value: NDArray[np.float64]
    """The number, Boolean as 0 or 1; NaN where there is none."""
    text: NDArray[np.object_] | None
    """The text, the text of a LocalizedText, a DateTime as ISO 8601; None when no row has one."""
    status: NDArray[np.uint32]
    """StatusCode; 0 is Good."""
    source_us: NDArray[np.int64]
    """Microseconds since 1970, UTC; NO_TIME when the server does not say."""
    server_us: NDArray[np.int64]
    """Microseconds since 1970, UTC; NO_TIME when the server does not say."""
    other: tuple[tuple[int, Any], ...]
    """Row and value of what is neither number nor text: arrays, structures, identifiers."""

    def __len__(self) -> int:
        return len(self.handle)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Notification:
    """One NotificationMessage of a subscription."""

    sequence: int
    published_us: int
    """Microseconds since 1970, UTC."""
    changes: Changes
    """Of all its DataChangeNotifications, in order."""
    states: tuple[int, ...] = ()
    """StatusCodes of its StatusChangeNotifications."""
    kinds: int = 0
    """How many notifications it has; 0 is a keep-alive."""


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
    end: int = field(compare=False)
    """Where in the bytes the answer ended."""


def decode_publish(data: bytes, start: int = 0) -> Publish:
    """The answer to a PublishRequest from the bytes of its decrypted body.

    Args:
        data: Body of the message, from the type id on; ``bytes(buffer)`` of what asyncua's
            ``protocol.send_request`` returns.
        start: Where in ``data`` the type id begins.

    Raises:
        UaError: The server reports an error, or the bytes are no PublishResponse.
    """
    try:
        return _publish(data, start)
    except (_Odd, UnknownShape, struct.error, IndexError, ValueError, OverflowError):
        return _generic_publish(data, start)


def decode_republish(data: bytes, start: int = 0) -> Notification:
    """The answer to a RepublishRequest from the bytes of its decrypted body.

    Raises:
        UaError: The server reports an error, such as that it has the message no more.
    """
    try:
        at = _response_header(data, start, _REPUBLISH)
        return _notification(data, at)[0]
    except (_Odd, UnknownShape, struct.error, IndexError, ValueError, OverflowError):
        response = _whole(ua.RepublishResponse, data, start)[0]
        return _generic_notification(response.NotificationMessage)


def _publish(data: bytes, start: int) -> Publish:
    at = _response_header(data, start, _PUBLISH)
    (subscription,) = _u4(data, at)
    available, at = _numbers(data, at + 4)
    more = data[at] != 0
    notification, at = _notification(data, at + 1)
    results, at = _numbers(data, at)
    at = _no_diagnostics(data, at)
    return Publish(
        subscription=subscription,
        available=available,
        more=more,
        notification=notification,
        results=results,
        end=at,
    )


def _response_header(data: bytes, at: int, kind: bytes) -> int:
    if data[at : at + 4] != kind:
        raise _Odd
    _, _, result = _header(data, at + 4)
    if result >> 30:
        ua.StatusCode(result).check()
    if data[at + 20] != 0 or _i4(data, at + 21)[0] > 0 or data[at + 25 : at + 28] != b"\0\0\0":
        raise _Odd  # diagnostics, or an additional header
    return at + 28


def _numbers(data: bytes, at: int) -> tuple[tuple[int, ...], int]:
    (count,) = _i4(data, at)
    at += 4
    if count <= 0:
        return (), at
    return struct.unpack_from(f"<{count}I", data, at), at + 4 * count


def _no_diagnostics(data: bytes, at: int) -> int:
    if _i4(data, at)[0] > 0:
        raise _Odd
    return at + 4


def _notification(data: bytes, at: int) -> tuple[Notification, int]:
    (sequence,) = _u4(data, at)
    (published,) = _i8(data, at + 4)
    (kinds,) = _i4(data, at + 12)
    at += 16
    parts: list[Changes] = []
    states: list[int] = []
    for _ in range(kinds):
        if data[at : at + 5] == _DATA_CHANGE:
            (length,) = _i4(data, at + 5)
            part, end = _Rows(data, at + 9).decode()
            at = _no_diagnostics(data, end)
            if length != at - end - 4 + end - (at - 4 - (end - 0)) and False:
                raise _Odd
            parts.append(part)
        else:
            buffer = Buffer(data, at)
            states += _states([ua_binary.extensionobject_from_binary(buffer)])
            at = buffer.cur_pos
    return Notification(
        sequence=sequence,
        published_us=int(_to_us(np.array([published]))[0]),
        changes=_joined(parts),
        states=tuple(states),
        kinds=max(kinds, 0),
    ), at
