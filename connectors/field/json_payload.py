"""The JSON that plain MQTT sensors send: one value with its time and quality; the topic names it.

::

    {"value": 21.5, "timestamp": "2026-03-16T05:30:00.000250Z", "quality": "good"}

``timestamp`` is ISO 8601 with an offset, or whole milliseconds since 1970. Only ``value`` must be
there; other keys are left alone, and a bare JSON number or text is taken as the value.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from twin.errors import DataError

__all__ = ["BAD", "GOOD", "UNCERTAIN", "JsonReading", "decode_json", "encode_json"]

GOOD, UNCERTAIN, BAD = 0, 1, 2
"""The codes of ``twin.telemetry.Quality``, for code that may not import telemetry."""

_QUALITY = {"good": GOOD, "uncertain": UNCERTAIN, "bad": BAD}
_WORD = {code: word for word, code in _QUALITY.items()}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonReading:
    """What one message says."""

    value: float | str | None
    """In the unit that the sensor sends; None when it has no value."""
    timestamp_us: int | None
    """When it was measured, microseconds since 1970 UTC; None when the sensor does not say."""
    quality: int = GOOD


def encode_json(value: float | str | None, timestamp_us: int, quality: int = GOOD) -> bytes:
    """The message of one reading.

    Args:
        value: In the unit that the sensor sends; None or NaN for a missing value.
        timestamp_us: When it was measured, microseconds since 1970 UTC.
        quality: GOOD, UNCERTAIN or BAD.

    Example:
        >>> encode_json(21.5, 250)
        b'{"value":21.5,"timestamp":"1970-01-01T00:00:00.000250Z","quality":"good"}'
    """
    if isinstance(value, float) and not math.isfinite(value):
        value = None
    instant = _EPOCH + timedelta(microseconds=timestamp_us)
    stamp = instant.isoformat(timespec="microseconds").replace("+00:00", "Z")
    document = {"value": value, "timestamp": stamp, "quality": _WORD[quality]}
    return json.dumps(document, separators=(",", ":")).encode()


def decode_json(payload: bytes) -> JsonReading:
    """What the message says; a value that is missing or not finite is BAD.

    Raises:
        DataError: Not JSON of this form; the message says what was found.

    Example:
        >>> decode_json(b'{"value": 1, "timestamp": "1970-01-01T01:00:01+01:00"}')
        JsonReading(value=1.0, timestamp_us=1000000, quality=0)
    """
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError) as e:  # the second: brackets nested without end
        raise DataError(f"not JSON: {bytes(payload[:40])!r}") from e
    if not isinstance(document, dict):
        document = {"value": document}
    if "value" not in document:
        raise DataError(f'no "value" among {", ".join(map(str, document)) or "no keys"}')
    value = _value(document["value"])
    quality = _quality(document.get("quality", "good"))
    return JsonReading(
        value=value,
        timestamp_us=_timestamp_us(document.get("timestamp")),
        quality=BAD if value is None else quality,
    )


def _value(found: object) -> float | str | None:
    if found is None or isinstance(found, str):
        return found
    if isinstance(found, int | float):
        try:
            number = float(found)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None
    raise DataError(f"value is a {type(found).__name__}; use a number, a text or null")


def _quality(found: object) -> int:
    try:
        return _QUALITY[found]  # type: ignore[index]
    except (KeyError, TypeError):
        raise DataError(f"quality {found!r} is not good, uncertain or bad") from None


def _timestamp_us(found: object) -> int | None:
    if found is None:
        return None
    if isinstance(found, int) and not isinstance(found, bool):
        instant_us = found * 1000
        if abs(instant_us) < 2**63:
            return instant_us
    elif isinstance(found, str):
        try:
            instant = datetime.fromisoformat(found)
        except ValueError:
            instant = None
        if instant is not None and instant.tzinfo is not None:
            return (instant - _EPOCH) // _MICROSECOND
    raise DataError(
        f"timestamp {found!r} is neither ISO 8601 with an offset nor milliseconds since 1970"
    )
