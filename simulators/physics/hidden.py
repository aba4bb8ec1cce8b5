"""The hidden truth of a practice plant: what hidden.toml and the seed make of the plant file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from simulators.physics.streams import generator
from twin.plant import DefectResponse, Exponential, Gamma, Lognormal, Plant, Weibull, WorkUnit

__all__ = ["CycleTruth", "HiddenTruth", "ModeTruth", "UnitTruth", "hidden_truth", "settings"]

TWO_WEEKS_S = 14 * 86_400.0


@dataclass(frozen=True, slots=True)
class CycleTruth:
    """True law of one part's duration, before drift and wear."""

    mean_s: float
    cv: float
    family: str


@dataclass(frozen=True, slots=True)
class ModeTruth:
    """True life and repair of a failure mode."""

    wear: bool
    life: Exponential | Weibull | Gamma
    """Operating time to failure."""
    repair: Lognormal
    initial_wear: float
    slowing: float
    """Relative extra cycle time at wear 1."""


@dataclass(frozen=True, slots=True)
class UnitTruth:
    """Everything hidden about one work unit."""

    cycles: dict[str, CycleTruth]
    drift: float
    """Relative change of cycle time over two weeks."""
    modes: dict[str, ModeTruth]
    defects: DefectResponse | None
    coverage: float | None
    setup_factor: float
    power_factor: float

    def drift_at(self, t_s: float) -> float:
        """Factor on the cycle time so many seconds after the start of the history."""
        return 1.0 + self.drift * min(t_s / TWO_WEEKS_S, 2.0)


@dataclass(frozen=True, slots=True)
class HiddenTruth:
    """Everything hidden about the plant."""

    units: dict[str, UnitTruth]
    walk_s: tuple[float, float]
    setup_cv: float


@cache
def settings() -> dict[str, Any]:
    """hidden.toml, read once."""
    return tomllib.loads((Path(__file__).parents[1] / "hidden.toml").read_text("utf-8"))


def hidden_truth(plant: Plant, seed: int) -> HiddenTruth:
    """The truth of this plant for this seed."""
    table = settings()
    units = {
        name: _unit(plant, name, unit, generator(seed, f"hidden/{name}"))
        for name, unit in plant.work_units.items()
    }
    low, high = table["repair"]["walk_s"]
    return HiddenTruth(units, (low, high), table["setup"]["cv"])


def _unit(plant: Plant, name: str, unit: WorkUnit, rng: np.random.Generator) -> UnitTruth:
    table = settings()
    return UnitTruth(
        cycles=_cycles(plant, unit, rng),
        drift=table["drift"].get(name, 0.0),
        modes={m: _mode(unit, m, rng) for m in unit.failure_modes},
        defects=_defects(unit.defects, rng),
        coverage=None
        if unit.inspection is None
        else unit.inspection.coverage * _between(rng, table["defects"]["coverage_factor"]),
        setup_factor=_between(rng, table["setup"]["mean_factor"]),
        power_factor=_between(rng, table["power"]["factor"]),
    )


def _cycles(plant: Plant, unit: WorkUnit, rng: np.random.Generator) -> dict[str, CycleTruth]:
    table = settings()["cycle"]
    factor = _between(rng, table["mean_factor"])
    family = str(rng.choice(table["families"]))
    cycles = {}
    for product in plant.products:
        law = unit.cycle_law(product)
        cv = getattr(law, "cv", 0.05) * _between(rng, table["cv_factor"])
        mean = law.mean() * factor * _between(rng, table["product_factor"])
        cycles[product] = CycleTruth(mean, cv, family)
    return cycles


def _mode(unit: WorkUnit, name: str, rng: np.random.Generator) -> ModeTruth:
    table, mode = settings(), unit.failure_modes[name]
    repair = Lognormal(
        mean_s=mode.repair.mean() * _between(rng, table["repair"]["mean_factor"]),
        cv=getattr(mode.repair, "cv", 0.4) * _between(rng, table["repair"]["cv_factor"]),
    )
    mean = mode.time_to_failure.mean()
    if not mode.wear:
        life = Exponential(mean_s=mean * _between(rng, table["random_failure"]["life_factor"]))
        return ModeTruth(False, life, repair, 0.0, 0.0)
    wear = table["wear"]
    mean *= _between(rng, wear["life_factor"])
    shape = _between(rng, wear["shape"])
    worn: Weibull | Gamma = Weibull(mean_s=mean, shape=shape)
    if rng.random() < 0.5:
        worn = Gamma(mean_s=mean, cv=1.15 / shape)
    initial = _between(rng, wear["initial"])
    return ModeTruth(True, worn, repair, initial, wear["slowing"].get(name, 0.0))


def _defects(response: DefectResponse | None, rng: np.random.Generator) -> DefectResponse | None:
    if response is None:
        return None
    table = settings()["defects"]
    change: dict[str, float] = {"base": response.base * _between(rng, table["base_factor"])}
    if response.parameter is not None:
        change["center"] = response.center + _between(rng, table["center_shift"])
        change["quadratic"] = response.quadratic * _between(rng, table["quadratic_factor"])
    return response.model_copy(update=change)


def _between(rng: np.random.Generator, bounds: list[float]) -> float:
    low, high = bounds
    return float(rng.uniform(low, high))
