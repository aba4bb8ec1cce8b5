"""A run as one file and back, bit for bit: arrays beside a JSON header, nothing that can run code."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime
from math import prod
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from twin.engine import RunResult
from twin.errors import DataError

__all__ = ["first_replications", "from_bytes", "to_bytes"]

_HEADER = "header"
_Value = TypeVar("_Value")
_Array = NDArray[Any]


def to_bytes(result: RunResult) -> bytes:
    """A result without event log, as a compressed npz file.

    Raises:
        DataError: It has an event log, or a value of a kind that no result had when this was written.
    """
    if result.trace is not None:
        raise DataError("event logs are not stored")
    columns: dict[str, list[_Array]] = {}
    header = {f.name: _written(getattr(result, f.name), columns) for f in fields(result)}
    arrays = {
        dtype: np.concatenate([one.ravel() for one in found]) for dtype, found in columns.items()
    }
    text = json.dumps(header, ensure_ascii=False).encode()
    stream = io.BytesIO()
    file: dict[str, Any] = {_HEADER: np.frombuffer(text, dtype=np.uint8), **arrays}
    np.savez_compressed(stream, **file)
    return stream.getvalue()


def from_bytes(data: bytes) -> RunResult:
    """The result that `to_bytes` wrote.

    Raises:
        ValueError, KeyError, TypeError, EOFError, OSError, zipfile.BadZipFile, zlib.error: The
            bytes are not such a file, or are damaged.
    """
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    header = json.loads(arrays.pop(_HEADER).tobytes().decode())
    return RunResult(**{name: _read(value, arrays) for name, value in header.items()})


def _written(value: Any, columns: dict[str, list[_Array]]) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray):
        before = columns.setdefault(value.dtype.name, [])
        at = sum(one.size for one in before)
        before.append(value)
        return {"array": [value.dtype.name, at, list(value.shape)]}
    if isinstance(value, datetime):
        return {"instant": value.isoformat()}
    if isinstance(value, tuple):
        return {"tuple": [_written(one, columns) for one in value]}
    if isinstance(value, Mapping):
        return {"map": [[_written(k, columns), _written(v, columns)] for k, v in value.items()]}
    raise DataError(f"a {type(value).__name__} of a result cannot be stored")


def _read(value: Any, arrays: Mapping[str, _Array]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "array":
        dtype, at, shape = content
        size = prod(shape)
        return arrays[dtype][at : at + size].reshape(shape)
    if kind == "instant":
        return datetime.fromisoformat(content)
    if kind == "tuple":
        return tuple(_read(one, arrays) for one in content)
    if kind == "map":
        return {_read(k, arrays): _read(v, arrays) for k, v in content}
    raise ValueError(f"{kind} is not known")


def first_replications(result: RunResult, count: int) -> RunResult:
    """The same result with its first replications only.

    Args:
        result: Without event log.
        count: 1 to ``result.replications``.
    """
    cut = {f.name: _head(getattr(result, f.name), count) for f in fields(result)}
    return replace(result, **(cut | {"replications": count}))


def _head(value: _Value, count: int) -> _Value:
    if isinstance(value, np.ndarray):
        return cast("_Value", value[:count])
    if isinstance(value, Mapping):
        return cast("_Value", {k: _head(v, count) for k, v in value.items()})
    return value
