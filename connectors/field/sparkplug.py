"""Sparkplug B on the wire: topics, and the protobuf payload of births, data and deaths.

Reads and writes the fields that telemetry needs of ``org.eclipse.tahu.protobuf.Payload`` and
skips metadata; a metric whose value is a template, data set, array or file says only that. Pure:
bytes in, records out.

Source:
    Eclipse Sparkplug Specification 3.0, chapters 4 (topics) and 6 (payloads);
    eclipse/tahu ``sparkplug_b/sparkplug_b.proto``.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from connectors.field.protobuf import as_bytes, as_int, fields, put_bytes, put_int
from twin.errors import DataError

__all__ = [
    "BD_SEQ",
    "MOST_METRICS",
    "NAMESPACE",
    "QUALITY_BAD",
    "QUALITY_GOOD",
    "QUALITY_STALE",
    "REBIRTH",
    "DataType",
    "MessageType",
    "Metric",
    "Payload",
    "Topic",
    "decode_metric",
    "decode_payload",
    "encode_payload",
    "typed",
]

NAMESPACE = "spBv1.0"
BD_SEQ = "bdSeq"
"""Name of the metric that ties a death to its birth."""
REBIRTH = "Node Control/Rebirth"
"""Name of the metric that asks an edge node to send its births again."""
MOST_METRICS = 100_000
"""Of one message; more are poison, for nobody else would be heard meanwhile."""
QUALITY_BAD, QUALITY_GOOD, QUALITY_STALE = 0, 192, 500
"""Values of a metric's ``Quality`` property."""


class DataType(IntEnum):
    """Types of a metric that have one plain value."""

    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATETIME = 13
    TEXT = 14


_STRANGE = {16: "an array or file", 17: "a data set", 18: "a template", 19: "an extension"}
"""By number of the field."""
_NAMES = {kind.value: kind.name for kind in DataType}
_SIGNED_BITS = {1: 32, 2: 32, 3: 32, 4: 64}
_OWN_BITS = {1: 8, 2: 16, 3: 32, 4: 64}
_LONG = {4, 8, 13}
_INT = {1, 2, 3, 5, 6, 7}


class MessageType(StrEnum):
    """What a message is, as its topic says."""

    NBIRTH = "NBIRTH"
    NDEATH = "NDEATH"
    NDATA = "NDATA"
    NCMD = "NCMD"
    DBIRTH = "DBIRTH"
    DDEATH = "DDEATH"
    DDATA = "DDATA"
    DCMD = "DCMD"


_KINDS = frozenset(kind.value for kind in MessageType)


