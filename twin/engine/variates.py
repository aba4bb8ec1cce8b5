"""Variates of duration laws by inversion, with the same bits in NumPy and compiled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.engine import arithmetic
from twin.engine.arithmetic import TABLE_POINTS, TABLE_REACH
from twin.engine.gamma import log_gamma, log_quantiles
from twin.engine.streams import BLOCK, ByIndex, Stream, uniforms
from twin.plant import (
    Constant,
    Empirical,
    Erlang,
    Exponential,
    Gamma,
    Geometric,
    Law,
    Lognormal,
    Triangular,
    Uniform,
    Weibull,
)

__all__ = [
    "CONSTANT",
    "EMPIRICAL",
    "EXPONENTIAL",
    "GEOMETRIC",
    "LOGNORMAL",
    "TABULATED",
    "TRIANGULAR",
    "UNIFORM",
    "WEIBULL",
    "LawTable",
    "Sampler",
    "law_table",
    "quantiles",
]

CONSTANT = 0
UNIFORM = 1
EXPONENTIAL = 2
WEIBULL = 3
LOGNORMAL = 4
TRIANGULAR = 5
EMPIRICAL = 6
TABULATED = 7
GEOMETRIC = 8

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LawTable:
    """Laws as flat arrays, one row per law asked for."""

    code: NDArray[np.int8]
    """Family: ``CONSTANT`` to ``GEOMETRIC``. Shape (n,)"""
    first: NDArray[np.int64]
    """Where the law's parameters begin in ``params``; equal laws share them. Shape (n,)"""
    params: Floats
    """Parameters of all laws; times in [s]. Shape (m,)"""


def law_table(laws: Sequence[Law]) -> LawTable:
    """Flat arrays of laws; row ``i`` is ``laws[i]``.

    Example:
        >>> table = law_table([Constant(value_s=3.0), Uniform(low_s=1.0, high_s=3.0)])
        >>> table.code.tolist(), table.first.tolist(), table.params.tolist()
        ([0, 1], [0, 1], [3.0, 1.0, 2.0])
    """
    params: list[float] = []
    rows: dict[Law, tuple[int, int]] = {}
    curves: dict[float, int] = {}
    for law in laws:
        if law not in rows:
            rows[law] = _row(law, params, curves)
    return LawTable(
        code=np.array([rows[law][0] for law in laws], np.int8),
        first=np.array([rows[law][1] for law in laws], np.int64),
        params=np.array(params, np.float64),
    )


def _row(law: Law, params: list[float], curves: dict[float, int]) -> tuple[int, int]:
    if isinstance(law, Gamma | Erlang):
        shape = 1.0 / (law.cv * law.cv) if isinstance(law, Gamma) else float(law.phases)
        if shape not in curves:
            curves[shape] = len(params)
            params += _curve(shape)
        code, own = TABULATED, [law.mean_s, float(curves[shape])]
    else:
        code, own = _parameters(law)
    first = len(params)
    params += own
    return code, first


def _parameters(law: Law) -> tuple[int, list[float]]:
    match law:
        case Constant():
            return CONSTANT, [law.value_s]
        case Uniform():
            return UNIFORM, [law.low_s, law.high_s - law.low_s]
        case Exponential():
            return EXPONENTIAL, [law.mean_s]
        case Weibull():
            power = 1.0 / law.shape
            return WEIBULL, [law.mean_s * _exp(-log_gamma(1.0 + power)), power]
        case Lognormal():
            variance = _log1p(law.cv * law.cv)
            return LOGNORMAL, [law.mean_s * _exp(-variance / 2.0), math.sqrt(variance)]
        case Triangular():
            a, c, b = law.low_s, law.mode_s, law.high_s
            return TRIANGULAR, [a, b, (c - a) / (b - a), (b - a) * (c - a), (b - a) * (b - c)]
        case Empirical():
            return EMPIRICAL, [float(len(law.quantiles_s) - 1), *law.quantiles_s]
        case Geometric():
            if law.mean_s <= law.step_s:
                return CONSTANT, [law.step_s]
            return GEOMETRIC, [law.step_s, -_log1p(-law.step_s / law.mean_s)]
    raise AssertionError(law)


