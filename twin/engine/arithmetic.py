"""Logarithm, exponential and quantiles from ``+ - * /``, square root and integer operations only.

Every step is correctly rounded by IEEE 754 and libm is never asked, so a variate has the same bits
on every machine. The functions are written once, for NumPy arrays; ``twin.engine.compiled``
compiles the same text for scalars, with the five primitives at the top replaced by instructions.
So the order of the operations is the same in both by construction.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "bits_of",
    "choose",
    "empirical",
    "exp",
    "exponential",
    "float_of",
    "geometric",
    "is_middle",
    "log",
    "lognormal",
    "middle",
    "normal",
    "root",
    "tabulated",
    "tail",
    "triangular",
    "uniform_between",
    "weibull",
    "whole",
]

# Arrays under NumPy, scalars when compiled: no one type says both.
Number = Any


def bits_of(x: Number) -> Number:
    """The 64 bits of doubles."""
    return x.view(np.uint64)


def float_of(bits: Number) -> Number:
    """The doubles of 64 bits."""
    return bits.view(np.float64)


def choose(condition: Number, then: Number, otherwise: Number) -> Number:
    """``then`` where the condition holds; both sides are computed."""
    return np.where(condition, then, otherwise)


def root(x: Number) -> Number:
    """Square root, correctly rounded."""
    return np.sqrt(x)


def whole(x: Number) -> Number:
    """Integer part of doubles that are not negative."""
    return np.asarray(x).astype(np.int64)


_EXPONENT = np.uint64(52)
_MANTISSA = np.uint64(0x000F_FFFF_FFFF_FFFF)
_HALF_ROOT = np.uint64(0x3FE6_A09E_0000_0000)
_TO_ONE = np.uint64(0x3FF0_0000_0000_0000 - 0x3FE6_A09E_0000_0000)
_TWO_52 = np.uint64(0x4330_0000_0000_0000)
_BIAS = np.uint64(1023)
_LN2 = 0.69314718055994530942
_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10


def log(x: Number) -> Number:
    """Natural logarithm of normal doubles > 0, within 2 ulp; of 0, some finite number.

    Source:
        The reduction to [sqrt(1/2), sqrt(2)) and the polynomial of Sun's fdlibm.
    """
    moved = bits_of(x) + _TO_ONE
    # An integer below 2**52 becomes a double as the mantissa of 2**52 + itself.
    k = float_of((moved >> _EXPONENT) | _TWO_52) - (4503599627370496.0 + 1023.0)
    f = float_of((moved & _MANTISSA) + _HALF_ROOT) - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    even = w * (
        3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01)
    )
    odd = z * (
        6.666666666666735130e-01
        + w
        * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01))
    )
    return k * _LN2 + (s * (odd + even) + (s + s))


_ROUND = 6755399441055744.0  # 1.5 * 2**52: adding it rounds to the nearest integer


def exp(x: Number) -> Number:
    """Exponential within 1 ulp; beyond -600 and 600 it is that of the bound, never 0 or infinite.

    Source:
        The reduction by multiples of log 2 and the rational of Sun's fdlibm.
    """
    x = choose(x < 600.0, choose(x > -600.0, x, -600.0), 600.0)
    rounded = x * 1.44269504088896338700 + _ROUND
    k = rounded - _ROUND
    high = x - k * _LN2_HIGH
    low = k * _LN2_LOW
    r = high - low
    t = r * r
    c = r - t * (
        1.66666666666666019037e-01
        + t
        * (
            -2.77777777770155933842e-03
            + t
            * (
                6.61375632143793436117e-05
                + t * (-1.65339022054652515390e-06 + t * 4.13813679705723846039e-08)
            )
        )
    )
    y = 1.0 + (r * c / (2.0 - c) - low + high)
    return y * float_of((bits_of(rounded) + _BIAS) << _EXPONENT)


_MIDDLE_OVER = (
    3.3871328727963666080e0,
    1.3314166789178437745e2,
    1.9715909503065514427e3,
    1.3731693765509461125e4,
    4.5921953931549871457e4,
    6.7265770927008700853e4,
    3.3430575583588128105e4,
    2.5090809287301226727e3,
)
_MIDDLE_UNDER = (
    1.0,
    4.2313330701600911252e1,
    6.8718700749205790830e2,
    5.3941960214247511077e3,
    2.1213794301586595867e4,
    3.9307895800092710610e4,
    2.8729085735721942674e4,
    5.2264952788528545610e3,
)
_NEAR_OVER = (
    1.42343711074968357734e0,
    4.63033784615654529590e0,
    5.76949722146069140550e0,
    3.64784832476320460504e0,
    1.27045825245236838258e0,
    2.41780725177450611770e-1,
    2.27238449892691845833e-2,
    7.74545014278341407640e-4,
)
_NEAR_UNDER = (
    1.0,
    2.05319162663775882187e0,
    1.67638483018380384940e0,
    6.89767334985100004550e-1,
    1.48103976427480074590e-1,
    1.51986665636164571966e-2,
    5.47593808499534494600e-4,
    1.05075007164441684324e-9,
)
_FAR_OVER = (
    6.65790464350110377720e0,
    5.46378491116411436990e0,
    1.78482653991729133580e0,
    2.96560571828504891230e-1,
    2.65321895265761230930e-2,
    1.24266094738807843860e-3,
    2.71155556874348757815e-5,
    2.01033439929228813265e-7,
)
_FAR_UNDER = (
    1.0,
    5.99832206555887937690e-1,
    1.36929880922735805310e-1,
    1.48753612908506148525e-2,
    7.86869131145613259100e-4,
    1.84631831751005468180e-5,
    1.42151175831644588870e-7,
    2.04426310338993978564e-15,
)
_LEAST = 1.1102230246251565e-16  # 2**-53


def _poly(x: Number, c: tuple[float, ...]) -> Number:
    y = ((c[7] * x + c[6]) * x + c[5]) * x + c[4]
    return (((y * x + c[3]) * x + c[2]) * x + c[1]) * x + c[0]


def is_middle(u: Number) -> Number:
    """Whether ``middle`` holds, else ``tail`` does: three uniforms in twenty are in a tail."""
    q = u - 0.5
    return 0.180625 - q * q >= 0.0


def middle(u: Number) -> Number:
    q = u - 0.5
    r = 0.180625 - q * q
    return q * _poly(r, _MIDDLE_OVER) / _poly(r, _MIDDLE_UNDER)


def tail(u: Number) -> Number:
    p = choose(u < _LEAST, _LEAST, u)
    s = root(0.0 - log(choose(p < 0.5, p, 1.0 - p)))
    is_near = s <= 5.0
    m = s - choose(is_near, 1.6, 5.0)
    over = choose(is_near, _poly(m, _NEAR_OVER), _poly(m, _FAR_OVER))
    under = choose(is_near, _poly(m, _NEAR_UNDER), _poly(m, _FAR_UNDER))
    z = over / under
    return choose(p < 0.5, 0.0 - z, z)


def normal(u: Number) -> Number:
    """Standard normal quantile for 0 <= u < 1, to about 1e-16; below 2**-53 it is that of 2**-53.

    Source:
        Wichura (1988), Algorithm AS 241, PPND16, Applied Statistics 37.
    """
    return choose(is_middle(u), middle(u), tail(u))


def exponential(u: Number) -> Number:
    """Standard exponential, at least 0."""
    return 0.0 - log(1.0 - u)


def weibull(e: Number, scale: float, power: float) -> Number:
    """``scale * e ** power`` at a standard exponential; ``power`` is one over the shape."""
    return choose(e > 0.0, scale * exp(power * log(e)), 0.0)


def lognormal(z: Number, median: float, sigma: float) -> Number:
    """At the normal quantile ``z``."""
    return median * exp(sigma * z)


def uniform_between(u: Number, low: float, width: float) -> Number:
    return low + u * width


def triangular(
    u: Number, low: float, high: float, split: float, left: float, right: float
) -> Number:
    """``left`` and ``right`` are the width times the distance of the mode to that side."""
    return choose(u <= split, low + root(u * left), high - root((1.0 - u) * right))


def geometric(e: Number, step: float, hazard: float) -> Number:
    """Steps until the first success, at least one; ``hazard`` is -log(1 - p) > 0."""
    x = e / hazard
    k = whole(x) * 1.0
    k = choose(x > k, k + 1.0, k)
    return step * choose(k < 1.0, 1.0, k)


def empirical(u: Number, params: Number, at: Number, last: Number) -> Number:
    """Linear between the evenly spaced quantiles ``params[at : at + last + 1]``."""
    x = u * last
    i = whole(x)
    i = choose(i < last - 1, i, last - 1)
    low = params[at + i]
    return low + (x - i) * (params[at + i + 1] - low)


TABLE_POINTS = 1025
TABLE_REACH = 8.25
_PER_Z = (TABLE_POINTS - 1) / (2.0 * TABLE_REACH)


def tabulated(z: Number, params: Number, at: Number) -> Number:
    """Cubic Hermite of the logarithm of a law of mean 1 over normal quantiles.

    From ``params[at]`` on stand ``TABLE_POINTS`` pairs of value and slope, the slope times the
    distance of two points, for normal quantiles from ``-TABLE_REACH`` to ``TABLE_REACH``.
    """
    x = (z + TABLE_REACH) * _PER_Z
    i = whole(x)
    t = x - i
    j = at + 2 * i
    y, slope, next_slope = params[j], params[j + 1], params[j + 3]
    rise = params[j + 2] - y
    s = 1.0 - t
    return y + t * (rise + s * ((slope - rise) * s - (next_slope - rise) * t))
