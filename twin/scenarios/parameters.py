"""The numbers of a line that people can move, and how far each one is moved to see what that does."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from twin.errors import DataError
from twin.plant import Law, Plant, WorkUnit
from twin.scenarios.changes import Change

__all__ = ["Parameter", "parameters"]

_MOST_PARTS = 100_000
"""What the plant file takes as a count of parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A number of the plant file, or several that move together."""

    name: str
    """For people: ``cycle time of press``."""
    paths: tuple[str, ...]
    """Keys from the plant file's root."""
    value: float
    """As it is; of a law its mean. NaN where several move."""
    counted: bool
    """True: it is a whole number that moves by one."""
    step: float
    """How far one step up is, in the unit of ``value``. NaN: a share of what stands there."""
    unit: str = ""
    """Of ``value`` and ``step``; empty where it has none or the name says it."""
    less: tuple[Change, ...]
    """The lower side; empty: the line as it is."""
    more: tuple[Change, ...]
    """The upper side; empty: the line as it is."""
    apart: float
    """Steps from the lower side to the upper one."""

    @property
    def shared(self) -> bool:
        """True: it moves by a share of itself."""
        return math.isnan(self.step)

    def moved(self, relative_step: float) -> str:
        """One step in words.

        Example:
            >>> plant_number = Parameter(name="coverage of aoi", paths=(), value=0.9, counted=False,
            ...     step=0.05, less=(), more=(), apart=2.0)
            >>> plant_number.moved(0.01)
            '0.05'
        """
        if self.counted:
            return "one"
        if self.shared:
            return f"{100 * relative_step:g} %"
        return f"{self.step:g} {self.unit}".strip()


def parameters(plant: Plant, relative_step: float = 0.05) -> list[Parameter]:
    """Every number that can be moved alone.

    - times, lives, the probability of a defect and intervals of upkeep: down and up by a share of themselves
    - set-points that something answers to, and the coverage of an inspection: by that share of the range
      that they can be set to, as far as it goes
    - shares of routes and of what arrives: by that share of what lies between them and 0 or 1; the others
      make room in proportion
    - places, machines, crews, operators, cards, reworks and what an oven holds: up by one; what an oven
      waits for: down by one

    Args:
        plant: The line.
        relative_step: The share, above 0 and below 1.

    Raises:
        DataError: ``relative_step`` is out of range.
    """
    if not 0.0 < relative_step < 1.0:
        raise DataError(f"relative_step is {relative_step}, it must lie between 0 and 1")
    return [
        *_times(plant, relative_step),
        *_settings(plant, relative_step),
        *_divisions(plant, relative_step),
        *_counts(plant),
    ]


def _times(plant: Plant, by: float) -> Iterator[Parameter]:
    def law(name: str, path: str, value: Law) -> Iterator[Parameter]:
        if value.mean() > 0.0:
            yield _share(name, value.mean(), by, path)

    for name, unit in plant.work_units.items():
        at = f"work_units.{name}"
        means = [one.mean() for one in unit.cycle_time.values()]
        if max(means) > 0.0:
            value = means[0] if len(means) == 1 else math.nan
            yield _share(f"cycle time of {name}", value, by, f"{at}.cycle_time")
        setups = {k: v for k, v in unit.setup.model_dump().items() if v > 0.0}
        if setups:
            value = next(iter(setups.values())) if len(setups) == 1 else math.nan
            yield _share(f"setup of {name}", value, by, *(f"{at}.setup.{key}" for key in setups))
        for key, mode in unit.failure_modes.items():
            path = f"{at}.failure_modes.{key}"
            life = mode.time_to_failure.mean()
            yield _share(f"time to failure {key} of {name}", life, by, f"{path}.time_to_failure")
            yield from law(f"repair of {key} of {name}", f"{path}.repair", mode.repair)
        for key, upkeep in unit.upkeep.items():
            path = f"{at}.upkeep.{key}"
            yield from law(f"upkeep {key} of {name}", f"{path}.duration", upkeep.duration)
            if upkeep.every_h is not None:
                said = f"interval of upkeep {key} of {name}"
                yield _share(said, upkeep.every_h, by, f"{path}.every_h", unit="h")
        if unit.release.policy == "arrivals" and unit.release.interarrival is not None:
            path = f"{at}.release.interarrival"
            yield from law(f"time between arrivals at {name}", path, unit.release.interarrival)
    for name, zone in plant.storage_zones.items():
        if zone.transport_s > 0.0:
            path = f"storage_zones.{name}.transport_s"
            yield _share(f"transport through {name}", zone.transport_s, by, path)


def _share(name: str, value: float, by: float, *paths: str, unit: str = "") -> Parameter:
    less, more = (
        tuple(Change(path=path, op="multiply", value=factor) for path in paths)
        for factor in (1.0 - by, 1.0 + by)
    )
    return Parameter(
        name=name,
        paths=paths,
        value=value,
        counted=False,
        step=math.nan,
        unit=unit,
        less=less,
        more=more,
        apart=2.0,
    )


