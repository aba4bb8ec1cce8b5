"""Unit codes that a plant file may use, their dimension, and conversion between them."""

from __future__ import annotations

from dataclasses import dataclass

from twin.errors import UnitError

__all__ = ["UNITS", "Unit", "convert", "unit"]


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of measure: ``si = value * scale + offset`` in the coherent SI unit of its dimension."""

    code: str
    dimension: str
    scale: float = 1.0
    offset: float = 0.0


UNITS: dict[str, Unit] = {
    u.code: u
    for u in (
        Unit("1", "number"),
        Unit("%", "number", 0.01),
        Unit("count", "number"),
        Unit("K", "temperature"),
        Unit("degC", "temperature", 1.0, 273.15),
        Unit("degF", "temperature", 5 / 9, 459.67 * 5 / 9),
        Unit("s", "time"),
        Unit("ms", "time", 1e-3),
        Unit("min", "time", 60.0),
        Unit("h", "time", 3600.0),
        Unit("m", "length"),
        Unit("mm", "length", 1e-3),
        Unit("um", "length", 1e-6),
        Unit("m/s", "speed"),
        Unit("mm/s", "speed", 1e-3),
        Unit("m/min", "speed", 1 / 60),
        Unit("m/s2", "acceleration"),
        Unit("Pa", "pressure"),
        Unit("kPa", "pressure", 1e3),
        Unit("bar", "pressure", 1e5),
        Unit("W", "power"),
        Unit("kW", "power", 1e3),
        Unit("J", "energy"),
        Unit("kWh", "energy", 3.6e6),
        Unit("A", "current"),
        Unit("V", "voltage"),
        Unit("Hz", "frequency"),
        Unit("1/min", "frequency", 1 / 60),
        Unit("kg", "mass"),
        Unit("g", "mass", 1e-3),
        Unit("l/min", "flow", 1e-3 / 60),
        Unit("N", "force"),
    )
}


def unit(code: str) -> Unit:
    """The unit with this code.

    Raises:
        UnitError: No such code; the message lists the known ones.

    Example:
        >>> unit("degC").dimension
        'temperature'
    """
    try:
        return UNITS[code]
    except KeyError:
        raise UnitError(f'unit "{code}" is not known; use one of {", ".join(UNITS)}') from None


def convert(value: float, source: str, target: str) -> float:
    """The same quantity in another unit.

    Args:
        value: Quantity in ``source`` units.
        source: Unit code of the value.
        target: Unit code of the result, of the same dimension.

    Raises:
        UnitError: A code is unknown, or the dimensions differ.

    Source:
        NIST Special Publication 811, appendix B.8.

    Example:
        >>> convert(212.0, "degF", "degC")
        100.0
    """
    a, b = unit(source), unit(target)
    if a.dimension != b.dimension:
        raise UnitError(f'"{source}" is a {a.dimension}, "{target}" is a {b.dimension}')
    if a is b:
        return value
    if a.offset or b.offset:  # temperatures: what is left near 0 after a difference is noise
        return round((value * a.scale + a.offset - b.offset) / b.scale, 12)
    return float(f"{value * a.scale / b.scale:.15g}")
