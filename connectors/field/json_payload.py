"""The JSON that plain MQTT sensors send: values with their time and quality; the topic names them.

::

    {"value": 21.5, "timestamp": "2026-03-16T05:30:00.000250Z", "quality": "good"}

That is the form without further words. ``JsonForm`` leads to values, times and qualities that stand
elsewhere; a message may also be a bare value, a list of samples, or an object that holds such a list.
Pure, and shared with the practice plant.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NoReturn

from twin.errors import DataError

__all__ = [
    "BAD",
    "GOOD",
    "UNCERTAIN",
    "JsonForm",
    "JsonReader",
    "JsonReading",
    "JsonRow",
    "decode_json",
    "encode_json",
]

GOOD, UNCERTAIN, BAD = 0, 1, 2
"""The codes of ``twin.telemetry.Quality``, for code that may not import telemetry."""

_QUALITY = {"good": GOOD, "uncertain": UNCERTAIN, "bad": BAD}
_WORD = {code: word for word, code in _QUALITY.items()}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ABSENT = object()
_LATEST = Decimal(2**63 - 1)
_US_IN = {"s": Decimal(1_000_000), "ms": Decimal(1_000), "us": Decimal(1), "ns": Decimal("0.001")}

JsonRow = tuple[int, float | str | None, int | None, int]
"""Which of the paths, value, microseconds since 1970 (None when the sensor does not say), quality."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonReading:
    """What one message says."""

    value: float | str | None
    """In the unit that the sensor sends; None when it has no value."""
    timestamp_us: int | None
    """When it was measured, microseconds since 1970 UTC; None when the sensor does not say."""
    quality: int = GOOD


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonForm:
    """Where a message says what; dots lead into objects, numbers into lists."""

    samples: str | None = None
    """List of samples; its object's time and quality hold for samples without their own."""
    value: str = "value"
    """In a sample that is an object, for an address that names no path of its own."""
    time: str = "timestamp"
    time_form: str = "auto"
    """``iso``, ``s``, ``ms``, ``us``, ``ns``; ``auto``: texts are ISO 8601, numbers milliseconds."""
    quality: str = "quality"


