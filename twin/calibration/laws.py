"""Fitted laws of one unit: cycle times, setups, failures, repairs; each with its estimate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from twin.calibration.fits import (
    Fit,
    coefficient_of_variation,
    cycle_mean,
    life_mean,
    lognormal_mean,
)
from twin.calibration.history import UnitHistory, mode_ages, setup_spells
from twin.calibration.result import Estimate
from twin.plant.equipment import Setup
from twin.plant.laws import Constant, Exponential, Gamma, Law, Lognormal, Weibull
from twin.plant.model import Plant
from twin.plant.reliability import FailureMode
from twin.plant.signals import WorkUnitState
from twin.telemetry.states import SignalIndex

__all__ = ["Findings", "crew_wait", "cycle_times", "failures", "setups"]

FEWEST_CYCLES = 5
"""Fewer parts of a product than this say nothing about its cycle time."""
_SETUP_CV = 0.2
"""Spread that a setup is expected to have; the plant file gives only its length."""


@dataclass(slots=True)
class Findings:
    """What the fits of one unit have found so far: new entries for the plant, and the evidence."""

    changes: dict[str, Any] = field(default_factory=dict)
    """Field of the work unit -> new value."""
    estimates: list[Estimate] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def keep(self, name: str, fit: Fit, nominal: float, n: int, unit: str = "s") -> None:
        """Add one estimate."""
        self.estimates.append(
            Estimate(
                name=name,
                value=fit.value,
                low=fit.low,
                high=fit.high,
                unit=unit,
                nominal=nominal,
                n=n,
            )
        )

    def keep_nominal(self, name: str, nominal: float, why: str, unit: str = "s") -> None:
        """Say that a number stays what the plant file says."""
        self.keep(name, Fit(value=nominal, low=nominal, high=nominal), nominal, 0, unit)
        self.notes.append(f"{name} stays nominal: {why}")


def cycle_times(plant: Plant, history: UnitHistory, findings: Findings) -> None:
    """Cycle law of every product at this unit."""
    work_unit = plant.unit(history.unit)
    laws: dict[str, Law] = dict(work_unit.cycle_time)
    measured = np.isfinite(history.parts.production_s)
    for product in plant.products:
        nominal = work_unit.cycle_law(product)
        name = f"{history.unit}.cycle_time.{product}.mean_s"
        taken = history.parts.production_s[measured & (history.parts.product == product)]
        if len(taken) < FEWEST_CYCLES:
            why = f"{len(taken)} cycles were seen, {FEWEST_CYCLES} are needed"
            findings.keep_nominal(name, nominal.mean(), why)
            continue
        fit = cycle_mean(taken)
        laws[product] = _cycle_law(nominal, fit)
        if fit.correlated:
            findings.notes.append(
                f"{name}: cycle times drift or are correlated; the interval is that of batch means, "
                "and today's mean may lie outside it"
            )
        findings.keep(name, fit, nominal.mean(), len(taken))
    findings.changes["cycle_time"] = laws


def setups(plant: Plant, history: UnitHistory, index: SignalIndex, findings: Findings) -> None:
    """Change-over times; only those that the plant file plans or that were seen."""
    nominal = plant.unit(history.unit).setup
    seen: dict[str, list[float]] = {field: [] for field in type(nominal).model_fields}
    for spell in setup_spells(plant, history, index):
        known = {spell.from_product, spell.to_product} <= plant.products.keys()
        if known and spell.duration_s > 0.0:
            seen[plant.setup_distance(spell.from_product, spell.to_product)].append(
                spell.duration_s
            )
    values: dict[str, float] = nominal.model_dump()
    for kind, durations in seen.items():
        name = f"{history.unit}.setup.{kind.removesuffix('_s')}.mean_s"
        planned = values[kind]
        if not durations:
            if planned > 0.0:
                findings.keep_nominal(name, planned, "no such setup was seen")
            continue
        taken = np.array(durations)
        fit = lognormal_mean(
            taken, nominal_mean_s=planned or float(taken.mean()), nominal_cv=_SETUP_CV
        )
        values[kind] = fit.value
        findings.keep(name, fit, planned, len(durations))
    findings.changes["setup"] = Setup(**values)


def failures(plant: Plant, history: UnitHistory, findings: Findings) -> None:
    """Time to failure and repair law of every failure mode of this unit."""
    modes: dict[str, FailureMode] = {}
    for mode, declared in plant.unit(history.unit).failure_modes.items():
        life = _life(plant, history, mode, declared, findings)
        repair = _repair(history, mode, declared, findings)
        modes[mode] = declared.model_copy(update={"time_to_failure": life, "repair": repair})
    findings.changes["failure_modes"] = modes


def crew_wait(histories: Mapping[str, UnitHistory], findings: Findings) -> None:
    """How long a stopped unit waits for a crew; the simulation makes this wait, so no law takes it."""
    waits = np.array(
        [e.wait_s for h in histories.values() for e in h.failures if e.mended_us is not None]
    )
    if len(waits) >= FEWEST_CYCLES:
        fit = cycle_mean(waits) if waits.any() else Fit(value=0.0, low=0.0, high=0.0)
        findings.keep("maintenance.crew_wait.mean_s", fit, 0.0, len(waits))


def _cycle_law(nominal: Law, fit: Fit) -> Law:
    if fit.cv < 1e-6:
        return Constant(value_s=fit.value)
    if isinstance(nominal, Gamma):
        return Gamma(mean_s=fit.value, cv=fit.cv)
    return Lognormal(mean_s=fit.value, cv=fit.cv)


def _life(
    plant: Plant, history: UnitHistory, mode: str, declared: FailureMode, findings: Findings
) -> Law:
    law = declared.time_to_failure
    name = f"{history.unit}.failure.{mode}.mean_s"
    if not isinstance(law, Exponential | Weibull):
        findings.keep_nominal(name, law.mean(), f"a {law.law} life is not fitted")
        return law
    shape = law.shape if isinstance(law, Weibull) else 1.0
    if history.states.seconds_in(WorkUnitState.PRODUCTION) <= 0.0:
        findings.keep_nominal(name, law.mean(), "the unit was not seen at work")
        return law
    ages, failed = mode_ages(plant, history, mode, whole_lives=shape != 1.0)
    if not len(ages):
        findings.keep_nominal(name, law.mean(), "no life was seen from its beginning")
        return law
    fit = life_mean(ages, failed, nominal_mean_s=law.mean(), shape=shape)
    if not failed.any():
        findings.notes.append(f"{name}: no failure was seen; time without one moved it")
    findings.keep(name, fit, law.mean(), int(failed.sum()))
    return law.scaled(fit.value / law.mean())


def _repair(history: UnitHistory, mode: str, declared: FailureMode, findings: Findings) -> Law:
    law = declared.repair
    name = f"{history.unit}.repair.{mode}.mean_s"
    taken = np.array(
        [
            e.repair_s
            for e in history.failures
            if e.failure_mode == mode and e.mended_us is not None and e.repair_s > 0.0
        ]
    )
    if not len(taken) or law.mean() <= 0.0:
        findings.keep_nominal(name, law.mean(), "no finished repair was seen")
        return law
    fit = lognormal_mean(taken, nominal_mean_s=law.mean(), nominal_cv=coefficient_of_variation(law))
    findings.keep(name, fit, law.mean(), len(taken))
    if isinstance(law, Lognormal):
        return Lognormal(mean_s=fit.value, cv=fit.cv)
    return law.scaled(fit.value / law.mean())
