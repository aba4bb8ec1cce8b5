"""Units: known codes, exact conversion, and no mixing of dimensions.

Expected values: NIST Special Publication 811 (2008), appendix B; the SI brochure for the rest.
"""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.errors import UnitError
from twin.units import UNITS, convert, unit

PAIRS = [(a, b) for a in UNITS for b in UNITS if UNITS[a].dimension == UNITS[b].dimension]
STRANGERS = [(a, b) for a in UNITS for b in UNITS if UNITS[a].dimension != UNITS[b].dimension]


@pytest.mark.parametrize(
    ("value", "source", "target", "expected"),
    [
        (0.0, "degC", "K", 273.15),
        (100.0, "degC", "degF", 212.0),
        (-40.0, "degF", "degC", -40.0),
        (0.0, "K", "degF", -459.67),
        (37.0, "degC", "degF", 98.6),
        (1.0, "bar", "kPa", 100.0),
        (2.5, "kWh", "J", 9.0e6),
        (1.0, "J", "kWh", 1 / 3.6e6),
        (1500.0, "1/min", "Hz", 25.0),
        (1.0, "h", "s", 3600.0),
        (250.0, "ms", "s", 0.25),
        (1.0, "m/min", "mm/s", 1000 / 60),
        (25.0, "%", "1", 0.25),
        (3.0, "count", "1", 3.0),
        (150.0, "um", "mm", 0.15),
        (0.42, "kg", "g", 420.0),
        (1.2, "kW", "W", 1200.0),
    ],
)
def test_published_conversions(value: float, source: str, target: str, expected: float) -> None:
    assert convert(value, source, target) == pytest.approx(expected, rel=1e-12, abs=1e-300)


def test_a_unit_to_itself_changes_no_bit() -> None:
    for code in UNITS:
        assert convert(0.1 + 0.2, code, code) == 0.1 + 0.2


@given(st.sampled_from(PAIRS), st.floats(-1e6, 1e6))
def test_a_conversion_there_and_back_gives_the_value(pair: tuple[str, str], value: float) -> None:
    source, target = pair
    there = convert(value, source, target)
    noise = 1e-9 if UNITS[source].dimension == "temperature" else 0.0
    assert convert(there, target, source) == pytest.approx(value, rel=1e-12, abs=noise + 1e-300)


@given(st.sampled_from(PAIRS), st.floats(-1e6, 1e6), st.floats(1e-3, 1e3))
def test_more_stays_more(pair: tuple[str, str], value: float, step: float) -> None:
    assert convert(value + step, *pair) >= convert(value, *pair)


@pytest.mark.parametrize(("source", "target"), STRANGERS[:: len(STRANGERS) // 12])
def test_another_dimension_is_refused(source: str, target: str) -> None:
    with pytest.raises(UnitError) as refused:
        convert(1.0, source, target)
    line = str(refused.value)
    assert f'"{source}" is a {UNITS[source].dimension}' in line
    assert f'"{target}" is a {UNITS[target].dimension}' in line


def test_an_unknown_code_lists_the_known_ones() -> None:
    with pytest.raises(UnitError, match=r'"Celsius" is not known; use one of .*degC, degF'):
        unit("Celsius")
    with pytest.raises(UnitError, match='"furlong"'):
        convert(1.0, "m", "furlong")


def test_each_dimension_has_its_si_unit() -> None:
    for dimension in {u.dimension for u in UNITS.values()}:
        coherent = [u for u in UNITS.values() if u.dimension == dimension and u.scale == 1.0]
        flow = dimension == "flow"  # m3/s is in no plant file
        assert flow or any(u.offset == 0.0 for u in coherent)


def test_every_unit_is_a_number_that_can_be_used() -> None:
    for code, known in UNITS.items():
        assert unit(code) is known
        assert known.scale > 0
        assert math.isfinite(known.scale)
        assert math.isfinite(known.offset)
