"""How fast the engines are: CPU time a part and station, ratios within one run, scenarios a minute.

Run from the repository: ``make bench-engine``, or ``make bench-engine ARGS=--quick`` for a run of
half a minute. Exit code 1 when a result differs, never for a time. Page: docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.benchmarks.engine_lines import (
    CYCLE_S,
    EXPONENTIAL,
    LOGNORMAL,
    PLACES,
    factory,
    serial_line,
)
from tests.benchmarks.engine_report import engine_report, machine
from tests.benchmarks.engine_scenarios import beginning, scenarios, whatif
from tests.benchmarks.engine_size import DAY_S, FULL, QUICK, ROOT, Size
from tests.benchmarks.engine_timing import Timed, difference, playing, refused, take_turns
from tests.benchmarks.report import Report, tell
from tests.benchmarks.rivals import textbook_simpy
from twin.engine import Engine
from twin.engine.warm import compile_engines
from twin.plant import Plant

STOP_EVERY_S = 4 * 3600.0
RIVALS = ("ciw", "salabim", "simantha")


def textbook(size: Size, *, stations: int, failures: bool) -> Callable[[], list[int]]:
    return partial(
        textbook_simpy.run,
        stations=stations,
        places=PLACES,
        cycle_s=CYCLE_S,
        horizon_s=size.horizon_s,
        seed=0,
        stop_every_s=STOP_EVERY_S if failures else None,
    )


def beside_reference(
    name: str,
    plant: Plant,
    engine: Engine,
    size: Size,
    report: Report,
    *,
    bar: float,
    simpy: Callable[[], list[int]] | None = None,
) -> None:
    """One line on a compiled engine, on the reference, and as a textbook writes it for SimPy."""
    if reason := refused(plant, engine):
        tell(f"{name}, {engine}: left out, {reason}")
        return
    many = size.replications if engine == "events" else 2 * size.replications
    cases = {
        "reference": playing(plant, size.horizon_s, 1, "reference"),
        engine: playing(plant, size.horizon_s, many, engine),
    }
    if simpy is not None:
        cases["textbook"] = simpy
    found = take_turns(cases, size.rounds)
    for case, timed in found.items():
        report.keep(f"{name}, {case}", timed.counts)
    if wrong := difference(plant, size.horizon_s, engine):
        report.wrong.append(f"{name}: {engine} and reference differ in {wrong}")
    ours, reference = found[engine], found["reference"]
    note = f"{many} replications of {ours.work // many:,} parts times stations"
    report.add(f"{name}: {_SAID[engine]}", ours.ns, "ns", note=note)
    ratio = reference.ns / ours.ns
    held = bar if size.whole else None
    report.add(
        f"  {name}: against the reference",
        ratio,
        "x",
        bar=held,
        least=True,
        note=f"reference {reference.ns:,.0f} ns",
    )
    if simpy is not None:
        plain = found["textbook"]
        report.add(
            f"  {name}: against textbook SimPy",
            plain.ns / ours.ns,
            "x",
            bar=held,
            least=True,
            note=f"textbook {plain.ns:,.0f} ns; made {plain.counts[1]:,}, reference {reference.counts[1]:,}",
        )


_SAID = {"events": "event loop", "recursion": "recursion", "reference": "reference"}


def events(size: Size, report: Report) -> None:
    plain = textbook(size, stations=10, failures=False)
    line = serial_line(10, EXPONENTIAL, failures=False)
    beside_reference("serial line of 10", line, "events", size, report, bar=70, simpy=plain)
    failing = textbook(size, stations=10, failures=True)
    line = serial_line(10, EXPONENTIAL, failures=True)
    name = "serial line of 10 with failures"
    beside_reference(name, line, "events", size, report, bar=70, simpy=failing)
    name = "assembly, rework, scrap, one repairer"
    beside_reference(name, factory(), "events", size, report, bar=70)


def recursion(size: Size, report: Report) -> None:
    for stations in (10, 50):
        plain = textbook(size, stations=stations, failures=True)
        line = serial_line(stations, EXPONENTIAL, failures=True)
        name = f"{stations} stations with failures"
        beside_reference(name, line, "recursion", size, report, bar=800, simpy=plain)
        line = serial_line(stations, LOGNORMAL, failures=True)
        name = f"{stations} stations with failures, lognormal"
        beside_reference(name, line, "recursion", size, report, bar=800)


def rivals(size: Size, report: Report, python: Path) -> None:
    """Other libraries on the same line: exponential cycles, five places, nothing fails."""
    line = serial_line(10, EXPONENTIAL, failures=False)
    cases = {
        "reference": playing(line, size.horizon_s, 1, "reference"),
        "textbook": textbook(size, stations=10, failures=False),
        "events": playing(line, size.horizon_s, size.replications, "events"),
    }
    if not refused(line, "recursion"):
        cases["recursion"] = playing(line, size.horizon_s, 2 * size.replications, "recursion")
    found = take_turns(cases, size.rounds)
    ours = min((timed for name, timed in found.items() if name != "textbook"), key=lambda t: t.ns)
    for name in RIVALS:
        if there := _rival(name, python, size, report):
            timed, version = there
            note = f"{timed.ns / ours.ns:,.0f} times ours; made {timed.counts[1]:,}"
            report.add(f"  {name} {version}", timed.ns, "ns", note=note)
    said = _SAID | {"reference": "our reference", "textbook": "textbook SimPy"}
    for name, timed in found.items():
        made = timed.counts[1] / (timed.work / found["reference"].work)
        note = f"{timed.ns / ours.ns:,.0f} times ours; made {made:,.0f}"
        report.add(f"  {said[name]} on the line of the rivals", timed.ns, "ns", note=note)


def _rival(name: str, python: Path, size: Size, report: Report) -> tuple[Timed, str] | None:
    if not python.exists():
        tell(
            f"{name}: left out, there is no {python.name} with it; see docs/reference/benchmarks.md"
        )
        return None
    arguments = {
        "stations": 10,
        "places": PLACES,
        "cycle_s": CYCLE_S,
        "horizon_s": size.horizon_s,
        "seed": 0,
    }
    script = Path(__file__).parent / "rivals" / "peer.py"
    command = [python, script, f"{name}_line", json.dumps(arguments), str(min(3, size.rounds))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        tell(f"{name}: left out, {done.stderr.strip().splitlines()[-1]}")
        return None
    found = json.loads(done.stdout.splitlines()[-1])
    work, made = found["counts"]
    report.keep(f"{name} {found['version']}", found["counts"])
    return Timed(cpu_s=found["cpu_s"], work=work, counts=[work, made]), found["version"]


def growth(size: Size, report: Report) -> None:
    """Cost a part and station as one of stations, parts and replications grows."""
    for stations in size.stations:
        line = serial_line(stations, EXPONENTIAL, failures=True)
        _grown(f"{stations} stations", line, size.grow_s, 8, size, report)
    line = serial_line(10, EXPONENTIAL, failures=True)
    for days in size.days:
        _grown(f"{days:g} days", line, days * DAY_S, 8, size, report)
    for replications in size.futures:
        _grown(f"{replications} replications", line, size.grow_s, replications, size, report)


def _grown(
    name: str, line: Plant, horizon_s: float, replications: int, size: Size, report: Report
) -> None:
    engines: tuple[Engine, ...] = ("recursion", "events", "reference")
    cases = {
        engine: playing(line, horizon_s, 1 if engine == "reference" else replications, engine)
        for engine in engines
        if not refused(line, engine)
    }
    found = take_turns(cases, 2)
    for engine, timed in found.items():
        report.keep(f"growth, {name}, {engine}", timed.counts)
    first, *others = found
    note = "; ".join(f"{_SAID[e]} {found[e].ns:,.0f} ns" for e in others)
    report.add(f"  growth, {name}: {_SAID[first]}", found[first].ns, "ns", note=note)


PARTS: dict[str, Callable[..., None]] = {
    "beginning": beginning,
    "events": events,
    "recursion": recursion,
    "scenarios": scenarios,
    "whatif": whatif,
    "rivals": rivals,
    "growth": growth,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="half a minute in place of five")
    parser.add_argument("--pin", action="store_true", help="keep this run to compare with")
    parser.add_argument("--only", choices=PARTS, action="append", help="some of the parts")
    parser.add_argument(
        "--rivals",
        type=Path,
        default=ROOT / ".bench" / "bin" / "python",
        help="an interpreter that has Ciw, salabim and simantha",
    )
    given = parser.parse_args()
    size, kind = (QUICK, "quick") if given.quick else (FULL, "full")
    report, began = engine_report(), time.monotonic()
    where = machine()
    tell(where)
    compile_engines()
    for part in given.only or PARTS:
        PARTS[part](size, report, *((given.rivals,) if part == "rivals" else ()))
    report.compare(kind)
    if given.pin:
        report.pin(kind, where)
    tell(f"{time.monotonic() - began:.0f} s")
    for wrong in report.wrong:
        tell(f"WRONG {wrong}")
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