def encode_json(value: float | str | None, timestamp_us: int, quality: int = GOOD) -> bytes:
    """The message of one reading, in the form without further words.

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
    """What a message of one sample says, in the form without further words.

    Raises:
        DataError: Not JSON of this form; the message says what was found.

    Example:
        >>> decode_json(b'{"value": 1, "timestamp": "1970-01-01T01:00:01+01:00"}')
        JsonReading(value=1.0, timestamp_us=1000000, quality=0)
    """
    rows, _ = JsonReader().rows(payload)
    if len(rows) != 1:
        raise DataError(f"{len(rows)} samples; one is wanted")
    _, value, timestamp_us, quality = rows[0]
    return JsonReading(value=value, timestamp_us=timestamp_us, quality=quality)


class JsonReader:
    """Reads the messages of one topic.

    Example:
        >>> JsonReader().rows(b'{"value": 1, "timestamp": "1970-01-01T01:00:01+01:00"}')
        ([(0, 1.0, 1000000, 0)], None)
        >>> boiler = JsonReader(JsonForm(time="at", time_form="s"), ("steam.bar", "steam.degC"))
        >>> boiler.rows(b'{"at": 1.5, "steam": {"bar": 11.2, "degC": 188}}')
        ([(0, 11.2, 1500000, 0), (1, 188.0, 1500000, 0)], None)
    """

    def __init__(self, form: JsonForm | None = None, paths: Sequence[str | None] = (None,)) -> None:
        """Prepare.

        Args:
            form: What the messages look like; None for the usual.
            paths: Where in a sample the values stand; None for ``form.value``, and for a sample
                that is a bare value.

        Raises:
            DataError: A path is empty between its dots.
        """
        form = form or JsonForm()
        self._samples = _path(form.samples) if form.samples else None
        self._time = _path(form.time)
        self._quality = _path(form.quality)
        self._instant = _reader_of_times(form.time_form)
        self._values = [
            (i, _path(path or form.value), path is None) for i, path in enumerate(paths)
        ]
        usual = (form.value, form.time, form.quality)
        one = form.samples is None and list(paths) == [None] and "." not in "".join(usual)
        self._plain = usual if one else None
        self._missing = " nor ".join(f'"{path or form.value}"' for path in paths[:3])

    def rows(self, payload: bytes) -> tuple[list[JsonRow], str | None]:
        """What a message says; a value that is null or not finite is BAD.

        Returns:
            The rows, and what is wrong with the others, in one line; None when nothing is.

        Raises:
            DataError: No row at all can be had; the message says what was found.
        """
        document = _parsed(payload)
        if self._plain is not None and type(document) is dict:
            row = self._usual(document, *self._plain)
            if row is not None:
                return [row], None
        rows: list[JsonRow] = []
        if self._samples is None and not isinstance(document, list):
            self._sample(document, None, rows)
            return rows, None
        envelope, samples = self._listed(document)
        faults: list[str] = []
        for number, sample in enumerate(samples, 1):
            try:
                self._sample(sample, envelope, rows)
            except DataError as e:
                faults.append(f"sample {number} of {len(samples)}: {e}")
        if not faults:
            return rows, None
        more = f"; and {len(faults) - 1} more" if len(faults) > 1 else ""
        if not rows:
            raise DataError(faults[0] + more)
        return rows, faults[0] + more

    def _usual(
        self, sample: dict[str, object], value: str, time: str, quality: str
    ) -> JsonRow | None:
        """One number at the top of an object, by the shortest way; None needs a closer look."""
        number, word = sample.get(value), sample.get(quality, "good")
        if type(number) is not float or not math.isfinite(number) or type(word) is not str:
            return None
        code = _QUALITY.get(word)
        return None if code is None else (0, number, self._instant(sample.get(time)), code)

    def _listed(self, document: object) -> tuple[object, list[object]]:
        samples = document if self._samples is None else _at(document, self._samples)
        if samples is document and isinstance(samples, list):
            return None, samples
        if isinstance(samples, list):
            return document, samples
        path = ".".join(self._samples or ())
        found = "nothing" if samples is _ABSENT else _kind(samples)
        raise DataError(f'{found} at "{path}"; a list of samples belongs there')

    def _sample(self, sample: object, envelope: object, rows: list[JsonRow]) -> None:
        """Append its rows; all of a sample or none."""
        if isinstance(sample, dict):
            found: Iterable[tuple[int, object]] = [
                (i, value)
                for i, path, _ in self._values
                if (value := _at(sample, path)) is not _ABSENT
            ]
            if not found:
                keys = ", ".join(map(str, list(sample)[:8])) or "no keys"
                raise DataError(f"no {self._missing} among {keys}")
        else:
            found = [(i, sample) for i, _, bare in self._values if bare]
            if not found:
                raise DataError(
                    f"{_kind(sample)} by itself; {self._missing} is wanted of an object"
                )
        at = self._instant(_first(self._time, sample, envelope))
        quality = _quality(_first(self._quality, sample, envelope))
        rows += [
            (i, number, at, BAD if number is None else quality)
            for i, number in [(i, _value(value)) for i, value in found]
        ]


def _parsed(payload: bytes) -> object:
    try:
        return _JSON.decode(payload.decode())
    except UnicodeDecodeError:
        raise DataError(f"not UTF-8: {bytes(payload[:40])!r}") from None
    except (ValueError, RecursionError) as e:  # the second: brackets nested without end
        raise DataError(f"not JSON: {bytes(payload[:40]).decode(errors='replace')!r}") from e


def _no_constant(word: str) -> NoReturn:
    raise DataError(f"{word} is not JSON; a missing value is null")


_JSON = json.JSONDecoder(parse_constant=_no_constant)


def _path(text: str) -> tuple[str, ...]:
    parts = tuple(text.split("."))
    if not all(parts):
        raise DataError(f'path "{text}" has an empty part; use names with single dots between')
    return parts


def _at(node: object, path: tuple[str, ...]) -> object:
    for part in path:
        if isinstance(node, dict):
            node = node.get(part, _ABSENT)
        elif isinstance(node, list) and part.isdecimal() and int(part) < len(node):
            node = node[int(part)]
        else:
            return _ABSENT
    return node


def _first(path: tuple[str, ...], *places: object) -> object:
    """What stands there in the first place that has it; None for nothing."""
    for place in places:
        if isinstance(place, dict) and (found := _at(place, path)) is not _ABSENT:
            return found
    return None


def _kind(found: object) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", type(None): "null"}
    return kinds.get(type(found), "a number")


def _value(found: object) -> float | str | None:
    if found is None or isinstance(found, str):
        return found
    if isinstance(found, int | float):
        try:
            number = float(found)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None
    raise DataError(f"value is {_kind(found)}; use a number, a text or null")


def _quality(found: object) -> int:
    if found is None:
        return GOOD
    code = _QUALITY.get(found.lower()) if isinstance(found, str) else None
    if code is None:
        raise DataError(f"quality {_shown(found)} is not good, uncertain or bad")
    return code


def _reader_of_times(form: str) -> Callable[[object], int | None]:
    if form == "auto":
        return lambda found: _iso(found) if isinstance(found, str) else _counted(found, "ms")
    if form == "iso":
        return _iso
    return lambda found: _counted(found, form)


def _iso(found: object) -> int | None:
    if found is None:
        return None
    try:
        since = datetime.fromisoformat(found) - _EPOCH  # type: ignore[arg-type]
    except (ValueError, TypeError, OverflowError):  # TypeError: no text, or no offset
        raise DataError(f"time {_shown(found)} is not ISO 8601 with an offset") from None
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _counted(found: object, unit: str) -> int | None:
    if found is None:
        return None
    try:
        # As text: 1.1 s are 1,100,000 us, as the sensor wrote, not what the nearest double holds;
        # and of what is no number the text is none.
        number = Decimal(str(found)) * _US_IN[unit]
        if abs(number) < _LATEST:
            return round(number)
    except (ValueError, ArithmeticError):  # of a text that is no number, and of NaN
        pass
    or_text = " or ISO 8601 with an offset" if unit == "ms" else ""
    raise DataError(f"time {_shown(found)} is not a number of {unit} since 1970{or_text}")


def _shown(found: object) -> str:
    text = json.dumps(found, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:60]}..."
