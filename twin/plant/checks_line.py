"""Faults of what a unit needs beside parts: ovens, sources, upkeep, operators, cards."""

from __future__ import annotations

from twin.plant import flow
from twin.plant.equipment import Release, Upkeep
from twin.plant.faults import Found, known
from twin.plant.model import Plant

__all__ = ["line_faults"]

_SUM_WITHIN = 1e-9


def line_faults(plant: Plant) -> Found:
    """What is wrong with batches, releases, upkeep, operators and kanban loops."""
    skills = {skill for team in plant.operators.values() for skill in team.skills}
    for name, unit in plant.work_units.items():
        place = f"work_units.{name}"
        yield from _batch(plant, name)
        if plant.upstream(name) and unit.release != Release():
            found = f"is fed by {', '.join(plant.upstream(name))} and starts no parts of its own"
            yield f"{place}.release", found, "take it out, or the zone"
        else:
            yield from _release(plant, f"{place}.release", unit.release)
        for key, upkeep in unit.upkeep.items():
            yield from _upkeep(f"{place}.upkeep.{key}", upkeep)
            for mode in upkeep.renews:
                where = f"{place}.upkeep.{key}.renews"
                yield from known(where, "failure mode", mode, unit.failure_modes)
        if unit.operator and name not in skills:
            found = "needs an operator, but no team has the skill for it"
            yield f"{place}.operator", found, f'add "{name}" to the skills of a team in [operators]'
    for key, team in plant.operators.items():
        for skill in team.skills:
            yield from known(f"operators.{key}.skills", "work unit", skill, plant.work_units)
    yield from _kanban(plant)


def _batch(plant: Plant, name: str) -> Found:
    unit, zones = plant.work_units[name], plant.upstream(name)
    if (batch := unit.batch) is None:
        return
    place = f"work_units.{name}.batch"
    if batch.starts_at > batch.size:
        found = f"{batch.starts_at} is more than the {batch.size} that it holds"
        yield f"{place}.minimum", found, f"make it {batch.size} or less"
    if unit.servers > 1:
        found = f"{name} is {unit.servers} machines under one name"
        yield place, found, "make each a work unit of its own, or drop batch"
    if len(zones) != 1:
        found = f"{len(zones)} storage zones lead to {name}" if zones else "no zone leads to it"
        yield place, found, "let it be fed from one storage zone"
        return
    zone = plant.storage_zones[zones[0]]
    if zone.capacity < batch.starts_at <= batch.size:
        found = (
            f"starts when {batch.starts_at} parts are waiting, but {zones[0]} holds {zone.capacity}"
        )
        yield place, found, "give the zone more places, or set a smaller minimum"


def _release(plant: Plant, place: str, release: Release) -> Found:
    for product in release.products:
        yield from known(f"{place}.products", "product", product, plant.products)
    if release.policy == "arrivals":
        if release.interarrival is None:
            found = "is missing, but parts arrive"
            yield f"{place}.interarrival", found, "give the law of the time between two parts"
        elif not release.interarrival.mean() > 0.0:
            found = "takes no time, so parts arrive without end"
            yield f"{place}.interarrival", found, "give a mean above 0"
        total = sum(release.products.values())
        if release.products and abs(total - 1.0) > _SUM_WITHIN:
            yield f"{place}.products", f"the shares add up to {total:g}", "make them add up to 1"
        return
    usual = Release()
    for key in ("interarrival", "products", "places"):
        if getattr(release, key) != getattr(usual, key):
            found = f"only arrivals have it, and the policy is {release.policy}"
            yield f"{place}.{key}", found, 'write policy = "arrivals", or take it out'


def _upkeep(place: str, upkeep: Upkeep) -> Found:
    if upkeep.every_parts is None and upkeep.every_h is None:
        yield place, "has neither every_parts nor every_h", "add one of them"
    if upkeep.every_parts is not None and upkeep.every_h is not None:
        yield place, "has both every_parts and every_h", "make two of it, each with one of them"
    if upkeep.first_at is not None and upkeep.every_h is None:
        yield f"{place}.first_at", "says when, but there is no every_h", "add every_h"


def _kanban(plant: Plant) -> Found:
    for key, loop in plant.kanban.items():
        place = f"kanban.{key}"
        yield from known(f"{place}.first", "work unit", loop.first, plant.work_units)
        both = (*plant.work_units, *plant.storage_zones)
        yield from known(f"{place}.last", "work unit or storage zone", loop.last, both)
        if loop.last in plant.work_units and loop.last in plant.storage_zones:
            found = f'"{loop.last}" is a work unit and a storage zone'
            yield f"{place}.last", found, "rename one of them"
        if loop.first not in plant.work_units or loop.last not in both:
            continue
        zone = plant.storage_zones.get(loop.last)
        last = zone.upstream if zone and loop.last not in plant.work_units else loop.last
        way = flow.reached([loop.first], lambda name: flow.after(plant, name))
        if last in plant.work_units and last not in way:
            found = f"no part goes from {loop.first} to {loop.last}, so no card would return"
            yield place, found, "name two places on one way, in the order of the flow"
