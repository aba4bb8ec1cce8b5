"""Samples and facts <-> bytes, as they lie in the spool: columns, compact, each frame complete in itself."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from twin.errors import DataError
from twin.plant import SignalId
from twin.telemetry import SampleBatch

__all__ = ["Frame", "decode_frame", "encode_facts", "encode_samples"]

_VERSION = 1
_SAMPLES, _FACTS = 1, 2
_START = struct.Struct("<BBH")
"""Version, kind, bytes of the source's name."""
_SHAPE = struct.Struct("<IIIIIBBBBbxxxqq")
"""Rows; names, their bytes; texts, their bytes; how names, texts, measured_us and available_us are
written; the quality of all rows or _EACH; the base of either time."""
_EACH = -1
_ONE, _NEAR, _FAR = 0, 1, 2
"""Times: all the same; at most 71 minutes after the first; anything else."""
_PLAIN, _JSON, _DEFLATED = 0, 1, 2
_NUL = "\0"
_SMALL_BYTES = 256
"""Fewer bytes of names are not worth compressing."""
_TUPLES_KEPT = 64
_SPARSE = 32
"""With more names than this for each row, sorting the rows is cheaper than a mark for each name."""
_Blob = tuple[int, bytes]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """What one record of the spool says: samples of a source, or facts about it."""

    source: str
    batch: SampleBatch | None
    facts: tuple[dict[str, Any], ...]


def encode_samples(source: str, batch: SampleBatch) -> bytes:
    """One frame of samples.

    Names of signals without a row are left out, unless at least half of the names have one: then
    the whole list is written, because it is the same in every frame and is packed only once.

    Args:
        source: Who said it.
        batch: Any number of rows; ``text`` holds str or None.

    Raises:
        DataError: A code of the batch points at no name, or the source's name is too long.
    """
    rows = len(batch)
    code, count, (names_as, names) = _names_used(batch)
    measured_as, measured_base, measured = _pack_times(batch.measured_us)
    available_as, available_base, available = _pack_times(batch.available_us)
    one = int(batch.quality[0]) if rows else 0
    each = not bool((batch.quality == one).all())
    text_rows, (texts_as, texts) = _pack_texts(batch.text)
    shape = _SHAPE.pack(
        rows,
        count,
        len(names),
        len(text_rows),
        len(texts),
        names_as,
        texts_as,
        measured_as,
        available_as,
        _EACH if each else one,
        measured_base,
        available_base,
    )
    return b"".join(
        (
            _start(source, _SAMPLES),
            shape,
            names,
            batch.value.astype("<f8", copy=False).tobytes(),
            measured,
            available,
            code.astype(_code_type(count)).tobytes(),
            batch.quality.astype("i1", copy=False).tobytes() if each else b"",
            text_rows.astype("<u4").tobytes(),
            texts,
        )
    )


def encode_facts(source: str, facts: Sequence[Mapping[str, object]]) -> bytes:
    """One frame of facts, each a mapping that JSON can say.

    Raises:
        DataError: JSON cannot say one of them, or the source's name is too long.

    Example:
        >>> decode_frame(encode_facts("press", [{"kind": "gap", "start_us": 5}])).facts
        ({'kind': 'gap', 'start_us': 5},)
    """
    try:
        body = json.dumps([dict(fact) for fact in facts], separators=(",", ":"))
    except (TypeError, ValueError) as e:
        raise DataError(f'facts of source "{source}" cannot be written as JSON: {e}') from e
    return _start(source, _FACTS) + body.encode()


def decode_frame(data: bytes) -> Frame:
    """The frame that was encoded; its columns can be written to and share no memory with ``data``.

    Raises:
        DataError: These bytes are no frame.
    """
    try:
        version, kind, length = _START.unpack_from(data)
        body = _START.size + length
        source = data[_START.size : body].decode("utf-8", "surrogatepass")
        if version != _VERSION or len(data) < body:
            raise DataError(f"a frame of version {version} cannot be read; this is {_VERSION}")
        if kind == _FACTS:
            return Frame(source, None, _facts(data[body:]))
        if kind == _SAMPLES:
            return Frame(source, _batch(data, body), ())
    except (struct.error, ValueError, IndexError, RecursionError, zlib.error) as e:
        raise DataError(f"{len(data)} bytes are no frame: {e}") from e
    raise DataError(f"a frame of kind {kind} is not known")


def _start(source: str, kind: int) -> bytes:
    name = source.encode("utf-8", "surrogatepass")
    if len(name) > 0xFFFF:
        raise DataError(f"the name of a source has {len(name)} bytes; at most {0xFFFF} fit")
    return _START.pack(_VERSION, kind, len(name)) + name


def _facts(body: bytes) -> tuple[dict[str, Any], ...]:
    facts = json.loads(body)
    if not isinstance(facts, list) or not all(isinstance(fact, dict) for fact in facts):
        raise DataError("a frame of facts must hold a list of objects")
    return tuple(facts)


