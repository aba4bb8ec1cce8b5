"""Uniforms and variates, compiled: the text of ``arithmetic`` and ``streams``, for scalars.

Only the primitives are told anew here, as single instructions. Contraction and fastmath stay off,
so the bits are those of NumPy. The block functions have one loop per law without branches in it,
which the compiler turns into vector instructions.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload, register_jitable

from twin.engine import arithmetic, streams
from twin.engine.compiled.jit import jit_inline, jit_with_scratch
from twin.engine.variates import (
    CONSTANT,
    EMPIRICAL,
    EXPONENTIAL,
    GEOMETRIC,
    LOGNORMAL,
    TABULATED,
    TRIANGULAR,
    UNIFORM,
    WEIBULL,
)

__all__ = ["fill", "fill_uniforms", "normal_at", "quantile_at", "transform", "uniform_at"]


@intrinsic
def _to_bits(typing: Any, x: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.IntType(64))

    return types.uint64(types.float64), build


@intrinsic
def _to_float(typing: Any, bits: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.uint64), build


@intrinsic
def _select(typing: Any, condition: Any, then: Any, otherwise: Any) -> Any:
    kind = typing.unify_types(then, otherwise)

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        given = signature.args
        condition = context.cast(builder, args[0], given[0], types.boolean)
        return builder.select(condition, args[1], args[2])

    return kind(types.boolean, kind, kind), build


@overload(arithmetic.bits_of, inline="always", strict=False)
def _bits_of(x: Any) -> Any:
    return lambda x: _to_bits(x)


@overload(arithmetic.float_of, inline="always", strict=False)
def _float_of(bits: Any) -> Any:
    return lambda bits: _to_float(bits)


@overload(arithmetic.choose, inline="always", strict=False)
def _choose(condition: Any, then: Any, otherwise: Any) -> Any:
    return lambda condition, then, otherwise: _select(condition, then, otherwise)


@overload(arithmetic.root, inline="always", strict=False)
def _root(x: Any) -> Any:
    return lambda x: math.sqrt(x)


@overload(arithmetic.whole, inline="always", strict=False)
def _whole(x: Any) -> Any:
    return lambda x: np.int64(x)


for _shared in (
    arithmetic.log,
    arithmetic.exp,
    arithmetic._poly,
    arithmetic.is_middle,
    arithmetic.middle,
    arithmetic.tail,
    arithmetic.exponential,
    arithmetic.weibull,
    arithmetic.lognormal,
    arithmetic.uniform_between,
    arithmetic.triangular,
    arithmetic.geometric,
    arithmetic.empirical,
    arithmetic.tabulated,
    streams.mix64,
    streams.unit,
):
    # Within a loop, so that the loop becomes one of vector instructions.
    register_jitable(error_model="numpy", forceinline=True)(_shared)

_exact = jit_with_scratch
_inlined = jit_inline

CHUNK = 1024
"""Variates made at a time: they stay in the nearest cache from step to step."""


@_inlined
def uniform_at(start: Any, gamma: Any, index: Any) -> Any:
    """Uniform number ``index`` of the stream of a key, in [0, 1)."""
    return streams.unit(np.uint64(start) + np.uint64(index) * np.uint64(gamma))


@_exact
def normal_at(u: Any) -> Any:
    """Standard normal quantile of one uniform."""
    if arithmetic.is_middle(u):
        return arithmetic.middle(u)
    return arithmetic.tail(u)


@_inlined
def quantile_at(code: Any, first: Any, params: Any, u: Any) -> Any:
    """Variate of a law of a ``LawTable`` at one uniform. [s]"""
    # No slice of params: a view is counted by atomic instructions, dearer than most laws.
    a = params[first]
    if code == CONSTANT:
        return a
    if code == EXPONENTIAL:
        return a * arithmetic.exponential(u)
    if code == EMPIRICAL:
        return arithmetic.empirical(u, params, first + 1, np.int64(a))
    b = params[first + 1]
    if code == UNIFORM:
        return arithmetic.uniform_between(u, a, b)
    if code == TRIANGULAR:
        split, left, right = params[first + 2], params[first + 3], params[first + 4]
        return arithmetic.triangular(u, a, b, split, left, right)
    if code == LOGNORMAL:
        return arithmetic.lognormal(normal_at(u), a, b)
    if code == TABULATED:
        y = arithmetic.tabulated(normal_at(u), params, np.int64(b))
        return arithmetic.lognormal(y, a, 1.0)
    if code == WEIBULL:
        return arithmetic.weibull(arithmetic.exponential(u), a, b)
    return arithmetic.geometric(arithmetic.exponential(u), a, b)


@_exact
def fill_uniforms(start: Any, gamma: Any, first_index: Any, out: Any) -> None:
    """Uniforms ``first_index``, ``first_index + 1``, ... of the stream of a key."""
    step = np.uint64(gamma)
    z = np.uint64(start) + np.uint64(first_index) * step
    for i in range(out.size):
        out[i] = streams.unit(z)
        z += step


@_exact
def fill(
    code: Any, first: Any, params: Any, start: Any, gamma: Any, first_index: Any, out: Any
) -> None:
    """Variates ``first_index``, ``first_index + 1``, ... of one law from one stream. [s]

    Args:
        code: Family of the law, as in ``LawTable.code``.
        first: Where its parameters begin in ``params``.
        params: ``LawTable.params``.
        start: Start of the stream.
        gamma: Its increment.
        first_index: Index of the first variate.
        out: Where they go, contiguous. Shape (n,)
    """
    for begin in range(0, out.size, CHUNK):
        some = out[begin : begin + CHUNK]
        if code != CONSTANT:
            fill_uniforms(start, gamma, np.uint64(first_index) + np.uint64(begin), some)
        transform(code, first, params, some)


@_exact
def transform(code: Any, first: Any, params: Any, out: Any) -> None:
    """Turn at most ``CHUNK`` uniforms into variates of one law, in place. [s]"""
    p = params[first:]
    if code == CONSTANT:
        out[:] = p[0]
    elif code in (LOGNORMAL, TABULATED):
        _from_normals(code, p, params, out)
    elif code in (EXPONENTIAL, WEIBULL, GEOMETRIC):
        _from_exponentials(code, p, out)
    else:
        _from_uniforms(code, p, out)


@_exact
def _from_uniforms(code: Any, p: Any, out: Any) -> None:
    if code == UNIFORM:
        low, width = p[0], p[1]
        for i in range(out.size):
            out[i] = arithmetic.uniform_between(out[i], low, width)
    elif code == TRIANGULAR:
        low, high, split, left, right = p[0], p[1], p[2], p[3], p[4]
        for i in range(out.size):
            out[i] = arithmetic.triangular(out[i], low, high, split, left, right)
    else:
        last = np.int64(p[0])
        for i in range(out.size):
            out[i] = arithmetic.empirical(out[i], p, 1, last)


@_exact
def _from_exponentials(code: Any, p: Any, out: Any) -> None:
    a = p[0]
    if code == EXPONENTIAL:
        for i in range(out.size):
            out[i] = a * arithmetic.exponential(out[i])
        return
    b = p[1]
    for i in range(out.size):
        out[i] = arithmetic.exponential(out[i])
    if code == WEIBULL:
        for i in range(out.size):
            out[i] = arithmetic.weibull(out[i], a, b)
    else:
        for i in range(out.size):
            out[i] = arithmetic.geometric(out[i], a, b)


@_exact
def _from_normals(code: Any, p: Any, params: Any, out: Any) -> None:
    _normals(out)
    median, sigma = p[0], p[1]
    if code == TABULATED:
        at, sigma = np.int64(p[1]), 1.0
        for i in range(out.size):
            out[i] = arithmetic.tabulated(out[i], params, at)
    for i in range(out.size):
        out[i] = arithmetic.lognormal(out[i], median, sigma)


@_exact
def _normals(out: Any) -> None:
    place = np.empty(CHUNK, np.int64)
    tails = np.empty(CHUNK, np.float64)
    n = 0
    for i in range(out.size):
        place[n] = i
        tails[n] = out[i]
        n += not arithmetic.is_middle(out[i])
    for i in range(out.size):
        out[i] = arithmetic.middle(out[i])
    for i in range(n):
        tails[i] = arithmetic.tail(tails[i])
    for i in range(n):
        out[place[i]] = tails[i]