@dataclass(frozen=True, slots=True)
class Topic:
    """``spBv1.0/group/type/edge-node[/device]``.

    Example:
        >>> str(Topic("electronics", MessageType.NDATA, "line1-meters"))
        'spBv1.0/electronics/NDATA/line1-meters'
    """

    group: str
    kind: MessageType
    node: str
    device: str | None = None

    def __str__(self) -> str:
        device = f"/{self.device}" if self.device else ""
        return f"{NAMESPACE}/{self.group}/{self.kind}/{self.node}{device}"

    @classmethod
    def parse(cls, text: str) -> Topic:
        """The topic in parts.

        Raises:
            DataError: Not a Sparkplug B topic of a node or device.
        """
        parts = text.split("/")
        if parts[0] != NAMESPACE or len(parts) not in (4, 5) or parts[2] not in _KINDS:
            raise DataError(f'"{text}" is not {NAMESPACE}/group/type/node[/device]')
        return cls(parts[1], MessageType(parts[2]), parts[3], parts[4] if len(parts) > 4 else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One value of one metric."""

    name: str | None = None
    """Always in a birth; in data only where the metric has no alias."""
    alias: int | None = None
    timestamp_ms: int | None = None
    """When it was measured, milliseconds since 1970 UTC."""
    datatype: int | None = None
    """A ``DataType``; always in a birth, mostly left out in data."""
    value: float | int | str | None = None
    """None is sent and read as ``is_null``."""
    is_historical: bool = False
    quality: int | None = None
    """``Quality`` property: QUALITY_GOOD, QUALITY_BAD, QUALITY_STALE; None when not sent."""
    strange: str | None = None
    """What the value is when it is not one number or text: a template, a data set ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """One message."""

    timestamp_ms: int | None = None
    """When it was sent, milliseconds since 1970 UTC."""
    seq: int | None = None
    """0 to 255, one more with each message of the node; not in a death."""
    metrics: Sequence[Metric] = ()


def typed(value: float | int | str | None, datatype: int | None) -> float | int | str | None:
    """A value as its datatype says; negative integers travel as two's complement.

    Example:
        >>> typed(4294967295, DataType.INT32), typed(4294967295, DataType.UINT32)
        (-1, 4294967295)
    """
    if isinstance(value, int) and not isinstance(value, bool):
        bits = _OWN_BITS.get(datatype or 0)
        if bits is not None and value >> (bits - 1):
            return _signed(value, bits)
    return value


def _signed(value: int, bits: int) -> int:
    # A negative number comes in its own width, in 32 bits, or widened to 64 as protobuf's int32.
    for width in (bits, 32, 64):
        if value >> width == 0:
            return value - (1 << width) if value >> (width - 1) else value
    return value


def encode_payload(payload: Payload) -> bytes:
    """The bytes of a message.

    Raises:
        DataError: A value does not fit its datatype, or has none.

    Example:
        >>> encode_payload(Payload(seq=7)).hex()
        '1807'
    """
    out = bytearray()
    if payload.timestamp_ms is not None:
        put_int(out, 1, payload.timestamp_ms)
    for metric in payload.metrics:
        put_bytes(out, 2, _encode_metric(metric))
    if payload.seq is not None:
        put_int(out, 3, payload.seq)
    return bytes(out)


def decode_payload(data: bytes) -> Payload:
    """The message of the bytes; fields of no use to telemetry are skipped.

    Integers of a metric that carries its datatype are already signed; for the others call
    ``typed`` with the datatype of the birth.

    Raises:
        DataError: Not a protobuf message of this form.

    Example:
        >>> decode_payload(bytes.fromhex("1807")).seq
        7
    """
    timestamp_ms: int | None = None
    seq: int | None = None
    metrics: list[Metric] = []
    try:
        for field, found in fields(data):
            if field == 2:
                if len(metrics) == MOST_METRICS:
                    raise DataError(f"more than {MOST_METRICS} metrics in one message")
                metrics.append(decode_metric(as_bytes(found)))
            elif field == 1:
                timestamp_ms = as_int(found)
            elif field == 3:
                seq = as_int(found)
    except (struct.error, UnicodeDecodeError) as e:
        raise DataError(f"not a Sparkplug payload: {e}") from e
    return Payload(timestamp_ms=timestamp_ms, seq=seq, metrics=tuple(metrics))


def _encode_metric(metric: Metric) -> bytearray:
    out = bytearray()
    if metric.name is not None:
        put_bytes(out, 1, metric.name.encode())
    if metric.alias is not None:
        put_int(out, 2, metric.alias)
    if metric.timestamp_ms is not None:
        put_int(out, 3, metric.timestamp_ms)
    if metric.datatype is not None:
        put_int(out, 4, metric.datatype)
    if metric.is_historical:
        put_int(out, 5, 1)
    if metric.value is None:
        put_int(out, 7, 1)
    if metric.quality is not None:
        put_bytes(out, 9, _quality_property(metric.quality))
    if metric.value is not None:
        _put_value(out, metric.value, metric.datatype)
    return out


def _put_value(out: bytearray, value: float | int | str, datatype: int | None) -> None:
    kind = _kind_of(value) if datatype is None else datatype
    try:
        if isinstance(value, str):
            if kind not in (DataType.STRING, DataType.TEXT):
                raise DataError(f"{value!r} does not fit {_named(kind)}")
            put_bytes(out, 15, value.encode())
        elif kind in _INT or kind in _LONG:
            bits = 64 if kind in _LONG else 32
            put_int(out, 11 if kind in _LONG else 10, _unsigned(value, bits, kind))
        elif kind == DataType.FLOAT:
            out += b"\x65" + struct.pack("<f", value)
        elif kind == DataType.DOUBLE:
            out += b"\x69" + struct.pack("<d", value)
        elif kind == DataType.BOOLEAN:
            put_int(out, 14, int(bool(value)))
        else:
            raise DataError(f"{value!r} does not fit {_named(kind)}")
    except (OverflowError, struct.error) as e:
        raise DataError(f"{value!r} does not fit {_named(kind)}") from e


def _kind_of(value: float | int | str) -> DataType:
    if isinstance(value, str):
        return DataType.STRING
    if isinstance(value, bool):
        return DataType.BOOLEAN
    return DataType.INT64 if isinstance(value, int) else DataType.DOUBLE


def _named(kind: int) -> str:
    return f"datatype {_NAMES.get(kind, kind)}"


def _unsigned(value: float, bits: int, kind: int) -> int:
    whole = int(value)
    low = -(1 << (bits - 1)) if kind in _SIGNED_BITS else 0
    high = 1 << (bits - 1 if kind in _SIGNED_BITS else bits)
    if whole != value or not low <= whole < high:
        raise DataError(f"{value!r} does not fit {_named(kind)}")
    return whole & ((1 << bits) - 1)


def _quality_property(quality: int) -> bytearray:
    """A PropertySet of one Int32 with the key ``Quality``."""
    value = bytearray()
    put_int(value, 1, DataType.INT32)
    put_int(value, 3, quality)
    out = bytearray()
    put_bytes(out, 1, b"Quality")
    put_bytes(out, 2, value)
    return out


def decode_metric(data: bytes) -> Metric:
    """One metric of a message.

    Raises:
        DataError: Not protobuf of this form, or it has neither name nor alias.
    """
    name: str | None = None
    alias = timestamp_ms = datatype = quality = None
    value: float | int | str | None = None
    strange: str | None = None
    is_null = is_historical = False
    for field, found in fields(data):
        if field == 1:
            name = as_bytes(found).decode()
        elif field == 2:
            alias = as_int(found)
        elif field == 3:
            timestamp_ms = as_int(found)
        elif field == 4:
            datatype = as_int(found) & 0xFFFFFFFF
        elif field == 5:
            is_historical = bool(as_int(found))
        elif field == 7:
            is_null = bool(as_int(found))
        elif field == 9:
            quality = _decode_quality(as_bytes(found))
        elif 10 <= field <= 15:
            value = _decode_value(field, found)
        elif field in _STRANGE:
            strange = _STRANGE[field]
    if name is None and alias is None:
        raise DataError("not a Sparkplug payload: a metric without name and alias")
    return Metric(
        name=name,
        alias=alias,
        timestamp_ms=timestamp_ms,
        datatype=datatype,
        value=None if is_null else typed(value, datatype),
        is_historical=is_historical,
        quality=quality,
        strange=None if is_null else strange,
    )


def _decode_value(field: int, found: int | bytes) -> float | int | str:
    if field == 15:
        return as_bytes(found).decode()
    if field == 12:
        return float(struct.unpack("<f", as_bytes(found))[0])
    if field == 13:
        return float(struct.unpack("<d", as_bytes(found))[0])
    if field == 14:
        return bool(as_int(found))
    return as_int(found) & 0xFFFFFFFF if field == 10 else as_int(found)


def _decode_quality(data: bytes) -> int | None:
    keys: list[str] = []
    values: list[bytes] = []
    for field, found in fields(data):
        if field == 1:
            keys.append(as_bytes(found).decode())
        elif field == 2:
            values.append(as_bytes(found))
    for key, value in zip(keys, values, strict=False):
        if key == "Quality":
            return next((as_int(n) for f, n in fields(value) if f in (3, 4)), None)
    return None