def _batch(data: bytes, offset: int) -> SampleBatch:
    (
        rows,
        count,
        names_bytes,
        texts,
        texts_bytes,
        names_as,
        texts_as,
        measured_as,
        available_as,
        quality,
        measured_base,
        available_base,
    ) = _SHAPE.unpack_from(data, offset)
    cut = _Cut(data, offset + _SHAPE.size)
    names = _names(cut.bytes(names_bytes), names_as, count)
    value = cut.column("<f8", rows).astype(np.float64)
    measured_us = _unpack_times(cut, rows, measured_as, measured_base)
    available_us = _unpack_times(cut, rows, available_as, available_base)
    code = cut.column(_code_type(count), rows).astype(np.int32)
    each = cut.column("i1", rows) if quality == _EACH else None
    text_rows = cut.column("<u4", texts)
    text = np.empty(rows, np.object_)
    if texts:
        text[text_rows] = np.array(_unpack(cut.bytes(texts_bytes), texts_as, texts), np.object_)
    if cut.offset != len(data) or (rows and int(code.max()) >= count):
        raise DataError(f"a frame of {len(data)} bytes does not hold what its first bytes say")
    return SampleBatch(
        signals=names,
        code=code,
        value=value,
        text=text,
        measured_us=measured_us,
        available_us=available_us,
        quality=np.full(rows, quality, np.int8) if each is None else each.astype(np.int8),
    )


class _Cut:
    """Takes one piece after the other; never fewer bytes than asked for."""

    def __init__(self, data: bytes, offset: int) -> None:
        self._data = data
        self.offset = offset

    def bytes(self, size: int) -> bytes:
        piece = self._data[self.offset : self.offset + size]
        if len(piece) != size:
            raise DataError(f"a frame ends {size - len(piece)} bytes early")
        self.offset += size
        return piece

    def column(self, dtype: str, rows: int) -> NDArray[Any]:
        kind = np.dtype(dtype)
        column = np.frombuffer(self._data, kind, rows, self.offset) if rows else np.empty(0, kind)
        self.offset += rows * kind.itemsize
        return column


def _code_type(count: int) -> str:
    return "u1" if count <= 1 << 8 else "<u2" if count <= 1 << 16 else "<u4"


def _names_used(batch: SampleBatch) -> tuple[NDArray[Any], int, _Blob]:
    """Codes, the number of names they point into, and the names."""
    code: NDArray[Any] = batch.code
    signals = batch.signals
    if not len(code):
        return code, 0, (_PLAIN, b"")
    if int(code.min()) < 0 or int(code.max()) >= len(signals):
        raise DataError(f"a code of the batch points at none of its {len(signals)} names")
    if len(signals) > _SPARSE * len(code):
        places, code = np.unique(code, return_inverse=True)
    else:
        seen = np.zeros(len(signals), np.bool_)
        seen[code] = True
        if 2 * int(np.count_nonzero(seen)) >= len(signals):
            return code, len(signals), _whole.blob(signals)
        places = np.flatnonzero(seen)
        code = (np.cumsum(seen) - 1)[code]
    used = list(map(signals.__getitem__, places.tolist()))
    return code, len(used), _pack(used)


class _Whole:
    """Lists of names that come with every batch, packed once and compressed when they come again."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[tuple[str, ...], _Blob]] = {}

    def blob(self, names: tuple[str, ...]) -> _Blob:
        kept = self._kept.get(id(names))
        if kept is None or kept[0] is not names:
            if len(self._kept) >= _TUPLES_KEPT:
                self._kept.clear()
            blob = _pack(names)
        elif kept[1][0] == _PLAIN and len(kept[1][1]) > _SMALL_BYTES:
            blob = (_DEFLATED, zlib.compress(kept[1][1], 6))
        else:
            return kept[1]
        self._kept[id(names)] = (names, blob)  # holding the names keeps their id theirs
        return blob


_whole = _Whole()


def _pack(strings: Sequence[str]) -> _Blob:
    joined = _NUL.join(strings)
    if joined.count(_NUL) != len(strings) - 1:
        return _JSON, json.dumps(list(strings)).encode()
    return _PLAIN, joined.encode("utf-8", "surrogatepass")


def _unpack(blob: bytes, packed_as: int, count: int) -> list[str]:
    if packed_as == _JSON:
        strings = [str(s) for s in json.loads(blob)]
    else:
        plain = zlib.decompress(blob) if packed_as == _DEFLATED else blob
        strings = plain.decode("utf-8", "surrogatepass").split(_NUL)
    if len(strings) != count:
        raise DataError(f"a frame holds {len(strings)} strings where it says {count}")
    return strings


@lru_cache(maxsize=32)
def _names(blob: bytes, packed_as: int, count: int) -> tuple[SignalId, ...]:
    """The same tuple for the same bytes, so that a store may remember what it knows of it."""
    return tuple(cast(list[SignalId], _unpack(blob, packed_as, count))) if count else ()


def _pack_texts(text: NDArray[np.object_]) -> tuple[NDArray[Any], _Blob]:
    values = text.tolist()
    if values.count(None) == len(values):
        return np.empty(0, np.int64), (_PLAIN, b"")
    rows = [row for row, value in enumerate(values) if value is not None]
    return np.array(rows, np.int64), _pack([values[row] for row in rows])


def _pack_times(us: NDArray[np.int64]) -> tuple[int, int, bytes]:
    if not len(us):
        return _ONE, 0, b""
    first, last = int(us.min()), int(us.max())
    if first == last:
        return _ONE, first, b""
    if last - first <= 0xFFFF_FFFF:
        return _NEAR, first, (us - first).astype("<u4").tobytes()
    return _FAR, 0, us.astype("<i8", copy=False).tobytes()


def _unpack_times(cut: _Cut, rows: int, packed_as: int, base: int) -> NDArray[np.int64]:
    if packed_as == _ONE:
        return np.full(rows, base, np.int64)
    if packed_as == _NEAR:
        return cut.column("<u4", rows).astype(np.int64) + base
    return cut.column("<i8", rows).astype(np.int64)
