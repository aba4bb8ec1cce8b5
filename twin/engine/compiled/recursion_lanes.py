"""As many replications at once as one vector holds: loads, stores and arithmetic of one number per replication."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

from twin.engine import streams
from twin.engine.counts import TICKS_PER_S

__all__ = [
    "WIDTH",
    "add_at",
    "below",
    "chosen",
    "larger",
    "load",
    "minus",
    "plus",
    "pointer",
    "splat",
    "store",
    "ticks",
    "uniforms",
    "whole_ticks",
]

WIDTH = 8
"""Replications that are played at once."""

_VECTOR = ir.VectorType(ir.DoubleType(), WIDTH)
_MASK = ir.VectorType(ir.IntType(1), WIDTH)


class _Lanes(types.Type):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(name="Lanes")


_lanes = _Lanes()


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


def _from(builder: Any, pointer: Any, at: Any) -> Any:
    return builder.bitcast(builder.gep(pointer, [at]), _VECTOR.as_pointer())


def _constant(x: float) -> Any:
    return ir.Constant(_VECTOR, [x] * WIDTH)


def _spread(builder: Any, x: Any) -> Any:
    one = builder.insert_element(
        ir.Constant(_VECTOR, ir.Undefined), x, ir.Constant(ir.IntType(32), 0)
    )
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
    return builder.shuffle_vector(one, ir.Constant(_VECTOR, ir.Undefined), zeros)


def _larger(builder: Any, x: Any, y: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", x, y), x, y)


def _smaller(builder: Any, x: Any, y: Any) -> Any:
    return builder.select(builder.fcmp_ordered("<", x, y), x, y)


def _floor_ticks(builder: Any, x: Any) -> Any:
    floor = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(_VECTOR, [_VECTOR]), f"llvm.floor.v{WIDTH}f64"
    )
    return builder.call(floor, [builder.fmul(x, _constant(TICKS_PER_S))])


@intrinsic
def pointer(typing: Any, array: Any) -> Any:
    """Where an array begins: one word, not seven as the array, and no index counts from its end."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, args[0]).data

    return types.CPointer(array.dtype)(array), build


@intrinsic
def load(typing: Any, array: Any, at: Any) -> Any:
    """The numbers from ``array[at]`` on."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_from(builder, args[0], args[1]), align=8)

    return _lanes(array, types.int64), build


@intrinsic
def store(typing: Any, array: Any, at: Any, x: Any) -> Any:
    """Put numbers from ``array[at]`` on."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        where = _from(builder, args[0], args[1])
        builder.store(args[2], where, align=8)
        return context.get_dummy_value()

    return types.void(array, types.int64, _lanes), build


@intrinsic
def add_at(typing: Any, array: Any, at: Any, x: Any) -> Any:
    """Add to the numbers from ``array[at]`` on."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        where = _from(builder, args[0], args[1])
        builder.store(builder.fadd(builder.load(where, align=8), args[2]), where, align=8)
        return context.get_dummy_value()

    return types.void(array, types.int64, _lanes), build


@intrinsic
def splat(typing: Any, x: Any) -> Any:
    """The same number for every replication."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _spread(builder, args[0])

    return _lanes(types.float64), build


def _of_two(operation: Callable[[Any, Any, Any], Any], doc: str) -> Any:
    def typed(typing: Any, x: Any, y: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return operation(builder, args[0], args[1])

        return _lanes(_lanes, _lanes), build

    typed.__doc__ = doc
    return intrinsic(typed)


plus = _of_two(lambda builder, x, y: builder.fadd(x, y), "Sums.")
minus = _of_two(lambda builder, x, y: builder.fsub(x, y), "Differences.")
larger = _of_two(_larger, "The larger of each pair.")


@intrinsic
def below(typing: Any, x: Any, y: Any) -> Any:
    """Bit i is set where x[i] < y[i]."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        mask = builder.fcmp_ordered("<", args[0], args[1])
        return builder.zext(builder.bitcast(mask, ir.IntType(WIDTH)), ir.IntType(64))

    return types.int64(_lanes, _lanes), build


@intrinsic
def chosen(typing: Any, mask: Any, x: Any) -> Any:
    """x[i] where bit i of the mask is set, else 0."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bits = builder.bitcast(builder.trunc(args[0], ir.IntType(WIDTH)), _MASK)
        return builder.select(bits, args[1], _constant(0.0))

    return _lanes(types.int64, _lanes), build


@intrinsic
def ticks(typing: Any, x: Any, low: Any, high: Any) -> Any:
    """Seconds in whole ticks, not below ``low`` and not above ``high``."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        scaled = builder.fmul(args[0], _constant(TICKS_PER_S))
        kept = _smaller(builder, _larger(builder, scaled, args[1]), args[2])
        floor = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_VECTOR, [_VECTOR]), f"llvm.floor.v{WIDTH}f64"
        )
        return builder.call(floor, [kept])

    return _lanes(_lanes, _lanes, _lanes), build


@intrinsic
def whole_ticks(typing: Any, x: Any) -> Any:
    """Seconds in whole ticks."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _floor_ticks(builder, args[0])

    return _lanes(_lanes), build


_WORDS = ir.VectorType(ir.IntType(64), WIDTH)


def _words(x: Any) -> Any:
    return ir.Constant(_WORDS, [int(x)] * WIDTH)


def _mixed(builder: Any, z: Any) -> Any:
    """``streams.unit``, told as vector instructions."""
    by, times = [_words(x) for x in streams._BY], [_words(x) for x in streams._TIMES]
    z = builder.mul(builder.xor(z, builder.lshr(z, by[0])), times[0])
    z = builder.mul(builder.xor(z, builder.lshr(z, by[1])), times[1])
    z = builder.lshr(builder.xor(z, builder.lshr(z, by[2])), by[3])
    fraction = builder.bitcast(builder.or_(z, _words(streams._ONE)), _VECTOR)
    return builder.fsub(fraction, _constant(1.0))


@intrinsic
def uniforms(typing: Any, words: Any, state: Any, gamma: Any) -> Any:
    """The next uniform of every replication, from states and increments in an array of 64-bit words."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        where, step = (
            builder.bitcast(builder.gep(args[0], [at]), _WORDS.as_pointer()) for at in args[1:]
        )
        z = builder.load(where, align=8)
        builder.store(builder.add(z, builder.load(step, align=8)), where, align=8)
        return _mixed(builder, z)

    return _lanes(words, types.int64, types.int64), build