def _log(x: float) -> float:
    return float(arithmetic.log(np.array([x]))[0])


def _exp(x: float) -> float:
    return float(arithmetic.exp(np.array([x]))[0])


def _log1p(x: float) -> float:
    w = 1.0 + x
    return _log(w) - ((w - 1.0) - x) / w


_FLOOR = -600.0


@lru_cache(maxsize=64)
def _curve(shape: float) -> list[float]:
    """Pairs of log quantile and its slope per step of a gamma law of mean 1.

    The quantile is that of the normal quantiles z at the points. Far out in the lower tail of a
    wild law the logarithm stops at -600: a duration of 1e-260 of the mean stands for all less.
    """
    z = np.linspace(-TABLE_REACH, TABLE_REACH, TABLE_POINTS)
    y, slope = log_quantiles(shape, z)
    y = y - _log(shape)
    reached = y > _FLOOR
    y = np.where(reached, y, _FLOOR)
    rise = np.diff(y)
    # Three times the lesser neighbouring rise keeps the curve from falling (Fritsch & Carlson).
    least = np.minimum(np.append(rise, rise[-1]), np.append(rise[0], rise))
    step = 2.0 * TABLE_REACH / (TABLE_POINTS - 1)
    slope = np.minimum(np.where(reached, slope * step, 0.0), 3.0 * least)
    pairs: list[float] = np.stack([y, slope], axis=1).ravel().tolist()
    return pairs


def _of_uniforms(code: int, u: Floats, p: Floats, params: Floats) -> Any:
    """The order of operations that ``twin.engine.compiled.variates`` repeats."""
    if code == CONSTANT:
        return np.full(u.shape, p[0])
    if code == UNIFORM:
        return arithmetic.uniform_between(u, p[0], p[1])
    if code == TRIANGULAR:
        return arithmetic.triangular(u, p[0], p[1], p[2], p[3], p[4])
    if code == EMPIRICAL:
        return arithmetic.empirical(u, p, 1, int(p[0]))
    if code == LOGNORMAL:
        return arithmetic.lognormal(arithmetic.normal(u), p[0], p[1])
    if code == TABULATED:
        y = arithmetic.tabulated(arithmetic.normal(u), params, int(p[1]))
        return arithmetic.lognormal(y, p[0], 1.0)
    e = arithmetic.exponential(u)
    if code == EXPONENTIAL:
        return p[0] * e
    if code == WEIBULL:
        return arithmetic.weibull(e, p[0], p[1])
    return arithmetic.geometric(e, p[0], p[1])


def quantiles(table: LawTable, row: int, u: Floats) -> Floats:
    """Variates of one law, by inversion. [s]

    Args:
        table: The laws.
        row: Which of them.
        u: Uniforms in [0, 1), multiples of 2**-52. Shape (n,)

    Example:
        >>> table = law_table([Triangular(low_s=0.0, mode_s=1.0, high_s=2.0)])
        >>> quantiles(table, 0, np.array([0.0, 0.125, 0.5])).tolist()
        [0.0, 0.5, 1.0]
    """
    own = table.params[table.first[row] :]
    out: Floats = _of_uniforms(int(table.code[row]), u, own, table.params)
    return out


class Sampler(ByIndex):
    """The variates of one law from one stream, by index. [s]

    A constant law never touches its stream.

    Example:
        >>> table = law_table([Uniform(low_s=10.0, high_s=20.0)])
        >>> stream = Stream(7, 0, "press", "cycle")
        >>> Sampler(table, 0, stream).at(3) == 10.0 + 10.0 * stream.at(3)
        True
    """

    __slots__ = ("_row", "_stream", "_table")

    def __init__(self, table: LawTable, row: int, stream: Stream) -> None:
        super().__init__()
        self._table, self._row, self._stream = table, row, stream

    def _made(self, first: int) -> list[float]:
        if self._table.code[self._row] == CONSTANT:
            return [float(self._table.params[self._table.first[self._row]])] * BLOCK
        u = uniforms(self._stream.start, self._stream.gamma, first, BLOCK)
        block: list[float] = quantiles(self._table, self._row, u).tolist()
        return block
