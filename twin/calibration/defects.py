"""Defect responses from what inspections found, against the process parameter as it was measured.

An inspection says that a part is bad, not where it went bad: its rejects are shared out among the
units upstream by the plant file's responses, which take part as weak priors. Coverage of an
inspection cannot be told from the defect rate before it; it stays nominal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from twin.calibration.fits import Fit, cycle_mean, share
from twin.calibration.flow import trace_back
from twin.calibration.history import UnitHistory
from twin.calibration.laws import Findings
from twin.plant.equipment import DefectResponse, ProcessParameter
from twin.plant.model import Plant
from twin.plant.signals import SignalRole
from twin.telemetry.samples import Quality
from twin.telemetry.states import SignalIndex

__all__ = ["defect_responses"]

_AVERAGE_US = 10 * 60 * 1_000_000
"""The parameter at a part is its mean over this time up to the part's completion."""
_GROUP_US = 15 * 60 * 1_000_000
"""Parts finished within this time are counted together."""
_PRIOR_LOG_ODDS = 1.0
"""How far, on the log-odds scale, a defect rate may lie from the plant file's (one sigma)."""
_DRAWS = 2000

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """A unit that makes defects, and where its numbers stand in the vector that is fitted."""

    unit: str
    response: DefectResponse
    parameter: ProcessParameter | None
    """None: the response does not depend on one, or nothing measured it."""
    at: int

    @property
    def size(self) -> int:
        return 1 if self.parameter is None else 3

    def prior(self) -> tuple[list[float], list[float]]:
        """Mean and sigma of log-odds of the base, linear, and quadratic term."""
        base = math.log(self.response.base / (1.0 - self.response.base))
        if self.parameter is None:
            return [base], [_PRIOR_LOG_ODDS]
        reach = (self.parameter.high - self.parameter.low) / 4 or 1.0
        bent = self.response.quadratic > 0.0
        quadratic = math.log(self.response.quadratic) if bent else self.response.quadratic
        sigma = 1.0 if bent else reach**-2
        return [base, self.response.linear, quadratic], [_PRIOR_LOG_ODDS, 1.0 / reach, sigma]

    def terms(self, theta: Floats) -> tuple[Floats, Floats, Floats]:
        """Base log-odds, linear and quadratic term of one or many vectors. Shape (..., 1)"""
        mine = theta[..., self.at : self.at + self.size]
        if self.parameter is None:
            linear = np.full((*mine.shape[:-1], 1), self.response.linear)
            return mine[..., :1], linear, np.full_like(linear, self.response.quadratic)
        bent = self.response.quadratic > 0.0
        return mine[..., :1], mine[..., 1:2], np.exp(mine[..., 2:3]) if bent else mine[..., 2:3]

    def probability(self, theta: Floats, x: Floats) -> Floats:
        """Defect probability at each parameter value. Shape (..., len(x))"""
        base, linear, quadratic = self.terms(theta)
        z = x - self.response.center
        return np.asarray(special.expit(base + linear * z + quadratic * z**2), np.float64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Stage:
    """What one inspection found, by group of parts."""

    unit: str
    coverage: float
    parts: Floats
    rejects: Floats
    escape: Mapping[str, float]
    """By source: the share of its defects that no inspection in between has taken out."""
    x: Mapping[str, Floats]
    """By source: the parameter when the group passed there; constant where it has none."""


def defect_responses(
    plant: Plant,
    histories: Mapping[str, UnitHistory],
    index: SignalIndex,
    findings: Mapping[str, Findings],
) -> None:
    """Fit all defect responses together; add new responses and estimates to the findings."""
    sources = _sources(plant, index)
    stages = [
        stage
        for unit in plant.work_units
        if (stage := _stage(plant, unit, sources, histories, index)) is not None
    ]
    for stage in stages:
        _scrap(stage, sources, findings[stage.unit])
    seen = {name for stage in stages for name in stage.escape}
    for name, source in sources.items():
        if name not in seen:
            nominal = _nominal_probability(source)
            why = "no inspected part came from here"
            findings[name].keep_nominal(f"{name}.defects.probability", nominal, why, "1")
    if seen:
        theta, covariance = _fit(list(sources.values()), stages)
        draws = np.random.default_rng(0).multivariate_normal(theta, covariance, _DRAWS)
        for name in sorted(seen):
            declared = plant.unit(name).defects
            if declared is not None:
                _keep(sources[name], declared, stages, theta, draws, findings[name])


def _sources(plant: Plant, index: SignalIndex) -> dict[str, _Source]:
    sources: dict[str, _Source] = {}
    at = 0
    for unit, work_unit in plant.work_units.items():
        declared = work_unit.defects
        if declared is None:
            continue
        name = declared.parameter
        set_value = None if name is None else work_unit.parameters[name].value
        if name is not None and len(_parameter_rows(plant, unit, name, index)[0]):
            source = _Source(
                unit=unit, response=declared, parameter=work_unit.parameters[name], at=at
            )
        else:
            # Nothing measured it: it is taken to have stood at its set value all the time.
            level = DefectResponse(base=declared.probability(set_value))
            source = _Source(unit=unit, response=level, parameter=None, at=at)
        sources[unit] = source
        at += source.size
    return sources


def _stage(
    plant: Plant,
    unit: str,
    sources: Mapping[str, _Source],
    histories: Mapping[str, UnitHistory],
    index: SignalIndex,
) -> _Stage | None:
    inspection = plant.unit(unit).inspection
    parts = histories[unit].parts
    if inspection is None or not len(parts):
        return None
    routes = trace_back(plant, unit, histories)
    x: dict[str, Floats] = {}
    escape: dict[str, float] = {}
    usable = np.ones(len(parts), np.bool_)
    for name, source in sources.items():
        if name not in routes:
            continue
        route = routes[name]
        escape[name] = math.prod(1.0 - coverage for coverage in route.inspections)
        x[name] = np.zeros(len(parts))
        if source.parameter is not None and source.response.parameter is not None:
            rows = _parameter_rows(plant, name, source.response.parameter, index)
            x[name] = _recent_mean(*rows, route.finished_us)
            usable &= np.isfinite(x[name])
    if not escape or not usable.any():
        return None
    groups, of = np.unique(parts.finished_us[usable] // _GROUP_US, return_inverse=True)
    size = np.bincount(of, minlength=len(groups)).astype(np.float64)
    return _Stage(
        unit=unit,
        coverage=inspection.coverage,
        parts=size,
        rejects=np.bincount(of, weights=~parts.good[usable], minlength=len(groups)).astype(
            np.float64
        ),
        escape=escape,
        x={
            n: np.bincount(of, weights=v[usable], minlength=len(groups)) / size
            for n, v in x.items()
        },
    )


def _parameter_rows(
    plant: Plant, unit: str, parameter: str, index: SignalIndex
) -> tuple[NDArray[np.int64], Floats]:
    for name, signal in plant.unit(unit).signals.items():
        if signal.parameter == parameter and signal.role is SignalRole.PROCESS:
            rows = index.of(plant.signal_id(unit, name))
            good = (rows.quality == Quality.GOOD) & np.isfinite(rows.value)
            return rows.measured_us[good], rows.value[good]
    return np.zeros(0, np.int64), np.zeros(0)


def _recent_mean(times: NDArray[np.int64], values: Floats, at_us: NDArray[np.int64]) -> Floats:
    """Mean of the values in the time before each instant; NaN where there is none."""
    sums = np.concatenate(([0.0], np.cumsum(values)))
    last = np.searchsorted(times, at_us, side="right")
    first = np.searchsorted(times, at_us - _AVERAGE_US, side="right")
    count = last - first
    mean = np.full(len(at_us), np.nan)
    some = count > 0
    mean[some] = (sums[last[some]] - sums[first[some]]) / count[some]
    return mean


def _found(stage: _Stage, sources: Mapping[str, _Source], theta: Floats) -> Floats:
    """Probability that a part of each group is rejected here."""
    sound = np.ones(len(stage.parts))
    for name, escape in stage.escape.items():
        sound = sound * (1.0 - escape * sources[name].probability(theta, stage.x[name]))
    return np.clip(stage.coverage * (1.0 - sound), 1e-12, 1.0 - 1e-12)


def _fit(sources: list[_Source], stages: list[_Stage]) -> tuple[Floats, Floats]:
    """Most probable vector and its covariance (Laplace's approximation)."""
    from scipy import (
        optimize,
    )  # a fifth of a second that who only asks for live_state need not wait

    means, sigmas = (
        np.array([v for s in sources for v in s.prior()[i]], np.float64) for i in (0, 1)
    )
    by_name = {s.unit: s for s in sources}

    def cost(steps: Floats) -> float:
        theta = means + sigmas * steps
        total = 0.5 * float(steps @ steps)
        for stage in stages:
            p = _found(stage, by_name, theta)
            good = stage.parts - stage.rejects
            total -= float(stage.rejects @ np.log(p) + good @ np.log1p(-p))
        return total

    best = optimize.minimize(cost, np.zeros(len(means)), method="BFGS")
    steps = np.asarray(best.x, np.float64)
    covariance = np.linalg.pinv(_curvature(cost, steps), hermitian=True)
    return means + sigmas * steps, covariance * np.outer(sigmas, sigmas)


def _curvature(cost: Callable[[Floats], float], at: Floats, h: float = 1e-3) -> Floats:
    n = len(at)
    unit = np.eye(n) * h
    second = np.empty((n, n))
    for i in range(n):
        for j in range(i, n):
            plus = cost(at + unit[i] + unit[j]) - cost(at + unit[i] - unit[j])
            minus = cost(at - unit[i] + unit[j]) - cost(at - unit[i] - unit[j])
            second[i, j] = second[j, i] = (plus - minus) / (4 * h * h)
    return second


def _keep(
    source: _Source,
    declared: DefectResponse,
    stages: list[_Stage],
    theta: Floats,
    draws: Floats,
    findings: Findings,
) -> None:
    """Level of the defects as the line ran, and the response that passes through it."""
    first = next(stage for stage in stages if source.unit in stage.escape)
    weights = first.parts / first.parts.sum()
    x = first.x[source.unit]
    level = float(source.probability(theta, x) @ weights)
    low, high = np.quantile(source.probability(draws, x) @ weights, (0.05, 0.95))
    fit = Fit(value=level, low=min(float(low), level), high=max(float(high), level))
    nominal = _nominal_probability(source)
    n = int(first.parts.sum())
    findings.keep(f"{source.unit}.defects.probability", fit, nominal, n, "1")
    if source.parameter is None:
        base = float(
            special.expit(_log_odds(declared.base) + _log_odds(level) - _log_odds(nominal))
        )
        findings.changes["defects"] = declared.model_copy(update={"base": _open_share(base)})
        return
    findings.changes["defects"] = _by_set_value(
        source, source.parameter, declared, theta, x, weights
    )
    _keep_shape(source, source.parameter, x, n, theta, draws, findings)


def _by_set_value(
    source: _Source,
    parameter: ProcessParameter,
    declared: DefectResponse,
    theta: Floats,
    x: Floats,
    weights: Floats,
) -> DefectResponse:
    """The response in terms of the set value, which is what a what-if moves.

    The measured parameter lay beside the set value and swung around it. Moving the set value moves
    all of that along, so the response passes through the mean defect rate now, and through the mean
    rates with everything measured shifted up and down by an eighth of the settable range.
    """
    step = (parameter.high - parameter.low) / 8 or 1.0
    below, here, above = (
        _log_odds(_open_share(float(source.probability(theta, x + shift) @ weights)))
        for shift in (-step, 0.0, step)
    )
    centre = declared.center - (float(x @ weights) - parameter.value)
    z = parameter.value - centre
    quadratic = (above - 2 * here + below) / (2 * step**2)
    linear = (above - below) / (2 * step) - 2 * quadratic * z
    base = float(special.expit(here - linear * z - quadratic * z * z))
    return declared.model_copy(
        update={
            "base": _open_share(base),
            "center": centre,
            "linear": linear,
            "quadratic": quadratic,
        }
    )


def _keep_shape(
    source: _Source,
    parameter: ProcessParameter,
    x: Floats,
    n: int,
    theta: Floats,
    draws: Floats,
    findings: Findings,
) -> None:
    unit, name = parameter.unit, f"{source.unit}.defects"
    fitted, drawn = source.terms(theta), source.terms(draws)
    planned = (source.response.linear, source.response.quadratic)
    for key, power, i in (("linear", "", 0), ("quadratic", "2", 1)):
        value = float(fitted[i + 1][0])
        low, high = (float(q) for q in np.quantile(drawn[i + 1][:, 0], (0.05, 0.95)))
        fit = Fit(value=value, low=min(low, value), high=max(high, value))
        findings.keep(f"{name}.{key}", fit, planned[i], n, f"1/{unit}{power}")
    label = source.response.parameter
    if len(x) > 1:
        place = f"{source.unit}.parameters.{label}.mean"
        findings.keep(place, cycle_mean(x), parameter.value, len(x), unit)
    low, high = (float(q) for q in np.quantile(x, (0.05, 0.95)))
    findings.notes.append(
        f"{name}: {label} was measured between {low:.1f} and {high:.1f} {unit}; outside, the "
        "response follows the plant file's shape and is an extrapolation"
    )


def _log_odds(probability: float) -> float:
    return math.log(probability / (1.0 - probability))


def _open_share(value: float) -> float:
    return min(max(value, 1e-9), 1.0 - 1e-9)


def _scrap(stage: _Stage, sources: Mapping[str, _Source], findings: Findings) -> None:
    """Share of the inspected parts that this inspection took out, beside what was planned."""
    sound = math.prod(1.0 - e * _nominal_probability(sources[n]) for n, e in stage.escape.items())
    inspected, rejects = int(stage.parts.sum()), int(stage.rejects.sum())
    fit = share(rejects, inspected)
    name = f"{stage.unit}.scrap.ratio"
    findings.keep(name, fit, stage.coverage * (1.0 - sound), inspected, "1")
    findings.notes.append(
        f"{stage.unit}.inspection.coverage stays nominal: it cannot be told from the defect rate"
    )


def _nominal_probability(source: _Source) -> float:
    value = None if source.parameter is None else source.parameter.value
    return source.response.probability(value)