def _settings(plant: Plant, by: float) -> Iterator[Parameter]:
    for name, unit in plant.work_units.items():
        at = f"work_units.{name}"
        for key in _answered(unit):
            one = unit.parameters[key]
            path, span = f"{at}.parameters.{key}.value", (one.low, one.high)
            step = by * (one.high - one.low)
            yield from _within(f"{key} of {name}", path, one.value, step, span, one.unit)
        if unit.defects is not None:
            base = unit.defects.base
            if base * (1.0 + by) < 1.0:
                yield _share(f"defect probability of {name}", base, by, f"{at}.defects.base")
        if unit.inspection is not None:
            path, value = f"{at}.inspection.coverage", unit.inspection.coverage
            yield from _within(f"coverage of {name}", path, value, by, (0.0, 1.0))
        for key, upkeep in unit.upkeep.items():
            if upkeep.every_parts is not None:
                count = float(upkeep.every_parts)
                said, path = f"interval of upkeep {key} of {name}", f"{at}.upkeep.{key}.every_parts"
                step = float(max(1, round(by * count)))
                yield from _within(said, path, count, step, (1.0, float(_MOST_PARTS)), "parts")


def _answered(unit: WorkUnit) -> list[str]:
    """Set-points that defects or power of the unit answer to."""
    used = [unit.defects.parameter if unit.defects else None]
    used.append(unit.power.parameter if unit.power.slope_w else None)
    return [key for key in unit.parameters if key in used]


def _within(
    name: str, path: str, value: float, step: float, span: tuple[float, float], unit: str = ""
) -> Iterator[Parameter]:
    """To both sides as far as the range goes; nothing where it leaves no room."""
    low, high = max(span[0], value - step), min(span[1], value + step)
    if low < high:
        yield Parameter(
            name=name,
            paths=(path,),
            value=value,
            counted=False,
            step=step,
            unit=unit,
            less=(Change(path=path, op="set", value=low),) if low < value else (),
            more=(Change(path=path, op="set", value=high),) if high > value else (),
            apart=(high - low) / step,
        )


def _divisions(plant: Plant, by: float) -> Iterator[Parameter]:
    for name, unit in plant.work_units.items():
        at = f"work_units.{name}"
        yield from _divided(
            {
                f"{at}.routes.{i}.share": (f"share of {route.zone} after {name}", route.share)
                for i, route in enumerate(unit.routes)
                if route.share is not None
            },
            by,
        )
        mix = unit.release.products if unit.release.policy == "arrivals" else {}
        if not any("." in product for product in mix):  # else no path can name it
            path = f"{at}.release.products"
            said = {f"{path}.{p}": (f"share of {p} that arrives at {name}", mix[p]) for p in mix}
            yield from _divided(said, by)


def _divided(told: Mapping[str, tuple[str, float]], by: float) -> Iterator[Parameter]:
    """Each share that is neither 0 nor all; of two, which mirror each other, the first."""
    shares = {path: share for path, (_, share) in told.items()}
    open_ = [path for path, share in shares.items() if 0.0 < share < 1.0]
    for path in open_[:1] if len(open_) == 2 else open_:
        share = shares[path]
        step = by * min(share, 1.0 - share)
        yield Parameter(
            name=told[path][0],
            paths=(path,),
            value=share,
            counted=False,
            step=step,
            less=_divided_anew(shares, path, share - step),
            more=_divided_anew(shares, path, share + step),
            apart=2.0,
        )


def _divided_anew(shares: Mapping[str, float], moved: str, to: float) -> tuple[Change, ...]:
    room = (1.0 - to) / (1.0 - shares[moved])
    return tuple(
        Change(path=path, op="set", value=to if path == moved else share * room)
        for path, share in shares.items()
    )


def _counts(plant: Plant) -> Iterator[Parameter]:
    for name, zone in plant.storage_zones.items():
        yield _one(f"places in {name}", f"storage_zones.{name}.capacity", zone.capacity)
    for name, unit in plant.work_units.items():
        at = f"work_units.{name}"
        if unit.batch is None:
            yield _one(f"machines of {name}", f"{at}.servers", unit.servers)
        else:
            yield from _oven(name, unit.batch.size, unit.batch.starts_at)
        if unit.inspection is not None and unit.inspection.rework is not None:
            limit = unit.inspection.rework_limit
            yield _one(f"reworks of a part at {name}", f"{at}.inspection.rework_limit", limit)
        if unit.release.policy == "arrivals" and unit.release.places is not None:
            yield _one(f"places before {name}", f"{at}.release.places", unit.release.places)
    if any(unit.failure_modes or unit.upkeep for unit in plant.work_units.values()):
        yield _one("repair crews", "maintenance.crews", plant.maintenance.crews)
    for name, team in plant.operators.items():
        yield _one(f"operators in {name}", f"operators.{name}.count", team.count)
    for name, loop in plant.kanban.items():
        yield _one(f"cards of {name}", f"kanban.{name}.cards", loop.cards)


def _oven(name: str, size: int, starts_at: int) -> Iterator[Parameter]:
    """It may hold one more, or wait for one less: neither can make a line stand that did not."""
    at = f"work_units.{name}.batch"
    as_it_is = Change(path=f"{at}.minimum", op="set", value=float(starts_at))
    yield _one(f"parts that {name} holds", f"{at}.size", size, as_it_is)
    if starts_at > 1:
        path = f"{at}.minimum"
        yield Parameter(
            name=f"parts that {name} waits for",
            paths=(path,),
            value=float(starts_at),
            counted=True,
            step=1.0,
            less=(Change(path=path, op="set", value=starts_at - 1.0),),
            more=(),
            apart=1.0,
        )


def _one(name: str, path: str, value: int, *held: Change) -> Parameter:
    return Parameter(
        name=name,
        paths=(path,),
        value=float(value),
        counted=True,
        step=1.0,
        less=(),
        more=(Change(path=path, op="add", value=1.0), *held),
        apart=1.0,
    )
