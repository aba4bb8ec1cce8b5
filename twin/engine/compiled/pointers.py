"""The tables of a replication behind one pointer, so that a call passes one word and not two hundred.

Numba passes an array as seven values. ``world_of`` makes of a table of addresses and shapes a value
whose attributes are the arrays: ``w.server[3].phase``. The addresses do not change while it is used.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import from_dtype, types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.imputils import lower_getattr_generic
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, intrinsic, register_model
from numba.np.arrayobj import make_array, populate_array
from numba.np.numpy_support import as_dtype

from twin.engine.compiled import layout
from twin.engine.compiled.layout import World

__all__ = ["addresses", "world_of"]

_DIMENSIONS = 3
_SLOT = 1 + _DIMENSIONS
"""Words of one field: its address, then its shape."""


def _records(dtype: Any) -> types.Array:
    return types.Array(from_dtype(dtype), 1, "C", aligned=True)


def _numbers(kind: Any, dimensions: int = 1) -> types.Array:
    return types.Array(kind, dimensions, "C", aligned=True)


_FIELDS: dict[str, types.Array] = {
    "line": _records(layout.LINE),
    "server": _records(layout.SERVER),
    "unit": _records(layout.UNIT),
    "zone": _records(layout.ZONE),
    "part": _records(layout.PART),
    "mode": _records(layout.MODE),
    "upkeep": _records(layout.UPKEEP),
    "event": _records(layout.QUEUED),
    "ask": _records(layout.QUEUED),
    "order": _records(layout.ORDER),
    "job": _records(layout.RELEASE_ROW),
    "lot": _records(layout.RELEASE_ROW),
    "row": _records(layout.ROW),
    "receipt": _records(layout.ROW),
    "ints": _numbers(types.int32),
    "floats": _numbers(types.float64),
    "law_code": _numbers(types.int8),
    "law_first": _numbers(types.int64),
    "law_params": _numbers(types.float64),
    "tally": _numbers(types.int64),
    "ticks": _numbers(types.int64, 2),
    "made": _numbers(types.int64, 2),
    "rejected": _numbers(types.int64),
    "starts": _numbers(types.int64, 3),
    "failures": _numbers(types.int64, 2),
    "counters": _numbers(types.int64, 2),
    "on_hand": _numbers(types.float64),
    "row_waiting": _numbers(types.int8, 2),
    "drawn": _numbers(types.float64, 2),
    "drawn_block": _numbers(types.int64),
    "visits": _numbers(types.int32, 2),
    "kit": _numbers(types.int32),
    "touched": _numbers(types.int32),
    "releases": _numbers(types.float64),
    "timer": _numbers(types.int64),
    "timer_rank": _numbers(types.int64),
    "log": _records(layout.LOG),
}
_SHAPES = {name: (as_dtype(kind.dtype), kind.ndim) for name, kind in _FIELDS.items()}
_PLACE = {name: i * _SLOT for i, name in enumerate(_FIELDS)}


_type_of = cache(from_dtype)
"""Numba works it out anew each time, which costs more than a short run."""


def addresses(world: World) -> Any:
    """Where the arrays of a world are, and their shapes; good as long as the world is kept.

    Raises:
        TypeError: An array is not what engine code takes it for.
    """
    table = np.zeros(len(_FIELDS) * _SLOT, np.uint64)
    for name, place in _PLACE.items():
        array, (dtype, dimensions) = getattr(world, name), _SHAPES[name]
        if array.dtype != dtype or array.ndim != dimensions or not array.flags.c_contiguous:
            raise TypeError(f"{name} is {array.dtype} of {array.ndim} dimensions, not {dtype}")
        table[place] = array.ctypes.data
        table[place + 1 : place + 1 + dimensions] = array.shape
    return table


class _WorldType(types.Opaque):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(name="linetwin.World")


_world_type = _WorldType()
register_model(_WorldType)(models.OpaqueModel)


@intrinsic
def world_of(typing: Any, table: Any) -> Any:
    """The world whose addresses are in this table."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = make_array(signature.args[0])(context, builder, args[0])
        return builder.bitcast(array.data, cgutils.voidptr_t)

    return _world_type(table), build


@infer_getattr
class _WorldAttributes(AttributeTemplate):  # type: ignore[misc]
    key = _WorldType

    def generic_resolve(self, world: Any, name: str) -> Any:
        return _FIELDS.get(name)


@lower_getattr_generic(_WorldType)
def _attribute(context: Any, builder: Any, world: Any, value: Any, name: str) -> Any:
    kind = _FIELDS[name]
    word = context.get_value_type(types.intp)
    table = builder.bitcast(value, word.as_pointer())

    def load(place: int) -> Any:
        loaded = builder.load(cgutils.gep_inbounds(builder, table, place))
        loaded.set_metadata("invariant.load", builder.module.add_metadata([]))
        return loaded

    array = make_array(kind)(context, builder)
    place = _PLACE[name]
    shape = [load(place + 1 + d) for d in range(kind.ndim)]
    item = context.get_abi_sizeof(context.get_data_type(kind.dtype))
    step = ir.Constant(word, item)
    strides: list[Any] = []
    for size in reversed(shape):
        strides.insert(0, step)
        step = builder.mul(step, size)
    populate_array(
        array,
        data=builder.inttoptr(load(place), array.data.type),
        shape=shape,
        strides=strides,
        itemsize=ir.Constant(word, item),
        meminfo=None,
    )
    return array._getvalue()
