"""Duration laws: every law is sampled by inversion, so a stream of uniforms fixes every variate."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from twin.plant.base import Frozen

__all__ = [
    "Constant",
    "Empirical",
    "Erlang",
    "Exponential",
    "Gamma",
    "Geometric",
    "Law",
    "Lognormal",
    "Triangular",
    "Uniform",
    "Weibull",
]

_NORMAL = NormalDist()

Seconds = Annotated[float, Field(ge=0.0, description="[s]")]
PositiveSeconds = Annotated[float, Field(gt=0.0, description="[s]")]
Positive = Annotated[float, Field(gt=0.0)]


class Constant(Frozen):
    """Always the same duration."""

    law: Literal["constant"] = "constant"
    value_s: Seconds

    def mean(self) -> float:
        return self.value_s

    def quantile(self, u: float) -> float:
        return self.value_s

    def scaled(self, factor: float) -> Constant:
        return Constant(value_s=self.value_s * factor)


class Erlang(Frozen):
    """Sum of ``phases`` exponential durations, all of one mean, by the mean of the sum."""

    law: Literal["erlang"] = "erlang"
    mean_s: PositiveSeconds
    phases: Annotated[int, Field(ge=1)]

    def mean(self) -> float:
        return self.mean_s

    def quantile(self, u: float) -> float:
        from scipy import special  # slow to load, and few plants have an Erlang law

        return float(special.gammaincinv(self.phases, u)) * self.mean_s / self.phases

    def scaled(self, factor: float) -> Erlang:
        return Erlang(mean_s=self.mean_s * factor, phases=self.phases)


class Exponential(Frozen):
    """Memoryless duration."""

    law: Literal["exponential"] = "exponential"
    mean_s: PositiveSeconds

    def mean(self) -> float:
        return self.mean_s

    def quantile(self, u: float) -> float:
        return -self.mean_s * math.log1p(-u)

    def scaled(self, factor: float) -> Exponential:
        return Exponential(mean_s=self.mean_s * factor)


class Gamma(Frozen):
    """Gamma law by its mean and coefficient of variation; ``cv = k**-0.5`` is an Erlang of k phases."""

    law: Literal["gamma"] = "gamma"
    mean_s: PositiveSeconds
    cv: Positive

    def mean(self) -> float:
        return self.mean_s

    def quantile(self, u: float) -> float:
        from scipy import special  # slow to load, and few plants have a gamma law

        shape = self.cv**-2
        return float(special.gammaincinv(shape, u)) * self.mean_s / shape

    def scaled(self, factor: float) -> Gamma:
        return Gamma(mean_s=self.mean_s * factor, cv=self.cv)


class Geometric(Frozen):
    """Whole steps until the first success, at least one: a life counted in cycles of one length."""

    law: Literal["geometric"] = "geometric"
    mean_s: PositiveSeconds
    step_s: PositiveSeconds

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.mean_s < self.step_s:
            raise ValueError("mean_s must not be less than step_s, for it takes at least one step")
        return self

    def mean(self) -> float:
        return self.mean_s

    def quantile(self, u: float) -> float:
        if self.mean_s == self.step_s:
            return self.step_s
        survival = math.log1p(-self.step_s / self.mean_s)
        return self.step_s * max(1, math.ceil(math.log1p(-u) / survival))

    def scaled(self, factor: float) -> Geometric:
        return Geometric(mean_s=self.mean_s * factor, step_s=self.step_s * factor)


class Lognormal(Frozen):
    """Lognormal law by its mean and coefficient of variation."""

    law: Literal["lognormal"] = "lognormal"
    mean_s: PositiveSeconds
    cv: Positive

    def mean(self) -> float:
        return self.mean_s

    def quantile(self, u: float) -> float:
        variance = math.log1p(self.cv**2)
        z = _NORMAL.inv_cdf(min(max(u, 1e-16), 1.0 - 1e-16))
        return self.mean_s * math.exp(math.sqrt(variance) * z - variance / 2)

    def scaled(self, factor: float) -> Lognormal:
        return Lognormal(mean_s=self.mean_s * factor, cv=self.cv)


class Weibull(Frozen):
    """Weibull law by its mean and shape; a shape over 1 wears out, under 1 is infant mortality."""

    law: Literal["weibull"] = "weibull"
    mean_s: PositiveSeconds
    shape: Positive

    def mean(self) -> float:
        return self.mean_s

    def quantile(self, u: float) -> float:
        scale = self.mean_s / math.gamma(1.0 + 1.0 / self.shape)
        return float(scale * (-math.log1p(-u)) ** (1.0 / self.shape))

    def scaled(self, factor: float) -> Weibull:
        return Weibull(mean_s=self.mean_s * factor, shape=self.shape)


class Triangular(Frozen):
    """Triangular law: least, most likely, greatest."""

    law: Literal["triangular"] = "triangular"
    low_s: Seconds
    mode_s: Seconds
    high_s: PositiveSeconds

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low_s <= self.mode_s <= self.high_s or self.low_s == self.high_s:
            raise ValueError("must rise: low_s <= mode_s <= high_s, low_s < high_s")
        return self

    def mean(self) -> float:
        return (self.low_s + self.mode_s + self.high_s) / 3

    def quantile(self, u: float) -> float:
        a, c, b = self.low_s, self.mode_s, self.high_s
        if u <= (c - a) / (b - a):
            return a + math.sqrt(u * (b - a) * (c - a))
        return b - math.sqrt((1.0 - u) * (b - a) * (b - c))

    def scaled(self, factor: float) -> Triangular:
        return Triangular(
            low_s=self.low_s * factor, mode_s=self.mode_s * factor, high_s=self.high_s * factor
        )


class Uniform(Frozen):
    """Every duration between two bounds alike."""

    law: Literal["uniform"] = "uniform"
    low_s: Seconds
    high_s: PositiveSeconds

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low_s >= self.high_s:
            raise ValueError("must rise: low_s < high_s")
        return self

    def mean(self) -> float:
        return (self.low_s + self.high_s) / 2

    def quantile(self, u: float) -> float:
        return self.low_s + u * (self.high_s - self.low_s)

    def scaled(self, factor: float) -> Uniform:
        return Uniform(low_s=self.low_s * factor, high_s=self.high_s * factor)


class Empirical(Frozen):
    """Measured quantiles at evenly spaced probabilities from 0 to 1, linear in between."""

    law: Literal["empirical"] = "empirical"
    quantiles_s: Annotated[tuple[Seconds, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if list(self.quantiles_s) != sorted(self.quantiles_s):
            raise ValueError("quantiles_s must not fall")
        return self

    def mean(self) -> float:
        q = self.quantiles_s
        return (sum(q) - (q[0] + q[-1]) / 2) / (len(q) - 1)

    def quantile(self, u: float) -> float:
        at = u * (len(self.quantiles_s) - 1)
        i = min(int(at), len(self.quantiles_s) - 2)
        low, high = self.quantiles_s[i], self.quantiles_s[i + 1]
        return low + (at - i) * (high - low)

    def scaled(self, factor: float) -> Empirical:
        return Empirical(quantiles_s=tuple(q * factor for q in self.quantiles_s))


Law = Annotated[
    Constant
    | Exponential
    | Erlang
    | Gamma
    | Geometric
    | Lognormal
    | Weibull
    | Triangular
    | Uniform
    | Empirical,
    Field(discriminator="law"),
]
"""A duration law. ``mean()`` [s]; ``quantile(u)`` [s] for 0 <= u < 1; ``scaled(factor)``."""
